"""What a run starts from: a preset of fresh weights, a named model, or the weights of an earlier run; and the trainer
around it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from effectiveness.common.records import UserError
from effectiveness.trainer import adapters, checkpoint, defaults, devices, models
from effectiveness.trainer.adapters import lower_frozen
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config import Config
from effectiveness.trainer.devices import one_line_where_memory_ends
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.memory import MemoryPlan, plan_memory
from effectiveness.trainer.model_files import CAN_FILL, can_fill, record_gaps
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.optimizers import (
    default_beta2,
    make_optimizers,
    make_schedule,
    make_states,
)
from effectiveness.trainer.run_directory import CHECKPOINTS
from effectiveness.trainer.setup import Run, finished_model, num_updates_of_run
from effectiveness.trainer.steps import State
from effectiveness.trainer.vocabulary import compare_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_model(run: Run, num_train_tokens: int) -> tuple[nn.Module, str]:
    """(model on the device, what it is in words). Weights are float32; frozen ones bfloat16 where no bit is lost."""
    settings = run.config.model
    name = finished_model(run.source) or settings.pretrained_model
    new_ids: frozenset[int] = frozenset()
    if name is None:
        preset = models.choose_preset(
            settings.preset, num_train_tokens, run.device, devices.memory_bytes(run.device)
        )
        model = _build_preset(run, preset)
        setattr(model.config, CAN_FILL, False)
        what = f"preset {preset}, from scratch"
    else:
        model, new_ids = _load_model(run, name)
        what = f"{name}"
    if run.source is not None and not finished_model(run.source):
        _load_step_checkpoint(run.source, model)
        what = f"{what}, weights of {run.source}"
    if run.config.objectives.fim_rate:
        record_gaps(model, run.config.objectives.fim_rate)
    if run.config.quantization.lora_enabled:
        count = adapters.adapt(model, run.config.quantization, run.config.training.seed, new_ids)
        what = f"{what}, LoRA on {count} layers"
        what += f" and {len(new_ids)} new tokens" if new_ids else ""
        what += f", its weights in {bits} bits" if (bits := run.config.quantization.bits) else ""
        if run.precision == torch.bfloat16:
            lower_frozen(model)
    size = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())) / devices.GIB
    with one_line_where_memory_ends(
        lambda: (
            f"out of memory: the weights of {what} alone need {size:.1f} GiB of {devices.describe(run.device)}; "
            "take a smaller model"
        )
    ):
        return model.to(run.device), what


def _build_preset(run: Run, preset: str) -> nn.Module:
    settings, window = run.config.model, run.dataset.window
    positions = settings.max_position_embeddings or window
    models.check_positions("model.max_position_embeddings", positions, window)
    return models.build_preset(
        preset,
        vocab_size=run.dataset.vocab_size,
        max_positions=positions,
        control=run.vocabulary.control,
        seed=run.config.training.seed,
        dropout=settings.dropout or 0.0,
    )


def _load_model(run: Run, name: str) -> tuple[nn.Module, frozenset[int]]:
    """(the model, new tokens that a frozen one must learn). Embeddings of all its new tokens are drawn."""
    if run.config.model.max_position_embeddings is not None:
        raise UserError(f"model.max_position_embeddings is for models from scratch; {name} has its own")
    model = models.load_pretrained(
        name,
        window=run.dataset.window,
        vocab_size=run.dataset.vocab_size,
        seed=run.config.training.seed,
    )
    added: frozenset[int] = frozenset()
    if run.source is None:
        added = compare_tokenizers(f"model.pretrained_model: {name}", name, run.vocabulary)
    models.draw_rows(model, added, run.config.training.seed)
    directory = Path(name) if Path(name).is_dir() else None
    setattr(model.config, CAN_FILL, can_fill(model, run.vocabulary, directory, added))
    if run.config.model.dropout:
        models.add_dropout(model, run.config.model.dropout)
    return model, _to_learn(run, added)


def _to_learn(run: Run, added: frozenset[int]) -> frozenset[int]:
    """All of `added`, if the task needs one of them."""
    control, objectives = run.vocabulary.control, run.config.objectives
    needed: set[int | None] = {control.begin, control.end}
    needed |= {control.fim_prefix, control.fim_middle, control.fim_suffix} if objectives.fim_rate else set()
    needed |= {control.mask} if objectives.mask_rate else set()
    return added if needed & added else frozenset()


def _load_step_checkpoint(source: Path, model: nn.Module) -> None:
    """Weights of an interrupted run: of the newest whole checkpoint under `source`, or of `source` itself."""
    notes: list[str] = []
    try:
        if (source / checkpoint.MANIFEST).is_file():
            found: checkpoint.Checkpoint | None = checkpoint.read(source)
        else:
            found = checkpoint.newest(source / CHECKPOINTS, notes.append)
        if found is None:
            why = f": {notes[-1].partition(';')[0]}" if notes else ""
            raise UserError(
                f"--checkpoint {source} holds neither a finished model nor a whole checkpoint{why}"
            )
        checkpoint.load_model_tensors(model, found.tensors["model"])
        setattr(model.config, CAN_FILL, bool(found.facts["config"]["objectives"]["fim_rate"]))
    except checkpoint.DamagedCheckpoint as error:
        raise UserError(f"--checkpoint {source} cannot be used: {error}") from error


# Compiling the blocks takes 10 s before the first step and about as long before the first evaluation. A token is then
# 0.8 us (`small`) to 13 us (1.5B, adapters) shorter, seen on an H200: about 10 us by a billion parameters.
COMPILE_WORTH = 2e15  # parameters x tokens: 330 steps of `base`, 120 of 0.5B with batches of 8, 20 of 1.5B


# --- the trainer -----------------------------------------------------------------------------------------


def make_trainer(run: Run, model: PreTrainedModel, batches: Batches, state: State) -> Trainer:
    """Optimizers, schedule and the loop around them."""
    config, optimization = run.config, run.config.optimization
    objective = Objective(model, run.precision)
    if objective.attention is None and batches.packing:
        batches.without_packing()
        run.console.say(
            f"packing off: {model.config.model_type} lets documents in one sequence see each other"
        )
    num_updates = num_updates_of_run(config, batches)
    compiles = wants_compile(config, run.device, work_of_run(run, model, batches))
    plan = memory_plan(run, objective, compiles=compiles)
    if compiles:
        objective.compile_blocks()
        batches.fixed_shape = True
    if plan.checkpointing if plan else optimization.gradient_checkpointing:
        objective.checkpoint_blocks()
    wrapped = run.engine.wrap(objective)  # before the optimizers: sharding replaces the parameters
    optimizers = make_optimizers(
        model,
        optimization,
        kind=defaults.optimizer_kind(config, run.source),
        learning_rate=defaults.learning_rate(config, model, run.source),
        beta2=optimization.beta2 or default_beta2(batches.packs_per_step * run.dataset.window),
    )
    _make_states(optimizers, run)
    # A resumed run keeps a micro-batch that was made smaller when memory ran out, and obeys a smaller batch_size.
    fitting = plan.micro_batch if plan else optimization.batch_size
    state.micro_batch_size = min(state.micro_batch_size or fitting, fitting)
    return Trainer(
        objective=objective,
        wrapped=wrapped,
        engine=run.engine,
        batches=batches,
        optimizers=optimizers,
        schedule=make_schedule(optimization, num_updates),
        limits=config.training,
        max_grad_norm=optimization.max_grad_norm,
        state=state,
        seed=config.training.seed,
        precision=run.precision,
        memory=plan,
    )


def memory_plan(run: Run, objective: Objective, *, compiles: bool) -> MemoryPlan | None:
    """What fits into the device's memory, said where it is not what was asked for.

    None on a CPU, whose memory others share, and for several processes, which must agree on one batch.
    """
    if run.device.type == "cpu" or run.engine.world_size > 1:
        return None
    plan = planned_memory(run, objective, compiles=compiles)
    if plan.micro_batch < run.config.optimization.batch_size or plan.checkpointing:
        peak, *how = plan.lines()
        run.console.say(f"memory  {how[0]}: {'; '.join([peak, *how[1:]])}")
    return plan


def planned_memory(run: Run, objective: Objective, *, compiles: bool) -> MemoryPlan:
    return plan_memory(
        objective,
        run.config.optimization,
        device=run.device,
        precision=run.precision,
        optimizer=defaults.optimizer_kind(run.config, run.source),
        micro_batch=run.config.optimization.batch_size,
        window=run.dataset.window,
        is_compiled=compiles,
    )


def _make_states(optimizers: list, run: Run) -> None:
    trained = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    need = sum(p.numel() for p in trained) * 16 / devices.GIB
    with one_line_where_memory_ends(
        lambda: (
            f"out of memory before the first step: weights, gradients and optimizer state of {len(trained)} trained "
            f"tensors need about {need:.1f} GiB of {devices.memory_bytes(run.device) / devices.GIB:.1f}; train "
            "adapters (recipe: adapter), or a smaller model"
        )
    ):
        make_states(optimizers)


def work_of_run(run: Run, model: PreTrainedModel, batches: Batches) -> float:
    """Parameters x tokens."""
    num_tokens = num_updates_of_run(run.config, batches) * batches.packs_per_step * run.dataset.window
    return float(models.num_parameters(model) * num_tokens)


def wants_compile(config: Config, device: torch.device, work: float) -> bool:
    """As configured; "auto": on a GPU, for runs of so many parameters x tokens that it pays."""
    choice = config.device_backend.compile
    return choice == "on" or (choice == "auto" and device.type == "cuda" and work >= COMPILE_WORTH)
