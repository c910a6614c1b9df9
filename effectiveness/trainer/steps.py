"""One optimizer step: micro-batches in, an update of the weights out.

A step whose loss or gradient is not finite is not applied; its rows are named. A step that runs out of memory is
done again in smaller micro-batches. A stop request is honoured between micro-batches: nothing of a half-made step
is kept, and it is made again, bit for bit, after a resume.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from effectiveness.common.records import UserError
from effectiveness.common.seeding import key_for
from effectiveness.trainer import devices
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config import Training
from effectiveness.trainer.devices import fitting
from effectiveness.trainer.engines import SingleProcess
from effectiveness.trainer.epochs import EpochPlan
from effectiveness.trainer.evaluate import EvaluationScores
from effectiveness.trainer.memory import MemoryPlan
from effectiveness.trainer.metrics import Period
from effectiveness.trainer.micro_batches import Ahead, MicroBatch
from effectiveness.trainer.models import flops_of
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.optimizers import Schedule, set_learning_rate

STEPS_AHEAD = 2  # whose batches are made while the device works: one late thread is not waited for


@dataclass(slots=True, kw_only=True)
class State:
    """All of a run but its tensors; JSON, and together with the seed all that a resume needs."""

    epoch: int = 0
    step_in_epoch: int = 0  # from `first_pack` on
    first_pack: int = 0  # packs of the epoch that were trained on in steps of another size
    num_updates_shift: int = 0  # of the schedule's end, by a resume with another step size
    schedule_is_due: bool = False  # that resume has not moved it yet
    step: int = 0  # steps made, applied or not
    num_updates: int = 0  # steps applied: what the schedule counts
    num_bad_in_a_row: int = 0
    micro_batch_size: int = 0
    evaluation_is_due: bool = True  # what the model is worth before training
    max_windows: int | None = None  # that each evaluation scores, the same ones to the end; 0: all
    epoch_sums: dict = field(default_factory=dict)
    log_sums: dict = field(default_factory=dict)
    best_nats: float | None = None
    best_step: int = 0
    num_evaluations_without_gain: int = 0
    num_not_finite: int = 0  # evaluations
    last_evaluation_is_finite: bool = True
    last_update: int | None = None  # where the run will end, since patience ended it: with its cool-down
    loss_scale: dict = field(default_factory=dict)  # of fp16


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the command does for the loop."""

    evaluate: Callable[[], EvaluationScores]
    save: Callable[[], None]
    save_best: Callable[[EvaluationScores], None]
    report: Callable[[str, dict], None]  # ("step" | "epoch" | "evaluation", values)
    say: Callable[[str], None]
    must_stop: Callable[[], bool]
    weights_are_finite: Callable[[], bool] = lambda: True  # those that `evaluate` scored


