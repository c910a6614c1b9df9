"""Publishing a directory: what may be replaced, what is cleaned up, and what every refusal says."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from effectiveness.common import publish
from effectiveness.common.durable import remove_tree, write_atomically
from effectiveness.common.publish import SCRATCH, publishing, require_space
from effectiveness.common.records import METADATA_FILE, UserError

STALE = ".dataset.staging-1234-0123abcd"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "place" / "dataset"


SIGNED = '{"metadata_sha256": ""}\n'  # by which a dataset of ours is known


def publish_text(output: Path, text: str, **options: object) -> None:
    with publishing(output, **options) as staging:
        (staging / "README.md").write_text(text)
        (staging / METADATA_FILE).write_text(SIGNED)


def refusal(output: Path, **options: object) -> UserError:
    """The one-line error of a run that must not get as far as a staging directory."""
    before = tree(output.parent)
    with pytest.raises(UserError) as raised, publishing(output, **options):
        pytest.fail("was not refused")
    assert "\n" not in str(raised.value) and tree(output.parent) == before
    return raised.value


def tree(directory: Path) -> dict[str, bytes | None]:
    """Relative path -> content, None for what is not a regular file."""
    return {
        os.fspath(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


def test_a_dataset_is_published_into_parents_that_did_not_exist(output: Path) -> None:
    publish_text(output, "one")
    assert tree(output.parent) == {
        "dataset": None,
        "dataset/README.md": b"one",
        "dataset/dataset_metadata.json": SIGNED.encode(),
    }


def test_a_new_dataset_replaces_the_old_one_whole(output: Path) -> None:
    publish_text(output, "one")
    (output / "report.html").write_text("of one")
    publish_text(output, "two")
    assert sorted(tree(output)) == ["README.md", "dataset_metadata.json"]
    assert (output / "README.md").read_text() == "two" and os.listdir(output.parent) == ["dataset"]


def test_an_exception_leaves_the_old_dataset_and_nothing_beside_it(output: Path) -> None:
    publish_text(output, "one")
    before = tree(output.parent)
    with pytest.raises(ZeroDivisionError), publishing(output) as staging:
        (staging / "README.md").write_text("two")
        _ = 1 / 0
    assert tree(output.parent) == before


def test_a_failed_first_run_leaves_no_parents_either(output: Path) -> None:
    with pytest.raises(KeyboardInterrupt), publishing(output):
        raise KeyboardInterrupt
    assert not output.parent.exists()


def test_scratch_is_never_published(output: Path) -> None:
    with publishing(output) as staging:
        (staging / SCRATCH / "deep").mkdir(parents=True)
        (staging / SCRATCH / "deep" / "texts").write_text("secret")
        (staging / METADATA_FILE).write_text(SIGNED)
    assert os.listdir(output) == [METADATA_FILE]


def test_a_directory_without_its_manifest_is_never_published(output: Path) -> None:
    with pytest.raises(RuntimeError, match="dataset_metadata"), publishing(output) as staging:
        (staging / "README.md").write_text("x")
    assert not output.exists()


def test_a_file_that_the_next_run_would_not_know_as_ours_is_never_published(output: Path) -> None:
    with pytest.raises(RuntimeError, match=r"spool\.bin"), publishing(output) as staging:
        (staging / METADATA_FILE).write_text(SIGNED)
        (staging / "spool.bin").write_text("x")
    assert not output.exists()


def test_another_kind_of_directory_names_its_own_manifest_and_files(output: Path) -> None:
    for text in ("one", "two"):
        with publishing(output, manifest="checkpoint.json", owned=("*",)) as staging:
            (staging / "any.safetensors").write_text(text)
            (staging / "checkpoint.json").write_text("{}")
    assert (output / "any.safetensors").read_text() == "two"


# --- what is refused -------------------------------------------------------------------------------------


def test_a_directory_with_files_of_somebody_else_is_refused_and_they_are_named(output: Path) -> None:
    output.mkdir(parents=True)
    for name in ("thesis.tex", "a", "b", "c"):
        (output / name).write_text("years of work")
    error = refusal(output)
    assert error.exit_code == 2 and "files but no dataset_metadata.json of ours (a, b, c, ...)" in str(error)


def test_a_directory_with_the_metadata_of_another_program_is_refused(output: Path) -> None:
    output.mkdir(parents=True)
    (output / "dataset_metadata.json").write_text('{"author": "somebody"}')
    (output / "README.md").write_text("years of work")
    assert "files but no dataset_metadata.json of ours" in str(refusal(output))


def test_one_file_of_somebody_else_inside_a_dataset_stops_the_run(output: Path) -> None:
    publish_text(output, "one")
    (output / "tokenizer").mkdir()
    (output / "tokenizer" / "vocab.json").write_text("ours")
    (output / "notes").mkdir()
    (output / "notes" / "mine.txt").write_text("mine")
    error = refusal(output)
    assert error.exit_code == 2 and "(notes/mine.txt)" in str(error)


def test_an_empty_directory_of_somebody_else_inside_a_dataset_stops_the_run(output: Path) -> None:
    publish_text(output, "one")
    (output / "mount" / "here").mkdir(parents=True)
    assert "(mount/here)" in str(refusal(output))


def test_a_link_inside_a_dataset_is_not_followed_when_it_is_replaced(output: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("x")
    publish_text(output, "one")
    (output / "training_data_val.jsonl").symlink_to(tmp_path / "elsewhere")
    publish_text(output, "two")
    assert (tmp_path / "elsewhere" / "precious").read_text() == "x"


def test_a_file_as_output_is_refused(output: Path) -> None:
    output.parent.mkdir()
    output.write_text("x")
    error = refusal(output)
    assert error.exit_code == 2 and "is not a directory" in str(error)


def test_a_file_as_parent_is_refused(output: Path) -> None:
    output.parent.write_text("x")
    error = refusal(output)
    assert error.exit_code == 2 and f"({output.parent})" in str(error)


def test_a_relative_output_in_a_removed_working_directory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UserError) as raised, publishing(Path("dataset")):
        pytest.fail("was not refused")
    assert raised.value.exit_code == 2


def test_a_link_that_leads_nowhere_but_to_itself_is_refused(output: Path) -> None:
    output.parent.mkdir()
    output.symlink_to(output)
    assert "is a link that leads nowhere" in str(refusal(output))


def test_the_root_directory_and_a_mount_point_are_refused() -> None:
    for path in ("/", "/proc"):
        with pytest.raises(UserError) as raised, publishing(Path(path)):
            pytest.fail("was not refused")
        assert raised.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_parent_that_cannot_be_written_is_refused_in_one_line(output: Path) -> None:
    output.parent.mkdir(mode=0o500)
    error = refusal(output)
    assert error.exit_code == 2 and "Permission denied" in str(error)


def test_a_line_break_in_the_output_name_stays_out_of_the_error(tmp_path: Path) -> None:
    output = tmp_path / "a\nb\x1b[2J"
    output.write_text("x")
    assert r"a\x0ab\x1b[2J" in str(refusal(output))


# --- what is accepted ------------------------------------------------------------------------------------


def test_an_empty_directory_becomes_the_dataset_with_its_mode(output: Path) -> None:
    output.mkdir(parents=True, mode=0o750)
    publish_text(output, "one")
    assert stat.S_IMODE(output.stat().st_mode) == 0o750 and (output / "README.md").exists()


def test_a_new_dataset_has_the_mode_that_the_umask_gives(output: Path) -> None:
    before = os.umask(0o027)
    try:
        publish_text(output, "one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(output.stat().st_mode) == 0o750


def test_the_staging_directory_is_private(output: Path) -> None:
    with publishing(output) as staging:
        assert stat.S_IMODE(staging.stat().st_mode) == 0o700 and staging.parent == output.parent
        (staging / METADATA_FILE).write_text(SIGNED)


def test_a_link_to_a_directory_stays_a_link(output: Path, tmp_path: Path) -> None:
    real = tmp_path / "big disk" / "data"
    real.mkdir(parents=True)
    output.parent.mkdir()
    output.symlink_to(real)
    publish_text(output, "one")
    publish_text(output, "two")
    assert output.is_symlink() and (real / "README.md").read_text() == "two"


@pytest.mark.parametrize("name", ["x" * 255, "-rf", "a b", "[a-z]*", "\udcff", "ü", "a\nb"])
def test_an_odd_output_name_works_twice(tmp_path: Path, name: str) -> None:
    for text in ("one", "two"):
        publish_text(tmp_path / name, text)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name / "README.md").read_text() == "two"


def test_the_working_directory_itself_can_be_the_output(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_text(output, "one")
    monkeypatch.chdir(output)
    publish_text(Path("."), "two")
    assert (output / "README.md").read_text() == "two"


# --- after a killed run ----------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_removed_and_said(output: Path) -> None:
    notes: list[str] = []
    (output.parent / STALE / "deep" / "er").mkdir(parents=True)
    (output.parent / STALE / "deep" / "texts").write_text("x")
    (output.parent / ".dataset.lock").write_text("pid 1234")
    publish_text(output, "one", say=notes.append)
    assert os.listdir(output.parent) == ["dataset"]
    assert len(notes) == 1 and STALE in notes[0] and "killed" in notes[0]


def test_the_staging_directory_of_another_output_is_left_alone(output: Path) -> None:
    others = [".dataset2.staging-1-0123abcd", ".dataset.staging-1.staging-1-0123abcd", ".dataset.staging-x"]
    for name in others:
        (output.parent / name).mkdir(parents=True)
    publish_text(output, "one")
    assert sorted(os.listdir(output.parent)) == sorted([*others, "dataset"])


def test_a_dataset_moved_aside_by_a_killed_run_is_put_back_even_when_this_run_fails(output: Path) -> None:
    notes: list[str] = []
    publish_text(output, "one")
    output.rename(output.with_name(".dataset.previous"))
    with pytest.raises(ZeroDivisionError), publishing(output, say=notes.append):
        _ = 1 / 0
    assert (output / "README.md").read_text() == "one" and len(notes) == 1


def test_an_old_dataset_that_cannot_be_removed_is_said_but_does_not_fail_the_run(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    publish_text(output, "one")

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(publish, "remove_tree", fail)
        publish_text(output, "two", say=notes.append)
    assert (output / "README.md").read_text() == "two" and "cannot remove" in notes[0]
    publish_text(output, "three", say=notes.append)
    assert os.listdir(output.parent) == ["dataset"]


# --- two runs, full disks --------------------------------------------------------------------------------


def test_a_second_run_is_told_who_holds_the_output(output: Path) -> None:
    with publishing(output) as staging:
        error = refusal(output)
        (staging / METADATA_FILE).write_text(SIGNED)
    assert error.exit_code == 1
    assert f"another run (pid {os.getpid()}, started " in str(error) and str(output) in str(error)


def test_a_link_and_its_directory_are_one_output(output: Path) -> None:
    output.mkdir(parents=True)
    link = output.with_name("link")
    link.symlink_to(output)
    with publishing(output) as staging:
        assert refusal(link).exit_code == 1
        (staging / METADATA_FILE).write_text(SIGNED)


def test_a_forked_worker_does_not_keep_the_lock_of_its_killed_parent(output: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from effectiveness.common.publish import publishing
with publishing(Path({str(output)!r})):
    worker = os.fork()
    if not worker:
        print(os.getpid(), flush=True)
        time.sleep(60)
    os.kill(os.getpid(), 9)
"""
    root = Path(__file__).parent.parent
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root) as run:
        worker = int(run.stdout.readline())
        run.wait()
        try:
            publish_text(output, "one")
        finally:
            os.kill(worker, 9)
    assert os.listdir(output.parent) == ["dataset"]


