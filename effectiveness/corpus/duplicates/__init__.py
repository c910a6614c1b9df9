"""Groups of files that share much of their text. They decide the split: a group never lies in two splits.

Two files are near-duplicates when the sets of their word 5-grams have a Jaccard similarity of at least 0.7.
Words are the runs of `[A-Za-z0-9_]` and non-ASCII bytes, ASCII letters lower-cased, so layout and punctuation
do not count. `signature` sketches a file with MinHash in 25 bands of 10 rows (a pair of Jaccard 0.8 shares a
band with probability 0.94) and keeps the band hashes only; `group` verifies every pair that shares a band on
the texts themselves and joins what is similar. A file of fewer than 5 words has no 5-gram and is compared
exactly, up to white space. Files that share long passages only are joined as well (`passages.py`).

Nothing here depends on the process, the order of the files or `hash()`: word hashes are polynomials over
the bytes modulo 2^64, computed for a block of text at once (the slow twin is in tests/test_duplicates.py).
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import rensa

from effectiveness.common.hashing import (
    BASE,
    BASE_INVERSE,
    mix,
    powers,
    running_hash,
    sliding_hashes,
    sorted_distinct,
    window_hashes,
)
from effectiveness.corpus.duplicates.passages import passages_of, sharing_pairs

NUM_BANDS = 25
ROWS_PER_BAND = 10
SHINGLE_WORDS = 5
MIN_JACCARD = 0.7

# k files that share a band without being similar cost k * k / 2 comparisons, so a bucket may fail this many
# for each of its files; then the rest of it is joined unverified: the split errs on the side of no leak, and
# no pair is missed. A bucket of up to 129 files never gets there.
FAILED_COMPARISONS_PER_FILE = 64
_CACHED_SHINGLES = 2_000_000  # 16 MB: files of one bucket are compared with each other, so read them once

_BLOCK_BYTES = 1 << 16  # the working set of one block stays in the processor's cache
_MINHASH_SEED = 42
_MINHASH_SLICE = 1 << 14
_WORD_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789_" + bytes(range(128, 256))
_LONG_CHARACTER = 0xE0  # from here on UTF-8 takes three bytes: Chinese, Japanese, Korean ...
_TO_WORDS = bytes(byte if byte in _WORD_BYTES else 0 for byte in bytes(range(256)).lower())


def signature(text: bytes) -> np.ndarray:
    """The sketch of one file: uint64[NUM_BANDS + 1 + passages], band hashes, the exact hash, sampled passages.

    Band hashes are 0 for a file of fewer than 5 words; the exact hash is then that of the text without white
    space, else of the words.
    """
    return signatures([text])[0]


def signatures(texts: Sequence[bytes]) -> list[np.ndarray]:
    """The sketch of every file. All at once, because most files are small and a call of numpy is not."""
    words, bounds = _words_of(texts)
    running = running_hash(words)
    is_long = np.diff(bounds) >= SHINGLE_WORDS
    starts, ends = bounds[:-1][is_long], bounds[1:][is_long]
    sketches = np.zeros((len(texts), NUM_BANDS + 1), np.uint64)
    sketches[is_long, :NUM_BANDS] = _bands(running, starts, ends)
    for i, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
        is_short = end - start < SHINGLE_WORDS
        sketches[i, NUM_BANDS] = _digest(
            b"".join(texts[i].split()) if is_short else words[start:end].tobytes()
        )
    return [np.concatenate(parts) for parts in zip(sketches, passages_of(running, bounds), strict=True)]


def _bands(running: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """uint64[files, NUM_BANDS]: the band hashes of files whose words lie between `starts` and `ends`."""
    shingles = window_hashes(running, SHINGLE_WORDS)
    minima = array("Q")
    for start, end in zip(starts.tolist(), (ends - SHINGLE_WORDS + 1).tolist(), strict=True):
        minima.fromlist(_minima(shingles[start:end]))
    rows = np.frombuffer(minima, np.uint64).reshape(-1, NUM_BANDS, ROWS_PER_BAND)
    return np.maximum(mix(rows @ powers(BASE, ROWS_PER_BAND)), 1)


def _minima(shingles: np.ndarray) -> list[int]:
    """The smallest value of every hash function over the shingles: NUM_BANDS * ROWS_PER_BAND of them.

    In slices: for a long row rensa starts threads that stay, and a process with threads must not be forked.
    """
    parts = [shingles[i : i + _MINHASH_SLICE] for i in range(0, len(shingles), _MINHASH_SLICE)]
    digest = rensa.RMinHash.digest_matrix_from_flat_token_hashes
    rows = [
        digest(part, [0, len(part)], NUM_BANDS * ROWS_PER_BAND, _MINHASH_SEED).to_rows()[0] for part in parts
    ]
    return rows[0] if len(rows) == 1 else np.min(rows, axis=0).tolist()


def group(signatures: Sequence[np.ndarray], read: Callable[[int], bytes]) -> np.ndarray:
    """Join duplicates: int64[files], the smallest file index of each file's group.

    `signatures` are those of all files; `read(i)` gives the bytes of file i again, for pairs that share a band
    only. The groups do not depend on the order of the files.
    """
    exact_hashes = np.array([sketch[NUM_BANDS] for sketch in signatures], np.uint64)
    # Exact duplicates collapse first. np.unique sorts by content, so the work is done in an order of its own.
    _, representatives, exact = np.unique(exact_hashes, return_index=True, return_inverse=True)
    distinct = [signatures[i] for i in representatives.tolist()]
    joined = _join_similar(distinct, lambda i: read(int(representatives[i])))
    cluster = joined[exact.reshape(-1)]
    smallest = np.full(len(representatives), len(signatures), np.int64)
    np.minimum.at(smallest, cluster, np.arange(len(signatures)))
    return smallest[cluster]


def _join_similar(sketches: list[np.ndarray], read: Callable[[int], bytes]) -> np.ndarray:
    """int64[files]: a cluster number for each file."""
    parent = list(range(len(sketches)))
    shingles = _ShingleCache(read)
    for bucket in _buckets(
        np.array([sketch[:NUM_BANDS] for sketch in sketches], np.uint64).reshape(-1, NUM_BANDS)
    ):
        _join_bucket(bucket, parent, shingles)
    for a, b in sharing_pairs([sketch[NUM_BANDS + 1 :] for sketch in sketches]):
        parent[_root(parent, a)] = _root(parent, b)
    return np.array([_root(parent, i) for i in range(len(parent))], np.int64)


def _buckets(bands: np.ndarray) -> Iterator[list[int]]:
    """The files that share a band hash, at least two at a time, band after band."""
    for column in bands.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]))
        ends = np.append(starts[1:], len(ordered))
        shared = (ends - starts > 1) & (ordered[starts] != 0)
        for start, end in zip(starts[shared], ends[shared], strict=True):
            yield order[start:end].tolist()


def _join_bucket(bucket: list[int], parent: list[int], shingles: _ShingleCache) -> None:
    """Join the clusters in a bucket that hold a similar pair; what is one cluster already is not compared."""
    known: dict[int, list[int]] = {}
    for i in bucket:
        known.setdefault(_root(parent, i), []).append(i)
    shingles.failures_left = FAILED_COMPARISONS_PER_FILE * len(bucket)
    joined: list[list[int]] = []
    for cluster in known.values():
        alike = [other for other in joined if shingles.any_similar(cluster, other)]
        for other in alike:
            parent[_root(parent, other[0])] = _root(parent, cluster[0])
            joined.remove(other)
        joined.append(cluster + [i for other in alike for i in other])


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = node = parent[parent[node]]
    return node


class _ShingleCache:
    """The sorted distinct shingles of files, least recently used ones dropped; sizes are kept for ever."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._num_kept = 0
        self._sizes: dict[int, int] = {}
        self.failures_left = 0

    def any_similar(self, cluster: list[int], other: list[int]) -> bool:
        """Whether some file of one cluster is similar to one of the other, or the failures are used up."""
        for a, b in itertools.product(cluster, other):
            if self.failures_left <= 0 or self.similar(a, b):
                return True
            self.failures_left -= 1
        return False

    def similar(self, a: int, b: int) -> bool:
        """Whether the Jaccard similarity of files a and b is at least MIN_JACCARD."""
        sizes = self._size(a), self._size(b)
        if min(sizes) < MIN_JACCARD * max(sizes):  # then the intersection cannot be large enough
            return False
        num_shared = _num_shared(self._of(a), self._of(b))
        return num_shared >= MIN_JACCARD * (sum(sizes) - num_shared)

    def _size(self, i: int) -> int:
        return self._sizes[i] if i in self._sizes else len(self._of(i))

    def _of(self, i: int) -> np.ndarray:
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        found = self._kept[i] = _shingles(self._read(i))
        self._sizes[i] = len(found)
        self._num_kept += len(found)
        while self._num_kept > _CACHED_SHINGLES and len(self._kept) > 1:
            self._num_kept -= len(self._kept.popitem(last=False)[1])
        return found


