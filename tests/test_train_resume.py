"""Checkpoints and resuming: whatever is killed whenever, a resumed run ends bit for bit like one left alone."""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from training_fixtures import command, exact_metrics, small_files, use_tiny_models, write_dataset

from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.records import METADATA_FILE
from effectiveness.trainer import checkpoint, run_directory
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.metrics import MetricsFile
from effectiveness.trainer.shapes import PRESETS, Preset
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

# Everything that has a state: dropout, fill-in-the-middle, accumulation, an epoch boundary, pacing.
HARD = [
    *("--epochs", "2", "--set", "model.dropout=0.1", "--set", "objectives.fim_rate=0.5"),
    *("--set", "optimization.batch_size=8"),
    *("--set", "optimization.gradient_accumulation_steps=4", "--set", "training.save_steps=2"),
    *(
        "--set",
        "training.logging_steps=3",
        "--set",
        "training.eval_steps=4",
        "--set",
        "data.curriculum=stages",
    ),
]


@pytest.fixture(scope="module")
def untouched(sequences, tmp_path_factory):
    """The output of a run that nothing happened to."""
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    output = tmp_path_factory.mktemp("untouched") / "m"
    assert main(command(sequences, output, *HARD)) == 0
    patch.undo()
    return output


def in_child(arguments: list[str], sabotage) -> int:
    """Run the command in a forked process after `sabotage()`; its wait status as `os.waitstatus_to_exitcode` has it."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
            sabotage()
            code = main(arguments)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_after(num_steps: int, number: int = signal.SIGKILL):
    """Sabotage: the process sends itself a signal after `num_steps` steps."""

    def sabotage() -> None:
        one_step, made = Trainer._one_step, [0]

        def counted(self, hooks):
            one_step(self, hooks)
            made[0] += 1
            if made[0] == num_steps:
                os.kill(os.getpid(), number)

        Trainer._one_step = counted

    return sabotage


def assert_equal_runs(first: Path, second: Path) -> None:
    """Weights, optimizer, state and metrics are equal bit for bit."""
    assert exact_metrics(first) == exact_metrics(second)
    last = [checkpoint.read(checkpoint.step_directories(o / "checkpoints")[-1]) for o in (first, second)]
    assert last[0].state == last[1].state
    for stem, tensors in last[0].tensors.items():
        assert tensors.keys() == last[1].tensors[stem].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, last[1].tensors[stem][name]), (stem, name)
    exported = [load_file(o / "model.safetensors") for o in (first, second)]
    assert all(torch.equal(tensor, exported[1][name]) for name, tensor in exported[0].items())


@pytest.mark.parametrize("step", [1, 4, 5, 8])  # 4 and 8: an evaluation is due, 5: the second epoch has begun
def test_killed_after_any_step_a_resumed_run_is_bit_for_bit_the_same(sequences, untouched, tmp_path, step):
    output = tmp_path / "m"
    assert in_child(command(sequences, output, *HARD), kill_after(step)) == -signal.SIGKILL
    assert in_child(command(sequences, output, *HARD, "--resume"), lambda: None) == 0
    assert_equal_runs(untouched, output)


def test_killed_after_every_third_step_of_every_life_the_run_still_ends_the_same(
    sequences, untouched, tmp_path
):
    output, deaths = tmp_path / "m", 0
    while in_child(command(sequences, output, *HARD, "--resume"), kill_after(3)) == -signal.SIGKILL:
        deaths += 1
        assert deaths < 20
    assert deaths >= 3
    assert_equal_runs(untouched, output)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_step_saves_and_a_resume_is_bit_for_bit_the_same(
    sequences, untouched, tmp_path, number
):
    output = tmp_path / "m"
    for after in (1, 3):
        code = in_child(command(sequences, output, *HARD, "--resume"), interrupt_micro_batch(after, number))
        assert code == 128 + number
    assert in_child(command(sequences, output, *HARD, "--resume"), lambda: None) == 0
    assert_equal_runs(untouched, output)


def interrupt_micro_batch(num_steps: int, number: int):
    """Sabotage: a signal arrives after the first micro-batch of step `num_steps` (from 0)."""

    def sabotage() -> None:
        from effectiveness.trainer.objective import Objective

        forward, calls = Objective.forward, [0]

        def counted(self, batch, *, per_token=False):
            calls[0] += not per_token
            if calls[0] == 4 * num_steps + 1 and not per_token:
                os.kill(os.getpid(), number)
            return forward(self, batch, per_token=per_token)

        Objective.forward = counted

    return sabotage


def test_a_signal_during_an_evaluation_is_honoured_and_loses_nothing(sequences, untouched, tmp_path):
    def sabotage() -> None:
        from effectiveness.trainer import journal

        evaluate, calls = journal.evaluate, [0]

        def interrupted(*arguments, **options):
            calls[0] += 1
            if calls[0] == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return evaluate(*arguments, **options)

        journal.evaluate = interrupted

    output = tmp_path / "m"
    assert in_child(command(sequences, output, *HARD), sabotage) == 143
    assert checkpoint.newest(output / "checkpoints", print).state["evaluation_is_due"]
    assert in_child(command(sequences, output, *HARD, "--resume"), lambda: None) == 0
    assert_equal_runs(untouched, output)


def kill_at_call(names: list[tuple[object, str]], nth: int):
    """Sabotage: death at the nth call of any of the functions, before it does anything."""

    def sabotage() -> None:
        calls = [0]

        def deadly(function):
            def call(*arguments, **options):
                calls[0] += 1
                if calls[0] == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return call

        for module, name in names:
            setattr(module, name, deadly(getattr(module, name)))

    return sabotage


SAVING = [
    (os, "fsync"),
    (os, "rename"),
    (os, "replace"),
    (os, "unlink"),
    (os, "rmdir"),
    (checkpoint, "save_file"),
]


def test_killed_at_any_call_of_a_save_the_run_resumes_bit_for_bit_the_same(sequences, untouched, tmp_path):
    """Of fsync, rename, unlink ...: through the saves of the best, of step 2 and of step 4."""
    deaths = 0
    for nth in (1, 3, 6, 9, 13, 18, 24, 31):
        output = tmp_path / str(nth)
        code = in_child(command(sequences, output, *HARD), kill_at_call(SAVING, nth))
        deaths += code == -signal.SIGKILL
        assert in_child(command(sequences, output, *HARD, "--resume"), lambda: None) == 0
        assert_equal_runs(untouched, output)
    assert deaths == 8


# --- damage ------------------------------------------------------------------------------------------------


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit_state(path: Path) -> None:
    """Still valid JSON, only another step."""
    manifest = json.loads(path.read_text())
    manifest["state"]["step"] += 1
    path.write_text(json.dumps(manifest, sort_keys=True, indent=2) + "\n")


def write_another_format(path: Path) -> None:
    write_metadata(path, read_metadata(path) | {"format": 99})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", flip_a_bit),
        ("model.safetensors", cut),
        ("optimizer.safetensors", flip_a_bit),
        ("optimizer.safetensors", Path.unlink),
        ("checkpoint.json", cut),
        ("checkpoint.json", Path.unlink),
        ("checkpoint.json", edit_state),
        ("checkpoint.json", write_another_format),
    ],
)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_with_a_word(
    untouched, tmp_path, name, damage
):
    copy = tmp_path / "m"
    shutil.copytree(untouched, copy)
    older, newest = checkpoint.step_directories(copy / "checkpoints")
    damage(newest / name)
    said: list[str] = []
    found = checkpoint.newest(copy / "checkpoints", said.append)
    assert found.path == older
    assert len(said) == 1 and said[0].startswith(f"checkpoint {newest.name} is damaged (")


def test_a_resume_over_a_damaged_checkpoint_ends_bit_for_bit_the_same(sequences, untouched, tmp_path, capsys):
    copy = tmp_path / "m"
    shutil.copytree(untouched, copy)
    flip_a_bit(checkpoint.step_directories(copy / "checkpoints")[-1] / "optimizer.safetensors")
    assert main(command(sequences, copy, *HARD, "--resume")) == 0
    assert "is damaged (optimizer.safetensors is not what was written)" in capsys.readouterr().out
    assert_equal_runs(untouched, copy)


def test_no_whole_checkpoint_means_a_start_from_the_beginning_said_aloud(sequences, tmp_path, capsys):
    assert main(command(sequences, tmp_path / "m", "--epochs", "1", "--resume")) == 0
    assert "no checkpoint in" in capsys.readouterr().out


def test_a_checkpoint_of_another_model_is_refused_in_one_line(
    sequences, untouched, tmp_path, monkeypatch, capsys
):

    copy = tmp_path / "m"
    shutil.copytree(untouched, copy)
    wider = Preset(hidden_size=64, num_layers=2, num_heads=2, feed_forward=64)
    monkeypatch.setitem(PRESETS, "tiny", wider)
    assert main(command(sequences, copy, *HARD, "--resume")) == 2
    assert "cannot resume from" in capsys.readouterr().err


def test_a_resume_on_another_dataset_is_refused_and_a_new_run_from_its_weights_is_not(
    sequences, untouched, tmp_path, capsys
):
    other = write_dataset(tmp_path / "other", files=[*small_files(), *small_files(1)[:2]][1:], vocab_size=300)
    copy = tmp_path / "m"
    shutil.copytree(untouched, copy)
    assert main(command(other, copy, *HARD, "--resume")) == 2
    assert f"build the dataset with --tokenizer {copy}, and start a new run" in capsys.readouterr().err
    shutil.copytree(sequences.parent / "tokenizer", tmp_path / "other" / "tokenizer", dirs_exist_ok=True)
    metadata = tmp_path / "other" / METADATA_FILE
    sha256 = read_metadata(sequences.parent / METADATA_FILE)["tokenizer_sha256"]
    write_metadata(metadata, read_metadata(metadata) | {"tokenizer_sha256": sha256})
    assert main(command(other, copy, *HARD, "--resume")) == 2
    told = capsys.readouterr().err
    assert "was trained on another dataset" in told and "--tokenizer" not in told
    assert main(command(other, tmp_path / "n", "--epochs", "1", "--checkpoint", str(copy))) == 0


def test_a_finished_run_resumed_with_more_epochs_goes_on(sequences, tmp_path, capsys):
    assert main(command(sequences, tmp_path / "m", "--epochs", "1")) == 0
    assert main(command(sequences, tmp_path / "m", "--epochs", "2", "--resume")) == 0
    out = capsys.readouterr().out
    assert "Epoch 2/2" in out and out.count("Epoch 1/") == 1


def test_only_the_last_checkpoints_and_the_best_are_kept(untouched):
    names = sorted(
        path.name for path in (untouched / "checkpoints").iterdir() if not path.name.startswith(".")
    )
    assert len(names) == 3 and names[0] == "best"


def test_a_second_run_into_the_same_output_is_refused_while_the_first_runs(sequences, tmp_path, capsys):
    with run_directory.locked(tmp_path / "m"):
        assert main(command(sequences, tmp_path / "m")) == 1
    assert "another run is training into" in capsys.readouterr().err


# --- the disk ----------------------------------------------------------------------------------------------


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", "training_metrics.jsonl")


def full_disk_in_rust(*_, **__):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("module", "name", "failure"),
    [
        (MetricsFile, "write", full_disk),
        (checkpoint, "save_file", full_disk_in_rust),
        (os, "rename", full_disk),
        (os, "fsync", full_disk),
    ],
)
def test_a_full_disk_is_one_line_and_the_run_can_go_on_later(
    sequences, untouched, tmp_path, capsys, monkeypatch, module, name, failure
):
    output, function, calls = tmp_path / "m", getattr(module, name), [0]

    def fails_later(*arguments, **options):
        calls[0] += 1
        return (failure if calls[0] > 6 else function)(*arguments, **options)

    monkeypatch.setattr(module, name, fails_later)
    assert main(command(sequences, output, *HARD)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and ("No space left on device" in line or "disk full" in line)
    monkeypatch.setattr(module, name, function)
    assert main(command(sequences, output, *HARD, "--resume")) == 0
    assert_equal_runs(untouched, output)
