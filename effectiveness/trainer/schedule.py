"""The learning rate of each update, as a factor of its peak."""

from __future__ import annotations

import math
from dataclasses import dataclass

from effectiveness.common.records import UserError

MIN_DEFAULT_WARMUP = 100
DEFAULT_WARMUP_SHARE = 0.02
MAX_DEFAULT_WARMUP_SHARE = 0.1  # of a short run


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Warm-up, then one of four shapes over `num_updates` updates."""

    shape: str  # "flat_cooldown" | "cosine" | "linear" | "constant"
    num_updates: int
    warmup_updates: int
    cooldown_updates: int = 0
    min_ratio: float = 0.0

    def factor(self, update: int) -> float:
        """Of the peak learning rate for the update that follows `update` updates; in (0, 1] before the end."""
        if update < self.warmup_updates:
            return (update + 1) / (self.warmup_updates + 1)
        return self.min_ratio + (1 - self.min_ratio) * self._decay(update)

    def _decay(self, update: int) -> float:
        left = self.num_updates - update
        if self.shape == "flat_cooldown":
            return min(1.0, max(0, left) / (self.cooldown_updates + 1))
        if self.shape == "constant":
            return 1.0
        share = min(1.0, (update - self.warmup_updates) / max(1, self.num_updates - self.warmup_updates))
        return 1 - share if self.shape == "linear" else 0.5 * (1 + math.cos(math.pi * share))


def make_schedule(optimization, num_updates: int) -> Schedule:
    """The schedule for a run of `num_updates`; `optimization` is that section of the configuration.

    Raises UserError when a warm-up was asked for that does not fit into the run.
    """
    warmup = _warmup_updates(optimization, num_updates)
    cooldown = round(optimization.cooldown_fraction * num_updates)
    return Schedule(
        shape=optimization.lr_scheduler,
        num_updates=num_updates,
        warmup_updates=warmup,
        cooldown_updates=min(cooldown, num_updates - warmup),
        min_ratio=optimization.min_lr_ratio,
    )


def _warmup_updates(optimization, num_updates: int) -> int:
    if optimization.warmup_steps is not None:
        if optimization.warmup_steps >= num_updates and optimization.warmup_steps > 0:
            raise UserError(
                f"optimization.warmup_steps is {optimization.warmup_steps}, but the whole run has "
                f"{num_updates} updates; lower it or train for more epochs"
            )
        return optimization.warmup_steps
    if optimization.warmup_ratio is not None:
        return round(optimization.warmup_ratio * num_updates)
    default = max(MIN_DEFAULT_WARMUP, round(DEFAULT_WARMUP_SHARE * num_updates))
    return min(default, round(MAX_DEFAULT_WARMUP_SHARE * num_updates))
