"""What is scored of held-out files, and how much: each source token once, with the longest context its windows give.

Windows of a file overlap. A token is scored in the first window that holds it - there it has the most text before
it - and is context only in the others. Of a row that says so (`scored`) only some tokens count.

A short run would spend most of its time on that: 40 steps of half a minute were followed by ten minutes of scoring.
With `evaluation.max_windows: auto` all evaluations of a run together cost at most a fifth of what its training costs,
by the arithmetic of both; a run that can afford all windows scores all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from effectiveness.common.console import count
from effectiveness.common.endings import tell_on_stderr
from effectiveness.common.records import ORIGINAL, VARIANTS
from effectiveness.common.seeding import key_for
from effectiveness.trainer import models
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config import Training, filled
from effectiveness.trainer.devices import fitting
from effectiveness.trainer.documents import ControlTokens, Document, document, document_pairs
from effectiveness.trainer.micro_batches import MicroBatch, collate
from effectiveness.trainer.rows import Rows

MAX_FILE_SHARE = 0.1  # of a split
MAX_FAIR_SHARES = 2  # but where files are few each may count twice its even share


class HeldOut:
    """What to score of one split, found once: rows, the first scored target of each, and their batches."""

    def __init__(
        self,
        rows: Rows,
        control: ControlTokens,
        num_bytes: np.ndarray,
        *,
        batch_size: int,
        max_windows: int | None = None,
        variants: bool = True,
        fixed_shape: bool = False,
        seed: int = 0,
        say: Callable[[str], None] = tell_on_stderr,
    ) -> None:
        """At most `max_windows` of the originals (and so many of the variants), drawn by `seed`; None, 0: all."""
        self.say = say
        self.rows, self.control, self.num_bytes, self.batch_size = rows, control, num_bytes, batch_size
        self.fixed_shape = fixed_shape  # one shape for all batches: a compiled model is compiled once
        self.first_scored = first_scored_targets(rows)
        num_pairs = document_pairs(rows.table, rows.window)
        original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
        has_targets = (self.first_scored < num_pairs) & _has_scored(rows, self.first_scored)
        parts = [has_targets & original] + ([has_targets & ~original] if variants else [])
        scored = np.concatenate([_spread(rows.table, part, max_windows, seed) for part in parts])
        self.num_windows_in_all = int(parts[0].sum())
        self.bytes_of_file = _bytes_of_file(rows, self.first_scored, parts[0], num_bytes)
        self.factors = file_factors(self.bytes_of_file)  # of the whole split, whatever is drawn from it
        self.order = scored[np.argsort(-num_pairs[scored], kind="stable")]  # alike lengths side by side

    @property
    def largest(self) -> tuple[str, float] | None:
        """The file with the most bytes and its share of them, where that is more than it counts for."""
        if not self.rows.files or self.factors.min() == 1:
            return None
        index = int(self.bytes_of_file.argmax())
        return self.rows.files[index], float(self.bytes_of_file[index] / self.bytes_of_file.sum())

    def batches(self) -> Iterator[tuple[np.ndarray, MicroBatch]]:
        """(row indices, batch) for one process."""
        for first in range(0, len(self.order), self.batch_size):
            indices = self.order[first : first + self.batch_size]
            yield indices, self._assemble(indices)

    def scored(
        self, token_nats: Callable[[MicroBatch], torch.Tensor], *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[np.ndarray, MicroBatch, np.ndarray]]:
        """(row indices, batch, nats float64 [B, T]) of this process; all make as many, smaller where memory ends."""
        first = 0
        while first < len(self.order):
            indices, batch, nats = fitting(
                partial(self._scored_at, first, rank, world_size, token_nats),
                self.batch_size,
                num_processes=world_size,
                say=self._say_smaller,
            )
            yield indices, batch, nats
            first += self.batch_size * world_size

    def _scored_at(self, first: int, rank: int, world_size: int, token_nats, size: int):
        self.batch_size = size  # from now on
        mine = self.order[first : first + size * world_size][rank::world_size]
        batch = self._assemble(mine)
        return mine, batch, token_nats(batch).cpu().double().numpy()

    def _say_smaller(self, smaller: int, size: int) -> None:
        self.say(f"out of memory: {smaller} sequences instead of {size} are scored at a time")

    def _assemble(self, indices: np.ndarray) -> MicroBatch:
        packs: list[list[Document]] = []
        for index in indices.tolist():
            inputs, targets = document(self.rows, index, self.control)
            packs.append([(index, inputs, targets, self._weights(index, len(targets)))])
        window, pad = self.rows.window, self.control.pad
        return collate(packs, window=window, pad=pad, num_lines=self.batch_size if self.fixed_shape else 0)

    def _weights(self, index: int, num_targets: int) -> np.ndarray:
        """1 for the targets to be scored; the end token is no source token."""
        weights = np.ones(num_targets, dtype=np.float32)
        weights[: self.first_scored[index]] = 0
        row = self.rows.table[index]
        skipped = int(row["start_token"] > 0)  # target 0 is then token 1
        weights[row["length"] - skipped :] = 0
        weights[: row["length"] - skipped] *= self.rows.scored_of(index)[skipped:]
        return weights


def file_factors(num_bytes: np.ndarray) -> np.ndarray:
    """What each file's sums are multiplied with, float64 [files]: 1, and less for a file above its cap.

    `num_bytes` are the scored bytes of each. Afterwards no file holds more than a tenth of all bytes, or than two even
    shares where that is more.
    """
    sizes = np.sort(num_bytes[num_bytes > 0])[::-1].astype(np.float64)
    share = max(MAX_FILE_SHARE, MAX_FAIR_SHARES / max(1, len(sizes)))
    if share >= 1 or not len(sizes):
        return np.ones(len(num_bytes))
    rest = np.append(np.cumsum(sizes[::-1])[::-1], 0.0)  # bytes of all but the k largest
    cap, capped = sizes[0], 0
    while capped < len(sizes) and sizes[capped] > (cap := share * rest[capped] / (1 - share * capped)):
        capped += 1
    return np.minimum(1.0, cap / np.maximum(num_bytes, 1)) if capped else np.ones(len(num_bytes))


def _spread(table: np.ndarray, chosen: np.ndarray, count: int | None, seed: int) -> np.ndarray:
    """Indices of `count` of the `chosen` rows, bool [rows], evenly over languages, files and their text."""
    rows = np.flatnonzero(chosen)
    if not count or count >= len(rows):
        return rows
    part = table[rows]
    rows = rows[np.lexsort((part["start_token"], part["file"], part["language"]))]
    first = key_for(seed, "held-out windows") % len(rows)
    return rows[(np.arange(count) * len(rows) + first) // count]


def _has_scored(rows: Rows, first_scored: np.ndarray) -> np.ndarray:
    """bool [rows]: whether a token that counts is among the targets from `first_scored` on."""
    if not len(rows.scored):
        return np.ones(len(rows), dtype=np.bool_)
    return _sums_of_targets(rows, first_scored, rows.scored) > 0


def _sums_of_targets(rows: Rows, first_scored: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` [tokens] summed over the targets of each row from `first_scored` on, int64 [rows]."""
    table = rows.table
    before = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    end = table["offset"] + table["length"]
    begin = np.minimum(end, table["offset"] + (table["start_token"] > 0) + first_scored)
    return before[end] - before[begin]


