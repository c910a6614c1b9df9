"""A split's rows, memory-mapped: parsed once from JSONL; later loads check digests (1.7 GB/s) and open files.

training_data_train.jsonl
.cache/train-<sha256 of it>/tokens.npy   every row's real tokens, end to end (padding is not stored)
                            labels.npy   the same for masked rows only: what was there before masking
                            table.npy    one record a row (ROW_DTYPE)
                            scored.npy   which of the tokens count in an evaluation; empty where all do
                            rows.json    size and time stamp of the JSONL, digests, names of files and languages
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from effectiveness.common.invocation import typed
from effectiveness.common.jsonl import digest, read_metadata, write_metadata
from effectiveness.common.recipes import MEASURED, recipe_of
from effectiveness.common.records import DATASET_FILES, LATER, LATER_FILE, METADATA_FILE, SPLITS, UserError
from effectiveness.trainer.row_parser import MICRO, ROW_DTYPE, Limits, Rows, parse_rows

__all__ = ["MICRO", "ROW_DTYPE", "Dataset", "Rows", "open_dataset", "open_rows"]

CACHE_VERSION = 3
ARRAYS = ("tokens", "labels", "table", "scored")


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

    @property
    def has_later(self) -> bool:
        """Whether it was built with --until and something new was committed later."""
        return self.metadata.get("later_sequences", 0) > 0

    def num_held_out_bytes(self, split: str) -> int:
        """Bytes of the rows of "val", "test" or "later": 0 where a small repository left no file for it."""
        file = self.path_of(split)
        return file.stat().st_size if file.is_file() else 0

    def path_of(self, split: str) -> Path:
        """The file of "train", "val", "test" or "later"."""
        if split == LATER:
            return self.directory / LATER_FILE
        return self.train if split == "train" else self.directory / DATASET_FILES[split]


def open_dataset(sequences: Path) -> Dataset:
    """The dataset around a training JSONL (or its directory). Raises UserError naming what is missing."""
    directory = sequences if sequences.is_dir() else sequences.parent
    train = directory / DATASET_FILES["train"] if sequences.is_dir() else sequences
    if train.name in (DATASET_FILES["val"], DATASET_FILES["test"], METADATA_FILE):
        raise UserError(f"{train} is no training file: --sequences {directory / DATASET_FILES['train']}")
    if not train.is_file():
        raise UserError(f"{train} is missing; build it with {typed('dataset')} REPO")
    metadata = read_metadata(directory / METADATA_FILE)
    for key in ("max_tokens_per_sequence", "vocab_size", "pad_token_id"):
        if type(metadata.get(key)) is not int:
            raise UserError(
                f"{directory / METADATA_FILE}: {key} must be a whole number; build the dataset again"
            )
    dataset = Dataset(directory=directory, metadata=metadata, train=train)
    splits = (*SPLITS, LATER) if dataset.has_later else SPLITS
    for needed in (*(dataset.path_of(split) for split in splits), dataset.tokenizer / "tokenizer.json"):
        if not needed.is_file():
            raise UserError(f"{needed} is missing: not a complete dataset; build it again")
    return dataset


def recipe_of_dataset(sequences: Path) -> str:
    """That the dataset around a training JSONL was built with; `open_dataset` tells of one that is not whole."""
    directory = sequences if sequences.is_dir() else sequences.parent
    try:
        return recipe_of(read_metadata(directory / METADATA_FILE))
    except UserError:
        return MEASURED


def refuse_nothing_held_out(dataset: Dataset, *splits: str) -> None:
    """Raises UserError where none of `splits` has a row: found out before anything is trained or measured."""
    if not any(dataset.num_held_out_bytes(split) for split in splits):
        raise UserError(
            f"{dataset.directory} holds out no {' or '.join(splits)} file, so there is nothing to evaluate on; build "
            "it from a repository of more files"
        )


def open_rows(dataset: Dataset, split: str, *, write_cache: bool = True) -> Rows:
    """The rows of one split, or of "later", from the cache when the JSONL has not changed since it was parsed.

    Raises UserError naming file and line of a row that cannot be trained on, or a file that is not the one
    the metadata describes.
    """
    path = dataset.path_of(split)
    cached = _cached(path, dataset)
    if cached is not None:
        return cached
    written = digest(path)
    _check_digest(path, dataset, written.sha256)
    limits = Limits(
        window=dataset.window, vocab_size=dataset.vocab_size, pad=dataset.metadata["pad_token_id"]
    )
    rows = parse_rows(path, written, limits)
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
        described = _read_description(directory / "rows.json")
        if described is not None and described.get("stamp") == stamp:
            return _open_cache(directory, path, dataset, described)
    return None


def _cache_directories(path: Path) -> Iterator[Path]:
    """Ours for `path`: named by its stem and a digest."""
    ours = re.compile(re.escape(path.stem) + "-[0-9a-f]{16}")
    return iter(sorted(found for found in _cache_root(path).glob("*") if ours.fullmatch(found.name)))


def _read_description(file: Path) -> dict | None:
    try:
        return read_metadata(file) if stat.S_ISREG(file.lstat().st_mode) else None
    except (OSError, UserError):  # missing, torn, edited: as if there were no cache
        return None


def _proven_array(file: Path, sha256: str) -> np.ndarray:
    """Raises ValueError or OSError for a file that is not, byte for byte, the one that was written."""
    if not stat.S_ISREG(file.lstat().st_mode) or digest(file).sha256 != sha256:
        raise ValueError(f"{file.name} is not what was written")
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _open_cache(directory: Path, path: Path, dataset: Dataset, described: dict) -> Rows | None:
    try:
        tokens, labels, table, scored = (
            _proven_array(directory / f"{name}.npy", described["arrays"][name]) for name in ARRAYS
        )
    except (OSError, ValueError):  # damaged: parse again
        return None
    return Rows(
        path=path,
        sha256=described["sha256"],
        window=dataset.window,
        tokens=tokens,
        labels=labels,
        table=table,
        scored=scored,
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
        "files": list(rows.files),
        "languages": list(rows.languages),
    }
    try:
        root.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=root))
    except OSError:
        return
    try:
        for name in ARRAYS:
            np.save(staging / f"{name}.npy", getattr(rows, name), allow_pickle=False)
        arrays = {name: digest(staging / f"{name}.npy").sha256 for name in ARRAYS}
        write_metadata(staging / "rows.json", described | {"arrays": arrays})
        for stale in _cache_directories(rows.path):
            shutil.rmtree(stale, ignore_errors=True)
        os.rename(staging, target)
    except OSError:  # disk full, or another process was first
        shutil.rmtree(staging, ignore_errors=True)
