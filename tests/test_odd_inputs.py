"""What others wrote is used as they meant it, or refused in one line: no traceback, no wait, no other meaning."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND, build_dataset
from odd_files import fresh_copy, odd_file
from small_repository import make_repository
from test_dataset_effectiveness import main as check_dataset
from test_tokenization import TEXTS, roberta_directory

from effectiveness.common.jsonl import DIGEST_KEY
from effectiveness.common.records import METADATA_FILE, UserError
from effectiveness.common.seeding import rng_for
from effectiveness.completion.spelling import TextCoder
from effectiveness.corpus.tokenization import HOSTILE_TEXTS, Encoder
from effectiveness.corpus.tokenization.reader import read_tokenizer
from effectiveness.corpus.tokenization.source import choose_tokenizer, install_tokenizer, train_tokenizer
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary

# A slice runs always, all 200 in the long campaigns.
SLICES = [
    pytest.param(range(0, 200, 6), id="slice"),
    pytest.param(range(200), id="all", marks=pytest.mark.torture),
]
MAX_LINE = 1500  # characters: a line that can be read


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory) -> tuple[Path, ...]:
    """Directories of whole tokenizers: byte-level BPE, the GPT-2 form, Unigram."""
    base = tmp_path_factory.mktemp("whole")
    train_tokenizer(choose_tokenizer("local"), iter(TEXTS), 600, base / "bpe")
    roberta_directory(base / "roberta")
    unigram(base / "unigram")
    return (base / "bpe", base / "roberta", base / "unigram")


def unigram(directory: Path) -> None:
    """Every byte is an entry of its own, so that texts come back."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = [
        ("<unk>", 0.0),
        *((char, -5.0) for char in alphabet),
        ("re", -3.0),
        ("se", -3.5),
        ("Ġself", -2.0),
    ]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    directory.mkdir()
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"unk_token": "<unk>", "eos_token": None}))


def is_readable_line(error: UserError) -> bool:
    return str(error).isprintable() and 10 < len(str(error)) < MAX_LINE


def try_odd_tokenizer(whole: Path, place: Path, number: int) -> bool:
    """Whether tokenizer `number` was taken; then it does what a tokenizer must."""
    rng = rng_for(1, "tokenizer", whole.name, number)
    odd = fresh_copy(whole, place / "odd")
    odd_file(rng.choice(sorted(odd.glob("*.json"))), rng)
    fresh_copy(place / "empty", place / "made").rmdir()
    try:
        info = install_tokenizer(choose_tokenizer(str(odd)), place / "made")
    except UserError as error:
        assert is_readable_line(error) and error.exit_code == 2, str(error)[:500]
        return False
    encoder, again = Encoder(info.json_path), Encoder(info.json_path)
    controls = {token["id"] for token in json.loads(info.json_path.read_bytes())["added_tokens"]}
    assert {info.pad_id, info.mask_id} <= controls and info.pad_id != info.mask_id
    for text in (*HOSTILE_TEXTS[:4], *TEXTS):
        ids = encoder.encode(text.encode())
        assert np.array_equal(ids, again.encode(text.encode()))
        assert encoder.gives_back(text, ids)
        assert not controls & set(ids.tolist()) and ids.max() < info.vocab_size
    return True


