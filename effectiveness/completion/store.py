"""The memory of a dataset: made once from the originals of its training files, kept beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from effectiveness.common.durable import write_atomically
from effectiveness.common.records import LATER, SPLITS
from effectiveness.common.regular_files import read_bytes
from effectiveness.completion.confidence import Judgement
from effectiveness.completion.questions import HeldOutFile
from effectiveness.completion.spelling import TextCoder
from effectiveness.memory import Memory, build_memory
from effectiveness.memory._native import LEARNED_BYTES
from effectiveness.memory.store import FORMAT
from effectiveness.trainer.rows import Dataset, open_rows
from effectiveness.trainer.whole_files import whole_files

DIRECTORY = "memory"
MADE_FROM, LINES = "made_from.json", "lines.json"


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


def know_everything(memory: Memory, dataset: Dataset) -> int:
    """For use, not for measuring: the held-out files become part of it. Returns how many."""
    splits = [*SPLITS[1:], *([LATER] if dataset.has_later else [])]
    files = {file.path: file for split in splits for file in files_of(dataset, split)}
    for path, file in files.items():
        memory.update(path, file.ids)
    return len(files)


def write_judgement(directory: Path, arm: str, judgement: Judgement) -> None:
    known = _read(directory / LINES) or {}
    write_atomically(
        directory / LINES, json.dumps(known | {arm: judgement.as_dict()}, indent=1).encode() + b"\n"
    )


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
    except (OSError, ValueError):  # missing or torn: made again
        return None
