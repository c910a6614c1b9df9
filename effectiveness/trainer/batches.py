"""Which rows are visited when, how they are packed, and the tensors of one optimizer step.

A batch is a pure function of (seed, epoch, step, rank): resuming needs counters, not a loader's state.

Every visit becomes a document of (input, target) pairs (documents.py). Documents are packed into sequences of one
window; positions restart at each document.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from effectiveness.common.seeding import generator_for
from effectiveness.trainer.documents import (
    AS_THEY_STAND,
    ControlTokens,
    Document,
    Draw,
    ReadingOptions,
    document_pairs,
)
from effectiveness.trainer.epochs import (
    CutRows,
    EpochPlan,
    FreshCuts,
    Pacing,
    even_offsets,
    pack,
    quantiles_of,
)
from effectiveness.trainer.gaps import LEAST_TOKENS, NUM_CONTROL_TOKENS
from effectiveness.trainer.micro_batches import MicroBatch, collate
from effectiveness.trainer.rows import MICRO, Rows

MAX_SAMPLED_EPOCHS = 64
PLANS_KEPT = 2  # the epoch at work, and the next one, whose first batch is made ahead


class Batches:
    """Batches of one split for training. `packs_per_step` counts over all processes."""

    def __init__(
        self,
        rows: Rows,
        control: ControlTokens,
        pacing: Pacing,
        *,
        seed: int,
        packs_per_step: int,
        weighting: str = "visits",
        packing: bool = True,
        reading: ReadingOptions = AS_THEY_STAND,
        fresh_cuts: bool = False,  # of originals that hold every token once, each visited once an epoch
    ) -> None:
        self.rows, self.control, self.seed = rows, control, seed
        self.packs_per_step, self.packing, self.reading = packs_per_step, packing, reading
        self.fixed_shape = False  # one shape for all micro-batches: a compiled model is compiled once
        table = rows.table
        ones = np.full(len(table), MICRO, dtype=np.int64)
        self.visit_weights = table["weight_micro"] if weighting == "visits" else ones
        self.loss_weights = (table["weight_micro"] if weighting == "loss" else ones) / MICRO
        self.num_pairs = document_pairs(table, rows.window)
        self._cuts = FreshCuts(rows, seed) if fresh_cuts else None
        self._begin = 0, 0
        self._offsets = even_offsets(self.visit_weights, seed)
        self.pace(pacing)

    def pace(self, pacing: Pacing) -> None:
        """Follow another curriculum; plans made so far are forgotten."""
        self.pacing = pacing
        self._available_from = pacing.available_from(quantiles_of(self.rows.table["complexity"]))
        self._plans: dict[int, EpochPlan] = {}
        self._planning = threading.Lock()  # batches may be made ahead by a thread

    def begin_at(self, epoch: int, pack: int) -> None:
        """Leave out what a resumed run has seen of `epoch`: the packs before `pack`."""
        with self._planning:
            self._begin = (epoch, pack)
            self._plans.clear()  # of the whole epoch, where one was asked for before

    def epoch(self, epoch: int) -> EpochPlan:
        """The plan of `epoch`; the latest ones are kept."""
        with self._planning:
            if epoch not in self._plans:
                while len(self._plans) >= PLANS_KEPT:
                    del self._plans[next(iter(self._plans))]
                self._plans[epoch] = self._make_plan(epoch)
            return self._plans[epoch]

    def without_packing(self) -> None:
        """Give each document a sequence of its own: for models that let packed ones see each other."""
        self.packing = False
        self.pace(self.pacing)

    def visits(self, epoch: int) -> np.ndarray:
        """Row indices of an epoch in the order they are visited.

        A row of weight w is visited floor((e+1)w + u) - floor(ew + u) times in epoch e: three times an epoch
        for 3, three times in ten epochs for 0.3. Its visits are spread evenly over the epoch.
        """
        counts, starts = self._counts(epoch)
        visits = np.repeat(np.arange(len(self.rows)), counts)
        nth = np.arange(len(visits)) - np.repeat(np.cumsum(counts) - counts, counts)
        jitter = generator_for(self.seed, "order", epoch).random(len(visits))
        times = (nth + jitter) / counts[visits]
        times = starts[visits] + times * (1 - starts[visits])
        return visits[np.argsort(times, kind="stable")]

    def _counts(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each row: visits in this epoch, and the share of it after which the row is available."""
        weights, offsets = self.visit_weights, self._offsets
        counts = ((epoch + 1) * weights + offsets) // MICRO - (epoch * weights + offsets) // MICRO
        starts = self._start_in_epoch(epoch)
        return np.where(starts < 1, counts, 0), starts

    def _start_in_epoch(self, epoch: int) -> np.ndarray:
        """For each used row, the share of this epoch after which it is available: 0 at once, >= 1 not yet."""
        starts = self._available_from * self.pacing.num_epochs - epoch
        return np.clip(starts, 0, 1)

    def _make_plan(self, epoch: int) -> EpochPlan:
        source, rows = self._visited(epoch)
        table = source.table[rows]
        fills = self._fills(epoch, table)
        filled = np.minimum(table["length"] + NUM_CONTROL_TOKENS - 1, source.window)
        num_pairs = np.where(fills, filled, document_pairs(table, source.window))
        weights = np.ones(len(rows)) if self._cuts else self.loss_weights[rows]
        kept = num_pairs > 0  # a file of a single window of one token may have nothing to predict
        order, pack_starts = pack(num_pairs[kept], source.window if self.packing else 0)
        order = np.flatnonzero(kept)[order]
        return EpochPlan(
            epoch=epoch,
            source=source,
            rows=rows[order],
            weights=weights[order],
            fills=fills[order],
            num_pairs=num_pairs[order],
            pack_starts=pack_starts,
            packs_per_step=self.packs_per_step,
            first_pack=min(self._begin[1], len(pack_starts) - 1) if epoch == self._begin[0] else 0,
        )

    def _visited(self, epoch: int) -> tuple[Rows, np.ndarray]:
        """(rows of an epoch, the order they are visited in)."""
        if self._cuts is None:
            return self.rows, self.visits(epoch)
        cut = self._cuts.of(epoch)
        return cut, generator_for(self.seed, "order", epoch).permutation(len(cut))

    def _fills(self, epoch: int, table: np.ndarray) -> np.ndarray:
        if not self.reading.fim_rate:
            return np.zeros(len(table), dtype=bool)
        drawn = generator_for(self.seed, "fill", epoch).random(len(table)) < self.reading.fim_rate
        return drawn & (table["label_offset"] < 0) & (table["length"] >= LEAST_TOKENS)

    def expected_steps(self, num_epochs: int) -> int:
        """Optimizer steps of a whole run, from how well its last epoch packs and the pairs of all others.

        Exact for one epoch, else within about one step an epoch; long runs are judged by a sample of epochs.
        """
        last = self.epoch(num_epochs - 1)
        pairs_per_step = self.packs_per_step * last.num_pairs.sum() / max(last.num_packs, 1)
        sample: Iterable[int] = (
            np.unique(np.linspace(0, num_epochs - 2, MAX_SAMPLED_EPOCHS).astype(int))
            if num_epochs > 1
            else []
        )
        steps = [-(-self.num_pairs @ self._counts(int(e))[0] // max(pairs_per_step, 1)) for e in sample]
        return max(
            1,
            -(-last.num_packs // self.packs_per_step)
            + round(float(np.mean(steps or [0])) * (num_epochs - 1)),
        )

    def step_weight(self, plan: EpochPlan, step: int) -> float:
        """Sum of target weights of one step over all processes: the denominator of its loss."""
        visits = plan.visits_of(plan.packs_of_step(step))
        return float((plan.num_pairs[visits] * plan.weights[visits]).sum())

    def micro_batches(
        self, epoch: int, step: int, *, size: int, rank: int = 0, world: int = 1
    ) -> list[MicroBatch]:
        """This process's share of a step, in micro-batches of at most `size` packs; never an empty list."""
        plan = self.epoch(epoch)
        packs = plan.packs_of_step(step)
        mine = packs[rank::world]
        most = -(-len(packs) // world)  # every process makes equally many micro-batches
        chunks = [mine[first : first + size] for first in range(0, most, size)]
        return [self._assemble(plan, epoch, chunk, size if self.fixed_shape else 0) for chunk in chunks]

    def _assemble(self, plan: EpochPlan, epoch: int, packs: range, num_lines: int) -> MicroBatch:
        window = self._window_at(plan, epoch, packs)
        packed = [self.documents_of(plan, pack, window) for pack in packs]
        return collate(packed, window=self.rows.window, pad=self.control.pad, num_lines=num_lines)

    def documents_of(self, plan: EpochPlan, pack: int, window: int) -> list[Document]:
        """What one sequence holds."""
        visits = range(plan.pack_starts[pack], plan.pack_starts[pack + 1])
        return [found for visit in visits for found in self._documents(plan, plan.epoch, visit, window)]

    def _window_at(self, plan: EpochPlan, epoch: int, packs: range) -> int:
        share = (epoch + packs.start / max(plan.num_packs, 1)) / max(self.pacing.num_epochs, 1e-9)
        return self.reading.window_at(share, self.rows.window)

    def are_whole(self, epoch: int, step: int) -> bool:
        """Whether windows have grown to the length of the rows by this step of this epoch."""
        plan = self.epoch(epoch)
        return self._window_at(plan, epoch, plan.packs_of_step(step)) == self.rows.window

    def _documents(self, plan: EpochPlan, epoch: int, visit: int, window: int) -> list[Document]:
        row, source, weight = int(plan.rows[visit]), plan.source, plan.weights[visit]
        draw, fills = Draw(seed=self.seed, epoch=epoch, visit=visit), bool(plan.fills[visit])
        origin = source.origin(row) if isinstance(source, CutRows) else row
        pieces = self.reading.pieces(source, row, self.control, draw, fills=fills, window=window)
        return [(origin, *pairs, weight) for pairs in pieces]


# --- another dataset, replayed --------------------------------------------------------------------------------


def num_replayed(packs_per_step: int, share: float) -> int:
    """Sequences of a step that are replayed: `share` of them, one at least."""
    return max(1, round(share * packs_per_step))


class WithReplay(Batches):
    """Batches of `packs_per_step` sequences of a dataset, to which `num_replayed` of `replay` are added in every step.

    So a base forgets less of what it knew (replay; 2403.08763). They take the place of as many of the run's own, and
    which they are is a pure function of (seed, epoch, step), too.
    """

    def __init__(self, *arguments: Any, replay: Batches, num_replayed: int, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.replay, self.num_replayed = replay, num_replayed

    def without_packing(self) -> None:
        super().without_packing()
        self.replay.without_packing()

    def step_weight(self, plan: EpochPlan, step: int) -> float:
        other = self.replay.epoch(plan.epoch)
        visits = (other.visits_of(range(p, p + 1)) for p in self._replayed(plan, step))
        return super().step_weight(plan, step) + float(
            sum((other.num_pairs[found] * other.weights[found]).sum() for found in visits)
        )

    def micro_batches(
        self, epoch: int, step: int, *, size: int, rank: int = 0, world: int = 1
    ) -> list[MicroBatch]:
        plan, other = self.epoch(epoch), self.replay.epoch(epoch)
        own, window = plan.packs_of_step(step), self.rows.window
        grown = self._window_at(plan, epoch, own)
        lines = [(self.documents_of(plan, pack, grown), True) for pack in own]
        lines += [
            (self.replay.documents_of(other, pack, window), False) for pack in self._replayed(plan, step)
        ]
        mine, most = lines[rank::world], -(-len(lines) // world)
        return [self._laid_out(mine[first : first + size], size) for first in range(0, most, size)]

    def _laid_out(self, lines: list[tuple[list, bool]], size: int) -> MicroBatch:
        batch = collate(
            [documents for documents, _ in lines],
            window=self.rows.window,
            pad=self.control.pad,
            num_lines=size if self.fixed_shape else 0,
        )
        return replace(batch, rows=tuple(row for found, is_own in lines if is_own for row, *_ in found))

    def _replayed(self, plan: EpochPlan, step: int) -> list[int]:
        """Sequences of the other dataset's plan of this epoch, one after the other, from its first on again."""
        num_packs, first = self.replay.epoch(plan.epoch).num_packs, step * self.num_replayed
        return [int(p) for p in np.arange(first, first + self.num_replayed) % num_packs]
