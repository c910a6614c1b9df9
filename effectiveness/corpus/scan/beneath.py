"""Open files beneath one directory and nowhere else, whatever happens to the tree meanwhile.

Every component of a path is opened on its own, relative to the one before and never through a symbolic link;
a FIFO does not block, and a file that changes while it is read is not taken for either of its states.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_OPEN_DIRECTORIES = 64  # descriptors held at a time, however deep the tree
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UnstableFile(Exception):
    """The file is not what it was listed as, or changed while it was read. The message is the reason."""


class Beneath:
    """A root directory held open. Paths are bytes, relative to it, without "." and ".." in them."""

    def __init__(self, root: Path):
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._chain: list[
            tuple[bytes, int]
        ] = []  # ancestors of the directory used last, with their descriptors

    def __enter__(self) -> Beneath:
        return self

    def __exit__(self, *_: object) -> None:
        for _path, descriptor in self._chain:
            os.close(descriptor)
        os.close(self._root)

    def directory(self, path: bytes) -> int:
        """A descriptor of the directory, good until the next call. Raises OSError."""
        while self._chain and not (path + b"/").startswith(self._chain[-1][0] + b"/"):
            os.close(self._chain.pop()[1])
        done, descriptor = self._chain[-1] if self._chain else (b"", self._root)
        for name in filter(None, path[len(done) :].split(b"/")):
            descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            done = done + b"/" + name if done else name
            self._chain.append((done, descriptor))
            if len(self._chain) > MAX_OPEN_DIRECTORIES:
                self._thin()
        return descriptor

    def _thin(self) -> None:
        """Close every other ancestor, never the last one: coming back up costs a few more steps."""
        for _path, descriptor in self._chain[-2::-2]:
            os.close(descriptor)
        self._chain = self._chain[::-2][::-1]

    def read(self, path: bytes, limit: int) -> bytes:
        """The whole file. Raises OSError, or UnstableFile also when it has more than `limit` bytes."""
        descriptor = self._open(path)
        try:
            before = _regular(os.fstat(descriptor))
            data = read_up_to(descriptor, min(before.st_size, limit) + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if len(data) != before.st_size or _identity(before) != _identity(after):
            raise UnstableFile("changed while read")
        return data

    def read_head(self, path: bytes, num_bytes: int) -> bytes:
        """The first bytes of the file. Raises OSError and UnstableFile."""
        descriptor = self._open(path)
        try:
            _regular(os.fstat(descriptor))
            return read_up_to(descriptor, num_bytes)
        finally:
            os.close(descriptor)

    def _open(self, path: bytes) -> int:
        parent, _, name = path.rpartition(b"/")
        return os.open(name, _FILE, dir_fd=self.directory(parent))


def read_up_to(descriptor: int, num_bytes: int) -> bytes:
    """At most `num_bytes` bytes from where the descriptor stands."""
    data = os.read(descriptor, num_bytes)
    while len(data) < num_bytes and (more := os.read(descriptor, num_bytes - len(data))):
        data += more
    return data


def _regular(found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise UnstableFile("FIFO, socket or device")
    return found


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
