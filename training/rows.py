"""A split's rows, memory-mapped: parsed once from JSONL with orjson, later loads only open files.

training_data_train.jsonl
.cache/train-<sha256 of it>/tokens.npy   every row's real tokens, end to end (padding is not stored)
                            labels.npy   the same for masked rows only: what was there before masking
                            table.npy    one record a row (ROW_DTYPE)
                            rows.json    size and time stamp of the JSONL, names of files and languages
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.jsonl import digest, read_metadata, read_rows
from corpus.records import DATASET_FILES, METADATA_FILE, ROLES, SPLITS, VARIANTS, UserError

CACHE_VERSION = 1
MICRO = 1_000_000  # weights are kept as whole millionths: 0.3 ten times is exactly 3
MAX_WEIGHT = 1000.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A finished dataset directory: its metadata, and where its files lie."""

    directory: Path
    metadata: dict
    train: Path

    @property
    def window(self) -> int:
        return self.metadata["max_tokens_per_sequence"]

    @property
    def vocab_size(self) -> int:
        return self.metadata["vocab_size"]

    @property
    def tokenizer(self) -> Path:
        return self.directory / "tokenizer"

    def path_of(self, split: str) -> Path:
        return self.train if split == "train" else self.directory / DATASET_FILES[split]


def open_dataset(sequences: Path) -> Dataset:
    """The dataset around a training JSONL (or its directory). Raises UserError naming what is missing."""
    directory = sequences if sequences.is_dir() else sequences.parent
    train = directory / DATASET_FILES["train"] if sequences.is_dir() else sequences
    if not train.is_file():
        raise UserError(f"{train} is missing; build it with create_training_dataset_effectiveness.py REPO")
    metadata = read_metadata(directory / METADATA_FILE)
    for key in ("max_tokens_per_sequence", "vocab_size", "pad_token_id"):
        if type(metadata.get(key)) is not int:
            raise UserError(
                f"{directory / METADATA_FILE}: {key} must be a whole number; build the dataset again"
            )
    dataset = Dataset(directory=directory, metadata=metadata, train=train)
    for needed in (*(dataset.path_of(split) for split in SPLITS), dataset.tokenizer / "tokenizer.json"):
        if not needed.is_file():
            raise UserError(f"{needed} is missing: not a complete dataset; build it again")
    return dataset


def open_rows(dataset: Dataset, split: str, *, write_cache: bool = True) -> Rows:
    """The rows of one split, from the cache when the JSONL has not changed since it was parsed.

    Raises UserError naming file and line of a row that cannot be trained on, or a file that is not the one
    the metadata describes.
    """
    path = dataset.path_of(split)
    cached = _cached(path, dataset)
    if cached is not None:
        return cached
    sha256 = digest(path).sha256
    _check_digest(path, dataset, sha256)
    rows = _parse(path, dataset, sha256)
    if write_cache:
        _write_cache(rows, dataset)
    return rows


def _check_digest(path: Path, dataset: Dataset, sha256: str) -> None:
    described = dataset.metadata.get("files", {}).get(path.name, {})
    expected = described.get("sha256") if isinstance(described, dict) else described
    if expected is not None and expected != sha256:
        raise UserError(
            f"{path} is not the file that {METADATA_FILE} describes (sha256 {sha256[:12]}, "
            f"expected {expected[:12]}); build the dataset again"
        )


# --- parsing ---------------------------------------------------------------------------------------------


class _Names:
    """Gives each distinct name the next index."""

    def __init__(self) -> None:
        self.indices: dict[str, int] = {}

    def index(self, name: str) -> int:
        return self.indices.setdefault(name, len(self.indices))


def _parse(path: Path, dataset: Dataset, sha256: str) -> Rows:
    tokens, labels = _Stream(dataset.vocab_size), _Stream(dataset.vocab_size)
    files, languages, records = _Names(), _Names(), []
    for number, row in enumerate(read_rows(path), 1):
        ids, originals = _ids(row["tokens"]), _ids(row.get("labels", ()))
        if problem := _problem(row["metadata"], ids, originals, dataset):
            raise UserError(f"{path}:{number}: {problem}; build the dataset again")
        length = row["metadata"]["length"]
        label_offset = labels.num_ids if "labels" in row else -1
        records.append(_record(row["metadata"], tokens.num_ids, label_offset, files, languages))
        tokens.append(ids[:length])
        labels.append(originals[:length])
    return Rows(
        path=path,
        sha256=sha256,
        window=dataset.window,
        tokens=tokens.joined(),
        labels=labels.joined(),
        table=np.array(records, dtype=ROW_DTYPE),
        files=tuple(files.indices),
        languages=tuple(languages.indices),
    )


class _Stream:
    """Ids end to end, in the smallest type that holds the vocabulary."""

    def __init__(self, vocab_size: int) -> None:
        self.dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
        self.num_ids = 0
        self._parts: list[np.ndarray] = []

    def append(self, ids: np.ndarray) -> None:
        self._parts.append(ids.astype(self.dtype))
        self.num_ids += len(ids)

    def joined(self) -> np.ndarray:
        return np.concatenate(self._parts) if self._parts else np.empty(0, dtype=self.dtype)


