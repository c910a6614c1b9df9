"""What cannot be started - a process, a thread, a pipe, a semaphore - ends in one line and leaves nobody behind."""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.synchronize
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND

from effectiveness.common.records import UserError
from effectiveness.common.workers import WorkerPool, run_in_child

WORKERS = 3
NO_PROCESS = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
NO_MEMORY = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
NO_DESCRIPTOR = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
NO_SEMAPHORE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
NO_THREAD = RuntimeError("can't start new thread")
# what is called, what it raises, how often a start of WORKERS calls it
CALLS = {
    "fork": (os, "fork", NO_PROCESS, WORKERS),
    "fork without memory": (os, "fork", NO_MEMORY, WORKERS),
    "pipe": (os, "pipe", NO_DESCRIPTOR, 2 + WORKERS),
    "semaphore": (multiprocessing.synchronize._multiprocessing, "SemLock", NO_SEMAPHORE, 6),
    "thread": (threading.Thread, "start", NO_THREAD, 2),
}
POINTS = [(name, at) for name, (*_, count) in CALLS.items() for at in range(1, count + 1)]


def fail_at(real: Callable, at: int, error: Exception) -> Callable:
    """`real`, whose call number `at`, from 1, raises `error`."""
    calls = 0

    def called(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return real(*arguments, **options)

    return called


@pytest.mark.parametrize(("name", "at"), POINTS, ids=lambda part: str(part))
def test_workers_that_cannot_start_are_one_line_and_nobody_is_left(name, at, monkeypatch):
    owner, attribute, error, _ = CALLS[name]
    before, threads = multiprocessing.active_children(), threading.active_count()
    with monkeypatch.context() as patched:
        patched.setattr(owner, attribute, fail_at(getattr(owner, attribute), at, error))
        with pytest.raises(UserError) as raised, WorkerPool(WORKERS) as pool:
            list(pool.map(abs, range(9)))
    assert raised.value.exit_code == 1
    assert "worker process" in str(raised.value) and "nothing was changed" in str(raised.value)
    assert multiprocessing.active_children() == before
    with WorkerPool(WORKERS) as pool:
        assert list(pool.map(abs, range(9))) == list(range(9))
    assert threading.active_count() == threads


def counting(real: Callable, name: str, counts: dict[str, int]) -> Callable:
    def counted(*arguments, **options):
        counts[name] += 1
        return real(*arguments, **options)

    return counted


def test_every_one_of_the_calls_that_are_failed_is_made(monkeypatch):
    """Else the test above would fail nothing."""
    counts = dict.fromkeys(CALLS, 0)
    for name, (owner, attribute, *_) in CALLS.items():
        monkeypatch.setattr(owner, attribute, counting(getattr(owner, attribute), name, counts))
    with WorkerPool(WORKERS) as pool:
        list(pool.map(abs, range(9)))
    assert all(counts[name] >= count for name, (*_, count) in CALLS.items()), counts


def test_a_child_that_cannot_start_is_one_line(monkeypatch):
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", fail_at(None, 1, NO_PROCESS))
    with pytest.raises(
        UserError, match=r"cannot start a worker process \(Resource temporarily unavailable\)"
    ):
        run_in_child(abs, 1)


def run_with_few_files(repository: Path, output: Path, limit: int) -> subprocess.CompletedProcess:
    command = [sys.executable, str(COMMAND), str(repository), "--output", str(output), "--quiet"]
    return subprocess.run(
        [*command, "--workers", "2", "--tokenizer", "local", "--max-tokens", "64"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )


def write_work_for_two(repository: Path) -> None:
    repository.mkdir()
    for number in range(8):
        lines = (f"def f{number}_{i}(a, b): return a + b * {i}\n" for i in range(4500))
        (repository / f"m{number}.py").write_text("".join(lines))


def check_few_files(tmp_path: Path, limits: list[int]) -> None:
    write_work_for_two(tmp_path / "repository")
    output = tmp_path / "place" / "dataset"
    output.parent.mkdir()
    for limit in limits:
        done = run_with_few_files(tmp_path / "repository", output, limit)
        where = f"with {limit} open files: exit code {done.returncode}, {done.stderr}"
        assert "Traceback" not in done.stderr, where
        assert (done.returncode == 0) == output.exists(), where
        assert done.returncode == 0 or done.stderr.endswith("\nFAILED\n"), where
        assert len(done.stderr.splitlines()) <= 2, where
        assert os.listdir(output.parent) == ([output.name] if output.exists() else []), where
        if done.returncode == 0:
            return


def test_with_few_open_files_it_works_or_is_one_line(tmp_path):
    check_few_files(tmp_path, [13, 19])


@pytest.mark.torture
def test_with_any_number_of_open_files_it_works_or_is_one_line(tmp_path):
    check_few_files(tmp_path, list(range(8, 60)))


def without_libraries(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """As with the system's own Python, where nothing of ours was installed."""
    return subprocess.run(
        [sys.executable, "-S", *arguments], cwd=cwd or COMMAND.parent, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "command",
    [
        (str(COMMAND), str(COMMAND.parent), "--output", "/nowhere/at/all"),
        (str(COMMAND.parent / "training/model_trainer_unified.py"), "--dry-run"),
        *(("-m", "effectiveness", name, "x") for name in ("memory", "serve", "proof", "augment", "ablate")),
        ("tests/test_dataset_effectiveness.py", "x"),
    ],
    ids=lambda command: Path(command[0]).name + command[2] if command[0] == "-m" else Path(command[0]).name,
)
def test_the_wrong_python_is_told_in_one_line_with_the_way_out(command):
    done = without_libraries(*command)
    assert done.returncode == 2 and done.stderr.splitlines()[1:] == ["FAILED"], done.stderr
    assert re.match(
        r"error: \w+ is not installed for \S+; (start it with \S+|`make run` sets up)", done.stderr
    )


@pytest.mark.parametrize("words", ["memory .", "serve --dataset . --repository ."])
def test_a_checkout_where_nothing_was_compiled_is_told_in_one_line_with_the_way_out(tmp_path, words):
    for package in ("effectiveness", "training"):
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(COMMAND.parent / package, tmp_path / package, ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-m", "effectiveness", *words.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.splitlines()[1:] == ["FAILED"], done.stderr
    expected = (
        r"error: the memory's compiled part is missing; `\S+ setup.py build_ext --inplace` makes it, with"
    )
    assert re.match(expected, done.stderr)


def test_a_module_of_ours_that_is_missing_is_a_defect_with_its_traceback():
    code = "from effectiveness import isolation; isolation.isolate(); import effectiveness.no_such"
    done = without_libraries("-c", f"import sys; sys.path.insert(0, '.'); {code}")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_an_editors_settings_need_no_library():
    done = without_libraries("-m", "effectiveness", "serve", "--print-config", "llama.vim")
    assert done.returncode == 0 and "endpoint_fim" in done.stdout, done.stderr
