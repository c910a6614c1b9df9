"""Break a run on purpose: fail or kill it at its k-th file operation, or kill it at any moment.

A shim loaded into every process of the run (LD_PRELOAD, `faults_shim.c`) counts and fails what libc is asked
for, so it does not matter whether Python, orjson or a Rust extension asks. It needs Linux and gcc.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHIM_SOURCE = Path(__file__).with_name("faults_shim.c")
CALLS = ("write", "fsync", "close", "rename", "exchange", "remove", "create", "open")
WHY_NOT = (
    "the fault shim needs Linux and gcc" if not (sys.platform == "linux" and shutil.which("gcc")) else ""
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the operation that fails: an errno, KILLED (before it) or SHORT (half is written)."""

    name: str
    kind: int
    calls: tuple[str, ...] = CALLS
    sticky: bool = False  # every later one fails as well
    by_bytes: bool = False  # the disk takes so many bytes and no more; `at` and `count` are in bytes then

    def __str__(self) -> str:
        return self.name


KILLED = Fault("killed", -1)
SHORT = Fault("short write", -2, calls=("write",))
DEVICE_ERROR = Fault("EIO", errno.EIO)
NO_SPACE = Fault("ENOSPC", errno.ENOSPC, calls=("write", "fsync", "close", "create", "rename", "exchange"))
DISK_OF_A_SIZE = Fault("a disk of so many bytes", errno.ENOSPC, calls=("write",), by_bytes=True)
DISK_STAYS_FULL = Fault("ENOSPC from here on", errno.ENOSPC, calls=("write", "create"), sticky=True)
NOT_ALLOWED = Fault("EACCES", errno.EACCES, calls=("create", "open"))
FAULTS = (KILLED, SHORT, DEVICE_ERROR, NO_SPACE, DISK_STAYS_FULL, NOT_ALLOWED)
PATIENCE_S = 10  # for a worker to notice that its parent is gone
NO_EXCHANGE = {"FAULT_NO_EXCHANGE": "1"}  # environment: the file system cannot swap two names


def build_shim(directory: Path) -> Path:
    shim = directory / "faults_shim.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim, SHIM_SOURCE, "-ldl"], check=True
    )
    return shim


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `num_operations`: file operations that counted, whether or not one failed."""

    exit_code: int  # negative: the signal that killed it
    stdout: str
    stderr: str
    num_operations: int


@dataclass(frozen=True, slots=True)
class Injector:
    """Runs commands with one fault each, among the file operations below `under`."""

    shim: Path
    under: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: Sequence[str], fault: Fault, at: int, timeout_s: float = 120) -> Outcome:
        """Let the `at`-th operation (from 1; 0: none) of `command` and its children fail."""
        counter = self.shim.with_name(f"counter-{os.getpid()}")
        counter.write_bytes(bytes(8))
        environment = os.environ | self.environment | self._settings(fault, at, counter)
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            with start(command, stdout=stdout, stderr=stderr, env=environment) as process:
                try:
                    process.wait(timeout_s)
                finally:
                    end_session(process.pid)
            stdout.seek(0)
            stderr.seek(0)
            num_operations = int.from_bytes(counter.read_bytes(), sys.byteorder)
            return Outcome(process.returncode, stdout.read(), stderr.read(), num_operations)

    def count(self, command: Sequence[str], fault: Fault) -> int:
        """How many operations of an undisturbed run `fault` could hit."""
        outcome = self.run(command, fault, at=0)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.num_operations

    def _settings(self, fault: Fault, at: int, counter: Path) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.shim),
            "FAULT_UNDER": os.path.realpath(self.under),
            "FAULT_CALLS": f",{','.join(fault.calls)},",
            "FAULT_COUNTER": str(counter),
            "FAULT_AT": str(at),
            "FAULT_KIND": str(fault.kind),
            "FAULT_STICKY": "2" if fault.by_bytes else str(int(fault.sticky)),
        }


def start(command: Sequence[str], **options: Any) -> subprocess.Popen:
    """A process in a session of its own, so that its children can be found when it is dead."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)


def end_session(leader: int) -> None:
    """kill -9 what is left of the session that `leader` started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def num_left(leader: int) -> int:
    """How many processes of the session that `leader` started are alive (Linux; zombies are not)."""
    return sum(_session_if_alive(process) == leader for process in Path("/proc").glob("[0-9]*/stat"))


def _session_if_alive(stat: Path) -> int | None:
    try:
        state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):  # gone since it was listed
        return None
    return None if state == "Z" else int(session)


def kill_after(command: Sequence[str], delay_s: float, *, group: bool) -> tuple[int, int]:
    """Start `command`, kill -9 it after `delay_s` unless it ended before; with `group` its children, too.

    Its exit code, and how many of its processes were still there PATIENCE_S later (then they are ended).
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with start(command, **quiet) as process:
        try:
            process.wait(delay_s)
        except subprocess.TimeoutExpired:
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, _end_orphans(process.pid)


def signal_after(command: Sequence[str], delay_s: float, number: int, *, group: bool) -> tuple[int, str, int]:
    """Start `command`, send it the signal after `delay_s` unless it ended before; with `group` its children, too.

    Its exit code, what it wrote to standard error, and how many of its processes outlived it for PATIENCE_S.
    """
    with (
        tempfile.TemporaryFile("w+") as stderr,
        start(command, stdout=subprocess.DEVNULL, stderr=stderr) as process,
    ):
        try:
            process.wait(delay_s)
        except subprocess.TimeoutExpired:
            (os.killpg if group else os.kill)(process.pid, number)
            process.wait(60)
        stderr.seek(0)
        return process.returncode, stderr.read(), _end_orphans(process.pid)


def _end_orphans(leader: int) -> int:
    until_s = time.monotonic() + PATIENCE_S
    while (num_orphans := num_left(leader)) and time.monotonic() < until_s:
        time.sleep(0.02)
    end_session(leader)
    return num_orphans


def fingerprint(directory: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file below `directory`; {} when there is no such directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        os.fspath(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
