"""How much of the held-out files a run scores each time, so that measuring does not take longer than training.

Windows of held-out files overlap, so a short run would spend most of its time on them: 40 steps of half a minute were
followed by ten minutes of scoring. With `evaluation.max_windows: auto` all evaluations of a run together cost at most a
fifth of what its training costs, by the arithmetic of both; a run that can afford all windows scores all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import nn

from effectiveness.trainer import models
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.documents import document_pairs
from effectiveness.trainer.evaluate import HeldOut
from effectiveness.trainer.loop import Limits

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
            f"{scored:,} of {self.num_windows_in_all:,} windows of val files, the same ones each of "
            f"{self.num_evaluations - NUM_AT_THE_END:,} times; at the end as many of val and test; in all "
            f"{100 * self.share:.0f} % of what the training costs"
        )


def plan_evaluations(
    held_out: HeldOut, model: nn.Module, batches: Batches, limits: Limits, num_updates: int, asked: int | None
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


def num_evaluations(batches: Batches, limits: Limits, num_updates: int) -> int:
    """Before training, after each epoch and every `eval_steps`, and at the end."""
    steps_of_epoch = batches.expected_steps(limits.num_epochs) / limits.num_epochs
    epochs = math.ceil(num_updates / max(1, steps_of_epoch))
    between = num_updates // limits.eval_steps if limits.eval_steps else 0
    return 1 + epochs + between + NUM_AT_THE_END


def tokens_per_step(batches: Batches, limits: Limits) -> float:
    plan = batches.epoch(limits.num_epochs - 1)  # a curriculum's first epochs are short
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
