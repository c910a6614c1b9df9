"""The static index: its arrays, made from a text or mapped from files."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from effectiveness.memory import _native
from effectiveness.memory.text import Spelling, hash_places
from effectiveness.memory.tree import Tree, grow_tree

BUCKET_PLACES = 16  # places in a bucket, about
SMALL_TEXT = 20_000_000  # tokens; beyond, an index keeps fewer shapes of place
_KEY_BYTES_AT_ONCE = 1 << 29
THREADS = 2  # each needs room for one more kind of keys

SHAPES = range(_native.NUM_ORDERS, _native.NUM_CONTEXTS)
SMALL_GROUPS = (0, 1, 2, *SHAPES)
LARGE_GROUPS = (SHAPES[9], SHAPES[13])  # the line above; the word in a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Followers of one kind of context, as native/building.h lays them out."""

    context: int
    bucket_bits: int
    buckets: np.ndarray  # uint32 [2 ** bucket_bits + 1]
    units: np.ndarray  # uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Arrays of the static index and the native object over them."""

    text: np.ndarray  # uint16 or uint32 [N + F]
    places: np.ndarray  # uint32 [N]
    followers: np.ndarray  # uint16 [N]
    starts: np.ndarray  # int64 [V + 2]
    spelling: Spelling
    tree: Tree
    groups: tuple[Groups, ...]

    def arrays(self) -> list[np.ndarray]:
        """What grows with the text."""
        grouped = [array for group in self.groups for array in (group.buckets, group.units)]
        return [self.text, self.places, self.followers, *grouped]

    def native(self) -> _native.Index:
        """The same for the native reader; it checks what it is given."""
        by_context = {group.context: group for group in self.groups}
        return _native.Index(
            self.text,
            self.text.itemsize,
            self.places,
            self.followers,
            self.starts,
            self.spelling.joined,
            self.spelling.offsets,
            self.tree.nodes.reshape(-1),
            self.tree.rank,
            self.tree.rank_sums,
            self.tree.rare_from,
            [
                (group.bucket_bits, group.buckets, group.units)
                if (group := by_context.get(context))
                else None
                for context in range(_native.NUM_CONTEXTS)
            ],
        )


def build_index(text: np.ndarray, spelling: Spelling, seed: int, tree: Tree | None = None) -> Index:
    """The index of a text, over its own tree or a given one: a pure function of its arguments."""
    tree = tree or grow_tree(text, spelling.vocab_size, seed)
    starts = np.zeros(spelling.vocab_size + 2, np.int64)
    places = np.empty(len(text), np.uint32)
    num_places = _native.suffix_order(text, text.itemsize, spelling.vocab_size, starts, places)
    places = places[:num_places]
    symbols = tree.symbols
    contexts = SMALL_GROUPS if num_places <= SMALL_TEXT else LARGE_GROUPS
    return Index(
        text=text,
        places=places,
        followers=symbols[text[places]],
        starts=starts,
        spelling=spelling,
        tree=tree,
        groups=tuple(_build_groups(text, spelling, symbols, contexts, num_places)),
    )


def _build_groups(text, spelling, symbols, contexts, num_places):
    bucket_bits = max(1, math.ceil(math.log2(max(num_places, 1) / BUCKET_PLACES)) if num_places > 16 else 1)
    key_bits = bucket_bits + _native.HASH_BITS_IN_HEAD + 16
    at_once = max(1, _KEY_BYTES_AT_ONCE // (8 * max(num_places, 1)))
    with ThreadPoolExecutor(THREADS) as pool:  # native code, which waits for no other thread
        for first in range(0, len(contexts), at_once):
            some = contexts[first : first + at_once]
            keys = hash_places(text, spelling, some, bucket_bits, symbols)
            yield from pool.map(_build_group, some, keys, repeat(bucket_bits), repeat(key_bits))


def _build_group(context: int, keys: np.ndarray, bucket_bits: int, key_bits: int) -> Groups:
    _native.sort_keys(keys, np.empty_like(keys), key_bits)
    buckets = np.empty(2**bucket_bits + 1, np.uint32)
    units = np.empty(2 * len(keys) + 2, np.uint16)
    used = _native.put_groups(keys, bucket_bits, buckets, units)
    return Groups(context=context, bucket_bits=bucket_bits, buckets=buckets, units=units[:used].copy())
