"""See what augmentation does: `effectiveness augment PATH --kind variable_renaming --diff`.

A file's variant goes to standard output, or the reason why there is none to standard error (exit code 3).
A directory needs `--out DIR`: its variants are written there beside copies of everything else, and a table says
for each language how many files changed, how many were refused and why, and how fast it went.
"""

import argparse
import difflib
import fcntl
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from effectiveness.common.boundary import read_bytes
from effectiveness.common.console import Console
from effectiveness.common.durable import name_stem, remove_tree, umask
from effectiveness.common.endings import (
    OneLineParser,
    Publication,
    claim_standard_streams,
    ending_of,
    print_bytes,
    tell_on_stderr,
)
from effectiveness.common.records import UserError
from effectiveness.corpus.augment import AUGMENTATIONS, Refusal, RepositoryFacts, Variant, vary
from effectiveness.corpus.augment.renaming import local_names, macro_names
from effectiveness.isolation import distrust
from effectiveness.languages import Language, language_of
from effectiveness.languages.syntax import has_grammar, parse, table_of

NO_VARIANT = 3  # exit code
MAX_FILE_BYTES = 2_000_000
MAX_SAMPLES = 200  # files from which names are taken, of each language
_BOM = b"\xef\xbb\xbf"


@dataclass
class Yield:
    """What became of the files of one language."""

    num_files: int = 0
    num_bytes: int = 0
    changed: int = 0
    elapsed_s: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)


def main(arguments: list[str] | None = None) -> int:
    claim_standard_streams()
    options = _options(arguments)
    return ending_of(partial(_run, options))


def _run(options: argparse.Namespace, publication: Publication) -> int:
    distrust(options.path if options.path.is_dir() else options.path.parent)
    if options.path.is_dir():
        return _vary_tree(options.path, options.out, options.kind, options.seed, publication)
    return _show_file(options.path, options.kind, options.seed, options.diff)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description="Print the proven variant of a file, or write those of a tree.",
        epilog="example: effectiveness augment src/paths.py --kind variable_renaming --diff",
    )
    parser.add_argument("path", type=Path, help="a file, or a directory (then --out says where to)")
    parser.add_argument("--kind", required=True, choices=sorted(AUGMENTATIONS), help="which augmentation")
    parser.add_argument("--seed", type=int, default=42, help="of all random choices (default 42)")
    parser.add_argument("--diff", action="store_true", help="print a diff instead of the text")
    parser.add_argument("--out", type=Path, help="a new directory for the variants of a tree")
    return parser.parse_args(arguments)


def _show_file(path: Path, kind: str, seed: int, diff: bool) -> int:
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a source file or a directory")
    source = text_of(path)
    language = language_at(path, source)
    if source is None or language is None:
        raise UserError(f"{path}: not UTF-8 text in a language with a grammar")
    facts = facts_of(_repository(path))
    result = _vary(path.name, source, language.name, kind, seed, facts)
    if isinstance(result, Refusal):
        tell_on_stderr(f"{path}: no {kind}: {result.reason}")
        return NO_VARIANT
    print_bytes(result.text if not diff else _diff(source, result.text, path))
    return 0


def _diff(before: bytes, after: bytes, path: Path) -> bytes:
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        os.fsencode(path),
        os.fsencode(path),
    )
    return b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)


def _vary_tree(root: Path, out: Path | None, kind: str, seed: int, publication: Publication) -> int:
    if out is None:
        raise UserError(f"{root} is a directory: say with --out where its variants are to go")
    if out.exists():
        raise UserError(f"{out} exists: --out must name a new directory")
    if out.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{out} lies in {root}: --out must name a directory outside of it")
    facts = facts_of(root)
    yields: dict[str, Yield] = {}
    with _new_directory(out, publication) as staging:
        for path in files_below(root):
            relative = path.relative_to(root)
            raw = read_bytes(path)
            text = _vary_into(yields, path, relative.as_posix(), kind, seed, facts)
            target = staging / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw if text is None else text)
    publication.exit_code = 0 if any(row.changed for row in yields.values()) else NO_VARIANT
    console = Console()
    for line in _table(yields).split("\n"):
        console.always(line)
    return publication.exit_code


