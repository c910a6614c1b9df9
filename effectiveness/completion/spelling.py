"""The bytes that each token of a tokenizer stands for."""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from pathlib import Path

from tokenizers import Tokenizer

from effectiveness.common.jsonl import digest
from effectiveness.common.tokenizer_file import added_tokens, read_tokenizer_file

BYTE_PIECE_LENGTH = len("<0x00>")
_OVER = re.compile(rb"\n[^\r\n]")


class TextCoder:
    """A tokenizer as ids and bytes: what a memory and a search for lines need of it, without torch."""

    def __init__(self, directory: Path) -> None:
        """Reads `directory`/tokenizer.json. Raises UserError where it is none."""
        self.file = directory / "tokenizer.json"
        self.tokenizer, settings = read_tokenizer_file(self.file, "build the dataset again")
        self.tokenizer.encode_special_tokens = True  # `<|endoftext|>` in a text is just characters
        self.control = frozenset(t["id"] for t in added_tokens(settings) if t.get("special"))
        self.token_bytes = _token_bytes(self.tokenizer, settings)

    @cached_property
    def parts_lines(self) -> bool:
        """Whether no token reaches over the beginning of a line; GPT-2's cutting joins line ends to indentation."""
        over = {
            index: text.decode("utf-8", "replace")
            for index, text in enumerate(self.token_bytes)
            if _OVER.search(text)
        }
        return not any(
            index in self.encode(f"a{text}{b}") for index, text in over.items() for b in ("b", " b")
        )

    @property
    def sha256(self) -> str:
        return digest(self.file).sha256

    def encode(self, text: str) -> list[int]:
        """Ids of a text, nothing added to it."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def spell(self, ids) -> bytes:
        return b"".join(self.token_bytes[index] for index in ids)


def _token_bytes(tokenizer: Tokenizer, settings: dict) -> list[bytes]:
    """By id. Byte-level vocabularies spell each byte with one character, others a space with U+2581."""
    added = {token["id"]: token["content"].encode() for token in added_tokens(settings)}
    entries = tokenizer.get_vocab(with_added_tokens=True)
    table = [b""] * (max([*entries.values(), *added], default=-1) + 1)
    is_byte_level = "ByteLevel" in json.dumps(settings.get("decoder"))
    for piece, index in entries.items():
        table[index] = _byte_level(piece) if is_byte_level else _sentence_piece(piece)
    for index, text in added.items():
        table[index] = text
    return table


def _byte_level(piece: str) -> bytes:
    known = _bytes_of_characters()
    return b"".join(bytes([known[c]]) if c in known else c.encode() for c in piece)


def _sentence_piece(piece: str) -> bytes:
    if len(piece) == BYTE_PIECE_LENGTH and piece.startswith("<0x") and piece.endswith(">"):
        return bytes.fromhex(piece[3:5])
    return piece.replace("\u2581", " ").encode()


@cache
def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's alphabet (Radford et al. 2019): printable bytes are themselves, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