def _bytes_of_file(
    rows: Rows, first_scored: np.ndarray, chosen: np.ndarray, num_bytes: np.ndarray
) -> np.ndarray:
    """Bytes of the scored tokens of each file's `chosen` rows, int64 [files]."""
    values = num_bytes[rows.tokens] * (rows.scored if len(rows.scored) else 1)
    of_row = _sums_of_targets(rows, first_scored, values)[chosen]
    return np.bincount(rows.table["file"][chosen], of_row, len(rows.files)).astype(np.int64)


def first_scored_targets(rows: Rows) -> np.ndarray:
    """Index of the first target of each row that no earlier window of its file has scored, int64 [rows].

    Variants are scored whole: their windows are not windows of the source.
    """
    table = rows.table
    first = np.zeros(len(table), dtype=np.int64)
    originals = np.flatnonzero(table["variant"] == VARIANTS.index(ORIGINAL))
    order = originals[np.lexsort((table["start_token"][originals], table["file"][originals]))]
    scored_until, file = 0, -1
    for index in order.tolist():
        row = table[index]
        start, length = int(row["start_token"]), int(row["length"])
        if row["file"] != file:
            scored_until, file = 0, row["file"]
        begin = int(start == 0)  # target 0 is then token 0, else token start + 1
        first[index] = max(0, scored_until - (start + 1 - begin))
        scored_until = max(scored_until, start + length)
    return first


