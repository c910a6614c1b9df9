"""What is asked of a model or a plan without training: evaluate, complete a text, show what a run would be."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from effectiveness.common.boundary import reading
from effectiveness.common.console import count, duration
from effectiveness.common.endings import print_text, tell_on_stderr
from effectiveness.common.recipes import TRAINED
from effectiveness.common.records import LATER, UserError
from effectiveness.trainer import defaults, devices, models, recut, run_directory, setup, starting
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.complete import MIN_POSITIONS, check_vocabulary, complete_text
from effectiveness.trainer.config import Config, filled
from effectiveness.trainer.devices import choose_device, fitting
from effectiveness.trainer.engines import joined
from effectiveness.trainer.evaluate import full_lines
from effectiveness.trainer.export import exported_dtype, generation_settings
from effectiveness.trainer.held_out import plan_evaluations
from effectiveness.trainer.journal import score
from effectiveness.trainer.memory import MemoryPlan
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.model_files import can_fill, how_it_fills
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.optimizers import make_schedule
from effectiveness.trainer.rows import refuse_nothing_held_out
from effectiveness.trainer.vocabulary import Vocabulary


def evaluate_only(config: Config, arguments: argparse.Namespace) -> int:
    """Score val and test files with the model of --checkpoint (or --output). Changes no byte on disk."""
    arguments.checkpoint = arguments.checkpoint or Path(config.output.directory)
    run = setup.open_run(config, arguments)
    with joined(run.engine):
        refuse_nothing_held_out(run.dataset, "val", "test", LATER)
        model, what = starting.build_model(run, 0)
        wrapped = run.engine.wrap(Objective(model, run.precision))
        run.console.say(f"model   {what}")
        if known := run_directory.known_to_its_start(run):
            run.console.say(f"measure {known}")
        held_out = [("val", "Val Loss"), ("test", "Test Loss")]
        held_out += [(LATER, "Later Loss")] if run.dataset.has_later else []
        for split, label in held_out:
            rows = setup.open_split(run, split, write_cache=False)
            scored = score(run, wrapped, setup.make_held_out(run, rows, variants=True), split)
            for line in full_lines(label, scored):
                run.console.say(line)
    run.console.say_end("COMPLETE")
    return 0


def show_plan(config: Config, arguments: argparse.Namespace) -> int:
    """Print what a run would be, and train nothing."""
    run = setup.open_run(config, arguments)
    with joined(run.engine):
        for line in make_plan(run):
            run.console.say(line)
    return 0


def complete(config: Config, arguments: argparse.Namespace) -> int:
    """Print the prompt and what the model of --checkpoint (or --output) continues it with."""
    source = arguments.checkpoint or Path(config.output.directory)
    text, suffix = arguments.complete, arguments.suffix
    device = choose_device(config.device_backend.device)
    vocabulary = Vocabulary(source)
    model = models.load_pretrained(str(source), window=MIN_POSITIONS, vocab_size=1).to(device)
    check_vocabulary(str(source), model, vocabulary)
    if suffix is not None and not can_fill(model, vocabulary, source):
        raise UserError(
            f"--suffix: {source} never learnt to fill in the middle; train it with --set objectives.fim_rate=0.5, or "
            "leave --suffix out"
        )
    settings = generation_settings(config.inference, vocabulary.control)
    with reading(f"{source} cannot complete", "give the --output of a training"):
        written = complete_text(model, vocabulary, text, suffix, settings, seed=config.training.seed)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if config.inference.do_sample:
        tell_on_stderr(f"sampled with --seed {config.training.seed}")
    if suffix is not None:
        tell_on_stderr(how_it_fills(model))
    print_text(text + written + (suffix or ""))
    return 0


# --- --dry-run ------------------------------------------------------------------------------------------------


TIMED_PASSES = 2


def make_plan(run: setup.Run) -> Iterator[str]:
    """Lines that say what `train` would do. The rows are parsed (and cached), no weight is changed."""
    rows = setup.open_training_rows(run)
    run = setup.with_defaults(run, rows)
    num_epochs = filled(run.config.training.num_epochs)
    batches = setup.make_batches(run, rows)
    model, what = starting.build_model(run, recut.num_source_tokens(rows))
    num_updates = setup.num_updates_of_run(run.config, batches)
    schedule = make_schedule(run.config.optimization, num_updates)
    plan = batches.epoch(num_epochs - 1)
    yield f"model       {what}: {models.num_parameters(model):,} parameters"
    yield f"trainable   {models.num_parameters(model, trainable_only=True):,} parameters"
    yield f"device      {devices.describe(run.device)}, {str(run.precision).removeprefix('torch.')}"
    compiles = starting.wants_compile(run.config, run.device, starting.work_of_run(run, model, batches))
    objective = Objective(model, run.precision)
    memory = starting.planned_memory(run, objective, compiles=compiles)
    yield from (f"{'' if number else 'memory':<12}{line}" for number, line in enumerate(memory.lines()))
    yield f"disk        {disk_bytes(run, memory, model) / devices.GIB:.2f} GiB: checkpoints and the finished model"
    yield f"recipe      {defaults.in_words(run.config)}"
    yield f"rows        {TRAINED[run.config.recipe].words}"
    yield f"data        {count(len(rows), 'row')}, {count(recut.num_source_tokens(rows), 'source token')}"
    tokens = int(plan.num_pairs.sum())
    percent = 100 * tokens / max(plan.num_packs * run.dataset.window, 1)
    yield f"epoch       {count(plan.num_steps, 'step')}, {count(tokens, 'token')}, {percent:.1f} % filled"
    yield f"run         {count(num_epochs, 'epoch')}, about {count(num_updates, 'step')}"
    rate = defaults.learning_rate(run.config, model, run.source)
    ends = f"{schedule.warmup_updates} warm-up, {schedule.cooldown_updates} cool-down"
    kind = defaults.optimizer_kind(run.config, run.source)
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
    step = trained + memory.optimizer
    exported = models.num_parameters(model) * exported_dtype(run.config.model.torch_dtype, model).itemsize
    return (run.config.training.save_total_limit + 1) * step + 2 * trained + exported


def _evaluations(run: setup.Run, model: nn.Module, batches: Batches, num_updates: int) -> str:
    held_out = setup.make_held_out(run, setup.open_split(run, "val"), max_windows=0)
    if not len(held_out.order):
        return "nothing, no val file is held out"
    training, asked = run.config.training, run.config.evaluation.max_windows
    return plan_evaluations(held_out, model, batches, training, num_updates, asked).words


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