def similarity(a: bytes, b: bytes) -> float:
    """Jaccard similarity of the word 5-grams of two texts; 1 for equal words, also where there are too few of them."""
    shingles = _shingles(a), _shingles(b)
    if not all(map(len, shingles)):
        return float(b"".join(a.split()) == b"".join(b.split()))
    num_shared = _num_shared(*shingles)
    return num_shared / (sum(map(len, shingles)) - num_shared)


def _num_shared(a: np.ndarray, b: np.ndarray) -> int:
    """How many values two sorted arrays of distinct values share."""
    both = np.concatenate((a, b))
    both.sort(kind="stable")  # two sorted runs: one merge
    return int(np.count_nonzero(both[1:] == both[:-1]))


def _shingles(text: bytes) -> np.ndarray:
    """uint64: the sorted distinct hashes of every 5 consecutive words."""
    return sorted_distinct(sliding_hashes(_words_of([text])[0], SHINGLE_WORDS))


def _words_of(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The word hashes of all texts, one after the other, and int64[texts + 1]: where those of each text begin."""
    separated = b"\0".join(texts).translate(_TO_WORDS)
    found = [_block_words(block, offset) for offset, block in _blocks(separated)]
    starts, hashes = map(np.concatenate, zip(*found, strict=True))
    firsts = np.cumsum([0] + [len(text) + 1 for text in texts])
    return hashes, np.searchsorted(starts, firsts)


def _blocks(separated: bytes) -> Iterator[tuple[int, np.ndarray]]:
    """Cut at separators (NUL) into pieces of about _BLOCK_BYTES; at least one, possibly empty. Offset and bytes."""
    view = np.frombuffer(separated, np.uint8)
    start = 0
    while len(separated) - start > _BLOCK_BYTES:
        end = separated.find(0, start + _BLOCK_BYTES)
        if end < 0:
            break
        yield start, view[start:end]
        start = end
    yield start, view[start:]


def _block_words(block: np.ndarray, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Where words begin, and their hashes: runs of bytes other than 0, and in scripts without spaces the characters."""
    in_word = block != 0
    is_start = block >= _LONG_CHARACTER  # begins a character of three bytes or more
    is_start[:1] |= in_word[:1]
    is_start[1:] |= in_word[1:] > in_word[:-1]
    starts = np.flatnonzero(is_start)
    if not len(starts):
        return starts, np.empty(0, np.uint64)
    sums = np.add.reduceat(block * powers(BASE, len(block)), starts)  # what stands between words adds nothing
    return starts + offset, mix(sums * powers(BASE_INVERSE, len(block))[starts])


def _digest(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")
