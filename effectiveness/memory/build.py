"""Building a memory: index of the files, then weights fitted on them, each read without its own counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.memory.index import build_index
from effectiveness.memory.memory import Memory
from effectiveness.memory.text import MAX_TOKENS, Spelling, checked_ids, join_files

FIT_TOKENS = 400_000
FIT_TOKENS_OF_A_FILE = 6_000  # many files teach more than much of a few


def build_memory(
    ids: np.ndarray,
    file_starts: np.ndarray,
    paths: Sequence[str],
    token_bytes: Sequence[bytes],
    directory: Path | None = None,
    *,
    seed: int = 0,
    fit_tokens: int = FIT_TOKENS,
    tokenizer_sha256: str = "",
) -> Memory:
    """The memory of files `ids[file_starts[f]:file_starts[f + 1]]`, saved in `directory` where one is given.

    `token_bytes`: the spelling of every id. A pure function of its arguments: the same bytes on any machine. Raises
    UserError for ids outside the vocabulary.
    """
    file_starts = np.asarray(file_starts, np.int64)
    if len(file_starts) != len(paths) + 1 or (len(paths) and file_starts[-1] != len(ids)):
        raise UserError(f"{len(paths)} paths need {len(paths) + 1} file starts, the last {len(ids)}")
    spelling = Spelling.of(token_bytes)
    if len(ids) > MAX_TOKENS:
        raise UserError(f"a memory holds at most {MAX_TOKENS:,} tokens, not {len(ids):,}; leave files out")
    text = join_files(checked_ids(ids, spelling.vocab_size, "build_memory"), file_starts, spelling.vocab_size)
    memory = Memory(
        index=build_index(text, spelling, seed),
        paths=tuple(paths),
        file_starts=file_starts + np.arange(len(file_starts)),
        learned=None,
        tokenizer_sha256=tokenizer_sha256,
    )
    memory.learned = fit(memory, seed=seed, tokens=fit_tokens)
    if directory is not None:
        memory.save(directory)
        return Memory.open(directory)
    return memory


def fit(memory: Memory, *, seed: int, tokens: int) -> bytes:
    """Weights after reading about `tokens` tokens of the indexed files, each as if it were not indexed."""
    reader = memory.reader()
    left = tokens
    for path in sorted(memory.paths, key=lambda path: hashlib.sha256(f"{seed}:{path}".encode()).digest()):
        if left <= 0:
            break
        ids = memory.file_ids(path)[: min(left, FIT_TOKENS_OF_A_FILE)]
        reader.restart(path)
        reader.feed(ids)
        left -= len(ids)
    return reader.learned()
