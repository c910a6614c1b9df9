"""A commit's files, written below a directory of ours so that they can be scanned like any other tree.

Regular files become files. A link or a submodule becomes an empty placeholder whose reason is told to the scan, so
that every entry is counted where a scan of the checked-out tree would count it; a file that is too large becomes a
sparse one of a telling size. Names come from strangers: each is made relative to its directory's descriptor, never
through a link, and what cannot be a name in a tree is counted and left out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from effectiveness.common.durable import write_all
from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError
from effectiveness.corpus.history.clean_room import CleanRoom
from effectiveness.corpus.scan.beneath import Beneath
from effectiveness.corpus.scan.listing import LINK, MAX_FILE_BYTES
from effectiveness.corpus.scan.selecting import SUBMODULE, CommitTree

MAX_ENTRIES = 2_000_000  # a tree of trees that are all the same one can stand for any number of files
MAX_DEPTH = 256
TOO_DEEP = f"too deep (over {MAX_DEPTH} directories)"
BAD_NAME = "a name no tree may hold"
UNPLACED = "a name this file system cannot hold"

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_ERRORS = (errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


class TreeEntry(NamedTuple):
    path: bytes
    leaf: bytes  # the path's last part
    mode: bytes
    name: str  # of the object

    @property
    def is_tree(self) -> bool:
        return self.mode in (b"40000", b"040000")

    @property
    def is_file(self) -> bool:
        return self.mode.startswith(b"100")


def parse_tree(content: bytes, above: bytes, hash_bytes: int) -> Iterator[TreeEntry]:
    r"""The entries of a directory. Raises ValueError for what is no tree.

    >>> [entry] = parse_tree(b"100644 a.py\0" + bytes(20), b"src", 20)
    >>> entry.path, entry.mode, entry.name[:4]
    (b'src/a.py', b'100644', '0000')
    """
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, leaf = content[at:end].partition(b" ")
        at = end + 1 + hash_bytes
        if at > len(content):
            raise ValueError("cut short")
        yield TreeEntry(above + b"/" + leaf if above else leaf, leaf, mode, content[end + 1 : at].hex())


def write_tree(room: CleanRoom, commit: str, tree: str, inside: bytes, root: Path, where: str) -> CommitTree:
    """Write the files of directory `inside` (b"" for all) of a tree below `root`, a new directory.

    Raises UserError for objects that are missing, no such directory, or too many entries.
    """
    root.mkdir()
    with Beneath(root) as place:
        writer = _Writer(room, place, where)
        writer.run(_descend(room, tree, inside, where))
    return CommitTree(commit=commit, left_out=writer.left_out, unplaced=writer.unplaced)


def _descend(room: CleanRoom, tree: str, inside: bytes, where: str) -> str:
    for part in filter(None, inside.split(b"/")):
        entries = _entries(room, tree, b"", where)
        tree = next((entry.name for entry in entries if entry.path == part and entry.is_tree), "")
        if not tree:
            raise UserError(
                f"{where}: the commit holds no directory {os.fsdecode(inside)!r}; name a later "
                "--until, or the whole repository"
            )
    return tree


def _entries(room: CleanRoom, tree: str, above: bytes, where: str) -> list[TreeEntry]:
    content = room.read(tree, "tree")
    if content is None:
        raise _missing(where, above)
    try:
        return list(parse_tree(content, above, len(tree) // 2))
    except ValueError:
        raise UserError(f"{where}: tree {tree} is damaged; look with: git -C {where} fsck") from None


def _missing(where: str, path: bytes) -> UserError:
    what = escape_path(path) if path else "the listing of its root directory"
    return UserError(
        f"{where}: objects of its history are missing, such as {what}: a partial clone, or a damaged "
        f"one; fetch them with: git -C {where} fetch --refetch --no-filter"
    )


class _Writer:
    """Walks the trees on a list of its own; the files of one directory are read together."""

    def __init__(self, room: CleanRoom, place: Beneath, where: str):
        self._room, self._place, self._where = room, place, where
        self._num_entries = 0
        self.left_out: dict[bytes, str] = {}
        self.unplaced: dict[bytes, str] = {}

    def run(self, tree: str) -> None:
        waiting = [TreeEntry(b"", b"", b"40000", tree)]
        while waiting:
            directory = waiting.pop()
            entries = self._sound(_entries(self._room, directory.name, directory.path, self._where))
            for entry in entries:
                if entry.is_tree and self._make_directory(entry):
                    waiting.append(entry)
                elif not entry.is_tree and not entry.is_file:
                    self._stand_in(entry)
            self._write_files([entry for entry in entries if entry.is_file])

    def _sound(self, entries: list[TreeEntry]) -> list[TreeEntry]:
        self._num_entries += len(entries)
        if self._num_entries > MAX_ENTRIES:
            raise UserError(
                f"{self._where}: a commit of over {MAX_ENTRIES:,} entries; name a directory of it"
            )
        kept = []
        for entry in entries:
            if entry.leaf in (b"", b".", b"..") or entry.leaf.lower() == b".git" or b"/" in entry.leaf:
                self.unplaced[entry.path] = BAD_NAME
            elif entry.path.count(b"/") >= MAX_DEPTH:
                self.unplaced[entry.path] = TOO_DEEP
            else:
                kept.append(entry)
        return kept

    def _make_directory(self, entry: TreeEntry) -> bool:
        try:
            os.mkdir(entry.leaf, dir_fd=self._parent(entry))
        except OSError as error:
            self._not_placed(entry, error)
            return False
        return True

    def _stand_in(self, entry: TreeEntry) -> None:
        """A submodule is a directory where it is checked out, a link is one entry."""
        is_submodule = entry.mode == b"160000"
        if self._make_directory(entry) if is_submodule else self._make_file(entry, b""):
            self.left_out[entry.path] = SUBMODULE if is_submodule else LINK

    def _write_files(self, entries: list[TreeEntry]) -> None:
        found = self._room.read_each((entry.name for entry in entries), MAX_FILE_BYTES)
        for entry, blob in zip(entries, found, strict=True):
            if blob is None or blob.kind != "blob":
                raise _missing(self._where, entry.path)
            self._make_file(entry, blob.content)

    def _make_file(self, entry: TreeEntry, content: bytes | None) -> bool:
        try:
            descriptor = os.open(entry.leaf, _CREATE, 0o600, dir_fd=self._parent(entry))
        except OSError as error:
            self._not_placed(entry, error)
            return False
        try:
            if content is None:
                os.ftruncate(descriptor, MAX_FILE_BYTES + 1)  # the scan sees that it is too large
            else:
                write_all(descriptor, content)
        finally:
            os.close(descriptor)
        return True

    def _parent(self, entry: TreeEntry) -> int:
        return self._place.directory(entry.path[: -len(entry.leaf) - 1])

    def _not_placed(self, entry: TreeEntry, error: OSError) -> None:
        if error.errno not in _NAME_ERRORS:
            raise error
        self.unplaced[entry.path] = UNPLACED