# --- how much of it -------------------------------------------------------------------------------------------


SHARE = 0.2
MIN_WINDOWS = 16  # fewer are no measurement, however short the run
NUM_AT_THE_END = 2  # val and test, with the best weights


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """The same for every evaluation of a run."""

    max_windows: int  # of a split's originals; 0: all
    num_windows_in_all: int  # of val
    num_evaluations: int
    share: float  # of the training's cost that all of them cost

    @property
    def words(self) -> str:
        scored = self.max_windows or self.num_windows_in_all
        return (
            f"{scored:,} of {count(self.num_windows_in_all, 'window')} of val files, the same ones each of "
            f"{self.num_evaluations - NUM_AT_THE_END:,} times; at the end as many of val and test; in all "
            f"{100 * self.share:.0f} % of what the training costs"
        )


def plan_evaluations(
    held_out: HeldOut,
    model: nn.Module,
    batches: Batches,
    limits: Training,
    num_updates: int,
    asked: int | None,
) -> EvaluationPlan:
    """`held_out`: all of val. `asked`: what is configured; None: auto."""
    training = (
        num_updates * tokens_per_step(batches, limits) * (2 + _trained_share(model))
    )  # in tokens of a forward pass
    count = num_evaluations(batches, limits, num_updates)
    in_all, window = len(held_out.order), mean_window(held_out)
    affordable = int(SHARE * training / (count * window)) if window else 0
    chosen = max(MIN_WINDOWS, affordable) if asked is None else asked
    chosen = 0 if chosen >= in_all else chosen
    cost = count * (chosen or in_all) * window
    return EvaluationPlan(
        max_windows=chosen,
        num_windows_in_all=in_all,
        num_evaluations=count,
        share=cost / training if training else 0.0,
    )


def num_evaluations(batches: Batches, limits: Training, num_updates: int) -> int:
    """Before training, after each epoch and every `eval_steps`, and at the end."""
    num_epochs = filled(limits.num_epochs)
    steps_of_epoch = batches.expected_steps(num_epochs) / num_epochs
    epochs = math.ceil(num_updates / max(1, steps_of_epoch))
    between = num_updates // limits.eval_steps if limits.eval_steps else 0
    return 1 + epochs + between + NUM_AT_THE_END


def tokens_per_step(batches: Batches, limits: Training) -> float:
    plan = batches.epoch(filled(limits.num_epochs) - 1)  # a curriculum's first epochs are short
    return float(plan.num_pairs.sum()) / max(1, plan.num_steps)


def mean_window(held_out: HeldOut) -> float:
    """Tokens that are computed for one window."""
    if held_out.fixed_shape:
        return float(held_out.rows.window)
    pairs = document_pairs(held_out.rows.table, held_out.rows.window)[held_out.order]
    return float(np.mean(pairs)) if len(pairs) else 0.0


def _trained_share(model: nn.Module) -> float:
    """Gradients of weights cost a forward pass, those of adapters hardly anything."""
    return models.num_parameters(model, trainable_only=True) / max(1, models.num_parameters(model))
