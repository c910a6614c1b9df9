"""Inputs to measure on: a repository of several languages put together from real trees, and N distinct copies of it.

A plain copy would collapse into one near-duplicate group. So every copy is the original with its words exchanged
among words of about the same frequency and the same length: the texts stay code that a parser accepts, a
tokenizer meets the same words equally often, and hardly five words in a row stay as they were.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.programs import find_program, run
from effectiveness.languages import OURS, language_of

MAX_FILE_BYTES = 200_000  # a single generated giant must not be a large part of a small corpus
MIN_WORD_LETTERS = 4
BUCKET_WORDS = 48  # neighbours in frequency that exchange places
_SKIPPED = {"__pycache__", "site-packages", ".git"}
_WORD = re.compile(rb"(?<![0-9A-Za-z_\\])[A-Za-z_][A-Za-z0-9_]{%d,}" % (MIN_WORD_LETTERS - 1))
# Keywords stay: a grammar needs them where they are. (Shorter ones are below MIN_WORD_LETTERS.)
_KEYWORDS = frozenset(
    b"""abstract assert async auto await bool boolean break byte case catch chan char class concept const
    constexpr continue crate debugger declare decltype default defer delete deriving dyn elif else endif
    enum esac except explicit export extends extern fallthrough False false final finally float foreach
    friend from func function global goto ifdef ifndef impl implements import include inline instanceof
    interface internal lambda long loop macro_rules make match mod module move mutable namespace native
    never noexcept None nonlocal null nullptr object operator package pass pragma private protected
    public raise range readonly register reinterpret_cast restrict return select self short signed
    sizeof static static_cast string struct super switch synchronized template then this throw throws
    trait transient True true type typedef typename typeof union unsafe unsigned until using virtual
    void volatile where while with yield""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a composed corpus holds."""

    num_files: int
    num_bytes: int
    files_per_language: dict[str, int]


def compose(trees: Iterable[Path], directory: Path, total_bytes: int) -> Contents:
    """Copy an equal share of each tree's source files, in path order, into the new git repository `directory`."""
    trees = list(trees)
    languages: Counter[str] = Counter()
    num_bytes = 0
    for number, tree in enumerate(trees):
        target = directory / f"{number}-{tree.name}"
        budget = (total_bytes - num_bytes) // (len(trees) - number)
        for path, size, language in _sources(tree):
            if budget <= 0:
                break
            place = target / path.relative_to(tree)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            budget, num_bytes = budget - size, num_bytes + size
            languages[language] += 1
    commit_all(directory)
    return Contents(
        num_files=languages.total(), num_bytes=num_bytes, files_per_language=dict(languages.most_common())
    )


def _sources(tree: Path) -> Iterable[tuple[Path, int, str]]:
    """Regular files whose name tells a language, directory by directory in sorted order: (path, size, language)."""
    for path in sorted(tree.rglob("*")):
        language = language_of(path.name)
        if (
            language is None
            or language.name not in OURS
            or path.is_symlink()
            or not path.is_file()
            or not _SKIPPED.isdisjoint(path.relative_to(tree).parts)
        ):
            continue
        size = path.stat().st_size
        if 0 < size <= MAX_FILE_BYTES:
            yield path, size, language.name


def commit_all(directory: Path) -> None:
    """Make `directory` a git repository whose one commit holds everything, ignored files too."""
    who = [
        "-c",
        "user.name=benchmark",
        "-c",
        "user.email=benchmark@example.invalid",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "gc.auto=0",  # it would go on in the background while the first builds are timed
        "-c",
        "maintenance.auto=false",
    ]
    for arguments in (["init", "-q"], ["add", "-A", "-f"], [*who, "commit", "-q", "-m", "corpus"]):
        run([find_program("git"), "-c", "core.autocrlf=false", *arguments], cwd=directory, check=True)


def multiply(source: Path, directory: Path, copies: int) -> None:
    """`copies` distinct versions of the corpus `source`, side by side in the new git repository `directory`."""
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and ".git" not in path.parts]
    counted: Counter[bytes] = Counter()
    for path in files:
        counted.update(_WORD.findall(path.read_bytes()))
    for copy in range(copies):
        exchange = _exchange(counted, copy)
        for path in files:
            target = directory / f"copy{copy}" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_WORD.sub(lambda word: exchange.get(word[0], word[0]), path.read_bytes()))  # noqa: B023
    commit_all(directory)


def _exchange(counted: Counter[bytes], copy: int) -> dict[bytes, bytes]:
    """Which word stands for which in this copy; copy 0 is the original."""
    if not copy:
        return {}
    shapes: dict[tuple, list[bytes]] = {}
    for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        if word not in _KEYWORDS:
            shapes.setdefault((len(word), word[:1].isupper(), b"_" in word), []).append(word)
    rng, exchange = random.Random(copy), {}
    for words in shapes.values():
        for start in range(0, len(words), BUCKET_WORDS):
            bucket = words[start : start + BUCKET_WORDS]
            exchange.update(zip(bucket, rng.sample(bucket, len(bucket)), strict=True))
    return exchange


def write_manifest(path: Path, corpus: Path, files: Iterable[str]) -> int:
    """List the absolute paths of `files`, relative to `corpus`, for the contestants; returns their bytes."""
    paths = [corpus / name for name in files]
    path.write_text(json.dumps([str(p) for p in paths]))
    return sum(p.stat().st_size for p in paths)
