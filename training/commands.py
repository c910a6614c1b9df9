"""What the trainer can be asked for: train, evaluate only, show the plan, complete a text."""

from __future__ import annotations

import argparse
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import torch

from corpus.publish import remove_tree
from corpus.records import UserError
from training import checkpoint, devices, setup
from training.config import Config
from training.console import Console, duration
from training.evaluate import Evaluation, HeldOut, evaluate
from training.export import export_model
from training.loop import Hooks, State, Stopped, Trainer
from training.metrics import METRICS, MetricsFile
from training.models import num_parameters
from training.objective import Objective

METRICS_FILE = "training_metrics.jsonl"
PREVIOUS = "checkpoints.previous"
STEPS_BEFORE_ETA = 20


def train(config: Config, arguments: argparse.Namespace) -> int:
    """Train, evaluate, export. Returns the exit code: 0, or 130/143 after a signal (everything is saved)."""
    run = setup.open_run(config, arguments)
    with _stop_requests() as stop, _locked(run):
        try:
            return _train(run, arguments.resume, stop)
        finally:
            run.console.close()
            run.engine.close()


@contextmanager
def _locked(run: setup.Run):
    if run.engine.rank != 0:
        yield
        return
    with checkpoint.locked(run.output):
        yield


def _train(run: setup.Run, resume: bool, stop: StopRequest) -> int:
    say = run.console.say
    found = _find_checkpoint(run, resume)
    rows = setup.open_split(run, "train")
    batches = setup.make_batches(run, rows)
    model, what = setup.build_model(run, setup.num_source_tokens(rows))
    trainer = setup.make_trainer(run, model, batches, State(**found.state) if found else State())
    _restore(trainer, found)
    facts = setup.facts(run, what, model)
    _say_start(run, trainer, facts)
    journal = _Journal(run, trainer, facts, stop)
    try:
        trainer.train(journal.hooks())
    except Stopped:
        say(f"stopped by a signal at step {trainer.state.step}; go on with --resume")
        return 128 + stop.signal_number
    finally:
        journal.close()
    _finish(run, trainer, facts)
    if not os.isatty(1):
        say("COMPLETE")
    return 0


# --- start -----------------------------------------------------------------------------------------------


def _find_checkpoint(run: setup.Run, resume: bool) -> checkpoint.Checkpoint | None:
    """The checkpoint to go on from. A new run into an old directory moves the old checkpoints aside."""
    if resume:
        found = checkpoint.newest(run.checkpoints, run.console.say)
        if found is None:
            run.console.say(f"no checkpoint in {run.checkpoints}: starting from the beginning")
        return found
    if run.engine.rank == 0 and checkpoint.step_directories(run.checkpoints):
        previous = run.output / PREVIOUS
        if previous.exists():
            remove_tree(previous)
        os.rename(run.checkpoints, previous)
        run.console.say(f"{run.output} holds an earlier run: its checkpoints are now {previous} (--resume goes on)")
    run.engine.barrier()
    return None


def _restore(trainer: Trainer, found: checkpoint.Checkpoint | None) -> None:
    if found is None:
        return
    try:
        checkpoint.load_model_tensors(trainer.model, found.tensors["model"])
        checkpoint.load_optimizer_tensors(trainer.optimizers, trainer.model, found.tensors["optimizer"])
        if trainer.average is not None and "ema" in found.tensors:
            for name, weights in trainer.average.weights.items():
                weights.copy_(checkpoint.shard_like(found.tensors["ema"][name], weights))
    except (checkpoint.DamagedCheckpoint, KeyError) as error:
        raise UserError(
            f"cannot resume from {found.path}: {error}; use the configuration it was made with"
        ) from error
    trainer.heed_early_end()


def _say_start(run: setup.Run, trainer: Trainer, facts: dict) -> None:
    say, state = run.console.say, trainer.state
    say(f"model   {facts['model']}: {facts['num_parameters']:,} parameters")
    processes = f", {run.engine.world_size} processes" if run.engine.world_size > 1 else ""
    say(f"device  {facts['device']}, {facts['precision']}{processes}")
    plan = trainer.batches.epoch(min(state.epoch, trainer.limits.num_epochs - 1))
    say(
        f"data    {len(trainer.batches.rows):,} rows, {plan.num_packs:,} packs and {plan.num_steps:,} steps an epoch, "
        f"about {trainer.schedule.num_updates:,} steps in all"
    )
    if state.step:
        say(f"resumed at step {state.step}, epoch {state.epoch + 1}")


