"""Which rows are visited when, how they are packed, and the tensors of one optimizer step.

A batch is a pure function of (seed, epoch, step, rank): resuming needs two integers, not a loader's state.

Every visit becomes a document of (input, target) pairs (documents.py). Documents are packed into sequences of one
window; positions restart at each document.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from effectiveness.common.repository_context import CONTEXT_SHARE
from effectiveness.common.seeding import key_for
from effectiveness.trainer.attention import has_kernel
from effectiveness.trainer.context_rows import ContextRows
from effectiveness.trainer.documents import (
    AS_THEY_STAND,
    ControlTokens,
    Document,
    Draw,
    Reading,
    document_pairs,
)
from effectiveness.trainer.fresh_cuts import CutRows, FreshCuts
from effectiveness.trainer.gaps import LEAST_TOKENS, NUM_CONTROL_TOKENS
from effectiveness.trainer.rows import MICRO, Rows

MAX_OPEN_PACKS = 64  # a short document waits at most this many packs for company: order is nearly kept
MAX_SAMPLED_EPOCHS = 64
ROUND_TO = 32  # sequences are cut to the longest pack of a micro-batch, rounded up
LEAST_BOUNDS = 256  # of documents in a micro-batch of fixed shape
PLANS_KEPT = 2  # the epoch at work, and the next one, whose first batch is made ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """When a row becomes available: rows of complexity quantile q from share `available_from(q)` of the run."""

    curriculum: str  # "stages" | "warmup_fraction" | "none"
    fraction: float
    num_epochs: float  # of the whole run; fewer when max_steps ends it earlier

    def available_from(self, quantiles: np.ndarray) -> np.ndarray:
        """Share of the run, in [0, 1], for quantiles in [0, 1)."""
        if self.curriculum == "stages":  # the simplest third at once, the next after a third of the run ...
            return np.floor(3 * quantiles) / 3
        if self.curriculum == "warmup_fraction":
            return self.fraction * quantiles
        return np.zeros_like(quantiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPlan:
    """The visits of one epoch in packing order; pack p holds visits[pack_starts[p]:pack_starts[p + 1]]."""

    epoch: int
    source: Rows
    rows: np.ndarray  # int64 [visits] index into source.table
    weights: np.ndarray  # float64 [visits] of each target in the loss
    fills: np.ndarray  # bool [visits] fill-in-the-middle
    quotes: np.ndarray  # bool [visits] behind excerpts of other files
    num_pairs: np.ndarray  # int64 [visits] inputs (= targets) of the document, without what it quotes
    pack_starts: np.ndarray  # int64 [packs + 1]
    packs_per_step: int
    first_pack: int = 0  # those before it were trained on in steps of another size

    @property
    def num_packs(self) -> int:
        return len(self.pack_starts) - 1

    @property
    def num_steps(self) -> int:
        return -(-(self.num_packs - self.first_pack) // self.packs_per_step)

    def packs_of_step(self, step: int) -> range:
        first = self.first_pack + step * self.packs_per_step
        return range(first, min(first + self.packs_per_step, self.num_packs))

    def visits_of(self, packs: range) -> slice:
        return slice(self.pack_starts[packs.start], self.pack_starts[packs.stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """Tensors of a few packs, all [B, T]. Padding has weight 0 and is a document of its own."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor
    weights: torch.Tensor  # float32
    rows: tuple[int, ...]  # whose documents these are, for error messages
    # int32 [documents + 1]: first token of each in the flattened batch, and its end
    bounds: torch.Tensor | None = None
    longest: int = 0  # tokens of the longest document, or more where shapes are fixed

    def pinned(self) -> MicroBatch:
        """In memory that a GPU reads by itself."""
        return self._each(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device) -> MicroBatch:
        """On `device`, without waiting where memory is pinned. Bounds go along where a kernel reads them."""
        if device.type == "cpu":
            return self
        batch = self.pinned() if device.type == "cuda" and not self.input_ids.is_pinned() else self
        moved = batch._each(lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))
        return moved if has_kernel(device) else replace(moved, bounds=self.bounds)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> MicroBatch:
        names = ("input_ids", "labels", "position_ids", "weights", "bounds")
        changed: dict[str, Any] = {
            name: change(tensor) for name in names if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **changed)


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
        reading: Reading = AS_THEY_STAND,
        context: ContextRows | None = None,
        context_rate: float = 0.0,  # share of texts that are cut to be read behind other files
        fresh_cuts: bool = False,  # of originals that hold every token once, each visited once an epoch
    ) -> None:
        self.rows, self.control, self.seed = rows, control, seed
        self.packs_per_step, self.packing, self.reading = packs_per_step, packing, reading
        self.context = context
        self.fixed_shape = False  # one shape for all micro-batches: a compiled model is compiled once
        table = rows.table
        ones = np.full(len(table), MICRO, dtype=np.int64)
        self.visit_weights = table["weight_micro"] if weighting == "visits" else ones
        self.loss_weights = (table["weight_micro"] if weighting == "loss" else ones) / MICRO
        self.num_pairs = document_pairs(table, rows.window)
        self._cuts = FreshCuts(rows, seed, context_rate if context else 0.0) if fresh_cuts else None
        self._begin = 0, 0
        self._offsets = _even_offsets(self.visit_weights, seed)
        self.pace(pacing)

    def pace(self, pacing: Pacing) -> None:
        """Follow another curriculum; plans made so far are forgotten."""
        self.pacing = pacing
        self._available_from = pacing.available_from(_quantiles(self.rows.table["complexity"]))
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
        jitter = _generator(self.seed, "order", epoch).random(len(visits))
        times = (nth + jitter) / counts[visits]
        times = starts[visits] + times * (1 - starts[visits])
        return visits[np.argsort(times, kind="stable")]

    def _counts(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each used row: visits in this epoch, and the share of it after which the row is available."""
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
        quotes = source.quotes[rows] if isinstance(source, CutRows) else np.zeros(len(rows), dtype=bool)
        own = np.where(quotes, table["length"] + table["is_last"], document_pairs(table, source.window))
        num_pairs = np.where(fills, filled, own)
        weights = np.ones(len(rows)) if self._cuts else self.loss_weights[rows]
        kept = num_pairs > 0  # a file of a single window of one token may have nothing to predict
        sizes = np.where(
            quotes, np.minimum(num_pairs + int(CONTEXT_SHARE * source.window), source.window), num_pairs
        )
        order, pack_starts = pack(sizes[kept], source.window if self.packing else 0)
        order = np.flatnonzero(kept)[order]
        return EpochPlan(
            epoch=epoch,
            source=source,
            rows=rows[order],
            weights=weights[order],
            fills=fills[order],
            quotes=quotes[order],
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
        return cut, _generator(self.seed, "order", epoch).permutation(len(cut))

    def _fills(self, epoch: int, table: np.ndarray) -> np.ndarray:
        if not self.reading.fim_rate:
            return np.zeros(len(table), dtype=bool)
        drawn = _generator(self.seed, "fill", epoch).random(len(table)) < self.reading.fim_rate
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

    def _documents(self, plan: EpochPlan, epoch: int, visit: int, window: int) -> list[Document]:
        row, source, weight = int(plan.rows[visit]), plan.source, plan.weights[visit]
        draw, fills = Draw(seed=self.seed, epoch=epoch, visit=visit), bool(plan.fills[visit])
        origin = source.origin(row) if isinstance(source, CutRows) else row
        if not plan.quotes[visit]:
            pieces = self.reading.pieces(source, row, self.control, draw, fills=fills, window=window)
            return [(origin, *pairs, weight) for pairs in pieces]
        assert self.context is not None, "nothing is quoted without it"
        quoting = self.context.pieces(source, row, self.control, draw, fills=fills, window=window)
        return [
            (origin, inputs, targets, np.where(np.arange(len(targets)) < quoted, 0, weight))
            for inputs, targets, quoted in quoting
        ]


def pack(num_pairs: np.ndarray, capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Group documents into packs of at most `capacity` pairs: (order of documents, starts of packs in it).

    Best fit among the latest MAX_OPEN_PACKS; packs stand in the order of their first documents.
    Capacity 0 gives each document a pack of its own.
    """
    pack_of = np.empty(len(num_pairs), dtype=np.int64)
    room: list[tuple[int, int]] = []  # (pairs that still fit, pack), sorted
    num_packs = 0
    for index, size in enumerate(num_pairs.tolist()):
        best = bisect.bisect_left(room, (size, -1)) if size < capacity else len(room)
        if best < len(room):
            left, number = room.pop(best)
        else:
            left, number = capacity, num_packs
            num_packs += 1
        pack_of[index] = number
        if left > size:
            bisect.insort(room, (left - size, number))
            if len(room) > MAX_OPEN_PACKS:
                room.remove(min(room, key=lambda entry: entry[1]))
    order = np.argsort(pack_of, kind="stable")
    starts = np.searchsorted(pack_of[order], np.arange(num_packs + 1))
    return order, starts


def _generator(seed: int, *what: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key_for(seed, *what)))


