"""Signals that ask a command to stop: Ctrl-C, SIGTERM, and SIGHUP - the line to the machine that trains has dropped.

The trainer finishes the micro-batch under way and saves (`stop_requests`); commands whose work is quickly made again,
or saves itself, are interrupted where they are (`interrupting`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal sends Ctrl-C to torchrun and to all that it started, and torchrun sends it to them once more.
ECHO_S = 2.0 if "TORCHELASTIC_RUN_ID" in os.environ else 0.0


@dataclass(slots=True)
class StopRequest:
    """Set by the first signal of STOPPING; a second one ends the process at once."""

    signal_number: int = 0
    heard_at_s: float = 0.0

    def __call__(self) -> bool:
        return self.signal_number != 0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number and time.monotonic() - self.heard_at_s < ECHO_S:
            return
        if self.signal_number:
            with suppress(OSError):
                os.write(2, b"stopped at once; what was saved before is there, go on with --resume\n")
            os._exit(128 + number)
        self.signal_number, self.heard_at_s = number, time.monotonic()


class Interrupted(KeyboardInterrupt):
    """A signal of STOPPING, raised where it found the program."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    stop = StopRequest()
    with _handled_by(stop.handle):
        yield stop


@contextmanager
def interrupting() -> Iterator[None]:
    heard: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        raise Interrupted(number)

    with _handled_by(interrupt):
        try:
            yield
        except Exception as error:
            # Python's own C code makes another error of what was raised in it: compile() a SyntaxError.
            if heard:
                raise Interrupted(heard[0]) from error
            raise


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    return getattr(interrupt, "exit_code", 128 + signal.SIGINT)


@contextmanager
def _handled_by(handler) -> Iterator[None]:
    """A hang-up that is ignored, as under nohup, stays ignored."""
    numbers = [n for n in STOPPING if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, found in before.items():
            signal.signal(number, found)
