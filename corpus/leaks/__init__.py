"""The leak report: how much held-out text also stands in train, counted from the files as they were written.

Text is compared in spans of 50 tokens, whatever file or row they stand in. What counts of a held-out row is its
real text (originals only, no padding); what counts of train is everything a model is shown or asked for (every
variant; of masked rows the labels). Spans are compared by 64-bit hashes, so a count is wrong with a probability
of about 1 in 100,000.

Memory does not grow with the dataset: only spans of the held-out files are kept, and when these are many, only
those whose hash is divisible by p - a choice by content, so a kept span is kept wherever it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from corpus.hashing import sorted_distinct
from corpus.leaks.spans import SPAN_TOKENS, Batch, Piece, batches, pieces_of
from corpus.pool import Crew
from corpus.records import DATASET_FILES, LATER

HELD_OUT = ("val", "test")
MAX_SPANS = 1 << 20  # kept of the held-out files, about
MAX_EXAMPLES = 5

_MIN_MERGED = 1 << 16
_BYTES_PER_NEW_TOKEN = 20  # about 5 bytes a token, and windows overlap by three quarters


def leak_report(directory: Path, crew: Crew) -> dict[str, Any]:
    """Compare the three files of a dataset: a JSON-ready summary, the same for any number of workers.

    `held_out[split]` counts distinct spans and how many of them train holds (`exact` is False when they are
    estimated from one span in `sampled_one_in`), rows with at least half of their spans in train, and names a
    few pairs of files that share text. Raises UserError for a file that is not as the dataset command wrote it.
    """
    pieces = {split: pieces_of(directory / name) for split, name in DATASET_FILES.items()}
    num_bytes = sum(piece.stop - piece.start for split in HELD_OUT for piece in pieces[split])
    sample_one_in = 1
    while num_bytes > MAX_SPANS * _BYTES_PER_NEW_TOKEN * sample_one_in:
        sample_one_in *= 2
    seen = _read_held_out(pieces, sample_one_in, crew)
    train = _search_train(pieces["train"], seen, sample_one_in, crew)
    tallies = _tally_shared(pieces, train, sample_one_in, crew)
    held_out = {
        split: _held_out_summary(seen[split], tallies[split], train, sample_one_in) for split in HELD_OUT
    }
    names = {split: seen[split].files for split in HELD_OUT} | {"train": train.files}
    return {
        "span_tokens": SPAN_TOKENS,
        "sampled_one_in": sample_one_in,
        "exact": sample_one_in == 1,
        "held_out": held_out,
        "spans_in_val_and_test": sample_one_in * len(_common(seen["val"].spans, seen["test"].spans)),
        **_equal_rows({split: seen[split].keys for split in HELD_OUT} | {"train": train.keys}),
        **_files_in_two_splits(names),
    }


def format_leaks(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for the terminal."""
    about = "" if report["exact"] else f", estimated from 1 span in {report['sampled_one_in']}"
    lines = [
        f"{split}: {100 * seen['share']:.2f} % of {seen['spans']:,} distinct {report['span_tokens']}-token spans "
        f"also stand in train{about}; {seen['rows_half_shared']:,} of {seen['rows']:,} rows share half of theirs"
        for split, seen in report["held_out"].items()
    ]
    lines.append(
        f"equal rows: {report['equal_rows']:,}; source files in two splits: {report['files_in_two_splits']:,}; "
        f"spans in both val and test: {report['spans_in_val_and_test']:,}"
    )
    if later := report.get(LATER):
        lines.append(
            f"later: {later['known_spans']:,} of {later['spans']:,} distinct {later['span_tokens']}-token spans with "
            "added text also stand in the rows above; their tokens are not scored"
        )
    for split, seen in report["held_out"].items():
        lines += [
            f"most shared: {example['file']} ({split}) with {example['train_file']} (train)"
            for example in seen["examples"][:1]
        ]
    return lines


# --- held-out rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """One held-out file, or a piece of it."""

    spans: np.ndarray  # uint64, sorted, distinct, sampled: of the original rows
    keys: np.ndarray  # uint64[rows]
    files: frozenset[str]
    rows: int  # original ones
    rows_without_span: int  # shorter than a span, or none was sampled


def _read_held_out(pieces: dict[str, list[Piece]], sample_one_in: int, crew: Crew) -> dict[str, _HeldOut]:
    tasks = [(split, piece, sample_one_in) for split in HELD_OUT for piece in pieces[split]]
    parts: dict[str, list[_HeldOut]] = {split: [] for split in HELD_OUT}
    for (split, *_), part in zip(tasks, crew.map(_held_out_piece, tasks), strict=True):
        parts[split].append(part)
    return {split: _merged(of_split) for split, of_split in parts.items()}


