"""A repository that changes, breaks or goes away under a server: it says so, serves on, and knows what is there."""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_at_cursor import NAMES, source
from test_serve import know, write_repository

from effectiveness.common import programs
from effectiveness.common.endings import CannotPrint
from effectiveness.common.records import UserError
from effectiveness.serve import background, command
from effectiveness.serve.background import Background
from effectiveness.serve.knowledge import Knowledge
from effectiveness.serve.repository import LiveRepository
from tests.hostile_tree import run_git

Change = Callable[[Path, random.Random], object]


def _file(root: Path, rng: random.Random) -> Path:
    return root / rng.choice(("", "sub", "sub/deep", "lib")) / f"{rng.choice(NAMES)}.py"


def save(root: Path, rng: random.Random) -> None:
    path = _file(root, rng)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source(*rng.sample(NAMES, 2)) + f"VALUE = {rng.randrange(99)}\n")


def be_no_text(root: Path, rng: random.Random) -> None:
    path = _file(root, rng)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        rng.choice((b"", b"\xff\xfe", b"\0" * 99, b"x" * 5000, b"# Code generated. DO NOT EDIT.\n"))
    )


def become(make: Callable[[Path], object]) -> Change:
    def change(root: Path, rng: random.Random) -> None:
        path = _file(root, rng)
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)

    return change


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def move(root: Path, rng: random.Random) -> None:
    remove(root / "lib")
    if (root / "sub").exists():
        (root / "sub").rename(root / "lib")


def ignore(root: Path, rng: random.Random) -> None:
    remove(root / ".gitignore")
    (root / ".gitignore").write_text(rng.choice(("", "sub/\n", "*.py\n!apples.py\n", "\xff[\n")))


def break_git(root: Path, rng: random.Random) -> None:
    git = root / ".git"
    if rng.random() < 0.3:
        remove(git)
        run_git(root, "init", "-q")
    elif git.is_dir():
        rng.choice((lambda: remove(git / "HEAD"), lambda: (git / "index").write_bytes(b"DIRC\xff")))()


def be_gone(root: Path, rng: random.Random) -> None:
    root.rename(root.with_name("away"))


def be_no_directory(root: Path, rng: random.Random) -> None:
    root.rename(root.with_name("away"))
    root.write_text("a file\n")


CHANGES: dict[str, Change] = {
    "save": save,
    "no text": be_no_text,
    "removed": become(lambda path: None),
    "a link out": become(lambda path: path.symlink_to("/etc/passwd")),
    "a pipe": become(os.mkfifo),
    "a directory": become(os.mkdir),
    "moved": move,
    "ignored": ignore,
    "broken git": break_git,
    "gone": be_gone,
    "no directory": be_no_directory,
}


def change_and_look(root: Path, knowledge: Knowledge, rng: random.Random, count: int) -> int:
    """So many changes, a look after most of them; how many looks were refused in a line."""
    num_refused = 0
    for _ in range(count):
        CHANGES[rng.choice(sorted(CHANGES))](root, rng)
        if rng.random() < 0.7:
            try:
                knowledge.refresh()
            except (OSError, UserError) as error:  # what the background takes for a line
                num_refused += 1
                assert "\n" not in str(error)
        away = root.with_name("away")
        if away.exists():
            remove(root)
            away.rename(root)
    return num_refused


@pytest.mark.parametrize(
    ("seeds", "count"),
    [(range(2), 40), pytest.param(range(2, 30), 150, marks=pytest.mark.torture)],
    ids=["slice", "all"],
)
def test_whatever_happens_to_a_repository_the_next_look_knows_what_is_there(tmp_path, seeds, count):
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        root = write_repository(tmp_path / str(seed) / "repository")
        run_git(root, "init", "-q")
        knowledge, rng = know(root), random.Random(seed)
        num_refused = change_and_look(root, knowledge, rng, count)
        remove(root / ".git")
        run_git(root, "init", "-q")
        (root / "last.py").write_text(source("figs"))
        remove(root / ".gitignore")
        knowledge.refresh()
        assert knowledge.repository.texts == LiveRepository.open(root).texts, seed
        assert num_refused > 0


def test_of_a_tree_that_was_deleted_and_made_again_nothing_old_is_left(tmp_path):
    root = write_repository(tmp_path / "repository")
    knowledge = know(root)
    shutil.copytree(root, tmp_path / "again")
    (tmp_path / "again/apples.py").unlink()
    (tmp_path / "again/figs.py").write_text(source("figs"))
    remove(root)
    for _ in range(2):
        with pytest.raises((OSError, UserError)):
            knowledge.refresh()
    (tmp_path / "again").rename(root)
    knowledge.refresh()
    knowledge.refresh()  # of files that are known first, then those that are new
    assert knowledge.repository.texts == LiveRepository.open(root).texts
    assert "apples.py" not in knowledge.completer.memory.known_paths


def test_a_rule_that_is_written_into_a_file_in_its_place_holds_from_the_next_look_on(tmp_path):
    root = write_repository(tmp_path / "repository")
    run_git(root, "init", "-q")
    (root / ".gitignore").write_text("# nothing yet\n")
    (root / ".gitattributes").write_text("# nothing yet\n")
    known = know(root).repository
    for name, rule, gone in (
        (".gitignore", "pears.py\n", "pears.py"),
        (".gitattributes", "plums.py linguist-vendored\n", "plums.py"),
    ):
        assert gone in known.texts
        with open(root / name, "a") as rules:  # as an editor that writes in place
            rules.write(rule)
        changed = {change.path for change in known.changes()}
        assert gone in changed and gone not in known.texts


@pytest.mark.parametrize("is_read", [True, False], ids=["", "nobody-reads-what-it-says"])
def test_a_server_whose_repository_is_gone_says_so_once_and_serves_on(tmp_path, monkeypatch, is_read):
    root = write_repository(tmp_path / "repository")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if not is_read:
            raise CannotPrint(OSError(errno.EPIPE, "Broken pipe"))

    monkeypatch.setattr(background, "POLL_S", 0.02)
    monkeypatch.setattr(background, "QUICK_POLL_S", 0.02)
    known = know(root)
    looking = Background(known, say)
    thread = threading.Thread(target=looking._watch, daemon=True)
    thread.start()
    root.rename(tmp_path / "away")
    _wait_until(lambda: said)
    time.sleep(0.8)  # looked for again four times
    assert len(said) == 1
    assert said[0].startswith("repository  not read again: ") and "\n" not in said[0]
    (tmp_path / "away").rename(root)
    (root / "new.py").write_text(source("dates"))
    _wait_until(lambda: "new.py" in known.repository.texts)
    looking.stop()
    thread.join(20)
    assert not thread.is_alive()


def _wait_until(is_so: Callable[[], object]) -> None:
    until_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_server_that_cannot_start_git_reads_the_ignore_files_itself(tmp_path, monkeypatch, code):
    root = write_repository(tmp_path / "repository")
    run_git(root, "init", "-q")

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(programs, "run", refuse)
    assert len(LiveRepository.open(root).texts) == len(NAMES) + 1


def test_a_server_that_cannot_start_a_thread_says_so_in_a_line(tmp_path, monkeypatch, capsys):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert command.main(["--repository", str(write_repository(tmp_path / "repository")), "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert error.endswith("FAILED\n") and error.count("\n") == 2 and "ulimit -u" in error
