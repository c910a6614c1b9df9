"""The memory of a dataset: made once from the originals of its training files, kept beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import write_atomically
from effectiveness.common.records import LATER, SPLITS
from effectiveness.completion.questions import HeldOutFile
from effectiveness.completion.spelling import TextCoder
from effectiveness.memory import Memory, build_memory
from effectiveness.memory._native import LEARNED_BYTES
from effectiveness.memory.store import FORMAT
from effectiveness.trainer.recut import whole_files
from effectiveness.trainer.rows import Dataset, open_dataset, open_rows

DIRECTORY = "memory"
MADE_FROM = "made_from.json"


def files_of(dataset: Dataset, split: str) -> list[HeldOutFile]:
    """The original files of a split, in stretches where rows are missing."""
    rows = open_rows(dataset, split)
    return [HeldOutFile(path=rows.files[part.file], ids=part.tokens) for part in whole_files(rows)]


def open_memory(dataset: Dataset, coder: TextCoder, say: Callable[[str], None]) -> Memory:
    """The memory of the training files, made now where it is not there or was made from others.

    Files that are held out are not in it: what is measured with it was not seen.
    """
    directory, stamp = dataset.directory / DIRECTORY, _stamp(dataset, coder)
    if _read(directory / MADE_FROM) == stamp:
        return Memory.open(directory)
    say(f"memory  reading {dataset.train.name}")
    memory = memory_of_files(files_of(dataset, "train"), coder, directory)
    write_atomically(directory / MADE_FROM, json.dumps(stamp).encode() + b"\n")
    return memory


def memory_of_files(files: list[HeldOutFile], coder: TextCoder, directory: Path | None) -> Memory:
    """A memory of these files; two stretches of one file are one text."""
    by_path: dict[str, list[np.ndarray]] = {}
    for file in files:
        by_path.setdefault(file.path, []).append(file.ids)
    texts = {path: np.concatenate(parts) for path, parts in sorted(by_path.items())}
    ids = np.concatenate([np.empty(0, np.uint32), *texts.values()]).astype(np.uint32)
    starts = np.cumsum([0, *map(len, texts.values())], dtype=np.int64)
    return build_memory(ids, starts, list(texts), coder.token_bytes, directory, tokenizer_sha256=coder.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetMemory:
    """The memory of a dataset's training files, and the files that are held out of it."""

    coder: TextCoder
    memory: Memory
    held_out: dict[str, list[HeldOutFile]]  # by split

    @classmethod
    def open(cls, directory: Path, say: Callable[[str], None]) -> DatasetMemory:
        """Raises UserError where `directory` is no finished dataset."""
        dataset = open_dataset(directory)
        coder = TextCoder(dataset.tokenizer)
        splits = [*SPLITS[1:], *([LATER] if dataset.has_later else [])]
        return cls(
            coder=coder,
            memory=open_memory(dataset, coder, say),
            held_out={split: files_of(dataset, split) for split in splits},
        )

    def know_everything(self) -> int:
        """For use, not for measuring: the held-out files become part of the memory. Returns how many."""
        files = {file.path: file.ids for files in self.held_out.values() for file in files}
        self.memory.update_all(files)
        return len(files)


def _stamp(dataset: Dataset, coder: TextCoder) -> dict:
    status = os.stat(dataset.train)
    return {
        "train": [status.st_size, status.st_mtime_ns],
        "tokenizer_sha256": coder.sha256,
        "layout": [FORMAT, LEARNED_BYTES],  # of another version's files nothing can be read
    }


def _read(path: Path) -> dict | None:
    try:
        return json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError):  # missing, torn or odd: made again
        return None
