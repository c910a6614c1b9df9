"""Rows of token windows as arrays, parsed from JSON lines, and what keeps a row from being trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from effectiveness.common.jsonl import FileDigest, read_rows
from effectiveness.common.records import METADATA_FILE, ROLES, VARIANTS, UserError

MICRO = 1_000_000  # weights are kept as whole millionths: 0.3 ten times is exactly 3
MAX_WEIGHT = 1000.0
MAX_INTEGER = 1 << 62

ROW_DTYPE = np.dtype(
    [
        ("seq_id", np.int64),
        ("offset", np.int64),  # of its tokens in tokens.npy
        ("label_offset", np.int64),  # of its labels in labels.npy, -1 without labels
        ("start_token", np.int64),  # in its file
        ("length", np.int32),  # tokens without padding
        ("weight_micro", np.int64),
        ("complexity", np.float64),
        ("file", np.int32),  # index into Rows.files
        ("language", np.int16),  # index into Rows.languages
        ("role", np.int8),  # index into ROLES
        ("variant", np.int8),  # index into VARIANTS
        ("is_last", np.bool_),  # the last window of its file
    ]
)
_FIELDS = {  # metadata key -> types a row must have there
    "seq_id": (int,),
    "source_file": (str,),
    "language": (str,),
    "chunk_index": (int,),
    "total_chunks": (int,),
    "start_token": (int,),
    "length": (int,),
    "complexity": (int, float),
    "is_core": (bool,),
    "is_test": (bool,),
    "weight": (int, float),
    "augmentation_type": (str,),
}

Row = tuple[np.ndarray, np.ndarray | None, dict]  # int64 ids, int64 labels of a masked row, metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All rows of one JSONL. Arrays may be memory-mapped and are read-only."""

    path: Path
    sha256: str
    window: int  # tokens a row has with its padding
    tokens: np.ndarray
    labels: np.ndarray
    table: np.ndarray  # ROW_DTYPE
    files: tuple[str, ...]
    languages: tuple[str, ...]
    scored: np.ndarray = field(
        default_factory=lambda: np.empty(0, np.bool_)
    )  # [tokens], empty where all count

    def __len__(self) -> int:
        return len(self.table)

    def tokens_of(self, index: int) -> np.ndarray:
        """The ids of a row without padding, masked where it is a masked row."""
        row = self.table[index]
        return self.tokens[row["offset"] : row["offset"] + row["length"]]

    def originals_of(self, index: int) -> np.ndarray:
        """The ids of a row as they stood in its source: its labels where it is a masked row."""
        row = self.table[index]
        if row["label_offset"] < 0:
            return self.tokens_of(index)
        return self.labels[row["label_offset"] : row["label_offset"] + row["length"]]

    def scored_of(self, index: int) -> np.ndarray:
        """bool [length]: the tokens of a row that an evaluation counts. The others are there as their context."""
        row = self.table[index]
        if not len(self.scored):
            return np.ones(row["length"], np.bool_)
        return self.scored[row["offset"] : row["offset"] + row["length"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What rows of a dataset may hold."""

    window: int
    vocab_size: int
    pad: int


def parse_rows(path: Path, written: FileDigest, limits: Limits) -> Rows:
    """Parse the file that has this digest. Raises UserError naming file and line of the first bad row."""
    if 2 * limits.window * written.num_lines > written.num_bytes:  # a digit and a comma for each token
        raise UserError(
            f"{path} is too short for {written.num_lines:,} rows of {limits.window:,} tokens, which {METADATA_FILE} "
            "promises; build the dataset again"
        )
    tokens, labels = _Stream(written.num_lines, limits), _Stream(written.num_lines, limits)
    files: dict[str, int] = {}  # name -> its number
    languages: dict[str, int] = {}
    records, unscored = [], []
    for number, (ids, originals, metadata) in enumerate(_rows(path), 1):
        if problem := _problem(metadata, ids, originals, limits):
            raise UserError(f"{path}:{number}: {problem}; build the dataset again")
        length = metadata["length"]
        label_offset = -1 if originals is None else labels.num_ids
        records.append(_record(metadata, tokens.num_ids, label_offset, files, languages))
        if "scored" in metadata:
            unscored += _gaps(metadata["scored"], tokens.num_ids, length)
        tokens.append(ids[:length])
        if originals is not None:
            labels.append(originals[:length])
    return Rows(
        path=path,
        sha256=written.sha256,
        window=limits.window,
        tokens=tokens.ids(),
        labels=labels.ids(),
        table=np.array(records, dtype=ROW_DTYPE),
        scored=_without(unscored, tokens.num_ids),
        files=tuple(files),
        languages=tuple(languages),
    )


def _gaps(scored: list[list[int]], offset: int, length: int) -> list[tuple[int, int]]:
    """Where the tokens of a row, which begin at `offset`, are not scored."""
    edges = [0, *(edge for part in scored for edge in part), length]
    return [(offset + a, offset + b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _without(gaps: list[tuple[int, int]], num_tokens: int) -> np.ndarray:
    """bool [tokens], False in the gaps; empty without gaps."""
    scored = np.ones(num_tokens if gaps else 0, dtype=np.bool_)
    for first, last in gaps:
        scored[first:last] = False
    return scored


class _Stream:
    """Ids end to end, in the smallest type that holds the vocabulary. Room that is not used costs no memory."""

    def __init__(self, num_rows: int, limits: Limits) -> None:
        kind = np.uint16 if limits.vocab_size <= 1 << 16 else np.uint32
        self._ids, self.num_ids = np.empty(num_rows * limits.window, dtype=kind), 0

    def append(self, ids: np.ndarray) -> None:
        self._ids[self.num_ids : self.num_ids + len(ids)] = ids
        self.num_ids += len(ids)

    def ids(self) -> np.ndarray:
        return self._ids[: self.num_ids]


def _rows(path: Path) -> Iterator[Row]:
    for row in read_rows(path):
        originals = _ids(row["labels"]) if "labels" in row else None
        yield _ids(row["tokens"]), originals, row["metadata"]


def _ids(values: list[int]) -> np.ndarray:
    """int64; an id beyond that becomes -1, which no vocabulary has."""
    try:
        return np.fromiter(values, dtype=np.int64, count=len(values))
    except OverflowError:
        return np.array([value if value < MAX_INTEGER else -1 for value in values], dtype=np.int64)


# --- one row ---------------------------------------------------------------------------------------------


def _record(
    metadata: dict, offset: int, label_offset: int, files: dict[str, int], languages: dict[str, int]
) -> tuple:
    role = "test" if metadata["is_test"] else "core" if metadata["is_core"] else "util"
    return (
        metadata["seq_id"],
        offset,
        label_offset,
        metadata["start_token"],
        metadata["length"],
        round(metadata["weight"] * MICRO),
        metadata["complexity"],
        files.setdefault(metadata["source_file"], len(files)),
        languages.setdefault(metadata["language"], len(languages)),
        ROLES.index(role),
        VARIANTS.index(metadata["augmentation_type"]),
        metadata["chunk_index"] == metadata["total_chunks"] - 1,
    )


def _problem(metadata: dict, ids: np.ndarray, originals: np.ndarray | None, limits: Limits) -> str:
    """What keeps a row from being trained on, or ""."""
    if len(ids) != limits.window:
        return f"{len(ids)} tokens, expected {limits.window}"
    for name, kinds in _FIELDS.items():
        if type(metadata.get(name)) not in kinds:
            return f"metadata.{name} must be {kinds[-1].__name__}, got {metadata.get(name)!r:.60}"
    length = metadata["length"]
    if not 1 <= length <= limits.window:
        return f"metadata.length must be from 1 to {limits.window}, got {length}"
    if (ids[length:] != limits.pad).any():
        return f"only padding (id {limits.pad}) may follow after metadata.length {length}"
    if not 0 < metadata["weight"] <= MAX_WEIGHT:
        return f"metadata.weight must be above 0 and at most {MAX_WEIGHT:g}, got {metadata['weight']}"
    if metadata["augmentation_type"] not in VARIANTS:
        return f"unknown metadata.augmentation_type {metadata['augmentation_type']!r:.60}"
    if not 0 <= metadata["seq_id"] < MAX_INTEGER:
        return f"metadata.seq_id must be from 0 to 2**62, got {metadata['seq_id']}"
    if not 0 <= metadata["start_token"] < MAX_INTEGER or not (
        0 <= metadata["chunk_index"] < metadata["total_chunks"]
    ):
        return "metadata.start_token, chunk_index and total_chunks do not fit together"
    problem = _bad_ids("tokens", ids, limits.vocab_size) or _bad_ranges(metadata.get("scored", []), length)
    return problem or ("" if originals is None else _bad_ids("labels", originals, limits.vocab_size))


def _bad_ranges(scored: object, length: int) -> str:
    """`scored` holds ranges [first, last) of the row's tokens, in order, none touching another."""
    edges = [-1]
    if not isinstance(scored, list):
        return f"metadata.scored must be a list, got {scored!r:.60}"
    for part in scored:
        if not isinstance(part, list) or [type(edge) for edge in part] != [int, int]:
            return f"metadata.scored must hold pairs of integers, got {part!r:.60}"
        edges += part
    if edges[-1] > length or any(a >= b for a, b in pairwise(edges)):
        return f"metadata.scored must be rising ranges up to {length}, got {scored!r:.60}"
    return ""


def _bad_ids(name: str, ids: np.ndarray, vocab_size: int) -> str:
    if ids.view(np.uint64).max() < vocab_size:  # a negative id is a large one
        return ""
    bad = ids[(ids < 0) | (ids >= vocab_size)]
    return f"{name} hold the id {bad[0]}, outside the vocabulary of {vocab_size:,}"
