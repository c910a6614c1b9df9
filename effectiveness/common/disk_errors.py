"""What a disk says when it cannot, in one line: what, where, how much, and the way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from effectiveness.common.durable import files_and_directories
from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError

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
        f"disk full: {spell(target)} needs {amount} available; free some space or choose another --output",
        exit_code=1,
    )


def _cannot_write(target: Path, error: OSError, staging: Path | None) -> UserError:
    where = f" ({spell(Path(error.filename))})" if isinstance(error.filename, str) else ""
    failed = staging is not None or error.errno in DEVICE_FAILED - {errno.EROFS}
    way_out = f"{spell(target)} is as it was" if failed else "choose another --output"
    return UserError(
        f"cannot write {spell(target)}: {error.strerror}{where}; {way_out}", exit_code=1 if failed else 2
    )


def spell(path: Path) -> str:
    return escape_path(os.fsencode(path))
