"""One visit of a row as documents of (input, target) pairs: as it stands, with a gap, masked, or in shorter pieces.

A file's first window starts with the begin-of-text token and its last ends with the end-of-text token, so that each
source token is a target and the model learns where files end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.seeding import generator_for, rng_for
from effectiveness.trainer.gaps import NUM_CONTROL_TOKENS, CutSpelling, fill_in_the_middle
from effectiveness.trainer.rows import Rows

MOST_MASKED = 0.5  # of a masked visit's inputs; the share is drawn from [0, this) (2606.06888)
GROWN_FROM = (4, 2)  # a window is a quarter, then a half of itself while it grows (SkyLadder, 2503.15450)

# row, inputs, targets, weight of each target
Document = tuple[int, np.ndarray, np.ndarray, "float | np.ndarray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTokens:
    """Ids that are written between, around and into documents. What masks and the three of gaps may be missing."""

    begin: int
    end: int
    pad: int
    fim_prefix: int | None = None
    fim_middle: int | None = None
    fim_suffix: int | None = None
    mask: int | None = None

    @property
    def can_fill(self) -> bool:
        return self.fim is not None

    @property
    def fim(self) -> tuple[int, int, int] | None:
        """Before the text in front of a gap, before the text behind it, and where the gap's own text begins."""
        if self.fim_prefix is None or self.fim_suffix is None or self.fim_middle is None:
            return None
        return self.fim_prefix, self.fim_suffix, self.fim_middle

    def around(self, before: Sequence[int], after: Sequence[int], *, suffix_first: bool = False) -> list[int]:
        """What asks for the text between two others, [before + after + NUM_CONTROL_TOKENS - 1]; only if `can_fill`."""
        assert self.fim is not None, "ask can_fill first"
        prefix, suffix, middle = self.fim
        if suffix_first:
            return [prefix, suffix, *after, middle, *before]
        return [prefix, *before, suffix, *after, middle]


def document_pairs(table: np.ndarray, window: int) -> np.ndarray:
    """(input, target) pairs of each row's document, int64: its tokens, plus begin and end where it has them."""
    with_ends = table["length"].astype(np.int64) - 1 + (table["start_token"] == 0) + table["is_last"]
    return np.minimum(with_ends, window)


def document(rows: Rows, index: int, control: ControlTokens) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (int64, equal length) of one row; masked rows are asked for the original next token."""
    row = rows.table[index]
    begin, end = int(row["start_token"] == 0), int(row["is_last"])
    length = int(row["length"])
    sequences = np.empty((2, begin + length + end), dtype=np.int64)
    sequences[:, :begin] = control.begin
    sequences[:, begin + length :] = control.end
    sequences[0, begin : begin + length] = rows.tokens_of(index)
    sequences[1, begin : begin + length] = rows.originals_of(index)
    return sequences[0, :-1][: rows.window], sequences[1, 1:][: rows.window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a visit's draws follow from, and nothing else."""

    seed: int
    epoch: int
    visit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """How the rows of a training split are read."""

    fim_rate: float = 0.0  # share of visits with a gap to be filled
    mask_rate: float = 0.0  # share of the other originals' visits in which inputs are masked; targets stay
    window_growth: float = 0.0  # share of the run over which windows grow
    spelling: CutSpelling | None = None

    def window_at(self, share: float, window: int) -> int:
        """Longest document at this share of the run, in [0, 1)."""
        stage = int(len(GROWN_FROM) * share / self.window_growth) if share < self.window_growth else None
        return window if stage is None else max(1, window // GROWN_FROM[stage])

    def pieces(
        self, rows: Rows, row: int, control: ControlTokens, draw: Draw, *, fills: bool, window: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """(inputs, targets) of a visit in pieces of at most `window` pairs, as many pairs in all as without pieces."""
        if fills:
            rng = rng_for(draw.seed, "cut", draw.epoch, int(rows.table["seq_id"][row]), draw.visit)
            tokens, at, found = rows.tokens_of(row), 0, []
            for size in even_sizes(min(len(tokens) + NUM_CONTROL_TOKENS - 1, rows.window), window):
                part = tokens[at : at + size - NUM_CONTROL_TOKENS + 1]
                found.append(fill_in_the_middle(part, control, size, rng, self.spelling))
                at += len(part)
            return found
        inputs, targets = document(rows, row, control)
        if self.mask_rate and rows.table["label_offset"][row] < 0:
            assert control.mask is not None, "a run is refused without it"
            inputs = self._masked(inputs, control.mask, draw)
        bounds = np.cumsum(even_sizes(len(inputs), window))[:-1]
        return list(zip(np.split(inputs, bounds), np.split(targets, bounds), strict=True))

    def _masked(self, inputs: np.ndarray, mask: int, draw: Draw) -> np.ndarray:
        rng = generator_for(draw.seed, "mask", draw.epoch, draw.visit)
        if rng.random() >= self.mask_rate:
            return inputs
        is_masked = rng.random(len(inputs)) < rng.random() * MOST_MASKED
        is_masked[:1] = False  # the begin of a text says that nothing is before it
        return np.where(is_masked, mask, inputs)


def even_sizes(total: int, most: int) -> list[int]:
    """As few sizes of at most `most` as add up to `total`, as even as can be; [total] where it fits."""
    count = max(1, -(-total // most))
    return [total * (i + 1) // count - total * i // count for i in range(count)]


AS_THEY_STAND = ReadingOptions()
