"""Where the repository is that a directory belongs to, and whether all of it is that repository's own.

A `.git` may be a file that names another directory, `.git/objects` a link, `objects/info/alternates` a list of other
object stores: git follows each of them anywhere. Here a `.git` file is followed where what it names points back - a
linked work tree, a submodule - and everything else that leads out of the repository is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from effectiveness.common.boundary import read_head
from effectiveness.common.paths import escape_path

MAX_SMALL_BYTES = 16 << 20  # of packed-refs; the others have a line
SHA = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_CORE_WORKTREE = re.compile(rb"^\s*worktree\s*=\s*\"?([^\"\r\n]+?)\"?\s*$", re.IGNORECASE | re.MULTILINE)
_CORE_BARE = re.compile(rb"^\s*bare\s*=\s*\"?(\w+)", re.IGNORECASE | re.MULTILINE)
_NO = (b"false", b"no", b"off", b"0")
# What git reads of a repository and nobody but its owner should choose; below `objects` everything.
_PARTS = (
    "HEAD",
    "index",
    "config",
    "refs",
    "packed-refs",
    "shallow",
    "objects",
    "info",
    "info/exclude",
    "commondir",
)


class ForeignGit(Exception):
    """The repository is made of parts of another place. The message says which, and the way out."""


class GitPlace(NamedTuple):
    """Where a root lies in a repository."""

    top: Path  # the work tree
    git_dir: Path  # its .git, with a `gitdir:` file followed
    common_dir: Path  # where the refs are; differs in linked work trees

    @property
    def is_bare(self) -> bool:
        """Whether it is a repository without a work tree."""
        return self.git_dir == self.top

    @property
    def is_elsewhere(self) -> bool:
        """Whether the objects lie outside of the work tree, as those of linked work trees and submodules do."""
        return not self.common_dir.is_relative_to(self.top)


def find_git(root: Path) -> GitPlace | None:
    """The work tree the root lies in, as git would find it, or the bare repository it is; None where there is none."""
    if is_bare(root):
        return GitPlace(root, root, root)
    for top in (root, *root.parents):
        if git_dir := _git_dir(top / ".git"):
            return GitPlace(top, git_dir, _common_dir(git_dir))
    return None


def is_git_directory(path: Path) -> bool:
    """Whether git would take the directory for a repository's own: a bare one, or the .git of a work tree."""
    head = read_small(path / "HEAD").strip()
    is_head = head.startswith(b"ref: refs/") or SHA.fullmatch(head) is not None
    return is_head and (path / "objects").is_dir() and (path / "refs").is_dir()


def is_bare(path: Path) -> bool:
    """Whether the directory is a repository without a work tree, as `git clone --bare` and `--mirror` make it."""
    return is_git_directory(path) and not (path / ".git").exists() and work_tree_of(path) is None


def work_tree_of(git_dir: Path) -> Path | None:
    """The work tree that a repository says it has; None for a bare one."""
    config = settings_of(git_dir)
    if back := _CORE_WORKTREE.search(config):
        return Path(os.path.normpath(git_dir / _named(back[1])))
    said = _CORE_BARE.search(config)
    has_one = said[1].lower() in _NO if said else git_dir.name == ".git"
    return git_dir.parent if has_one else None


def settings_of(git_dir: Path) -> bytes:
    """The text of a repository's own configuration, without what it includes."""
    return read_small(git_dir / "config") + b"\n" + read_small(git_dir / "config.worktree")


def _git_dir(dot_git: Path) -> Path | None:
    if os.path.isdir(dot_git):  # unlike Path.is_dir, False where we may not look
        return dot_git if os.path.lexists(dot_git / "HEAD") else None
    link = read_small(dot_git)
    if not link.startswith(b"gitdir: "):
        return None
    target = Path(os.path.normpath(dot_git.parent / _named(link[len(b"gitdir: ") :])))
    return target if os.path.lexists(target / "HEAD") else None


def _common_dir(git_dir: Path) -> Path:
    common = read_small(git_dir / "commondir")
    return Path(os.path.normpath(git_dir / _named(common))) if common.strip() else git_dir


