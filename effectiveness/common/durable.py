"""File operations that have reached the disk when they return, the one that swaps two names, and what a disk says
when it cannot: one line with what, where, how much, and the way out."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from effectiveness.common.paths import display
from effectiveness.common.records import UserError


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """`os.write` until everything is written: it may write less than asked, for example at 2 GB."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomically(path: Path, data: bytes) -> None:
    """Replace one file: a reader sees the old bytes or `data`, on disk when this returns."""
    with replacing(path) as (fd, _):
        write_all(fd, data)


@contextmanager
def replacing(path: Path) -> Iterator[tuple[int, Path]]:
    """(descriptor, path) of an empty file that takes the place of `path` when the body has ended well."""
    path = Path(os.path.realpath(path))  # a link stays a link
    _remove_abandoned(path)
    staged = path.with_name(f".{name_stem(path)}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # alive: nobody may take this file for abandoned
            yield fd, staged
            sync(fd)
        finally:
            os.close(fd)
        os.rename(staged, path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    sync_path(path.parent)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files of killed `write_atomically` calls for `path`: nobody holds their lock."""
    for name in os.listdir(path.parent):
        if not is_temporary_of(path.name, name):
            continue
        with suppress(FileNotFoundError, BlockingIOError):  # finished meanwhile; still being written
            fd = os.open(path.with_name(name), os.O_WRONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.with_name(name).unlink()
            finally:
                os.close(fd)


def is_temporary_of(name: str, candidate: str) -> bool:
    """Whether `candidate` is what `write_atomically` writes before it is called `name`."""
    return bool(re.fullmatch(re.escape(f".{name_stem(Path(name))}.tmp-") + r"[0-9]+-[0-9a-f]{8}", candidate))


def sync(fd: int) -> None:
    """What was written to `fd` survives a power cut."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync reaches the drive's cache only
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_path(path: Path) -> None:
    """`sync` of a file or of the names in a directory."""
    fd = os.open(path, os.O_RDONLY)
    try:
        sync(fd)
    finally:
        os.close(fd)


def files_and_directories(root: Path) -> tuple[list[Path], list[Path]]:
    """All below `root`, parents before children; links are files and not followed; `root` is the first."""
    files: list[Path] = []
    directories = [root]
    for directory in directories:  # grows while we walk
        with os.scandir(directory) as scanned:
            for entry in sorted(scanned, key=lambda entry: entry.name):
                (directories if entry.is_dir(follow_symlinks=False) else files).append(Path(entry.path))
    return files, directories


def remove_tree(root: Path) -> None:
    """Remove a directory and all below it, without recursion and without following links."""
    files, directories = files_and_directories(root)
    for file in files:
        file.unlink()
    for directory in reversed(directories):
        directory.rmdir()


def exchange(one: Path, other: Path) -> None:
    """Atomically swap two names. Raises OSError ENOSYS, EINVAL or ENOTSUP where that does not exist."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if hasattr(libc, "renameat2"):  # Linux, glibc >= 2.28
        at_cwd, rename_exchange = -100, 2
        failed = libc.renameat2(at_cwd, first, at_cwd, second, rename_exchange)
    elif hasattr(libc, "renamex_np"):  # macOS
        rename_swap = 2
        failed = libc.renamex_np(first, second, rename_swap)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fspath(other))


def umask() -> int:
    """The process's umask. There is no way to read it but to set it, so: not while threads create files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def name_stem(path: Path) -> str:
    """The name of `path`, or a digest of it where a longer name beside it might not fit 255 bytes."""
    raw = os.fsencode(path.name)
    return path.name if len(raw) <= 200 else hashlib.sha256(raw).hexdigest()


# --- what a disk says when it cannot ---------------------------------------------------------------------

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
DEVICE_FAILED = {errno.EIO, errno.EROFS, errno.EFBIG, errno.ENXIO, errno.ENODEV, errno.ESTALE}
BAD_PLACE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS),
}
WRITE_FAILED = {errno.EACCES, errno.EPERM, *DEVICE_FAILED}


@contextmanager
def one_line_for(target: Path, errnos: Collection[int], staging: Path | None = None) -> Iterator[None]:
    """Turn a full disk and the OSErrors in `errnos` into UserErrors; everything else passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            available = available_bytes(target.parent) + (_size_of(staging) if staging else 0)
            raise no_space(target, None, available) from error
        if error.errno in errnos:
            raise _cannot_write(target, error, staging) from error
        raise


def available_bytes(directory: Path) -> int:
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


def _size_of(directory: Path) -> int:
    return sum(path.lstat().st_size for path in files_and_directories(directory)[0])


def no_space(target: Path, needed: int | None, available: int) -> UserError:
    known = needed is not None and needed > available
    amount = f"{needed:,} bytes, {available:,} are" if known else f"more than the {available:,} bytes"
    return UserError(
        f"disk full: {display(target)} needs {amount} available; free some space or choose another --output",
        exit_code=1,
    )


def _cannot_write(target: Path, error: OSError, staging: Path | None) -> UserError:
    where = f" ({display(Path(error.filename))})" if isinstance(error.filename, str) else ""
    failed = staging is not None or error.errno in DEVICE_FAILED - {errno.EROFS}
    way_out = f"{display(target)} is as it was" if failed else "choose another --output"
    return UserError(
        f"cannot write {display(target)}: {error.strerror}{where}; {way_out}", exit_code=1 if failed else 2
    )
