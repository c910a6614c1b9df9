"""The dataset's tokenizer as the trainer needs it: control ids, text to ids and back, and bytes of each id."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from corpus.jsonl import digest
from corpus.records import UserError
from training.batches import ControlTokens

FIM_NAMES = {"fim_prefix": "<|fim_prefix|>", "fim_middle": "<|fim_middle|>", "fim_suffix": "<|fim_suffix|>"}


class Vocabulary:
    """Reads `directory`/tokenizer.json and tokenizer_config.json. Raises UserError when they are not whole."""

    def __init__(self, directory: Path) -> None:
        from tokenizers import Tokenizer

        self.directory = directory
        self.file = directory / "tokenizer.json"
        try:
            self.json = json.loads(self.file.read_bytes())
            names = json.loads((directory / "tokenizer_config.json").read_bytes())
        except (OSError, ValueError) as error:
            raise UserError(f"{directory} holds no tokenizer ({error}); build the dataset again") from error
        self.tokenizer = Tokenizer.from_str(json.dumps(self.json))
        self.tokenizer.encode_special_tokens = True  # `<|endoftext|>` in a text is just characters
        self.control = self._control(names)

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
            **{key: self.tokenizer.token_to_id(text) for key, text in FIM_NAMES.items()},
        )

    def _named_id(self, names: dict, key: str) -> int | None:
        token = names.get(key)
        text = token.get("content") if isinstance(token, dict) else token
        return self.tokenizer.token_to_id(text) if isinstance(text, str) else None

    @cached_property
    def num_bytes(self) -> np.ndarray:
        """UTF-8 bytes each id stands for, int64 [vocabulary].

        Byte-level vocabularies spell every byte with one character; others are decoded one by one.
        """
        added = {token["id"]: len(token["content"].encode()) for token in self.json.get("added_tokens", [])}
        entries = self.tokenizer.get_vocab(with_added_tokens=True)
        table = np.zeros(max(entries.values()) + 1, dtype=np.int64)
        spelled = "ByteLevel" in json.dumps(self.json.get("decoder"))
        for text, index in entries.items():
            table[index] = len(text) if spelled else len(self.decode([index]).encode())
        for index, size in added.items():
            table[index] = size
        return table
