"""A small repository over a vocabulary of single bytes and a few words, for the tests of the memory."""

from __future__ import annotations

import random

import numpy as np

from effectiveness.memory import build_memory
from effectiveness.memory.memory import Memory

WORDS = ["self", "return", "def ", "import ", "value", "items", "    ", "config", " = ", "print"]
TOKEN_BYTES = [bytes([b]) for b in range(128)] + [word.encode() for word in WORDS]
VOCAB_SIZE = len(TOKEN_BYTES)


def encode(text: str) -> np.ndarray:
    """Ids of ASCII text, words of the vocabulary first."""
    ids, at = [], 0
    while at < len(text):
        word = next((word for word in WORDS if text.startswith(word, at)), text[at])
        ids.append(128 + WORDS.index(word) if word in WORDS else ord(word))
        at += len(word)
    return np.array(ids, np.uint32)


def source(seed: int, num_functions: int = 12) -> str:
    """A made-up file of functions, alike but not the same."""
    draw = random.Random(seed)
    names = ["load", "save", "read", "write", "count", "scan", "open"]
    lines = [f"import {draw.choice(['json', 'os', 'sys'])}", ""]
    for _ in range(num_functions):
        name, field = draw.choice(names), draw.choice(["value", "items", "config"])
        lines += [f"def {name}_{field}(self):", f"    {field} = self.{field}", f"    print({name}, {field})"]
        lines += [f"    return {field}", ""]
    return "\n".join(lines)


def files(num: int = 8) -> dict[str, np.ndarray]:
    return {f"package/module_{number}.py": encode(source(number)) for number in range(num)}


def pack(texts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ids, file starts and paths, as `build_memory` takes them."""
    starts = np.concatenate(([0], np.cumsum([len(ids) for ids in texts.values()]))).astype(np.int64)
    return np.concatenate([*texts.values(), np.zeros(0, np.uint32)]), starts, list(texts)


def sample_memory(num: int = 8, directory=None, **options) -> Memory:
    options = {"fit_tokens": 2000, **options}
    return build_memory(*pack(files(num)), TOKEN_BYTES, directory, **options)
