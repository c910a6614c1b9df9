"""Where the tokenizer comes from, and how it is laid into the dataset.

`auto` prefers `microsoft/codebert-base` when it is in the Hugging Face cache or can be fetched within seconds,
else trains one on this repository's training files. A tokenizer that was asked for by name is never replaced.
No code that lies beside a tokenizer is run: only its JSON and text files are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import read_bytes, read_regular, reading
from effectiveness.common.paths import display, path_of
from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import FIM_SPELLINGS, PRETOKENIZER, own_spelling, vocabulary_of
from effectiveness.corpus.tokenization import (
    CONTROL_TOKENS,
    END_OF_TEXT,
    HOSTILE_TEXTS,
    MASK,
    PAD,
    Encoder,
    TokenizerError,
    TokenizerInfo,
    pieces,
    trial_texts_around,
    trial_texts_of,
)

DEFAULT_TOKENIZER = "microsoft/codebert-base"
HUB_TIMEOUT_S = 3.0
WAY_OUT = "name another, or --tokenizer local to train one on this repository"
NUM_ENTRIES = 4000  # of the vocabulary, spread evenly, and as many of those that look like control tokens
_HUB_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class TokenizerChoice:
    """A decision: `files` is the directory that holds the tokenizer, or None to train one locally."""

    name: str
    reason: str
    files: Path | None


def choose_tokenizer(asked: str) -> TokenizerChoice:
    """Decide for `--tokenizer auto|local|NAME|PATH`. Raises UserError when what was named is not to be had."""
    if asked == "local":
        return TokenizerChoice("local", "asked for by name: a BPE trained on this repository", None)
    if asked == "auto":
        if files := _from_hub(DEFAULT_TOKENIZER):
            return TokenizerChoice(DEFAULT_TOKENIZER, "the default, found in the Hugging Face cache", files)
        reason = f"{DEFAULT_TOKENIZER} is neither cached nor reachable within {HUB_TIMEOUT_S:g} s"
        return TokenizerChoice("local", f"{reason}: a BPE trained on this repository", None)
    path = path_of("--tokenizer", asked)
    if os.path.lexists(path):
        return TokenizerChoice(display(Path(path.name)), "asked for by path", _directory_of(path))
    if files := _from_hub(asked):
        return TokenizerChoice(asked, "asked for by name", files)
    raise UserError(
        f"--tokenizer {asked}: no such path, not in the Hugging Face cache and not reachable; "
        "give a directory with a tokenizer.json, or --tokenizer local to train one on this repository"
    )


def _directory_of(path: Path) -> Path:
    if path.is_dir():
        return path
    if path.name in _HUB_FILES and path.is_file():
        return path.parent
    raise UserError(
        f"--tokenizer {display(path)}: neither a directory nor a tokenizer.json; give one of them, "
        "or --tokenizer local to train one on this repository"
    )


def install_tokenizer(choice: TokenizerChoice, directory: Path) -> TokenizerInfo:
    """Write an existing tokenizer as tokenizer.json with all control tokens into `directory`."""
    from effectiveness.corpus.tokenization.reader import read_tokenizer

    assert choice.files is not None, "one without files is trained"
    directory.mkdir()
    try:
        tokenizer, roles = read_tokenizer(choice.files, WAY_OUT)
        with reading("it", WAY_OUT):
            names = _add_control_tokens(tokenizer, roles)
            whole = tokenizer.to_str().encode()
            _refuse_shared_ids(whole, names)
            (directory / "tokenizer.json").write_bytes(whole)
            prove(Encoder(directory / "tokenizer.json"))
    except TokenizerError as error:
        raise unusable(choice.name, error) from error
    except UserError as error:
        raise UserError(f"--tokenizer {choice.name}: cannot be used: {error}") from error
    return describe_tokenizer(choice, directory, names)


def _refuse_shared_ids(whole: bytes, names: dict[str, str]) -> None:
    """A vocabulary that lacks a number gives it to the next new token: of two with one id only one is kept."""
    kept = {token["content"] for token in json.loads(whole)["added_tokens"]}
    if lost := sorted(set(names.values()) - kept):
        raise TokenizerError(f"{lost[0]} gets no id of its own, for numbers are missing in its vocabulary")


def prove(encoder: Encoder) -> None:
    """Raises TokenizerError when text becomes a control token, is lost, or has other ids the second time.

    Every encoder looks at every text, too (`Encoder.encode`); here it is known before any work is done.
    """
    of_vocabulary = trial_texts_of(encoder.vocabulary, NUM_ENTRIES)
    for text in (*trial_texts_around(encoder.control_texts), *HOSTILE_TEXTS, *of_vocabulary):
        ids = encoder.encode(text.encode(), by_reference=True)
        again = encoder.encode(text.encode(), by_reference=True)
        encoder.encode(text.encode())
        if not np.array_equal(ids, again):
            raise TokenizerError("it gives a text other ids each time")
        if text not in HOSTILE_TEXTS and not encoder.gives_back(text, ids):
            raise TokenizerError(f"it does not reproduce source text exactly, {text[:20]!r} for example")


def unusable(name: str, why: Exception) -> UserError:
    return UserError(f"--tokenizer {name}: cannot be used: {why}; {WAY_OUT}")


def train_tokenizer(
    choice: TokenizerChoice, texts: Iterator[str], vocab_size: int, directory: Path
) -> TokenizerInfo:
    """Train the repository's own BPE into `directory`."""
    directory.mkdir()
    train_bpe(texts, vocab_size, directory / "tokenizer.json")
    names = {"bos": END_OF_TEXT, "eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": PAD, "mask": MASK}
    return describe_tokenizer(choice, directory, names)


