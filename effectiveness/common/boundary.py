"""Files that others wrote: opened without being held up, and whatever a library makes of them is one line for the user.

A FIFO, a device, a socket or a directory in the place of a file is refused. Links are followed: users name files
through links. (`corpus.scan.beneath` reads trees of strangers and follows none.)

A list of the exceptions that a parser raises is never complete: of odd model directories and tokenizers one in
three ended in a traceback while the exceptions were named one by one. So here, and only here, everything is caught.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from effectiveness.common.records import UserError

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


# --- memory that ran out, by whatever tells of it: Python, the system, torch, a library on the GPU -----------

MEMORY_WAY_OUT = "free some, or take a smaller model, batch or window"
# What is raised for it: torch's own error is a RuntimeError, and the libraries behind it have none of their own.
MEMORY_ERRORS = (MemoryError, OSError, RuntimeError)
TOLD_BY = (
    "out of memory",  # CUDA, ROCm, NCCL, Metal
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER
    "invalid buffer size",  # Metal: one tensor of more than it gives
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # mmap
    "not enough memory",  # torch on a CPU of Windows
    "bad_alloc",  # the C++ library
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether `error` says that memory ran out; one that was told in a line of its own already does not."""
    if error is None or isinstance(error, UserError):
        return False
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    said = str(error).lower()
    return any(words in said for words in TOLD_BY)


# --- what a library makes of them ------------------------------------------------------------------------

MAX_REASON_CHARACTERS = 200
# How pyo3, through which Python calls Rust, tells of a panic: no Exception, and named once a library.
PANIC = "PanicException"


@contextlib.contextmanager
def reading(what: str, way_out: str) -> Iterator[None]:
    """Raises UserError, "`what`: the reason; `way_out`", for everything that the library called inside raises.

    Keep the body to the library's call: a mistake of our own would be taken for the file's. What the library
    prints meanwhile is left out, since a panic of Rust prints lines of its own.
    """
    try:
        with _standard_error_closed():
            yield
    except UserError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise  # an interrupt, an exit
        has_room = not is_out_of_memory(error)
        if not has_room and not isinstance(error, MemoryError):  # which parsers raise at what is nested, too
            raise UserError(f"{what}: out of memory; {MEMORY_WAY_OUT}", exit_code=1) from error
        raise UserError(f"{what}: {reason(error)}; {way_out}", exit_code=2 if has_room else 1) from error


def reason(error: BaseException) -> str:
    """The exception's type and what it says, as one short line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = printable(" ".join(str(error).split()))
    said = said if len(said) <= MAX_REASON_CHARACTERS else f"{said[:MAX_REASON_CHARACTERS]}..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def printable(text: str) -> str:
    r"""On one line of a terminal: control characters and lone surrogates are spelled (`\n`, `\udce9`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@contextlib.contextmanager
def _standard_error_closed() -> Iterator[None]:
    """File descriptor 2 leads nowhere: Rust writes past `sys.stderr`."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def read_regular(path: Path, *, max_bytes: int, way_out: str) -> bytes:
    """The bytes of a regular file; a pipe or a device would be waited for. Raises UserError."""
    with reading(f"cannot read {path}", way_out):
        file = open_binary(path)
    with file:
        num_bytes = os.fstat(file.fileno()).st_size
        if num_bytes > max_bytes:
            raise UserError(f"{path} has {num_bytes:,} bytes, at most {max_bytes:,} are read; {way_out}")
        with reading(f"cannot read {path}", way_out):
            return file.read(max_bytes)


def read_json_object(path: Path, *, max_bytes: int, way_out: str) -> dict:
    """The JSON object in `path`, every key once and every number finite. Raises UserError."""
    raw = read_regular(path, max_bytes=max_bytes, way_out=way_out)
    with reading(f"{path} is not JSON", way_out):
        found = json.loads(raw, object_pairs_hook=_each_once, parse_constant=_number, parse_float=_number)
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(found).__name__}; {way_out}")
    return found


def _each_once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)} is given twice")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number
