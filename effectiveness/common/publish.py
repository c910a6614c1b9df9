"""Publish a directory in one step: a reader sees the old one or the new one, whatever is killed when.

    output/                      what readers see
    .output.lock                 locked by the run that is writing; says who that is
    .output.staging-PID-RANDOM/  the next output while it is written, on the same file system, mode 0700
    .output.previous/            only where two names cannot be swapped: the old one, between two renames

Everything written is on disk (fsync) before the one rename that shows it. Replacing files in place left
148 broken sets of 200 kills, staging and one rename left none; without the lock 5 of 40 pairs of runs mixed.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import secrets
import shlex
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from effectiveness.common.durable import (
    BAD_PLACE,
    DEVICE_FAILED,
    WRITE_FAILED,
    available_bytes,
    exchange,
    files_and_directories,
    name_stem,
    no_space,
    one_line_for,
    remove_tree,
    sync_path,
    umask,
    write_all,
)
from effectiveness.common.endings import Publication, signals_waiting, tell_on_stderr
from effectiveness.common.ownership import is_dataset
from effectiveness.common.paths import display, escape_path
from effectiveness.common.records import DATASET_FILES, LATER_FILE, METADATA_FILE, SPLITS_FILE, UserError

SCRATCH = ".scratch"  # a directory of this name in the staging directory is removed before publishing
DATASET_OWNED = (
    *DATASET_FILES.values(),
    LATER_FILE,
    SPLITS_FILE,
    METADATA_FILE,
    "README.md",
    "report.html",
    "tokenizer/*",
    ".cache/*",  # parsed rows that the trainer keeps beside the files
    "memory/*.bin",  # of the training files: other rows have another one
    "memory/*.json",
    "memory/.*.tmp-*",  # what a killed build of it leaves, here and below
    ".memory.lock",
    ".memory.previous/*",
    ".memory.staging-*",
    ".DS_Store",  # left by looking at the directory on a Mac
)

_CANNOT_SWAP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
STAGING = re.compile(r"\.(.+)\.staging-[0-9]+-[0-9a-f]{8}", re.DOTALL)
_MAX_NAMED = 3  # foreign files named in an error


def _say_on_stderr(note: str) -> None:
    tell_on_stderr(f"note: {note}")


@contextmanager
def publishing(
    output: Path,
    *,
    manifest: str = METADATA_FILE,
    owned: Collection[str] = DATASET_OWNED,
    say: Callable[[str], None] = _say_on_stderr,
    publication: Publication | None = None,
) -> Iterator[Path]:
    """Yield an empty staging directory; on clean exit it becomes `output`, on an exception it is removed.

    `manifest` is the file that marks a complete directory; `owned` are `fnmatch` patterns of relative paths:
    what we may replace, and all we may publish. `say` gets one line for each thing found and mended; `publication`
    knows from the rename on that it has happened.
    Raises UserError: exit code 2 when `output` is no place for us (nothing is touched), 1 when another
    run holds it, the disk is full or fails (`output` is as it was).
    """
    place = _Place.of(output)
    place.refuse_unless_ours(manifest, owned)
    with _parents_of(place.target), _locked(place):
        with one_line_for(place.target, BAD_PLACE | DEVICE_FAILED):
            _recover(place, say)
            place.refuse_unless_ours(manifest, owned)
        staging = place.new_staging()
        try:
            with one_line_for(place.target, BAD_PLACE | DEVICE_FAILED):
                staging.mkdir(mode=0o700)  # holds the text of a repository while it is worked on
            with one_line_for(place.target, WRITE_FAILED, staging):
                yield staging
                _complete(staging, manifest, owned)
                _make_durable(staging, manifest, _mode_for(place.target))
                if publication:
                    publication.expect(place.target, staging)
                _show(staging, place)
        finally:
            _discard(staging, say)  # after a swap this name holds the old directory


def require_space(path: Path, num_bytes: int) -> None:
    """Raise UserError when `num_bytes` do not fit beside `path`: an output or its staging directory."""
    available = available_bytes(path.parent)
    if num_bytes > available:
        staged = STAGING.fullmatch(path.name)
        raise no_space(path.with_name(staged[1]) if staged else path, num_bytes, available)


# --- where things are ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The resolved output and the names beside it."""

    target: Path
    lock: Path
    previous: Path

    @classmethod
    def of(cls, output: Path) -> _Place:
        with one_line_for(output, BAD_PLACE):  # the working directory may be gone
            target = Path(os.path.realpath(output))
        if not target.name:
            raise UserError(f"--output {display(output)} has no parent directory; choose a directory in it")
        stem = name_stem(target)
        return cls(
            target=target,
            lock=target.with_name(f".{stem}.lock"),
            previous=target.with_name(f".{stem}.previous"),
        )

    def new_staging(self) -> Path:
        name = f".{name_stem(self.target)}.staging-{os.getpid()}-{secrets.token_hex(4)}"
        return self.target.with_name(name)

    def stale_stagings(self) -> list[Path]:
        """Staging directories of earlier runs. Only for who holds the lock: then every one is stale."""
        matches = map(STAGING.fullmatch, sorted(os.listdir(self.target.parent)))
        stem = name_stem(self.target)
        return [self.target.with_name(match[0]) for match in matches if match and match[1] == stem]

    def refuse_unless_ours(self, manifest: str, owned: Collection[str]) -> None:
        """Raise UserError, exit code 2, unless the target is missing, empty or a directory of ours."""
        with one_line_for(self.target, BAD_PLACE | DEVICE_FAILED):
            if not os.path.lexists(self.target):
                return
            self._refuse_unless_replaceable()
            is_ours = (
                is_dataset(self.target) if manifest == METADATA_FILE else (self.target / manifest).is_file()
            )
            allowed = owned if is_ours else ()
            foreign = list(itertools.islice(_foreign_entries(self.target, allowed), _MAX_NAMED + 1))
        if foreign:
            named = ", ".join(foreign[:_MAX_NAMED]) + (", ..." if len(foreign) > _MAX_NAMED else "")
            why = "files we did not write" if allowed else f"files but no {manifest} of ours"
            raise UserError(
                f"{display(self.target)} holds {why} ({named}); nothing was touched: "
                "move them away or choose another --output"
            )

    def _refuse_unless_replaceable(self) -> None:
        if not self.target.is_dir():
            kind = "a link that leads nowhere" if self.target.is_symlink() else "not a directory"
            raise UserError(f"--output {display(self.target)} is {kind}; choose another --output")
        if os.path.ismount(self.target):
            raise UserError(
                f"--output {display(self.target)} is a mount point and cannot be replaced in one step; "
                f"choose a directory in it, for example {display(self.target / 'dataset')}"
            )