def _even_offsets(weights: np.ndarray, seed: int) -> np.ndarray:
    """A start in [0, MICRO) for each row; rows of equal weight get evenly spaced ones, so epochs are alike."""
    rng, offsets = _generator(seed, "visits"), np.empty(len(weights), dtype=np.int64)
    for weight in np.unique(weights):
        rows = np.flatnonzero(weights == weight)
        offsets[rows] = rng.permutation(len(rows)) * MICRO // len(rows)
    return offsets


def _quantiles(complexity: np.ndarray) -> np.ndarray:
    """Rank of each row by complexity as a share in [0, 1)."""
    ranks = np.empty(len(complexity), dtype=np.int64)
    ranks[np.argsort(complexity, kind="stable")] = np.arange(len(complexity))
    return ranks / max(len(complexity), 1)


def collate(packs: list[list[Document]], *, window: int, pad: int, num_lines: int = 0) -> MicroBatch:
    """Lay documents out in [packs, T] tensors; no packs give one line of padding.

    T is the longest pack rounded up to ROUND_TO. With `num_lines` the shape is [num_lines, window] whatever the packs.
    """
    longest = max((sum(len(inputs) for _, inputs, _, _ in pack) for pack in packs), default=1)
    rounded = min(-(-longest // ROUND_TO) * ROUND_TO, window)
    shape = (num_lines, window) if num_lines else (max(len(packs), 1), max(rounded, longest))
    ids, labels = np.full(shape, pad, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    positions = np.broadcast_to(np.arange(shape[1]), shape).copy()
    weights = np.zeros(shape, dtype=np.float32)
    for line, documents in enumerate(packs):
        at = 0
        for _, inputs, targets, weight in documents:
            place = line, slice(at, at + len(inputs))
            ids[place], labels[place], weights[place] = inputs, targets, weight
            positions[place] = np.arange(len(inputs))
            at += len(inputs)
        positions[line, at:] = np.arange(shape[1] - at)  # padding is a document of its own
    bounds, longest = _bounds(positions, num_lines * window)
    return MicroBatch(
        input_ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(positions),
        weights=torch.from_numpy(weights),
        rows=tuple(row for documents in packs for row, *_ in documents),
        bounds=torch.from_numpy(bounds),
        longest=longest,
    )


def _bounds(positions_BT: np.ndarray, num_fixed: int) -> tuple[np.ndarray, int]:
    """(starts of documents and the end of the last one, int32; the longest one's tokens).

    Where shapes are fixed, empty documents fill the bounds up to a power of two, and the longest one may have a window.
    """
    starts = np.flatnonzero(positions_BT == 0)
    lengths = np.diff(starts, append=positions_BT.size)
    size = len(starts) + 1
    if num_fixed:
        size = max(LEAST_BOUNDS, 1 << len(starts).bit_length())
    bounds = np.full(size, positions_BT.size, dtype=np.int32)
    bounds[: len(starts)] = starts
    return bounds, positions_BT.shape[1] if num_fixed else int(lengths.max())