@pytest.mark.parametrize("numbers", SLICES)
def test_an_odd_tokenizer_is_used_as_it_says_or_refused_in_one_line(numbers, tokenizers, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    taken = sum(try_odd_tokenizer(tokenizers[number % 3], tmp_path, number) for number in numbers)
    assert 0 < taken < len(numbers) * 0.8
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A dataset of few rows, which is checked in a moment."""
    base = tmp_path_factory.mktemp("tiny")
    make_repository(base / "repository", num_files=8)
    return build_dataset(base / "repository", base / "dataset")


def sealed(document: dict) -> bytes:
    """As the command would have written it: canonical and with its digest."""
    unsigned = {key: value for key, value in document.items() if key != DIGEST_KEY}
    digest = hashlib.sha256(canonical(unsigned)).hexdigest()
    return canonical({**unsigned, DIGEST_KEY: digest})


def canonical(document: dict) -> bytes:
    text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


@pytest.mark.parametrize("numbers", SLICES)
def test_odd_metadata_is_told_by_the_checker(numbers, tiny, tmp_path, capsys):
    """What was sealed again may be another seed, say, which no row can prove wrong; all else is noticed."""
    whole = (tiny / METADATA_FILE).read_bytes()
    for number in numbers:
        odd = fresh_copy(tiny, tmp_path / "odd")
        odd_file(odd / METADATA_FILE, rng_for(2, "metadata", number), sealed)
        exit_code = check_dataset([str(odd)])
        told = capsys.readouterr()
        if exit_code == 0:
            found = (odd / METADATA_FILE).read_bytes()
            assert found == whole or found == sealed(json.loads(found)), number
        else:
            assert exit_code in (1, 2) and "Traceback" not in told.out + told.err, number


@pytest.mark.parametrize("numbers", SLICES)
def test_odd_metadata_is_refused_by_the_trainer_or_changes_nothing_it_trains_on(numbers, tiny, tmp_path):
    whole = open_dataset(tiny)
    expected = open_rows(whole, "train", write_cache=False)
    num_taken = 0
    for number in numbers:
        odd = fresh_copy(tiny, tmp_path / "odd")
        odd_file(odd / METADATA_FILE, rng_for(3, "metadata", number), sealed)
        try:
            dataset = open_dataset(odd)
            rows = open_rows(dataset, "train", write_cache=False)
        except UserError as error:
            assert is_readable_line(error) and error.exit_code == 2, (number, str(error)[:500])
            continue
        num_taken += 1
        assert rows.sha256 == expected.sha256, number
        assert np.array_equal(rows.tokens, expected.tokens) and np.array_equal(rows.table, expected.table), (
            number
        )
    assert num_taken < len(numbers)


def test_the_command_tells_odd_tokenizers_in_one_line(tokenizers, tmp_path):
    make_repository(tmp_path / "repository", num_files=4)
    for number in (2, 9):
        odd = fresh_copy(tokenizers[0], tmp_path / "odd")
        odd_file(odd / "tokenizer.json", rng_for(4, "command", number))
        flags = ["--tokenizer", str(odd), "--max-tokens", "64", "--workers", "1", "--quiet"]
        command = [
            sys.executable,
            str(COMMAND),
            str(tmp_path / "repository"),
            "--output",
            str(tmp_path / "made"),
        ]
        done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 2) and (done.returncode == 0) == (done.stderr == ""), done.stderr
        assert done.returncode == 0 or done.stderr.splitlines()[1:] == ["FAILED"]


# A prefix that a merge's right half does not have ended the process: no exception, no line.
ENDING = [
    '{"continuing_subword_prefix": "("}',
    '{"continuing_subword_prefix": "e"}',
    '{"continuing_subword_prefix": "\\u00e9\\u00e9"}',
    '{"continuing_subword_prefix": 3}',
    '{"merges": [["a", "b", "c"], 5, null]}',
    '{"merges": {}}',
]


@pytest.mark.parametrize("change", ENDING)
@pytest.mark.parametrize(
    "read", [Vocabulary, TextCoder, lambda directory: read_tokenizer(directory, "give another")]
)
def test_no_reader_of_tokenizers_is_ended_by_one(tokenizers, tmp_path, read, change):
    odd = fresh_copy(tokenizers[0], tmp_path / "odd")
    whole = json.loads((odd / "tokenizer.json").read_bytes())
    whole["model"] |= json.loads(change)
    (odd / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(UserError) as refusal:
        read(odd)
    assert is_readable_line(refusal.value)