def _ids(values: list[int]) -> np.ndarray:
    """int64; an id beyond that becomes -1, which no vocabulary has."""
    try:
        return np.fromiter(values, dtype=np.int64, count=len(values))
    except OverflowError:
        return np.array([value if value < 1 << 62 else -1 for value in values], dtype=np.int64)


def _record(metadata: dict, offset: int, label_offset: int, files: _Names, languages: _Names) -> tuple:
    role = "test" if metadata["is_test"] else "core" if metadata["is_core"] else "util"
    return (
        metadata["seq_id"],
        offset,
        label_offset,
        metadata["start_token"],
        metadata["length"],
        round(metadata["weight"] * MICRO),
        metadata["complexity"],
        files.index(metadata["source_file"]),
        languages.index(metadata["language"]),
        ROLES.index(role),
        VARIANTS.index(metadata["augmentation_type"]),
        metadata["chunk_index"] == metadata["total_chunks"] - 1,
    )


def _problem(metadata: dict, ids: np.ndarray, originals: np.ndarray, dataset: Dataset) -> str:
    """What keeps a row from being trained on, or "". `originals` is empty in rows without labels."""
    if len(ids) != dataset.window:
        return f"{len(ids)} tokens, expected {dataset.window}"
    for name, kinds in _FIELDS.items():
        if type(metadata.get(name)) not in kinds:
            return f"metadata.{name} must be {kinds[-1].__name__}, got {metadata.get(name)!r:.60}"
    length, pad = metadata["length"], dataset.metadata["pad_token_id"]
    if not 1 <= length <= dataset.window:
        return f"metadata.length must be from 1 to {dataset.window}, got {length}"
    if (ids[length:] != pad).any():
        return f"only padding (id {pad}) may follow after metadata.length {length}"
    if not 0 < metadata["weight"] <= MAX_WEIGHT:
        return f"metadata.weight must be above 0 and at most {MAX_WEIGHT:g}, got {metadata['weight']}"
    if metadata["augmentation_type"] not in VARIANTS:
        return f"unknown metadata.augmentation_type {metadata['augmentation_type']!r:.60}"
    if metadata["start_token"] < 0 or not 0 <= metadata["chunk_index"] < metadata["total_chunks"]:
        return "metadata.start_token, chunk_index and total_chunks do not fit together"
    return _bad_ids("tokens", ids, dataset.vocab_size) or _bad_ids("labels", originals, dataset.vocab_size)


def _bad_ids(name: str, ids: np.ndarray, vocab_size: int) -> str:
    bad = ids[(ids < 0) | (ids >= vocab_size)]
    return f"{name} hold the id {bad[0]}, outside the vocabulary of {vocab_size:,}" if len(bad) else ""


# --- the cache -------------------------------------------------------------------------------------------


def _cache_root(path: Path) -> Path:
    return path.parent / ".cache"


def _stamp(path: Path, dataset: Dataset) -> dict:
    """What must be equal for a cached parse to be of this file, read with these limits."""
    status = path.stat()
    return {
        "version": CACHE_VERSION,
        "name": path.name,
        "num_bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "window": dataset.window,
        "vocab_size": dataset.vocab_size,
    }


def _cached(path: Path, dataset: Dataset) -> Rows | None:
    stamp = _stamp(path, dataset)
    for directory in _cache_directories(path):
        described = _read_json(directory / "rows.json")
        if described is not None and described.get("stamp") == stamp:
            return _open_cache(directory, path, dataset, described)
    return None


def _cache_directories(path: Path) -> Iterator[Path]:
    return iter(sorted(_cache_root(path).glob(f"{path.stem}-*")))


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):  # missing, torn: as if there were no cache
        return None


def _open_cache(directory: Path, path: Path, dataset: Dataset, described: dict) -> Rows | None:
    try:
        tokens, labels, table = (
            np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("tokens", "labels", "table")
        )
    except (OSError, ValueError):  # cut short: parse again
        return None
    return Rows(
        path=path,
        sha256=described["sha256"],
        window=dataset.window,
        tokens=tokens,
        labels=labels,
        table=table,
        files=tuple(described["files"]),
        languages=tuple(described["languages"]),
    )


def _write_cache(rows: Rows, dataset: Dataset) -> None:
    """Publish the parsed rows beside the JSONL; a place that cannot be written to only costs time later."""
    root = _cache_root(rows.path)
    target = root / f"{rows.path.stem}-{rows.sha256[:16]}"
    described = {
        "stamp": _stamp(rows.path, dataset),
        "sha256": rows.sha256,
        "files": rows.files,
        "languages": rows.languages,
    }
    try:
        root.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=root))
    except OSError:
        return
    try:
        for name in ("tokens", "labels", "table"):
            np.save(staging / f"{name}.npy", getattr(rows, name), allow_pickle=False)
        (staging / "rows.json").write_text(json.dumps(described))
        for stale in _cache_directories(rows.path):
            shutil.rmtree(stale, ignore_errors=True)
        os.rename(staging, target)
    except OSError:  # disk full, or another process was first
        shutil.rmtree(staging, ignore_errors=True)
