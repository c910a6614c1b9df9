"""The training command or another, in forked children of a process that has torch imported: 10 ms a start, not 5 s.

A child behaves as a started command: standard streams of its own, signals as a shell leaves them, faults armed
(faults_shim.c) before its first line.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANGS_AFTER_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What happens to a run: a fault at the `at`-th of `calls` below `under`, or a signal after a step."""

    calls: tuple[str, ...] = ()
    at: int = 0  # from 1; 0: only count
    kind: int = 0  # as FAULT_KIND
    sticky: int = 0  # as FAULT_STICKY of the shim
    step: int = 0  # from 1; 0: never
    signal_number: int = 0

    def __str__(self) -> str:
        if self.step:
            return f"signal {self.signal_number} after step {self.step}"
        return (
            f"kind {self.kind}{' from here on' if self.sticky else ''} at {self.at} of {','.join(self.calls)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    exit_code: int  # negative: the signal that killed it
    stdout: str
    stderr: str
    num_operations: int = 0


@dataclass(slots=True)
class WarmTrainer:
    """Runs `main(argv)` in children of one process; use it in a `with` statement."""

    shim: Path
    under: Path  # only what happens below it counts
    scratch: Path
    warm_up: list[str]  # arguments of a run that imports all there is to import
    _process: subprocess.Popen | None = field(default=None)

    def __enter__(self) -> WarmTrainer:
        environment = os.environ | {"LD_PRELOAD": str(self.shim), "OMP_NUM_THREADS": "1"}
        (self.under / "tmp").mkdir(exist_ok=True)
        environment |= {"TMPDIR": str(self.under / "tmp")}
        environment |= {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        command = [sys.executable, "-c", "import warm_trainer; warm_trainer.serve()"]
        command += [str(self.shim), str(self.under), json.dumps(self.warm_up)]
        with (self.scratch / "warm-up").open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, text=True
            )
        assert self._process.stdout.readline() == "ready\n", (self.scratch / "warm-up").read_text()
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait(HANGS_AFTER_S)
        self._process.stdout.close()

    def run(self, argv: list[str], point: Point | None = None, name: str = "train", until: str = "") -> Ended:
        """`name`: of the command, as after `effectiveness`. `until`: once it has printed this, it gets a SIGTERM."""
        streams = [str(self.scratch / name) for name in ("stdout", "stderr", "count")]
        request = {"name": name, "argv": argv, "point": asdict(point or Point()), "streams": streams}
        request["until"] = until
        Path(streams[0]).unlink(missing_ok=True)  # what the last one has printed
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        stdout, stderr, count = (Path(name).read_text() for name in streams)
        return Ended(exit_code=exit_code, stdout=stdout, stderr=stderr, num_operations=int(count or 0))


# --- in the warm process -----------------------------------------------------------------------------------


def serve() -> None:
    shim, under, warm_up = sys.argv[1:]
    from training_fixtures import TINY

    from effectiveness.trainer import models
    from training.model_trainer_unified import main

    models.PRESETS.update(dict.fromkeys(models.PRESETS, TINY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if main(json.loads(warm_up)):
        sys.exit(1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(_run_in_child(json.loads(line), shim, under), file=answers, flush=True)


def _run_in_child(request: dict, shim: str, under: str) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _become_a_command(request["streams"])
            _meet(request["point"], shim, under)
            exit_code = _call_main(request["name"], request["argv"])
            Path(request["streams"][2]).write_text(str(ctypes.CDLL(shim).fault_count()))
        except BaseException:  # noqa: BLE001 - as at the top of a program
            traceback.print_exc()
            exit_code = 70
        os._exit(exit_code)
    until_s, until = time.monotonic() + HANGS_AFTER_S, request["until"]
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > until_s:
            os.kill(pid, signal.SIGABRT)
        if (
            until
            and os.path.exists(request["streams"][0])
            and until in Path(request["streams"][0]).read_text()
        ):
            os.kill(pid, signal.SIGTERM)
            until = ""
        time.sleep(0.002)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become_a_command(streams: list[str]) -> None:
    for number, name in ((1, streams[0]), (2, streams[1]), (None, streams[2])):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        if number is not None:
            os.dup2(fd, number)
        os.close(fd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _meet(point: dict, shim: str, under: str) -> None:
    if point["step"]:
        _signal_after(point["step"], point["signal_number"])
    calls = f",{','.join(point['calls'])},".encode()
    numbers = [ctypes.c_int64(int(point[name])) for name in ("at", "kind", "sticky")]
    ctypes.CDLL(shim).fault_arm(under.encode(), calls, *numbers)


def _signal_after(step: int, number: int) -> None:
    from effectiveness.trainer.loop import Trainer

    one_step, made = Trainer._one_step, [0]

    def counted(self, hooks):
        one_step(self, hooks)
        made[0] += 1
        if made[0] == step:
            os.kill(os.getpid(), number)

    Trainer._one_step = counted


def _call_main(name: str, argv: list[str]) -> int:
    from effectiveness.cli import main_of

    try:
        exit_code = main_of(name)(argv)
    except SystemExit as ended:
        exit_code = ended.code or 0
    except BaseException:  # noqa: BLE001 - as at the top of a program
        traceback.print_exc()
        exit_code = 1
    try:
        sys.stdout.flush()
    except OSError:
        exit_code = 120  # what Python does
    return exit_code
