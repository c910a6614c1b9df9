"""Results in the order of the work, memory bounded, and a dead worker is told at once."""

from __future__ import annotations

import os
import signal
import time

import pytest

from corpus.pool import PENDING_PER_WORKER, cut_into_shards, map_in_order, run_in_child
from corpus.records import UserError

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
    found = list(map_in_order(add, range(30), workers, setup=set_up, setup_args=(100,)))
    assert found == list(range(100, 130))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1])
def test_no_task_and_one_task_need_no_process(workers, count):
    assert list(map_in_order(add, range(count), workers, set_up, (0,))) == list(range(count))


def test_a_killed_worker_is_one_line_and_no_hang():
    with pytest.raises(UserError, match="a worker process died") as error:
        list(map_in_order(die, range(8), 2))
    assert error.value.exit_code == 1


def test_an_error_in_a_worker_is_the_callers():
    with pytest.raises(KeyError):
        list(map_in_order(fail, range(8), 2))


def test_tasks_are_drawn_only_as_results_are_taken():
    drawn = []

    def tasks():
        for number in range(100):
            drawn.append(number)
            yield number

    results = map_in_order(add, tasks(), 2, set_up, (0,))
    assert next(results) == 0
    assert len(drawn) <= 2 * PENDING_PER_WORKER + 3
    results.close()


def test_a_child_runs_elsewhere():
    assert run_in_child(_pid_plus, 0) != os.getpid()


def _pid_plus(number: int) -> int:
    return os.getpid() + number


def test_shards_hold_every_item_once_in_order():
    sizes = [5, 1, 9, 0, 0, 3, 7, 2]
    shards = list(cut_into_shards(sizes, 8))
    assert [index for shard in shards for index in shard] == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in shard) >= 8 for shard in shards[:-1])
