"""Files as they are now: they replace what the static index knows of them, or are new to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from effectiveness.memory.runs import SortedRun, run_of
from effectiveness.memory.text import Spelling

HOT_FILES = 3  # files with a run of their own: those that are being edited


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
