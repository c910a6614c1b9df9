"""A server in a process of its own, asked over HTTP; its time is read from the kernel, children counted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks import measure
from effectiveness.common import programs

ROOT = Path(__file__).resolve().parents[1]
SERVE = programs.python(ROOT / "effectiveness", "serve")
READY_S = 120
LOOK_S = 0.01
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ENDED_CHILDREN = slice(13, 15)  # of /proc/PID/stat behind the name: user and system time, in ticks
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that answers at `port`."""

    process: subprocess.Popen
    port: int
    begun: float  # of time.perf_counter, before the process was there

    def ask(self, path: str, body: dict | None = None) -> dict:
        """A JSON answer. Raises MeasurementError where it is a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_S)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(
                "GET" if body is None else "POST", path, sent, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise measure.MeasurementError(f"{path} was answered with {answer.status}: {text[:300]!r}")
        return json.loads(text)

    def cpu_s(self) -> float:
        """Processor time of the process and its descendants, ended ones too, since it was started."""
        return sum(map(_cpu_s, measure.tree(self.process.pid)))

    def threads_and_files(self) -> tuple[int, int]:
        """How many threads and open descriptors it has."""
        place = Path(f"/proc/{self.process.pid}")
        return len(list((place / "task").iterdir())), len(list((place / "fd").iterdir()))


def _cpu_s(pid: int) -> float:
    clock = (~pid << 3) | 2  # the kernel's number of the clock of another process, in nanoseconds
    try:
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[ENDED_CHILDREN]
        return time.clock_gettime(clock) + sum(map(int, ended)) / TICKS_PER_S
    except OSError:  # it has ended in this moment
        return 0.0


@contextlib.contextmanager
def serving(*arguments: str | Path) -> Iterator[Served]:
    """`effectiveness serve` with these arguments, from when it says its address."""
    with _running([*SERVE, *map(str, arguments), "--port", "0"]) as (process, output, begun):
        yield Served(process=process, port=_port_said(process, output), begun=begun)


@contextlib.contextmanager
def serving_peer(program: Path, model: Path, *, context: int, threads: int) -> Iterator[Served]:
    """llama-server with a GGUF, from when it says that it is well; one place, as one editor needs."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program.resolve()), "-m", str(model), "-c", str(context), "-np", "1", "-t", str(threads)]
    with _running([*command, "--host", "127.0.0.1", "--port", str(port)]) as (process, output, begun):
        served = Served(process=process, port=port, begun=begun)
        while True:
            with contextlib.suppress(measure.MeasurementError, OSError):
                served.ask("/health")
                break
            _check_time(process, output, begun)
        yield served


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen, IO[str], float]]:
    with tempfile.TemporaryFile("w+") as output:
        begun = time.perf_counter()
        process = programs.start(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process, output, begun
        finally:
            process.terminate()
            process.wait()


def _port_said(process: subprocess.Popen, output: IO[str]) -> int:
    begun = time.perf_counter()
    while not (found := ADDRESS.search(_said(output))):
        _check_time(process, output, begun)
    return int(found[1])


def _check_time(process: subprocess.Popen, output: IO[str], begun: float) -> None:
    if process.poll() is not None or time.perf_counter() - begun > READY_S:
        raise measure.MeasurementError(f"the server does not come up: {_said(output)[-2000:]}")
    time.sleep(LOOK_S)


def _said(output: IO[str]) -> str:
    return os.pread(output.fileno(), 1 << 20, 0).decode("utf-8", "replace")
