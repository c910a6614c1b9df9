"""Hashes of the token spans of rows. Of windows that overlap each token is read once, where its text is the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from corpus.hashing import BASE_INVERSE, powers, running_hash, window_hashes
from corpus.leaks.rows import Portion, Row, no_row, rows_of

SPAN_TOKENS = 50

_BATCH_TOKENS = 1 << 16  # the arrays of one batch stay in the processor's cache
_COMMA = ord(",")
_BYTES_OF_TOKEN = 7  # at most, of nearly all tokens, with the comma behind it


def batches(portion: Portion) -> Iterator[Batch]:
    """The rows of a portion, about _BATCH_TOKENS tokens at a time. Raises UserError at what is no row."""
    batch = Batch(portion.path)
    for row in rows_of(portion):
        batch.add(row)
        if batch.num_tokens >= _BATCH_TOKENS:
            yield batch
            batch = Batch(portion.path)
    if batch.rows:
        yield batch


class Batch:
    """Some rows. A row that goes on where the one before it ends adds only the tokens that are new.

    Such rows form a stretch of text. That a row goes on is seen from the bytes that both hold, and believed of
    nothing else; every span of a stretch stands in one of its rows, because they share nearly a span or more.
    The ids are read when hashes or keys are asked for, all at once; then a UserError names a row without any.
    """

    def __init__(self, path: Path) -> None:
        self.rows: list[Row] = []
        self.num_tokens = 0
        self._path = path
        self._texts: list[bytes] = []  # of each row: the tokens it adds, without padding
        self._firsts: list[int] = []  # of each row: position of its first token
        self._stretches: list[
            tuple[int, bool]
        ] = []  # position of the first token, and whether it is of originals
        self._others: dict[int, int] = {}  # rows whose tokens are not their text (padded, masked): how many
        self._last_count = 0  # tokens in the last row, padding included

    def add(self, row: Row) -> None:
        """Raises UserError for a row that does not hold as many tokens as it says."""
        length, is_masked = row.length, row.labels is not None
        num_known, known_bytes = self._known_part(row)
        text = row.text[known_bytes:]
        count = num_known + text.count(b",") + 1
        if not 0 < length <= count or (is_masked and row.tokens.count(b",") + 1 != count):
            raise no_row(self._path, row.offset, ValueError(f"{count} tokens, length {length}"))
        if is_masked or length < count:
            self._others[len(self.rows)] = count
        if length < count:
            text = text[: _num_bytes(text, length - num_known) - 1]
        if not num_known:
            self._stretches.append((self.num_tokens, row.is_original))
        self._firsts.append(self.num_tokens - num_known)
        self._texts.append(text)
        self.num_tokens += length - num_known
        self.rows.append(row)
        self._last_count = count

    def _known_part(self, row: Row) -> tuple[int, int]:
        """How many tokens at the beginning of a row end the row before it, and the bytes that spell them."""
        if not self.rows:
            return 0, 0
        before = self.rows[-1]
        step = row.start - before.start
        num_known = before.length - step
        if (
            row.file != before.file
            or row.variant != before.variant
            or not SPAN_TOKENS <= num_known < min(before.length, row.length)
            or before.length < self._last_count
        ):
            return 0, 0
        known = before.text[_num_bytes(before.text, step) :] + b","
        return (num_known, len(known)) if row.text.startswith(known) else (0, 0)

    @cached_property
    def _running(self) -> np.ndarray:
        return running_hash(self._values(self.rows, self._texts, self.num_tokens))

    def _values(self, rows: list[Row], texts: list[bytes], count: int) -> np.ndarray:
        """uint64[count]: the ids of the texts plus one; so of a run of zeros, too, the length counts."""
        try:
            return _ids(b",".join(texts), count) + np.uint64(1)
        except ValueError:
            for row, text in zip(rows, texts, strict=True):
                self._require_ids(row, text)
            raise

    def _require_ids(self, row: Row, text: bytes) -> None:
        try:
            _ids(text, text.count(b",") + 1)
        except ValueError as error:
            raise no_row(self._path, row.offset, error) from None

    @cached_property
    def firsts(self) -> np.ndarray:
        """int64[rows]: position of each row's first token."""
        return np.array(self._firsts, np.int64)

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64[rows]: where each row begins in its file."""
        return np.array([row.offset for row in self.rows], np.int64)

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.array([row.length for row in self.rows], np.int64)

    @cached_property
    def is_original(self) -> np.ndarray:
        return np.array([row.is_original for row in self.rows], bool)

    def keys(self) -> np.ndarray:
        """uint64[rows]: equal for rows of equal tokens, padding included."""
        keys = _keys(self._running, self.firsts, self.lengths)
        if self._others:
            rows = [self.rows[row] for row in self._others]
            ends = np.cumsum([0, *self._others.values()])
            values = self._values(rows, [row.tokens for row in rows], int(ends[-1]))
            keys[list(self._others)] = _keys(running_hash(values), ends[:-1], np.diff(ends))
        return keys

    @cached_property
    def hashes(self) -> np.ndarray:
        """uint64: of SPAN_TOKENS tokens from each position on, also where no row holds them all."""
        return window_hashes(self._running, SPAN_TOKENS)

    def spans(self, sample_one_in: int, originals_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """(uint64 hashes of the spans that are sampled, int64 positions of their first tokens, ascending)."""
        ends = [first for first, _ in self._stretches[1:]] + [self.num_tokens]
        parts = [
            np.arange(first, end - SPAN_TOKENS + 1)
            for (first, is_original), end in zip(self._stretches, ends, strict=True)
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


def _num_bytes(text: bytes, count: int) -> int:
    """How many bytes spell the first `count` tokens of a text that has more, with the commas behind them."""
    commas = _commas(text[: count * _BYTES_OF_TOKEN])
    if len(commas) < count:
        commas = _commas(text)
    return int(commas[count - 1]) + 1


def _commas(text: bytes) -> np.ndarray:
    return (np.frombuffer(text, np.uint8) == _COMMA).nonzero()[0]


def _ids(text: bytes, count: int) -> np.ndarray:
    ids = np.fromstring(
        text, np.uint64, sep=","
    )  # three times as fast as orjson; stops at what is no integer
    if len(ids) != count:
        raise ValueError(f"{count} tokens, {len(ids)} of them integers")
    return ids


def _keys(running: np.ndarray, firsts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return (running[firsts + lengths] - running[firsts]) * powers(BASE_INVERSE, len(running))[firsts]
