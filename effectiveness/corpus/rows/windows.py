"""The windows of many texts at once: where they lie and how hard they are to read.

A text of a few thousand tokens costs numpy more in calls than in work. So the tokens of many texts are laid one after
another, and everything about their windows is worked out on these long arrays; texts do not notice each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import ContextPlan
from effectiveness.corpus.curriculum import Features
from effectiveness.corpus.tokenization import window_bounds

RUN_TOKENS = 1 << 17


@dataclass(frozen=True, slots=True)
class Text:
    source: bytes
    ids: np.ndarray  # uint32[num_tokens]
    num_bytes: np.ndarray  # int32[num_tokens], of each token

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Windows:
    """Arrays of one length, int64: by text, then by place."""

    text: np.ndarray  # the number of the text
    start: np.ndarray  # the first token, counted from the first of this text
    first: np.ndarray  # the same, counted from the first of all texts
    end: np.ndarray  # one past the last token, counted from the first of all texts

    def __len__(self) -> int:
        return len(self.text)


def windows_of(texts: Sequence[Text], plan: ContextPlan) -> Windows:
    bounds = [window_bounds(len(text), plan.context_tokens, plan.overlap_tokens) for text in texts]
    text = np.repeat(np.arange(len(texts)), [len(windows) for windows in bounds])
    flat = np.array([window for windows in bounds for window in windows], np.int64).reshape(-1, 2)
    first = flat[:, 0] + _begins(texts)[text]
    return Windows(text, flat[:, 0], first, first + flat[:, 1])


def scores(
    texts: Sequence[Text],
    features: Sequence[Features],
    windows: Windows,
    ids: np.ndarray,
    begins_name: np.ndarray,
    plan: ContextPlan,
) -> np.ndarray:
    """The complexity of each window, float64[num_windows].

    `ids` are those of all texts, `begins_name` tells of every id whether a name begins with it, bool[vocab_size].
    """
    edges = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(np.concatenate([text.num_bytes for text in texts]), out=edges[1:])
    joined = Features.joined(features, edges[_begins(texts)] + np.arange(len(texts)))
    return joined.score(
        edges[windows.first] + windows.text,  # one byte lies between two texts
        edges[windows.end] + windows.text,
        _num_names_in_runs(ids, begins_name, windows),
        (windows.end - windows.first) / plan.context_tokens,
    )


def runs_of(first: np.ndarray, end: np.ndarray) -> Iterator[slice]:
    """Consecutive windows, in runs of some RUN_TOKENS: what is worked out for each token takes many times its memory.

    `first` and `end` ascend.
    """
    begin = 0
    while begin < len(first):
        behind = max(begin + 1, int(end.searchsorted(first[begin] + RUN_TOKENS, side="right")))
        yield slice(begin, behind)
        begin = behind


def _num_names_in_runs(ids: np.ndarray, begins_name: np.ndarray, windows: Windows) -> np.ndarray:
    counts = np.empty(len(windows), np.int64)
    for some in runs_of(windows.first, windows.end):
        first, end = windows.first[some], windows.end[some]
        counts[some] = num_names(ids[first[0] : end[-1]], begins_name, first - first[0], end - first[0])
    return counts


def num_names(ids: np.ndarray, begins_name: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distinct names in each window, counting a name by the token it begins with, int64[num_windows].

    A token is the first of its kind in those windows that hold it and begin behind its previous occurrence. As both
    `starts` and `ends` ascend, these are neighbours.
    """
    num_windows = len(starts)
    begun = _number_at_or_before(starts, len(ids))
    ended = _number_at_or_before(ends, len(ids))
    names = np.flatnonzero(begins_name.take(ids))
    names = names.take(np.argsort(ids.take(names), kind="stable"))  # a radix sort where an id has 16 bits
    kinds = ids.take(names)
    lowest, highest = ended.take(names), begun.take(names)
    lowest[1:] = np.maximum(lowest[1:], np.where(kinds[1:] == kinds[:-1], highest[:-1], 0))
    changes = np.bincount(lowest, minlength=num_windows + 1) - np.bincount(highest, minlength=num_windows + 1)
    return changes.cumsum()[:num_windows]


def _number_at_or_before(edges: np.ndarray, num_tokens: int) -> np.ndarray:
    """For each token how many of the ascending `edges` lie at it or before it, int64[num_tokens + 1]."""
    return np.repeat(np.arange(len(edges) + 1), np.diff(edges, prepend=0, append=num_tokens + 1))


def _begins(texts: Sequence[Text]) -> np.ndarray:
    """The first token of each text, counted from the first of all, int64[texts]."""
    return np.cumsum([0, *map(len, texts)])[:-1]
