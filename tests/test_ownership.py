"""An output directory is new, empty or ours by a marker; of ours only what we made is replaced."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest

from effectiveness.common.jsonl import write_metadata
from effectiveness.common.ownership import (
    MARKER,
    MODEL,
    PROOF,
    check,
    claim,
    kind_of,
    made_in,
    note_made,
    output_directory,
)
from effectiveness.common.records import METADATA_FILE, UserError


def refused(directory: Path, kind: str = MODEL, names: tuple[str, ...] = ()) -> str:
    """The line of a claim that must change nothing."""
    before = sorted((path, path.lstat().st_mtime_ns) for path in directory.parent.rglob("*"))
    with pytest.raises(UserError) as error:
        claim(directory, kind, names)
    assert error.value.exit_code == 2 and "\n" not in str(error.value)
    assert sorted((path, path.lstat().st_mtime_ns) for path in directory.parent.rglob("*")) == before
    return str(error.value)


def staged(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "staged"
    file.write_text(text)
    return file


def make(directory: Path, name: str, text: str) -> None:
    """Write a file as the commands do: noted, then moved."""
    file = staged(directory.parent, text)
    note_made(directory, {name: file})
    os.replace(file, directory / name)


def test_a_new_and_an_empty_directory_become_ours_and_stay_so(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        for _ in range(2):
            claim(tmp_path / name, MODEL, ("README.md",))
        assert kind_of(tmp_path / name) == MODEL


def test_a_directory_that_a_kill_left_before_its_marker_stood_is_as_good_as_empty(tmp_path):
    (tmp_path / ".training.lock").touch()
    (tmp_path / f".{MARKER}.tmp-123-0123abcd").touch()
    claim(tmp_path, MODEL)
    assert kind_of(tmp_path) == MODEL


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", "README.md", "checkpoints/step-00000001/a.txt"])
def test_a_directory_with_anything_of_somebody_else_is_refused(tmp_path, name):
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    assert "holds files we did not write" in refused(tmp_path / "mine", names=("README.md",))


@pytest.mark.parametrize("place", ["/", str(Path.home()), os.getcwd()])
def test_the_root_the_home_and_the_project_itself_are_refused(place):
    with pytest.raises(UserError, match="we did not write"):
        check(Path(place), MODEL)


def test_a_dataset_and_every_place_in_it_is_no_place_for_a_model(tmp_path):
    (tmp_path / "d").mkdir()
    write_metadata(tmp_path / "d" / METADATA_FILE, {})
    assert "is the directory of a dataset, not of a model" in refused(tmp_path / "d")
    assert "lies in the dataset" in refused(tmp_path / "d" / "new" / "model")


def test_a_directory_of_another_kind_is_refused(tmp_path):
    claim(tmp_path / "p", PROOF)
    assert "is the directory of a proof, not of a model" in refused(tmp_path / "p")


def test_a_file_of_the_users_under_a_name_that_we_write_is_refused_and_any_other_stays(tmp_path):
    output = tmp_path / "m"
    claim(output, MODEL)
    (output / "notes.txt").write_text("mine")
    claim(output, MODEL, ("README.md",))
    (output / "README.md").write_text("mine")
    assert "README.md is not a file we wrote" in refused(output, names=("README.md",))
    with pytest.raises(UserError, match="is not a file we wrote"):
        note_made(output, {"README.md": staged(tmp_path, "ours")})


def test_a_file_of_ours_that_was_edited_is_refused_and_an_unchanged_one_is_not(tmp_path):
    output = tmp_path / "m"
    claim(output, MODEL)
    make(output, "README.md", "one")
    make(output, "README.md", "two")
    claim(output, MODEL, ("README.md",))
    assert made_in(output) == ["README.md"]
    (output / "README.md").write_text("two, and a word of mine")
    assert "was changed since we wrote it" in refused(output, names=("README.md",))
    assert made_in(output) == []


def test_kills_between_noting_and_moving_leave_the_file_ours(tmp_path):
    output = tmp_path / "m"
    claim(output, MODEL)
    make(output, "README.md", "one")
    for text in ("two", "three", "four"):
        note_made(output, {"README.md": staged(tmp_path, text)})  # and killed
        claim(output, MODEL, ("README.md",))
    make(output, "README.md", "five")
    assert made_in(output) == ["README.md"]


def test_a_link_under_a_name_of_ours_is_not_ours(tmp_path):
    output = tmp_path / "m"
    claim(output, MODEL)
    note_made(output, {"weights": None})
    (tmp_path / "elsewhere").write_text("precious")
    (output / "weights").symlink_to(tmp_path / "elsewhere")
    assert "was changed since we wrote it" in refused(output, names=("weights",))
    assert made_in(output) == []


@pytest.mark.parametrize("marker", ["", "null", "[]", "{}", '{"kind": 3}', '{"kind": "model"}', "\xff"])
def test_a_marker_that_is_not_as_we_write_it_makes_nothing_ours(tmp_path, marker):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / MARKER).write_text(marker, encoding="latin-1")
    assert "holds files we did not write" in refused(tmp_path / "m")


def test_a_marker_that_is_a_pipe_or_a_link_is_not_believed(tmp_path):
    claim(tmp_path / "ours", MODEL)
    for name in ("pipe", "link"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / MARKER)
    (tmp_path / "link" / MARKER).symlink_to(tmp_path / "ours" / MARKER)
    for name in ("pipe", "link"):
        assert kind_of(tmp_path / name) is None


def test_a_run_of_before_there_was_a_marker_is_taken_for_ours_and_a_directory_like_one_is_not(tmp_path):
    for name, manifest in (("ours", {"metadata_sha256": "0"}), ("theirs", {"step": 1})):
        (tmp_path / name / "checkpoints" / "best").mkdir(parents=True)
        (tmp_path / name / "checkpoints" / "best" / "checkpoint.json").write_text(json.dumps(manifest))
        (tmp_path / name / "README.md").write_text("a card")
    claim(tmp_path / "ours", MODEL, ("README.md",))
    assert made_in(tmp_path / "ours") == ["README.md"]
    assert "holds files we did not write" in refused(tmp_path / "theirs")


def test_no_name_at_all_is_no_output(tmp_path):
    for text in ("", " "):
        with pytest.raises(argparse.ArgumentTypeError):
            output_directory(text)
    assert output_directory("m") == Path("m")
