"""Text never becomes a control token, encoders agree, and windows cover everything."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import FIM_SPELLINGS, PRETOKENIZER
from effectiveness.corpus.tokenization import (
    CONTROL_TOKENS,
    FIM_TOKENS,
    HOSTILE_TEXTS,
    PIECE_CHARS,
    Encoder,
    TokenizerError,
    pieces,
    window_bounds,
)
from effectiveness.corpus.tokenization.source import (
    choose_tokenizer,
    install_tokenizer,
    local_vocab_size,
    train_bpe,
    train_tokenizer,
)

TEXTS = [Path(json.__file__).read_text("utf-8"), Path(random.__file__).read_text("utf-8")]
ALPHABET = [
    *"abcXYZ019 _\t\n\r\x00\x0b\x1b'\"\\<>|/[](){}.,;:éßñ中文한",
    *"\u0301\u200d\u00a0\u2028\ufeff😀👩\U0001d54f\U00031350\U0001e6c0",
    *CONTROL_TOKENS,
    *("</s>", "<s>", "[MASK]", "'ll", "  ", "\r\n", "0x1F"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    directory = tmp_path_factory.mktemp("local") / "tokenizer"
    return train_tokenizer(choose_tokenizer("local"), iter(TEXTS), 1024, directory)


@pytest.fixture(scope="module")
def encoder(tokenizer) -> Encoder:
    return Encoder(Path(tokenizer.directory) / "tokenizer.json", [text.encode() for text in TEXTS])


def random_text(rng: random.Random) -> str:
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(0, 60)))


def control_ids(tokenizer) -> set[int]:
    parsed = json.loads((Path(tokenizer.directory) / "tokenizer.json").read_text("utf-8"))
    return {token["id"] for token in parsed["added_tokens"]}


def test_every_control_token_exists_in_a_tokenizer_we_write(tokenizer):
    parsed = json.loads((Path(tokenizer.directory) / "tokenizer.json").read_text("utf-8"))
    assert {token["content"] for token in parsed["added_tokens"]} == set(CONTROL_TOKENS)
    assert tokenizer.vocab_size == 1024
    assert tokenizer.pad_id != tokenizer.mask_id


def test_random_text_round_trips_and_never_holds_a_control_id(tokenizer, encoder):
    rng, controls = random.Random(7), control_ids(tokenizer)
    for text in [*HOSTILE_TEXTS, *(random_text(rng) for _ in range(2000))]:
        ids = encoder.encode(text.encode())
        assert not controls & set(ids.tolist()), text
        assert encoder._reference.decode(ids.tolist(), skip_special_tokens=False) == text
        ends = encoder.token_ends(text.encode(), ids)
        assert len(ends) == len(ids)
        assert not len(ends) or ends[-1] == len(text.encode())


def test_the_fast_encoder_gives_the_ids_of_the_reference_on_random_text(encoder):
    assert encoder.backend == "gigatoken"
    rng = random.Random(11)
    for _ in range(3000):
        text = random_text(rng).encode()
        assert np.array_equal(encoder.encode(text), encoder._encode_by_reference(text)), text


def test_every_unassigned_letter_goes_to_the_reference(encoder):
    for code_point in (0x1C89, 0xA7CB, 0x10D40, 0x31350, 0x2EBF0, 0x1E6C0):
        text = f"ab{chr(code_point)}1 {chr(code_point)}".encode()
        assert np.array_equal(encoder.encode(text), encoder._encode_by_reference(text))


def _encode_in_child(path: str, texts: list[str]) -> list[list[int]]:
    encoder = Encoder(Path(path))
    return [encoder.encode(text.encode()).tolist() for text in texts]


def test_spawned_workers_encode_control_texts_as_ordinary_characters(tokenizer, encoder):
    path = str(Path(tokenizer.directory) / "tokenizer.json")
    texts = [*HOSTILE_TEXTS, *CONTROL_TOKENS]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        ids = pool.apply(_encode_in_child, (path, texts))
    assert ids == [encoder.encode(text.encode()).tolist() for text in texts]


def test_transformers_loads_the_tokenizer_and_keeps_control_texts_ordinary(tokenizer, encoder, tmp_path):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tokenizer.directory)
    loaded.save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    for text in [*HOSTILE_TEXTS, *CONTROL_TOKENS]:
        expected = encoder.encode(text.encode()).tolist()
        assert loaded(text, add_special_tokens=False)["input_ids"] == expected
        assert again(text, add_special_tokens=False)["input_ids"] == expected
        assert loaded.decode(expected) == text
    assert loaded.pad_token_id == tokenizer.pad_id
    assert loaded.mask_token_id == tokenizer.mask_id
    assert all(loaded.convert_tokens_to_ids(token) != loaded.unk_token_id for token in FIM_TOKENS)


def test_training_twice_gives_the_same_bytes(tmp_path):
    train_bpe(iter(TEXTS), 600, tmp_path / "a.json")
    train_bpe(iter(TEXTS), 600, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def roberta_directory(path: Path) -> Path:
    """The GPT-2 form CodeBERT comes in: vocab.json and merges.txt, control tokens inside the vocabulary."""
    path.mkdir(parents=True)
    train_bpe(iter(TEXTS), 700, path / "tokenizer.json")
    model = json.loads((path / "tokenizer.json").read_text("utf-8"))["model"]
    vocab = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *model["vocab"], "<mask>"])}
    (path / "vocab.json").write_text(json.dumps(vocab), "utf-8")
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
    (path / "tokenizer.json").unlink()
    return path


def test_a_roberta_vocabulary_keeps_its_control_tokens_and_gains_the_fill_in_the_middle_ones(tmp_path):
    source = roberta_directory(tmp_path / "codebert")
    info = install_tokenizer(choose_tokenizer(str(source)), tmp_path / "tokenizer")
    parsed = json.loads((tmp_path / "tokenizer" / "tokenizer.json").read_text("utf-8"))
    ids = {token["content"]: token["id"] for token in parsed["added_tokens"]}
    assert (
        (info.pad_id, info.mask_id) == (ids["<pad>"], ids["<mask>"]) == (1, len(parsed["model"]["vocab"]) - 1)
    )
    assert set(FIM_SPELLINGS[0]) <= set(ids)
    assert not {"<|repo_name|>", "<|file_sep|>", "<|endoftext|>"} & set(ids)  # nothing asks for these
    encoded = Encoder(tmp_path / "tokenizer" / "tokenizer.json").encode(b"<s> </s> <mask> <pad>")
    assert not set(encoded.tolist()) & set(ids.values())


@pytest.mark.parametrize("spelling", FIM_SPELLINGS)
def test_a_bases_own_fill_in_the_middle_tokens_are_used_and_none_is_added_beside_them(tmp_path, spelling):
    from tokenizers import AddedToken, Tokenizer
    from transformers import AutoTokenizer

    (tmp_path / "base").mkdir()
    train_bpe(iter(TEXTS), 600, tmp_path / "whole.json")
    base = Tokenizer.from_file(str(tmp_path / "whole.json"))
    parsed = json.loads(base.to_str())
    parsed["added_tokens"] = []
    base = Tokenizer.from_str(json.dumps(parsed))
    base.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in ("</s>", *spelling)]
    )
    base.save(str(tmp_path / "base" / "tokenizer.json"))
    (tmp_path / "base" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    info = install_tokenizer(choose_tokenizer(str(tmp_path / "base")), tmp_path / "tokenizer")
    before, loaded = base.get_vocab(), AutoTokenizer.from_pretrained(tmp_path / "tokenizer").get_vocab()
    assert {text: loaded[text] for text in before} == before
    assert set(loaded) - set(before) == {"<|pad|>", "<mask>"}
    assert info.vocab_size == len(before) + 2


def odd_tokenizer(directory: Path, **changes) -> Path:
    """A byte-level BPE whose tokenizer.json has these keys changed; "model." leads into the model."""
    directory.mkdir()
    train_bpe(iter(TEXTS), 700, directory / "tokenizer.json")
    parsed = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    parsed["model"] |= changes.pop("model", {})
    (directory / "tokenizer.json").write_text(json.dumps(parsed | changes), "utf-8")
    return directory


def refusal(source: Path, tmp_path: Path) -> str:
    with pytest.raises(UserError) as raised:
        install_tokenizer(choose_tokenizer(str(source)), tmp_path / "tokenizer")
    assert raised.value.exit_code == 2
    return str(raised.value)


def reaching(text: str, vocab: dict[str, int], merges: list) -> None:
    """Add merges that make one token of `text`."""
    for end in range(2, len(text) + 1):
        vocab.setdefault(text[:end], len(vocab))
        merges.append([text[: end - 1], text[end - 1]])


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("text", ["<EOT>", "stop", "[END]"])
def test_merges_that_reach_a_control_token_refuse_the_tokenizer(text, special, tmp_path):
    """Also one that its file calls ordinary, where tokenizer_config.json gives it a role."""
    source = odd_tokenizer(tmp_path / "source")
    parsed = json.loads((source / "tokenizer.json").read_text("utf-8"))
    vocab, merges = parsed["model"]["vocab"], parsed["model"]["merges"]
    merges[:] = []
    reaching(text, vocab, merges)
    parsed["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "use_regex": False,
        "trim_offsets": True,
    }
    entry = {**parsed["added_tokens"][0], "content": text, "id": vocab[text], "special": special}
    parsed["added_tokens"] = [entry]
    (source / "tokenizer.json").write_text(json.dumps(parsed), "utf-8")
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": text}), "utf-8")
    assert f"would become its control token {text!r}" in refusal(source, tmp_path)


def test_a_normalizer_that_spells_a_control_token_is_noticed_when_a_file_holds_what_it_replaces(tmp_path):
    source = odd_tokenizer(tmp_path / "source")
    parsed = json.loads((source / "tokenizer.json").read_text("utf-8"))
    reaching("EOT", parsed["model"]["vocab"], parsed["model"]["merges"])
    entry = {**parsed["added_tokens"][0], "content": "EOT", "id": parsed["model"]["vocab"]["EOT"]}
    parsed["added_tokens"] = [entry]
    parsed["normalizer"] = {"type": "Replace", "pattern": {"String": "zzz"}, "content": "EOT"}
    parsed["model"]["merges"] = [
        m for m in parsed["model"]["merges"] if m[0] in ("E", "EO") and m[1] in ("O", "T")
    ]
    (source / "tokenizer.json").write_text(json.dumps(parsed), "utf-8")
    encoder = Encoder(source / "tokenizer.json")
    for backend in ("as it is", "tokenizers"):
        if backend == "tokenizers":
            encoder._gigatoken = None
        with pytest.raises(TokenizerError, match="would become its control token 'EOT'"):
            encoder.encode(b"sleeps: zzz")


@pytest.mark.parametrize("dropout", [0.3, 0.001, 1])
def test_dropout_is_refused_since_the_same_text_would_have_other_ids(dropout, tmp_path):
    said = refusal(odd_tokenizer(tmp_path / "source", model={"dropout": dropout}), tmp_path)
    assert "tokenizer.json drops merges by chance" in said and "--tokenizer local" in said


def test_truncation_and_padding_are_no_part_of_what_is_written(tmp_path):
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    pad = {"strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
    pad |= {"pad_type_id": 0, "pad_token": "!"}
    source = odd_tokenizer(tmp_path / "source", truncation=cut, padding=pad)
    info = install_tokenizer(choose_tokenizer(str(source)), tmp_path / "tokenizer")
    written = json.loads(info.json_path.read_text("utf-8"))
    assert written["truncation"] is None and written["padding"] is None
    assert len(Encoder(info.json_path).encode(b"one two three four five six")) > 3


def test_a_vocabulary_that_holds_the_text_of_its_control_token_is_refused(tmp_path):
    """Unigram matches any entry; merges are not needed."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = [("<unk>", 0.0), ("</s>", 0.0), *((char, -9.0) for char in alphabet)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    (tmp_path / "source").mkdir()
    tokenizer.save(str(tmp_path / "source" / "tokenizer.json"))
    (tmp_path / "source" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    assert "would become its control token" in refusal(tmp_path / "source", tmp_path)


def test_a_tokenizer_whose_library_hangs_or_dies_is_refused(tmp_path, monkeypatch):
    from effectiveness.corpus import build

    choice = choose_tokenizer(str(odd_tokenizer(tmp_path / "source")))
    for died, said in (("a worker process died", "died of it"), ("not done after 1 s", "not done after 1 s")):
        died = build.DEAD_WORKER if died.startswith("a worker") else died

        def child(*_, died=died, **__):
            raise build.ChildDied(died, exit_code=1)

        monkeypatch.setattr(build, "run_in_child", child)
        with pytest.raises(UserError, match=said) as raised:
            build.install(choice, tmp_path / "tokenizer")
        assert raised.value.exit_code == 2


def test_a_file_that_is_no_tokenizer_does_not_stand_for_the_one_beside_it(tmp_path):
    source = odd_tokenizer(tmp_path / "source")
    (source / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"notes\.txt: neither a directory nor a tokenizer\.json"):
        choose_tokenizer(str(source / "notes.txt"))


def test_auto_takes_codebert_from_the_cache_and_trains_one_without(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert choose_tokenizer("auto").name == "local"
    repository = tmp_path / "hub" / "models--microsoft--codebert-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    roberta_directory(repository / "snapshots" / "abc")
    assert choose_tokenizer("auto").name == "microsoft/codebert-base"


@pytest.mark.parametrize("name", ["no/such-tokenizer", "../../no-such", "/no/such/path"])
def test_a_tokenizer_asked_for_by_name_is_never_replaced(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"--tokenizer .*: no such path"):
        choose_tokenizer(name)


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[1]",
        '{"model": {"type": "BPE"}}',
        '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": "x"}]}',
        "not json",
        "\udc80\x04\udc95 a pickle",
    ],
)
def test_a_damaged_tokenizer_json_is_one_line(content, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "tokenizer.json").write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(UserError) as error:
        install_tokenizer(choose_tokenizer(str(tmp_path / "source")), tmp_path / "tokenizer")
    assert "\n" not in str(error.value)


