"""The trainer's --output: foreign directories are refused, no run is lost by typing a command twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from training_fixtures import command

from effectiveness.common.ownership import MARKER
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

SHORT = ("--set", "training.max_steps=2")


@pytest.fixture
def run(sequences, tmp_path, capsys):
    """A finished run."""
    assert main(command(sequences, tmp_path / "m", *SHORT)) == 0
    capsys.readouterr()
    return tmp_path / "m"


def contents(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(sequences, output: Path, capsys, *flags: str) -> str:
    """The one line of a command that must change nothing in `output`."""
    before = contents(output)
    assert main(command(sequences, output, *SHORT, *flags)) == 2
    assert contents(output) == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_directory_of_somebody_else_keeps_every_byte(sequences, tmp_path, capsys):
    names = (
        "README.md",
        "config.json",
        "checkpoints/step-00000001/thesis.txt",
        "checkpoints.previous/photo.txt",
    )
    for name in names:
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("years of work")
    for flags in ((), ("--resume",), ("--overwrite",)):
        assert "holds files we did not write" in refused(sequences, tmp_path / "mine", capsys, *flags)


def test_a_dataset_is_no_output(sequences, capsys):
    assert "is the directory of a dataset" in refused(sequences, sequences.parent, capsys, "--overwrite")


def test_an_empty_name_is_no_output(sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--sequences", str(sequences), "--output", ""]) == 2
    assert main(["--sequences", str(sequences), "--set", "output.directory= "]) == 2
    assert not list(tmp_path.iterdir())


def test_the_same_command_again_is_refused_with_the_ways_out(sequences, run, capsys):
    line = refused(sequences, run, capsys)
    assert "holds a run (checkpoints up to step 2, a finished model)" in line
    assert "--resume" in line and "--overwrite" in line and "another --output" in line


def test_overwrite_deletes_what_we_made_and_says_so_and_nothing_else(sequences, run, capsys):
    (run / "notes.txt").write_text("mine")
    assert main(command(sequences, run, "--set", "training.max_steps=1", "--overwrite")) == 0
    out = capsys.readouterr().out
    assert "--overwrite: deleting the run in" in out and "checkpoints up to step 2" in out
    assert (run / "notes.txt").read_text() == "mine"
    steps = sorted(path.name for path in (run / "checkpoints").glob("step-*"))
    assert steps == ["step-00000001"]
    assert not list((run / "checkpoints").glob(".removing-*"))


def test_an_edited_model_card_is_not_replaced(sequences, run, capsys):
    (run / "README.md").write_text("my words")
    for flags in (("--overwrite",), ("--resume", "--epochs", "9")):
        assert "README.md was changed since we wrote it" in refused(sequences, run, capsys, *flags)


def test_a_file_of_the_users_in_a_checkpoint_is_never_removed_with_it(sequences, run, capsys):
    (run / "checkpoints" / "step-00000002" / "thesis.txt").write_text("years of work")
    for flags in (("--overwrite",), ("--resume",)):
        assert "thesis.txt is not a file we wrote" in refused(sequences, run, capsys, *flags)


def test_event_files_of_others_beside_ours_stay(sequences, tmp_path):
    output, tensorboard = tmp_path / "m", ("--set", "output.tensorboard=true")
    assert main(command(sequences, output, *SHORT, *tensorboard)) == 0
    (output / "tensorboard" / "events.out.tfevents.1.other").write_text("theirs")
    assert main(command(sequences, output, *SHORT, *tensorboard, "--overwrite")) == 0
    assert (output / "tensorboard" / "events.out.tfevents.1.other").read_text() == "theirs"
    assert len(list((output / "tensorboard").iterdir())) == 2


def test_a_finished_model_without_its_checkpoints_is_not_trained_over_by_a_resume(sequences, run, capsys):
    for path in (run / "checkpoints").rglob("*"):
        if path.is_file():
            path.unlink()
    for path in sorted((run / "checkpoints").rglob("*"), reverse=True):
        path.rmdir()
    line = refused(sequences, run, capsys, "--resume")
    assert "holds a finished model, but no whole checkpoint to resume from" in line


def test_resume_and_overwrite_together_are_refused(sequences, run, capsys):
    assert "keep one" in refused(sequences, run, capsys, "--resume", "--overwrite")


def test_a_linked_directory_of_checkpoints_is_refused(sequences, run, tmp_path, capsys):
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refused(sequences, run, capsys, "--overwrite")


def test_the_directory_is_marked_before_anything_else_is_written(run):
    assert (run / MARKER).is_file()


def test_a_closed_stdout_is_no_traceback(sequences, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    (tmp_path / "mine").write_text("a file")
    assert main(command(sequences, tmp_path / "mine")) == 2