def test_space_can_be_asked_for_again_once_more_is_known(output: Path) -> None:
    for number in range(2):
        with pytest.raises(UserError) as raised, publishing(output) as staging:
            require_space((output, staging)[number], 10**18)
        assert str(raised.value).startswith(f"disk full: {output} needs 1,000,")
        assert not output.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_one_line_with_the_bytes(output: Path, code: int) -> None:
    publish_text(output, "one")
    with pytest.raises(UserError) as raised, publishing(output):
        raise OSError(code, os.strerror(code))
    assert raised.value.exit_code == 1 and "needs more than the " in str(raised.value)
    assert "\n" not in str(raised.value) and (output / "README.md").read_text() == "one"


def test_an_error_that_is_not_the_disks_fault_is_not_dressed_up(output: Path) -> None:
    with pytest.raises(FileNotFoundError), publishing(output) as staging:
        (staging / "missing").read_text()


# --- single files ----------------------------------------------------------------------------------------


def test_one_file_is_replaced_through_a_link_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / ".real.tmp-1-0123abcd").write_text("of a killed run")
    write_atomically(tmp_path / "link", b"new")
    assert sorted(os.listdir(tmp_path)) == ["link", "real"] and (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_one_file_stays_as_it_was_when_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file", b"new")
    assert tree(tmp_path) == {"file": b"old"}


def test_removing_a_tree_follows_no_link_and_needs_no_recursion(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    deepest = tmp_path / "tree"
    deepest.mkdir()
    (deepest / "link").symlink_to(tmp_path)
    for _ in range(1500):
        deepest = deepest / "d"
        deepest.mkdir()
    remove_tree(tmp_path / "tree")
    assert tree(tmp_path) == {"precious": b"x"}