def _foreign_entries(directory: Path, owned: Collection[str]) -> Iterator[str]:
    """Relative paths of files and empty directories that match no pattern of `owned`."""
    pending = [""]
    for prefix in pending:  # grows while we walk
        with os.scandir(directory / prefix) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        if not entries and prefix and not _is_owned(prefix, owned):
            yield display(Path(prefix))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{prefix}{entry.name}/")
            elif not _is_owned(prefix + entry.name, owned):
                yield display(Path(prefix + entry.name))


def _is_owned(path: str, owned: Collection[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in owned)


@contextmanager
def _parents_of(target: Path) -> Iterator[None]:
    """Create the missing parents of `target`; remove them again when nothing came to lie in them."""
    missing = list(itertools.takewhile(lambda parent: not parent.exists(), target.parents))
    with one_line_for(target, BAD_PLACE | DEVICE_FAILED):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # not empty: somebody else uses it by now
            for parent in missing:
                parent.rmdir()
        raise


# --- one run at a time -----------------------------------------------------------------------------------

_held_locks: set[int] = set()


def _drop_locks_in_child() -> None:
    """A lock belongs to the open file, which a forked worker shares: it would outlive a killed parent."""
    for fd in _held_locks:
        os.close(fd)
    _held_locks.clear()


os.register_at_fork(after_in_child=_drop_locks_in_child)


@contextmanager
def _locked(place: _Place) -> Iterator[None]:
    """Hold the lock of `place`, or raise UserError (exit code 1) that says who does."""
    fd = None
    try:
        with one_line_for(place.target, BAD_PLACE | DEVICE_FAILED), signals_waiting():
            fd = _acquire(place)
            _held_locks.add(fd)
        with one_line_for(place.target, DEVICE_FAILED):
            os.ftruncate(fd, 0)
            write_all(fd, _who_we_are().encode())
        yield
    finally:
        if fd is not None:
            with signals_waiting():
                _release(place, fd)


def _release(place: _Place, fd: int) -> None:
    with suppress(OSError):  # a lock file that stays is taken over by the next run
        place.lock.unlink(missing_ok=True)  # while we hold it, so nobody else can lose theirs
    _held_locks.discard(fd)
    with suppress(OSError):  # a close that fails has closed
        os.close(fd)


def _acquire(place: _Place) -> int:
    while True:
        fd = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 1000, 0).decode("utf-8", "replace")
            os.close(fd)
            raise _held_by(holder, place.target) from None
        if _is_same_file(fd, place.lock):
            return fd
        os.close(fd)  # its holder finished and removed it between our open and our lock


