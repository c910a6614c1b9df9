"""Files that others wrote, opened so that a FIFO, a device, a socket or a directory in their place cannot hold us up.

Links are followed: users name files through links. `corpus.scan.beneath` reads trees of strangers and follows none.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path | str) -> int:
    """A descriptor of a regular file, without waiting. Raises OSError: EISDIR for a directory, ENOTSUP for the rest."""
    descriptor = os.open(path, _FLAGS)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFREG:
        return descriptor
    os.close(descriptor)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    what = f"{_KINDS.get(kind, 'something else')}, not a regular file"
    raise OSError(errno.ENOTSUP, what, os.fspath(path))


def open_binary(path: Path | str, buffering: int = -1):
    """`open(path, "rb")`, for regular files."""
    return os.fdopen(open_regular(path), "rb", buffering)


def read_bytes(path: Path | str) -> bytes:
    """The whole of a regular file. Raises OSError."""
    with open_binary(path) as file:
        return file.read()


def read_text(path: Path | str) -> str:
    """The whole of a regular file of UTF-8. Raises OSError and UnicodeDecodeError."""
    return read_bytes(path).decode("utf-8")


def read_head(path: Path | str, num_bytes: int) -> bytes:
    """At most the first bytes of a regular file. Raises OSError."""
    with open_binary(path) as file:
        return file.read(num_bytes)
