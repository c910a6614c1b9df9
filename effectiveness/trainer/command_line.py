"""How a command of the trainer begins and ends: what it was given, who asks it to stop, and its last words.

What cannot be used is told in one line before anything is done. Exit code 0 means complete. Once it is, what comes
after - a closed pipe behind standard output, a full disk, a signal - is told in a note and no longer makes the command
a failed one: exit code and last words are true to what lies on the disk by then.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from safetensors import SafetensorError

from effectiveness.common.boundary import MEMORY_WAY_OUT, is_out_of_memory, printable, read_text, reading
from effectiveness.common.endings import (
    NO_THREAD,
    STOPPING,
    CannotPrint,
    OneLineParser,
    Stopped,
    claim_standard_streams,
    flush_stdout,
    is_noted,
    meant,
    print_line,
    raise_again,
    tell_on_stderr,
)
from effectiveness.common.paths import display, path_of, require_working_directory
from effectiveness.common.records import UserError


class Parser(OneLineParser):
    """Leaves the end to the command, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}{meant(self, message)}; --help shows every flag")


def check_texts(arguments: argparse.Namespace) -> None:
    """Raises UserError for bytes that are not UTF-8, which Python hands over as lone surrogates."""
    for name, given in vars(arguments).items():
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str | os.PathLike):
                _check_text("--set" if name == "overrides" else _flag(name), value)


def _check_text(flag: str, given: str | os.PathLike) -> None:
    value, hint = str(given), "give it in UTF-8"
    if isinstance(given, os.PathLike):
        hint = "rename it, or enter the folder and name it from inside"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        num_before = len(os.fsencode(value[: error.start]))
        raise UserError(
            f"{flag} is not UTF-8 (at byte {num_before} of {os.fsencode(value)[:200]!r}); {hint}"
        ) from None


def check_paths(arguments: argparse.Namespace, names: Iterable[str]) -> None:
    """Expand `~`; raises UserError for what can name no path, and for a working directory that is gone."""
    require_working_directory()
    for name in names:
        if (given := getattr(arguments, name)) is not None:
            setattr(arguments, name, path_of(_flag(name), str(given)))


def read_prompt(text: str | None, file: str | None) -> str | None:
    """`text`, or what `file` holds; "-" is standard input for both. Raises UserError for both at once, a file that
    cannot be read, and bytes that are not UTF-8."""
    if text is not None and file is not None:
        raise UserError("--prompt FILE holds the text to complete, so give no other text; keep one")
    if file in (None, "-") and "-" not in (text, file):
        return text
    if file in (None, "-"):
        with reading(
            f"{'--complete' if file is None else '--prompt'} -: standard input", "give it UTF-8 text"
        ):
            return sys.stdin.buffer.read().decode("utf-8")
    with reading(f"--prompt {file[:200]}", "give a file of UTF-8 text, or - for standard input"):
        return read_text(os.path.expanduser(file))


def _flag(name: str) -> str:
    return f"--{name}" if name == "eval_only" else f"--{name.replace('_', '-')}"


# --- signals that stop: Ctrl-C, SIGTERM, and SIGHUP, when the line to the machine that trains has dropped ------


# A terminal sends Ctrl-C to torchrun and to all that it started, and torchrun sends it to them once more.
ECHO_S = 2.0 if "TORCHELASTIC_RUN_ID" in os.environ else 0.0


