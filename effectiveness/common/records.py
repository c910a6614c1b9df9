"""The frozen records that flow between stages. No behaviour beyond validation; a new one instead of a mutation.

Text and token ids never travel in records: a corpus is larger than memory. They lie in the spool files of the
staging directory, once, and a record says where (`offset`, `length`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:  # --help, a mistyped flag and a missing library are told without any library
    import numpy as np

ROLES = ("core", "util", "test")
# Role -> (weight, priority): how much a row counts, a number on each row and never copies of it. A trainer visits rows
# in proportion to the weight, 3 : 1 : 0.3.
WEIGHTS = {"core": (3.0, "high"), "util": (1.0, "medium"), "test": (0.3, "low")}
SPLITS = ("train", "val", "test")
SHARES = {"train": 0.85, "val": 0.10, "test": 0.05}  # of the rows
SHARE_TOLERANCE = 0.02  # a split may miss its share of the rows by two points before it is worth a word
ORIGINAL = "original"
AUGMENTATION_KINDS = ("variable_renaming", "comment_toggle", "format_variation", "token_masking")
VARIANTS = (ORIGINAL, *AUGMENTATION_KINDS)  # a row stores the index into this table

DATASET_FILES = {split: f"training_data_{split}.jsonl" for split in SPLITS}
# Of every file its split, and a sketch by which a later build knows it again.
SPLITS_FILE = "file_splits.jsonl"
LATER = "later"  # no split of the dataset: what was committed after it, with --until
LATER_FILE = f"training_data_{LATER}.jsonl"
METADATA_FILE = "dataset_metadata.json"
# Of a dataset, raised with every file or key that the checker asks for. 1: labels in masked rows only, and another
# score where there is no grammar; 2: no table of the files' splits, or not in all.
FORMAT_VERSION = 3
MEMORY_SCORE_FILE = "memory/val_score.json"  # in a dataset: what a token of val costs its memory
SET_LANGUAGE = "language set by .gitattributes"  # a note of the scan
PAGES = ("README.md", "report.html")  # made from the metadata; their digests are added to it afterwards


class UserError(Exception):
    """Something the user can mend: one line, exit code 2 (or `exit_code`), never a traceback."""

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file that was read. Its text (UTF-8, secrets redacted) is `num_bytes` bytes of the text spool."""

    path: str  # relative to the repository, "/" between parts, spelled by `paths.escape_path`
    language: str  # a key of languages.LANGUAGES
    role: str  # one of ROLES
    sha256: str  # of the bytes on disk
    num_bytes: int  # of the text in the spool
    offset: int  # of the text in the spool
    crlf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What a repository held. `num_entries == len(files) + sum(skipped.values())`, always."""

    root: str
    files: tuple[SourceFile, ...]  # sorted by path bytes
    num_entries: int
    skipped: dict[str, int]  # reason -> count
    skipped_paths: dict[str, tuple[str, ...]]  # reason -> the first few paths, for the report
    unreadable: tuple[str, ...]  # paths that could not be read; any of them makes the exit code 3
    secrets: dict[str, int]  # rule -> redactions
    secret_places: tuple[
        tuple[str, int, str], ...
    ] = ()  # path, line and rule of each, where that was asked for
    notes: dict[str, int] = field(default_factory=dict)  # kept but worth saying: "CRLF line ends" -> 12
    commit: str = ""  # HEAD, "" outside git
    listed_by: str = ""  # "git", or what took its place and why
    absent: str = ""  # where many tracked files are not there: how many, why, what brings them
    submodules: dict[str, str] = field(default_factory=dict)  # those that were read -> the commit of each
    unmet: tuple[str, ...] = ()  # flags with a pattern that matches no path


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPlan:
    """How long a training window is, and why."""

    device: str  # "cuda" | "mps" | "cpu"
    device_name: str
    memory_bytes: int
    tier: str  # "Elite" | "High-end" | "Mid-range" | "Entry" | "Limited"
    context_tokens: int
    overlap_tokens: int
    reason: str

    def __post_init__(self) -> None:
        if self.context_tokens < 8:
            raise ValueError(f"context_tokens must be at least 8, got {self.context_tokens}")
        if not 0 <= self.overlap_tokens < self.context_tokens:
            raise ValueError(
                f"overlap_tokens must be in [0, {self.context_tokens}), got {self.overlap_tokens}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The command's flags, checked."""

    root: Path
    output: Path
    tokenizer: str
    max_tokens: int | None
    overlap: float
    kinds: tuple[str, ...]
    seed: int
    workers: int
    core_globs: tuple[str, ...]
    test_globs: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    keep_secrets: bool
    device: str
    recipe: str = "measured"  # a key of recipes.RECIPES; `overlap` and `kinds` may differ from it
    report_secrets: bool = False
    submodules: bool = False  # read those that are checked out
    splits_of: Path | None = None  # the dataset whose splits its files keep
    until: str = ""  # UTC, "2024-12-31T23:59:59Z"; "" for the tree as it lies there


def text_of(texts: BinaryIO, file: SourceFile) -> bytes:
    """The text of a file, from the opened text spool."""
    texts.seek(file.offset)
    return texts.read(file.num_bytes)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The scanned repository with its near-duplicate groups and the split each file goes to."""

    scan: ScanResult
    texts: Path  # the text spool
    groups: np.ndarray  # int64[files], the smallest file index of each file's near-duplicate group
    split: np.ndarray  # uint8[files], index into SPLITS
    macros: frozenset[str]
    kept: dict | None = None  # what was kept of an older dataset's splits, as the metadata tell it

    def read(self, index: int) -> bytes:
        with open(self.texts, "rb") as texts:
            return text_of(texts, self.scan.files[index])

    def in_train(self) -> Iterator[int]:
        return (i for i in range(len(self.scan.files)) if self.split[i] == SPLITS.index("train"))
