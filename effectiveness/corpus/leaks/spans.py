"""The rows of a dataset's file as they were written, and hashes of every span of tokens in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effectiveness.common.hashing import BASE_INVERSE, powers, running_hash, window_hashes
from effectiveness.common.jsonl import parse_row
from effectiveness.common.paths import display
from effectiveness.common.records import ORIGINAL, UserError

SPAN_TOKENS = 50
MAX_TABLE_BITS = 24

_PORTION_BYTES = 2 << 20  # what one worker reads at a time


class WrittenRows(NamedTuple):
    """A file of rows, and how long its lines are."""

    path: Path
    sizes: np.ndarray  # uint32[rows], in bytes

    @property
    def num_bytes(self) -> int:
        return int(self.sizes.sum(dtype=np.int64))


class Portion(NamedTuple):
    """Some rows of a file, one after another."""

    path: Path
    offset: int  # where the first begins in the file, in bytes
    sizes: np.ndarray


class Spans(NamedTuple):
    """What rows hold. What counts of a row is what a model is shown, of a masked one what it is asked for."""

    hashes: np.ndarray  # uint64[spans], of SPAN_TOKENS tokens each, row after row
    rows: np.ndarray  # int64[spans]: the row of each
    offsets: np.ndarray  # int64[rows]: where each begins in its file, in bytes
    keys: np.ndarray  # uint64[rows], equal for rows of equal tokens, padding included
    files: list[str]  # of each row
    is_original: np.ndarray  # bool[rows]


def portions_of(written: WrittenRows) -> list[Portion]:
    """All rows of a file. Raises UserError where it is missing or not of the size it was written in."""
    path, sizes = written
    _require_size(path, written.num_bytes)
    ends = np.cumsum(sizes, dtype=np.int64)
    cuts = [*np.flatnonzero(np.diff(ends // _PORTION_BYTES, prepend=-1)).tolist(), len(sizes)]
    return [
        Portion(path, int(ends[first] - sizes[first]), sizes[first:last]) for first, last in pairwise(cuts)
    ]


def _require_size(path: Path, num_bytes: int) -> None:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise UserError(f"{display(path)} is missing: not a complete dataset; build it") from None
    if found != num_bytes:
        raise UserError(
            f"{display(path)} has {found} bytes, not {num_bytes} as written; build the dataset again"
        )


def read_spans(portion: Portion) -> Spans:
    """Raises UserError that names the place of what is no row."""
    found = [*_rows(portion)]
    counts = np.array([len(row.tokens) for row in found], np.int64)
    masked = np.array([row.labels is not None for row in found], bool)
    shown = np.cumsum(counts) - counts
    # The labels of masked rows stand behind all tokens: one running hash gives spans and keys.
    asked = shown.copy()
    asked[masked] = counts.sum() + np.cumsum(counts[masked]) - counts[masked]
    texts = [row.tokens for row in found] + [row.labels for row in found if row.labels is not None]
    running = running_hash(
        np.concatenate(texts) + np.uint64(1)
    )  # so of a run of zeros, too, the length counts
    num_spans = np.maximum(0, np.array([row.length for row in found]) - SPAN_TOKENS + 1)
    rows = np.repeat(np.arange(len(found)), num_spans)
    places = np.arange(len(rows)) + (asked - (np.cumsum(num_spans) - num_spans))[rows]
    return Spans(
        hashes=window_hashes(running, SPAN_TOKENS)[places],
        rows=rows,
        offsets=np.array([row.offset for row in found], np.int64),
        keys=(running[shown + counts] - running[shown]) * powers(BASE_INVERSE, len(running))[shown],
        files=[row.file for row in found],
        is_original=np.array([row.variant == ORIGINAL for row in found], bool),
    )


class _Row(NamedTuple):
    offset: int  # in its file, in bytes
    tokens: np.ndarray  # uint64
    labels: np.ndarray | None
    length: int  # tokens without padding
    file: str
    variant: str


def _rows(portion: Portion) -> Iterator[_Row]:
    with open(portion.path, "rb", buffering=0) as file:
        text = os.pread(file.fileno(), int(portion.sizes.sum(dtype=np.int64)), portion.offset)
    begin = 0
    for size in portion.sizes.tolist():
        offset = portion.offset + begin
        try:
            yield _row(text[begin : begin + size], offset)
        except (ValueError, OverflowError) as error:
            raise UserError(
                f"{display(portion.path)}, byte {offset}: not a row of a dataset ({error}); build the dataset again"
            ) from None
        begin += size


def _row(line: bytes, offset: int) -> _Row:
    """Raises ValueError or OverflowError for what is no row."""
    problem, row = parse_row(line)
    if problem:
        raise ValueError(problem)
    about, tokens = row["metadata"], np.array(row["tokens"], np.uint64)
    labels = np.array(row["labels"], np.uint64) if "labels" in row else None
    file, variant, length = (about.get(key) for key in ("source_file", "augmentation_type", "length"))
    if not (isinstance(file, str) and isinstance(variant, str) and type(length) is int):
        raise ValueError("source_file and augmentation_type are texts, length is an integer")
    if not 0 < length <= len(tokens):
        raise ValueError(f"{len(tokens)} tokens, length {length}")
    return _Row(offset, tokens, labels, length, file, variant)


def file_at(path: Path, offset: int) -> str:
    """The source file of the row that begins at a place in a file."""
    with open(path, "rb") as file:
        file.seek(offset)
        return parse_row(file.readline())[1]["metadata"]["source_file"]


class SpanIndex:
    """Sorted distinct spans that are looked for. A table of their first bits says "surely not" to most others."""

    def __init__(self, spans: np.ndarray):
        num_bits = min(MAX_TABLE_BITS, len(spans).bit_length() + 4)
        self.spans, self._shift = spans, np.uint64(64 - num_bits)
        self._table = np.zeros(1 << num_bits, np.bool_)
        self._table[spans >> self._shift] = True

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(positions in `hashes` that are needles, ascending; index of the needle)."""
        positions = np.flatnonzero(self._table[hashes >> self._shift])
        candidates = hashes[positions]
        needles = np.minimum(np.searchsorted(self.spans, candidates), max(0, len(self.spans) - 1))
        found = self.spans[needles] == candidates if len(self.spans) else np.zeros(0, bool)
        return positions[found], needles[found]


_span_index: SpanIndex  # of this worker process


def look_for(spans: np.ndarray) -> None:
    """Sets a worker up for `find_in`."""
    global _span_index
    _span_index = SpanIndex(spans)


def find_in(portion: Portion) -> tuple[Spans, np.ndarray, np.ndarray]:
    """What some rows hold, and which of it is looked for, as `SpanIndex.find` has it."""
    spans = read_spans(portion)
    return spans, *_span_index.find(spans.hashes)
