"""The rows of one shard of files: windows are cut and scored, and their ids written to the shard's spool."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from effectiveness.common.jsonl import spell_ids
from effectiveness.common.records import VARIANTS, ContextPlan, SourceFile
from effectiveness.corpus.curriculum import Features
from effectiveness.corpus.tokenization import window_bounds

if TYPE_CHECKING:
    from effectiveness.corpus.rows.variants import Variation

UNIT = np.dtype([("file", "u4"), ("variant", "u1"), ("num_tokens", "u4"), ("shard", "u4")])
ROW = np.dtype(
    [
        *(("unit", "u4"), ("start", "u4"), ("complexity", "f4"), ("fingerprint", "u8")),
        *(("offset", "u8"), ("num_bytes", "u4")),  # of the ids' text in the shard's spool
    ]
)
CUT_TOKENS = 1 << 16  # so many are cut into windows at once
ORIGINAL_INDEX, MASKED_INDEX = VARIANTS.index("original"), VARIANTS.index("token_masking")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """All that decides a file's rows, besides its text."""

    plan: ContextPlan
    tokenizer_json: Path
    dtype: str
    sample: tuple[SourceFile, ...]  # to prove the fast encoder on
    variation: Variation | None = None


@dataclass(slots=True)
class ShardRows:
    """What a worker returns for one shard."""

    units: np.ndarray
    rows: np.ndarray
    yields: Counter = field(default_factory=Counter)  # (kind, language, outcome) -> files
    examples: list[dict] = field(default_factory=list)
    seconds: Counter = field(default_factory=Counter)  # step -> seconds of this worker
    encoder: str = ""  # which library encoded


class ShardWriter:
    """Collects units and rows, and writes ids to the spool as they come."""

    def __init__(self, number: int, spool: BinaryIO, options: RowOptions, begins_name: np.ndarray):
        self._number, self._spool, self.options, self._begins_name = number, spool, options, begins_name
        self._units: list[tuple] = []
        self._rows: list[np.ndarray] = []
        self._waiting: list[tuple[int, Text, Features]] = []  # of the units whose rows are not made yet
        self._waiting_tokens = 0
        self._spool_bytes = 0
        self.examples: dict[str, dict] = {}  # kind -> the first pair
        self.yields: Counter = Counter()
        self.seconds: Counter = Counter()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.seconds[step] += time.perf_counter() - started_s  # type: ignore[assignment]  # a Counter of floats

    def result(self) -> ShardRows:
        self._cut()
        rows = np.concatenate((np.empty(0, ROW), *self._rows))
        made = ShardRows(
            units=np.array(self._units, UNIT),
            # In the order of the units again: texts waited for each other, masked ones did not.
            rows=rows[np.argsort(rows["unit"], kind="stable")],
            yields=self.yields,
            examples=list(self.examples.values()),
            seconds=self.seconds,
        )
        is_masked = made.units["variant"][made.rows["unit"]] == MASKED_INDEX
        original = original_rows(made.units, made.rows)(np.flatnonzero(is_masked))
        made.rows["complexity"][is_masked] = made.rows["complexity"][original]
        return made

    def add_text(self, file: int, variant: int, text: Text, features: Features) -> None:
        self._waiting.append((self.new_unit(file, variant, len(text)), text, features))
        self._waiting_tokens += len(text)
        if self._waiting_tokens >= CUT_TOKENS:
            self._cut()

    def new_unit(self, file: int, variant: int, num_tokens: int) -> int:
        self._units.append((file, variant, num_tokens, self._number))
        return len(self._units) - 1

    def _cut(self) -> None:
        """Make the rows of the texts that wait."""
        if not self._waiting:
            return
        units, texts, features = zip(*self._waiting, strict=True)
        self._waiting, self._waiting_tokens = [], 0
        options = self.options
        with self.timed("complexity"):
            ids = np.concatenate([text.ids for text in texts], dtype=options.dtype, casting="unsafe")
            windows = windows_of(texts, options.plan)
            complexity = scores(texts, features, windows, ids, self._begins_name, options.plan)
        self.add_rows(
            np.array(units)[windows.text], windows.start, complexity, ids, windows.first, windows.end
        )

    def add_rows(
        self,
        unit: np.ndarray | int,
        start: np.ndarray,
        complexity: np.ndarray | float,
        ids: np.ndarray,
        first: np.ndarray,
        end: np.ndarray,
    ) -> None:
        """Make rows of the windows `ids[first:end]`, which begin at the token `start` of their texts."""
        for some in runs_of(first, end):
            rows = np.empty(len(first[some]), ROW)
            rows["unit"] = unit if isinstance(unit, int) else unit[some]
            rows["start"] = start[some]
            rows["complexity"] = complexity if isinstance(complexity, float) else complexity[some]
            offset = first[some.start]
            self._spell(rows, ids[offset : end[some.stop - 1]], first[some] - offset, end[some] - offset)
            self._rows.append(rows)

    def _spell(self, rows: np.ndarray, ids: np.ndarray, first: np.ndarray, end: np.ndarray) -> None:
        """The ids go to the spool as text, because a token stands in several windows: it is spelled once and copied."""
        text, edges = spell_ids(ids)
        self._spool.write(text)
        rows["fingerprint"] = [
            _fingerprint(ids[a:b]) for a, b in zip(first.tolist(), end.tolist(), strict=True)
        ]
        rows["offset"] = self._spool_bytes + edges[first]
        rows["num_bytes"] = edges[end] - edges[first] - 1  # without the last comma
        self._spool_bytes += len(text)


def original_rows(units: np.ndarray, rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from masked rows (indices into `rows`) to the rows they are masked copies of.

    UNIT[num_units] and ROW[num_rows], `unit` an index into units: of one shard, or of all of them.
    """
    unit_of_row = rows["unit"]
    is_original = units["variant"] == ORIGINAL_INDEX
    original_unit = np.zeros(units["file"].max(initial=0) + 1, np.int64)
    original_unit[units["file"][is_original]] = np.flatnonzero(is_original)
    first_row = np.searchsorted(unit_of_row, np.arange(len(units)))

    def originals(masked: np.ndarray) -> np.ndarray:
        unit = unit_of_row[masked]
        return first_row[original_unit[units["file"][unit]]] + masked - first_row[unit]

    return originals


def _fingerprint(tokens: np.ndarray) -> int:
    """64 bits of the tokens' digest: among a billion rows a false match has a chance of 3 %, and costs one row."""
    return int.from_bytes(hashlib.blake2b(tokens.data, digest_size=8).digest(), "little")


# --- the windows of many texts at once: where they lie and how hard they are to read ----------------------------
#
# A text of a few thousand tokens costs numpy more in calls than in work. So the tokens of many texts are laid one after
# another, and everything about their windows is worked out on these long arrays; texts do not notice each other.

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
