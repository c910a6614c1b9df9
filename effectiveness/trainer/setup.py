"""Puts a run together from its configuration: device, engine, dataset, model, batches, trainer.

Everything a user can get wrong is found here, in the order of how cheap it is to find, before the first step.
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from effectiveness.common.jsonl import digest
from effectiveness.common.recipes import recipe_of
from effectiveness.common.records import UserError
from effectiveness.trainer import defaults, devices, models
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config import Config, filled, with_base
from effectiveness.trainer.console import Console
from effectiveness.trainer.engines import SingleProcess, make_engine
from effectiveness.trainer.evaluate import HeldOut
from effectiveness.trainer.fitting import one_line_where_memory_ends
from effectiveness.trainer.loop import Limits, State, Trainer
from effectiveness.trainer.memory import MemoryPlan, plan_memory
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.optimizers import (
    MovingAverage,
    default_beta2,
    default_learning_rate,
    make_optimizers,
    make_states,
)
from effectiveness.trainer.recut import for_scoring, num_source_tokens, only, side_by_side
from effectiveness.trainer.rows import Dataset, Rows, open_dataset
from effectiveness.trainer.run_batches import make_batches as make_batches
from effectiveness.trainer.run_batches import rows_of_split
from effectiveness.trainer.run_directory import BEST as BEST
from effectiveness.trainer.run_directory import CHECKPOINTS as CHECKPOINTS
from effectiveness.trainer.schedule import make_schedule
from effectiveness.trainer.tokenizer_match import compare_tokenizers, with_fim_rate
from effectiveness.trainer.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Compiling the blocks takes 10 s before the first step and about as long before the first evaluation. A token is then
# 0.8 us (`small`) to 13 us (1.5B, adapters) shorter, seen on an H200: about 10 us by a billion parameters.
COMPILE_WORTH = 2e15  # parameters x tokens: 330 steps of `base`, 120 of 0.5B with batches of 8, 20 of 1.5B


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every command needs before there is a model."""

    config: Config
    console: Console
    device: torch.device
    engine: SingleProcess
    precision: torch.dtype
    dataset: Dataset
    vocabulary: Vocabulary
    source: Path | None  # --checkpoint: where the weights come from

    @property
    def output(self) -> Path:
        return Path(self.config.output.directory)

    @property
    def checkpoints(self) -> Path:
        return self.output / CHECKPOINTS


