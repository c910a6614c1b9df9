"""Which tokens of a changed file are new: they start in an added line, and no text of the dataset holds them.

Text that was moved between files, restored, or that equals a variant of the earlier state stands in added lines and
is known all the same. So every span of 50 tokens that touches an added line is looked for in the rows of the dataset
as they were written, and tokens of a span that stands there are not new. Of text that several changed files hold,
the first file has it. Spans wait in spool files of the scratch directory and are looked for a bounded number at a
time: memory does not grow with what was committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effectiveness.common.hashing import sorted_distinct, stretch_hashes
from effectiveness.common.records import SourceFile, text_of
from effectiveness.common.workers import WorkerPool, cut_into_shards
from effectiveness.corpus.history.changes import Change, new_byte_ranges, ranges_of
from effectiveness.corpus.leaks.spans import SPAN_TOKENS, Portion, SpanIndex, find_in, look_for
from effectiveness.corpus.rows import encoder_of

SHARD_BYTES = 1 << 20
MAX_NEEDLES = 1 << 22  # 32 MB of hashes that are looked for in one reading of the rows

SPAN = np.dtype([("file", "u4"), ("start", "u4"), ("hash", "u8")])  # file: index of the change


class ChangeShard(NamedTuple):
    first: int  # index of the first change
    changes: list[Change]
    spool: Path


class Added(NamedTuple):
    """What a worker found in a shard; its spans lie in the shard's spool."""

    ranges: list[np.ndarray]  # of each file, int64[ranges, 2]: tokens [first, last) that start in added lines
    num_spans: int


class Fresh(NamedTuple):
    """New tokens of every changed file, and how much was taken back from it."""

    ranges: list[np.ndarray]  # int64[ranges, 2] each: tokens [first, last)
    spans: int  # distinct spans that touch added lines
    known_spans: int  # of them, those that rows of the dataset hold


# --- added lines, in tokens ------------------------------------------------------------------------------


class _Reader:
    """Texts of both states, and the dataset's encoder; one per process."""

    def __init__(self, texts_before: Path, texts: Path, tokenizer_json: Path, sample: tuple[SourceFile, ...]):
        self._before, self._texts = open(texts_before, "rb"), open(texts, "rb")  # noqa: SIM115 - as long as the process
        self._encoder = encoder_of(texts, tokenizer_json, sample)

    def added(self, change: Change) -> tuple[np.ndarray, np.ndarray]:
        """(token ranges that start in added lines, uint64[num_tokens] of the file's ids plus one)."""
        text = text_of(self._texts, change.file)
        lines = new_byte_ranges(text_of(self._before, change.before) if change.before else b"", text)
        if not len(lines):
            return np.empty((0, 2), np.int64), np.empty(0, np.uint64)
        ids = self._encoder.encode(text)
        starts = np.concatenate(([0], self._encoder.token_ends(text, ids)[:-1]))
        added = covered(np.searchsorted(starts, lines), len(ids))
        return ranges_of(added), ids.astype(np.uint64) + np.uint64(1)


def covered(ranges: np.ndarray, length: int) -> np.ndarray:
    """bool[length]: which places lie in one of the ranges, which may overlap.

    >>> ranges_of(covered(np.array([[2, 9], [8, 10]]), 12) & ~covered(np.array([[0, 3], [5, 6]]), 12)).tolist()
    [[3, 5], [6, 10]]
    """
    first, last = (np.bincount(ends, minlength=length + 1) for ends in ranges.T.clip(0, length))
    return np.cumsum(first - last)[:length] > 0


_reader: _Reader  # of this worker process


def _set_up(texts_before: Path, texts: Path, tokenizer_json: Path, sample: tuple[SourceFile, ...]) -> None:
    global _reader
    _reader = _Reader(texts_before, texts, tokenizer_json, sample)


def _find_added(shard: ChangeShard) -> Added:
    ranges, spans = [], []
    for number, change in enumerate(shard.changes, shard.first):
        added, ids = _reader.added(change)
        ranges.append(added)
        spans.append(_spans(number, added, ids))
    found = np.concatenate(spans)
    shard.spool.write_bytes(found.tobytes())
    return Added(ranges, len(found))