def _merged(parts: list[_HeldOut]) -> _HeldOut:
    return _HeldOut(
        spans=_distinct(part.spans for part in parts),
        keys=_joined([part.keys for part in parts], np.uint64),
        files=frozenset().union(*(part.files for part in parts)),
        rows=sum(part.rows for part in parts),
        rows_without_span=sum(part.rows_without_span for part in parts),
    )


def _held_out_piece(task: tuple[str, Piece, int]) -> _HeldOut:
    _, piece, sample_one_in = task
    return _merged([_held_out_batch(batch, sample_one_in) for batch in batches(piece)])


def _held_out_batch(batch: Batch, sample_one_in: int) -> _HeldOut:
    hashes, rows = batch.spans(sample_one_in, originals_only=True)
    num_rows = sum(batch.is_original)
    return _HeldOut(
        spans=hashes,
        keys=np.array(batch.keys, np.uint64),
        files=frozenset(batch.files),
        rows=num_rows,
        rows_without_span=num_rows - int(np.count_nonzero(np.bincount(rows))),
    )


def _distinct(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sorted distinct values of many arrays, in twice the memory of the result."""
    merged, pending, num_pending = np.empty(0, np.uint64), [], 0
    for part in parts:
        pending.append(part)
        num_pending += len(part)
        if num_pending > max(len(merged), _MIN_MERGED):
            merged, pending, num_pending = sorted_distinct(np.concatenate([merged, *pending])), [], 0
    return sorted_distinct(np.concatenate([merged, *pending]))


def _joined(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


# --- looking for them in train -----------------------------------------------------------------------------


class _Needles:
    """Spans that are looked for. Two tables of bits say "surely not" to 98 of 100 others; what is left goes to
    the few needles that begin with the same bits. Three look-ups where a binary search takes twenty."""

    def __init__(self, spans: np.ndarray, files: frozenset[str] = frozenset()):
        self.spans, self.files = spans, files  # spans sorted and distinct
        num_bits = min(23, max(12, len(spans).bit_length() + 3))
        self._shifts = np.uint64(64 - num_bits), np.uint64(64 - 2 * num_bits)
        self._mask = np.uint64((1 << num_bits) - 1)
        self._tables = [np.zeros(1 << num_bits, np.bool_) for _ in self._shifts]
        for table, shift in zip(self._tables, self._shifts, strict=True):
            table[spans >> shift & self._mask] = True
        num_bucket_bits = num_bits - 3  # about one needle a bucket
        self._bucket_shift = np.uint64(64 - num_bucket_bits)
        borders = np.arange(1, 1 << num_bucket_bits, dtype=np.uint64) << self._bucket_shift
        self._bucket_start = np.concatenate(([0], np.searchsorted(spans, borders), [len(spans)]))
        self._largest_bucket = int(np.diff(self._bucket_start).max())

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions in `hashes` that are needles, index of the needle)."""
        first, second = self._tables
        positions = np.flatnonzero(first[hashes >> self._shifts[0]])
        positions = positions[second[hashes[positions] >> self._shifts[1] & self._mask]]
        candidates = hashes[positions]
        needles = self._bucket_start[candidates >> self._bucket_shift]
        for _ in range(self._largest_bucket - 1):
            needles += self.spans[np.minimum(needles, len(self.spans) - 1)] < candidates
        found = self.spans[np.minimum(needles, len(self.spans) - 1)] == candidates
        return positions[found], needles[found]


_needles: _Needles  # of this worker process


def _look_for(spans: np.ndarray, files: frozenset[str]) -> None:
    global _needles
    _needles = _Needles(spans, files)


@dataclass(frozen=True, slots=True)
class _Train:
    spans: np.ndarray  # uint64, sorted: the held-out spans that train holds
    offsets: np.ndarray  # int64: where the first row that holds each begins
    path: Path
    keys: np.ndarray  # uint64[rows]
    files: frozenset[str]  # those that are also held out


def _search_train(pieces: list[Piece], seen: dict[str, _HeldOut], sample_one_in: int, crew: Crew) -> _Train:
    needles = _distinct(held_out.spans for held_out in seen.values())
    files = frozenset().union(*(held_out.files for held_out in seen.values()))
    tasks = [(piece, sample_one_in) for piece in pieces]
    first_offset = np.full(len(needles), -1, np.int64)
    keys, shared_files = [], set()
    for found, offsets, piece_keys, piece_files in crew.map(
        _train_piece, tasks, setup=_look_for, setup_args=(needles, files)
    ):
        is_new = first_offset[found] < 0
        first_offset[found[is_new]] = offsets[is_new]
        keys.append(piece_keys)
        shared_files |= piece_files
    is_found = first_offset >= 0
    return _Train(
        needles[is_found],
        first_offset[is_found],
        pieces[0].path,
        _joined(keys, np.uint64),
        frozenset(shared_files),
    )


def _train_piece(task: tuple[Piece, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, set[str]]:
    """(needles found, offset of the first row with each, keys of all rows, held-out files among the sources)."""
    piece, sample_one_in = task
    found, offsets, keys, files = [], [], [], set()
    for batch in batches(piece):
        hashes, rows = batch.spans(sample_one_in, originals_only=False)
        positions, needles = _needles.find(hashes)
        found.append(needles)
        offsets.append(np.array(batch.offsets)[rows[positions]])
        keys += batch.keys
        files.update(_needles.files.intersection(batch.files))
    distinct, first = np.unique(_joined(found, np.int64), return_index=True)
    return distinct, _joined(offsets, np.int64)[first], np.array(keys, np.uint64), files


# --- what was found ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tally:
    """What a held-out file, or a piece of it, shares with train."""

    rows_half_shared: int = 0
    shared_by_file: Counter = field(default_factory=Counter)  # source file -> shared spans in its rows
    first_shared: dict[str, int] = field(default_factory=dict)  # source file -> one of them

    def add(self, other: _Tally) -> None:
        self.rows_half_shared += other.rows_half_shared
        self.shared_by_file.update(other.shared_by_file)
        self.first_shared = other.first_shared | self.first_shared


def _tally_shared(
    pieces: dict[str, list[Piece]], train: _Train, sample_one_in: int, crew: Crew
) -> dict[str, _Tally]:
    """Row by row, which needs a second look at the held-out files - if there is anything to see."""
    tallies = {split: _Tally() for split in HELD_OUT}
    if len(train.spans):
        tasks = [(split, piece, sample_one_in) for split in HELD_OUT for piece in pieces[split]]
        setup_args = train.spans, frozenset()
        parts = crew.map(_tally_piece, tasks, setup=_look_for, setup_args=setup_args)
        for (split, *_), part in zip(tasks, parts, strict=True):
            tallies[split].add(part)
    return tallies


def _tally_piece(task: tuple[str, Piece, int]) -> _Tally:
    _, piece, sample_one_in = task
    tally = _Tally()
    for batch in batches(piece):
        hashes, rows = batch.spans(sample_one_in, originals_only=True)
        positions, _ = _needles.find(hashes)
        num_spans = np.bincount(rows, minlength=len(batch.files))
        num_shared = np.bincount(rows[positions], minlength=len(batch.files))
        tally.rows_half_shared += int(np.count_nonzero((num_shared > 0) & (2 * num_shared >= num_spans)))
        for row, first in zip(*np.unique(rows[positions], return_index=True), strict=True):
            file = batch.files[row]
            tally.shared_by_file[file] += int(num_shared[row])
            tally.first_shared.setdefault(file, int(hashes[positions[first]]))
    return tally


def _held_out_summary(seen: _HeldOut, tally: _Tally, train: _Train, sample_one_in: int) -> dict[str, Any]:
    num_shared = len(_common(seen.spans, train.spans))
    return {
        "rows": seen.rows,
        "rows_without_span": seen.rows_without_span,
        "rows_half_shared": tally.rows_half_shared,
        "spans": sample_one_in * len(seen.spans),
        "shared": sample_one_in * num_shared,
        "share": round(num_shared / max(1, len(seen.spans)), 6),
        "share_of_rows": round(tally.rows_half_shared / max(1, seen.rows - seen.rows_without_span), 6),
        "examples": _examples(tally, train),
    }


def _examples(tally: _Tally, train: _Train) -> list[dict[str, str]]:
    """The held-out files that share most, each with a file of train that holds one of its spans."""
    most = sorted(tally.shared_by_file, key=lambda file: (-tally.shared_by_file[file], file))[:MAX_EXAMPLES]
    examples = []
    for file in most:
        at = int(train.offsets[np.searchsorted(train.spans, np.uint64(tally.first_shared[file]))])
        [train_file] = next(batches(Piece(train.path, at, at + 1))).files
        examples.append({"file": file, "train_file": train_file})
    return examples


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.intersect1d(first, second, assume_unique=True)


def _equal_rows(keys: dict[str, np.ndarray]) -> dict[str, Any]:
    """Rows whose tokens stand in an earlier row of any file, and token sequences two files share."""
    distinct = {split: sorted_distinct(of_split) for split, of_split in keys.items()}
    num_rows = sum(len(of_split) for of_split in keys.values())
    num_distinct = len(sorted_distinct(np.concatenate(list(distinct.values()))))
    return {
        "equal_rows": num_rows - num_distinct,
        "equal_rows_across": {
            f"{a} and {b}": len(_common(distinct[a], distinct[b])) for a, b in combinations(DATASET_FILES, 2)
        },
    }


def _files_in_two_splits(names: dict[str, frozenset[str]]) -> dict[str, Any]:
    shared = sorted(set().union(*(names[a] & names[b] for a, b in combinations(DATASET_FILES, 2))))
    return {"files_in_two_splits": len(shared), "files_in_two_splits_examples": shared[:MAX_EXAMPLES]}
