"""`python -m effectiveness augment` prints a variant, a diff, or why there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from effectiveness.corpus.augment.command import main

ROOT = Path(__file__).resolve().parent.parent
RENAMING = ("--kind", "variable_renaming")
SOURCE = "def f(rows):\n    total = 0\n    for row in rows:\n        total += row\n    return total\n"


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "effectiveness", "augment", *map(str, arguments)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "inner").mkdir(parents=True)
    (root / "a.py").write_text(SOURCE)
    (root / "inner" / "b.py").write_text("x = 1\n")
    (root / "inner" / "notes.txt").write_text("total\n")
    return root


def test_the_variant_of_a_file_is_printed(tree: Path) -> None:
    done = run(tree / "a.py", *RENAMING)
    assert done.returncode == 0, done.stderr
    assert done.stdout != SOURCE
    assert done.stdout.count("\n") == SOURCE.count("\n")


def test_a_diff_holds_only_lines_that_changed(tree: Path) -> None:
    done = run(tree / "a.py", *RENAMING, "--diff")
    removed = [line[1:] for line in done.stdout.splitlines() if line.startswith("-") and line[1] != "-"]
    assert removed == SOURCE.splitlines()[1:]


def test_the_same_seed_prints_the_same_and_another_one_something_else(tree: Path) -> None:
    one, same, other = (run(tree / "a.py", *RENAMING, "--seed", seed).stdout for seed in ("1", "1", "3"))
    assert one == same != other


def test_where_there_is_no_variant_the_reason_is_said_and_the_exit_code_is_3(tree: Path) -> None:
    done = run(tree / "inner" / "b.py", *RENAMING)
    assert done.returncode == 3
    assert "no function" in done.stderr
    assert done.stdout == ""


def test_a_tree_is_written_whole_and_counted(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(tree, *RENAMING, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "a.py").read_text() != SOURCE
    assert (out / "inner" / "b.py").read_text() == "x = 1\n"
    assert (out / "inner" / "notes.txt").read_text() == "total\n"
    row = next(line for line in done.stdout.splitlines() if line.startswith("Python"))
    assert row.split()[1:4] == ["2", "1", "50%"]
    assert "no function: 1" in row


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.py"], "no such file"),
        (["tree"], "--out"),
        (["tree", "--out", "tree"], "exists"),
        (["tree", "--out", "tree/inner/new"], "outside"),
        (["tree/inner/notes.txt"], "grammar"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tree: Path, arguments: list[str], said: str) -> None:
    done = run(*arguments, *RENAMING, cwd=tree.parent)
    assert done.returncode == 2
    assert said in done.stderr
    [_, last] = done.stderr.splitlines()
    assert last == "FAILED"


def test_a_tree_that_was_written_is_said_to_be_there_though_its_table_cannot_be_printed(
    tree, tmp_path, capsys
):
    with open("/dev/full", "w") as full, redirect_stdout(full):
        assert main([str(tree), *RENAMING, "--out", str(tmp_path / "out")]) == 0
    assert "is the new one, complete" in capsys.readouterr().err
    assert (tmp_path / "out" / "a.py").is_file()


def test_a_tree_that_cannot_be_written_whole_is_not_written(tree, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert main([str(tree), *RENAMING, "--out", str(tmp_path / "out")]) == 143
    assert "nothing was changed" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["tree"]


def test_an_unknown_kind_is_a_usage_error(tree: Path) -> None:
    assert run(tree / "a.py", "--kind", "rename_everything").returncode == 2
