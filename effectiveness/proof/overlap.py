"""Text that stands in two places: held-out text in train, and the repository's in code that should be unrelated to it.

Counted from the rows themselves, whatever the metadata says.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import files_and_directories
from effectiveness.common.hashing import sorted_distinct, stretch_hashes
from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.trainer.recut import FileTokens
from effectiveness.trainer.vocabulary import Vocabulary

SPAN_TOKENS = 50
LEAKED_SHARE = 0.5  # of a file's distinct spans
MENDABLE_SHARE = 0.05  # of the files
MAX_NAMED = 5
SIMILAR_SPAN_TOKENS = 8
SIMILAR_SHARE = 0.5
MAX_FILE_BYTES = 400_000
LOOKED_AT = 60  # files after which a place that is mostly dropped is given up
MOSTLY = 0.75
PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "dist-packages"}  # below the place looked at
OTHER_LANGUAGE = "; NOT the repository's main language: that flatters the model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Distinct 50-token spans of the held-out files that train holds, and the files that are mostly such spans."""

    num_spans: int
    num_shared: int
    num_files: int
    leaked: tuple[str, ...]  # half of their spans stand in train, or the whole of a file shorter than a span

    @property
    def share(self) -> float:
        return self.num_shared / max(1, self.num_spans)

    def as_dict(self) -> dict:
        return asdict(self) | {"share": self.share, "span_tokens": SPAN_TOKENS}


def spans(tokens: np.ndarray, length: int) -> np.ndarray:
    """uint64: hashes of every stretch of `length` tokens, sorted and distinct; none for a shorter text."""
    count = len(tokens) - length + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    starts = np.arange(count)
    return sorted_distinct(stretch_hashes(tokens.astype(np.uint64), starts, starts + length))


def all_spans(files: Iterable[FileTokens], length: int) -> np.ndarray:
    """Those of many files, sorted and distinct."""
    found = [spans(part.tokens, length) for part in files]
    return sorted_distinct(np.concatenate([np.empty(0, np.uint64), *found]))


def num_common(needles: np.ndarray, haystack: np.ndarray) -> int:
    """How many of the distinct `needles` stand in the sorted `haystack`."""
    if not len(needles) or not len(haystack):
        return 0
    at = np.minimum(np.searchsorted(haystack, needles), len(haystack) - 1)
    return int((haystack[at] == needles).sum())


def overlap(train: Sequence[FileTokens], held_out: Sequence[FileTokens], names: Sequence[str]) -> Overlap:
    """Compare two splits; `names` are those of the held-out files."""
    haystack, whole = all_spans(train, SPAN_TOKENS), {_key(part.tokens) for part in train}
    leaked, distinct = [], []
    for part in held_out:
        of_file = spans(part.tokens, SPAN_TOKENS)
        distinct.append(of_file)
        shared = num_common(of_file, haystack)
        is_copy = not len(of_file) and len(part.tokens) and _key(part.tokens) in whole
        if is_copy or (shared and shared >= LEAKED_SHARE * len(of_file)):
            leaked.append(names[part.file])
    needles = sorted_distinct(np.concatenate([np.empty(0, np.uint64), *distinct]))
    return Overlap(
        num_spans=len(needles),
        num_shared=num_common(needles, haystack),
        num_files=len({part.file for part in held_out}),
        leaked=tuple(sorted(set(leaked))),
    )


def _key(tokens: np.ndarray) -> tuple[int, int]:
    if not len(tokens):
        return 0, 0
    return len(tokens), int(
        stretch_hashes(tokens.astype(np.uint64), np.array([0]), np.array([len(tokens)]))[0]
    )


def is_hopeless(found: Overlap) -> bool:
    """Whether so many files leaked that leaving them out mends nothing: what made them leak is at work in others."""
    return len(found.leaked) > MENDABLE_SHARE * found.num_files


def leak_line(found: Overlap) -> str:
    """What is shouted, or ""."""
    if not found.leaked:
        return ""
    shown = ", ".join(found.leaked[:MAX_NAMED]) + (" ..." if len(found.leaked) > MAX_NAMED else "")
    then = "left out of every number below"
    if is_hopeless(found):
        then = "no number below can be trusted, build the dataset again"
    return f"LEAK: {len(found.leaked)} of {found.num_files} test files stand in train ({shown}); {then}"


