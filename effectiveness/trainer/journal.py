"""What the loop asks for while it runs: evaluate, save, write metrics, print. The only side of it that knows files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from effectiveness.common.console import duration
from effectiveness.common.ownership import note_made
from effectiveness.trainer import checkpoint, devices, run_directory, setup
from effectiveness.trainer.evaluate import EvaluationScores, evaluate, final_lines, largest_file, loss_words
from effectiveness.trainer.held_out import HeldOut, plan_evaluations
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.metrics import METRICS, EventFile, MetricsFile, read_metrics
from effectiveness.trainer.run_directory import EVENTS_FILE, METRICS_FILE
from effectiveness.trainer.steps import Hooks, StopTraining

STEPS_BEFORE_ETA = 20


class Journal:
    """The loop's hooks for one run."""

    def __init__(
        self,
        run: setup.Run,
        trainer: Trainer,
        facts: dict,
        must_stop: Callable[[], bool],
        *,
        is_resumed: bool = False,
    ) -> None:
        self.run, self.trainer, self.facts, self.must_stop = run, trainer, facts, must_stop
        self.is_resumed = is_resumed
        self.held_out = self._val()
        peak = devices.peak_flops(run.device)
        self.peak_flops = peak and peak * run.engine.world_size
        self.metrics: MetricsFile | None = None
        self.events: EventFile | None = None
        if run.engine.rank == 0:
            self._open_files()
        self.started_at, self.steps_at_start = time.perf_counter(), trainer.state.step
        run.console.start_bar(done=trainer.state.step, total=trainer.schedule.num_updates)

    def _val(self) -> HeldOut:
        """What every evaluation of the run scores: decided once, and kept across a resume."""
        run, trainer = self.run, self.trainer
        rows, one_shape = setup.open_split(run, "val"), trainer.batches.fixed_shape
        held_out = setup.make_held_out(run, rows, fixed_shape=one_shape, max_windows=0)
        if not len(held_out.order):
            return held_out
        asked = (
            run.config.evaluation.max_windows
            if trainer.state.max_windows is None
            else trainer.state.max_windows
        )
        plan = plan_evaluations(
            held_out, trainer.model, trainer.batches, trainer.limits, trainer.schedule.num_updates, asked
        )
        trainer.state.max_windows = plan.max_windows
        run.console.say(f"measure {plan.words}")
        if held_out.largest is not None:
            run.console.say(f"measure {largest_file(held_out.largest)}")
        return setup.make_held_out(run, rows, fixed_shape=one_shape, max_windows=plan.max_windows)

    def _open_files(self) -> None:
        path, wants_events = self.run.output / METRICS_FILE, self.run.config.output.tensorboard
        note_made(
            self.run.output, dict.fromkeys((METRICS_FILE, EVENTS_FILE) if wants_events else (METRICS_FILE,))
        )
        self.metrics = MetricsFile(path, keep=self._is_from_before)
        if wants_events:
            self.events = EventFile(self.run.output / "tensorboard")
            for record in read_metrics(path):  # what a resumed run goes on from
                self.events.add(record)

    def _is_from_before(self, record: dict) -> bool:
        """Whether a record was made before the checkpoint this run goes on from; all others will be made again."""
        state = self.trainer.state
        if not self.is_resumed or record["event"] == "test":
            return False
        is_due = state.evaluation_is_due and record["event"] in ("evaluation", "epoch")
        return record["step"] < state.step or (record["step"] == state.step and not is_due)

    def hooks(self) -> Hooks:
        return Hooks(
            evaluate=self.evaluate,
            save=self.save,
            save_best=self.save_best,
            report=self.report,
            say=self.run.console.say,
            must_stop=self.must_stop,
            weights_are_finite=self.weights_are_finite,
        )

    def close(self) -> None:
        self.run.console.close()
        for file in (self.metrics, self.events):
            if file is not None:
                file.close()

    def evaluate(self) -> EvaluationScores:
        return score(self.run, self.trainer.wrapped, self.held_out, "val", self.must_stop)

    def weights_are_finite(self) -> bool:
        """Of all trained weights."""
        weights = (p.detach() for p in self.trainer.model.parameters() if p.requires_grad)
        mine: Iterable[Any] = (w.to_local() if hasattr(w, "to_local") else w for w in weights)
        return not self.run.engine.any(not all(bool(w.isfinite().all()) for w in mine))

    def save(self) -> None:
        """A checkpoint to resume from, and no more of them than are to be kept."""
        trainer = self.trainer
        if self.metrics:
            self.metrics.sync()  # a checkpoint is never newer than its records
        files = {
            "model": checkpoint.model_tensors(trainer.model),
            "optimizer": checkpoint.optimizer_tensors(trainer.optimizers, trainer.model),
        }
        self._write(self.run.checkpoints / f"step-{trainer.state.step:08d}", files)
        if self.run.engine.rank == 0:
            checkpoint.keep_last(self.run.checkpoints, self.run.config.training.save_total_limit)

    def save_best(self, evaluation: EvaluationScores) -> None:
        """The weights that were just evaluated."""
        files = {"model": checkpoint.model_tensors(self.trainer.model)}
        self._write(self.run.checkpoints / run_directory.BEST, files)

    def _write(self, path: Path, files: dict[str, dict[str, torch.Tensor]]) -> None:
        if self.run.engine.rank == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.save(path, files, state=self.trainer.state_to_save(), facts=self.facts)
        self.run.engine.barrier()

    def report(self, event: str, values: dict) -> None:
        """Write one record, and print the lines a reader waits for."""
        state, say = self.trainer.state, self.run.console.say
        record = {"event": event, "step": state.step, "epoch": state.epoch + 1} | _flat(values)
        if "flops_per_s" in record and self.peak_flops:
            record["mfu"] = record["flops_per_s"] / self.peak_flops
        record["memory_bytes"] = devices.peak_memory_bytes(self.run.device)
        for add in (self.metrics and self.metrics.write, self.events and self.events.add):
            if add:
                add(record)
        if event == "epoch":
            say(self._epoch_line(record))
        elif event == "test":
            for line in final_lines("Test Loss", values["evaluation"], state.best_step):
                say(line)
        elif event == "evaluation" and state.step == 0:
            say(f"before training  Val Loss: {_held_out(record)}")
        elif event == "evaluation" and self._is_within_an_epoch():  # at its end the epoch's line says it
            say(f"step {state.step}  Val Loss: {_held_out(record)}")
        elif event == "step":
            self.run.console.advance(state.step, self._step_text(record))

    def _is_within_an_epoch(self) -> bool:
        state, last_step = self.trainer.state, self.trainer.limits.max_steps
        ends = state.step_in_epoch == self.trainer.batches.epoch(state.epoch).num_steps
        return not ends and state.step != last_step

    def _step_text(self, record: dict) -> str:
        parts = [
            f"loss {record['train_loss_nats']:.4f}",
            f"{record['tokens_per_s']:,.0f} tokens/s",
            *self._eta(),
        ]
        return "  ".join(parts)

    def _epoch_line(self, record: dict) -> str:
        parts = [
            f"Epoch {record['epoch']}/{self.trainer.limits.num_epochs}",
            f"Train Loss: {record['train_loss_nats']:.4f}",
            f"Val Loss: {_held_out(record)}",
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


def _held_out(record: dict) -> str:
    """ "1.2345 (0.678 bits per byte)"; a small repository may have left no file to hold out."""
    if record["num_held_out_tokens"] == 0:
        return "none, no file is held out"
    return loss_words(record["val_loss_nats"], record["bits_per_byte"], record["pooled_bits_per_byte"])


def _flat(values: dict) -> dict:
    """A report's values as one flat record."""
    record = {"learning_rate": values["learning_rate"]} if "learning_rate" in values else {}
    if "period" in values:
        record |= {name: metric(values["period"]) for name, metric in METRICS.items()}
        record["num_tokens"] = values["period"].num_tokens
    if "evaluation" in values:
        record |= _flat_evaluation(values["evaluation"])
    return record


def _flat_evaluation(evaluation: EvaluationScores) -> dict:
    headline = evaluation.headline
    record = {
        "val_loss_nats": headline.nats_per_token,
        "bits_per_byte": headline.bits_per_byte,
        "pooled_bits_per_byte": headline.pooled_bits_per_byte,
        "num_held_out_tokens": headline.num_tokens,
        "num_held_out_windows": evaluation.num_windows,
        "num_held_out_windows_in_all": evaluation.num_windows_in_all,
    }
    for group, scores in (("role", evaluation.by_role), ("language", evaluation.by_language)):
        for name, part in scores.items():
            record[f"val_loss_nats_{group}_{name}"] = part.nats_per_token
            record[f"bits_per_byte_{group}_{name}"] = part.bits_per_byte
    return record


def score(
    run: setup.Run,
    wrapped: torch.nn.Module,
    held_out: HeldOut,
    split: str,
    must_stop: Callable[[], bool] = lambda: False,
) -> EvaluationScores:
    """Evaluate a split with the weights as they are; a stop request ends it with Stopped."""

    def progress(done: int, total: int) -> None:
        if run.engine.world_size == 1 and must_stop():
            raise StopTraining
        run.console.still(f"scoring {split}: {done:,} of {total:,} windows")

    def token_nats(batch) -> torch.Tensor:
        with devices.autocast(run.device, run.precision):
            return wrapped(batch.to(run.device), per_token=True)

    wrapped.eval()
    try:
        return evaluate(
            held_out,
            token_nats,
            rank=run.engine.rank,
            world_size=run.engine.world_size,
            sum_over_processes=run.engine.sum,
            progress=progress,
        )
    finally:
        run.engine.settle(wrapped)
