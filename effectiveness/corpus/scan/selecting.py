"""Which names the repository itself leaves out, by whoever can say so: git, the .gitignore files, or a commit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from effectiveness.corpus.scan import ignoring
from effectiveness.corpus.scan.beneath import Beneath
from effectiveness.corpus.scan.gitfiles import (
    DirectoryIgnored,
    GitNames,
    GitUnavailable,
    git_names,
    head_commit,
)
from effectiveness.corpus.scan.gitplace import ForeignGit, check_own, find_git

SUBMODULE = "submodule: --submodules reads those that are checked out"
NESTED = "nested git repository"


class Selection(Protocol):
    """Which names the repository itself leaves out."""

    def enter(self, directory: bytes, names: frozenset[bytes], place: Beneath) -> None: ...
    def directory_reason(self, path: bytes) -> str: ...
    def file_reason(self, path: bytes) -> str: ...


def selection_of(root: Path) -> tuple[Selection, str, str]:
    """What leaves names out, in words too, and the commit the names belong to."""
    place = find_git(root)
    if place is None:
        return ignoring.IgnoreFiles(), f"{ignoring.WALKED} (not a git repository)", ""
    try:
        check_own(place)
        names = git_names(root, place)
    except (DirectoryIgnored, ForeignGit) as why:
        return ignoring.IgnoreFiles(), f"{ignoring.WALKED} ({why})", ""
    except GitUnavailable as why:
        return ignoring.IgnoreFiles(), f"{ignoring.WALKED} ({why})", head_commit(place)
    return ListedByGit(names), "git", head_commit(place)


class ListedByGit:
    """The names git gave."""

    def __init__(self, names: GitNames):
        self._names = names
        self._met: set[bytes] = set()

    def enter(self, directory: bytes, names: frozenset[bytes], place: Beneath) -> None:
        """Git has read the .gitignore files already."""

    def directory_reason(self, path: bytes) -> str:
        names = self._names
        if path in names.nested:
            return NESTED
        if path in names.parents:
            return ""
        if path in names.listed:
            self._met.add(path)
            return SUBMODULE
        return ignoring.IGNORED if path in names.ignored else ""

    def file_reason(self, path: bytes) -> str:
        if path in self._names.listed:
            self._met.add(path)
            return ""
        return ignoring.IGNORED if path in self._names.ignored else "not listed by git"

    def counts(self, root: Path) -> tuple[int, int]:
        """After the walk: names of the index that stand for nothing below the root, and all that are listed."""
        unmet = self._names.listed - self._met
        absent = sum(not os.path.lexists(os.path.join(os.fsencode(root), path)) for path in unmet)
        return absent, len(self._names.listed)


@dataclass(frozen=True, slots=True)
class CommitTree:
    """A commit whose files were written below the root: all of them are tracked, so .gitignore leaves none out."""

    commit: str
    left_out: dict[bytes, str]  # placeholders, and what they stand for
    unplaced: dict[bytes, str]  # entries that could not be written -> why

    def enter(self, directory: bytes, names: frozenset[bytes], place: Beneath) -> None:
        """There is nothing to read."""

    def directory_reason(self, path: bytes) -> str:
        return self.left_out.get(path, "")

    def file_reason(self, path: bytes) -> str:
        return self.left_out.get(path, "")
