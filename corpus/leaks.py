"""The leak report: how much held-out text also stands in train, counted from the files as they were written.

Text is compared in spans of 50 tokens, whatever file or row they stand in. What counts of a held-out row is its
real text (originals only, no padding); what counts of train is everything a model is shown or asked for (every
variant; of masked rows the labels). Spans are compared by 64-bit hashes, so a count is wrong with a probability
of about 1 in 100,000.

Memory does not grow with the dataset: only spans of the held-out files are kept, and when these are many, only
those whose hash is divisible by p - a choice by content, so a kept span is kept wherever it stands.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from corpus.hashing import BASE, powers, stretch_hashes
from corpus.paths import escape_path
from corpus.pool import map_in_order
from corpus.records import DATASET_FILES, ORIGINAL, UserError

SPAN_TOKENS = 50
HELD_OUT = ("val", "test")
MAX_SPANS = 1 << 20  # kept of the held-out files, about
MAX_EXAMPLES = 5

_PIECE_BYTES = 4 << 20  # what one worker reads at a time; fixed, so that any number of workers counts alike
_BATCH_TOKENS = 1 << 16  # the arrays of one batch stay in the processor's cache
_BYTES_PER_NEW_TOKEN = 20  # about 5 bytes a token, and windows overlap by three quarters


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rows of a file that begin in bytes [start, stop)."""

    path: Path
    start: int
    stop: int


