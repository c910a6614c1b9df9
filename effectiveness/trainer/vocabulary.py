"""The dataset's tokenizer as the trainer needs it: control ids, text to ids and back, bytes of each id; and whether a
model's own tokenizer gives the same ids.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import read_json_object, read_regular, reading
from effectiveness.common.jsonl import digest
from effectiveness.common.records import UserError
from effectiveness.common.tokenizer_file import (
    MAX_TOKENIZER_BYTES,
    added_tokens,
    own_spelling,
    read_tokenizer_file,
    vocabulary_of,
)
from effectiveness.trainer import model_files
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.model_files import MAX_NAMES_BYTES

ANOTHER = "build the dataset again"
REPLACEMENT = "\ufffd"  # what a decoder writes for a part of a character
TRIAL = "def f(x):\n\treturn x + 1  # caf\u00e9 \U0001f600\n"  # every part of a tokenizer has to do with it


class Vocabulary:
    """Reads `directory`/tokenizer.json and tokenizer_config.json. Raises UserError when they are not whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "tokenizer.json"
        names = directory / "tokenizer_config.json"
        self.tokenizer, self.json = read_tokenizer_file(self.file, ANOTHER)
        _try(self.file, self.tokenizer)
        self._halves: dict[tuple[int, int], tuple[list[int], list[int]] | None] = {}
        named = read_json_object(names, max_bytes=MAX_NAMES_BYTES, way_out=ANOTHER)
        with reading(f"{names}", ANOTHER):
            self.control = self._control(named)

    @property
    def sha256(self) -> str:
        return digest(self.file).sha256

    def encode(self, text: str) -> list[int]:
        """Ids of a text, nothing added to it."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids) -> str:
        return self.tokenizer.decode(list(map(int, ids)), skip_special_tokens=False)

    def _control(self, names: dict) -> ControlTokens:
        end = self._named_id(names, "eos_token")
        begin = self._named_id(names, "bos_token")
        pad = self._named_id(names, "pad_token")
        if end is None:
            raise UserError(
                f"{self.directory / 'tokenizer_config.json'}: no eos_token; build the dataset again"
            )
        return ControlTokens(
            begin=end if begin is None else begin,
            end=end,
            pad=end if pad is None else pad,
            mask=self._named_id(names, "mask_token"),
            **self._fim_ids(),
        )

    def _fim_ids(self) -> dict[str, int]:
        spelling = own_spelling(self.tokenizer.get_vocab(with_added_tokens=True)) or ()
        names = ("fim_prefix", "fim_middle", "fim_suffix")
        return {name: self.tokenizer.token_to_id(text) for name, text in zip(names, spelling, strict=False)}

    def _named_id(self, names: dict, key: str) -> int | None:
        token = names.get(key)
        text = token.get("content") if isinstance(token, dict) else token
        return self.tokenizer.token_to_id(text) if isinstance(text, str) else None

    @cached_property
    def num_bytes(self) -> np.ndarray:
        """UTF-8 bytes each id stands for, int64 [vocabulary].

        Byte-level vocabularies spell every byte with one character; others are decoded one by one.
        """
        with reading(f"{self.file}", ANOTHER):
            return self._num_bytes()

    @cached_property
    def line_ends(self) -> np.ndarray:
        """Bytes of each id before the first line break in it, -1 where it holds none, int64 [vocabulary]."""
        table = np.full(len(self.num_bytes), -1, dtype=np.int64)
        for index in range(len(table)):
            before, line_break, _ = self.decode([index]).partition("\n")
            if line_break and REPLACEMENT not in before:
                table[index] = len(before.removesuffix("\r").encode())
        return table

    def halves(self, index: int, num_bytes: int) -> tuple[list[int], list[int]] | None:
        """Ids of a token's first `num_bytes` bytes and of the rest; None where they are no texts of their own."""
        place = index, num_bytes
        if place not in self._halves:
            self._halves[place] = self._halves_at(*place)
        return self._halves[place]

    def _halves_at(self, index: int, num_bytes: int) -> tuple[list[int], list[int]] | None:
        text = self.decode([index])
        raw = text.encode()
        try:
            left, right = (self.encode(part.decode()) for part in (raw[:num_bytes], raw[num_bytes:]))
        except UnicodeDecodeError:  # within a character
            return None
        is_exact = left and right and REPLACEMENT not in text and self.decode([*left, *right]) == text
        return (left, right) if is_exact else None

    def _num_bytes(self) -> np.ndarray:
        added = {token["id"]: len(token["content"].encode()) for token in added_tokens(self.json)}
        entries = self.tokenizer.get_vocab(with_added_tokens=True)
        table = np.zeros(max(entries.values()) + 1, dtype=np.int64)
        spelled = "ByteLevel" in json.dumps(self.json.get("decoder"))
        for text, index in entries.items():
            table[index] = len(text) if spelled else len(self.decode([index]).encode())
        for index, size in added.items():
            table[index] = size
        return table


