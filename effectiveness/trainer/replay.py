"""Sequences of another dataset in every step, so that a base forgets less of what it knew (replay; 2403.08763).

They take the place of as many of the run's own, and which they are is a pure function of (seed, epoch, step), too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from effectiveness.trainer.batches import Batches, EpochPlan, MicroBatch, collate


def num_replayed(packs_per_step: int, share: float) -> int:
    """Sequences of a step that are replayed: `share` of them, one at least."""
    return max(1, round(share * packs_per_step))


class WithReplay(Batches):
    """Batches of `packs_per_step` sequences of a dataset, to which `num_replayed` of `replay` are added."""

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
