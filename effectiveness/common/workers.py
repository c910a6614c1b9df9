"""Work spread over processes, results in the order of the work, memory bounded, and no waiting for the dead.

`multiprocessing.Pool` waits for ever after a worker was killed; `ProcessPoolExecutor` says so at once.
"""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Any, TypeVar

from effectiveness.common.endings import STOPPING, signals_waiting
from effectiveness.common.records import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")

_M_MMAP_THRESHOLD = -3  # of malloc.h
PENDING_PER_WORKER = 2  # results wait for their turn, so this bounds memory
DEAD_WORKER = "a worker process died (killed, or out of memory); nothing was changed; try --workers 1"
LOOK_S = 0.1  # between two looks at whether a thread of the executor died before it could say so


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool:
    """Worker processes that stay for all stages of a build.

    They start at the first `map` that has work for two and end with the `with` block. Forked then, while the parent
    is small, they never hold copies of what it gathers later.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._processes: list[BaseProcess] = []
        self._begun: deque[Future] = deque()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # nobody waits for what they do, however long that may take
            _kill(self._processes)
        self.close()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        setup: Callable[..., None] | None = None,
        setup_args: tuple = (),
    ) -> Iterator[Result]:
        """Like `map`, over the processes; `setup(*setup_args)` runs once in each before its first task.

        With one worker, or one task, everything runs here. Raises UserError (exit code 1) when a worker dies.
        """
        tasks = iter(tasks)
        head = list(itertools.islice(tasks, 2))
        if self.workers == 1 or len(head) < 2:
            if head and setup:
                setup(*setup_args)
            yield from map(function, itertools.chain(head, tasks))
            return
        executor = self._start()
        give_memory_back()
        if setup:
            self.begin(setup, *setup_args)
        self._wait_for_begun()
        yield from _bounded(
            executor, function, itertools.chain(head, tasks), limit=self.workers * PENDING_PER_WORKER
        )

    def begin(self, setup: Callable[..., object], *setup_args) -> None:
        """Have every process run `setup(*setup_args)` while this one goes on; the next `map` waits for it.

        Nothing happens before a `map` with work for two has started them, so no task may rely on it: it is for what a
        process keeps, and else makes when it first needs it.
        """
        if self._executor is not None:
            with _death_told():
                task = (setup, setup_args)
                self._begun += [self._executor.submit(_set_up_one, task) for _ in range(self.workers)]

    def _wait_for_begun(self) -> None:
        with _death_told():
            while self._begun:
                self._begun.popleft().result()

    def _start(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Forking is 0.3 s faster a worker than spawning, and safe here: the parent has no threads yet.
            context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
            self._executor, self._processes = _launch(self.workers, context, everybody=True)
            map_large_blocks()  # not in the workers, who would need a twentieth more time
        return self._executor


def _launch(
    workers: int, context: BaseContext, everybody: bool = False
) -> tuple[ProcessPoolExecutor, list[BaseProcess]]:
    """An executor whose processes run, and they. Raises UserError (exit code 1) when one of them or of the threads that
    feed them cannot be started; then none is left."""
    before = set(multiprocessing.active_children())
    try:
        _start_tracker()
        arguments = (context.Barrier(workers),) if everybody else ()
        executor = ProcessPoolExecutor(workers, context, _start_worker, arguments)
        _wait_for_first(executor)
    except BaseException as error:
        _kill(set(multiprocessing.active_children()) - before)
        if isinstance(error, BrokenProcessPool | BrokenPipeError):  # Python's own files cannot be read, say
            raise UserError(DEAD_WORKER, exit_code=1) from None
        if isinstance(error, OSError | RuntimeError):  # no process, no descriptor; no thread
            raise UserError(_cannot_start(workers, error), exit_code=1) from None
        raise
    return executor, [child for child in multiprocessing.active_children() if child not in before]


def _start_tracker() -> None:
    """Python's own helper, who removes semaphores, is to hear no hang-up: it lets only Ctrl-C and SIGTERM pass, and its
    successor prints a traceback for every semaphore that it does not know."""
    with signals_waiting():  # what waits for the parent when it starts, waits for ever
        resource_tracker.ensure_running()


def _cannot_start(workers: int, error: OSError | RuntimeError) -> str:
    """
    >>> _cannot_start(2, BlockingIOError(11, "Resource temporarily unavailable"))[:72]
    'cannot start 2 worker processes (Resource temporarily unavailable); noth'
    """
    why = (error.strerror if isinstance(error, OSError) else None) or error
    processes = f"{workers} worker processes" if workers > 1 else "a worker process"
    fewer = ", or try --workers 1" if workers > 1 else ""
    return (
        f"cannot start {processes} ({why}); nothing was changed; raise the limits of processes and of open files "
        f"(ulimit -u, ulimit -n){fewer}"
    )


def _wait_for_first(executor: ProcessPoolExecutor) -> None:
    """Start the processes, and see a first task done: then all threads that the executor needs were started."""
    thread_errors: list[BaseException] = []
    tell_thread_error, threading.excepthook = (
        threading.excepthook,
        lambda it: thread_errors.append(it.exc_value or it.exc_type()),
    )
    try:
        first = _submit_first(executor)
        while not wait([first], timeout=LOOK_S).done:
            if thread_errors:
                raise thread_errors[0]
        first.result()
    finally:
        threading.excepthook = tell_thread_error


def _submit_first(executor: ProcessPoolExecutor) -> Future:
    """Signals wait meanwhile: what a handler raises within a fork, Python drops, and a process that is stopped while it
    reads its modules prints a traceback."""
    with signals_waiting():
        return executor.submit(available_cores)  # any task: the first one starts all processes


def _kill(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


_everybody: Barrier | None = None  # of this worker process


def _start_worker(everybody: Barrier | None = None) -> None:
    """Signals and the end of the parent reach a worker without a word: the parent is the one who speaks."""
    global _everybody
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a hang-up go to every process of the terminal
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the handler that was forked along
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    try:
        die_with_parent()
    except RuntimeError:  # no thread to be had: what is raised here, the executor would print as a traceback
        os._exit(1)
    _everybody = everybody


def _set_up_one(task: tuple[Callable[..., object], tuple]) -> None:
    """As many of these tasks as workers: waiting for each other, every worker takes one."""
    setup, setup_args = task
    assert _everybody is not None, "a worker starts with it"
    _everybody.wait()
    give_memory_back()
    setup(*setup_args)


def give_memory_back() -> None:
    """What was freed, to the system. glibc would keep it, in pieces that the next stage has little use for: with half a
    gigabyte of source some 60 MB in each process."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:  # other C libraries have none
        trim(0)