def test_an_edited_merge_list_is_one_line(tmp_path):
    source = roberta_directory(tmp_path / "source")
    (source / "merges.txt").write_text("a b c\n", "utf-8")
    with pytest.raises(UserError, match=r"merges\.txt"):
        install_tokenizer(choose_tokenizer(str(source)), tmp_path / "tokenizer")
    shutil.rmtree(source)


def test_windows_cover_every_token_and_no_window_lies_in_another():
    for context in (4, 8, 100):
        overlap = 3 * context // 4
        for num_tokens in range(4 * context):
            bounds = window_bounds(num_tokens, context, overlap)
            covered = {i for start, length in bounds for i in range(start, start + length)}
            assert covered == set(range(num_tokens))
            assert len({start for start, _ in bounds}) == len(bounds)
            assert all(length == min(context, num_tokens) for _, length in bounds)
            if bounds:
                assert sum(bounds[-1]) == num_tokens


def test_any_span_of_three_quarters_plus_one_token_lies_whole_in_some_window():
    context, overlap = 16, 12
    for num_tokens in range(1, 80):
        bounds = window_bounds(num_tokens, context, overlap)
        span = min(overlap + 1, num_tokens)
        for at in range(num_tokens - span + 1):
            assert any(start <= at and at + span <= start + length for start, length in bounds)


