"""Three sources of what comes next, for the search for lines: a memory, a model, and both joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effectiveness.completion.lines import Hypothesis
from effectiveness.completion.network import Continuation
from effectiveness.memory import Reader


class MemoryPredictor:
    """A reader that stands at the place in question; it stays as it is."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def top(self, hypotheses: Sequence[Hypothesis], k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [self._after(ids, k, None) for ids in hypotheses]

    def allowed(self, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return shares_of(self.reader.probabilities(), allowed, k)

    def _after(self, ids: Hypothesis, k: int, model: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        with self.reader.trial(frozen=True):
            self.reader.feed(np.array(ids, np.uint32))
            return self.reader.top(k, model)


class ModelPredictor:
    """A model that has read its prompt."""

    def __init__(self, continuation: Continuation) -> None:
        self.continuation = continuation

    def top(self, hypotheses: Sequence[Hypothesis], k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = self.continuation.probabilities(hypotheses)
        return [_largest(row, np.argpartition(-row, min(k, len(row) - 1))[:k], k) for row in rows]

    def allowed(self, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return shares_of(self.continuation.probabilities([()])[0], allowed, k)


class JoinedPredictor(MemoryPredictor):
    """The memory with the model's probability as one more opinion."""

    def __init__(self, reader: Reader, continuation: Continuation) -> None:
        super().__init__(reader)
        self.continuation = continuation

    def top(self, hypotheses: Sequence[Hypothesis], k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = self.continuation.probabilities(hypotheses)
        return [self._after(ids, k, row) for ids, row in zip(hypotheses, rows, strict=True)]

    def allowed(self, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        row = self.continuation.probabilities([()])[0]
        return shares_of(self.reader.probabilities(row), allowed, k)


def shares_of(row: np.ndarray, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k likeliest of the `allowed` tokens of a distribution [V], as shares of all that is allowed."""
    tokens, chances = _largest(row, allowed, k)
    return tokens, chances / max(float(row[allowed].sum()), 1e-30)


def _largest(row: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = among[np.lexsort((among, -row[among]))][:k]  # equal ones by id: the same on every machine
    return order, row[order].astype(np.float64)
