"""A dataset that nobody touched passes the checker, however much alike or odd its files are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND
from dataset_facts import read_facts
from honest_trees import SUFFIXES, TREES, make_history, make_tree
from test_dataset_effectiveness import TESTS, what_is_wrong

# Of each kind of oddness one that the checker once failed; the campaign builds all.
SHORT = (
    "templated Go",
    "Perl in windows of 8",
    "CRLF of headers",
    "copies",
    "one licence on everything",
    "odd names",
)


def complaints(name: str, base: Path) -> list[str]:
    return complaints_of(base, make_tree(name, base / "r"))


def complaints_of(base: Path, flags: list[str]) -> list[str]:
    """What the checker says of the dataset of `base`/r."""
    command = [
        sys.executable,
        str(COMMAND),
        str(base / "r"),
        "--output",
        str(base / "d"),
        "--tokenizer",
        "local",
    ]
    done = subprocess.run(
        [*command, "--workers", "1", "--quiet", "--recipe", "founding", *flags],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = read_facts(base / "d")
    return [wrong for test in TESTS if (wrong := what_is_wrong(test, facts))]


@pytest.mark.parametrize("name", SHORT)
def test_an_honest_dataset_passes(name, tmp_path):
    assert complaints(name, tmp_path) == []


@pytest.mark.torture
@pytest.mark.parametrize("name", [name for name in TREES if name not in SHORT])
def test_every_honest_dataset_passes(name, tmp_path):
    assert complaints(name, tmp_path) == []


@pytest.mark.torture
@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_honest_dataset_with_a_later_set_passes(kind, tmp_path):
    make_history(kind, tmp_path / "r")
    assert complaints_of(tmp_path, ["--max-tokens", "64", "--until", "2024-03-01"]) == []


def test_the_trees_are_many():
    assert len(TREES) >= 40 and set(SHORT) < set(TREES)
