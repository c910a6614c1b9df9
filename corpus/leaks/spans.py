"""Hashes of the token spans of rows. Of windows that overlap each token is read once, where its text is the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from corpus.hashing import BASE, BASE_INVERSE, powers, running_hash, sliding_hashes
from corpus.leaks.rows import Portion, Row, no_row, rows_of

SPAN_TOKENS = 50

_BATCH_TOKENS = 1 << 16  # the arrays of one batch stay in the processor's cache
_COMMA = ord(",")


def batches(portion: Portion) -> Iterator[Batch]:
    """The rows of a portion, about _BATCH_TOKENS tokens at a time. Raises UserError at what is no row."""
    batch = Batch()
    for row in rows_of(portion):
        try:
            batch.add(row)
        except (ValueError, TypeError, OverflowError) as error:
            raise no_row(portion.path, row.offset, error) from None
        if batch.num_tokens >= _BATCH_TOKENS:
            yield batch
            batch = Batch()
    if batch.rows:
        yield batch


class Batch:
    """Some rows. A row that goes on where the one before it ends adds only the tokens that are new.

    Such rows form a stretch of text. That a row goes on is seen from the bytes that both hold, and believed of
    nothing else; every span of a stretch stands in one of its rows, because they share nearly a span or more.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.num_tokens = 0
        self._ids: list[np.ndarray] = []
        self._firsts: list[int] = []  # of each row: position of its first token
        self._stretches: list[int] = []  # of each stretch: position of its first token
        self._other_keys: dict[int, int] = {}  # of rows whose tokens are not their text: padded, masked
        self._last_count = 0  # tokens in the last row, padding included

    def add(self, row: Row) -> None:
        """Read a row's ids. Raises ValueError, TypeError or OverflowError for what is no list of ids."""
        num_known, known_bytes = self._known_part(row)
        ids = _ids(row.text[known_bytes:])
        count = num_known + len(ids)
        if not 0 < row.length <= count:
            raise ValueError(f"{count} tokens, length {row.length}")
        if row.labels is not None or row.length < count:
            self._other_keys[len(self.rows)] = _key(row.tokens, count)
        if not num_known:
            self._stretches.append(self.num_tokens)
        self._firsts.append(self.num_tokens - num_known)
        self._ids.append(ids[: row.length - num_known])
        self.num_tokens += row.length - num_known
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
            (row.file, row.variant) != (before.file, before.variant)
            or not SPAN_TOKENS <= num_known < min(before.length, row.length)
            or before.length < self._last_count
        ):
            return 0, 0
        commas = np.flatnonzero(np.frombuffer(before.text, np.uint8) == _COMMA)
        known = before.text[int(commas[step - 1]) + 1 :] + b","
        return (num_known, len(known)) if row.text.startswith(known) else (0, 0)

    @cached_property
    def _tokens(self) -> np.ndarray:
        return np.concatenate(self._ids) + np.uint64(1)  # of a run of zeros, too, the length counts

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
        running = running_hash(self._tokens)
        shifted = running[self.firsts + self.lengths] - running[self.firsts]
        keys = shifted * powers(BASE_INVERSE, len(running))[self.firsts]
        for row, key in self._other_keys.items():
            keys[row] = key
        return keys

    def spans(self, sample_one_in: int, originals_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """(uint64 hashes of the spans that are sampled, int64 positions of their first tokens, ascending)."""
        hashes = sliding_hashes(self._tokens, SPAN_TOKENS)
        kept = hashes & np.uint64(sample_one_in - 1) == 0
        borders = np.array([*self._stretches, self.num_tokens])
        lengths = np.diff(borders)
        kept &= np.arange(len(hashes)) <= np.repeat(borders[1:] - SPAN_TOKENS, lengths)[: len(hashes)]
        if originals_only:
            is_original = self.is_original[np.searchsorted(self.firsts, borders[:-1])]
            kept &= np.repeat(is_original, lengths)[: len(hashes)]
        positions = np.flatnonzero(kept)
        return hashes[positions], positions

    def rows_with(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows in which spans stand: [first, last) for the position of each."""
        first = np.searchsorted(self.firsts + self.lengths, positions + SPAN_TOKENS)
        return first, np.searchsorted(self.firsts, positions, side="right")


def _ids(text: bytes) -> np.ndarray:
    ids = np.fromstring(
        text, np.uint64, sep=","
    )  # three times as fast as orjson; stops at what is no integer
    if len(ids) != text.count(b",") + 1:
        raise ValueError(f"{text.count(b',') + 1} tokens, {len(ids)} of them integers")
    return ids


def _key(text: bytes, count: int) -> int:
    ids = _ids(text)
    if len(ids) != count:
        raise ValueError(f"{len(ids)} tokens, {count} labels")
    return int(((ids + np.uint64(1)) * powers(BASE, count)).sum())
