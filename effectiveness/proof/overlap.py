"""Held-out text that also stands in train, counted from the rows themselves, whatever the metadata says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from effectiveness.common.hashing import sorted_distinct, stretch_hashes
from effectiveness.trainer.whole_files import FileTokens

SPAN_TOKENS = 50
LEAKED_SHARE = 0.5  # of a file's distinct spans
MENDABLE_SHARE = 0.05  # of the files
MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Distinct 50-token spans of the held-out files that train holds, and the files that are mostly such spans."""

    num_spans: int
    num_shared: int
    num_files: int
    leaked: tuple[str, ...]  # half of their spans stand in train, or the whole of a file shorter than a span

    @property
    def share(self) -> float:
        return self.num_shared / max(1, self.num_spans)

    def as_dict(self) -> dict:
        return asdict(self) | {"share": self.share, "span_tokens": SPAN_TOKENS}


def spans(tokens: np.ndarray, length: int) -> np.ndarray:
    """uint64: hashes of every stretch of `length` tokens, sorted and distinct; none for a shorter text."""
    count = len(tokens) - length + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    starts = np.arange(count)
    return sorted_distinct(stretch_hashes(tokens.astype(np.uint64), starts, starts + length))


def all_spans(files: Iterable[FileTokens], length: int) -> np.ndarray:
    """Those of many files, sorted and distinct."""
    found = [spans(part.tokens, length) for part in files]
    return sorted_distinct(np.concatenate([np.empty(0, np.uint64), *found]))


def num_common(needles: np.ndarray, haystack: np.ndarray) -> int:
    """How many of the distinct `needles` stand in the sorted `haystack`."""
    if not len(needles) or not len(haystack):
        return 0
    at = np.minimum(np.searchsorted(haystack, needles), len(haystack) - 1)
    return int((haystack[at] == needles).sum())


def overlap(train: Sequence[FileTokens], held_out: Sequence[FileTokens], names: Sequence[str]) -> Overlap:
    """Compare two splits; `names` are those of the held-out files."""
    haystack, whole = all_spans(train, SPAN_TOKENS), {_key(part.tokens) for part in train}
    leaked, distinct = [], []
    for part in held_out:
        of_file = spans(part.tokens, SPAN_TOKENS)
        distinct.append(of_file)
        shared = num_common(of_file, haystack)
        is_copy = not len(of_file) and len(part.tokens) and _key(part.tokens) in whole
        if is_copy or (shared and shared >= LEAKED_SHARE * len(of_file)):
            leaked.append(names[part.file])
    needles = sorted_distinct(np.concatenate([np.empty(0, np.uint64), *distinct]))
    return Overlap(
        num_spans=len(needles),
        num_shared=num_common(needles, haystack),
        num_files=len({part.file for part in held_out}),
        leaked=tuple(sorted(set(leaked))),
    )


def _key(tokens: np.ndarray) -> tuple[int, int]:
    if not len(tokens):
        return 0, 0
    return len(tokens), int(
        stretch_hashes(tokens.astype(np.uint64), np.array([0]), np.array([len(tokens)]))[0]
    )


def is_hopeless(found: Overlap) -> bool:
    """Whether so many files leaked that leaving them out mends nothing: what made them leak is at work in others."""
    return len(found.leaked) > MENDABLE_SHARE * found.num_files


def leak_line(found: Overlap) -> str:
    """What is shouted, or ""."""
    if not found.leaked:
        return ""
    shown = ", ".join(found.leaked[:MAX_NAMED]) + (" ..." if len(found.leaked) > MAX_NAMED else "")
    then = "left out of every number below"
    if is_hopeless(found):
        then = "no number below can be trusted, build the dataset again"
    return f"LEAK: {len(found.leaked)} of {found.num_files} test files stand in train ({shown}); {then}"