class StopTraining(Exception):
    """A signal asked the run to stop; the state is that of the last whole step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStep:
    """A step sent to the device; whether its update was applied is known once `verdict` has arrived."""

    step: int
    # [2 + micro-batches] weighted nats, norm of the gradient, nats of each micro-batch
    verdict: devices.Arriving
    rows: list[tuple[int, ...]]  # of each micro-batch
    weight: float
    num_tokens: int
    flops: float


class Stepper:
    """Model, optimizers, schedule and state of a run, and how one step is made of them."""

    def __init__(
        self,
        *,
        objective: Objective,
        wrapped: nn.Module,
        engine: SingleProcess,
        batches: Batches,
        optimizers: list,
        schedule: Schedule,
        limits: Training,  # when the loop logs, evaluates, saves and stops
        max_grad_norm: float,
        state: State,
        seed: int,
        precision: torch.dtype = torch.float32,
        memory: MemoryPlan | None = None,
    ) -> None:
        self.objective, self.wrapped, self.engine, self.batches = objective, wrapped, engine, batches
        self.optimizers, self.schedule, self.limits, self.state = optimizers, schedule, limits, state
        self.max_grad_norm = max_grad_norm
        self.seed, self.precision, self.memory = seed, precision, memory
        self.model: nn.Module = objective.model
        self.flops = flops_of(self.model)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.scaler = torch.amp.GradScaler(engine.device.type, enabled=precision == torch.float16)
        if state.loss_scale:
            self.scaler.load_state_dict(state.loss_scale)
        self.epoch_period, self.log_period = Period(**state.epoch_sums), Period(**state.log_sums)
        # A GPU is asked how a step went when the next one is on its way: the optimizers skip a bad one by themselves.
        self.reads_late = engine.device.type == "cuda" and not (
            self.scaler.is_enabled() or engine.shards_weights
        )
        self._unread: list[MadeStep] = []
        # A CPU has nothing to make batches with beside its work.
        device = engine.device.type
        self._ahead = None if device == "cpu" else Ahead(self._make_batches, pin=device == "cuda")

    def _step(self, plan: EpochPlan, hooks: Hooks) -> tuple[MadeStep, float]:
        """Make one step: what is to be read of it, and the seconds spent on data."""
        state, engine = self.state, self.engine
        self.model.train()
        denominator = self.batches.step_weight(plan, state.step_in_epoch)
        data_wait_s = 0.0

        def accumulated(size: int) -> tuple[list[MicroBatch], list[torch.Tensor]]:
            nonlocal data_wait_s
            state.micro_batch_size = size
            self._forget_gradients()  # of a pass that failed
            torch.manual_seed(key_for(self.seed, "dropout", state.step, engine.rank))
            started_at = time.perf_counter()
            micro_batches = self._next_batches(plan)
            data_wait_s += time.perf_counter() - started_at
            return micro_batches, self._accumulate(micro_batches, denominator, hooks)

        # Only forward and backward passes are ever made again; an update is made once or not at all.
        micro_batches, losses = fitting(
            accumulated,
            state.micro_batch_size,
            num_processes=engine.world_size,
            say=lambda smaller, size: hooks.say(
                f"out of memory: micro-batches of {smaller} instead of {size}, the same effective batch"
            ),
        )
        verdict = self._apply(losses)
        visits = plan.visits_of(plan.packs_of_step(state.step_in_epoch))
        num_pairs = plan.num_pairs[visits]
        made = MadeStep(
            step=state.step,
            verdict=verdict,
            rows=[batch.rows for batch in micro_batches],
            weight=denominator,
            num_tokens=int(num_pairs.sum()),
            flops=self.flops.of_documents(num_pairs),
        )
        return made, data_wait_s

    def _make_batches(self, epoch: int, step: int, size: int) -> list[MicroBatch]:
        rank, world = self.engine.rank, self.engine.world_size
        return self.batches.micro_batches(epoch, step, size=size, rank=rank, world=world)

    def _next_batches(self, plan: EpochPlan) -> list[MicroBatch]:
        epoch, step, size = self.state.epoch, self.state.step_in_epoch, self.state.micro_batch_size
        if self._ahead is None:
            return self._make_batches(epoch, step, size)
        batches = self._ahead.take((epoch, step, size))
        coming = [
            (epoch, later, size) for later in range(step + 1, min(step + 1 + STEPS_AHEAD, plan.num_steps))
        ]
        self._ahead.foresee([*coming, (epoch + 1, 0, size)][:STEPS_AHEAD])
        return batches

    def _accumulate(
        self, micro_batches: list[MicroBatch], denominator: float, hooks: Hooks
    ) -> list[torch.Tensor]:
        """Forward and backward over the micro-batches: weighted nats of each, still on the device."""
        losses = []
        for number, batch in enumerate(micro_batches, 1):
            if self.engine.world_size == 1 and hooks.must_stop():
                self._forget_gradients()
                raise StopTraining
            with self.engine.accumulating(self.wrapped, is_last=number == len(micro_batches)):
                with devices.autocast(self.engine.device, self.precision):
                    nats = self.wrapped(batch.to(self.engine.device))
                loss = nats * (self.engine.world_size / denominator)
                self.scaler.scale(loss).backward()
            losses.append(nats.detach())
        return losses

    def _apply(self, losses: list[torch.Tensor]) -> devices.Arriving:
        """Update the weights, unless the loss or the gradient is not finite: then no optimizer does anything.

        Returns the verdict of `MadeStep`.
        """
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = self.engine.clip(self.trained, self.max_grad_norm)
        each = torch.stack(losses).float()
        total = self.engine.sum(each.sum())
        verdict = torch.cat((torch.stack((total, norm.float())), each))
        if self.reads_late:
            self._update(is_bad=(~torch.isfinite(verdict[:2]).all()).float())
            return devices.Arriving(verdict)
        verdict = verdict.cpu()
        if bool(torch.isfinite(verdict[:2]).all()):
            self._update(is_bad=None)
        self.scaler.update()  # fp16: a smaller scale after gradients that were not finite, now and then a larger one
        self._forget_gradients()
        return devices.Arriving(verdict)

    def _update(self, is_bad: torch.Tensor | None) -> None:
        """One step of every optimizer, or of none where the device finds `is_bad` to be 1."""
        set_learning_rate(self.optimizers, self.schedule.factor(self.state.num_updates))
        for optimizer in self.optimizers:
            optimizer.found_inf = is_bad
            self.scaler.step(optimizer)
        self.state.num_updates += 1
        self._forget_gradients()

    def _read(self, hooks: Hooks, unread: int = 0) -> None:
        """Hear of all steps but the last `unread` ones how they went, and account for them."""
        while len(self._unread) > unread:
            made = self._unread.pop(0)
            nats, norm, *of_each = made.verdict.tolist()
            if math.isfinite(nats) and math.isfinite(norm):
                self.state.num_bad_in_a_row = 0
                for period in (self.epoch_period, self.log_period):
                    period.add(nats=nats, weight=made.weight, num_tokens=made.num_tokens, flops=made.flops)
                continue
            if self.reads_late:
                self.state.num_updates -= 1  # counted before anybody knew
            self._name_bad_step(made, nats, of_each, hooks)

    def _name_bad_step(self, made: MadeStep, nats: float, of_each: list[float], hooks: Hooks) -> None:
        self.state.num_bad_in_a_row += 1
        bad = [rows for value, rows in zip(of_each, made.rows, strict=True) if not math.isfinite(value)]
        if self.scaler.is_enabled() and math.isfinite(nats):
            scale = f"{self.scaler.get_scale():g}"
            hooks.say(f"step {made.step}: gradient beyond fp16, not applied; the loss scale is now {scale}")
        else:
            rows = sorted({row for batch in bad or made.rows for row in batch})
            ids = self.batches.rows.table["seq_id"][rows].tolist()
            shown = ", ".join(map(str, ids[:16])) + (f" and {len(ids) - 16} more" if len(ids) > 16 else "")
            what = "loss" if bad else "gradient"
            hooks.say(f"step {made.step}: {what} is not finite, not applied; seq_ids {shown}")
        if self.state.num_bad_in_a_row >= self.limits.max_bad_steps:
            raise UserError(
                f"stopped at step {made.step}: {self.state.num_bad_in_a_row} steps in a row were not finite; "
                "lower optimization.learning_rate, or look at the rows named above",
                exit_code=1,
            )

    def _forget_gradients(self) -> None:
        for p in self.trained:
            p.grad = None

    def forget_training(self) -> None:
        """Free what only training needs: gradients and optimizer state."""
        self._forget_gradients()
        for optimizer in self.optimizers:
            optimizer.state.clear()
        devices.free_cached_memory()
