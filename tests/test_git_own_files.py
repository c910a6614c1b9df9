"""Files of git's that say odd things, or are none: a tree is listed all the same, its history is its own or refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from dated_repository import git
from test_clones import canary, repository
from test_git_attacks import OWN, READ, REFUSED, Trick, assert_nothing_ran

from effectiveness.common.records import UserError
from effectiveness.corpus.history import read_past
from tests.scanning import code, scan_tree, write


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Another repository, whose files must not be read."""
    return repository(tmp_path / "private", secret_DOT_py="SECRET = 1\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path / "tree", a_DOT_py="a = 1\n", sub__b_DOT_py="b = 1\n")


def more_settings(text: str) -> Trick:
    def plant(tree: Path, private: Path) -> None:
        with (tree / ".git/config").open("a") as config:
            config.write(text.format(program=canary(tree.parent), private=private))

    return plant


def overwritten(pattern: str, command: tuple[str, ...], first: int = 12, last: int = 60) -> Trick:
    """A file that git makes by `command`, with odd bytes in its middle."""

    def plant(tree: Path, private: Path) -> None:
        git(tree, *command)
        for path in (tree / ".git").glob(pattern):
            raw = bytearray(path.read_bytes())
            raw[first:last] = b"\xff" * (min(last, len(raw)) - first)
            path.chmod(0o644)
            path.write_bytes(raw)

    return plant


def waited_for(pattern: str, command: tuple[str, ...]) -> Trick:
    """A pipe in the place of a file that git makes by `command`."""

    def plant(tree: Path, private: Path) -> None:
        git(tree, *command)
        path = next((tree / ".git").glob(pattern))
        path.unlink()
        os.mkfifo(path)

    return plant


def refs_in_tables(tree: Path, private: Path) -> None:
    shutil.rmtree(tree / ".git/refs")
    text = "ref: refs/heads/.invalid\n"
    write(tree, _DOT_git__HEAD=text, _DOT_git__refs__heads="of tables\n", _DOT_git__reftable__tables="x\n")
    more_settings("[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n")(
        tree, private
    )


def lacks_a_blob(tree: Path, private: Path) -> None:
    remote = '[extensions]\n\tpartialClone = o\n[remote "o"]\n\turl = ext::{program}\n\tpromisor = true\n'
    more_settings(f"[core]\n\trepositoryformatversion = 1\n{remote}\tuploadpack = {{program}}\n")(
        tree, private
    )
    blob = git(tree, "rev-parse", "HEAD:a.py")
    (tree / ".git/objects" / blob[:2] / blob[2:]).unlink()


ALIASES = "".join(
    f"\t{name} = !{{program}}\n" for name in ("ls-files", "check-ignore", "cat-file", "rev-list", "log")
)
TRACES = "[trace2]\n\tnormalTarget = {private}/RAN\n\teventTarget = {private}/RAN\n"
OWN_TRICKS: dict[str, tuple[Trick, str]] = {
    "split index": (overwritten("none", ("update-index", "--split-index")), READ),
    "split index, odd": (overwritten("sharedindex.*", ("update-index", "--split-index"), 0), READ),
    "split index, a pipe": (waited_for("sharedindex.*", ("update-index", "--split-index")), READ),
    "sparse index": (overwritten("none", ("sparse-checkout", "set", "--sparse-index", "sub")), READ),
    "commit graph": (overwritten("**/commit-graph", ("commit-graph", "write", "--reachable")), READ),
    "multi-pack index": (overwritten("**/multi-pack-index", ("repack", "-adqm")), READ),
    "pack": (overwritten("**/*.pack", ("repack", "-adq")), REFUSED),
    "pack's index, a pipe": (waited_for("**/*.idx", ("repack", "-adq")), REFUSED),
    "object, a pipe": (waited_for("objects/??/*", ("gc", "--auto", "--quiet")), REFUSED),
    "HEAD is a title": (
        lambda tree, _: write(tree, _DOT_git__HEAD="ref: refs/heads/\x1b]0;x\x07\n"),
        REFUSED,
    ),
    "ref names itself": (
        lambda tree, _: write(tree, _DOT_git__refs__heads__main="ref: refs/heads/main\n"),
        REFUSED,
    ),
    "reftable": (refs_in_tables, REFUSED),
    "partial clone": (lacks_a_blob, REFUSED),
    "format of tomorrow": (more_settings("[core]\n\trepositoryformatversion = 99\n"), READ),
    "aliases": (more_settings(f"[alias]\n{ALIASES}"), READ),
    "traces": (more_settings(TRACES), READ),
    "configuration by a remote's name": (
        more_settings('[includeIf "hasconfig:remote.*.url:**"]\n\tpath = /dev/zero\n'),
        READ,
    ),
    "signatures": (
        more_settings("[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {program}\n\tformat = ssh\n"),
        READ,
    ),
    "hook of packs": (more_settings("[uploadpack]\n\tpackObjectsHook = {program}\n"), READ),
}


@pytest.mark.parametrize("trick", OWN_TRICKS)
def test_whatever_a_repository_says_of_itself_its_files_are_listed_and_its_history_is_its_own(
    tree, private, tmp_path, trick
):
    plant, expected = OWN_TRICKS[trick]
    plant(tree, private)
    assert code(scan_tree(tree, tmp_path / "spool")[0]) == OWN
    (tmp_path / "scratch").mkdir()
    try:
        read_past(tree, "", tmp_path / "scratch")
        found = READ
    except UserError as why:
        found = REFUSED
        assert str(why).isprintable() and why.exit_code == 2
    assert found == expected
    assert_nothing_ran(tmp_path)