@contextmanager
def _new_directory(out: Path, publication: Publication) -> Iterator[Path]:
    """A directory that is called `out` when it is complete, and removed when it will not be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(out)
    staging = out.with_name(f"{_staging_prefix(out)}{secrets.token_hex(4)}")
    try:
        staging.mkdir(0o700)
        with _held(staging):
            yield staging
            staging.chmod(0o777 & ~umask())
            publication.expect(out, staging)
            os.rename(staging, out)
    except BaseException:
        if staging.exists():
            remove_tree(staging)
        raise


def _staging_prefix(out: Path) -> str:
    return f".{name_stem(out)}.varied-"


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Locked as long as somebody writes there. Raises BlockingIOError where somebody does."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _remove_abandoned(out: Path) -> None:
    """What a kill left of an earlier run for the same directory."""
    pattern = re.compile(re.escape(_staging_prefix(out)) + "[0-9a-f]{8}")
    for name in filter(pattern.fullmatch, os.listdir(out.parent)):
        with suppress(FileNotFoundError, NotADirectoryError, BlockingIOError), _held(out.with_name(name)):
            remove_tree(out.with_name(name))


def _vary_into(
    yields: dict[str, Yield], path: Path, name: str, kind: str, seed: int, facts: RepositoryFacts
) -> bytes | None:
    """The variant of one file, or None; counted under its language."""
    source = text_of(path)
    language = language_at(path, source)
    if source is None or language is None:
        return None
    row = yields.setdefault(language.name, Yield())
    started_s = time.perf_counter()
    result = _vary(name, source, language.name, kind, seed, facts)
    row.elapsed_s += time.perf_counter() - started_s
    row.num_files += 1
    row.num_bytes += len(source)
    if isinstance(result, Refusal):
        row.refused[result.reason] += 1
        return None
    row.changed += 1
    return result.text


def _vary(
    name: str, source: bytes, language: str, kind: str, seed: int, facts: RepositoryFacts
) -> Variant | Refusal:
    table = table_of(parse(language, source))
    return next(vary(source, language, table, path=name, seed=seed, kinds=(kind,), facts=facts))


def facts_of(root: Path) -> RepositoryFacts:
    """Names and macros of all files below `root`."""
    samples: dict[str, list[tuple[str, bytes]]] = {}
    macros: set[str] = set()
    for path in files_below(root):
        source = text_of(path)
        language = language_at(path, source)
        if source is None or language is None:
            continue
        if language.has_preprocessor:
            macros |= macro_names(source)
        of_language = samples.setdefault(language.name, [])
        if len(of_language) < MAX_SAMPLES:
            of_language.append((language.name, source))
    names = local_names(sample for of_language in samples.values() for sample in of_language)
    return RepositoryFacts(names, frozenset(macros))


def _repository(path: Path) -> Path:
    """The repository a file lies in, else its directory."""
    path = path.resolve()
    return next((above for above in path.parents if (above / ".git").exists()), path.parent)


def files_below(root: Path) -> Iterator[Path]:
    """Regular files below `root` in a fixed order; no links, nothing hidden."""
    waiting = [root]
    while waiting:
        entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name)
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        yield from (Path(entry.path) for entry in visible if entry.is_file(follow_symlinks=False))
        waiting += [Path(entry.path) for entry in reversed(visible) if entry.is_dir(follow_symlinks=False)]


def text_of(path: Path) -> bytes | None:
    """The text of a file, or None when it is too long or not UTF-8."""
    if path.stat().st_size > MAX_FILE_BYTES:
        return None
    source = read_bytes(path).removeprefix(_BOM)
    try:
        source.decode()
    except UnicodeDecodeError:
        return None
    return source


def language_at(path: Path, source: bytes | None) -> Language | None:
    """The language of a file we have a grammar for."""
    language = language_of(path.name, source or b"")
    return language if language is not None and has_grammar(language.name) else None


def _table(yields: dict[str, Yield]) -> str:
    lines = [f"{'language':12} {'files':>7} {'changed':>8} {'share':>6} {'MB/s':>6}  refused"]
    for language, row in sorted(yields.items()):
        speed = row.num_bytes / 1e6 / row.elapsed_s if row.elapsed_s else 0.0
        share = row.changed / row.num_files
        refused = ", ".join(f"{reason}: {count}" for reason, count in row.refused.most_common())
        lines.append(f"{language:12} {row.num_files:7} {row.changed:8} {share:6.0%} {speed:6.2f}  {refused}")
    return "\n".join(lines)
