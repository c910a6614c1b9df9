"""Sequences of another dataset beside a run's own: how many, which ones, and that the loss counts them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_fixtures import command, open_trainer, small_files, write_dataset

from effectiveness.trainer import checkpoint
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

SETTINGS = ("optimization.batch_size=4", "objectives.fim_rate=0.5", "data.curriculum=none")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> tuple[Path, Path]:
    """(rows of a repository, the directory of another one's), with one tokenizer."""
    base = tmp_path_factory.mktemp("data")
    sequences = write_dataset(base / "own")
    other = write_dataset(
        base / "other", files=small_files(seed=5, per_split={"train": 3, "val": 1, "test": 1})
    )
    shutil.rmtree(other.parent / "tokenizer")
    shutil.copytree(sequences.parent / "tokenizer", other.parent / "tokenizer")
    return sequences, other.parent


def test_a_share_of_every_step_is_of_the_other_dataset_and_the_loss_counts_it(datasets, tmp_path):
    sequences, other = datasets
    _, trainer = open_trainer(sequences, tmp_path, *SETTINGS, f"data.replay={other}", "data.replay_share=0.3")
    batches = trainer.batches
    assert batches.num_replayed == 1 and batches.packs_per_step == 3
    seen: list[int] = []
    for epoch in range(2):
        plan, again = batches.epoch(epoch), batches.replay.epoch(epoch)
        for step in range(plan.num_steps):
            whole = batches.micro_batches(epoch, step, size=2)
            own = plan.visits_of(plan.packs_of_step(step))
            assert sorted(row for batch in whole for row in batch.rows) == sorted(plan.rows[own].tolist())
            (replayed,) = batches._replayed(plan, step)
            seen.append(replayed)
            beside = again.visits_of(range(replayed, replayed + 1))
            pairs = int(plan.num_pairs[own].sum() + again.num_pairs[beside].sum())
            assert sum(int((batch.weights > 0).sum()) for batch in whole) == pairs
            weight = sum(float(batch.weights.sum()) for batch in whole)
            assert weight == pytest.approx(batches.step_weight(plan, step))
            parts = [batches.micro_batches(epoch, step, size=2, rank=rank, world=2) for rank in range(2)]
            assert len(parts[0]) == len(parts[1])
            assert sum(float(batch.weights.sum()) for part in parts for batch in part) == pytest.approx(
                weight
            )
    assert set(seen) == set(range(batches.replay.epoch(0).num_packs))  # all of it, in turn


def test_a_run_with_replay_resumes_bit_for_bit_and_not_with_other_rows(datasets, tmp_path, capsys):
    sequences, other = datasets
    other = Path(shutil.copytree(other, tmp_path / "other"))
    settings = (*SETTINGS, f"data.replay={other}", "training.max_steps=4", "training.save_steps=2")
    flags = [word for setting in settings for word in ("--set", setting)]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(command(sequences, whole, *flags)) == 0
    assert f"replay  1 of 4 sequences of each step are of {other}" in capsys.readouterr().out
    shutil.copytree(whole, stopped)
    checkpoint.remove([stopped / "checkpoints" / "step-00000004"])
    assert main(command(sequences, stopped, *flags, "--resume")) == 0
    one, two = (load_file(place / "model.safetensors") for place in (whole, stopped))
    assert all(torch.equal(one[name], two[name]) for name in one)
    with (other / "training_data_train.jsonl").open("a") as rows:
        rows.write((other / "training_data_train.jsonl").read_text().splitlines()[-1] + "\n")
    assert main(command(sequences, stopped, *flags, "--resume")) == 2


def test_a_dataset_with_another_tokenizer_is_not_replayed(datasets, tmp_path, capsys):
    sequences, other = datasets
    other = Path(shutil.copytree(other, tmp_path / "other"))
    file = other / "tokenizer" / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    flags = ["--set", f"data.replay={other}", "--dry-run"]
    assert main(command(sequences, tmp_path / "m", *flags)) == 2
    assert "has another tokenizer or longer windows" in capsys.readouterr().err
