"""What may differ at --resume: every setting has a row, and the rest of an epoch is trained once whatever the batch."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from training_fixtures import command, use_tiny_models

from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.records import METADATA_FILE
from effectiveness.trainer import checkpoint, devices, resuming
from effectiveness.trainer.config import CHANGEABLE, HARMLESS, PACED, REFUSED
from effectiveness.trainer.loop import Trainer
from training.model_trainer_unified import main, make_parser

pytestmark = pytest.mark.usefixtures("tiny")

BEGUN = (
    "--set",
    "training.max_steps=9",
    "--set",
    "data.curriculum=none",
    "--set",
    "optimization.warmup_steps=2",
)


# Where each flag of the command is decided: a setting has its rule in the configuration.
FLAGS = {
    "--config": "settings",
    "--set": "settings",
    "--epochs": "training.num_epochs",
    "--seed": "training.seed",
    "--device": "device_backend.device",
    "--deterministic": "device_backend.deterministic",
    "--output": "output.directory",
    "--sequences": "refused for other rows",
    "--checkpoint": "refused with --resume",
    "--overwrite": "refused with --resume",
    "--resume": "this",
    "--eval_only": "another command",
    "--dry-run": "another command",
    "--complete": "another command",
    "--prompt": "another command",
    "--suffix": "another command",
}


@pytest.fixture(scope="module")
def begun(sequences, tmp_path_factory):
    """A run stopped after 9 steps of 4 packs, in its first epoch."""
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    output = tmp_path_factory.mktemp("begun") / "m"
    assert main(command(sequences, output, *BEGUN)) == 0
    patch.undo()
    return output


@pytest.fixture
def copy(begun, tmp_path):
    return Path(shutil.copytree(begun, tmp_path / "m"))


def test_what_was_begun_in_float32_goes_on_so_on_a_cpu_that_multiplies_bfloat16(
    sequences, tmp_path, capsys, monkeypatch
):
    output = tmp_path / "m"
    begin, more = ("training.max_steps=3", "training.max_steps=4")
    for steps, has_units in ((begin, False), (more, True)):
        monkeypatch.setattr(devices, "multiplies_bfloat16", lambda has_units=has_units: has_units)
        settings = (
            steps,
            "data.curriculum=none",
            "optimization.mixed_precision=auto",
            "optimization.warmup_steps=2",
        )
        flags = [word for setting in settings for word in ("--set", setting)]
        assert main(command(sequences, output, *flags, *(["--resume"] if has_units else []))) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("device")]
    assert [line.rpartition(", ")[2] for line in said] == ["float32", "float32"]


def test_every_setting_has_a_rule():
    assert set(resuming.RULES.values()) == {HARMLESS, CHANGEABLE, PACED, REFUSED}


def test_every_flag_is_decided_somewhere():
    flags = {option for action in make_parser()._actions for option in action.option_strings}
    assert set(FLAGS) == flags - {"-h", "--help", "--eval-only"}
    assert {row for row in FLAGS.values() if "." in row} <= set(resuming.RULES)


@pytest.mark.parametrize(
    ("setting", "had"),
    [
        ("training.seed=7", "42"),
        ("data.overlap=false", "true"),
        ("data.packing=false", "true"),
        ("data.weighting=none", '"visits"'),
        ("objectives.fim_rate=0.25", "0.5"),
        ("optimization.optimizer=adamw", '"muon"'),
        ("evaluation.max_windows=3", "0"),
        ("model.preset=nano", '"auto"'),
    ],
)
def test_a_setting_that_would_mean_something_else_is_refused_with_the_value_the_run_has(
    sequences, copy, capsys, setting, had
):
    capsys.readouterr()
    assert main(command(sequences, copy, *BEGUN, "--resume", "--set", setting)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot resume with other settings: ")
    assert (
        f"{setting.partition('=')[0]} is " in line and f"the run has {had}" in line and "--checkpoint" in line
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "optimization.learning_rate=0.001",
            "changed  optimization.learning_rate is 0.001, the run has null",
        ),
        ("model.dropout=0.2", "changed  model.dropout is 0.2, the run has 0.0"),
        ("training.save_steps=7", "changed  training.save_steps is 7, the run has 500 (changes no weight)"),
        ("optimization.lr_scheduler=cosine", 'is "cosine", the run has "flat_cooldown"'),
    ],
)
def test_a_setting_that_may_change_is_told_with_both_values(sequences, copy, capsys, setting, told):
    flags = (*BEGUN, "--set", "training.max_steps=10", "--resume", "--set", setting)
    assert main(command(sequences, copy, *flags)) == 0
    out = capsys.readouterr().out
    assert told in out and "changed  training.max_steps is 10, the run has 9" in out


@pytest.mark.parametrize(("value", "code"), [(0.0, 0), (0.9, 2)])
def test_a_run_that_has_a_setting_which_is_gone_goes_on_only_if_it_did_nothing(
    sequences, copy, capsys, monkeypatch, value, code
):
    newest = checkpoint.newest

    def of_an_earlier_version(*arguments):
        found = newest(*arguments)
        config = found.facts["config"]
        optimization = config["optimization"] | {"ema_decay": value}
        return replace(found, facts=found.facts | {"config": config | {"optimization": optimization}})

    monkeypatch.setattr(checkpoint, "newest", of_an_earlier_version)
    assert main(command(sequences, copy, *BEGUN, "--set", "training.max_steps=10", "--resume")) == code
    refused = "error: the run was trained with optimization.ema_decay: 0.9, which this version no longer has; train "
    assert [line[: len(refused)] for line in capsys.readouterr().err.splitlines()] == [refused] * (code == 2)


def test_gaps_that_another_version_drew_otherwise_are_told(sequences, copy, capsys, monkeypatch):
    """No setting says how, so a run of a version without whole syntax nodes would have got them without a word."""
    flags = (*BEGUN, "--set", "training.max_steps=10", "--resume")
    newest = checkpoint.newest

    def of_an_earlier_version(*arguments):
        found = newest(*arguments)
        return replace(found, facts={name: fact for name, fact in found.facts.items() if name != "gaps"})

    monkeypatch.setattr(checkpoint, "newest", of_an_earlier_version)
    assert main(command(sequences, copy, *flags)) == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("changed  gaps")]
    assert '"nodes": 0.33' in told and told.endswith('the run has "of an earlier version"')
    monkeypatch.undo()
    use_tiny_models(monkeypatch)
    assert main(command(sequences, copy, *flags, "--set", "training.max_steps=11")) == 0
    assert "changed  gaps" not in capsys.readouterr().out


def test_the_length_of_a_run_is_refused_within_an_epoch_that_a_curriculum_cuts_by_it(
    sequences, tmp_path, capsys
):
    flags = ("--set", "training.max_steps=5")
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    state = checkpoint.newest(tmp_path / "m" / "checkpoints", print).state
    assert state["step_in_epoch"] == 5
    more = ("--set", "training.max_steps=9", "--resume")
    assert main(command(sequences, tmp_path / "m", *more)) == 2
    assert "training.max_steps is 9, the run has 5" in capsys.readouterr().err


def seen_packs(monkeypatch) -> list[tuple[int, int]]:
    """(epoch, pack) of every step from now on."""
    seen, step = [], Trainer._step

    def recorded(self, plan, hooks):
        seen.extend((self.state.epoch, pack) for pack in plan.packs_of_step(self.state.step_in_epoch))
        return step(self, plan, hooks)

    monkeypatch.setattr(Trainer, "_step", recorded)
    return seen


@pytest.mark.parametrize("batches", [(16,), (64,), (1,), (3, 16), (7, 2, 5)])
def test_the_rest_of_an_epoch_is_trained_exactly_once_whatever_the_batch_size(
    sequences, copy, monkeypatch, batches
):
    seen, size = seen_packs(monkeypatch), {}
    for number, batch in enumerate(batches):
        is_last = number == len(batches) - 1
        length = ("--epochs", "2") if is_last else ("--set", f"training.max_steps={9 + 3 * (number + 1)}")
        size = ("--set", f"optimization.batch_size={batch}")
        base = BEGUN[2:] if is_last else (*BEGUN[2:],)
        assert main(command(sequences, copy, *base, *size, *length, "--resume")) == 0
    counts = Counter(seen)
    first = [pack for epoch, pack in seen if epoch == 0]
    assert set(counts.values()) == {1}
    assert first == list(range(36, max(first) + 1))
    assert sorted(pack for epoch, pack in seen if epoch == 1)[0] == 0


def test_the_same_batch_cut_into_other_micro_batches_keeps_every_step(sequences, copy, monkeypatch, capsys):
    seen = seen_packs(monkeypatch)
    flags = ("--set", "optimization.batch_size=2", "--set", "optimization.gradient_accumulation_steps=2")
    assert main(command(sequences, copy, *BEGUN, "--set", "training.max_steps=10", *flags, "--resume")) == 0
    assert seen == [(0, pack) for pack in range(36, 40)]


def test_a_schedule_ends_where_the_run_does_after_a_change_of_batch_size(sequences, copy, monkeypatch):
    ends, place = [], resuming.place
    monkeypatch.setattr(
        resuming, "place", lambda trainer, config: (place(trainer, config), ends.append(trainer))
    )
    flags = (*BEGUN[2:], "--epochs", "1", "--set", "optimization.batch_size=16", "--resume")
    assert main(command(sequences, copy, *flags)) == 0
    [trainer] = ends
    assert trainer.schedule.num_updates == trainer.state.num_updates == trainer.state.step


def test_a_dataset_of_the_same_rows_elsewhere_is_no_other_dataset(sequences, copy, tmp_path):
    moved = Path(shutil.copytree(sequences.parent, tmp_path / "moved"))
    metadata = read_metadata(moved / METADATA_FILE) | {"source_repo": "renamed"}
    write_metadata(moved / METADATA_FILE, metadata)
    flags = (*BEGUN, "--set", "training.max_steps=10", "--resume")
    assert main(command(moved / sequences.name, copy, *flags)) == 0
