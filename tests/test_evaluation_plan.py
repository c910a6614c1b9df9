"""Measuring costs a fifth of training, is the same each time, and no file decides the headline."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_fixtures import SmallFile, command, open_trainer, small_files, write_dataset

from effectiveness.common import console
from effectiveness.trainer import resuming, setup
from effectiveness.trainer.evaluate import EvaluationScores, evaluate
from effectiveness.trainer.held_out import MAX_FILE_SHARE, SHARE, file_factors, plan_evaluations
from effectiveness.trainer.journal import METRICS_FILE
from effectiveness.trainer.metrics import read_metrics
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    files = small_files(per_split={"train": 30, "val": 10, "test": 8})
    return write_dataset(tmp_path_factory.mktemp("data") / "d", files=files)


AUTO = ("--set", "evaluation.max_windows=auto")


def plan_of(sequences, output, *settings: str):
    run, trainer = open_trainer(sequences, output, *settings)
    held_out = setup.make_held_out(run, setup.open_split(run, "val"), max_windows=0)
    args = (held_out, trainer.model, trainer.batches, trainer.limits, trainer.schedule.num_updates)
    return plan_evaluations(*args, run.config.evaluation.max_windows)


# --- the cost ----------------------------------------------------------------------------------------------


def test_all_evaluations_of_a_run_cost_at_most_a_fifth_of_its_training(sequences, tmp_path):
    plan = plan_of(sequences, tmp_path / "m", "training.num_epochs=1", "training.eval_steps=20")
    assert 0 < plan.max_windows < plan.num_windows_in_all and plan.share <= SHARE


def test_a_run_that_can_afford_all_windows_scores_all(sequences, tmp_path):
    plan = plan_of(sequences, tmp_path / "m", "training.num_epochs=300")
    assert plan.max_windows == 0 and plan.share <= SHARE


def test_a_number_that_was_asked_for_is_kept_whatever_it_costs(sequences, tmp_path):
    few = ("training.max_steps=1", "evaluation.max_windows=")
    assert plan_of(sequences, tmp_path / "a", few[0], few[1] + "33").max_windows == 33
    assert plan_of(sequences, tmp_path / "b", few[0], few[1] + "0").max_windows == 0


def test_the_log_says_the_size_of_the_sample_and_eval_only_scores_all(sequences, tmp_path, capsys):
    output = tmp_path / "m"
    assert main(command(sequences, output, *AUTO, "--set", "training.max_steps=3")) == 0
    said = capsys.readouterr().out
    assert "measure 16 of " in said and "on 16 of " in said and "--eval_only scores all" in said
    assert "language rust: " in said.split("Val at best")[1].split("Test Loss")[0]
    assert "language rust: " in said.split("Test Loss")[1]
    assert main(command(sequences, output, *AUTO, "--eval_only")) == 0
    said = capsys.readouterr().out
    assert "variant token_masking" in said and " of " not in said.split("Val Loss")[1].split("\n")[0]


def test_a_resumed_run_scores_the_windows_it_began_with(sequences, tmp_path, capsys):
    """More epochs would afford more of them, and the best so far was chosen on these."""
    output = tmp_path / "m"
    assert main(command(sequences, output, *AUTO, "--epochs", "1")) == 0
    assert (
        main(
            command(sequences, output, *AUTO, "--epochs", "40", "--resume", "--set", "training.max_steps=40")
        )
        == 0
    )
    found = [r for r in read_metrics(output / METRICS_FILE) if r["event"] == "evaluation"]
    assert len({(r["num_held_out_windows"], r["num_held_out_tokens"]) for r in found}) == 1
    assert found[0]["num_held_out_windows"] < found[0]["num_held_out_windows_in_all"]


def test_a_sample_holds_windows_of_every_language_and_of_most_files(sequences, tmp_path):
    run, _ = open_trainer(sequences, tmp_path / "m")
    rows = setup.open_split(run, "val")
    whole, few = (setup.make_held_out(run, rows, max_windows=n) for n in (0, 20))
    assert len(few.order) == 20 < len(whole.order)
    drawn, there = (
        np.bincount(rows.table["file"][h.order], minlength=10) / len(h.order) for h in (few, whole)
    )
    assert np.abs(drawn - there).max() <= 1 / 20
    assert set(rows.table["language"][few.order]) == set(rows.table["language"])


def test_a_long_evaluation_shows_that_it_goes_on(sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "LINE_EVERY_S", 0.0)
    assert main(command(sequences, tmp_path / "m", "--set", "training.max_steps=2")) == 0
    said = capsys.readouterr().out.splitlines()
    assert any(line.startswith("scoring val: ") for line in said)
    assert any(line.startswith("scoring test: ") for line in said)


# --- the headline ------------------------------------------------------------------------------------------


DOMINATED = [[1000] + [10] * 40, [500, 400, 300] + [7] * 60, [100] * 11 + [900] * 2, [5, 1, 1, 1]]


@pytest.mark.parametrize("sizes", DOMINATED)
def test_no_file_counts_for_more_than_a_tenth_or_than_two_even_shares(sizes):
    sizes = np.array(sizes)
    counted = sizes * file_factors(sizes)
    limit = max(MAX_FILE_SHARE, 2 / len(sizes))
    assert counted.max() / counted.sum() == pytest.approx(limit)
    small = counted < counted.max() - 1e-9
    assert (counted[small] == sizes[small]).all()


@pytest.mark.parametrize("sizes", [[10] * 40, list(range(50, 90)), [9], [9, 1], [], [0, 0, 0]])
def test_where_no_file_is_that_large_the_headline_is_the_pooled_figure(sizes):
    assert (file_factors(np.array(sizes, np.int64)) == 1).all()


def test_a_change_log_that_is_a_third_of_a_split_does_not_choose_the_best_weights(tmp_path):
    """Two models: one better on each of many files, one better on the largest alone. Pooled, the second one won."""
    files = small_files(per_split={"train": 9, "val": 30, "test": 3})
    log = SmallFile("val/CHANGELOG.md", "util", "val", max(f.text for f in files) * 30, "markdown")
    sequences = write_dataset(tmp_path / "d", files=[*files, log], masked=False)
    run, _ = open_trainer(sequences, tmp_path / "m")
    rows = setup.open_split(run, "val")
    held_out = setup.make_held_out(run, rows)
    of_log = rows.files.index("val/CHANGELOG.md")

    def scored(on_log: float, on_others: float) -> EvaluationScores:
        nats = torch.from_numpy(np.where(rows.table["file"] == of_log, on_log, on_others))
        return evaluate(held_out, lambda batch: nats[list(batch.rows)][:, None].expand(batch.labels.shape))

    many, one = scored(2.0, 1.0), scored(1.0, 1.5)
    assert many.headline.nats_per_token < one.headline.nats_per_token
    assert many.headline.pooled_bits_per_byte > one.headline.pooled_bits_per_byte
    assert many.largest[0] == "val/CHANGELOG.md" and many.largest[1] > 0.3


def test_a_run_from_before_there_was_auto_goes_on_with_the_windows_it_had(sequences, tmp_path):
    run, trainer = open_trainer(sequences, tmp_path / "m")
    before = {name: value for name, value in trainer.state_to_save().items() if name != "max_windows"}
    for asked, kept in ((None, 0), (33, 33)):
        config = run.config.as_dict()
        config["evaluation"]["max_windows"] = asked
        found = SimpleNamespace(state=before, facts={"config": config})
        assert resuming.state_of(found, run.config).max_windows == kept
