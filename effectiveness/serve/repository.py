"""The files of a repository as they are now, through the scanner's rules: what it leaves out of a dataset, and what it
redacts, is never in a completion either."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from effectiveness.common.endings import scratch_directory
from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus.scan import ScanOptions, Shard, scan_repository, scan_shard
from effectiveness.corpus.scan.listing import Candidate, list_repository
from effectiveness.corpus.scan.roles import Roles
from effectiveness.corpus.secrets import redact_all

MIN_LINE_CHARACTERS = 12  # shorter lines stand in every file
MAX_FILES_OF_A_LINE = 4  # a line of more files says nothing about which one it is
LINES_LOOKED_AT = 60
MIN_SHARE, MIN_SHARED = 0.75, 3  # of the rare lines: files that are much alike share half of them

RULES = (
    b".gitignore",
    b".gitattributes",
)  # saved in their place they change what is listed, and no directory
Stamp = tuple[int, int, int]  # inode, size, time of the last change


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file that was saved; `text` is None where it is gone, or a rule leaves it out now."""

    path: str
    text: bytes | None


@dataclass(slots=True)
class LiveRepository:
    """Texts of the repository's source files by path, kept as they are on disk by `changes`."""

    root: Path
    texts: dict[str, bytes] = field(default_factory=dict)
    _stamps: dict[bytes, Stamp] = field(default_factory=dict)
    _candidates: dict[bytes, Candidate] = field(default_factory=dict)
    _places: dict[bytes, bytes] = field(default_factory=dict)  # of each candidate on the disk
    _directories: dict[bytes, int] = field(default_factory=dict)
    _roles: Roles = field(default_factory=lambda: Roles((), (), frozenset()))

    @classmethod
    def open(cls, root: Path) -> LiveRepository:
        """Scan it. Raises UserError where it is none, or holds no source file."""
        if not root.is_dir():
            raise UserError(f"--repository {root}: no such directory; name one that holds source files")
        found = cls(root.resolve())
        found._stamps = found._list()
        with scratch_directory("serve-") as scratch, WorkerPool(1) as pool:
            spool = scratch / "texts"
            scanned, _, _ = scan_repository(
                ScanOptions(root=found.root), spool, pool, analyse=no_analysis, redact=redact_all
            )
            with open(spool, "rb") as texts:
                found.texts = {file.path: texts.read(file.num_bytes) for file in scanned.files}
        if not found.texts:
            raise UserError(f"--repository {root}: no source file to read in it; name one that holds some")
        return found

    def _list(self) -> dict[bytes, Stamp]:
        """Which files there are, and their stamps. Where it raises, all is known as it was."""
        listing = list_repository(self.root)
        root = os.fsencode(self.root)
        self._candidates = {candidate.path: candidate for candidate in listing.candidates}
        self._places = {path: os.path.join(root, path) for path in self._candidates}
        self._roles = Roles((), (), listing.packages)
        parents = {os.path.dirname(place) for place in self._places.values()} | {root}
        self._directories = {parent: _changed_ns(parent) for parent in parents}
        return self._stamps_now()

    def changes(self) -> list[SavedFile]:
        """What was saved, made or removed since the last call: the directory is listed again only where one changed.

        Most editors save by a rename, which changes the directory: a file that is known is read before the listing,
        which the next call makes.
        """
        before, now = self._stamps, self._stamps_now()
        saved = _saved_since(before, now)
        is_moved = any(_changed_ns(parent) != then for parent, then in self._directories.items())
        if (not saved and is_moved) or any(os.path.basename(path) in RULES for path in saved):
            known = self._candidates
            now = self._list()
            ruled = [path for path in now if path in known and known[path] != self._candidates[path]]
            saved = [*{*_saved_since(before, now), *ruled}]
        gone = [path for path in before if path not in now]
        changes = [*self._read(saved), *(SavedFile(path=escape_path(path), text=None) for path in gone)]
        self._stamps = now  # from here on it is known: what could not be read is asked for again
        return [change for change in changes if self._is_new(change)]

    def _is_new(self, change: SavedFile) -> bool:
        if change.text is None:
            return self.texts.pop(change.path, None) is not None
        old, self.texts[change.path] = self.texts.get(change.path), change.text
        return old != change.text

    def _read(self, paths: Sequence[bytes]) -> list[SavedFile]:
        if not paths:
            return []
        with scratch_directory("serve-") as scratch:
            shard = Shard(
                root=os.fspath(self.root),
                candidates=[self._candidates[path] for path in sorted(paths)],
                roles=self._roles,
                redact=redact_all,
                locate_secrets=False,
                analyse=no_analysis,
                spool=os.path.join(scratch, "texts"),
            )
            result = scan_shard(shard)
            with open(shard.spool, "rb") as texts:
                kept = {file.path: texts.read(file.num_bytes) for file in result.files}
        left_out = [name for name in map(escape_path, sorted(paths)) if name not in kept]
        found = [*kept.items(), *((name, None) for name in left_out)]
        return [SavedFile(path=name, text=text) for name, text in sorted(found)]

    def _stamps_now(self) -> dict[bytes, Stamp]:
        found = {}
        for path, place in self._places.items():
            try:
                now = os.lstat(place)
            except OSError:  # gone: told by its absence
                continue
            found[path] = now.st_ino, now.st_size, now.st_mtime_ns
        return found


def _saved_since(before: Mapping[bytes, Stamp], now: Mapping[bytes, Stamp]) -> list[bytes]:
    return [path for path, stamp in now.items() if before.get(path) != stamp]


def _changed_ns(directory: bytes) -> int:
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return -1


def no_analysis(texts: Sequence[bytes], languages: Sequence[str]) -> tuple[list[np.ndarray], set[str]]:
    """Nothing is grouped here."""
    return [np.empty(0, np.uint64)] * len(texts), set()


@dataclass(slots=True)
class LineIndex:
    """Which file a buffer is: llama.vim and others send a text, but not its name."""

    files_of: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: dict[str, bytes]) -> LineIndex:
        index = cls()
        for path, text in texts.items():
            index.add(path, text)
        return index

    def add(self, path: str, text: bytes) -> None:
        for line in set(map(bytes.strip, text.split(b"\n"))):
            if len(line) >= MIN_LINE_CHARACTERS:
                files = self.files_of.setdefault(hash(line), [])
                if len(files) <= MAX_FILES_OF_A_LINE and path not in files:
                    files.append(path)

    def path_of(self, prefix: str, suffix: str, known: Collection[str]) -> str:
        """The file with most of the rare lines around the cursor, if it has three of four, and three; else ""."""
        lines = [
            *prefix.rsplit("\n", LINES_LOOKED_AT + 1)[-LINES_LOOKED_AT - 1 : -1],
            *suffix.split("\n", LINES_LOOKED_AT + 1)[1 : LINES_LOOKED_AT + 1],
        ]
        votes: Counter[str] = Counter()
        num_rare = 0
        for line in {line.strip().encode("utf-8", "replace") for line in lines}:
            files = [path for path in self.files_of.get(hash(line), ()) if path in known]
            if len(line) >= MIN_LINE_CHARACTERS and len(files) <= MAX_FILES_OF_A_LINE:
                num_rare += 1
                votes.update(files)
        [(path, count)] = votes.most_common(1) or [("", 0)]
        return path if count >= max(MIN_SHARED, MIN_SHARE * num_rare) else ""
