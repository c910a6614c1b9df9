"""The rows of a dataset's files as they were written, read back in pieces and cut into hashes of token spans."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from corpus.hashing import BASE, powers, stretch_hashes
from corpus.paths import escape_path
from corpus.records import ORIGINAL, UserError

SPAN_TOKENS = 50

_PIECE_BYTES = 4 << 20  # what one worker reads at a time; fixed, so that any number of workers counts alike
_BATCH_TOKENS = 1 << 16  # the arrays of one batch stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of a file that begin in bytes [start, stop)."""

    path: Path
    start: int
    stop: int


@dataclass(slots=True)
class Batch:
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


def pieces_of(path: Path) -> list[Piece]:
    """A file in pieces of fixed size; at least one."""
    try:
        num_bytes = path.stat().st_size
    except FileNotFoundError:
        raise UserError(
            f"{escape_path(os.fsencode(path))} is missing: not a complete dataset; build it"
        ) from None
    starts = range(0, max(1, num_bytes), _PIECE_BYTES)
    return [Piece(path, start, min(start + _PIECE_BYTES, num_bytes)) for start in starts]


def batches(piece: Piece) -> Iterator[Batch]:
    """The rows that begin in the piece, about _BATCH_TOKENS tokens at a time."""
    with open(piece.path, "rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            file.readline()  # the rest of a row that began before
        offset, batch, num_tokens = file.tell(), Batch(), 0
        while offset < piece.stop:
            line = file.readline()
            num_tokens += _add_row(batch, line, piece.path, offset)
            offset += len(line)
            if num_tokens >= _BATCH_TOKENS:
                yield batch
                batch, num_tokens = Batch(), 0
    if batch.tokens:
        yield batch


def _add_row(batch: Batch, line: bytes, path: Path, offset: int) -> int:
    """Parse a row into the batch; its number of tokens."""
    try:
        tokens, labels, metadata = _parse_row(line)
        real = tokens if labels is None else labels
        if not 0 < metadata["length"] <= min(len(tokens), len(real)):
            raise ValueError(f"{len(tokens)} tokens, length {metadata['length']}")
        batch.tokens.append(real[: metadata["length"]] + np.uint64(1))
        batch.files.append(metadata["source_file"])
        batch.is_original.append(metadata["augmentation_type"] == ORIGINAL)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        where = f"{escape_path(os.fsencode(path))}, byte {offset}"
        raise UserError(f"{where}: not a row of a dataset ({error!r}); build the dataset again") from None
    batch.offsets.append(offset)
    batch.keys.append(int(((tokens + np.uint64(1)) * powers(BASE, len(tokens))).sum()))
    return len(tokens)


_TOKENS, _METADATA, _LABELS = b'{"tokens":[', b'],"metadata":', b',"labels":['


def _parse_row(line: bytes) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """(tokens, labels or None, metadata), ids as uint64. numpy reads them three times as fast as orjson."""
    tokens_end = line.find(b"]")
    labels_at = line.rfind(_LABELS, tokens_end)
    metadata_at = tokens_end + len(_METADATA)
    if not line.startswith(_TOKENS) or line[tokens_end:metadata_at] != _METADATA or not line.endswith(b"}\n"):
        return _parse_any_row(line)
    tokens = _ids(line[len(_TOKENS) : tokens_end])
    if labels_at < 0:
        return tokens, None, orjson.loads(line[metadata_at:-2])
    return tokens, _ids(line[labels_at + len(_LABELS) : -3]), orjson.loads(line[metadata_at:labels_at])


def _ids(text: bytes) -> np.ndarray:
    return np.fromstring(text, np.uint64, sep=",")  # stops at what is no integer


def _parse_any_row(line: bytes) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    row = orjson.loads(line)
    labels = np.array(row["labels"], np.uint64) if "labels" in row else None
    return np.array(row["tokens"], np.uint64), labels, row["metadata"]
