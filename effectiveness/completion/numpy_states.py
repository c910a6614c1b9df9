"""What a decoder has read: its cache from one prompt to the next, hypotheses side by side behind the prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.completion.decoder import Cache, Decoder

if TYPE_CHECKING:
    from effectiveness.completion.lines import Hypothesis

MAX_ROWS = 256  # distributions made at a time: 256 x 151,936 float32 are 156 MB
READ_TOKENS = 256  # of a prompt read at a time: then it is asked whether there is time for more


def num_shared(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many ids both begin with; the last of `others` does not count, for what follows it is asked for.

    >>> num_shared([1, 2, 3], [1, 2, 4]), num_shared([1, 2, 3], [1, 2])
    (2, 1)
    """
    shared = 0
    for ours, theirs in zip(ids, others[:-1], strict=False):
        if ours != theirs:
            break
        shared += 1
    return shared


@dataclass(slots=True)
class NumpyStates:
    """See `network.States`."""

    decoder: Decoder
    ids: list[int] = field(default_factory=list)
    _cache: Cache = field(init=False)
    _places: dict[Hypothesis, list[int]] = field(
        default_factory=dict
    )  # of each hypothesis' tokens in the cache

    def __post_init__(self) -> None:
        self._cache = self.decoder.new_cache()

    def over(self, ids: np.ndarray, first: int, vocab_size: int) -> Iterator[np.ndarray]:
        hidden = self.decoder.read(ids, self.decoder.new_cache(len(ids)), first=first)
        for place in range(0, len(hidden), MAX_ROWS):
            yield self.decoder.shares(hidden[place : place + MAX_ROWS], vocab_size)

    def read(
        self, ids: list[int], vocab_size: int, must_stop: Callable[[], bool] = bool
    ) -> np.ndarray | None:
        known = num_shared(self.ids, ids)
        self._places = {}
        for first in range(known, len(ids), READ_TOKENS):
            self._cache.length = first
            if first > known and must_stop():
                self.ids = ids[:first]
                return None
            new = np.array(ids[first : first + READ_TOKENS], np.int64)
            hidden = self.decoder.read(new, self._cache, first=len(new) - 1)
        self.ids = ids
        return self.decoder.shares(hidden, vocab_size)

    def grow(self, hypotheses: Sequence[Hypothesis], vocab_size: int) -> np.ndarray:
        known, place = len(self.ids), self._cache.length
        seen = np.zeros((len(hypotheses), place + len(hypotheses)), bool)
        seen[:, :known] = True
        places = {}
        for row, ids in enumerate(hypotheses):
            places[ids] = [*self._places.get(ids[:-1], []), place + row]
            seen[row, places[ids]] = True
        self._places = places
        positions = np.full(len(hypotheses), known + len(hypotheses[0]) - 1)
        new = np.array([ids[-1] for ids in hypotheses], np.int64)
        hidden = self.decoder.read(new, self._cache, positions=positions, seen=seen)
        return self.decoder.shares(hidden, vocab_size)
