"""The spans of the held-out rows, and which of them train holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from effectiveness.common.workers import Crew
from effectiveness.corpus.leaks.rows import Portion, name_keys
from effectiveness.corpus.leaks.spans import SPAN_TOKENS, Batch, batches

_NOWHERE = np.iinfo(np.int64).max


# --- held-out rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the report needs of a held-out file, or of some of its rows."""

    keys: np.ndarray  # uint64[rows], equal for equal rows
    all_files: np.ndarray  # uint64: keys of the source files of all rows, some more than once
    hashes: np.ndarray  # uint64[spans]: the sampled spans of the originals, one text after another
    begins: np.ndarray  # int64[originals]: the spans of an original are hashes[begins:ends]
    ends: np.ndarray
    offsets: np.ndarray  # int64[originals]: where the row begins in the file
    files: np.ndarray  # str objects[originals]: the source file of each


def begin_reading(portions: list[list[Portion]], sample_one_in: int, crew: Crew) -> Iterator[HeldOut]:
    """Have some files read, given in portions; what is found of each is there when it is asked for."""
    parts = crew.submit(
        _held_out_portion, [(portion, sample_one_in) for of_file in portions for portion in of_file]
    )
    return (_joined([next(parts) for _ in of_file]) for of_file in portions)


def _held_out_portion(task: tuple[Portion, int]) -> HeldOut:
    portion, sample_one_in = task
    return _joined([_held_out_batch(batch, sample_one_in) for batch in batches(portion)])


def _held_out_batch(batch: Batch, sample_one_in: int) -> HeldOut:
    hashes, positions = batch.spans(sample_one_in, originals_only=True)
    originals = np.flatnonzero(batch.is_original)
    firsts = batch.firsts[originals]
    begins = np.searchsorted(positions, firsts)
    ends = np.searchsorted(positions, firsts + batch.lengths[originals] - SPAN_TOKENS, side="right")
    return HeldOut(
        keys=batch.keys(),
        all_files=name_keys(batch.files),
        hashes=hashes,
        begins=begins,
        ends=np.maximum(begins, ends),
        offsets=batch.offsets[originals],
        files=np.array(batch.files, object)[originals],
    )


def _joined(parts: list[HeldOut]) -> HeldOut:
    if not parts:
        none, no_key = np.empty(0, np.int64), np.empty(0, np.uint64)
        return HeldOut(no_key, no_key, no_key, none, none, none, none.astype(object))
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(HeldOut)
    }
    spans_before = [0, *accumulate(len(part.hashes) for part in parts)][:-1]
    shift = np.repeat(spans_before, [len(part.begins) for part in parts])
    return HeldOut(**columns | {"begins": columns["begins"] + shift, "ends": columns["ends"] + shift})


# --- looking for them in train -----------------------------------------------------------------------------


class Needles:
    """Sorted distinct spans that are looked for. Three tables of bits say "surely not" to nearly all others."""

    def __init__(self, spans: np.ndarray):
        self.spans = spans
        num_bits = min(22, max(12, len(spans).bit_length() + 2))
        self._shifts = [np.uint64(shift) for shift in (64 - num_bits, 64 - 2 * num_bits, 0)]
        self._mask = np.uint64((1 << num_bits) - 1)
        self._tables = [np.zeros(1 << num_bits, np.bool_) for _ in self._shifts]
        for table, shift in zip(self._tables, self._shifts, strict=True):
            table[spans >> shift & self._mask] = True

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions in `hashes` that are needles, ascending; index of the needle)."""
        positions = np.flatnonzero(self._may_hold(0, hashes))
        for table in range(1, len(self._tables)):
            positions = positions[self._may_hold(table, hashes[positions])]
        candidates = hashes[positions]
        needles = np.minimum(np.searchsorted(self.spans, candidates), max(0, len(self.spans) - 1))
        found = self.spans[needles] == candidates if len(self.spans) else np.zeros(0, bool)
        return positions[found], needles[found]

    def _may_hold(self, table: int, hashes: np.ndarray) -> np.ndarray:
        places = hashes >> self._shifts[table]
        places &= self._mask
        return self._tables[table].take(places.view(np.int64), mode="clip")  # clips none: the fastest mode


@dataclass(frozen=True, slots=True)
class Train:
    keys: np.ndarray  # uint64[rows]
    all_files: np.ndarray  # uint64: keys of the source files of all rows, some more than once
    spans: np.ndarray  # uint64, sorted and distinct: the held-out spans that train holds
    offsets: np.ndarray  # int64: where the first row that holds each begins


class FoundInPortion(NamedTuple):
    """In a portion of train."""

    needles: np.ndarray  # int64, sorted and distinct
    offsets: np.ndarray  # int64: where the first row that holds each begins
    keys: np.ndarray  # uint64[rows]
    files: np.ndarray  # uint64: keys of the source files


_needles: Needles  # of this worker process


def _look_for(spans: np.ndarray) -> None:
    global _needles
    _needles = Needles(spans)


def begin_search(portions: list[Portion], spans: np.ndarray, crew: Crew) -> Iterator[FoundInPortion]:
    """Have train searched for `spans`, sorted and distinct."""
    return crew.submit(_train_portion, portions, setup=_look_for, setup_args=(spans,))


def found_in_train(found: Iterator[FoundInPortion], spans: np.ndarray) -> Train:
    """What `begin_search` found."""
    first_offsets = np.full(len(spans), _NOWHERE)
    keys, files = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for part in found:
        first_offsets[part.needles] = np.minimum(first_offsets[part.needles], part.offsets)
        keys.append(part.keys)
        files.append(part.files)
    is_found = first_offsets < _NOWHERE
    return Train(np.concatenate(keys), np.concatenate(files), spans[is_found], first_offsets[is_found])


def _train_portion(portion: Portion) -> FoundInPortion:
    needles, offsets, keys, files = [], [], [], set()
    for batch in batches(portion):
        found, at = _in_rows(batch)
        needles.append(found)
        offsets.append(at)
        keys.append(batch.keys())
        files.update(batch.files)
    return FoundInPortion(
        *_smallest(np.concatenate(needles), np.concatenate(offsets)), np.concatenate(keys), name_keys(files)
    )


def _in_rows(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(needles that rows hold, where the first row of the file begins that holds each)."""
    positions, needles = _needles.find(batch.hashes)
    first, last = batch.rows_with(positions)
    found = np.flatnonzero(first < last)
    first, last = first[found], last[found]
    offsets = batch.offsets[first]
    for step in range(1, int((last - first).max(initial=1))):
        offsets = np.minimum(offsets, batch.offsets[np.minimum(first + step, last - 1)])
    return needles[found], offsets


def _smallest(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, and the smallest value of each."""
    order = np.lexsort((values, keys))
    distinct, first = np.unique(keys[order], return_index=True)
    return distinct, values[order][first]
