"""Which commit a repository's history stood at when a moment came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from effectiveness.common.records import UserError
from effectiveness.corpus.history.clean_room import OBJECT_NAME, CleanRoom
from effectiveness.corpus.history.dates import seconds_of, spell


class Commit(NamedTuple):
    name: str
    tree: str
    parent: str  # the first one, "" where history begins
    committed_s: int | None  # seconds since 1970; None where the commit gives no number

    @property
    def date(self) -> str:
        return "no date" if self.committed_s is None else spell(self.committed_s)


class State(NamedTuple):
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


def state_at(room: CleanRoom, head: str, until: str, shallow: frozenset[str], where: str) -> State:
    """The first commit at or before `until` that is met from HEAD along first parents.

    First parents only: that is the main line as its users saw it, where a branch appears when it is merged and not
    when it was written. Dates need not rise along it (rebased, imported or wrong clocks), so some rule must decide:
    this one is `git rev-list -1 --first-parent --before=DATE HEAD`. What lies below a commit belongs to its state,
    whatever its date, so nothing of the state can come to lie in what is later.

    Raises UserError naming the way out: no commit so early, or history that is cut short before it.
    """
    until_s, head_tree = seconds_of(until), ""
    for num_later, commit in enumerate(_first_parents(room, head, shallow, where)):
        head_tree = head_tree or commit.tree
        if commit.committed_s is not None and commit.committed_s <= until_s:
            return State(commit, num_later, head_tree)
    raise UserError(
        f"--until {until}: the history of {where} begins after it, with commit {commit.name[:12]} of {commit.date}; "
        "name a later date"
    )


def state_of(room: CleanRoom, head: str, where: str) -> State:
    """HEAD itself. Raises UserError where it cannot be read."""
    commit = next(_first_parents(room, head, frozenset(), where))
    return State(commit, 0, commit.tree)


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
