"""Files that resemble earlier texts, of which only the sketches are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effectiveness.corpus.duplicates import NOTHING
from effectiveness.corpus.duplicates.passages import sharing_pairs


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