def _try(file: Path, tokenizer) -> None:
    """See it encode and decode. Raises UserError."""
    with reading(f"{file} is no tokenizer", ANOTHER):
        tokenizer.encode_special_tokens = True  # `<|endoftext|>` in a text is just characters
        ids = tokenizer.encode(TRIAL, add_special_tokens=False).ids
        text = tokenizer.decode(ids, skip_special_tokens=False)
    if not ids or "return" not in text:
        raise UserError(f"{file}: a program that is encoded and decoded is lost; {ANOTHER}")


# --- another tokenizer ----------------------------------------------------------------------------------------


A_TOKENIZER = "give a model with a tokenizer.json"


def compare_tokenizers(what: str, name: str, vocabulary: Vocabulary) -> frozenset[int]:
    """The ids of the dataset that the tokenizer of `name` lacks: control tokens that were added to it.

    Raises UserError unless both give every other entry the same id.
    """
    theirs, ours = (_entries_and_merges(what, found) for found in (_tokenizer_json(name), vocabulary.json))
    own, entries = theirs[0], ours[0]
    if theirs[1:] != ours[1:] or any(entries.get(text) != index for text, index in own.items()):
        raise UserError(
            f"{what} has another tokenizer than the dataset; build the dataset with --tokenizer {name}"
        )
    return frozenset(entries.values()) - frozenset(own.values())


def _entries_and_merges(what: str, tokenizer_json: dict) -> tuple[dict[str, int], dict, list[str]]:
    """All entries with their ids, those that are no added tokens, and the merges in order."""
    with reading(f"{what}: its tokenizer", A_TOKENIZER):
        vocab, merges = vocabulary_of(tokenizer_json), tokenizer_json["model"].get("merges") or ()
        added = {token["content"]: token["id"] for token in added_tokens(tokenizer_json)}
        return {**vocab, **added}, vocab, [m if isinstance(m, str) else " ".join(m) for m in merges]


def _tokenizer_json(name: str) -> dict:
    """tokenizer.json of the model; of old ones that lack it, what vocab.json and merges.txt say of it."""
    directory = model_files.find_directory(name, model_files.TOKENIZER_FILES)

    def read_object(part: str) -> dict:
        file = model_files.inside(name, directory, part)
        return read_json_object(file, max_bytes=MAX_TOKENIZER_BYTES, way_out=A_TOKENIZER)

    if (directory / "tokenizer.json").exists() or not (directory / "merges.txt").exists():
        return read_object("tokenizer.json")
    file = model_files.inside(name, directory, "merges.txt")
    lines = read_regular(file, max_bytes=MAX_TOKENIZER_BYTES, way_out=A_TOKENIZER).decode("utf-8", "replace")
    merges = [line for line in lines.split("\n") if line and not line.startswith("#version")]
    return {"model": {"vocab": read_object("vocab.json"), "merges": merges}}
