"""One run of one arm: its rows, its settings, the trainer's own loop, and held-out sums of every file."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from importlib.metadata import version

import torch

from effectiveness.ablation.arms import (
    ARMS,
    FORMAT,
    HELD_OUT,
    Arm,
    RunSpec,
    beginnings,
    dataset_digest,
    held_out_rows,
    train_rows,
)
from effectiveness.common.endings import print_line
from effectiveness.trainer import models, setup, starting
from effectiveness.trainer.config import filled
from effectiveness.trainer.evaluate import EvaluationScores, FileScores, Score, evaluate_by_file
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.rows import Rows, open_dataset
from effectiveness.trainer.steps import Hooks, State

CURVE_FILES = 16  # of each held-out split, their first windows


def run_arm(spec: RunSpec) -> dict:
    """Train and score; the record as the results file holds it. Raises UserError for settings that do not run."""
    torch.set_num_threads(spec.threads)
    whole, run = _open(spec)
    arm = ARMS[spec.arm]
    rows = train_rows(arm, setup.open_split(whole, "train"))
    run = setup.with_defaults(run, rows)
    batches = setup.make_batches(run, rows)
    model, _ = starting.build_model(run, 0)
    trainer = starting.make_trainer(run, model, batches, State())
    watch = Watch(run, trainer, [setup.open_split(whole, split) for split in HELD_OUT], arm)
    trainer.train(watch.hooks())
    return {
        "format": FORMAT,
        "arm": spec.arm,
        "seed": spec.seed,
        "dataset": dataset_digest(whole.dataset.metadata),
        "config": spec.digest(whole.dataset.window),
        "source_repo": whole.dataset.metadata.get("source_repo"),
        "epochs": spec.epochs,
        "point": list(spec.point),
        "steps": trainer.state.step,
        "tokens": watch.num_tokens,
        "num_parameters": models.num_parameters(model),
        "seconds": round(watch.seconds, 2),
        "cpu_seconds": round(watch.cpu_seconds, 2),
        "curve": watch.curve,
        **watch.held_out_sums(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "numpy")},
    }


def _open(spec: RunSpec) -> tuple[setup.Run, setup.Run]:
    """(the run over the dataset as it is, the same run over the arm's windows)."""
    dataset = open_dataset(spec.dataset)
    config = spec.config(dataset.window)
    whole = setup.open_run(config, argparse.Namespace(sequences=spec.dataset, checkpoint=None))
    window = ARMS[spec.arm].window(dataset.window)
    metadata = dataset.metadata | {"max_tokens_per_sequence": window}
    return whole, dataclasses.replace(whole, dataset=dataclasses.replace(dataset, metadata=metadata))


class Watch:
    """The loop's hooks: a curve over the beginnings of held-out files, and what the steps cost."""

    def __init__(self, run: setup.Run, trainer: Trainer, held_out: list[Rows], arm: Arm) -> None:
        self.run, self.trainer = run, trainer
        self.curve: list[tuple[int, float]] = []  # (step, bits per byte)
        self.num_tokens, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        first = [beginnings(rows, CURVE_FILES) for rows in held_out]
        self._whole, self._first = ([self._scored(arm, rows) for rows in part] for part in (held_out, first))
        self._latest: EvaluationScores | None = None
        self._cpu_at = time.process_time()

    def _scored(self, arm: Arm, rows: Rows) -> HeldOut:
        return setup.make_held_out(self.run, held_out_rows(arm, rows), variants=False)

    def hooks(self) -> Hooks:
        return Hooks(
            evaluate=self._evaluate,
            save=lambda: None,
            save_best=lambda evaluation: None,  # nothing is chosen: the last weights count
            report=self._account,
            say=print_line,
            must_stop=lambda: False,
        )

    def held_out_sums(self) -> dict:
        """Nats, tokens and bytes of every held-out file, as lists for JSON."""
        found = self._scores(self._whole)
        return {
            "files": [name for scores in found for name in scores.files],
            "splits": [split for split, scores in zip(HELD_OUT, found, strict=True) for _ in scores.files],
            "roles": [role for scores in found for role in scores.roles],
            "nats": [nats for scores in found for nats in scores.nats.tolist()],
            "num_tokens": [number for scores in found for number in scores.num_tokens.tolist()],
            "num_bytes": [number for scores in found for number in scores.num_bytes.tolist()],
        }

    def _scores(self, held_out: list[HeldOut]) -> list[FileScores]:
        """In float32, whatever the training computes in."""
        wrapped, device = self.trainer.wrapped.eval(), self.run.device
        return [evaluate_by_file(p, lambda b: wrapped(b.to(device), per_token=True)) for p in held_out]

    def _evaluate(self) -> EvaluationScores:
        """The loop evaluates at the end of every epoch, too; the curve needs every k-th step and the last."""
        step, training = self.trainer.state.step, self.run.config.training
        if self._latest is None or step % filled(training.eval_steps) == 0 or step == training.max_steps:
            started_at = time.process_time()
            self._latest = EvaluationScores(headline=_total(self._scores(self._first)))
            self.curve.append((step, self._latest.headline.bits_per_byte))
            self._cpu_at += time.process_time() - started_at
        return self._latest

    def _account(self, event: str, values: dict) -> None:
        if event == "step":
            self.num_tokens += values["period"].num_tokens
            self.seconds += values["period"].elapsed_s
            self.cpu_seconds = time.process_time() - self._cpu_at


def _total(scores: list[FileScores]) -> Score:
    sums = (sum(getattr(part, name).sum() for part in scores) for name in ("nats", "num_tokens", "num_bytes"))
    nats, num_tokens, num_bytes = sums
    return Score(nats=float(nats), num_tokens=int(num_tokens), num_bytes=int(num_bytes))
