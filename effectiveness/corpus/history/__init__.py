"""A repository at a date, and what was committed after it: the second, time-ordered held-out set.

Here: the repository at `--until` and at HEAD, both written to the scratch directory; of a bare one, HEAD alone.

clean_room  objects of a repository, read without letting anything in it run
trees       a commit's files -> a directory that can be scanned
changes     each file of HEAD -> the file of the earlier state it comes from, and which of its lines are new
fresh       which tokens are new
later       rows of what is new
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import NamedTuple

from effectiveness.common.durable import remove_tree
from effectiveness.common.records import UserError
from effectiveness.corpus.history.clean_room import OBJECT_NAME, CleanRoom
from effectiveness.corpus.history.trees import write_tree
from effectiveness.corpus.scan.gitfiles import head_commit, head_name, shallow_commits
from effectiveness.corpus.scan.gitplace import ForeignGit, GitPlace, check_objects, check_own, find_git
from effectiveness.corpus.scan.selecting import CommitTree

END_OF_DAY = time(23, 59, 59, tzinfo=UTC)


class Commit(NamedTuple):
    name: str
    tree: str
    parent: str  # the first one, "" where history begins
    committed_s: int | None  # seconds since 1970; None where the commit gives no number

    @property
    def date(self) -> str:
        return "no date" if self.committed_s is None else spell(self.committed_s)


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
        state = state_at(room, head, until, shallow_commits(place), where)

        def write(commit: str, tree: str, root: Path) -> WrittenTree:
            return WrittenTree(root, write_tree(room, commit, tree, inside, root, where))

        then = write(state.commit.name, state.commit.tree, scratch / "then")
        now = write(head, state.head_tree, scratch / "head") if state.num_later else None
    elsewhere = os.fspath(place.common_dir) if place.is_elsewhere else ""
    bare_head = head_name(place) if place.is_bare else ""
    return Past(state.commit, state.num_later, head, then, now, bare_head, elsewhere)


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


# --- which commit the history stood at when a moment came ----------------------------------------------------


class DatedState(NamedTuple):
    """A commit of the main line of development, how many came after it, and the tree of the last one, HEAD."""

    commit: Commit
    num_later: int
    head_tree: str


def parse_commit(name: str, content: bytes) -> Commit:
    r"""
    >>> parse_commit("c0", b"tree 7e\nparent 1a\nparent 2b\ncommitter A <a@b> 1700000000 +0100\n\nparent 3c")[1:]
    ('7e', '1a', 1700000000)
    """
    fields: dict[bytes, bytes] = {}
    for line in content.partition(b"\n\n")[0].split(b"\n"):
        key, _, value = line.partition(b" ")  # lines that go on with the one before have an empty key
        fields.setdefault(key, value)
    words = fields.get(b"committer", b"").rsplit(b" ", 2)
    tree, parent = (fields.get(key, b"").decode("ascii", "replace") for key in (b"tree", b"parent"))
    return Commit(name, tree, parent, int(words[1]) if len(words) == 3 and words[1].isdigit() else None)


def state_at(room: CleanRoom, head: str, until: str, shallow: frozenset[str], where: str) -> DatedState:
    """The first commit at or before `until` that is met from HEAD along first parents; HEAD itself for "".

    First parents only: that is the main line as its users saw it, where a branch appears when it is merged and not
    when it was written. Dates need not rise along it (rebased, imported or wrong clocks), so some rule must decide:
    this one is `git rev-list -1 --first-parent --before=DATE HEAD`. What lies below a commit belongs to its state,
    whatever its date, so nothing of the state can come to lie in what is later.

    Raises UserError naming the way out: no commit so early, or history that is cut short before it.
    """
    head_tree = ""
    for num_later, commit in enumerate(_first_parents(room, head, shallow, where)):
        head_tree = head_tree or commit.tree
        if not until or (commit.committed_s is not None and commit.committed_s <= seconds_of(until)):
            return DatedState(commit, num_later, head_tree)
    raise UserError(
        f"--until {until}: the history of {where} begins after it, with commit {commit.name[:12]} of {commit.date}; "
        "name a later date"
    )


def _first_parents(room: CleanRoom, head: str, shallow: frozenset[str], where: str) -> Iterator[Commit]:
    name, above = head, None
    while name:
        content = room.read(name, "commit")
        if content is None:
            raise UserError(_cut_short(name, above, where))
        commit = parse_commit(name, content)
        if not OBJECT_NAME.fullmatch(commit.tree):
            raise UserError(f"{where}: commit {name} names no tree; look with: git -C {where} fsck")
        yield commit
        if name in shallow:
            raise UserError(
                f"{where} is a shallow clone: its history is cut off below commit {name[:12]} of {commit.date}, "
                f"before --until is reached; fetch the rest with: git -C {where} fetch --unshallow"
            )
        name, above = commit.parent, commit


def _cut_short(name: str, above: Commit | None, where: str) -> str:
    place = "HEAD" if above is None else f"the parent of {above.name[:12]} ({above.date})"
    return f"{where}: commit {name[:12]}, {place}, is missing or damaged; fetch it with: git -C {where} fetch --refetch"


# --- --until DATE: an ISO date or date-time, UTC where it names no zone ---------------------------------------


def parse_until(text: str) -> str:
    """The moment in one spelling, UTC to the second; a date means all of that day. Raises UserError.

    >>> parse_until("2024-05-01"), parse_until("2024-05-01T12:00+02:00"), parse_until("2024-05-01 12:00")
    ('2024-05-01T23:59:59Z', '2024-05-01T10:00:00Z', '2024-05-01T12:00:00Z')
    """
    try:
        moment = datetime.combine(date.fromisoformat(text), END_OF_DAY)
    except ValueError:
        moment = _date_time(text)
    return spell(seconds_of(moment))


def _date_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(
            f"--until: {text!r} is no date; expected an ISO date or date-time (UTC without a zone), "
            "e.g. 2024-12-31 or 2024-12-31T18:00:00+02:00"
        ) from None


def seconds_of(moment: datetime | str) -> int:
    """Seconds since 1970 of a moment, or of its spelling."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return int(moment.timestamp() // 1)


def spell(seconds: int) -> str:
    """
    >>> spell(0), spell(10**18)
    ('1970-01-01T00:00:00Z', 'second 1000000000000000000')
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a commit may claim any number
        return f"second {seconds}"
