"""64-bit polynomial hashes in numpy: equal in every process, version and order, unlike `hash()`.

A sequence hashes to sum(value[i] * BASE ** i) modulo 2^64. With one running sum the hash of every stretch of a
long sequence is a difference of two entries times a power of BASE's inverse.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2^64
BASE_INVERSE = pow(BASE, -1, 1 << 64)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)  # splitmix64's constants
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MIN_POWERS = 1 << 16


def powers(base: int, count: int) -> np.ndarray:
    """uint64[count]: base ** 0 .. base ** (count - 1) modulo 2^64."""
    return _powers(base, max(_MIN_POWERS, 1 << (count - 1).bit_length()))[:count]


@lru_cache(maxsize=4)
def _powers(base: int, count: int) -> np.ndarray:
    table = np.full(count, base, np.uint64)
    table[0] = 1
    table = np.cumprod(table, dtype=np.uint64)
    table.setflags(write=False)
    return table


def running_hash(values: np.ndarray) -> np.ndarray:
    """uint64[len(values) + 1]: the hash of the first 0, 1, 2 ... values."""
    running = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * powers(BASE, len(values)), out=running[1:])
    return running


def stretch_hashes(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """uint64[stretches]: the mixed hash of values[starts[i]:ends[i]], equal wherever equal stretches stand."""
    running = running_hash(values)
    return mix((running[ends] - running[starts]) * powers(BASE_INVERSE, len(running))[starts])


def sliding_hashes(values: np.ndarray, width: int) -> np.ndarray:
    """`stretch_hashes` of every `width` consecutive values: uint64[len(values) - width + 1], or none."""
    return window_hashes(running_hash(values), width)


def window_hashes(running: np.ndarray, width: int) -> np.ndarray:
    """`sliding_hashes` of the values that `running` is the `running_hash` of."""
    hashes = running[width:] - running[:-width]
    hashes *= powers(BASE_INVERSE, len(running))[: len(hashes)]
    return mix(hashes)


def mix(values: np.ndarray) -> np.ndarray:
    """splitmix64's finalizer, a bijection: every bit of the result depends on every bit of the value."""
    values = values ^ (values >> np.uint64(30))
    values *= _MIX_1
    values ^= values >> np.uint64(27)
    values *= _MIX_2
    values ^= values >> np.uint64(31)
    return values


def sorted_distinct(values: np.ndarray) -> np.ndarray:
    """`np.unique` of one-dimensional integers, 10 times as fast: numpy 2.4 fills a hash table first."""
    return distinct(np.sort(values))


def distinct(ordered: np.ndarray) -> np.ndarray:
    """Sorted values, each once."""
    is_first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]