# --- unrelated code, for the control ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrelatedFiles:
    """Unrelated files, and how many were looked at and dropped for what."""

    root: str
    suffix: str  # "": of any
    main_suffix: str  # of the repository's files
    num_bytes: int
    num_dropped_spans: int
    num_dropped_similar: int
    files: tuple[str, ...]  # relative to root

    @property
    def num_looked_at(self) -> int:
        return len(self.files) + self.num_dropped_spans + self.num_dropped_similar

    def in_words(self) -> str:
        return (
            f"{len(self.files):,} {self.suffix or 'text'} files, {self.num_bytes / 1e6:.1f} MB, of {self.root}; "
            f"of {self.num_looked_at:,} looked at, dropped were {self.num_dropped_spans} that share a "
            f"{SPAN_TOKENS}-token span with the repository and {self.num_dropped_similar} much like it"
            + ("" if self.suffix == self.main_suffix else OTHER_LANGUAGE)
        )


class Repository:
    """Spans of everything in a dataset, to look other files up in."""

    def __init__(self, files: Sequence[FileTokens], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.long, self.short = (all_spans(files, length) for length in (SPAN_TOKENS, SIMILAR_SPAN_TOKENS))

    def shares(self, text: str) -> str:
        """ "spans", "similar", or "" for a text that has nothing to do with the repository."""
        tokens = np.array(self.vocabulary.encode(text), dtype=np.int64)
        if num_common(spans(tokens, SPAN_TOKENS), self.long):
            return "spans"
        short = spans(tokens, SIMILAR_SPAN_TOKENS)
        shared = num_common(short, self.short)
        return "similar" if shared and shared >= SIMILAR_SHARE * len(short) else ""


def select_unrelated(
    repository: Repository, *, given: Path | None, suffix: str, target_bytes: int, seed: int
) -> UnrelatedFiles:
    """Files of `given`, else of the first usual place that has enough. Raises UserError where nothing has."""
    best: UnrelatedFiles | None = None
    for root, wanted in _places(given, suffix):
        found = _select(repository, root, wanted, suffix, target_bytes, seed)
        if best is None or found.num_bytes > best.num_bytes:
            best = found
        if found.num_bytes >= target_bytes / 2:
            return found
    if best is None or not best.files:
        where = given if given is not None else "the standard library and this environment"
        raise UserError(f"no unrelated code in {where}: name some with --control-repository PATH")
    return best


def _places(given: Path | None, suffix: str) -> Iterator[tuple[Path, str]]:
    """(directory, suffix of the files to take)."""
    if given is not None:
        if not given.is_dir():
            raise UserError(f"--control-repository {given}: no such directory; give one with unrelated code")
        yield given, suffix
        yield given, ""
        return
    usual = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    for wanted in dict.fromkeys((suffix, ".py")):
        yield from ((root, wanted) for root in usual)


def _select(
    repository: Repository, root: Path, suffix: str, main_suffix: str, target_bytes: int, seed: int
) -> UnrelatedFiles:
    paths = [path for path in files_below(root) if not suffix or path.suffix == suffix]
    rng_for(seed, "control").shuffle(paths)
    kept, dropped, num_bytes = [], {"spans": 0, "similar": 0}, 0
    for number, path in enumerate(paths):
        num_dropped = sum(dropped.values())
        if num_bytes >= target_bytes or (number >= LOOKED_AT and num_dropped > MOSTLY * number):
            break
        text = text_of(path)
        if text is None:
            continue
        if reason := repository.shares(text):
            dropped[reason] += 1
            continue
        kept.append(path.relative_to(root).as_posix())
        num_bytes += len(text)
    return UnrelatedFiles(
        root=str(root),
        suffix=suffix,
        main_suffix=main_suffix,
        num_bytes=num_bytes,
        num_dropped_spans=dropped["spans"],
        num_dropped_similar=dropped["similar"],
        files=tuple(sorted(kept)),
    )


def files_below(root: Path) -> list[Path]:
    """Files, sorted; no hidden ones and nothing of installed packages. Raises UserError for what cannot be listed."""
    try:
        found, _ = files_and_directories(root)
    except OSError as error:
        raise UserError(
            f"cannot list {error.filename}: {error.strerror}; give a directory you can read"
        ) from error
    return sorted(
        path
        for path in found
        if not any(part in PASSED_OVER or part.startswith(".") for part in path.relative_to(root).parts)
    )


def text_of(path: Path) -> str | None:
    """A file's text; None for a link, a large file, and one that is not UTF-8 or cannot be read."""
    try:
        if path.is_symlink() or not path.is_file() or not 0 < path.stat().st_size <= MAX_FILE_BYTES:
            return None
        return read_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