def local_vocab_size(num_bytes: int) -> int:
    """Entries for a BPE trained on `num_bytes` of this repository.

    Doubles with every fourfold of text: 16,384 at 16 MB, where 8k/16k/50k gave 3.66/3.81/3.90 bytes a token on
    held-out files; more entries cost embedding parameters a small corpus cannot train.
    """
    size, limit = 1024, 64 << 10
    while num_bytes >= 4 * limit and size < 32768:
        size, limit = size * 2, limit * 4
    return size


def train_bpe(texts: Iterator[str], vocab_size: int, path: Path) -> None:
    """Train a byte-level BPE of `vocab_size` entries, control tokens included, and save it as tokenizer.json.

    Every byte is in the alphabet, so any text encodes. Deterministic for the same texts in the same order.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZER), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(CONTROL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces(text)), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in CONTROL_TOKENS]
    )
    path.write_bytes(tokenizer.to_str().encode())  # save() would hide a full disk in a bare Exception


def describe_tokenizer(choice: TokenizerChoice, directory: Path, names: dict[str, str]) -> TokenizerInfo:
    """Write the files transformers reads beside tokenizer.json, and say what is in it."""
    raw = read_bytes(directory / "tokenizer.json")
    parsed = json.loads(raw)
    ids = {token["content"]: token["id"] for token in parsed["added_tokens"]}
    _write_transformers_config(directory, names)
    largest = max([*vocabulary_of(parsed).values(), *ids.values()])
    return TokenizerInfo(
        name=choice.name,
        reason=choice.reason,
        directory=str(directory),
        sha256=hashlib.sha256(raw).hexdigest(),
        vocab_size=largest + 1,
        pad_id=ids[names["pad"]],
        mask_id=ids[names["mask"]],
    )


def _write_transformers_config(directory: Path, names: dict[str, str]) -> None:
    special = {f"{role}_token": text for role, text in sorted(names.items())}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1 << 30,
        # Text that spells a control token stays text, also after this tokenizer was saved and loaded.
        "split_special_tokens": True,
        **special,
    }
    (directory / "tokenizer_config.json").write_text(_json(config), encoding="utf-8")
    (directory / "special_tokens_map.json").write_text(_json(special), encoding="utf-8")


def _json(value: dict) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _add_control_tokens(tokenizer, own: dict[str, str]) -> dict[str, str]:
    """Give every role a token: the tokenizer's own where it names one, else ours. Returns role -> text."""
    from tokenizers import AddedToken

    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    roberta = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    ours = {"bos": END_OF_TEXT, "eos": END_OF_TEXT, "unk": END_OF_TEXT, "pad": PAD, "mask": MASK}
    is_roberta = not own and set(roberta.values()) <= set(vocabulary)
    names = {}
    for role, fallback in ours.items():
        chosen = roberta[role] if is_roberta else own.get(role)
        names[role] = fallback if chosen is None or chosen not in vocabulary else chosen
    # The end of one text is the beginning of the next: no entry of its own is needed.
    for role in ("bos", "unk"):
        if names[role] not in vocabulary:
            names[role] = names["eos"]
    if names["pad"] == names["eos"]:
        names["pad"] = PAD  # padding must not look like the end of a document
    if names["mask"] in {text for role, text in names.items() if role != "mask"}:
        names["mask"] = MASK  # nor a gap like the end, or like padding
    texts = dict.fromkeys((*names.values(), *(own_spelling(vocabulary) or FIM_SPELLINGS[0])))
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in texts])
    return names


def _from_hub(name: str) -> Path | None:
    """The directory of `name` in the Hugging Face cache, fetched first if the hub answers within seconds."""
    if not _is_repo_name(name):
        return None
    return _cached(name) or (_fetch(name) if _hub_is_reachable() else None)


def _is_repo_name(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(
        part
        and not part.startswith(".")
        and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
        for part in parts
    )


def _cache_directory() -> Path:
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def _cached(name: str) -> Path | None:
    repository = _cache_directory() / ("models--" + name.replace("/", "--"))
    reference = repository / "refs" / "main"
    if not reference.is_file():
        return None
    way_out = "delete it, or --tokenizer local"
    commit = read_regular(reference, max_bytes=1000, way_out=way_out).decode("ascii", "replace").strip()
    if not commit.isalnum():
        raise UserError(f"{display(reference)} holds no name of a commit; {way_out}")
    snapshot = repository / "snapshots" / commit
    has_tokenizer = (snapshot / "tokenizer.json").is_file() or (snapshot / "merges.txt").is_file()
    return snapshot if has_tokenizer else None


def _hub_is_reachable() -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").split("://")[-1].strip("/")
    try:
        socket.create_connection((host.split(":")[0], 443), timeout=HUB_TIMEOUT_S).close()
    except (OSError, UnicodeError):  # no connection; no name of a host
        return False
    return True


def _fetch(name: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    for filename in _HUB_FILES:
        try:
            hf_hub_download(name, filename, etag_timeout=HUB_TIMEOUT_S)
        except EntryNotFoundError:
            continue  # few repositories hold all four
        except (HfHubHTTPError, OSError):
            return None
    return _cached(name)
