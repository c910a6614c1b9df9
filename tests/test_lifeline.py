"""Worker processes do not outlive a killed parent."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import end_session, num_left, start

from effectiveness.common.workers import die_with_parent

PARENT = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from effectiveness.common.workers import die_with_parent

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(3, context, initializer=die_with_parent) as executor:
        list(executor.map(abs, range(3)))
        print("READY", flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_end_when_their_parent_is_killed(tmp_path: Path, method: str) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    root = Path(__file__).parent.parent
    command = [sys.executable, str(tmp_path / "parent.py"), method]
    with start(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(root)}) as parent:
        try:
            assert parent.stdout.readline() == "READY\n" and num_left(parent.pid) >= 2
            parent.kill()
            parent.wait()
            until_s = time.monotonic() + 10
            while num_left(parent.pid) and time.monotonic() < until_s:
                time.sleep(0.02)
            assert num_left(parent.pid) == 0
        finally:
            end_session(parent.pid)


def test_outside_a_worker_it_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="outside a worker"):
        die_with_parent()
