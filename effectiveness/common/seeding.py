"""Randomness keyed by what is drawn, never by order, worker, clock or `hash()`."""

from __future__ import annotations

import hashlib
import random

import numpy as np


def key_for(seed: int, *what: str | bytes | int) -> int:
    """A 64-bit integer that depends only on `seed` and on `what` is drawn.

    >>> key_for(42, "rename", "src/lib.rs") == key_for(42, "rename", "src/lib.rs")
    True
    """
    digest = hashlib.blake2b(str(int(seed)).encode(), digest_size=8)
    for part in what:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogateescape")
        digest.update(len(raw).to_bytes(8, "little"))  # length first: ("ab", "c") is not ("a", "bc")
        digest.update(raw)
    return int.from_bytes(digest.digest(), "little")


def rng_for(seed: int, *what: str | bytes | int) -> random.Random:
    """A generator of its own for one decision, for example `rng_for(seed, "rename", file.path)`."""
    return random.Random(key_for(seed, *what))


def generator_for(seed: int, *what: str | bytes | int) -> np.random.Generator:
    """As `rng_for`, for many draws at once."""
    return np.random.Generator(np.random.Philox(key=key_for(seed, *what)))
