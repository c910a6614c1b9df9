"""The spans of the held-out rows, and which of them train holds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import accumulate

import numpy as np

from corpus.leaks.rows import Portion
from corpus.leaks.spans import SPAN_TOKENS, Batch, batches
from corpus.pool import Crew

_NOWHERE = np.iinfo(np.int64).max


# --- held-out rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the report needs of a held-out file, or of some of its rows."""

    keys: np.ndarray  # uint64[rows], equal for equal rows
    hashes: np.ndarray  # uint64[spans]: the sampled spans of the originals, one text after another
    begins: np.ndarray  # int64[originals]: the spans of an original are hashes[begins:ends]
    ends: np.ndarray
    offsets: np.ndarray  # int64[originals]: where the row begins in the file
    files: np.ndarray  # str objects[originals]: the source file of each


def read_held_out(portions: list[list[Portion]], sample_one_in: int, crew: Crew) -> list[HeldOut]:
    """Read some files, given in portions."""
    tasks = [(portion, sample_one_in) for of_file in portions for portion in of_file]
    parts = crew.map(_held_out_portion, tasks)
    return [_joined([next(parts) for _ in of_file]) for of_file in portions]


def _held_out_portion(task: tuple[Portion, int]) -> HeldOut:
    portion, sample_one_in = task
    return _joined([_held_out_batch(batch, sample_one_in) for batch in batches(portion)])


def _held_out_batch(batch: Batch, sample_one_in: int) -> HeldOut:
    hashes, positions = batch.spans(sample_one_in, originals_only=True)
    originals = np.flatnonzero(batch.is_original)
    firsts = batch.firsts[originals]
    begins = np.searchsorted(positions, firsts)
    ends = np.searchsorted(positions, firsts + batch.lengths[originals] - SPAN_TOKENS, side="right")
    files = np.array([batch.rows[row].file for row in originals.tolist()], object)
    return HeldOut(batch.keys(), hashes, begins, np.maximum(begins, ends), batch.offsets[originals], files)


def _joined(parts: list[HeldOut]) -> HeldOut:
    if not parts:
        none = np.empty(0, np.int64)
        return HeldOut(none.astype(np.uint64), none.astype(np.uint64), none, none, none, none.astype(object))
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(HeldOut)
    }
    spans_before = [0, *accumulate(len(part.hashes) for part in parts)][:-1]
    shift = np.repeat(spans_before, [len(part.begins) for part in parts])
    return HeldOut(**columns | {"begins": columns["begins"] + shift, "ends": columns["ends"] + shift})


# --- looking for them in train -----------------------------------------------------------------------------


class Needles:
    """Sorted distinct spans that are looked for. Two tables of bits say "surely not" to 98 of 100 others."""

    def __init__(self, spans: np.ndarray):
        self.spans = spans
        num_bits = min(23, max(12, len(spans).bit_length() + 3))
        self._shifts = np.uint64(64 - num_bits), np.uint64(64 - 2 * num_bits)
        self._mask = np.uint64((1 << num_bits) - 1)
        self._tables = [np.zeros(1 << num_bits, np.bool_) for _ in self._shifts]
        for table, shift in zip(self._tables, self._shifts, strict=True):
            table[spans >> shift & self._mask] = True

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions in `hashes` that are needles, ascending; index of the needle)."""
        first, second = self._tables
        positions = np.flatnonzero(first[hashes >> self._shifts[0]])
        positions = positions[second[hashes[positions] >> self._shifts[1] & self._mask]]
        candidates = hashes[positions]
        needles = np.minimum(np.searchsorted(self.spans, candidates), max(0, len(self.spans) - 1))
        found = self.spans[needles] == candidates if len(self.spans) else np.zeros(0, bool)
        return positions[found], needles[found]


@dataclass(frozen=True, slots=True)
class Train:
    keys: np.ndarray  # uint64[rows]
    spans: np.ndarray  # uint64, sorted and distinct: the held-out spans that train holds
    offsets: np.ndarray  # int64: where the first row that holds each begins


_needles: Needles  # of this worker process


def _look_for(spans: np.ndarray) -> None:
    global _needles
    _needles = Needles(spans)


def search_train(portions: list[Portion], spans: np.ndarray, sample_one_in: int, crew: Crew) -> Train:
    """Look for `spans`, sorted and distinct."""
    tasks = [(portion, sample_one_in) for portion in portions]
    first_offsets = np.full(len(spans), _NOWHERE)
    keys = [np.empty(0, np.uint64)]
    for found, offsets, portion_keys in crew.map(_train_portion, tasks, setup=_look_for, setup_args=(spans,)):
        first_offsets[found] = np.minimum(first_offsets[found], offsets)
        keys.append(portion_keys)
    is_found = first_offsets < _NOWHERE
    return Train(np.concatenate(keys), spans[is_found], first_offsets[is_found])


def _train_portion(task: tuple[Portion, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(needles found, distinct; where the first row with each begins; keys of all rows)."""
    portion, sample_one_in = task
    found, offsets, keys = [], [], []
    for batch in batches(portion):
        hashes, positions = batch.spans(sample_one_in, originals_only=False)
        at, needles = _needles.find(hashes)
        found.append(needles)
        offsets.append(_first_offsets(batch, positions[at]))
        keys.append(batch.keys())
    return *_smallest(np.concatenate(found), np.concatenate(offsets)), np.concatenate(keys)


def _first_offsets(batch: Batch, positions: np.ndarray) -> np.ndarray:
    """Where the first row of the file begins that holds the span at each position."""
    first, last = batch.rows_with(positions)
    offsets = batch.offsets[first]
    for step in range(1, int((last - first).max(initial=1))):
        offsets = np.minimum(offsets, batch.offsets[np.minimum(first + step, last - 1)])
    return offsets


def _smallest(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, and the smallest value of each."""
    order = np.lexsort((values, keys))
    distinct, first = np.unique(keys[order], return_index=True)
    return distinct, values[order][first]