def open_run(config: Config, arguments: argparse.Namespace) -> Run:
    """Device, engine and dataset. Raises UserError for a missing device, dataset or tokenizer."""
    source, finished = arguments.checkpoint, finished_model(arguments.checkpoint)
    config = with_base(config, finished)
    device = devices.choose_device(config.device_backend.device)
    devices.limit_memory(device, config.device_backend.memory_gib)
    precision = devices.choose_precision(config.optimization.mixed_precision, device)
    if config.device_backend.deterministic:
        devices.be_deterministic()
    torch.set_float32_matmul_precision("high")
    dataset = open_dataset(arguments.sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    _check_tokenizer(config, dataset, vocabulary, source)
    config = with_fim_rate(config, vocabulary)
    engine = make_engine(device, config.device_backend.distributed)
    return Run(
        config=config,
        console=Console(is_speaker=engine.rank == 0),
        device=device,
        engine=engine,
        precision=precision,
        dataset=dataset,
        vocabulary=vocabulary,
        source=None if finished and config.quantization.lora_enabled else source,  # it is the base
    )


def finished_model(source: Path | None) -> str | None:
    """`source` where it is a finished model, as from_pretrained loads it."""
    if source is None:
        return None
    if not source.is_dir():
        raise UserError(f"--checkpoint {source}: no such directory; give the --output of an earlier run")
    return str(source) if (source / "config.json").is_file() else None


def _check_tokenizer(config: Config, dataset: Dataset, vocabulary: Vocabulary, source: Path | None) -> None:
    expected = dataset.metadata.get("tokenizer_sha256")
    if expected is not None and vocabulary.sha256 != expected:
        raise UserError(
            f"{vocabulary.file} is not the tokenizer the dataset was built with (sha256 {vocabulary.sha256[:12]}, "
            f"expected {expected[:12]}); build the dataset again"
        )
    if vocabulary.num_bytes.shape[0] > dataset.vocab_size:
        raise UserError(f"{vocabulary.file} has ids beyond the dataset's vocab_size; build the dataset again")
    asked = config.model.tokenizer_name
    if asked not in (None, dataset.metadata.get("tokenizer")):
        compare_tokenizers(f"model.tokenizer_name: {asked}", asked, vocabulary)
    if source is not None and (source / "config.json").is_file():
        if not (source / "tokenizer.json").is_file():
            raise UserError(
                f"--checkpoint {source} holds no tokenizer.json; give the --output of an earlier run"
            )
        found = digest(source / "tokenizer.json").sha256
        if found != vocabulary.sha256:
            raise UserError(
                f"--checkpoint {source} was trained with another tokenizer (sha256 {found[:12]}) than the dataset's "
                f"({vocabulary.sha256[:12]}); build the dataset with --tokenizer {source}"
            )


# --- data ------------------------------------------------------------------------------------------------


def open_split(run: Run, split: str, *, write_cache: bool = True) -> Rows:
    """Rows of a split; the first process parses, the others find its cache."""
    return rows_of_split(run, run.dataset, split, write_cache=write_cache)


def open_training_rows(run: Run) -> Rows:
    """Rows of the training split that are trained on; without `data.overlap` each token of a text is in one of them.

    Raises UserError for windows or variants that were asked for and never built.
    """
    _refuse_what_was_not_built(run)
    rows, data = open_split(run, "train"), run.config.data
    rows = rows if data.variants else only(rows, ())
    return rows if data.overlap else side_by_side(rows)


def with_defaults(run: Run, rows: Rows) -> Run:
    """The run with what its configuration leaves to the corpus, `rows` being those that are trained on."""
    config, optimization = run.config, run.config.optimization
    packs = optimization.batch_size * optimization.gradient_accumulation_steps
    chosen = defaults.with_defaults(
        config,
        device=run.device.type,
        num_tokens=num_source_tokens(rows),
        tokens_per_step=packs * run.dataset.window,
        from_scratch=run.source is None and config.model.pretrained_model is None,
    )
    return replace(run, config=chosen)


def _refuse_what_was_not_built(run: Run) -> None:
    metadata, data = run.dataset.metadata, run.config.data
    missing = {
        "data.overlap": ("windows that overlap", data.overlap and metadata.get("overlap_tokens") == 0),
        "data.variants": ("variants", data.variants and metadata.get("augmentation_techniques") == []),
    }
    for setting, (what, is_missing) in missing.items():
        if is_missing:
            raise UserError(
                f"{setting}: true asks for {what}, {run.dataset.directory} was built without (recipe "
                f"{recipe_of(metadata)}); build it with --recipe founding, or train with --set recipe=measured"
            )


def make_held_out(
    run: Run, rows: Rows, *, variants: bool = False, fixed_shape: bool = False, max_windows: int | None = None
) -> HeldOut:
    """What is scored of a split, in windows that overlap by three quarters.

    `max_windows` of them, else as many as configured, where `auto` means all here.
    """
    return HeldOut(
        for_scoring(rows),
        run.vocabulary.control,
        run.vocabulary.num_bytes,
        batch_size=run.config.optimization.batch_size,
        max_windows=run.config.evaluation.max_windows if max_windows is None else max_windows,
        variants=variants,
        fixed_shape=fixed_shape,
        say=run.console.say,
        seed=run.config.training.seed,
    )


# --- the trainer -----------------------------------------------------------------------------------------


def make_trainer(run: Run, model: PreTrainedModel, batches: Batches, state: State) -> Trainer:
    """Optimizers, schedule, average and the loop around them."""
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
        kind=optimizer_kind(config, run.source),
        learning_rate=learning_rate(config, model, run.source),
        beta2=optimization.beta2 or default_beta2(batches.packs_per_step * run.dataset.window),
    )
    _make_states(optimizers, run)
    average = MovingAverage(model, optimization.ema_decay) if optimization.ema_decay else None
    # A resumed run keeps what memory once left of it, and obeys a smaller batch_size.
    fitting = plan.micro_batch if plan else optimization.batch_size
    state.micro_batch_size = min(state.micro_batch_size or fitting, fitting)
    return Trainer(
        objective=objective,
        wrapped=wrapped,
        engine=run.engine,
        batches=batches,
        optimizers=optimizers,
        schedule=make_schedule(optimization, num_updates),
        limits=limits_of(config),
        state=state,
        seed=config.training.seed,
        precision=run.precision,
        average=average,
        memory=plan,
    )


