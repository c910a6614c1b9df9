"""Trees of real code: their files, what is compiled together, and the judge who compares before and after."""

from __future__ import annotations

import importlib
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from effectiveness.common.seeding import rng_for
from effectiveness.corpus.augment import AUGMENTATIONS, Refusal, RepositoryFacts, Variant, vary
from effectiveness.corpus.augment.command import facts_of, files_below, language_at, text_of
from effectiveness.languages.syntax import SyntaxTable, parse, table_of, without_carriage_returns
from tests.augment_mistakes import mistaken

JUDGES = {
    "C++": "c",
    "C#": "csharp",
    "TypeScript": "javascript",
    "TSX": "javascript",
    **dict.fromkeys(("Kotlin", "Swift", "Scala", "CSS"), "lexed"),
}  # others by their own name
WHOLE = ("Rust", "Java")  # judged by the library, not by the file
MAX_BYTES = 400_000
_FOREIGN = {"site-packages", "dist-packages"}  # below the standard library, not of it
_PACKAGE = re.compile(rb"^package\s+([\w.]+)\s*;", re.MULTILINE)


def judge_of(language: str) -> ModuleType:
    """Raises ModuleNotFoundError where a language has none."""
    return importlib.import_module(f"tests.oracles.{JUDGES.get(language, language.lower())}")


@lru_cache(maxsize=1)
def _compiled(judge: ModuleType, unit: Path) -> set[Path]:
    return judge.compiled(unit)


@dataclass(frozen=True)
class Text:
    path: Path
    source: bytes
    table: SyntaxTable
    language: str


@dataclass(frozen=True)
class Tree:
    """A tree of one language: what its variants are drawn from, and what its compiler must be told."""

    root: Path
    language: str
    facts: RepositoryFacts
    flags: tuple[str, ...]
    seed: int

    @property
    def judge(self) -> ModuleType:
        return judge_of(self.language)

    def sees(self, unit: Path, path: Path) -> bool:
        """Whether the judge of a library compiles this file of it."""
        return self.language not in WHOLE or (unit.is_dir() and path in _compiled(self.judge, unit))

    def equal(self, unit: Path, texts: dict[Path, tuple[bytes, bytes]], kind: str) -> bool | None:
        """What the judge says of (before, after) of some files of a unit."""
        mode = "rename" if kind == "variable_renaming" else "layout"
        if self.language in WHOLE:
            return self.judge.equal_library(unit, {path: after for path, (_, after) in texts.items()})
        [(path, (before, after))] = texts.items()
        more = {"flags": self.flags} if self.flags else {}
        return self.judge.equal(before, after, str(path), mode=mode, **more)

    def vary(self, text: Text, kinds: tuple[str, ...] = tuple(AUGMENTATIONS)) -> list[Variant | Refusal]:
        path = text.path.relative_to(self.root).as_posix()
        results = vary(
            text.source, self.language, text.table, path=path, seed=self.seed, kinds=kinds, facts=self.facts
        )
        return list(results)

    def mistaken(self, text: Text, kind: str) -> bytes | None:
        """A variant with one mistake in it."""
        path = text.path.relative_to(self.root).as_posix()
        draw = rng_for(self.seed, kind, path)
        edits = AUGMENTATIONS[kind].propose(text.source, self.language, text.table, draw, self.facts)
        assert not isinstance(edits, str)
        return mistaken(kind, text.source, text.table, edits, rng_for(self.seed, "mistake", kind, path))


def tree_of(root: Path, language: str, seed: int) -> Tree:
    return Tree(root, language, facts_of(root), _flags(root, language), seed)


def _flags(root: Path, language: str) -> tuple[str, ...]:
    """Where C looks for headers: every directory of the tree that has some, the one above it, and Python's."""
    if language not in ("C", "C++"):
        return ()
    headers = [path for path in files_below(root) if path.suffix in (".h", ".hpp", ".hh", ".inc")]
    found = {above for path in headers for above in (path.parent, path.parent.parent)}
    kept = sorted(str(path) for path in found | {root} if path.is_relative_to(root))
    return tuple(flag for path in (*kept, sysconfig.get_path("include")) for flag in ("-I", path))


def units(tree: Tree, num_files: int) -> Iterator[list[Text]]:
    """Texts that are judged together, in a drawn order, until there are `num_files` (0: all)."""
    found: dict[Path, list[Text]] = defaultdict(list)
    for path in files_below(tree.root):
        if _FOREIGN.isdisjoint(path.relative_to(tree.root).parts) and _named(path, tree.language):
            found[unit_of(path, tree.language)].append(path)
    order = sorted(found)
    rng_for(tree.seed, "units").shuffle(order)
    done = 0
    for unit in order:
        if num_files and done >= num_files:
            return
        texts = [text for path in found[unit] if (text := _text(path, tree.language))]
        done += len(texts)
        if texts:
            yield texts


def _named(path: Path, language: str) -> bool:
    """Whether a file is of a language; one without a suffix is opened for its `#!`."""
    found = language_at(path, None if path.suffix else text_of(path))
    return found is not None and found.name == language


def _text(path: Path, language: str) -> Text | None:
    source = text_of(path)
    if source is None or not source.strip() or len(source) > MAX_BYTES:
        return None
    return Text(path, source, without_carriage_returns(source, table_of(parse(language, source))), language)


def unit_of(path: Path, language: str) -> Path:
    """The directory of the library a file is compiled with, or the file itself."""
    if language == "Rust":
        return next((above for above in path.parents if (above / "lib.rs").is_file()), path)
    if language == "Java":
        package = _PACKAGE.search(path.read_bytes())
        return path.parents[len(package[1].split(b".")) if package else 0]
    return path
