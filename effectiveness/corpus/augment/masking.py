"""Fill the gap: parts of a window are masked, the labels hold what was there.

Nine of ten masked spans are whole syntax nodes (a call, an argument list, a body), so that what is asked for is
a piece of meaning; one of ten is a run of tokens at random. A span covers whole tokens: a node counts when its
ends fall on token boundaries, where one space before it may belong to its first token.
"""

from __future__ import annotations

import random

import numpy as np

from effectiveness.common.hashing import sorted_distinct
from effectiveness.languages.syntax import SyntaxTable

MASKED_SHARE = 0.15  # of a window's tokens
SYNTAX_SHARE = 0.90  # of the spans; the rest are random runs
MAX_SPAN_TOKENS = 48
MAX_SPAN_SHARE = 0.25  # of the window: most of a short one must stay to fill the gap from
MAX_RANDOM_TOKENS = 8
MIN_TOKENS = 8  # a shorter window has nothing worth asking


class MaskableNodes:
    """The inner nodes of one file that cover whole tokens, as token ranges sorted by their start."""

    def __init__(self, source: bytes, table: SyntaxTable | None, token_ends: np.ndarray):
        if table is None:
            self.first = self.last = np.empty(0, np.int32)
            return
        start, end, behind = (
            np.frombuffer(offsets, np.int32) for offsets in (table.start, table.end, table.subtree_end)
        )
        inner = np.flatnonzero(behind > np.arange(1, len(table) + 1, dtype=np.int32))
        start, end = start[inner], end[inner]
        token_starts = np.concatenate(([0], token_ends[:-1]))
        text = np.frombuffer(source, np.uint8)
        some = (end > start) & (end <= len(source))
        start, end = start[some], end[some]
        first = np.searchsorted(token_ends, start, side="right")
        last = np.searchsorted(token_ends, end, side="left") + 1  # one past the last token
        lead = start - token_starts[first]
        is_aligned = (lead == 0) | ((lead == 1) & (text[token_starts[first]] == ord(" ")))
        is_aligned &= token_ends[last - 1] == end
        is_aligned &= last - first <= MAX_SPAN_TOKENS
        self.first, self.last = _distinct(first[is_aligned], last[is_aligned])

    def spans(self, start: int, length: int, rng: random.Random) -> list[tuple[int, int]]:
        """Ranges to mask in the window of tokens [start, start + length), relative to the window, disjoint."""
        low, high = self.first.searchsorted(np.array((start, start + length), self.first.dtype)).tolist()
        firsts, lasts = (
            self.first[low:high].tolist(),
            self.last[low:high].tolist(),
        )  # drawn from one at a time
        num_nodes, draw = high - low, rng.random
        taken = bytearray(length)  # 1 for a masked token
        chosen: list[tuple[int, int]] = []
        wanted = max(1, int(length * MASKED_SHARE))
        longest = max(1, int(length * MAX_SPAN_SHARE))
        for _ in range(4 * wanted):
            if num_nodes and draw() < SYNTAX_SHARE:
                node = int(draw() * num_nodes)
                first, last = firsts[node] - start, lasts[node] - start
            else:
                first, last = _random_run(length, longest, rng)
            if last > length or last - first > longest or taken.find(1, first, last) >= 0:
                continue
            taken[first:last] = b"\x01" * (last - first)
            chosen.append((first, last))
            wanted -= last - first
            if wanted <= 0:
                break
        return sorted(chosen) or [_random_run(length, longest, rng)]  # where no node was short enough


def _random_run(length: int, longest: int, rng: random.Random) -> tuple[int, int]:
    size = rng.randint(1, min(MAX_RANDOM_TOKENS, longest))
    first = rng.randint(0, length - size)
    return first, first + size


def _distinct(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32[num_ranges] twice: sorted pairs, each once. A node and its only child often cover the same tokens."""
    both = sorted_distinct(first.astype(np.uint64) << np.uint64(32) | last.astype(np.uint64))
    return (both >> np.uint64(32)).astype(np.int32), both.astype(np.uint32).astype(np.int32)


def mask_window(
    ids: np.ndarray, start: int, length: int, nodes: MaskableNodes, mask_id: int, rng: random.Random
) -> np.ndarray:
    """The window's ids with some spans replaced by `mask_id`, uint[length], of a window of MIN_TOKENS and more."""
    masked = ids[start : start + length].copy()
    for first, last in nodes.spans(start, length, rng):
        masked[first:last] = mask_id
    return masked