def _named(line: bytes) -> str:
    return os.fsdecode(line.rstrip(b"\r\n").partition(b"\0")[0])


def read_small(path: Path) -> bytes:
    """The beginning of a regular file; b"" for anything else, a name that is none included."""
    try:
        return read_head(path, MAX_SMALL_BYTES)
    except (OSError, ValueError):
        return b""


# --- whose it is -----------------------------------------------------------------------------------------


def check_own(place: GitPlace) -> None:
    """Raises ForeignGit unless .git is a directory in the work tree, or belongs to it by what it says itself."""
    dot_git = place.git_dir if place.is_bare else place.top / ".git"
    if dot_git.is_symlink():
        raise ForeignGit(_leads_out(dot_git, place.top, "a link", "give the directory it leads to"))
    if dot_git.is_dir():
        if _differ(place.git_dir, place.common_dir):
            raise ForeignGit(
                _leads_out(place.git_dir / "commondir", place.top, "a file that names another repository")
            )
    elif not (_is_linked_work_tree(place) or _is_submodule(place)):
        what = f"a file that names {escape_path(os.fsencode(place.git_dir))}, which does not name it in turn"
        way = "clone it, or give the directory of that repository"
        raise ForeignGit(_leads_out(dot_git, place.top, what, way))
    for directory in {place.git_dir, place.common_dir}:
        for path in (directory / part for part in _PARTS):
            if path.is_symlink() and not _is_in(path, directory):
                raise ForeignGit(_leads_out(path, place.top, "a link out of it"))


def check_objects(place: GitPlace) -> None:
    """Raises ForeignGit where objects could come from another repository."""
    objects = place.common_dir / "objects"
    for path, what in _odd_entries(objects):
        raise ForeignGit(_leads_out(path, place.top, what))
    for name in ("alternates", "http-alternates"):
        borrowed = objects / "info" / name
        if any(line and not line.startswith(b"#") for line in read_small(borrowed).split(b"\n")):
            way = f"copy them with: git -C {place.top} repack -a -d && rm {borrowed}"
            raise ForeignGit(_leads_out(borrowed, place.top, "a list of other repositories' objects", way))


def _is_linked_work_tree(place: GitPlace) -> bool:
    """Whether it is one of the work trees of the repository, and the one that this repository knows by that name."""
    back = read_small(place.git_dir / "gitdir")
    known = _differ(place.git_dir, place.common_dir) and not _differ(
        place.git_dir.parent, place.common_dir / "worktrees"
    )
    return known and bool(back.strip()) and not _differ(place.git_dir / _named(back), place.top / ".git")


def _is_submodule(place: GitPlace) -> bool:
    """Whether the repository says that its work tree is this one, as those below .git/modules do."""
    if _differ(place.git_dir, place.common_dir):
        return False
    back = _CORE_WORKTREE.search(settings_of(place.git_dir))
    return back is not None and not _differ(place.git_dir / _named(back[1]), place.top)


def _differ(one: Path, other: Path) -> bool:
    return os.path.realpath(one) != os.path.realpath(other)


def _is_in(path: Path, directory: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def _odd_entries(objects: Path) -> Iterator[tuple[Path, str]]:
    """What is no plain file of an object store, itself included, and what it is; two levels are all it has."""
    if objects.is_symlink():
        yield objects, "a link"
        return
    for directory in (objects, *(Path(entry.path) for entry in _entries(objects))):
        for entry in _entries(directory):
            if entry.is_symlink():
                yield Path(entry.path), "a link"
            elif not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                yield Path(entry.path), "a FIFO or a device, on which git would wait for ever"


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # no directory, or none that git gets into
        return []


def _leads_out(path: Path, top: Path, what: str, way: str = "clone it: git clone --no-local") -> str:
    shown = escape_path(os.fsencode(os.path.relpath(path, top)))
    return f"{shown} is {what}, and nothing outside of {escape_path(os.fsencode(top))} is read; {way}"