@dataclass(slots=True)
class StopRequest:
    """Set by the first signal of STOPPING; a second one ends the process at once."""

    signal_number: int = 0
    _first_at_s: float | None = None  # None: none was heard

    def __call__(self) -> bool:
        return self.signal_number != 0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = self.signal_number or number

    def end_at_the_second(self, number: int) -> None:
        """Called beside the main thread, which may wait for another process that answers no more."""
        now_s = time.monotonic()
        if self._first_at_s is None:
            self._first_at_s = now_s
        elif now_s - self._first_at_s >= ECHO_S:
            with suppress(OSError):
                os.write(2, b"stopped at once; what was saved before is there, go on with --resume\n")
            os._exit(128 + number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """For the trainer, which finishes the micro-batch under way and saves."""
    stop = StopRequest()
    with _handled_by(stop.handle), heard_at_once(stop.end_at_the_second):
        yield stop


@contextmanager
def ending_at_once(in_words: str) -> Iterator[None]:
    """For what waits for others within a library, and is heard by none of its handlers meanwhile."""
    end = lambda number: os._exit(fail(f"stopped; {in_words}", 128 + number))  # noqa: E731
    with _handled_by(lambda number, frame: None), heard_at_once(end):
        yield


@contextmanager
def heard_at_once(hear: Callable[[int], None]) -> Iterator[None]:
    """Another thread calls `hear` with each signal of STOPPING: Python runs a handler only in the main thread, and only
    once a library has returned to it, which may be waiting for another process."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        while numbers := receiver.recv(1):
            if numbers[0] in STOPPING:
                hear(numbers[0])

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    with receiver, sender:
        listener.start()
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            sender.shutdown(socket.SHUT_WR)
            listener.join()


@contextmanager
def interrupting() -> Iterator[None]:
    """For commands whose work is quickly made again, or saves itself: they are interrupted where they are."""
    heard: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if is_noted(number):
            return
        heard.append(number)
        raise Stopped(number)

    with _handled_by(interrupt):
        try:
            yield
        except Exception as error:
            # Python's own C code makes another error of what was raised in it: compile() a SyntaxError.
            if heard:
                raise Stopped(heard[0]) from error
            raise


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


# --- the end --------------------------------------------------------------------------------------------------


MAX_MESSAGE_CHARACTERS = 1500
_WAYS_OUT = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the machine has no open files left",
    errno.EAGAIN: "raise the limit of processes (ulimit -u)",
    errno.ENOMEM: MEMORY_WAY_OUT,
}


@dataclass(slots=True)
class Standing:
    """What the last line may promise if the command ends now; whoever changes the disk updates it at once."""

    in_words: Callable[[], str] = lambda: "nothing was changed"  # called last: it may ask the disk
    has_begun: bool = False  # something was changed
    exit_code: int | None = None  # of the command once its output is complete, whatever comes after


def ending_of(command: Callable[[Standing], int], standing: Standing | None = None) -> int:
    """The exit code of `command`, or of what ended it, which is told in one line. Call it in the main thread."""
    standing = standing or Standing()
    claim_standard_streams()
    sys.unraisablehook = raise_again
    try:
        with interrupting():
            exit_code = command(standing)
            flush_stdout()
            return exit_code
    except KeyboardInterrupt as stop:
        exit_code = getattr(stop, "exit_code", 128 + signal.SIGINT)
        return _ended(f"stopped; {standing.in_words()}", exit_code, standing)
    except CannotPrint as error:
        return _ended(f"stopped: {error}; {standing.in_words()}", 1, standing)
    except UserError as error:
        # No mistake of the user's, however it was told: what stands there is worth a word.
        if standing.has_begun and (is_the_disk(error) or is_out_of_memory(error.__cause__)):
            return _ended(f"{error}; {standing.in_words()}", 1, standing)
        return _ended(str(error), error.exit_code, standing)
    except (OSError, MemoryError, RuntimeError, SafetensorError) as error:
        if NO_THREAD in str(error):
            error = OSError(errno.EAGAIN, "no thread can be started")
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        return _ended(f"{_in_words(error)}; {standing.in_words()}", 1, standing)


def _ended(message: str, exit_code: int, standing: Standing) -> int:
    if standing.exit_code is None:
        return fail(message, exit_code)
    tell_on_stderr(f"note: {_one_line(message)}")
    return standing.exit_code


def _in_words(error: OSError | MemoryError | RuntimeError | SafetensorError) -> str:
    if isinstance(error, MemoryError | RuntimeError):
        return f"out of memory; {MEMORY_WAY_OUT}"
    if isinstance(error, SafetensorError):
        return f"cannot write the weights: {error}"
    where = f": {display(Path(error.filename))}" if isinstance(error.filename, str) else ""
    way_out = _WAYS_OUT.get(error.errno or 0, "")
    return f"{error.strerror or error}{where}{f'; {way_out}' if way_out else ''}"


def is_the_disk(error: BaseException | None) -> bool:
    """Whether a file could not be opened, read or written: what stands there may be whole."""
    while error is not None:
        if isinstance(error, OSError | SafetensorError) and not isinstance(error, FileNotFoundError):
            return True
        error = error.__cause__ or error.__context__
    return False


def fail(message: str, exit_code: int) -> int:
    """Print `message` as one line on stderr and FAILED as a log's last line; returns `exit_code`."""
    tell_on_stderr(f"error: {_one_line(message)}")
    if not sys.stdout.isatty():
        with suppress(CannotPrint):  # the exit code tells
            print_line("FAILED")
    return exit_code


def _one_line(message: str) -> str:
    line = printable(message)
    if len(line) > MAX_MESSAGE_CHARACTERS:
        line = f"{line[: MAX_MESSAGE_CHARACTERS // 2]} ... {line[-MAX_MESSAGE_CHARACTERS // 2 :]}"
    return line
