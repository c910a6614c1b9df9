"""Files that share long passages, though most of the rest differs: a copied class, a table, a vendored half.

Jaccard similarity of whole files misses them, and each such pair that is split leaks. A passage is a run of
PASSAGE_WORDS consecutive words; one of SAMPLING is kept, chosen by its own hash, so that equal passages are kept
or left in every file alike. Two files belong together when they share a fifth of the smaller one's passages, or
about as many words as a small window holds. A passage that more than MAX_FILES files share is an idiom or a
licence: it joins nobody, and the leak report counts it.

Measured on 22.7 MB of Rust, Go and Python, 2,690 files (near-duplicates alone: 24 groups): see LOG.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from corpus.hashing import sorted_distinct, stretch_hashes

PASSAGE_WORDS = 20
SAMPLING = 16
MIN_SHARED = 3  # kept passages, about 48 words' worth: fewer are chance
MIN_SHARE = 0.2  # of the smaller file's passages
MANY_SHARED = 16  # kept passages, about 250 words in a row: enough at any share
MAX_FILES = 16


def passages_of(words: np.ndarray) -> np.ndarray:
    """The kept passages of a file whose words hash to `words`: sorted distinct uint64[num_kept]."""
    starts = np.arange(max(0, len(words) - PASSAGE_WORDS + 1))
    hashes = stretch_hashes(words, starts, starts + PASSAGE_WORDS)
    return sorted_distinct(hashes[hashes % np.uint64(SAMPLING) == 0])


def sharing_pairs(passages: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """The pairs of files (indices into `passages`) that belong together."""
    for (a, b), shared in _shared_counts(passages).items():
        smaller = min(len(passages[a]), len(passages[b]))
        if shared >= MANY_SHARED or (shared >= MIN_SHARED and shared >= MIN_SHARE * smaller):
            yield a, b


def _shared_counts(passages: Sequence[np.ndarray]) -> Counter[tuple[int, int]]:
    """(file, later file) -> number of kept passages in both."""
    counts: Counter[tuple[int, int]] = Counter()
    if not passages:
        return counts
    hashes = np.concatenate(passages)
    owners = np.repeat(np.arange(len(passages)), [len(kept) for kept in passages])
    order = np.argsort(hashes, kind="stable")  # stable: owners of one passage stay in ascending order
    hashes, owners = hashes[order], owners[order]
    starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
    sizes = np.diff(np.append(starts, len(hashes)))
    for size in range(2, MAX_FILES + 1):
        first = starts[sizes == size]
        for a in range(size):
            for b in range(a + 1, size):
                counts.update(zip(owners[first + a].tolist(), owners[first + b].tolist(), strict=True))
    return counts
