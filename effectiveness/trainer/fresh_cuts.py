"""Originals cut anew every epoch: the same tokens, once each, in windows that begin elsewhere.

A window's first tokens have little before them to be predicted from, and fixed windows make those of the same places
the hard ones in every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effectiveness.common.seeding import key_for
from effectiveness.trainer.context_rows import longest_behind_context
from effectiveness.trainer.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRows(Rows):
    """Windows over the texts of other rows; each lies in one of these or in several that follow each other."""

    source: Rows
    order: np.ndarray  # int64 [rows of source] by file and place
    first: np.ndarray  # int64 [windows]: place in `order` of the row that a window begins in
    skip: np.ndarray  # int64 [windows]: tokens of that row before it
    quotes: np.ndarray  # bool [windows]: read behind excerpts of other files, and half as long for that

    def tokens_of(self, index: int) -> np.ndarray:
        place, skip, left = int(self.first[index]), int(self.skip[index]), int(self.table["length"][index])
        parts = []
        while left:
            part = self.source.tokens_of(int(self.order[place]))[skip : skip + left]
            parts.append(part)
            place, skip, left = place + 1, 0, left - len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def originals_of(self, index: int) -> np.ndarray:
        return self.tokens_of(index)

    def origin(self, index: int) -> int:
        """The row that a window begins in."""
        return int(self.order[self.first[index]])


class FreshCuts:
    """Cuts rows that hold every token once. Where a window of a text is missing, what follows is a text of its own."""

    def __init__(self, rows: Rows, seed: int, context_rate: float = 0.0) -> None:
        self.rows, self.seed, self.context_rate = rows, seed, context_rate
        table = rows.table
        self._order = np.lexsort((table["start_token"], table["file"]))
        lengths = table["length"][self._order].astype(np.int64)
        starts = table["start_token"][self._order].astype(np.int64)
        files = table["file"][self._order]
        self._ends = np.cumsum(lengths)  # all rows end to end
        is_new = np.ones(len(table), dtype=bool)
        is_new[1:] = (files[1:] != files[:-1]) | (starts[1:] != starts[:-1] + lengths[:-1])
        self._text_starts = (self._ends - lengths)[is_new]
        self._text_lengths = np.diff(self._text_starts, append=self._ends[-1:])

    def of(self, epoch: int) -> CutRows:
        """The windows of an epoch: a pure function of seed and epoch."""
        starts, lengths, quotes = self._windows(epoch)
        first = np.searchsorted(self._ends, starts, side="right")
        last = np.searchsorted(self._ends, starts + lengths, side="left")
        source = self.rows.table[self._order]
        skip = starts - (self._ends[first] - source["length"][first])
        table = source[first]
        table["start_token"] += skip.astype(table["start_token"].dtype)
        table["length"] = lengths
        table["is_last"] = source["is_last"][last] & (self._ends[last] == starts + lengths)
        return CutRows(
            path=self.rows.path,
            sha256=self.rows.sha256,
            window=self.rows.window,
            tokens=self.rows.tokens,
            labels=self.rows.labels,
            table=table,
            files=self.rows.files,
            languages=self.rows.languages,
            source=self.rows,
            order=self._order,
            first=first,
            skip=skip,
            quotes=quotes,
        )

    def _windows(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(start in all rows end to end, length, quotes) of windows: a text's first one is as long as is drawn."""
        longest, count = self.rows.window, len(self._text_lengths)
        quotes = _generator(self.seed, "context", epoch).random(count) < self.context_rate
        window = np.where(quotes, longest_behind_context(longest), longest)
        drawn = _generator(self.seed, "fresh cut", epoch).integers(1, longest + 1, count)
        heads = -(-drawn * window // longest)
        heads = np.where(self._text_lengths <= window, self._text_lengths, heads)
        counts = 1 + -(-(self._text_lengths - heads) // window)
        text = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = self._text_starts[text] + np.where(nth, heads[text] + (nth - 1) * window[text], 0)
        return starts, np.diff(starts, append=self._ends[-1:]), quotes[text]


def _generator(seed: int, *what: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key_for(seed, *what)))