# --- while it runs ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class StopRequest:
    """Set by the first SIGINT or SIGTERM; a second one ends the process at once."""

    signal_number: int = 0

    def __call__(self) -> bool:
        return self.signal_number != 0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number:
            os._exit(128 + number)
        self.signal_number = number


@contextmanager
def _stop_requests():
    stop = StopRequest()
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Journal:
    """The loop's hooks: evaluates, saves, writes metrics, prints."""

    def __init__(self, run: setup.Run, trainer: Trainer, facts: dict, stop: StopRequest) -> None:
        self.run, self.trainer, self.facts, self.stop = run, trainer, facts, stop
        self.held_out = setup.make_held_out(run, setup.open_split(run, "val"), variants=False)
        self.metrics = None
        if run.engine.rank == 0:
            self.metrics = MetricsFile(run.output / METRICS_FILE, keep_until_step=_last_step_kept(trainer.state))
        self.started_at, self.steps_at_start = time.perf_counter(), trainer.state.step
        run.console.start_bar(done=trainer.state.step, total=trainer.schedule.num_updates)

    def hooks(self) -> Hooks:
        return Hooks(
            evaluate=self.evaluate,
            save=self.save,
            save_best=self.save_best,
            report=self.report,
            say=self.run.console.say,
            must_stop=self.stop,
        )

    def close(self) -> None:
        self.run.console.close()
        if self.metrics is not None:
            self.metrics.close()

    def evaluate(self) -> Evaluation:
        with averaged(self.trainer):
            return score(self.run, self.trainer.wrapped, self.held_out, self.stop)

    def save(self) -> None:
        trainer = self.trainer
        files = {
            "model": checkpoint.model_tensors(trainer.model),
            "optimizer": checkpoint.optimizer_tensors(trainer.optimizers, trainer.model),
        }
        if trainer.average is not None:
            files["ema"] = {name: checkpoint.to_save(w) for name, w in trainer.average.weights.items()}
        path = self.run.checkpoints / f"step-{trainer.state.step:08d}"
        self._write(path, files)
        if self.run.engine.rank == 0:
            checkpoint.keep_last(self.run.checkpoints, self.run.config.training.save_total_limit)

    def save_best(self, evaluation: Evaluation) -> None:
        with averaged(self.trainer):
            files = {"model": checkpoint.model_tensors(self.trainer.model)}
        self._write(self.run.checkpoints / setup.BEST, files)

    def _write(self, path, files: dict) -> None:
        if self.run.engine.rank == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.save(path, files, state=self.trainer.state_to_save(), facts=self.facts)
        self.run.engine.barrier()

    def report(self, event: str, values: dict) -> None:
        state = self.trainer.state
        record = {"event": event, "step": state.step, "epoch": state.epoch + 1} | _flat(values)
        record["memory_bytes"] = devices.peak_memory_bytes(self.run.device)
        if self.metrics is not None:
            self.metrics.write(record)
        if event == "epoch":
            self.run.console.say(self._epoch_line(record))
        if event == "evaluation" and state.step == 0:
            self.run.console.say(f"before training  Val Loss: {record['val_loss_nats']:.4f}{_bits(record)}")
        if event == "step":
            self.run.console.advance(state.step, f"loss {record['train_loss_nats']:.4f}")

    def _epoch_line(self, record: dict) -> str:
        parts = [
            f"Epoch {record['epoch']}/{self.trainer.limits.num_epochs}",
            f"Train Loss: {record['train_loss_nats']:.4f}",
            f"Val Loss: {record['val_loss_nats']:.4f}{_bits(record)}",
            f"{record['tokens_per_s']:,.0f} tokens/s",
            f"data wait {100 * record['data_wait_share']:.2f} %",
            f"memory {record['memory_bytes'] / devices.GIB:.1f} GiB",
        ]
        return "  ".join(parts + self._eta())

    def _eta(self) -> list[str]:
        done = self.trainer.state.step - self.steps_at_start
        left = self.trainer.schedule.num_updates - self.trainer.state.step
        if done < STEPS_BEFORE_ETA or left <= 0:
            return []
        return [f"ETA {duration((time.perf_counter() - self.started_at) / done * left)}"]


