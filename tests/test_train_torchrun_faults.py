"""Faults in a training of two processes: one of them, both, or torchrun itself is killed, stopped, or out of disk.

Nobody waits for ever, every process says in one line why it ended, no checkpoint is torn, and who goes on ends where
an unbroken run of two processes ends.
"""

from __future__ import annotations

import faulthandler
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from faults import num_left
from test_train_engines import free_port
from test_train_faults import Whole
from training_fixtures import command, use_tiny_models, write_dataset

from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.trainer import checkpoint, command_line
from effectiveness.trainer.engines import make_engine
from effectiveness.trainer.loop import Trainer
from training.model_trainer_unified import main

ROOT = Path(__file__).resolve().parent.parent
STEPS, BOTH = 8, (0, 1)
SETTINGS = {
    "training.max_steps": STEPS,
    "training.save_steps": 2,
    "training.logging_steps": 1,
    "training.eval_steps": 3,
    "optimization.optimizer": "adamw",  # Muon rounds to bfloat16
}
FLAGS = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
HANGS_AFTER_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """How one process ended."""

    exit_code: int  # negative: the signal that ended it
    stdout: str
    stderr: str


Happens = Callable[[int], None]  # in the process of this rank, before its first line


def run_ranks(arguments: list[str], place: Path, happens: Happens = lambda rank: None) -> list[Rank]:
    """The command in two forked processes, as torchrun starts them."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    pids = [_fork(arguments, shared | {"RANK": str(r), "LOCAL_RANK": str(r)}, place, happens) for r in BOTH]
    codes = [_exit_code(pid) for pid in pids]
    texts = [[(place / f"{name}-{rank}").read_text() for name in ("stdout", "stderr")] for rank in BOTH]
    return [
        Rank(exit_code=code, stdout=out, stderr=err) for code, (out, err) in zip(codes, texts, strict=True)
    ]


def _exit_code(pid: int) -> int:
    """One that stands still is ended."""
    status = os.waitpid(pid, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _fork(arguments: list[str], environment: dict[str, str], place: Path, happens: Happens) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.alarm(HANGS_AFTER_S)
        os.environ.update(environment)
        rank = environment["RANK"]
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(place / f"{name}-{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        faulthandler.dump_traceback_later(HANGS_AFTER_S - 10)  # where it hangs
        command_line.ECHO_S = 2.0
        happens(int(rank))
        code = main(arguments)
    except BaseException as error:  # noqa: BLE001 - as at the top of a program
        sys.stderr.write(f"Traceback: {error!r}\n")
    finally:
        sys.stdout.flush()
        os._exit(code)


def signals(number: int, step: int, ranks: tuple[int, ...] = BOTH, times: int = 1) -> Happens:
    """The signal comes to these ranks after so many steps."""

    def happens(rank: int) -> None:
        one_step, made = Trainer._one_step, [0]

        def counted(self, hooks):
            one_step(self, hooks)
            made[0] += 1
            if made[0] == step and rank in ranks:
                for _ in range(times):
                    signal.raise_signal(number)

        Trainer._one_step = counted

    return happens


def signals_later(number: int, after_s: float, ranks: tuple[int, ...] = BOTH, times: int = 1) -> Happens:
    """The signal comes from outside, wherever these ranks are by then: in a step, or waiting for the other."""

    def send() -> None:
        for _ in range(times):
            time.sleep(after_s)
            os.kill(os.getpid(), number)

    def happens(rank: int) -> None:
        if rank in ranks:
            threading.Thread(target=send, daemon=True).start()

    return happens


def second_stands_still(step: int, then: Happens) -> Happens:
    """After so many steps the second process answers no more; to the first one, which waits for it, `then` happens."""
    one_step, made = Trainer._one_step, [0]

    def happens(rank: int) -> None:
        def counted(self, hooks):
            one_step(self, hooks)
            made[0] += 1
            if made[0] == step:
                signal.raise_signal(signal.SIGSTOP) if rank == 1 else then(rank)

        Trainer._one_step = counted

    return happens


def full_disk(num_bytes: int) -> Happens:
    """No file of the first process can be larger: its checkpoint, or its export, fails while it is written."""

    def happens(rank: int) -> None:
        if rank == 0:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    return happens


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tiny_models(monkeypatch)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "d")


@pytest.fixture(scope="module")
def wholes(sequences, tmp_path_factory) -> Callable[[str], Whole]:
    """What an unbroken run of two processes leaves, for each way to distribute."""
    made: dict[str, Whole] = {}

    def whole(distributed: str) -> Whole:
        if distributed not in made:
            place = tmp_path_factory.mktemp("whole")
            ended = run_ranks(arguments_of(sequences, place / "m", distributed), place)
            assert [one.exit_code for one in ended] == [0, 0], ended
            made[distributed] = Whole.of(place / "m")
        return made[distributed]

    return whole


def arguments_of(sequences: Path, output: Path, distributed: str = "ddp") -> list[str]:
    return command(sequences, output, *FLAGS, "--set", f"device_backend.distributed={distributed}")


def newest_step(output: Path) -> int | None:
    found = checkpoint.step_directories(output / "checkpoints")
    return int(found[-1].name.partition("-")[2]) if found else None


def assert_words_are_true(ended: list[Rank], output: Path) -> None:
    for one in ended:
        said = one.stdout + one.stderr
        assert "Traceback" not in said and "COMPLETE" not in said, ended
        assert one.exit_code in (1, 129, 130, 143) or one.exit_code < 0, ended
        assert one.exit_code < 0 or one.exit_code > 128 or one.stderr.count("\n") == 1, ended
        for number in re.findall(r"checkpoint of step (\d+) is there|by a signal at step (\d+)", said):
            assert int("".join(number)) == newest_step(output), ended
        assert "no checkpoint was saved" not in said or newest_step(output) is None, ended
    for directory in checkpoint.step_directories(output / "checkpoints"):
        checkpoint.read(directory)


def meet(
    sequences: Path, place: Path, whole: Whole, happens: Happens, distributed: str = "ddp"
) -> list[Rank]:
    """Let it happen, see whether what was said is true, and go on to the end with two processes."""
    output = place / "m"
    arguments = arguments_of(sequences, output, distributed)
    ended = run_ranks(arguments, place, happens)
    if any("COMPLETE" in one.stdout for one in ended):  # before it happened
        assert Whole.of(output) == whole, ended
    else:
        assert_words_are_true(ended, output)
    again = run_ranks([*arguments, "--resume"], place)
    assert [one.exit_code for one in again] == [0, 0], (ended, again)
    assert again[0].stdout.splitlines()[-1] == "COMPLETE"
    assert Whole.of(output) == whole, ended
    return ended


def test_ctrl_c_that_comes_to_one_process_and_comes_twice_stops_both_and_saves(sequences, tmp_path):
    """A terminal sends it, and torchrun once more."""
    arguments = arguments_of(sequences, tmp_path / "m")
    ended = run_ranks(arguments, tmp_path, signals(signal.SIGINT, step=3, ranks=(1,), times=2))
    assert_words_are_true(ended, tmp_path / "m")
    assert [one.exit_code for one in ended] == [130, 130]
    assert "stopped by a signal at step 3; go on with --resume" in ended[0].stdout


def test_who_is_left_by_a_killed_process_says_so_in_a_line_and_the_run_is_gone_on_with(
    sequences, tmp_path, wholes
):
    ended = meet(sequences, tmp_path, wholes("ddp"), signals(signal.SIGKILL, step=5, ranks=(0,)))
    assert [one.exit_code for one in ended] == [-signal.SIGKILL, 1]
    assert "another process of this run has ended" in ended[1].stderr
    assert "the checkpoint of step 4 is there, go on with --resume" in ended[1].stderr


def test_a_full_disk_of_the_first_process_ends_both(sequences, tmp_path):
    ended = run_ranks(arguments_of(sequences, tmp_path / "m"), tmp_path, full_disk(40_000))
    assert_words_are_true(ended, tmp_path / "m")
    assert [one.exit_code for one in ended] == [1, 1]
    assert "File too large" in ended[0].stderr and "another process of this run has ended" in ended[1].stderr


def test_who_waits_for_a_process_that_answers_no_more_ends_at_the_second_signal(sequences, tmp_path):
    """It waits within a library, where Python hears nothing: it was deaf to all but SIGKILL, for half an hour."""
    twice = signals_later(signal.SIGINT, after_s=2.5, ranks=(0,), times=2)  # the first may be an echo for 2 s
    ended = run_ranks(arguments_of(sequences, tmp_path / "m"), tmp_path, second_stands_still(3, twice))
    assert [one.exit_code for one in ended] == [130, -signal.SIGKILL], ended
    assert ended[0].stderr == "stopped at once; what was saved before is there, go on with --resume\n"


def meets_alone(port: int, sequences: Path, place: Path, happens: Happens = lambda rank: None) -> Rank:
    """The first of two processes, when the second one never comes."""
    environment = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    pid = _fork(
        arguments_of(sequences, place / "m"), environment | {"MASTER_PORT": str(port)}, place, happens
    )
    code = _exit_code(pid)
    assert not (place / "m").exists()
    return Rank(
        exit_code=code, stdout=(place / "stdout-0").read_text(), stderr=(place / "stderr-0").read_text()
    )


def test_who_waits_for_a_process_that_never_comes_ends_at_a_signal(sequences, tmp_path):
    ended = meets_alone(free_port(), sequences, tmp_path, signals_later(signal.SIGTERM, after_s=2.0))
    assert (ended.exit_code, ended.stderr) == (143, "error: stopped; nothing was changed\n")


def test_a_port_that_another_program_has_is_told_in_a_line(sequences, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        ended = meets_alone(other.getsockname()[1], sequences, tmp_path)
    assert ended.exit_code == 1 and ended.stderr.count("\n") == 1 and "address already in use" in ended.stderr


@pytest.mark.parametrize(
    "change",
    [{"RANK": "2"}, {"RANK": "-1"}, {"RANK": "x"}, {"RANK": "\u00b2"}, {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "two"}]
    + [{"MASTER_PORT": ""}, {"MASTER_PORT": "0"}, {"MASTER_PORT": "65536"}, {"MASTER_PORT": "1e3"}],
    ids=str,
)  # fmt: skip
def test_an_odd_place_among_processes_is_refused_before_anybody_is_waited_for(monkeypatch, change):
    """A rank beyond their number was waited for by nobody, and waited for ever."""
    whole = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, text in (whole | change).items():
        monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=f"^{next(iter(change))} of the environment must be a number in"):
        make_engine(torch.device("cpu"), "ddp")


@pytest.mark.torture
@pytest.mark.parametrize("distributed", ["ddp", "fsdp"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_any_moment_of_two_processes_loses_nothing(
    sequences, tmp_path, wholes, number, distributed
):
    whole, started_s = wholes(distributed), time.monotonic()
    run_ranks(arguments_of(sequences, tmp_path / "timed", distributed), tmp_path)
    run_s, rng = time.monotonic() - started_s, rng_for(number, "moment", distributed)
    for at in range(9):
        (tmp_path / str(at)).mkdir()
        happens = signals_later(number, rng.uniform(0, run_s), ranks=(BOTH, (0,), (1,))[at % 3])
        meet(sequences, tmp_path / str(at), whole, happens, distributed)


@pytest.mark.torture
@pytest.mark.parametrize("distributed", ["ddp", "fsdp"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("ranks", [(0,), (1,), BOTH])
def test_a_signal_after_any_step_of_two_processes_loses_nothing(
    sequences, tmp_path, wholes, ranks, number, distributed
):
    for step in range(1, STEPS + 1):
        (tmp_path / str(step)).mkdir()
        happens = signals(number, step, ranks)
        ended = meet(sequences, tmp_path / str(step), wholes(distributed), happens, distributed)
        if number != signal.SIGKILL:
            assert {one.exit_code for one in ended} <= {128 + number, 0}, ended


@pytest.mark.torture
@pytest.mark.parametrize("distributed", ["ddp", "fsdp"])
def test_a_disk_full_at_20_sizes_ends_both_processes_and_loses_nothing(
    sequences, tmp_path, wholes, distributed
):
    for number, size in enumerate(sorted(rng_for(3, "sizes").sample(range(200, 260_000), 20))):
        (tmp_path / str(number)).mkdir()
        meet(sequences, tmp_path / str(number), wholes(distributed), full_disk(size), distributed)


# --- torchrun itself -------------------------------------------------------------------------------------

REAL = ["--set", "model.preset=nano"]  # those processes know nothing of smaller models
AGENT, EVERYBODY = "torchrun", "all"


def start_torchrun(arguments: list[str], place: Path) -> subprocess.Popen:
    """From a directory whose files would end every process that imports them."""
    hostile = place / "hostile"
    hostile.mkdir(exist_ok=True)
    for name in ("numpy", "torch", "json", "multiprocessing", "effectiveness", "training", "triton", "numba"):
        (hostile / f"{name}.py").write_text("raise SystemExit('trapped')\n")
    script = ROOT / "training" / "model_trainer_unified.py"
    flags = ["--nproc_per_node", "2", f"--master_port={free_port()}"]
    torchrun = Path(sys.executable).with_name("torchrun")
    return subprocess.Popen(
        [torchrun, *flags, script, *arguments],
        cwd=hostile, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, start_new_session=True,
        stdout=(place / "stdout-0").open("w"), stderr=(place / "stderr-0").open("w"),
    )  # fmt: skip


def wait_for(file: Path, words: str) -> None:
    until_s = time.monotonic() + HANGS_AFTER_S
    while words not in file.read_text():
        assert time.monotonic() < until_s, file.read_text()
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def send(process: subprocess.Popen, who: str, number: int) -> None:
    if who == EVERYBODY:
        os.killpg(process.pid, number)
    elif who == AGENT:
        process.send_signal(number)
    else:
        os.kill(children(process.pid)[int(who)], number)


@pytest.mark.torture
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
@pytest.mark.parametrize("who", [AGENT, EVERYBODY, "0", "1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_whoever_of_torchrun_is_stopped_leaves_what_can_be_gone_on_with(sequences, tmp_path, who, number):
    output = tmp_path / "m"
    arguments = [*command(sequences, output, *FLAGS, *REAL), "--set", "training.max_steps=40"]
    with start_torchrun(arguments, tmp_path) as process:
        wait_for(tmp_path / "stdout-0", f"step {rng_for(number, who).choice((3, 6, 9))}  Val Loss")
        send(process, who, number)
        process.wait(HANGS_AFTER_S)
    assert process.returncode != 0
    if (who, number) == (AGENT, signal.SIGKILL):  # its processes train on, and hold the lock
        wait_for(tmp_path / "stdout-0", "COMPLETE")
    until_s = time.monotonic() + HANGS_AFTER_S
    while num_left(process.pid) and time.monotonic() < until_s:
        time.sleep(0.1)
    assert num_left(process.pid) == 0
    said = (tmp_path / "stdout-0").read_text() + (tmp_path / "stderr-0").read_text()
    assert "trapped" not in said and "[rank" not in said, said  # torch's name for a traceback of a process
    if number != signal.SIGKILL:
        assert f"stopped by a signal at step {newest_step(output)}; go on with --resume" in said, said
    with start_torchrun([*arguments, "--resume"], tmp_path) as again:
        assert again.wait(HANGS_AFTER_S) == 0, (tmp_path / "stderr-0").read_text()
    Whole.of(output)
    assert newest_step(output) == 40
