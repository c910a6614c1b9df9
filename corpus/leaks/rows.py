"""The rows of a dataset's file as they were written, in the order in which they are read with least work.

Windows of one text overlap, but lie far apart in a file that is ordered by complexity. So a first pass finds out
where each row stands and what text it says it is from; then the rows of one text are read one after another.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from corpus.hashing import sorted_distinct
from corpus.paths import escape_path
from corpus.pool import Crew, cut_into_shards
from corpus.records import ORIGINAL, UserError

_PIECE_BYTES = 4 << 20  # what one worker looks through at a time
_PORTION_BYTES = 2 << 20  # and what it reads
_MAX_START = 1 << 32


class Piece(NamedTuple):
    """The rows of a file that begin in bytes [start, stop)."""

    path: Path
    start: int
    stop: int


class Portion(NamedTuple):
    """Some rows of a file, windows of one text one after another."""

    path: Path
    offsets: np.ndarray  # int64[rows], where each begins in the file, in bytes


@dataclass(frozen=True, slots=True)
class FoundRows:
    """All rows of one file."""

    portions: list[Portion]
    files: np.ndarray  # uint64: keys of the source files they are from, sorted and distinct
    num_bytes: int


class Row(NamedTuple):
    offset: int  # in its file, in bytes
    file: str
    variant: str
    start: int  # of its first token in its text. Nothing rests on it but how much work a row is
    length: int  # in tokens, without padding
    tokens: bytes  # as JSON spells them, padding included
    labels: bytes | None

    @property
    def is_original(self) -> bool:
        return self.variant == ORIGINAL

    @property
    def text(self) -> bytes:
        """What counts of the row: what a model is shown, of masked rows what it is asked for."""
        return self.tokens if self.labels is None else self.labels


# --- where the rows are ----------------------------------------------------------------------------------


class _Places(NamedTuple):
    """Of the rows of a piece."""

    offsets: np.ndarray  # int64[rows]
    texts: np.ndarray  # uint64[rows], key of source file and variant
    starts: np.ndarray  # uint32[rows]
    files: np.ndarray  # uint64: keys of the source files, sorted and distinct


def find_rows(paths: list[Path], crew: Crew) -> list[FoundRows]:
    """Look through dataset files. Raises UserError for one that is missing, or for what is no row."""
    pieces = [_pieces_of(path) for path in paths]
    places = crew.map(_places, [piece for of_path in pieces for piece in of_path])
    return [_found(itertools.islice(places, len(of_path)), of_path) for of_path in pieces]


def _pieces_of(path: Path) -> list[Piece]:
    """A file in pieces of fixed size; at least one."""
    try:
        num_bytes = path.stat().st_size
    except FileNotFoundError:
        raise UserError(
            f"{escape_path(os.fsencode(path))} is missing: not a complete dataset; build it"
        ) from None
    starts = range(0, max(1, num_bytes), _PIECE_BYTES)
    return [Piece(path, start, min(start + _PIECE_BYTES, num_bytes)) for start in starts]


def _places(piece: Piece) -> _Places:
    offsets, texts, starts, files = [], [], [], set()
    for row in _rows_in(piece):
        offsets.append(row.offset)
        texts.append(name_key(row.file, row.variant))
        starts.append(row.start)
        files.add(row.file)
    file_keys = np.array([name_key(file) for file in files], np.uint64)
    return _Places(
        np.array(offsets, np.int64),
        np.array(texts, np.uint64),
        np.array(starts, np.uint32),
        np.sort(file_keys),
    )


def name_key(*names: str) -> int:
    """64 bits that stand for names: those of a large dataset would take more memory than all else that is kept."""
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _rows_in(piece: Piece) -> Iterator[Row]:
    with open(piece.path, "rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            file.readline()  # the rest of a row that began before
        offset = file.tell()
        while offset < piece.stop:
            line = file.readline()
            yield parse_row(line, piece.path, offset)
            offset += len(line)


def _found(places: Iterator[_Places], pieces: list[Piece]) -> FoundRows:
    """Join the pieces of a file and put the rows of each text beside each other."""
    offsets, texts, starts, files = zip(*places, strict=True)
    order = np.lexsort((np.concatenate(starts), np.concatenate(texts)))
    path, end, offset = pieces[0].path, pieces[-1].stop, np.concatenate(offsets)
    sizes = np.diff(offset, append=end)[order]
    portions = [
        Portion(path, offset[order[cut.start : cut.stop]]) for cut in cut_into_shards(sizes, _PORTION_BYTES)
    ]
    return FoundRows(portions, sorted_distinct(np.concatenate(files)), end)


# --- what they hold --------------------------------------------------------------------------------------


def rows_of(portion: Portion) -> Iterator[Row]:
    with open(portion.path, "rb") as file:
        for offset in portion.offsets.tolist():
            file.seek(offset)
            yield parse_row(file.readline(), portion.path, offset)


def parse_row(line: bytes, path: Path, offset: int) -> Row:
    """A row but for its ids, which stay text. Raises UserError that names the place of what is no row."""
    try:
        tokens, labels, about = _parts(line)
        start, file, variant = about.get("start_token", 0), about["source_file"], about["augmentation_type"]
        if not 0 <= start < _MAX_START:
            raise ValueError(f"start_token {start}")
        if not (isinstance(file, str) and isinstance(variant, str)):
            raise TypeError("source_file and augmentation_type are texts")
        return Row(offset, file, variant, start, about["length"], tokens, labels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_row(path, offset, error) from None


def no_row(path: Path, offset: int, why: Exception) -> UserError:
    where = f"{escape_path(os.fsencode(path))}, byte {offset}"
    return UserError(f"{where}: not a row of a dataset ({why!r}); build the dataset again")


_TOKENS, _METADATA, _LABELS = b'{"tokens":[', b'],"metadata":', b',"labels":['


def _parts(line: bytes) -> tuple[bytes, bytes | None, dict[str, Any]]:
    """(text of the tokens, of the labels or None, metadata)."""
    tokens_end = line.find(b"]")
    labels_at = line.rfind(_LABELS, tokens_end)
    metadata_at = tokens_end + len(_METADATA)
    if not line.startswith(_TOKENS) or line[tokens_end:metadata_at] != _METADATA or not line.endswith(b"}\n"):
        return _parts_of_any(line)
    tokens = line[len(_TOKENS) : tokens_end]
    if labels_at < 0:
        return tokens, None, orjson.loads(line[metadata_at:-2])
    return tokens, line[labels_at + len(_LABELS) : -3], orjson.loads(line[metadata_at:labels_at])


def _parts_of_any(line: bytes) -> tuple[bytes, bytes | None, dict[str, Any]]:
    row = orjson.loads(line)
    labels = orjson.dumps(row["labels"])[1:-1] if "labels" in row else None
    return orjson.dumps(row["tokens"])[1:-1], labels, row["metadata"]
