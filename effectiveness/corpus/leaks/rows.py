"""The rows of a dataset's file as they were written, in the order in which they are read with least work.

Windows of one text overlap, but lie far apart in a file that is ordered by complexity. Its writer knows which rows
are of one text: these are read one after another. Nothing else is believed of what it says. The lines it names cover
the file, and what a row holds is what stands there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from effectiveness.common.hashing import sorted_distinct
from effectiveness.common.jsonl import NO_LABELS
from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError

_PORTION_BYTES = 2 << 20  # what one worker reads at a time


class WrittenRows(NamedTuple):
    """A file of rows, and what its writer knows of them, in the order of the file."""

    path: Path
    sizes: np.ndarray  # uint32[rows], of their lines, in bytes
    texts: np.ndarray  # integer[rows], the same for the windows of one text
    starts: np.ndarray  # uint32[rows], where each begins in its text's spelled ids, in bytes from anywhere

    @property
    def num_bytes(self) -> int:
        return int(self.sizes.sum(dtype=np.int64))


class Portion(NamedTuple):
    """Some rows of a file, windows of one text one after another."""

    path: Path
    offsets: np.ndarray  # int64[rows], where each begins in the file, in bytes
    sizes: np.ndarray  # uint32[rows], of their lines, in bytes
    starts: np.ndarray  # uint32[rows], as in WrittenRows


class Row(NamedTuple):
    offset: int  # in its file, in bytes
    file: str
    variant: str
    start: int  # as in WrittenRows: nothing rests on it but how much work a row is
    length: int  # in tokens, without padding
    tokens: bytes  # as JSON spells them, padding included
    labels: bytes | None

    @property
    def text(self) -> bytes:
        """What counts of the row: what a model is shown, of masked rows what it is asked for."""
        return self.tokens if self.labels is None else self.labels


def portions_of(written: WrittenRows) -> list[Portion]:
    """All rows of a file. Raises UserError where it is missing or not of the size it was written in."""
    path, sizes, texts, starts = written
    _require_size(path, written.num_bytes)
    ends = np.cumsum(sizes, dtype=np.int64)
    order = np.lexsort((starts, texts))
    read_before = np.cumsum(sizes[order], dtype=np.int64)
    cuts = 1 + np.flatnonzero(np.diff(read_before // _PORTION_BYTES))
    return [
        Portion(path, ends[rows] - sizes[rows], sizes[rows], starts[rows])
        for rows in np.split(order, cuts)
        if len(rows)
    ]


def _require_size(path: Path, num_bytes: int) -> None:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise UserError(f"{_spell(path)} is missing: not a complete dataset; build it") from None
    if found != num_bytes:
        raise UserError(
            f"{_spell(path)} has {found} bytes, not {num_bytes} as written; build the dataset again"
        )


def rows_of(portion: Portion) -> Iterator[Row]:
    places = zip(portion.offsets.tolist(), portion.sizes.tolist(), portion.starts.tolist(), strict=True)
    with open(portion.path, "rb", buffering=0) as file:
        for offset, size, start in places:
            yield parse_row(os.pread(file.fileno(), size, offset), portion.path, offset, start)


def row_at(portions: list[Portion], offset: int) -> Row:
    """The row that begins at a place in the file. Raises LookupError where none does."""
    for portion in portions:
        if len(at := np.flatnonzero(portion.offsets == offset)):
            [row] = rows_of(Portion(portion.path, *(column[at] for column in portion[1:])))
            return row
    raise LookupError(f"no row at byte {offset}")


def parse_row(line: bytes, path: Path, offset: int, start: int) -> Row:
    """A row but for its ids, which stay text. Raises UserError that names the place of what is no row."""
    try:
        tokens, labels, about = _parts(line)
        file, variant, length = about["source_file"], about["augmentation_type"], about["length"]
        if not (isinstance(file, str) and isinstance(variant, str) and isinstance(length, int)):
            raise TypeError("source_file and augmentation_type are texts, length is an integer")
        return Row(offset, file, variant, start, length, tokens, labels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_row(path, offset, error) from None


def no_row(path: Path, offset: int, why: Exception) -> UserError:
    return UserError(
        f"{_spell(path)}, byte {offset}: not a row of a dataset ({why!r}); build the dataset again"
    )


def _spell(path: Path) -> str:
    return escape_path(os.fsencode(path))


_TOKENS, _METADATA, _LABELS = b'{"tokens":[', b'],"metadata":', b',"labels":['
_NO_LABELS = b"%s%d]}\n" % (_LABELS, NO_LABELS)


def _parts(line: bytes) -> tuple[bytes, bytes | None, dict[str, Any]]:
    """(text of the tokens, of the labels or None, metadata)."""
    tokens_end = line.find(b"]")
    metadata_at = tokens_end + len(_METADATA)
    if line.startswith(_TOKENS) and line[tokens_end:metadata_at] == _METADATA:
        tokens = line[len(_TOKENS) : tokens_end]
        if line.endswith(_NO_LABELS):
            return tokens, None, orjson.loads(line[metadata_at : -len(_NO_LABELS)])
        labels_at = line.rfind(_LABELS, metadata_at)
        if labels_at >= 0 and line.endswith(b"]}\n"):
            return tokens, line[labels_at + len(_LABELS) : -3], orjson.loads(line[metadata_at:labels_at])
    return _parts_of_any(line)


def _parts_of_any(line: bytes) -> tuple[bytes, bytes | None, dict[str, Any]]:
    row = orjson.loads(line)
    labels = row.get("labels", [NO_LABELS])
    spelled = None if labels == [NO_LABELS] else orjson.dumps(labels)[1:-1]
    return orjson.dumps(row["tokens"])[1:-1], spelled, row["metadata"]


def name_keys(names: Iterable[str]) -> np.ndarray:
    """uint64, sorted and distinct: 64 bits that stand for each name. Those of a large dataset would take more memory
    than all else that is kept."""
    return sorted_distinct(np.array([name_key(name) for name in set(names)], np.uint64))


def name_key(name: str) -> int:
    text = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
