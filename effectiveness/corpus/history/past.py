"""The repository at `--until` and at HEAD, both written to the scratch directory; of a bare one, HEAD alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.durable import remove_tree
from effectiveness.common.records import UserError
from effectiveness.corpus.history.clean_room import CleanRoom
from effectiveness.corpus.history.commits import Commit, State, state_at, state_of
from effectiveness.corpus.history.trees import write_tree
from effectiveness.corpus.scan.gitfiles import head_commit, head_name, shallow_commits
from effectiveness.corpus.scan.gitplace import ForeignGit, GitPlace, check_objects, check_own, find_git
from effectiveness.corpus.scan.selecting import CommitTree


@dataclass(frozen=True, slots=True)
class WrittenTree:
    """A commit's files below `root`."""

    root: Path
    tree: CommitTree

    def place_of(self, path: Path, repository: Path) -> Path:
        """Where a path of the repository lies in the written tree; outside it for one outside."""
        path, repository = Path(os.path.realpath(path)), Path(os.path.realpath(repository))
        return self.root / path.relative_to(repository) if path.is_relative_to(repository) else path

    def discard(self) -> None:
        remove_tree(self.root)


@dataclass(frozen=True, slots=True)
class Past:
    """The commit that is read. `head` is None where HEAD itself is the state: nothing was committed later."""

    commit: Commit
    num_later_commits: int
    head_commit: str
    then: WrittenTree
    head: WrittenTree | None
    bare_head: str = ""  # of a repository without a work tree: the branch, or "HEAD"
    objects_elsewhere: str = ""  # the directory they lie in, where that is not the repository itself


def read_past(repository: Path, until: str, scratch: Path) -> Past:
    """Find the state at `until`, "" for HEAD, and write it, and HEAD, into `scratch`. Git has ended when this returns.

    Raises UserError: no repository, no commit, none so early, a clone that lacks what is needed.
    """
    root = Path(os.path.realpath(repository))
    place = find_git(root)
    if place is None:
        raise UserError(f"--until needs history, and {repository} is no git repository; leave the flag out")
    try:
        check_own(place)
        check_objects(place)
    except ForeignGit as why:
        raise UserError(f"{repository}: {why}") from None
    head = head_commit(place)
    if not head:
        raise UserError(_no_head(repository, place))
    inside = b"" if root == place.top else os.fsencode(root.relative_to(place.top))
    where = os.fspath(repository)
    with CleanRoom(place, scratch / "clean-room", len(head)) as room:
        if until:
            state = state_at(room, head, until, shallow_commits(place), where)
        else:
            state = state_of(room, head, where)
        then = _write(room, state.commit.name, state.commit.tree, inside, scratch / "then", where)
        now = _write_head(room, head, state, inside, scratch / "head", where)
    elsewhere = os.fspath(place.common_dir) if place.is_elsewhere else ""
    bare_head = head_name(place) if place.is_bare else ""
    return Past(state.commit, state.num_later, head, then, now, bare_head, elsewhere)


def _write_head(
    room: CleanRoom, head: str, state: State, inside: bytes, root: Path, where: str
) -> WrittenTree | None:
    if not state.num_later:
        return None
    return _write(room, head, state.head_tree, inside, root, where)


def _write(room: CleanRoom, commit: str, tree: str, inside: bytes, root: Path, where: str) -> WrittenTree:
    return WrittenTree(root, write_tree(room, commit, tree, inside, root, where))


def _no_head(repository: Path, place: GitPlace) -> str:
    if (place.common_dir / "reftable").is_dir():
        return (
            f"{repository} keeps its refs in the reftable format, which is not read here; change it with: "
            f"git -C {repository} refs migrate --ref-format=files"
        )
    if place.is_bare:
        return (
            f"{repository} is a bare repository, and its HEAD, {head_name(place)}, has no commit; choose a branch: "
            f"git -C {repository} symbolic-ref HEAD refs/heads/BRANCH"
        )
    return f"--until needs history, and {repository} has no commit on HEAD; commit something, or leave the flag out"