def _is_same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _who_we_are() -> str:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    command = display(Path(shlex.join(sys.argv)))
    return f"pid {os.getpid()}, started {started}, {command}"[:300]


def _held_by(holder: str, target: Path) -> UserError:
    who = f"another run ({escape_path(os.fsencode(holder))})" if holder else "another run"
    return UserError(
        f"{who} is writing {display(target)}; wait for it or choose another --output", exit_code=1
    )


# --- on disk, then shown ---------------------------------------------------------------------------------


def _recover(place: _Place, say: Callable[[str], None]) -> None:
    """Mend what a killed run left beside the output, and say so."""
    if place.previous.is_dir():
        if not place.target.exists():
            os.rename(place.previous, place.target)
            say(f"an earlier run was killed while publishing: put {display(place.target)} back")
        else:
            remove_tree(place.previous)
    for staging in place.stale_stagings():
        if _discard(staging, say):
            say(f"removed {display(staging)}, left behind by a run that was killed")


def _complete(staging: Path, manifest: str, owned: Collection[str]) -> None:
    """Remove the scratch directory; what is left must be a whole directory of ours."""
    if (staging / SCRATCH).is_dir():
        remove_tree(staging / SCRATCH)
    if not (staging / manifest).is_file():
        raise RuntimeError(f"cannot publish a directory without its {manifest}")
    if unexpected := list(_foreign_entries(staging, owned)):
        raise RuntimeError(f"cannot publish files that are not in `owned`: {', '.join(unexpected)}")


def _mode_for(target: Path) -> int:
    return stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o777 & ~umask()


def _make_durable(staging: Path, manifest: str, mode: int) -> None:
    """fsync every file, the manifest last, then the directories."""
    staging.chmod(mode)
    files, directories = files_and_directories(staging)
    for path in sorted(files, key=lambda path: path == staging / manifest):
        sync_path(path)
    for path in reversed(directories):
        sync_path(path)


def _show(staging: Path, place: _Place) -> None:
    """The one step in which readers see the new directory. When it cannot be made durable, undo it."""
    if place.target.exists():
        _swap(staging, place)
        undo = partial(_swap, staging, place)
    else:
        os.rename(staging, place.target)
        undo = partial(os.rename, place.target, staging)
    try:
        sync_path(place.target.parent)
    except OSError as error:
        _undo(undo, place, error)
        raise


def _undo(undo: Callable[[], None], place: _Place, error: OSError) -> None:
    try:
        undo()
    except OSError:
        raise UserError(
            f"cannot write {display(place.target)}: {error.strerror}; it is new and complete, but a power cut may "
            "bring back the old one",
            exit_code=1,
        ) from error


def _swap(staging: Path, place: _Place) -> None:
    """Exchange two names; where the file system cannot, in renames that `_recover` knows how to mend."""
    try:
        exchange(staging, place.target)
    except OSError as error:
        if error.errno not in _CANNOT_SWAP:
            raise
        _swap_in_steps(staging, place)


def _swap_in_steps(staging: Path, place: _Place) -> None:
    try:
        os.rename(place.target, place.previous)
        os.rename(staging, place.target)
    except BaseException:  # a signal, too: nobody should find the place empty
        if not os.path.lexists(place.target):
            os.rename(place.previous, place.target)
        raise
    with suppress(OSError):  # published; the next run removes what is left
        os.rename(place.previous, staging)


def _discard(staging: Path, say: Callable[[str], None]) -> bool:
    """Whether `staging` is gone. A killed run's workers may still write there: that is for the next run."""
    if not staging.exists():
        return True
    try:
        remove_tree(staging)
    except OSError as error:
        say(f"cannot remove {display(staging)} ({error.strerror}); the next run will")
        return False
    return True