def memory_plan(run: Run, objective: Objective, *, compiles: bool) -> MemoryPlan | None:
    """What fits into the device's memory, said where it is not what was asked for.

    None on a CPU, whose memory others share, and for several processes, which must agree on one batch.
    """
    config, optimization = run.config, run.config.optimization
    if run.device.type == "cpu" or run.engine.world_size > 1:
        return None
    plan = plan_memory(
        objective,
        optimization,
        device=run.device,
        precision=run.precision,
        optimizer=optimizer_kind(config, run.source),
        micro_batch=optimization.batch_size,
        window=run.dataset.window,
        is_compiled=compiles,
    )
    if plan.micro_batch < optimization.batch_size or plan.checkpointing:
        peak, *how = plan.lines()
        run.console.say(f"memory  {how[0]}: {'; '.join([peak, *how[1:]])}")
    return plan


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


def num_updates_of_run(config: Config, batches: Batches) -> int:
    expected = batches.expected_steps(filled(config.training.num_epochs))
    return min(expected, config.training.max_steps or expected)


def optimizer_kind(config: Config, source: Path | None) -> str:
    """As configured; "auto" is Muon from scratch - after 250 steps of a tiny model held-out loss was 4.31 with it
    and 5.32 with AdamW - and AdamW for finished weights and where no process holds whole matrices."""
    asked = filled(config.optimization.optimizer)
    if asked != "auto":
        return asked
    from_scratch = source is None and config.model.pretrained_model is None
    return "muon" if from_scratch and config.device_backend.distributed != "fsdp" else "adamw"


def learning_rate(config: Config, model: PreTrainedModel, source: Path | None) -> float:
    """The peak: as configured, else by size and kind of the model."""
    return config.optimization.learning_rate or default_learning_rate(
        models.num_parameters(model),
        adapters=filled(config.quantization.lora_enabled),
        pretrained=source is not None or config.model.pretrained_model is not None,
    )


def work_of_run(run: Run, model: PreTrainedModel, batches: Batches) -> float:
    """Parameters x tokens."""
    num_tokens = num_updates_of_run(run.config, batches) * batches.packs_per_step * run.dataset.window
    return float(models.num_parameters(model) * num_tokens)


def wants_compile(config: Config, device: torch.device, work: float) -> bool:
    """As configured; "auto": on a GPU, for runs of so many parameters x tokens that it pays."""
    choice = config.device_backend.compile
    return choice == "on" or (choice == "auto" and device.type == "cuda" and work >= COMPILE_WORTH)


def limits_of(config: Config) -> Limits:
    training = config.training
    return Limits(
        num_epochs=filled(training.num_epochs),
        max_steps=training.max_steps,
        logging_steps=training.logging_steps,
        eval_steps=training.eval_steps,
        save_steps=training.save_steps,
        patience=training.patience or None,
        max_bad_steps=training.max_bad_steps,
        max_grad_norm=config.optimization.max_grad_norm,
    )


def facts(run: Run, what: str, model: PreTrainedModel) -> dict:
    """What a reader needs to know about a run: for checkpoints, the report and the model card."""
    return {
        "model": what,
        "source": None if run.source is None else str(run.source),
        "num_parameters": models.num_parameters(model),
        "num_trainable_parameters": models.num_parameters(model, trainable_only=True),
        "device": devices.describe(run.device),
        "num_processes": run.engine.world_size,
        "precision": str(run.precision).removeprefix("torch."),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "safetensors", "tokenizers")},
        "dataset": dataset_facts(run),
        "optimizer": optimizer_kind(run.config, run.source),
        "tokenizer": {"name": run.dataset.metadata.get("tokenizer"), "sha256": run.vocabulary.sha256},
        "config": run.config.as_dict(),
    }


def dataset_facts(run: Run) -> dict:
    """Which rows a run trains on: a resumed one needs the same."""
    metadata, train, replay = run.dataset.metadata, run.dataset.train, run.config.data.replay
    return {
        "source_repo": metadata.get("source_repo"),
        "repository_commit": metadata.get("repository_commit"),
        "window": run.dataset.window,
        "train_sha256": None if train.name in (metadata.get("files") or {}) else digest(train).sha256,
        "files": metadata.get("files"),
        "replay": replay and digest(open_dataset(Path(replay)).train).sha256,
    }
