"""What is printed on a terminal, whatever its width, and what where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BAR = """
from effectiveness.common.console import ProgressConsole
console = ProgressConsole()
console.start_bar(done=2, total=9000)
for step in range(3, 9):
    console.advance(step, "loss 3.1415  12,345 tokens/s  ETA 3h05m  memory 12.3 GiB  waiting for data 0.1 %")
console.say("epoch 1  Train Loss: 3.1415  Val Loss: 3.2")
console.close()
"""


def on_a_terminal(script: str, columns: int, **environment: str) -> str:
    """What a script prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | environment
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
        assert process.wait(60) == 0, printed
    os.close(ours)
    return printed.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # Linux's way to say that the other side is closed
        return b""


@pytest.mark.parametrize(
    ("columns", "environment"), [(40, {}), (80, {"TERM": "dumb", "NO_COLOR": "1"}), (200, {})]
)
def test_the_bar_of_a_training_is_never_wider_than_the_terminal(columns, environment):
    printed = on_a_terminal(BAR, columns, **environment)
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[A", "", printed))
    assert any("/9000" in line for line in lines)
    bars = [line for line in lines if "Val Loss" not in line]
    assert max(map(len, bars)) <= columns
    assert "\x1b[" not in printed.replace("\x1b[A", "")  # no colour


def test_without_a_terminal_there_is_no_bar_and_every_line_is_whole():
    done = subprocess.run([sys.executable, "-c", BAR], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("epoch 1  Train Loss: 3.1415  Val Loss: 3.2\n", "")
