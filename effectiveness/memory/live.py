"""Files as they are now: they replace what the static index knows of them, or are new to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from effectiveness.memory import _native
from effectiveness.memory.text import Spelling, hash_places

_ALL = range(_native.NUM_CONTEXTS + 1)  # the last: any place

HOT_FILES = 3  # files with a run of their own: those that are being edited


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


@dataclass(slots=True)
class LiveFiles:
    """Runs of the live files: one each for the last few, one for all older ones, one for what those were before."""

    spelling: Spelling
    symbols: np.ndarray
    texts: dict[str, np.ndarray] = field(default_factory=dict)  # the last updated last
    hot: dict[str, SortedRun] = field(default_factory=dict)
    cold: SortedRun | None = None
    cold_texts: dict[str, np.ndarray] = field(default_factory=dict)  # as they are in `cold`

    def update(self, path: str, ids: np.ndarray | None) -> None:
        self.texts.pop(path, None)
        self.hot.pop(path, None)
        if ids is None:
            return
        if len(self.hot) >= HOT_FILES:
            self._cool_down()
        self.texts[path] = ids
        self.hot[path] = run_of([ids], self.spelling, self.symbols)

    def update_all(self, texts: Mapping[str, np.ndarray]) -> None:
        """Many files at once, none of which is being edited."""
        self.texts = {path: ids for path, ids in self.texts.items() if path not in texts} | dict(texts)
        self._cool_down()

    def _cool_down(self) -> None:
        """All files into the cold run; the one that is updated gets its own again."""
        self.cold_texts = dict(self.texts)
        self.cold = run_of(list(self.texts.values()), self.spelling, self.symbols)
        self.hot.clear()

    def added(self, path: str) -> list[SortedRun]:
        """Runs to add for a reader of `path`."""
        cold = [self.cold] if self.cold is not None else []
        return cold + [run for name, run in self.hot.items() if name != path]

    def stale(self, path: str) -> list[np.ndarray]:
        """Texts that the cold run holds and a reader of `path` must not see."""
        return [
            ids
            for name, ids in self.cold_texts.items()
            if name == path or name in self.hot or name not in self.texts
        ]
