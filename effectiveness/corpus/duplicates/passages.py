"""Files that share long passages, though most of the rest differs: a copied class, a table, a vendored half.

Jaccard similarity of whole files misses them, and each such pair that is split leaks. A passage is a run of
PASSAGE_WORDS consecutive words; one of SAMPLING is kept, chosen by its own hash, so that equal passages are kept
or left in every file alike. Two files belong together when they share a fifth of the smaller one's passages, or
about as many words as a small window holds. A passage that more than MAX_FILES files share is an idiom or a
licence and does not count there; but two files belong together as well when they share two fifths of the smaller
one's passages of any kind, as tables, stubs and generated clients do.

Measured on 22.7 MB of Rust, Go and Python, 2,690 files (near-duplicates alone: 24 groups): see LOG.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from effectiveness.common.hashing import sorted_distinct, window_hashes

PASSAGE_WORDS = 20
SAMPLING = 16  # a power of two
MIN_SHARED = 3  # kept passages, about 48 words' worth: fewer are chance
MIN_SHARE = 0.2  # of the smaller file's passages
MANY_SHARED = 16  # kept passages, about 250 words in a row: enough at any share
MAX_FILES = 16
MOST = 0.4  # of the smaller file's passages, common ones and all
LOOK_AHEAD = 4
NOTHING = 255  # in an array of small values


def passages_of(running: np.ndarray, bounds: np.ndarray) -> list[np.ndarray]:
    """The kept passages of every file, sorted and distinct: uint64[num_kept] each.

    `running` is the running hash of the words of all files, bounds[i]:bounds[i + 1] are those of file i.
    """
    hashes = window_hashes(running, PASSAGE_WORDS)
    places = np.flatnonzero(hashes & np.uint64(SAMPLING - 1) == 0)
    starts = np.searchsorted(places, bounds[:-1]).tolist()
    within = bounds[1:] - PASSAGE_WORDS + 1  # what starts later runs into the next file
    ends = np.searchsorted(places, within).tolist()
    kept = hashes[places]
    return [sorted_distinct(kept[start:end]) for start, end in zip(starts, ends, strict=True)]


def sharing_pairs(passages: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """The pairs of files (indices into `passages`) that belong together."""
    if not passages:
        return
    entries = _Entries(passages)
    rare = _counts_of_rare(entries)
    candidates = {pair for pair, shared in rare.items() if shared >= MIN_SHARED}
    for a, b in sorted(candidates | _neighbours_by_common(entries, passages)):
        if _belong_together(passages[a], passages[b], rare[a, b]):
            yield a, b


def _belong_together(one: np.ndarray, other: np.ndarray, shared_rare: int) -> bool:
    smaller = min(len(one), len(other))
    if shared_rare >= MANY_SHARED or (shared_rare >= MIN_SHARED and shared_rare >= MIN_SHARE * smaller):
        return True
    return len(np.intersect1d(one, other, assume_unique=True)) >= MOST * smaller


class _Entries:
    """The kept passages that several files hold, equal ones side by side, their owners in ascending order."""

    def __init__(self, passages: Sequence[np.ndarray]):
        hashes = np.concatenate(passages)
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        goes_on = np.concatenate(([False], hashes[1:] == hashes[:-1], [False]))[: len(hashes) + 1]
        shared = np.flatnonzero(goes_on[1:] | goes_on[:-1])  # few: most passages stand in one file
        ends = np.cumsum([len(kept) for kept in passages])
        self.hashes, self.owners = hashes[shared], np.searchsorted(ends, order[shared], side="right")
        self.starts = np.flatnonzero(~goes_on[shared])
        self.num_files = np.diff(np.append(self.starts, len(shared)))


def _counts_of_rare(entries: _Entries) -> Counter[tuple[int, int]]:
    """(file, later file) -> number of kept passages in both, of those that at most MAX_FILES files share."""
    counts: Counter[tuple[int, int]] = Counter()
    for num_files in range(2, MAX_FILES + 1):
        first = entries.starts[entries.num_files == num_files]
        for a in range(num_files):
            for b in range(a + 1, num_files):
                owners = entries.owners[first + a].tolist(), entries.owners[first + b].tolist()
                counts.update(zip(*owners, strict=True))
    return counts


def _neighbours_by_common(entries: _Entries, passages: Sequence[np.ndarray]) -> set[tuple[int, int]]:
    """Pairs that share a common passage, of files that are made of common passages for the most part.

    Not all pairs, whose number is quadratic: each file with the next LOOK_AHEAD owners of the passage.
    """
    is_common = np.repeat(entries.num_files > MAX_FILES, entries.num_files)
    num_kept = np.array([len(kept) for kept in passages])
    num_common = np.bincount(entries.owners[is_common], minlength=len(passages))
    is_mostly_common = (num_common >= MIN_SHARED) & (num_common >= MOST * num_kept)
    chosen = is_common & is_mostly_common[entries.owners]
    hashes, owners = entries.hashes[chosen], entries.owners[chosen]
    pairs: set[tuple[int, int]] = set()
    for step in range(1, LOOK_AHEAD + 1):
        same = hashes[step:] == hashes[:-step]
        pairs.update(zip(owners[:-step][same].tolist(), owners[step:][same].tolist(), strict=True))
    return pairs


# --- files that resemble earlier texts, of which only the sketches are left ------------------------------------


def least_of_alike(
    sketches: Sequence[np.ndarray], earlier: Sequence[np.ndarray], values: np.ndarray, num_bands: int
) -> np.ndarray:
    """uint8[sketches]: the least of `values`, uint8[earlier], over those that each is alike; NOTHING for none.

    Alike are equal ones, those that share a band (a Jaccard similarity of 0.8 with probability 0.94, one of 0.5 of
    0.02: without the texts nothing is verified), and those that share long passages. Both: sketches of
    `signature`, uint64[num_bands + 1 + passages].
    """
    least = np.full(len(sketches), NOTHING, np.uint8)
    if not (len(sketches) and len(earlier)):
        return least
    for column in range(num_bands + 1):
        hashes, theirs = (
            np.array([sketch[column] for sketch in some], np.uint64) for some in (sketches, earlier)
        )
        found = _least_of_equal(hashes, theirs, values)
        least = np.minimum(least, np.where(hashes == 0, NOTHING, found))  # 0: too few words for a band
    passages = [sketch[num_bands + 1 :] for sketch in (*sketches, *earlier)]
    for a, b in sharing_pairs(passages):
        if a < len(sketches) <= b:
            least[a] = min(least[a], values[b - len(sketches)])
    return least


def _least_of_equal(hashes: np.ndarray, theirs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """uint8[hashes]: the least value of the same hash of theirs, NOTHING where they have none."""
    order = np.lexsort((values, theirs))
    ordered = theirs[order]
    # The first of equal ones has the least.
    at = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    return np.where(ordered[at] == hashes, values[order][at], np.uint8(NOTHING))