def _bits(record: dict) -> str:
    return f" ({record['bits_per_byte']:.3f} bits per byte)" if record.get("bits_per_byte") else ""


def _last_step_kept(state: State) -> int:
    """A new run keeps no lines of an old one; a resumed one keeps all up to its step."""
    return state.step if state.step else -1


def _flat(values: dict) -> dict:
    """A report's values as one flat record."""
    record = {}
    if "learning_rate" in values:
        record["learning_rate"] = values["learning_rate"]
    if "period" in values:
        record |= {name: metric(values["period"]) for name, metric in METRICS.items()}
        record["num_tokens"] = values["period"].num_tokens
    if "evaluation" in values:
        headline = values["evaluation"].headline
        record |= {"val_loss_nats": headline.nats_per_token, "bits_per_byte": headline.bits_per_byte}
        record |= {
            f"val_loss_nats_{group}_{name}": score.nats_per_token
            for group, scores in (("role", values["evaluation"].by_role), ("language", values["evaluation"].by_language))
            for name, score in scores.items()
        }
    return record


@contextmanager
def averaged(trainer: Trainer):
    """The moving average in place of the weights, where the run keeps one."""
    if trainer.average is None:
        yield
        return
    trainer.average.swap(trainer.model)
    try:
        yield
    finally:
        trainer.average.swap(trainer.model)


def score(run: setup.Run, wrapped: torch.nn.Module, held_out: HeldOut, stop=lambda: False) -> Evaluation:
    """Evaluate; a stop request ends it with Stopped."""

    def check() -> None:
        if run.engine.world_size == 1 and stop():
            raise Stopped

    def token_nats(batch):
        with devices.autocast(run.device, run.precision):
            return wrapped(batch.to(run.device), per_token=True)

    wrapped.eval()
    return evaluate(
        held_out,
        token_nats,
        rank=run.engine.rank,
        world_size=run.engine.world_size,
        sum_over_processes=run.engine.sum,
        check=check,
    )


# --- the end ---------------------------------------------------------------------------------------------


def _finish(run: setup.Run, trainer: Trainer, facts: dict) -> None:
    """Take the best weights, score them on the test files, export."""
    say = run.console.say
    _load_best(run, trainer)
    held_out = setup.make_held_out(run, setup.open_split(run, "test"), variants=True)
    evaluation = score(run, trainer.wrapped, held_out)
    headline = evaluation.headline
    say(f"Test Loss: {headline.nats_per_token:.4f}  ({headline.bits_per_byte:.3f} bits per byte, step {trainer.state.best_step})")
    if run.engine.rank == 0:
        export_model(
            run.output,
            trainer.model,
            tokenizer=run.dataset.tokenizer,
            control=run.vocabulary.control,
            config=run.config,
            card="",
        )
        say(f"model   {run.output}")
    run.engine.barrier()


def _load_best(run: setup.Run, trainer: Trainer) -> None:
    try:
        best = checkpoint.read(run.checkpoints / setup.BEST)
        checkpoint.load_model_tensors(trainer.model, best.tensors["model"])
    except checkpoint.DamagedCheckpoint as error:
        run.console.say(f"the best checkpoint cannot be read ({error}); exporting the last weights")


# --- other commands --------------------------------------------------------------------------------------


def evaluate_only(config: Config, arguments: argparse.Namespace) -> int:
    """Score val and test files with the model of --checkpoint (or --output). Changes no byte on disk."""
    raise NotImplementedError


def show_plan(config: Config, arguments: argparse.Namespace) -> int:
    """Print what a run would be, and train nothing."""
    raise NotImplementedError


def complete(config: Config, arguments: argparse.Namespace) -> int:
    """Print a completion."""
    raise NotImplementedError
