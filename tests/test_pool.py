"""Results in the order of the work, memory bounded, and a dead worker is told at once."""

from __future__ import annotations

import ctypes
import multiprocessing.spawn
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from effectiveness.common.records import UserError
from effectiveness.common.workers import (
    PENDING_PER_WORKER,
    ChildDied,
    WorkerPool,
    cut_into_shards,
    run_in_child,
)

ROOT = Path(__file__).resolve().parent.parent
_start = 0


def set_up(start: int) -> None:
    global _start
    _start = start


def add(number: int) -> int:
    time.sleep(0.02 if number % 3 == 0 else 0)
    return _start + number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    raise KeyError(number)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(workers):
    with WorkerPool(workers) as pool:
        found = list(pool.map(add, range(30), setup=set_up, setup_args=(100,)))
    assert found == list(range(100, 130))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1])
def test_no_task_and_one_task_need_no_process(workers, count):
    with WorkerPool(workers) as pool:
        assert list(pool.map(add, range(count), set_up, (0,))) == list(range(count))
        assert pool._executor is None


def test_a_killed_worker_is_one_line_and_no_hang():
    with pytest.raises(UserError, match="a worker process died") as error, WorkerPool(2) as pool:
        list(pool.map(die, range(8)))
    assert error.value.exit_code == 1


def test_an_error_in_a_worker_is_the_callers():
    with WorkerPool(2) as pool:
        with pytest.raises(KeyError):
            list(pool.map(fail, range(8)))
        assert list(pool.map(add, range(4), set_up, (10,))) == [10, 11, 12, 13], "the pool goes on"


def test_tasks_are_drawn_only_as_results_are_taken():
    drawn = []

    def tasks():
        for number in range(100):
            drawn.append(number)
            yield number

    with WorkerPool(2) as pool:
        results = pool.map(add, tasks(), set_up, (0,))
        assert next(results) == 0
        assert len(drawn) <= 2 * PENDING_PER_WORKER + 3
        results.close()


def who(_: int) -> tuple[int, int]:
    time.sleep(0.01)
    return os.getpid(), _start


def test_the_same_processes_do_all_stages_and_each_is_set_up_anew():
    with WorkerPool(3) as pool:
        stages = [set(pool.map(who, range(30), set_up, (stage,))) for stage in range(4)]
    assert len({pid for stage in stages for pid, _ in stage}) <= 3
    assert [{start for _, start in stage} for stage in stages] == [{0}, {1}, {2}, {3}]


def die_in_setup() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_while_setting_up_is_one_line_and_no_hang():
    with pytest.raises(UserError, match="a worker process died"), WorkerPool(2) as pool:
        list(pool.map(add, range(8), die_in_setup))


SIGNAL_IN_A_FORK = """
import os, signal
from effectiveness.common.workers import WorkerPool
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    with WorkerPool(2) as pool:
        print(list(pool.map(abs, range(4))))
except KeyboardInterrupt:
    print("told")
"""


def test_a_signal_that_falls_into_the_fork_of_a_worker_is_not_lost():
    """Once in a hundred builds Ctrl-C was dropped there, and the build went on to its end."""
    done = subprocess.run([sys.executable, "-c", SIGNAL_IN_A_FORK], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "told", done.stderr


HANG_UP_OF_ALL = """
import os, signal
from effectiveness.common.workers import WorkerPool
signal.signal(signal.SIGHUP, lambda *_: None)
with WorkerPool(2) as pool:
    print(list(pool.map(abs, range(4))))
    os.killpg(0, signal.SIGHUP)
    print(list(pool.map(abs, range(4))))
"""


def test_a_hang_up_of_the_whole_terminal_reaches_the_parent_alone():
    command = [sys.executable, "-c", HANG_UP_OF_ALL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, start_new_session=True)
    assert (done.stdout, done.stderr) == ("[0, 1, 2, 3]\n" * 2, "")


def test_a_child_runs_elsewhere():
    assert run_in_child(_pid_plus, 0) != os.getpid()


def test_a_child_that_takes_too_long_is_ended():
    with pytest.raises(ChildDied, match=r"not done after 0\.2 s"):
        run_in_child(time.sleep, 300, limit_s=0.2)


def test_a_child_that_is_killed_is_one_line():
    with pytest.raises(ChildDied, match="a worker process died"):
        run_in_child(die, 3)


def _pid_plus(number: int) -> int:
    return os.getpid() + number


def test_a_child_whose_python_cannot_start_is_one_line():
    before = multiprocessing.spawn.get_executable()
    multiprocessing.spawn.set_executable(shutil.which("false"))
    try:
        with pytest.raises(UserError, match="a worker process died"):
            run_in_child(len, "abc")
    finally:
        multiprocessing.spawn.set_executable(before)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_ctrl_c_while_a_child_reads_its_modules_is_left_to_the_parent():
    code = "from effectiveness.common.workers import run_in_child; import time; run_in_child(time.sleep, 0.1)"
    command = [sys.executable, "-c", code]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while running.poll() is None:
        for child in children.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGINT)
        time.sleep(0.005)
    assert (running.returncode, running.stderr.read()) == (0, "")


def test_shards_hold_every_item_once_in_order():
    sizes = [5, 1, 9, 0, 0, 3, 7, 2]
    shards = list(cut_into_shards(sizes, 8))
    assert [index for shard in shards for index in shard] == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in shard) >= 8 for shard in shards[:-1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and glibc is Linux's")
def test_freed_memory_goes_back_to_the_system():
    code = """
from effectiveness.common.workers import give_memory_back
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096
pieces = [bytearray(2000) for _ in range(100_000)]  # 200 MB
last = bytearray(2000)  # stands behind them, so that the heap cannot just be cut off
del pieces
before = resident()
give_memory_back()
print(before - resident())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("a C library that cannot be asked")
    assert int(done.stdout) > 50_000_000


def test_work_that_is_given_up_while_it_waits_is_no_traceback_of_a_thread():
    """Some of the results asked for in advance are not begun when the processes are killed."""
    with pytest.raises(KeyboardInterrupt), WorkerPool(2) as pool:
        results = pool.map(_slow_after_the_first, range(20))
        next(results)
        results.close()
        raise KeyboardInterrupt


def _slow_after_the_first(number: int) -> None:
    time.sleep(60 * (number > 0))
