"""Which lines of a text are new, compared with an earlier one.

Lines are compared by their words: indentation, trailing white space and line ends do not make a line new, because
a model that has seen the line knows it. What both texts begin and end with is old. Between, lines that stand once
in either text are anchors (the longest increasing run of them, as in patience diff), and the gaps between anchors
are compared again. A gap without anchors is compared by `difflib` when it is small, else a line in it is new when
the gap's old side has no such line. So every text takes time that grows with its size, whatever its lines are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher

import numpy as np

MAX_PRODUCT = 1 << 16  # old lines x new lines of a gap that difflib compares
MAX_DEPTH = 16

Gap = tuple[int, int, int, int]  # old lines [a, b), new lines [c, d)


def new_byte_ranges(old: bytes, new: bytes) -> np.ndarray:
    """int64[ranges, 2]: the byte ranges [first, last) of `new` that are new lines, in order, none touching.

    >>> new_byte_ranges(b"a\\nb\\nc\\n", b"a\\n  b\\nnew\\nc\\n").tolist()
    [[6, 10]]
    """
    lines = new.split(b"\n")
    is_new = np.array(new_lines(_keys(old.split(b"\n")), _keys(lines)), bool)
    ends = np.cumsum([len(line) + 1 for line in lines])
    ends[-1] -= 1
    return _runs(is_new, np.concatenate(([0], ends)))


def _keys(lines: list[bytes]) -> list[bytes]:
    return [b" ".join(line.split()) for line in lines]


def _runs(is_new: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The runs of True, as ranges between the edges of their first and last element."""
    change = np.flatnonzero(np.diff(is_new.astype(np.int8), prepend=0, append=0))
    ranges = edges[change].reshape(-1, 2).astype(np.int64)
    return ranges[ranges[:, 0] < ranges[:, 1]]


def new_lines(old: list[bytes], new: list[bytes]) -> list[bool]:
    """Whether each line of `new` is an added one."""
    is_new = [True] * len(new)
    gaps: list[tuple[Gap, int]] = [((0, len(old), 0, len(new)), 0)]
    while gaps:
        gap, depth = gaps.pop()
        a, b, c, d = _trimmed(gap, old, new, is_new)
        if a == b or c == d:
            continue
        anchors = _anchors(old, new, (a, b, c, d)) if depth < MAX_DEPTH else []
        if not anchors:
            _compare_gap(old, new, (a, b, c, d), is_new)
            continue
        for i, j in anchors:
            is_new[j] = False
            gaps.append(((a, i, c, j), depth + 1))
            a, c = i + 1, j + 1
        gaps.append(((a, b, c, d), depth + 1))
    return is_new


def _trimmed(gap: Gap, old: list[bytes], new: list[bytes], is_new: list[bool]) -> Gap:
    """The gap without the lines that both sides begin or end with."""
    a, b, c, d = gap
    while a < b and c < d and old[a] == new[c]:
        is_new[c] = False
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        is_new[d - 1] = False
        b, d = b - 1, d - 1
    return a, b, c, d


def _anchors(old: list[bytes], new: list[bytes], gap: Gap) -> list[tuple[int, int]]:
    """(old line, new line) of lines that stand once on either side: the most that rise on both."""
    a, b, c, d = gap
    in_old, in_new = Counter(old[a:b]), Counter(new[c:d])
    place = {line: i for i, line in enumerate(old[a:b], a) if in_old[line] == 1}
    return _rising([(place[new[j]], j) for j in range(c, d) if in_new[new[j]] == 1 and new[j] in place])


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose first numbers rise."""
    tails: list[int] = []  # smallest last number of a rising run of each length
    ends: list[int] = []  # index of the pair it belongs to
    before: list[int] = []
    for index, (i, _) in enumerate(pairs):
        length = bisect_left(tails, i)
        tails[length : length + 1] = [i]
        ends[length : length + 1] = [index]
        before.append(ends[length - 1] if length else -1)
    chosen, index = [], ends[-1] if ends else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def _compare_gap(old: list[bytes], new: list[bytes], gap: Gap, is_new: list[bool]) -> None:
    a, b, c, d = gap
    if (b - a) * (d - c) > MAX_PRODUCT:
        known = set(old[a:b])
        for j in range(c, d):
            is_new[j] = new[j] not in known
        return
    for _, j, size in SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_matching_blocks():
        is_new[c + j : c + j + size] = [False] * size
