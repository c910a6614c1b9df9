"""What HEAD has and the earlier state has not: each file with the one it comes from, and which lines of a text are new.

The same bytes anywhere: the file was moved or copied, nothing in it is new. Else the file of the same path; else
the most similar file of the earlier state, if their word 5-grams agree as near-duplicates' do; else none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from effectiveness.common.records import Corpus, SourceFile
from effectiveness.corpus.duplicates import MIN_JACCARD, NUM_BANDS, similarity

UNCHANGED, NONE = -2, -1
MAX_CANDIDATES = 4  # whose texts are compared, those that share most bands
MAX_BUCKET = 64  # files that share a band hash with more than these are boilerplate: other bands tell

Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """A file of HEAD and, where there is one, the file of the earlier state it comes from."""

    file: SourceFile
    before: SourceFile | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What HEAD has and the state of `--until` has not, in whole files."""

    head: Corpus  # the scan of HEAD; its groups and split are not used
    files: list[Change]  # in the order of HEAD's files


def find_changes(
    then: Corpus, head: Corpus, sketches_then: list[np.ndarray], sketches_head: list[np.ndarray]
) -> Changes:
    """Files of HEAD that are new or have another text than the file they come from."""
    old, new = then.scan.files, head.scan.files
    paired = pair_files(old, new, sketches_then, sketches_head, then.read, head.read)
    changes = [
        Change(file, old[before] if before >= 0 else None)
        for file, before in zip(new, paired.tolist(), strict=True)
        if before != UNCHANGED
    ]
    return Changes(head, changes)


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


# --- which lines of a text are new ---------------------------------------------------------------------------
#
# Lines are compared by their words: indentation, trailing white space and line ends do not make a line new, because a
# model that has seen the line knows it. What both texts begin and end with is old. Between, lines that stand once in
# either text are anchors (the longest increasing run of them, as in patience diff), and the gaps between anchors are
# compared again. A gap without anchors is compared by `difflib` when it is small, else a line in it is new when the
# gap's old side has no such line. So every text takes time that grows with its size, whatever its lines are.

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
    ranges = np.concatenate(([0], ends))[ranges_of(is_new)]
    return ranges[ranges[:, 0] < ranges[:, 1]]


def _keys(lines: list[bytes]) -> list[bytes]:
    return [b" ".join(line.split()) for line in lines]


def ranges_of(flags: np.ndarray) -> np.ndarray:
    """int64[ranges, 2]: the runs of True, [first, last) each."""
    return np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)


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
