"""Which rows are visited when in an epoch, and how their documents are packed into sequences of one window.

Where rows have equal weights and no curriculum, files are cut anew every epoch: the same tokens, once each, in windows
that begin elsewhere. A window's first tokens have little before them to be predicted from, and fixed windows make those
of the same places the hard ones in every epoch.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from effectiveness.common.seeding import generator_for
from effectiveness.trainer.rows import MICRO, Rows

MAX_OPEN_PACKS = 64  # a short document waits at most this many packs for company: order is nearly kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """When a row becomes available: rows of complexity quantile q from share `available_from(q)` of the run."""

    curriculum: str  # "stages" | "warmup_fraction" | "none"
    fraction: float
    num_epochs: float  # of the whole run; fewer when max_steps ends it earlier

    def available_from(self, quantiles: np.ndarray) -> np.ndarray:
        """Share of the run, in [0, 1], for quantiles in [0, 1)."""
        if self.curriculum == "stages":  # the simplest third at once, the next after a third of the run ...
            return np.floor(3 * quantiles) / 3
        if self.curriculum == "warmup_fraction":
            return self.fraction * quantiles
        return np.zeros_like(quantiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPlan:
    """The visits of one epoch in packing order; pack p holds visits[pack_starts[p]:pack_starts[p + 1]]."""

    epoch: int
    source: Rows
    rows: np.ndarray  # int64 [visits] index into source.table
    weights: np.ndarray  # float64 [visits] of each target in the loss
    fills: np.ndarray  # bool [visits] fill-in-the-middle
    num_pairs: np.ndarray  # int64 [visits] inputs (= targets) of the document
    pack_starts: np.ndarray  # int64 [packs + 1]
    packs_per_step: int
    first_pack: int = 0  # those before it were trained on in steps of another size

    @property
    def num_packs(self) -> int:
        return len(self.pack_starts) - 1

    @property
    def num_steps(self) -> int:
        return -(-(self.num_packs - self.first_pack) // self.packs_per_step)

    def packs_of_step(self, step: int) -> range:
        first = self.first_pack + step * self.packs_per_step
        return range(first, min(first + self.packs_per_step, self.num_packs))

    def visits_of(self, packs: range) -> slice:
        return slice(self.pack_starts[packs.start], self.pack_starts[packs.stop])


def pack(num_pairs: np.ndarray, capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Group documents into packs of at most `capacity` pairs: (order of documents, starts of packs in it).

    Best fit among the latest MAX_OPEN_PACKS; packs stand in the order of their first documents.
    Capacity 0 gives each document a pack of its own.
    """
    pack_of = np.empty(len(num_pairs), dtype=np.int64)
    room: list[tuple[int, int]] = []  # (pairs that still fit, pack), sorted
    num_packs = 0
    for index, size in enumerate(num_pairs.tolist()):
        best = bisect.bisect_left(room, (size, -1)) if size < capacity else len(room)
        if best < len(room):
            left, number = room.pop(best)
        else:
            left, number = capacity, num_packs
            num_packs += 1
        pack_of[index] = number
        if left > size:
            bisect.insort(room, (left - size, number))
            if len(room) > MAX_OPEN_PACKS:
                room.remove(min(room, key=lambda entry: entry[1]))
    order = np.argsort(pack_of, kind="stable")
    starts = np.searchsorted(pack_of[order], np.arange(num_packs + 1))
    return order, starts


def even_offsets(weights: np.ndarray, seed: int) -> np.ndarray:
    """A start in [0, MICRO) for each row; rows of equal weight get evenly spaced ones, so epochs are alike."""
    rng, offsets = generator_for(seed, "visits"), np.empty(len(weights), dtype=np.int64)
    for weight in np.unique(weights):
        rows = np.flatnonzero(weights == weight)
        offsets[rows] = rng.permutation(len(rows)) * MICRO // len(rows)
    return offsets


def quantiles_of(complexity: np.ndarray) -> np.ndarray:
    """Rank of each row by complexity as a share in [0, 1)."""
    ranks = np.empty(len(complexity), dtype=np.int64)
    ranks[np.argsort(complexity, kind="stable")] = np.arange(len(complexity))
    return ranks / max(len(complexity), 1)


# --- originals cut anew ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRows(Rows):
    """Windows over the texts of other rows; a window may span several consecutive ones."""

    source: Rows
    order: np.ndarray  # int64 [rows of source] by file and place
    first: np.ndarray  # int64 [windows]: place in `order` of the row that a window begins in
    skip: np.ndarray  # int64 [windows]: tokens of that row before it

    def tokens_of(self, index: int) -> np.ndarray:
        place, skip, left = int(self.first[index]), int(self.skip[index]), int(self.table["length"][index])
        parts = []
        while left:
            part = self.source.tokens_of(int(self.order[place]))[skip : skip + left]
            parts.append(part)
            place, skip, left = place + 1, 0, left - len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def originals_of(self, index: int) -> np.ndarray:
        return self.tokens_of(index)

    def origin(self, index: int) -> int:
        """The row that a window begins in."""
        return int(self.order[self.first[index]])


class FreshCuts:
    """Cuts rows that hold every token once. Where a window of a text is missing, what follows is a text of its own."""

    def __init__(self, rows: Rows, seed: int) -> None:
        self.rows, self.seed = rows, seed
        table = rows.table
        self._order = np.lexsort((table["start_token"], table["file"]))
        lengths = table["length"][self._order].astype(np.int64)
        starts = table["start_token"][self._order].astype(np.int64)
        files = table["file"][self._order]
        self._ends = np.cumsum(lengths)  # all rows end to end
        is_new = np.ones(len(table), dtype=bool)
        is_new[1:] = (files[1:] != files[:-1]) | (starts[1:] != starts[:-1] + lengths[:-1])
        self._text_starts = (self._ends - lengths)[is_new]
        self._text_lengths = np.diff(self._text_starts, append=self._ends[-1:])

    def of(self, epoch: int) -> CutRows:
        """The windows of an epoch: a pure function of seed and epoch."""
        starts, lengths = self._windows(epoch)
        first = np.searchsorted(self._ends, starts, side="right")
        last = np.searchsorted(self._ends, starts + lengths, side="left")
        source = self.rows.table[self._order]
        skip = starts - (self._ends[first] - source["length"][first])
        table = source[first]
        table["start_token"] += skip.astype(table["start_token"].dtype)
        table["length"] = lengths
        table["is_last"] = source["is_last"][last] & (self._ends[last] == starts + lengths)
        return CutRows(
            path=self.rows.path,
            sha256=self.rows.sha256,
            window=self.rows.window,
            tokens=self.rows.tokens,
            labels=self.rows.labels,
            table=table,
            files=self.rows.files,
            languages=self.rows.languages,
            source=self.rows,
            order=self._order,
            first=first,
            skip=skip,
        )

    def _windows(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(start in all rows end to end, length) of windows: a text's first one is as long as is drawn."""
        window, count = self.rows.window, len(self._text_lengths)
        drawn = generator_for(self.seed, "fresh cut", epoch).integers(1, window + 1, count)
        heads = np.where(self._text_lengths <= window, self._text_lengths, drawn)
        counts = 1 + -(-(self._text_lengths - heads) // window)
        text = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = self._text_starts[text] + np.where(nth, heads[text] + (nth - 1) * window, 0)
        return starts, np.diff(starts, append=self._ends[-1:])
