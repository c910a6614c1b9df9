"""Tracked files that are not in the tree: how many, why as far as the repository's settings tell, and what brings them.

What is there is not overwritten by any of the commands that are named.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from effectiveness.corpus.scan.gitfiles import head_commit
from effectiveness.corpus.scan.gitplace import GitPlace, find_git, settings_of

LARGE_SHARE = 0.1  # of the tracked files; fewer are in the metadata alone
ABSENT = "tracked files that are not there"
_SPARSE = re.compile(rb"^\s*sparsecheckout\s*=\s*\"?(?:true|yes|on|1)\b", re.IGNORECASE | re.MULTILINE)
BROKEN_OFF = "was broken off: git reset --quiet; git checkout-index --all --quiet"
_PARTIAL = re.compile(rb"^\s*(?:partialclone(?:filter)?|promisor)\s*=", re.IGNORECASE | re.MULTILINE)


class Absent(NamedTuple):
    """What is tracked and not there. `num_tracked` is 0 where nothing was ever checked out."""

    num_files: int
    num_tracked: int
    why: str

    @property
    def is_broken_off(self) -> bool:
        """A checkout that never ended: how much is missing nobody has counted."""
        return self.why.endswith(BROKEN_OFF)

    @property
    def note(self) -> dict[str, int]:
        """For the metadata: a reason and how often."""
        if self.is_broken_off:
            return {"a checkout that was broken off": 1}
        return {f"{ABSENT}: {self.why}": self.num_files} if self.num_files else {}

    @property
    def in_words(self) -> str:
        """What the reader should know; "" where it is little."""
        if not self.num_tracked or self.is_broken_off:
            return self.why
        if self.num_files <= LARGE_SHARE * self.num_tracked:
            return ""
        return f"{self.num_files:,} of {self.num_tracked:,} {ABSENT}: {self.why}"


def absent_from(root: Path, num_files: int, num_tracked: int) -> Absent:
    """Why so many of the tracked files are not below the root."""
    place = find_git(root)
    return Absent(num_files, num_tracked, "" if place is None else _why(place, num_tracked))


def _why(place: GitPlace, num_tracked: int) -> str:
    has_index = (place.git_dir / "index").exists()  # git writes it when all files are there
    if not has_index and (commit := head_commit(place)):
        if not num_tracked:
            return f"nothing of commit {commit[:12]} is checked out: git checkout"
        return f"files may be missing, the checkout of commit {commit[:12]} {BROKEN_OFF}"
    if not num_tracked:
        return ""
    settings = settings_of(place.common_dir) + b"\n" + settings_of(place.git_dir)
    if _SPARSE.search(settings):
        return "a sparse checkout: git sparse-checkout disable"
    partial = "a partial clone, " if _PARTIAL.search(settings) else ""
    return f"{partial}deleted or never checked out: git checkout-index --all"
