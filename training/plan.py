"""`--dry-run`: what a run would be - parameters, memory, steps, tokens, time - without training anything."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import nn

from training import devices, models, setup, starting_model
from training.console import duration
from training.objective import Objective
from training.schedule import make_schedule

ACTIVATION_COPIES = (
    34  # hidden-sized values a Llama block keeps for its backward pass, per token (2205.05198)
)
TIMED_PASSES = 2


def make_plan(run: setup.Run) -> Iterator[str]:
    """Lines that say what `train` would do. The rows are parsed (and cached), no weight is changed."""
    rows = setup.open_training_rows(run)
    batches = setup.make_batches(run, rows)
    model, what = starting_model.build_model(run, setup.num_source_tokens(rows))
    num_updates = setup.num_updates_of_run(run.config, batches)
    schedule = make_schedule(run.config.optimization, num_updates)
    plan = batches.epoch(run.config.training.num_epochs - 1)
    yield f"model       {what}: {models.num_parameters(model):,} parameters"
    yield f"trainable   {models.num_parameters(model, trainable_only=True):,} parameters"
    yield f"device      {devices.describe(run.device)}, {str(run.precision).removeprefix('torch.')}"
    yield f"memory      about {estimated_bytes(run, model) / devices.GIB:.2f} GiB of {_available(run)}"
    yield f"data        {len(rows):,} rows, {setup.num_source_tokens(rows):,} source tokens"
    tokens, filled = int(plan.num_pairs.sum()), _filled(run, plan)
    yield f"epoch       {plan.num_steps:,} steps, {tokens:,} tokens, {filled:.1f} % filled"
    yield f"run         {run.config.training.num_epochs:,} epochs, about {num_updates:,} steps"
    rate = setup.learning_rate(run.config, model, run.source)
    ends = f"{schedule.warmup_updates} warm-up, {schedule.cooldown_updates} cool-down"
    kind = setup.optimizer_kind(run.config, run.source)
    yield f"schedule    {kind}, {schedule.shape}, peak {rate:g}, {ends}"
    yield f"compile     {'yes' if setup.wants_compile(run.config, run.device, num_updates) else 'no'}"
    seconds_per_token = _seconds_per_token(run, model, batches)
    total_tokens = num_updates * plan.num_pairs.sum() / max(plan.num_steps, 1)
    yield f"speed       about {1 / seconds_per_token:,.0f} tokens/s (measured, without evaluation)"
    yield f"ETA         {duration(float(total_tokens * seconds_per_token))}"


def estimated_bytes(run: setup.Run, model: nn.Module) -> int:
    """Weights, gradients, optimizer, average, and the activations of one micro-batch."""
    optimization = run.config.optimization
    trainable = models.num_parameters(model, trainable_only=True)
    kind = setup.optimizer_kind(run.config, run.source)
    states = 8 if kind == "adamw" else 6  # Muon keeps one moment of the matrices
    per_trainable = 4 + states + (4 if optimization.ema_decay else 0)
    weights = 4 * models.num_parameters(model) + per_trainable * trainable
    return weights + _activation_bytes(run, model)


def _activation_bytes(run: setup.Run, model: nn.Module) -> int:
    config, optimization = model.config, run.config.optimization
    tokens = optimization.batch_size * run.dataset.window
    per_layer = 2 if optimization.gradient_checkpointing else ACTIVATION_COPIES
    size = 4 if run.precision == torch.float32 else 2
    return tokens * config.hidden_size * config.num_hidden_layers * per_layer * size


def _available(run: setup.Run) -> str:
    return f"{devices.memory_bytes(run.device) / devices.GIB:.0f} GiB"


def _filled(run: setup.Run, plan) -> float:
    return 100 * plan.num_pairs.sum() / max(plan.num_packs * run.dataset.window, 1)


def _seconds_per_token(run: setup.Run, model: nn.Module, batches) -> float:
    """Of forward and backward over one small micro-batch, the better of TIMED_PASSES; weights stay as they are."""
    objective = Objective(model)
    batch = batches.micro_batches(0, 0, size=min(4, run.config.optimization.batch_size))[0].to(run.device)
    best_s = float("inf")
    for _ in range(TIMED_PASSES):
        started_at = time.perf_counter()
        with devices.autocast(run.device, run.precision):
            nats = objective(batch)
        nats.backward()
        nats.item()  # waits for the device
        best_s = min(best_s, time.perf_counter() - started_at)
    return best_s / max(1, int((batch.weights > 0).sum()))