def test_the_vocabulary_doubles_with_every_fourfold_of_text():
    assert [local_vocab_size(size << 10) for size in (1, 256, 1 << 10, 16 << 10, 1 << 30)] == [
        1024,
        2048,
        4096,
        16384,
        32768,
    ]


SPLIT = pre_tokenizers.Split(Regex(PRETOKENIZER), "isolated")


def words_of(text: str) -> list[str]:
    return [word for word, _ in SPLIT.pre_tokenize_str(text)]


def test_the_words_of_the_pieces_of_a_text_are_those_of_the_text():
    rng = random.Random(7)
    texts = [*HOSTILE_TEXTS, *TEXTS, *("".join(random_text(rng) for _ in range(4)) for _ in range(500))]
    for text in texts:
        cut = list(pieces(text, rng.randrange(20)))
        assert "".join(cut) == text
        assert [word for piece in cut for word in words_of(piece)] == words_of(text)


def test_a_text_of_one_line_is_cut_too():
    for unit in ("x=1;", "[[1,2],", "f(a, b) ", "{\n", "é = b\r\n", "中文\n"):
        longest = max(map(len, pieces(unit * PIECE_CHARS)))
        assert longest < PIECE_CHARS + 100, unit


def test_a_large_text_for_the_reference_is_handed_over_in_pieces_and_has_the_same_ids(encoder):
    rng = random.Random(8)
    text = "\U00010400" + "".join(random_text(rng) for _ in range(3000))
    assert len(list(pieces(text))) > 1
    whole = encoder._reference.encode(text, add_special_tokens=False).ids
    assert encoder.encode(text.encode()).tolist() == whole


def test_training_on_one_large_file_takes_no_more_memory_than_a_hundred_and_fifty_times_its_size(tmp_path):
    """In a process of its own; the whole text at once took 230 bytes a byte."""
    train = """
import resource, sys
from pathlib import Path
from effectiveness.corpus.tokenization.source import train_bpe
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
train_bpe(iter(["x = 1\\n" * 100]), 300, Path(sys.argv[1]))
text = "x = 1\\n" * 200_000
before = peak()
train_bpe(iter([text]), 300, Path(sys.argv[1]))
print((peak() - before) / len(text))
"""
    command = [sys.executable, "-c", train, str(tmp_path / "tokenizer.json")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert float(run.stdout) < 150