@contextmanager
def _death_told() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise UserError(DEAD_WORKER, exit_code=1) from None


def map_large_blocks() -> None:
    """Have arrays of a megabyte go back to the system when they are freed, where glibc would raise that bound to 32."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _bounded(executor: ProcessPoolExecutor, function, tasks: Iterable, limit: int) -> Iterator:
    """Results that nobody takes any more are made all the same, or die with their process: Python 3.11 prints a
    traceback for a future that was cancelled when the processes are killed."""
    pending: deque[Future] = deque()
    with _death_told():
        for task in tasks:
            pending.append(executor.submit(function, task))
            if len(pending) > limit:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class ChildDied(UserError):
    """A child ended, or had to be ended, before its work."""


def run_in_child(function: Callable[..., Result], *arguments: Any, limit_s: float | None = None) -> Result:
    """Run `function(*arguments)` in a process of its own, so that its threads and memory are gone afterwards.

    Raises ChildDied (exit code 1) when it is killed, or has not ended after `limit_s` seconds.
    """
    executor, processes = _launch(1, multiprocessing.get_context("spawn"))
    try:
        return executor.submit(function, *arguments).result(limit_s)
    except BaseException as error:
        _kill(processes)
        if isinstance(error, BrokenProcessPool):
            raise ChildDied(DEAD_WORKER, exit_code=1) from None
        if isinstance(error, TimeoutError) and limit_s:
            raise ChildDied(f"not done after {limit_s:g} s", exit_code=1) from None
        raise
    finally:
        executor.shutdown()


def cut_into_shards(sizes: Iterable[int], shard_bytes: int) -> Iterator[range]:
    """Consecutive ranges of items that hold at least `shard_bytes` each (the last may hold less).

    >>> list(cut_into_shards([3, 3, 3, 9, 1], 5))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    first, total, index = 0, 0, -1
    for index, size in enumerate(sizes):
        total += size
        if total >= shard_bytes:
            yield range(first, index + 1)
            first, total = index + 1, 0
    if first <= index:
        yield range(first, index + 1)


# --- workers end when their parent is killed, instead of waiting for work for ever -----------------------


def die_with_parent() -> None:
    """To be called first in a worker process, forked or spawned.

    A forked worker holds the writing end of its own work queue, so after a kill -9 of the parent it never
    sees the queue end. It would keep its memory, and the files it has open, until the machine restarts.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("die_with_parent() was called outside a worker process")
    threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)  # sys.exit would end this thread only