def _spans(number: int, added: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """SPAN records of every span that touches an added range."""
    last = max(0, len(ids) - SPAN_TOKENS + 1)
    places = np.flatnonzero(covered(added - (SPAN_TOKENS - 1, 0), last))
    spans = np.empty(len(places), SPAN)
    spans["file"], spans["start"] = number, places
    spans["hash"] = stretch_hashes(ids, places, places + SPAN_TOKENS)
    return spans


# --- what is known ---------------------------------------------------------------------------------------


def _search_portion(portion: Portion) -> np.ndarray:
    return sorted_distinct(find_in(portion)[2])


def _is_known(hashes: np.ndarray, portions: list[Portion], pool: WorkerPool) -> np.ndarray:
    """bool[hashes]: which of the sorted hashes are spans of some row of the dataset."""
    known = np.zeros(len(hashes), bool)
    for found in pool.map(_search_portion, portions, setup=look_for, setup_args=(hashes,)):
        known[found] = True
    return known


# --- both ------------------------------------------------------------------------------------------------


def find_fresh(
    changes: list[Change],
    *,
    texts_before: Path,
    texts: Path,
    tokenizer_json: Path,
    sample: tuple[SourceFile, ...],
    portions: list[Portion],
    scratch: Path,
    pool: WorkerPool,
) -> Fresh:
    """New tokens of each changed file, against a dataset whose rows lie in `portions`.

    `texts_before`, `texts`: the text spools of both states. `sample`: of `encoder_of`.
    """
    cuts = cut_into_shards((change.file.num_bytes for change in changes), SHARD_BYTES)
    shards = [
        ChangeShard(cut.start, changes[cut.start : cut.stop], scratch / f"spans-{i}")
        for i, cut in enumerate(cuts)
    ]
    setup_args = texts_before, texts, tokenizer_json, sample
    found = list(pool.map(_find_added, shards, setup=_set_up, setup_args=setup_args))
    fresh = Fresh([], 0, 0)
    for group in cut_into_shards((added.num_spans for added in found), MAX_NEEDLES):
        spans = np.concatenate([np.fromfile(shard.spool, SPAN) for shard in shards[group.start : group.stop]])
        hashes = sorted_distinct(spans["hash"])
        known = _is_known(hashes, portions, pool) if len(hashes) else np.zeros(0, bool)
        fresh = Fresh(fresh.ranges, fresh.spans + len(hashes), fresh.known_spans + int(known.sum()))
        known |= _is_in_earlier(hashes, shards[: group.start])
        spans = spans[known[np.searchsorted(hashes, spans["hash"])] | _is_in_another(spans)]
        added = [ranges for shard in found[group.start : group.stop] for ranges in shard.ranges]
        fresh.ranges.extend(_without(added, spans, shards[group.start].first))
    return fresh


def _is_in_earlier(hashes: np.ndarray, shards: list[ChangeShard]) -> np.ndarray:
    """bool[hashes]: which of the sorted hashes are spans of changed files that were looked at before."""
    needles, known = SpanIndex(hashes), np.zeros(len(hashes), bool)
    for shard in shards:
        known[needles.find(np.fromfile(shard.spool, SPAN)["hash"])[1]] = True
    return known


def _is_in_another(spans: np.ndarray) -> np.ndarray:
    """bool[spans]: whether a file before the span's own holds the same span."""
    order = np.lexsort((spans["file"], spans["hash"]))
    hashes, files = spans["hash"][order], spans["file"][order]
    is_first = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
    owner = files[is_first][np.cumsum(is_first) - 1]
    repeated = np.empty(len(spans), bool)
    repeated[order] = files != owner
    return repeated


def _without(ranges: list[np.ndarray], spans: np.ndarray, first: int) -> Iterator[np.ndarray]:
    """The ranges of the files from `first` on without the tokens of the spans, which lie in the files' order."""
    bounds = np.searchsorted(spans["file"], first + np.arange(len(ranges) + 1))
    for number, added in enumerate(ranges):
        starts = spans["start"][bounds[number] : bounds[number + 1]].astype(np.int64)
        length = int(added.max(initial=0))
        known = covered(np.stack((starts, starts + SPAN_TOKENS), 1), length)
        yield ranges_of(covered(added, length) & ~known)