@dataclass(slots=True)
class _Batch:
    """Some consecutive rows: their real tokens one after another, and what the report needs of each."""

    tokens: list[np.ndarray] = field(default_factory=list)  # uint64, without padding
    files: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)  # of the row in its file, in bytes
    is_original: list[bool] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)  # equal for rows of equal tokens, padding included

    def spans(self, sample_one_in: int, originals_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """(uint64 hashes of the spans that are sampled, index of the row each stands in)."""
        kept = [r for r in range(len(self.tokens)) if self.is_original[r] or not originals_only]
        if not kept:
            return np.empty(0, np.uint64), np.empty(0, np.int64)
        flat = np.concatenate([self.tokens[r] for r in kept])
        lengths = np.array([len(self.tokens[r]) for r in kept])
        num_spans = np.maximum(lengths - SPAN_TOKENS + 1, 0)
        rows = np.repeat(np.array(kept), num_spans)
        first = np.cumsum(lengths) - lengths  # of each row in `flat`
        starts = np.arange(len(rows)) + np.repeat(first - (np.cumsum(num_spans) - num_spans), num_spans)
        hashes = stretch_hashes(flat, starts, starts + SPAN_TOKENS)
        if sample_one_in == 1:
            return hashes, rows
        sampled = hashes & np.uint64(sample_one_in - 1) == 0
        return hashes[sampled], rows[sampled]


def leak_report(directory: Path, workers: int) -> dict[str, Any]:
    """Compare the three files of a dataset: a JSON-ready summary, the same for any number of workers.

    `held_out[split]` counts distinct spans and how many of them train holds (`exact` is False when they are
    estimated from one span in `sampled_one_in`), rows with at least half of their spans in train, and names a
    few pairs of files that share text. Raises UserError for a file that is not as the dataset command wrote it.
    """
    pieces = {split: _pieces(directory / name) for split, name in DATASET_FILES.items()}
    num_bytes = sum(piece.stop - piece.start for split in HELD_OUT for piece in pieces[split])
    sample_one_in = 1
    while num_bytes > MAX_SPANS * _BYTES_PER_NEW_TOKEN * sample_one_in:
        sample_one_in *= 2
    seen = {split: _read_held_out(pieces[split], sample_one_in, workers) for split in HELD_OUT}
    train = _search_train(pieces["train"], seen, sample_one_in, workers)
    held_out = {
        split: _held_out_summary(pieces[split], seen[split], train, sample_one_in, workers)
        for split in HELD_OUT
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
        f"equal rows: {report['equal_rows']:,}; source files in two splits: {report['files_in_two_splits']:,}"
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


def _read_held_out(pieces: list[_Piece], sample_one_in: int, workers: int) -> _HeldOut:
    parts = list(map_in_order(_held_out_piece, [(piece, sample_one_in) for piece in pieces], workers))
    return _HeldOut(
        spans=_distinct(part.spans for part in parts),
        keys=_joined([part.keys for part in parts], np.uint64),
        files=frozenset().union(*(part.files for part in parts)),
    )


def _held_out_piece(task: tuple[_Piece, int]) -> _HeldOut:
    piece, sample_one_in = task
    spans, keys, files = [], [], set()
    for batch in _batches(piece):
        spans.append(batch.spans(sample_one_in, originals_only=True)[0])
        keys += batch.keys
        files.update(batch.files)
    return _HeldOut(_distinct(spans), np.array(keys, np.uint64), frozenset(files))


def _distinct(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sorted distinct values of many arrays, in twice the memory of the result."""
    merged, pending, num_pending = np.empty(0, np.uint64), [], 0
    for part in parts:
        pending.append(part)
        num_pending += len(part)
        if num_pending > max(len(merged), _BATCH_TOKENS):
            merged, pending, num_pending = np.unique(np.concatenate([merged, *pending])), [], 0
    return np.unique(np.concatenate([merged, *pending]))


def _joined(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


# --- looking for them in train -----------------------------------------------------------------------------


class _Needles:
    """Spans that are looked for. A table of bits answers "surely not" for most of what is asked."""

    def __init__(self, spans: np.ndarray, files: frozenset[str] = frozenset()):
        self.spans, self.files = spans, files  # spans sorted and distinct
        num_bits = min(24, max(12, len(spans).bit_length() + 4))
        self._shift = np.uint64(64 - num_bits)
        self._may_be_here = np.zeros(1 << num_bits, np.bool_)
        self._may_be_here[spans >> self._shift] = True

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions in `hashes` that are needles, index of the needle)."""
        positions = np.flatnonzero(self._may_be_here[hashes >> self._shift])
        candidates = hashes[positions]
        needles = np.searchsorted(self.spans, candidates)
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


def _search_train(
    pieces: list[_Piece], seen: dict[str, _HeldOut], sample_one_in: int, workers: int
) -> _Train:
    needles = _distinct(held_out.spans for held_out in seen.values())
    files = frozenset().union(*(held_out.files for held_out in seen.values()))
    tasks = [(piece, sample_one_in) for piece in pieces]
    first_offset = np.full(len(needles), -1, np.int64)
    keys, shared_files = [], set()
    for found, offsets, piece_keys, piece_files in map_in_order(
        _train_piece, tasks, workers, setup=_look_for, setup_args=(needles, files)
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


def _train_piece(task: tuple[_Piece, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, set[str]]:
    """(needles found, offset of the first row with each, keys of all rows, held-out files among the sources)."""
    piece, sample_one_in = task
    found, offsets, keys, files = [], [], [], set()
    for batch in _batches(piece):
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
    """The original rows of a held-out file, or of a piece of it."""

    rows: int = 0
    rows_without_span: int = 0
    rows_half_shared: int = 0
    shared_by_file: Counter = field(default_factory=Counter)  # source file -> shared spans in its rows
    first_shared: dict[str, int] = field(default_factory=dict)  # source file -> one of them

    def add(self, other: _Tally) -> None:
        self.rows += other.rows
        self.rows_without_span += other.rows_without_span
        self.rows_half_shared += other.rows_half_shared
        self.shared_by_file.update(other.shared_by_file)
        self.first_shared = other.first_shared | self.first_shared


def _held_out_summary(
    pieces: list[_Piece], seen: _HeldOut, train: _Train, sample_one_in: int, workers: int
) -> dict[str, Any]:
    tally = _Tally()
    tasks = [(piece, sample_one_in) for piece in pieces]
    for part in map_in_order(
        _tally_piece, tasks, workers, setup=_look_for, setup_args=(train.spans, frozenset())
    ):
        tally.add(part)
    num_shared = len(_common(seen.spans, train.spans))
    return {
        "rows": tally.rows,
        "rows_without_span": tally.rows_without_span,
        "rows_half_shared": tally.rows_half_shared,
        "spans": sample_one_in * len(seen.spans),
        "shared": sample_one_in * num_shared,
        "share": round(num_shared / max(1, len(seen.spans)), 6),
        "examples": _examples(tally, train),
    }


def _tally_piece(task: tuple[_Piece, int]) -> _Tally:
    piece, sample_one_in = task
    tally = _Tally()
    for batch in _batches(piece):
        hashes, rows = batch.spans(sample_one_in, originals_only=True)
        positions, _ = _needles.find(hashes)
        num_spans = np.bincount(rows, minlength=len(batch.files))
        num_shared = np.bincount(rows[positions], minlength=len(batch.files))
        tally.rows += sum(batch.is_original)
        tally.rows_without_span += int(np.count_nonzero((num_spans == 0) & np.array(batch.is_original)))
        tally.rows_half_shared += int(np.count_nonzero((num_spans > 0) & (2 * num_shared >= num_spans)))
        for row, first in zip(*np.unique(rows[positions], return_index=True), strict=True):
            file = batch.files[row]
            tally.shared_by_file[file] += int(num_shared[row])
            tally.first_shared.setdefault(file, int(hashes[positions[first]]))
    return tally


def _examples(tally: _Tally, train: _Train) -> list[dict[str, str]]:
    """The held-out files that share most, each with a file of train that holds one of its spans."""
    most = sorted(tally.shared_by_file, key=lambda file: (-tally.shared_by_file[file], file))[:MAX_EXAMPLES]
    examples = []
    for file in most:
        at = int(train.offsets[np.searchsorted(train.spans, np.uint64(tally.first_shared[file]))])
        [train_file] = next(_batches(_Piece(train.path, at, at + 1))).files
        examples.append({"file": file, "train_file": train_file})
    return examples


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.intersect1d(first, second, assume_unique=True)


def _equal_rows(keys: dict[str, np.ndarray]) -> dict[str, Any]:
    """Rows whose tokens stand in an earlier row of any file, and token sequences two files share."""
    distinct = {split: np.unique(of_split) for split, of_split in keys.items()}
    num_rows = sum(len(of_split) for of_split in keys.values())
    num_distinct = len(np.unique(np.concatenate(list(distinct.values()))))
    return {
        "equal_rows": num_rows - num_distinct,
        "equal_rows_across": {
            f"{a} and {b}": len(_common(distinct[a], distinct[b])) for a, b in combinations(DATASET_FILES, 2)
        },
    }


def _files_in_two_splits(names: dict[str, frozenset[str]]) -> dict[str, Any]:
    shared = sorted(set().union(*(names[a] & names[b] for a, b in combinations(DATASET_FILES, 2))))
    return {"files_in_two_splits": len(shared), "files_in_two_splits_examples": shared[:MAX_EXAMPLES]}


# --- reading rows ------------------------------------------------------------------------------------------


def _pieces(path: Path) -> list[_Piece]:
    """A file in pieces of fixed size; at least one."""
    try:
        num_bytes = path.stat().st_size
    except FileNotFoundError:
        raise UserError(
            f"{escape_path(os.fsencode(path))} is missing: not a complete dataset; build it"
        ) from None
    starts = range(0, max(1, num_bytes), _PIECE_BYTES)
    return [_Piece(path, start, min(start + _PIECE_BYTES, num_bytes)) for start in starts]


def _batches(piece: _Piece) -> Iterator[_Batch]:
    """The rows that begin in the piece, about _BATCH_TOKENS tokens at a time."""
    with open(piece.path, "rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            file.readline()  # the rest of a row that began before
        offset, batch, num_tokens = file.tell(), _Batch(), 0
        while offset < piece.stop:
            line = file.readline()
            num_tokens += _add_row(batch, line, piece.path, offset)
            offset += len(line)
            if num_tokens >= _BATCH_TOKENS:
                yield batch
                batch, num_tokens = _Batch(), 0
    if batch.tokens:
        yield batch


def _add_row(batch: _Batch, line: bytes, path: Path, offset: int) -> int:
    """Parse a row into the batch; its number of tokens."""
    try:
        tokens, row = _parse_row(line)
        metadata = row["metadata"]
        real = np.array(row["labels"], np.uint64) if "labels" in row else tokens
        batch.tokens.append(real[: metadata["length"]] + np.uint64(1))
        batch.files.append(metadata["source_file"])
        batch.is_original.append(metadata["augmentation_type"] == ORIGINAL)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        where = f"{escape_path(os.fsencode(path))}, byte {offset}"
        raise UserError(f"{where}: not a row of a dataset ({error!r}); build the dataset again") from None
    batch.offsets.append(offset)
    batch.keys.append(int(((tokens + np.uint64(1)) * powers(BASE, len(tokens))).sum()))
    return len(tokens)


_TOKENS_FIRST = b'{"tokens":['


def _parse_row(line: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    """(tokens as uint64, the other keys of the row). numpy reads the tokens three times as fast as orjson."""
    end = line.find(b"]")
    if not line.startswith(_TOKENS_FIRST) or end < 0:
        row = orjson.loads(line)
        return np.array(row.pop("tokens"), np.uint64), row
    digits = line[len(_TOKENS_FIRST) : end]
    tokens = np.fromstring(digits, np.uint64, sep=",")
    if len(tokens) != digits.count(b",") + 1:
        raise ValueError("tokens must be integers")
    return tokens, orjson.loads(b"{" + line[end + 2 :])
