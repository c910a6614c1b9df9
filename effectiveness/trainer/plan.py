"""`--dry-run`: what a run would be - parameters, memory, steps, tokens, time - without training anything."""

from __future__ import annotations

import time
from collections.abc import Iterator

from torch import nn

from effectiveness.common.recipes import TRAINED
from effectiveness.trainer import defaults, devices, models, recut, setup, starting_model
from effectiveness.trainer.batches import Batches, MicroBatch
from effectiveness.trainer.config import filled
from effectiveness.trainer.console import duration
from effectiveness.trainer.evaluation_plan import plan_evaluations
from effectiveness.trainer.export import exported_dtype
from effectiveness.trainer.fitting import fitting
from effectiveness.trainer.memory import MemoryPlan, plan_memory
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.schedule import make_schedule

TIMED_PASSES = 2


def make_plan(run: setup.Run) -> Iterator[str]:
    """Lines that say what `train` would do. The rows are parsed (and cached), no weight is changed."""
    rows = setup.open_training_rows(run)
    run = setup.with_defaults(run, rows)
    num_epochs = filled(run.config.training.num_epochs)
    batches = setup.make_batches(run, rows)
    model, what = starting_model.build_model(run, recut.num_source_tokens(rows))
    num_updates = setup.num_updates_of_run(run.config, batches)
    schedule = make_schedule(run.config.optimization, num_updates)
    plan = batches.epoch(num_epochs - 1)
    yield f"model       {what}: {models.num_parameters(model):,} parameters"
    yield f"trainable   {models.num_parameters(model, trainable_only=True):,} parameters"
    yield f"device      {devices.describe(run.device)}, {str(run.precision).removeprefix('torch.')}"
    compiles = setup.wants_compile(run.config, run.device, setup.work_of_run(run, model, batches))
    objective = Objective(model, run.precision)
    memory = plan_memory(
        objective,
        run.config.optimization,
        device=run.device,
        precision=run.precision,
        optimizer=setup.optimizer_kind(run.config, run.source),
        micro_batch=run.config.optimization.batch_size,
        window=run.dataset.window,
        is_compiled=compiles,
    )
    yield from (f"{'' if number else 'memory':<12}{line}" for number, line in enumerate(memory.lines()))
    yield f"disk        {disk_bytes(run, memory, model) / devices.GIB:.2f} GiB: checkpoints and the finished model"
    yield f"recipe      {defaults.in_words(run.config)}"
    yield f"rows        {TRAINED[run.config.recipe].words}"
    yield f"data        {len(rows):,} rows, {recut.num_source_tokens(rows):,} source tokens"
    tokens, percent = int(plan.num_pairs.sum()), _percent_filled(run, plan)
    yield f"epoch       {plan.num_steps:,} steps, {tokens:,} tokens, {percent:.1f} % filled"
    yield f"run         {num_epochs:,} epochs, about {num_updates:,} steps"
    rate = setup.learning_rate(run.config, model, run.source)
    ends = f"{schedule.warmup_updates} warm-up, {schedule.cooldown_updates} cool-down"
    kind = setup.optimizer_kind(run.config, run.source)
    yield f"schedule    {kind}, {schedule.shape}, peak {rate:g}, {ends}"
    yield f"compile     {'yes' if compiles else 'no'}"
    yield f"measure     {_evaluations(run, model, batches, num_updates)}"
    if memory.checkpointing:
        objective.checkpoint_blocks()
    seconds_per_token = _seconds_per_token(run, objective, batches, memory.micro_batch)
    total_tokens = num_updates * plan.num_pairs.sum() / max(plan.num_steps, 1)
    yield f"speed       about {1 / seconds_per_token:,.0f} tokens/s (measured, without evaluation)"
    yield f"ETA         {duration(float(total_tokens * seconds_per_token))}"


def disk_bytes(run: setup.Run, memory: MemoryPlan, model: nn.Module) -> int:
    """What the output directory grows to: step checkpoints and one more while it is written, the best, the export."""
    trained = 4 * models.num_parameters(model, trainable_only=True)
    step = trained + memory.optimizer + memory.average
    exported = models.num_parameters(model) * exported_dtype(run.config.model.torch_dtype, model).itemsize
    return (run.config.training.save_total_limit + 1) * step + 2 * trained + exported


def _evaluations(run: setup.Run, model: nn.Module, batches: Batches, num_updates: int) -> str:
    held_out = setup.make_held_out(run, setup.open_split(run, "val"), max_windows=0)
    if not len(held_out.order):
        return "nothing, no val file is held out"
    limits, asked = setup.limits_of(run.config), run.config.evaluation.max_windows
    return plan_evaluations(held_out, model, batches, limits, num_updates, asked).words


def _percent_filled(run: setup.Run, plan) -> float:
    return 100 * plan.num_pairs.sum() / max(plan.num_packs * run.dataset.window, 1)


def _seconds_per_token(run: setup.Run, objective: Objective, batches, micro_batch: int) -> float:
    """Of forward and backward over one small micro-batch, the better of TIMED_PASSES; weights stay as they are."""

    def timed(size: int) -> float:
        batch = batches.micro_batches(0, 0, size=size)[0].to(run.device)
        best_s = min(_timed_pass_s(run, objective, batch) for _ in range(TIMED_PASSES))
        return best_s / max(1, int((batch.weights > 0).sum()))

    return fitting(timed, min(4, micro_batch), say=lambda *_: None)  # the plan's own lines say what fits


def _timed_pass_s(run: setup.Run, objective: Objective, batch: MicroBatch) -> float:
    started_at = time.perf_counter()
    with devices.autocast(run.device, run.precision):
        nats = objective(batch)
    nats.backward()
    nats.item()  # waits for the device
    return time.perf_counter() - started_at
