"""Places of a few files in order of their contexts: added to what the index says, or taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from effectiveness.memory import _native
from effectiveness.memory.text import Spelling, hash_places

_ALL = range(_native.NUM_CONTEXTS + 1)  # the last: any place


class Sign(IntEnum):
    """What a run does; TAKE_STATIC spares the orders that are read from places, where gaps leave files out."""

    ADD = 1
    TAKE = -1
    TAKE_STATIC = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedRun:
    """Keys of the places of some files, sorted within each context."""

    keys: np.ndarray  # uint64
    offsets: np.ndarray  # int64 [contexts + 1]


def run_of(texts: Sequence[np.ndarray], spelling: Spelling, symbols: np.ndarray) -> SortedRun:
    """The run of some files' ids (uint32 each)."""
    separator = np.array([spelling.vocab_size], np.uint32)
    text = (
        np.concatenate([part for ids in texts for part in (separator, ids)])
        if texts
        else np.zeros(0, np.uint32)
    )
    keys = hash_places(text, spelling, _ALL, 0, symbols)
    spare = np.empty(keys.shape[1], np.uint64)
    for row in keys:
        _native.sort_keys(row, spare, 64)
    return SortedRun(keys=keys.reshape(-1), offsets=np.arange(len(_ALL) + 1, dtype=np.int64) * keys.shape[1])
