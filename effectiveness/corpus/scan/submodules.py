"""Submodules that are checked out, read as parts of the tree they lie in: each is listed by its own index and its own
.gitignore files.

Where they lie is said by the index and by what is there; `.gitmodules` is not read. A submodule's `.git` must belong
to it by what it says itself, as everywhere, or it stays a counted reason.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError
from effectiveness.corpus.scan.beneath import Beneath
from effectiveness.corpus.scan.gitfiles import GitUnavailable, git_names, head_commit
from effectiveness.corpus.scan.gitplace import ForeignGit, check_own, find_git
from effectiveness.corpus.scan.selecting import SUBMODULE, CommitTree, ListedByGit, Selection

NOT_CHECKED_OUT = "submodule that is not checked out: git submodule update --init --recursive"
FOREIGN = "submodule that belongs to another repository"


class Opened(NamedTuple):
    """A submodule that is read."""

    selection: ListedByGit
    commit: str  # that is checked out, which need not be the one that the tree around it names


class WithSubmodules:
    """What a tree's own selection says, and of what lies in a submodule, what that submodule's says."""

    def __init__(self, root: Path, outer: ListedByGit):
        self._root, self._outer = root, outer
        self.opened: dict[bytes, Opened] = {}

    def enter(self, directory: bytes, names: frozenset[bytes], place: Beneath) -> None:
        """Git has read the .gitignore files already."""

    def directory_reason(self, path: bytes) -> str:
        selection, relative = self._of(path)
        reason = selection.directory_reason(relative)
        return self._open(path) if reason == SUBMODULE else reason

    def file_reason(self, path: bytes) -> str:
        selection, relative = self._of(path)
        return selection.file_reason(relative)

    def counts(self, root: Path) -> tuple[int, int]:
        """After the walk: tracked files that are not there, and all that are tracked."""
        counted = [self._outer.counts(root)]
        counted += [one.selection.counts(root / os.fsdecode(path)) for path, one in self.opened.items()]
        return sum(absent for absent, _ in counted), sum(tracked for _, tracked in counted)

    def commits(self) -> dict[str, str]:
        """The commit that each submodule stands on, by its path."""
        return {escape_path(path): one.commit for path, one in sorted(self.opened.items())}

    def _of(self, path: bytes) -> tuple[ListedByGit, bytes]:
        """The selection of the innermost submodule that the path lies in, and the path within it."""
        above = path
        while above := above.rpartition(b"/")[0]:
            if one := self.opened.get(above):
                return one.selection, path[len(above) + 1 :]
        return self._outer, path

    def _open(self, path: bytes) -> str:
        """Why a submodule is not read; "" where it is, from now on."""
        directory = self._root / os.fsdecode(path)
        place = find_git(directory)
        if place is None or place.top != directory:
            return NOT_CHECKED_OUT
        try:
            check_own(place)
            names = git_names(directory, place, self._root)
        except ForeignGit:
            return FOREIGN
        except GitUnavailable as why:
            return f"submodule whose files cannot be listed ({why})"
        self.opened[path] = Opened(ListedByGit(names), head_commit(place))
        return ""


def with_submodules(root: Path, selection: Selection, listed_by: str) -> WithSubmodules:
    """The selection of a tree whose submodules are asked for. Raises UserError where nobody knows which they are."""
    if isinstance(selection, ListedByGit):
        return WithSubmodules(root, selection)
    if isinstance(selection, CommitTree):
        raise UserError(
            "--submodules reads what is checked out, and here a commit is read; leave the flag out, and make a "
            "dataset of each submodule's own repository"
        )
    raise UserError(
        f"--submodules: git knows which directories of {root} are submodules, but it is listed by {listed_by}; "
        "leave the flag out, or mend that"
    )
