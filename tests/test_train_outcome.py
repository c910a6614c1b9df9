"""What a finished run says of itself: nothing broken or unfinished is called done, and facts stand beside weights."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_train_directory import contents
from test_train_resume import in_child, kill_after
from training_fixtures import command, open_trainer, quiet_hooks, small_files, write_dataset

from effectiveness.common.ownership import MARKER
from effectiveness.common.records import UserError
from effectiveness.trainer import finishing, journal, run_directory
from effectiveness.trainer.command_line import stop_requests
from effectiveness.trainer.evaluate import EvaluationScores, Score
from effectiveness.trainer.run_directory import read_training_facts
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

# No curriculum: one that is cut by the length of the run keeps that length within an epoch.
SHORT = ("--set", "training.max_steps=4", "--set", "training.eval_steps=1", "--set", "data.curriculum=none")


@pytest.fixture
def run(sequences, tmp_path, capsys):
    """A finished run."""
    assert main(command(sequences, tmp_path / "m", *SHORT)) == 0
    capsys.readouterr()
    return tmp_path / "m"


# --- losses that are no numbers ----------------------------------------------------------------------------


def scores_are(monkeypatch, *nats: float | None) -> None:
    """The n-th evaluation gives these nats a token; None: what it really is."""
    evaluate, left = journal.evaluate, list(nats)

    def fake(held_out, *arguments, **options):
        found, given = evaluate(held_out, *arguments, **options), left.pop(0) if left else None
        if given is None:
            return found
        headline = Score(
            nats=given * found.headline.num_tokens, num_tokens=found.headline.num_tokens, num_bytes=9
        )
        return EvaluationScores(headline=headline)

    monkeypatch.setattr(journal, "evaluate", fake)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("nats", "best_step", "exit_code"),
    [
        ((9, 3, NAN, 4, 5), 1, 0),  # one in the middle is told
        ((NAN, 4, 3, 3, 5), 2, 0),  # the first one
        ((9, 3, 4, 5, NAN), 1, 1),  # the last one: diverged
        ((9, 3, INF, INF, INF), 1, 1),
        ((9, 3, 4, 5, 6, None, NAN), 1, 1),  # of the test files alone
    ],
)
def test_a_loss_that_is_not_finite_is_never_the_best(
    sequences, tmp_path, monkeypatch, capsys, nats, best_step, exit_code
):
    scores_are(monkeypatch, *nats)
    output = tmp_path / "m"
    assert main(command(sequences, output, *SHORT)) == exit_code
    said = capsys.readouterr()
    assert said.out.count("held-out loss is not finite, never the best") == sum(
        not math.isfinite(value) for value in nats[:5]
    )
    assert read_training_facts(output).best_step == best_step
    assert ("COMPLETE" in said.out) == (exit_code == 0)
    assert (len(said.err.splitlines()) == 1) == (exit_code == 1)


def test_a_diverged_run_resumed_is_not_called_done_the_second_time(sequences, tmp_path, monkeypatch, capsys):
    scores_are(monkeypatch, 9, 3, 4, 5, NAN)
    assert main(command(sequences, tmp_path / "m", *SHORT)) == 1
    assert main(command(sequences, tmp_path / "m", *SHORT, "--resume")) == 1
    assert "COMPLETE" not in capsys.readouterr().out


def test_without_a_single_finite_loss_nothing_is_exported(sequences, tmp_path, monkeypatch, capsys):
    scores_are(monkeypatch, NAN, NAN, NAN, NAN, NAN)
    output = tmp_path / "m"
    assert main(command(sequences, output, *SHORT)) == 1
    assert "no evaluation was finite (5 were not)" in capsys.readouterr().err
    assert not (output / "model.safetensors").exists()


def test_patience_counts_a_loss_that_is_not_finite_as_no_gain(sequences, tmp_path, monkeypatch, capsys):
    scores_are(monkeypatch, 3, NAN, NAN, None, None)
    flags = (*SHORT, "--set", "training.patience=2", "--set", "optimization.lr_scheduler=constant")
    main(command(sequences, tmp_path / "m", *flags))
    assert "has not improved for 2 evaluations" in capsys.readouterr().out
    assert read_training_facts(tmp_path / "m").num_steps == 2


def test_weights_that_are_not_finite_are_never_the_best_whatever_the_loss(sequences, tmp_path):
    _, trainer = open_trainer(sequences, tmp_path / "m", "training.max_steps=1")
    saved, said = [], []
    hooks = quiet_hooks(said)
    options = {name: getattr(hooks, name) for name in ("save", "report", "say", "must_stop")}
    evaluation = EvaluationScores(headline=Score(nats=1.0, num_tokens=1, num_bytes=1))
    trainer.train(
        type(hooks)(
            **options,
            evaluate=lambda: evaluation,
            save_best=saved.append,
            weights_are_finite=lambda: False,
        )
    )
    assert not saved and trainer.state.num_not_finite == 2
    assert "weights are not finite, never the best (2 so far)" in said[-1]


def test_a_weight_that_is_not_finite_is_noticed(sequences, tmp_path):
    run, trainer = open_trainer(sequences, tmp_path / "m")
    (tmp_path / "m").mkdir()
    kept = journal.Journal(run, trainer, {}, lambda: False)
    assert kept.weights_are_finite()
    next(iter(trainer.model.parameters())).data[0] = NAN
    assert not kept.weights_are_finite()


def test_weights_too_large_for_the_exported_type_are_named_and_the_old_model_stays(
    sequences, tmp_path, monkeypatch, capsys
):
    from effectiveness.trainer import export

    export_model, output = export.export_model, tmp_path / "m"

    def with_a_large_weight(output, model, **options):
        next(model.parameters()).data[0] = 1e6
        export_model(output, model, **options)

    monkeypatch.setattr("effectiveness.trainer.finishing.export_model", with_a_large_weight)
    assert main(command(sequences, output, *SHORT, "--set", "model.torch_dtype=float16")) == 1
    assert "embed_tokens.weight is not finite in float16" in capsys.readouterr().err
    assert not (output / "model.safetensors").exists() and not (output / run_directory.STAGING).exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_tied_embeddings_are_exported_once_in_every_type(sequences, tmp_path, dtype):
    flags = ("--set", "training.max_steps=1", "--set", f"model.torch_dtype={dtype}")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    with safe_open(tmp_path / "m" / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118 - no mapping


# --- facts -------------------------------------------------------------------------------------------------


def test_the_facts_of_a_training_are_refused_beside_other_weights(run):
    assert read_training_facts(run).num_steps == 4
    tensors = load_file(run / "model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 1}, run / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="the weights are not those that training_facts"):
        read_training_facts(run)


def test_a_finished_run_resumed_says_so_and_changes_no_byte(sequences, run, capsys):
    before = contents(run)
    assert main(command(sequences, run, *SHORT, "--resume")) == 0
    assert "finished at step 4: nothing is left to do, nothing was changed" in capsys.readouterr().out
    assert contents(run) == before


@pytest.mark.parametrize("name", ["training_facts.json", "model.safetensors", "tokenizer.json"])
def test_a_finished_run_that_lacks_a_file_gets_it_back(sequences, run, name):
    before = contents(run)
    (run / name).unlink()
    assert main(command(sequences, run, *SHORT, "--resume")) == 0
    after = contents(run)
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert differing <= {"training_metrics.jsonl", MARKER}  # how long it took; what it noted


def records(output: Path) -> list[tuple[str, int]]:
    lines = (output / "training_metrics.jsonl").read_text().splitlines()
    return [(record["event"], record["step"]) for record in map(json.loads, lines)]


def test_killed_anywhere_in_the_last_phase_and_resumed_each_record_stands_once(sequences, run, tmp_path):
    """At every rename after the last step: of checkpoints, of each exported file."""
    from test_train_resume import SAVING, kill_at_call

    expected, output = records(run), tmp_path / "k"
    assert in_child(command(sequences, output, *SHORT), kill_after(4)) == -signal.SIGKILL
    deaths = 0
    while in_child(command(sequences, output, *SHORT, "--resume"), kill_at_call(SAVING, 8 + 5 * deaths)):
        deaths += 1
        assert deaths < 30
    assert deaths > 3
    assert records(output) == expected and len(set(expected)) == len(expected)
    assert not list(output.glob(".export*"))
    assert contents(output).keys() == contents(run).keys()


def test_a_torn_last_record_is_dropped_and_a_broken_one_is_named(sequences, run, capsys):
    file, go_on = run / "training_metrics.jsonl", ("--set", "data.curriculum=none", "--resume")
    before = records(run)
    file.write_bytes(file.read_bytes() + b'{"event": "st')
    assert main(command(sequences, run, "--set", "training.max_steps=5", *go_on)) == 0
    assert [r for r in records(run) if r[1] <= 4] == [r for r in before if r[0] != "test"]
    file.write_bytes(b"null\n" + file.read_bytes())
    assert main(command(sequences, run, "--set", "training.max_steps=6", *go_on)) == 2
    assert "training_metrics.jsonl:1: not a record" in capsys.readouterr().err


# --- nothing held out --------------------------------------------------------------------------------------


@pytest.fixture
def nothing_held_out(tmp_path):
    return write_dataset(tmp_path / "d", files=[file for file in small_files() if file.split == "train"])


def test_without_a_held_out_file_the_last_weights_are_exported_and_it_is_said_first(
    nothing_held_out, tmp_path, capsys
):
    assert main(command(nothing_held_out, tmp_path / "m", *SHORT, "--set", "training.patience=1")) == 0
    out = capsys.readouterr().out
    assert out.index("no val file is held out") < out.index("Train Loss")
    assert "nan" not in out.lower()
    assert read_training_facts(tmp_path / "m").best_step == 4
    assert "nan" not in (tmp_path / "m" / "README.md").read_text().lower().split()


def test_evaluation_proof_and_ablation_say_at_once_that_nothing_is_held_out(
    nothing_held_out, tmp_path, capsys
):
    from effectiveness.ablation import command as ablate
    from effectiveness.proof import command as proof

    output, dataset = tmp_path / "m", str(nothing_held_out.parent)
    assert main(command(nothing_held_out, output, "--set", "training.max_steps=1")) == 0
    before = contents(tmp_path)
    assert main(command(nothing_held_out, output, "--eval_only")) == 2
    assert proof.main(["--dataset", dataset, "--model", str(output), "--device", "cpu"]) == 2
    assert ablate.main(["--dataset", dataset, "--results", str(tmp_path / "results.jsonl")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all("nothing to evaluate on" in line for line in lines)
    assert contents(tmp_path) == before


# --- signals -----------------------------------------------------------------------------------------------


def test_a_hang_up_saves_as_sigterm_does(sequences, tmp_path):
    code = in_child(command(sequences, tmp_path / "m"), kill_after(3, signal.SIGHUP))
    assert code == 128 + signal.SIGHUP
    assert (tmp_path / "m" / "checkpoints" / "step-00000003").is_dir()


def test_a_hang_up_that_is_ignored_as_under_nohup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_model_is_exported_from_a_best_checkpoint_that_was_changed(
    sequences, tmp_path, monkeypatch, capsys
):
    """Moved away, it is missing, which is said, and the last weights are exported."""
    load_best, output = finishing._load_best, tmp_path / "m"
    best = output / "checkpoints" / "best"

    def load_changed(*arguments):
        weights = best / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
        return load_best(*arguments)

    monkeypatch.setattr(finishing, "_load_best", load_changed)
    assert main(command(sequences, output, *SHORT)) == 1
    error = capsys.readouterr().err
    assert "model.safetensors is not what was written), so no model was exported" in error
    assert len(error.splitlines()) == 1 and not (output / "model.safetensors").exists()

    def load_missing(*arguments):
        shutil.rmtree(best)
        return load_best(*arguments)

    monkeypatch.setattr(finishing, "_load_best", load_missing)
    assert main(command(sequences, output, *SHORT, "--resume")) == 0
    assert "no best checkpoint is there" in capsys.readouterr().out
