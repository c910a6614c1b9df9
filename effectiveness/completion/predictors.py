"""Three sources of what comes next, for the search for lines: a memory, a model, and both joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from effectiveness.completion.lines import NOTHING, Hypothesis
from effectiveness.completion.network import Continuation
from effectiveness.memory import Reader


class MemoryPredictor:
    """A reader that stands at the place in question; it stays as it is."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def top(
        self, hypotheses: Sequence[Hypothesis], k: int, among: Mapping[Hypothesis, np.ndarray] = NOTHING
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        return [self._after(ids, k, among.get(ids), None) for ids in hypotheses]

    def _after(
        self, ids: Hypothesis, k: int, among: np.ndarray | None, model: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        with self.reader.trial(frozen=True):
            self.reader.feed(np.array(ids, np.uint32))
            if among is None:
                return self.reader.top(k, model)
            return largest(self.reader.probabilities(model), among, len(among))


class ModelPredictor:
    """A model that has read its prompt."""

    def __init__(self, continuation: Continuation) -> None:
        self.continuation = continuation

    def top(
        self, hypotheses: Sequence[Hypothesis], k: int, among: Mapping[Hypothesis, np.ndarray] = NOTHING
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = self.continuation.probabilities(hypotheses)
        return [
            largest(row, among[ids], len(among[ids])) if ids in among else _likeliest(row, k)
            for ids, row in zip(hypotheses, rows, strict=True)
        ]


class JoinedPredictor(MemoryPredictor):
    """The memory with the model's probability as one more opinion."""

    def __init__(self, reader: Reader, continuation: Continuation) -> None:
        super().__init__(reader)
        self.continuation = continuation

    def top(
        self, hypotheses: Sequence[Hypothesis], k: int, among: Mapping[Hypothesis, np.ndarray] = NOTHING
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = self.continuation.probabilities(hypotheses)
        return [self._after(ids, k, among.get(ids), row) for ids, row in zip(hypotheses, rows, strict=True)]


def _likeliest(row: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    return largest(row, np.argpartition(-row, min(k, len(row) - 1))[:k], k)


def largest(row: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k likeliest tokens of `among` in a distribution [V], with their probabilities."""
    order = among[np.lexsort((among, -row[among]))][:k]  # equal ones by id: the same on every machine
    return order, row[order].astype(np.float64)
