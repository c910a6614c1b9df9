"""Run whole processes and measure them: wall time, CPU time, and the peak memory of the whole process tree."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common import programs

SAMPLE_INTERVAL_S = 0.04
PSS_EVERY = 5  # samples: adding up pages costs milliseconds that the measured process would miss
_PROC = Path("/proc")


class MeasurementError(Exception):
    """A measured process failed; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one process and its children."""

    wall_s: float
    cpu_s: float  # user and system time of the process and all its descendants
    peak_rss_mb: float  # sum over the tree; pages shared by forked workers count once per process
    peak_pss_mb: float  # the same with shared pages divided among their users; 0 where the system cannot tell
    inner_s: float | None = None  # what the process itself timed: its work without its imports
    rows: float | None = None  # what it says it wrote


class MemorySampler(threading.Thread):
    """Samples the memory of a process tree until it is stopped. Linux only; elsewhere the peaks stay 0."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.peak_rss_kb, self.peak_pss_kb = pid, 0, 0
        self._done = threading.Event()

    def run(self) -> None:
        sample = 0
        while not self._done.wait(SAMPLE_INTERVAL_S):
            pids = tree(self.pid)
            self.peak_rss_kb = max(self.peak_rss_kb, sum(_field_kb(pid, "status", "VmRSS:") for pid in pids))
            if sample % PSS_EVERY == 0:
                pss_kb = sum(_field_kb(pid, "smaps_rollup", "Pss:") for pid in pids)
                self.peak_pss_kb = max(self.peak_pss_kb, pss_kb)
            sample += 1

    def stop(self) -> None:
        self._done.set()
        self.join()


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants that live now."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        for children in _PROC.glob(f"{found[-1]}/task/*/children"):
            waiting += map(int, _read(children).split())
    return found


def _field_kb(pid: int, file: str, name: str) -> int:
    for line in _read(_PROC / str(pid) / file).splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # the process has just ended, or belongs to somebody else


def run(command: Sequence[str], *, environment: dict[str, str] | None = None, cwd: Path | None = None) -> Run:
    """Run `command` to its end. Lines `inner_s X` and `rows N` of its output are kept. Raises MeasurementError."""
    started_s = time.perf_counter()
    process = programs.start(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd,
        env=os.environ | (environment or {}),
    )
    sampler = MemorySampler(process.pid)
    sampler.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # the usage of this tree alone, not of every child so far
    wall_s = time.perf_counter() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.stop()
    if process.returncode not in (0, 3):  # 3: done, some files could not be read
        raise MeasurementError(
            f"{' '.join(command[:3])} ... ended with {process.returncode}:\n{output[-2000:]}"
        )
    return Run(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_rss_mb=max(sampler.peak_rss_kb, usage.ru_maxrss) / 1024,
        peak_pss_mb=sampler.peak_pss_kb / 1024,
        inner_s=_told(output, "inner_s"),
        rows=_told(output, "rows"),
    )


def _told(output: str, name: str) -> float | None:
    for line in reversed(output.splitlines()):
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return None


def median(runs: Sequence[Run]) -> Run:
    """The median of each quantity by itself; of the memory peaks the largest."""
    inner = [run.inner_s for run in runs if run.inner_s is not None]
    return Run(
        wall_s=statistics.median(run.wall_s for run in runs),
        cpu_s=statistics.median(run.cpu_s for run in runs),
        peak_rss_mb=max(run.peak_rss_mb for run in runs),
        peak_pss_mb=max(run.peak_pss_mb for run in runs),
        inner_s=statistics.median(inner) if inner else None,
        rows=runs[0].rows,
    )
