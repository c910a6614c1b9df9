"""Patterns mean what they mean to git, and none takes long."""

from __future__ import annotations

import random
import time

import pytest

from effectiveness.corpus.scan.globs import compile_glob, glob_matches
from effectiveness.corpus.scan.listing import list_repository
from tests.hostile_tree import run_git


@pytest.fixture
def root(tmp_path):
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "deep/a.py", True),
        ("/*.py", "deep/a.py", False),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/b/c", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("**/c", "c", True),
        ("**/b/**/c/*", "a/b/x/c/x/c/d", True),
        ("a**b", "axxb", True),
        ("[!a-c]x", "dx", True),
        ("[!a-c]x", "bx", False),
        ("[]x]", "]", True),
        ("[[:digit:]]?", "7z", True),
        ("[a", "[a", False),
        (r"\*", "*", True),
        (r"\*", "a", False),
    ],
)
def test_patterns_mean_what_git_says(pattern, path, matches):
    assert glob_matches(compile_glob(pattern.encode()), path.encode(), is_directory=False) is matches


def test_hostile_patterns_take_no_time():
    start_s = time.process_time()
    for pattern in (
        b"*a" * 60 + b"b",
        b"**/" * 60 + b"b",
        b"/" + b"**/*a/" * 30 + b"b",
        b"[a-" * 80,
        b"?*" * 60 + b"b",
    ):
        assert not glob_matches(compile_glob(pattern), b"/".join([b"a" * 250] * 100), is_directory=False)
    assert time.process_time() - start_s < 1.0


def random_pattern(rng: random.Random) -> str:
    parts = [
        "a",
        "b",
        "ab",
        "*",
        "**",
        "?",
        "[ab]",
        "[!a]",
        "a*",
        "*b",
        "a*b*",
        r"\a",
        "a.b",
        "[a-b]*",
        "a.py",
        "*.py",
    ]
    parts += ["[ab", "a\\", "[b-a]*", "[!b-a]b*", "[[:alpha:]]*", "[]-a]*", "**a", "?*?", "[^b]*.p[xyz]"]
    pattern = "/".join(rng.choice(parts) for _ in range(rng.randint(1, 4)))
    return rng.choice(("", "", "!")) + rng.choice(("", "", "/")) + pattern + rng.choice(("", "", "/", "  "))


@pytest.mark.parametrize("seed", range(25))
def test_without_git_the_same_files_are_ignored_as_with_git(root, seed):
    rng = random.Random(seed)
    names = ("a", "b", "ab", "a.b", "ba", "abb")
    for _ in range(60):
        directory = root.joinpath(*rng.choices(names, k=rng.randint(0, 3)))
        if all(not parent.is_file() for parent in (directory, *directory.parents)):
            directory.mkdir(parents=True, exist_ok=True)
            if not (directory / rng.choice(names)).exists():
                (directory / rng.choice(names)).with_suffix(".py").write_text("x = 1\n")
    directories = [path for path in root.rglob("*") if path.is_dir()]
    for directory in (root, *rng.sample(directories, min(3, len(directories)))):
        lines = [random_pattern(rng) for _ in range(rng.randint(1, 5))]
        (directory / ".gitignore").write_bytes("\n".join(lines).encode() + rng.choice((b"\n", b"\r\n", b"")))
    without = [file.path for file in list_repository(root).candidates]
    run_git(root, "init", "-q")
    listing = list_repository(root)
    assert listing.listed_by == "git"
    assert without == [file.path for file in listing.candidates]
