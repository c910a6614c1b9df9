"""Each file of HEAD -> the file of the earlier state it comes from.

The same bytes anywhere: the file was moved or copied, nothing in it is new. Else the file of the same path; else
the most similar file of the earlier state, if their word 5-grams agree as near-duplicates' do; else none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from effectiveness.common.records import SourceFile
from effectiveness.corpus.duplicates import MIN_JACCARD, NUM_BANDS, similarity

UNCHANGED, NONE = -2, -1
MAX_CANDIDATES = 4  # whose texts are compared, those that share most bands
MAX_BUCKET = 64  # files that share a band hash with more than these are boilerplate: other bands tell

Read = Callable[[int], bytes]


def pair_files(
    old: Sequence[SourceFile],
    new: Sequence[SourceFile],
    old_sketches: Sequence[np.ndarray],
    new_sketches: Sequence[np.ndarray],
    read_old: Read,
    read_new: Read,
) -> np.ndarray:
    """int64[new files]: index of the old file, NONE, or UNCHANGED. Sketches are those of `duplicates.signature`."""
    known = {file.sha256 for file in old}
    by_path = {file.path: index for index, file in enumerate(old)}
    paired = np.array(
        [UNCHANGED if file.sha256 in known else by_path.get(file.path, NONE) for file in new], np.int64
    )
    strangers = np.flatnonzero(paired == NONE).tolist()
    for index, candidates in _candidates(old_sketches, new_sketches, strangers).items():
        text = read_new(index)
        scored = [(similarity(text, read_old(other)), -other) for other in candidates]
        best, other = max(scored)
        if best >= MIN_JACCARD:
            paired[index] = -other
    return paired


def _candidates(
    old: Sequence[np.ndarray], new: Sequence[np.ndarray], strangers: list[int]
) -> dict[int, list[int]]:
    """stranger -> the old files that share most bands with it, or its exact hash where it is too short for bands."""
    counts: dict[int, Counter[int]] = {}
    if not strangers or not len(old):
        return {}
    for column in range(NUM_BANDS + 1):
        bands = np.array([sketch[column] for sketch in old], np.uint64)
        order = np.argsort(bands, kind="stable")
        wanted = np.array([new[i][column] for i in strangers], np.uint64)
        first, last = (np.searchsorted(bands[order], wanted, side=side) for side in ("left", "right"))
        hits = (wanted != 0) & (last > first) & (last - first <= MAX_BUCKET)
        for at in np.flatnonzero(hits).tolist():
            counts.setdefault(strangers[at], Counter()).update(order[first[at] : last[at]].tolist())
    return {
        index: sorted(shared, key=lambda other: (-shared[other], other))[:MAX_CANDIDATES]
        for index, shared in counts.items()
    }
