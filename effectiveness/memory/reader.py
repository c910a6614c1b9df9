"""Reading a file from its beginning, and asking what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.memory import _native
from effectiveness.memory.text import checked_ids

if TYPE_CHECKING:
    from effectiveness.memory.memory import Memory

UNLIKELY = 1e-6  # tokens below a node that is reached with less share it by frequency, in `probabilities`


class Reader:
    """State of reading one file. Opened by `Memory.reader`; for one thread at a time."""

    def __init__(self, memory: Memory, native: _native.Reader) -> None:
        self._memory = memory
        self._native = native
        self._marks = 0

    def feed(self, ids: Sequence[int] | np.ndarray, model: np.ndarray | None = None) -> np.ndarray:
        """Nats float64 [T] of each next token, each scored before it is learned from.

        `model`: float32 [T, V], another model's probabilities at each of these places, as one more opinion.
        """
        checked = checked_ids(ids, self._memory.vocab_size, "feed")
        nats = np.empty(len(checked))
        self._native.feed(checked, nats, self._rows(model, len(checked)))
        return nats

    def observe(self, ids: Sequence[int] | np.ndarray) -> None:
        """Count a text of the same file that stands elsewhere, for example behind a gap; it is not scored."""
        self._native.observe(checked_ids(ids, self._memory.vocab_size, "observe"))

    def skim(self, ids: Sequence[int] | np.ndarray) -> None:
        """Read on without scoring or learning weights, in a quarter of the time: only counts and place move."""
        self._native.skim(checked_ids(ids, self._memory.vocab_size, "skim"))

    def probabilities(self, model: np.ndarray | None = None) -> np.ndarray:
        """Float32 [V]: the next token's distribution; the sum is 1 within 1e-5."""
        out = np.empty(self._memory.vocab_size, np.float32)
        self._native.distribution(out, None, self._rows(model, 1), UNLIKELY)
        return out

    def top(self, k: int = 1, model: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k likeliest next tokens, uint32 [k], and their probabilities, float32 [k], both exact."""
        k = min(k, self._memory.vocab_size)
        tokens, chances = np.empty(k, np.uint32), np.empty(k, np.float32)
        self._native.distribution(chances, tokens, self._rows(model, 1), 0.0)
        return tokens, chances

    @contextmanager
    def trial(self, *, frozen: bool = False) -> Iterator[Reader]:
        """Whatever is read within is taken back. `frozen`: counts go on, weights stay, and it is faster."""
        mark = self._native.mark()
        self._marks += 1
        if frozen:
            self._native.freeze(True)
        try:
            yield self
        finally:
            self._marks -= 1
            self._native.roll_back(mark, self._marks == 0)
            if frozen:
                self._native.freeze(False)

    def learned(self) -> bytes:
        """Weights and maps as they are now: `Memory.learned` of a memory that is to begin with them."""
        return self._native.learned()

    def restart(self, path: str = "") -> None:
        """Begin another file with what was learned so far."""
        self._native.restart(*self._memory.sources(path))

    @property
    def vocab_size(self) -> int:
        return self._memory.vocab_size

    def _rows(self, model: np.ndarray | None, num_rows: int) -> np.ndarray | None:
        if model is None:
            return None
        rows = np.ascontiguousarray(model, np.float32).reshape(-1)
        if rows.size != num_rows * self._memory.vocab_size:
            raise ValueError(
                f"model has {rows.size} probabilities, not {num_rows} x {self._memory.vocab_size}"
            )
        return rows
