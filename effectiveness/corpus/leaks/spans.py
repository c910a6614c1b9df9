"""Hashes of the token spans of rows. Of windows that overlap each token is read once, where its text is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effectiveness.common.hashing import BASE, BASE_INVERSE, powers, running_hash, window_hashes
from effectiveness.common.records import ORIGINAL
from effectiveness.corpus.leaks.rows import Portion, Row, no_row, rows_of

SPAN_TOKENS = 50

_BATCH_TOKENS = 1 << 16  # the arrays of one batch stay in the processor's cache
_COMMA = ord(",")


def batches(portion: Portion) -> Iterator[Batch]:
    """The rows of a portion, about _BATCH_TOKENS tokens at a time. Raises UserError at what is no row."""
    batch = Batch(portion.path)
    for row in rows_of(portion):
        batch.add(row)
        if batch.num_tokens >= _BATCH_TOKENS:
            yield batch
            batch = Batch(portion.path)
    if batch.files:
        yield batch


class _Rest(NamedTuple):
    """The tokens of a row that are not its text: all of a masked row's, the padding of others."""

    shared: int  # tokens before them, which are the text's
    text: bytes
    num_tokens: int


class Batch:
    """Some rows. A row that goes on where the one before it ends adds only the tokens that are new.

    Such rows form a stretch of text. That a row goes on is seen from the bytes that both hold, and believed of
    nothing else; every span of a stretch stands in one of its rows, because they share nearly a span or more.
    The ids are read when hashes or keys are asked for, all at once; then a UserError names a row without any.
    """

    def __init__(self, path: Path) -> None:
        self.files: list[str] = []  # of each row
        self.num_tokens = 0
        self._path = path
        self._offsets: list[int] = []
        self._firsts: list[int] = []
        self._lengths: list[int] = []
        self._texts: list[bytes] = []  # of each row: the tokens it adds, without padding
        self._stretches: list[int] = []  # of each stretch: position of its first token
        self._are_original: list[bool] = []  # each stretch
        self._rests: dict[int, _Rest] = {}  # of the rows that are padded or masked
        self._before: Row | None = None  # the last row, unless it is padded

    def add(self, row: Row) -> None:
        """Raises UserError for a row that does not hold as many tokens as it says."""
        num_known, known_bytes = self._known_part(row)
        text = row.text[known_bytes:]
        length, count = row.length, num_known + text.count(b",") + 1
        if not 0 < length <= count or (row.labels is not None and row.tokens.count(b",") + 1 != count):
            raise no_row(self._path, row.offset, ValueError(f"{count} tokens, length {length}"))
        if not num_known:
            self._stretches.append(self.num_tokens)
            self._are_original.append(row.variant == ORIGINAL)
        if length < count:
            text, padding = _split(text, length - num_known)
            self._rests[len(self.files)] = _Rest(length, padding, count - length)
        if row.labels is not None:
            self._rests[len(self.files)] = _Rest(0, row.tokens, count)
        is_same = bool(self.files) and row.file == self.files[-1]
        self.files.append(self.files[-1] if is_same else row.file)  # one string for all rows of a text
        self._offsets.append(row.offset)
        self._firsts.append(self.num_tokens - num_known)
        self._lengths.append(length)
        self._texts.append(text)
        self.num_tokens += length - num_known
        self._before = row if length == count else None

    def _known_part(self, row: Row) -> tuple[int, int]:
        """How many tokens at the beginning of a row end the row before it, and the bytes that spell them."""
        before = self._before
        if before is None or row.file != before.file or row.variant != before.variant:
            return 0, 0
        step, text = row.start - before.start, before.text
        known = text[step:] + b","
        if not 0 < step < len(text) or text[step - 1] != _COMMA or not row.text.startswith(known):
            return 0, 0
        num_known = before.length - text.count(b",", 0, step)
        return (num_known, len(known)) if SPAN_TOKENS <= num_known < row.length else (0, 0)

    @cached_property
    def _running(self) -> np.ndarray:
        return running_hash(self._values(self._texts, range(len(self._texts)), self.num_tokens))

    def _values(self, texts: Sequence[bytes], rows: Iterable[int], count: int) -> np.ndarray:
        """uint64[count]: the ids in texts of rows plus one; so of a run of zeros, too, the length counts."""
        try:
            return _ids(b",".join(texts), count) + np.uint64(1)
        except ValueError:
            for row, text in zip(rows, texts, strict=True):
                self._require_ids(row, text)
            raise

    def _require_ids(self, row: int, text: bytes) -> None:
        try:
            _ids(text, text.count(b",") + 1)
        except ValueError as error:
            raise no_row(self._path, self._offsets[row], error) from None

    @cached_property
    def firsts(self) -> np.ndarray:
        """int64[rows]: position of each row's first token."""
        return np.array(self._firsts, np.int64)

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64[rows]: where each row begins in its file."""
        return np.array(self._offsets, np.int64)

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.array(self._lengths, np.int64)

    @cached_property
    def is_original(self) -> np.ndarray:
        """bool[rows]"""
        return np.array(self._are_original)[np.searchsorted(self._stretches, self.firsts, side="right") - 1]

    def keys(self) -> np.ndarray:
        """uint64[rows]: equal for rows of equal tokens, padding included."""
        if not self._rests:
            return _keys(self._running, self.firsts, self.lengths)
        rows, shared = list(self._rests), self.lengths.copy()
        shared[rows], texts, counts = zip(*self._rests.values(), strict=True)
        keys = _keys(self._running, self.firsts, shared)
        ends = np.cumsum((0, *counts))
        rests = running_hash(self._values(texts, rows, int(ends[-1])))
        keys[rows] += _keys(rests, ends[:-1], np.diff(ends)) * powers(BASE, len(self._running))[shared[rows]]
        return keys

    @cached_property
    def hashes(self) -> np.ndarray:
        """uint64: of SPAN_TOKENS tokens from each position on, also where no row holds them all."""
        return window_hashes(self._running, SPAN_TOKENS)

    def spans(self, sample_one_in: int, originals_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """(uint64 hashes of the spans that are sampled, int64 positions of their first tokens, ascending)."""
        ends = [*self._stretches[1:], self.num_tokens]
        parts = [
            np.arange(first, end - SPAN_TOKENS + 1)
            for first, end, is_original in zip(self._stretches, ends, self._are_original, strict=True)
            if is_original or not originals_only
        ]
        positions = np.concatenate(parts or [np.empty(0, np.int64)])
        hashes = self.hashes[positions]
        kept = np.flatnonzero(hashes & np.uint64(sample_one_in - 1) == 0)
        return hashes[kept], positions[kept]

    def rows_with(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that hold all tokens of the spans at some positions: [first, last) for each, or none."""
        first = np.searchsorted(self.firsts + self.lengths, positions + SPAN_TOKENS)
        return first, np.searchsorted(self.firsts, positions, side="right")


def _split(text: bytes, count: int) -> tuple[bytes, bytes]:
    """The first tokens of a text that has more, and the others."""
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA)
    return text[: commas[count - 1]], text[commas[count - 1] + 1 :]


def _ids(text: bytes, count: int) -> np.ndarray:
    # Three times as fast as orjson. It stops at what is no integer.
    ids = np.fromstring(text, np.uint64, sep=",")
    if len(ids) != count:
        raise ValueError(f"{count} tokens, {len(ids)} of them integers")
    return ids


def _keys(running: np.ndarray, firsts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return (running[firsts + lengths] - running[firsts]) * powers(BASE_INVERSE, len(running))[firsts]
