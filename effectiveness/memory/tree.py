"""The vocabulary as a binary tree in which tokens that are used alike stand together (native/tree.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effectiveness.memory import _native

NEIGHBOURS = 1500  # the commonest tokens: whose being to the left and to the right describes a token
SAMPLED_TOKENS = 4_000_000
_BLOCK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Inner nodes (child0, child1, low, middle, high), commonest first, and each token's rank among the leaves."""

    nodes: np.ndarray  # int32 [V - 1, 5]
    rank: np.ndarray  # int32 [V]
    rank_sums: np.ndarray  # uint32 [V + 1]
    rare_from: int

    @property
    def symbols(self) -> np.ndarray:
        """uint16 [V]: what the index keeps of a token."""
        return np.where(self.rank < self.rare_from, self.rank, _native.RARE).astype(np.uint16)


def grow_tree(text: np.ndarray, vocab_size: int, seed: int) -> Tree:
    """The tree of a text's tokens; those that do not occur hang together at its last leaf."""
    counts = np.bincount(text, minlength=vocab_size + 1)[:vocab_size]
    by_count = np.argsort(-counts, kind="stable")
    num_seen = min(int(np.count_nonzero(counts)), _native.RARE)
    seen = np.sort(by_count[:num_seen])
    unseen = np.sort(by_count[num_seen:])
    cells, num_columns = _neighbour_cells(_sample(text, vocab_size), by_count[:NEIGHBOURS], vocab_size)
    nodes = np.zeros((vocab_size - 1, 5), np.int32)
    rank = np.zeros(vocab_size, np.int32)
    _native.grow_tree(
        cells,
        num_columns,
        (np.minimum(counts, 1000) + 0.5).astype(np.float32),
        counts / (counts + 3.0),
        counts + 0.05,
        seen.astype(np.uint32),
        unseen.astype(np.uint32),
        seed,
        nodes.reshape(-1),
        rank,
    )
    rank_sums = np.zeros(vocab_size + 1, np.int64)
    rank_sums[rank + 1] = counts
    rank_sums = np.cumsum(rank_sums).astype(np.uint32)
    return Tree(
        nodes=_commonest_first(nodes, rank_sums.astype(np.int64)),
        rank=rank,
        rank_sums=rank_sums,
        rare_from=num_seen,
    )


def _sample(text: np.ndarray, vocab_size: int) -> np.ndarray:
    """The text, or blocks of it that lie evenly, with separators between them."""
    if len(text) <= SAMPLED_TOKENS:
        return text
    starts = np.linspace(0, len(text) - _BLOCK, SAMPLED_TOKENS // _BLOCK).astype(np.int64)
    blocks = [text[start : start + _BLOCK].copy() for start in starts]
    for block in blocks:
        block[0] = vocab_size
    return np.concatenate(blocks)


def _neighbour_cells(text: np.ndarray, columns: np.ndarray, vocab_size: int) -> tuple[np.ndarray, int]:
    """Square roots of the shares that each common token has in a token's left and in its right neighbours."""
    column_of = np.full(vocab_size + 1, -1, np.int64)
    column_of[columns] = np.arange(len(columns))
    sides = []
    for side, (tokens, others) in enumerate(((text[1:], text[:-1]), (text[:-1], text[1:]))):
        column = column_of[others]
        kept = (column >= 0) & (tokens != vocab_size)
        row, count, column = _count_pairs(tokens[kept].astype(np.uint64), column[kept].astype(np.uint64))
        share = count / np.bincount(row, count, minlength=1)[row]
        cells = np.empty(len(row), np.dtype([("row", "<u4"), ("column", "<u4"), ("value", "<f4")]))
        cells["row"], cells["column"], cells["value"] = row, column + side * len(columns), np.sqrt(share)
        sides.append(cells)
    return np.concatenate(sides), 2 * len(columns)


def _count_pairs(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (row, column) with their counts, in order."""
    keys = rows << np.uint64(11) | columns
    _native.sort_keys(keys, np.empty_like(keys), 32)
    first = (
        np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        if len(keys)
        else np.zeros(0, np.int64)
    )
    counts = np.diff(np.concatenate((first, [len(keys)])))
    distinct = keys[first].astype(np.int64)
    return distinct >> 11, counts, distinct & 2047


def _commonest_first(nodes: np.ndarray, rank_sums: np.ndarray) -> np.ndarray:
    """The same tree with its inner nodes numbered by how often they are passed; the root stays the first."""
    passes = rank_sums[nodes[:, 4]] - rank_sums[nodes[:, 2]]
    order = np.lexsort((-(nodes[:, 4] - nodes[:, 2]), -passes))
    number = np.empty(len(nodes), np.int32)
    number[order] = np.arange(len(nodes), dtype=np.int32)
    renumbered = nodes[order].copy()
    children = renumbered[:, :2]
    renumbered[:, :2] = np.where(children >= 0, number[np.maximum(children, 0)], children)
    return renumbered
