"""Reading a file from its beginning, and asking what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.memory import _native
from effectiveness.memory.text import checked_ids

if TYPE_CHECKING:
    from effectiveness.memory.memory import Memory

UNLIKELY = 1e-6  # tokens below a node that is reached with less share it by frequency, in `probabilities`
LONGEST_MATCH = 24  # tokens the index can tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A place where the last `length` tokens stand, too (at most 24 are compared in the static part)."""

    length: int
    path: str  # "" is the file at hand
    continuation: np.ndarray  # uint32: what follows there


class Reader:
    """State of reading one file. Opened by `Memory.reader`; for one thread at a time."""

    def __init__(self, memory: Memory, native: _native.Reader, sources: tuple) -> None:
        self._memory = memory
        self._native = native
        self._sources = sources
        self._read: list[np.ndarray] = []
        self._marks = 0

    def feed(self, ids: Sequence[int] | np.ndarray, model: np.ndarray | None = None) -> np.ndarray:
        """Nats float64 [T] of each next token, each scored before it is learned from.

        `model`: float32 [T, V], another model's probabilities at each of these places, as one more opinion.
        """
        checked = checked_ids(ids, self._memory.vocab_size, "feed")
        nats = np.empty(len(checked))
        self._native.feed(checked, nats, self._rows(model, len(checked)))
        self._read.append(checked)
        return nats

    def observe(self, ids: Sequence[int] | np.ndarray) -> None:
        """Count a text of the same file that stands elsewhere, for example behind a gap; it is not scored."""
        self._native.observe(checked_ids(ids, self._memory.vocab_size, "observe"))

    def skim(self, ids: Sequence[int] | np.ndarray) -> None:
        """Read on without scoring or learning weights, in a quarter of the time: only counts and place move."""
        checked = checked_ids(ids, self._memory.vocab_size, "skim")
        self._native.skim(checked)
        self._read.append(checked)

    def probabilities(self, model: np.ndarray | None = None) -> np.ndarray:
        """Float32 [V]: the next token's distribution; the sum is 1 within 1e-5."""
        out = np.empty(self._memory.vocab_size, np.float32)
        self._native.distribution(out, None, self._rows(model, 1), UNLIKELY)
        return out

    def top(self, k: int = 1, model: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k likeliest next tokens, uint32 [k], and their probabilities, float32 [k], both exact."""
        k = min(k, self._memory.vocab_size)
        tokens, chances = np.empty(k, np.uint32), np.empty(k, np.float32)
        self._native.distribution(chances, tokens, self._rows(model, 1), 0.0)
        return tokens, chances

    def score(self, ids: Sequence[int] | np.ndarray, model: np.ndarray | None = None) -> np.ndarray:
        """Like `feed`, but this reader stays as it was."""
        with self.trial():
            return self.feed(ids, model)

    @contextmanager
    def trial(self, *, frozen: bool = False) -> Iterator[Reader]:
        """Whatever is read within is taken back. `frozen`: counts go on, weights stay, and it is faster."""
        mark, length = self._native.mark(), len(self._read)
        self._marks += 1
        if frozen:
            self._native.freeze(True)
        try:
            yield self
        finally:
            self._marks -= 1
            self._native.roll_back(mark, self._marks == 0)
            del self._read[length:]
            if frozen:
                self._native.freeze(False)

    def fork(self) -> Reader:
        """An independent reader at the same place."""
        gaps, runs, slot_bits = self._sources
        native = _native.Reader(self._memory.native, self._memory.learned, slot_bits, gaps, runs)
        native.copy_from(self._native)
        other = Reader(self._memory, native, self._sources)
        other._read = list(self._read)
        return other

    def learned(self) -> bytes:
        """Weights and maps as they are now: `Memory.learned` of a memory that is to begin with them."""
        return self._native.learned()

    def restart(self, path: str = "", *, without: Sequence[str] = ()) -> None:
        """Begin another file with what was learned so far."""
        gaps, runs = self._memory.sources(path, without)
        self._native.restart(gaps, runs)
        self._sources = (gaps, runs, self._sources[2])
        self._read = []

    @property
    def vocab_size(self) -> int:
        return self._memory.vocab_size

    @property
    def ids(self) -> np.ndarray:
        """Uint32 [T]: what was fed so far."""
        return np.concatenate(self._read) if self._read else np.zeros(0, np.uint32)

    def longest_match(self, num_following: int = 32) -> Match | None:
        """Where the most of the last tokens stand as they stand here, in the file at hand or elsewhere."""
        found = self.continuations(num_following, 1)
        return found[0] if found else None

    def continuations(self, num_following: int, limit: int) -> list[Match]:
        """At most `limit` distinct texts of `num_following` tokens that followed the longest matches, longest first."""
        matches = sorted(
            [*self._matches_in_file(num_following), *self._matches_elsewhere(num_following, 4 * limit)],
            key=lambda match: -match.length,
        )
        distinct: dict[bytes, Match] = {}
        for match in matches:
            distinct.setdefault(match.continuation.tobytes(), match)
        return list(distinct.values())[:limit]

    def _matches_elsewhere(self, num_following: int, limit: int) -> Iterator[Match]:
        text, separator = self._memory.index.text, self._memory.vocab_size
        for length, place in self._native.places(limit):
            following = text[place : place + num_following].astype(np.uint32)
            end = np.flatnonzero(following == separator)
            if len(end):
                following = following[: end[0]]
            yield Match(length=length, path=self._memory.path_of_place(place), continuation=following)
        own = self.ids[-LONGEST_MATCH:]
        for path, ids in self._memory.live.texts.items():
            yield from _matches(own, ids, path, num_following)

    def _matches_in_file(self, num_following: int) -> Iterator[Match]:
        ids = self.ids
        yield from _matches(ids[-LONGEST_MATCH:], ids[:-1], "", num_following)

    def _rows(self, model: np.ndarray | None, num_rows: int) -> np.ndarray | None:
        if model is None:
            return None
        rows = np.ascontiguousarray(model, np.float32).reshape(-1)
        if rows.size != num_rows * self._memory.vocab_size:
            raise ValueError(
                f"model has {rows.size} probabilities, not {num_rows} x {self._memory.vocab_size}"
            )
        return rows


def _matches(tail: np.ndarray, ids: np.ndarray, path: str, num_following: int) -> Iterator[Match]:
    """The last and longest place in `ids` where `tail` ends, if any token of it matches."""
    ends = np.arange(1, len(ids))
    length = 0
    while length < len(tail) and len(ends):
        ends_on = ends[ends > length]
        ends_on = ends_on[ids[ends_on - 1 - length] == tail[len(tail) - 1 - length]]
        if not len(ends_on):
            break
        ends, length = ends_on, length + 1
    if length:
        end = int(ends[-1])
        yield Match(length=length, path=path, continuation=ids[end : end + num_following].copy())
