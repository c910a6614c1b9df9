"""How a command ends: its exit code and its last words are true to what lies on the disk by then.

Exit code 1 and "nothing was changed" mean just that. From the rename that publishes on, whatever comes after it - a
signal while the replaced directory is removed, a full disk or a closed pipe behind standard output - is told as what
it is: the output is new and complete. Then what cannot be printed does not make the exit code that of a failure,
for `build && train` asks whether there is a dataset; a signal keeps its own, for who sent it asks whether it arrived.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from effectiveness.common.boundary import MEMORY_ERRORS, MEMORY_WAY_OUT, is_out_of_memory, printable
from effectiveness.common.paths import escape_path
from effectiveness.common.records import UserError

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NO_THREAD = "can't start new thread"  # Python's RuntimeError for EAGAIN
IMPATIENT = 3  # so many signals stop the clearing up as well
_WAYS_OUT = {
    errno.EMFILE: "raise the limit of open files (ulimit -n) or take fewer --workers",
    errno.ENFILE: "close other programs: the machine has no open files left",
    errno.EAGAIN: "raise the limit of processes (ulimit -u) or take fewer --workers",
    errno.ENOMEM: "free some memory or take fewer --workers",
}


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int = signal.SIGINT):
        super().__init__(number)
        self.exit_code = 128 + number


class CannotPrint(Exception):
    """Standard output takes no more; the message says why."""

    def __init__(self, error: OSError):
        if error.errno == errno.EPIPE:
            super().__init__("nobody reads what is printed")
        else:
            super().__init__(f"standard output cannot be written to ({error.strerror})")


class Publication:
    """Whether an output was replaced. It asks the disk: a signal may fall between a rename and the next line."""

    def __init__(self) -> None:
        self.exit_code = 0  # of the command once it has published, whatever comes after
        self._target: Path | None = None
        self._staged: tuple[int, int] | None = None

    def expect(self, target: Path, staging: Path) -> None:
        """From now on `target` counts as replaced when it is the directory that is called `staging` now."""
        self._target, self._staged = target, identity(staging)

    @property
    def is_done(self) -> bool:
        return self._target is not None and identity(self._target) == self._staged

    def in_words(self) -> str:
        if self._target is not None and self.is_done:
            return f"{escape_path(os.fsencode(self._target))} is the new one, complete"
        return "nothing was changed"


def identity(path: Path) -> tuple[int, int] | None:
    """Which file or directory is called so; None where nothing is."""
    try:
        found = os.stat(path)
    except OSError:  # not there
        return None
    return found.st_dev, found.st_ino


def ending_of(command: Callable[[Publication], int], publication: Publication | None = None) -> int:
    """The exit code of `command`, or of what ended it, which is told in one line. Call it in the main thread."""
    publication, stopping = publication or Publication(), _Stopping()
    sys.unraisablehook = raise_again
    try:
        try:
            exit_code = command(publication)
            flush_stdout()
            return exit_code
        except Exception as error:
            # Python's own C code makes another error of what the handler raised in it: compile() a SyntaxError.
            if stopping.heard:
                raise Stopped(stopping.heard) from error
            raise
        finally:
            stopping.is_over = True
    except KeyboardInterrupt as stop:
        exit_code = getattr(stop, "exit_code", 128 + signal.SIGINT)
        return _stopped(publication, exit_code)
    except (UserError, CannotPrint, *MEMORY_ERRORS) as error:
        if NO_THREAD in str(error):
            error = OSError(errno.EAGAIN, "no thread can be started")
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        if publication.is_done:
            tell_on_stderr(f"note: {publication.in_words()}; after that: {_in_words(error)}")
            return publication.exit_code
        outcome = "" if isinstance(error, UserError) else f"; {publication.in_words()}"
        return fail(_in_words(error) + outcome, getattr(error, "exit_code", 1))


def _stopped(publication: Publication, exit_code: int) -> int:
    if not publication.is_done:
        return fail(f"stopped; {publication.in_words()}", exit_code)
    tell_on_stderr(f"stopped after publishing: {publication.in_words()}", "COMPLETE")
    return exit_code


def _in_words(error: Exception) -> str:
    if isinstance(error, UserError):
        return f"error: {error}"
    if isinstance(error, CannotPrint):
        return f"stopped: {error}"
    if isinstance(error, MemoryError):
        return f"error: out of memory; {_WAYS_OUT[errno.ENOMEM]}"
    if isinstance(error, RuntimeError):  # of a model: see `ending_of`
        return f"error: out of memory; {MEMORY_WAY_OUT}"
    if not isinstance(error, OSError):
        return f"error: {error}"
    where = (
        f" ({escape_path(os.fsencode(error.filename))})" if isinstance(error.filename, str | bytes) else ""
    )
    way_out = _WAYS_OUT.get(error.errno or 0, "")
    return f"error: {error.strerror or error}{where}{f'; {way_out}' if way_out else ''}"


class _Stopping:
    """Handles the signals that stop: the first one is raised, the next one would only stop the clearing up."""

    def __init__(self) -> None:
        self.is_over = False
        self.heard = 0  # the signal that was raised, once one was
        self._num_signals = 0
        for number in STOPPING:
            # Ignored from the start: by `nohup`, or by a shell for what it runs in the background.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)
        atexit.register(_ignore_what_stops)

    def __call__(self, number: int, frame: object) -> None:
        if is_noted(number):
            return
        self._num_signals += 1
        if not self.is_over and (self._num_signals == 1 or self._num_signals >= IMPATIENT):
            self.heard = number
            raise Stopped(number)


def _ignore_what_stops() -> None:
    """Python's end gives the signals back to the system, and one would undo the exit code of what is done."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


class _Waiting:
    """Signals that came while something was done that must not be cut in two."""

    depth = 0
    heard: ClassVar[list[int]] = []


@contextmanager
def signals_waiting() -> Iterator[None]:
    """What must not be cut in two is done before a signal that stops is heard.

    Blocking it is not enough: a signal to the process then goes to another thread, such as those a library for linear
    algebra starts, and Python hears it in the main one all the same. So it is noted, and comes again afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    _Waiting.depth += 1
    try:
        yield
    finally:
        _Waiting.depth -= 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        finally:
            if not _Waiting.depth:
                heard, _Waiting.heard = _Waiting.heard, []
                _hear(heard)


def is_noted(number: int) -> bool:
    """Whether a signal came while something was done that must not be cut in two: then it comes again."""
    if _Waiting.depth:
        _Waiting.heard.append(number)
    return _Waiting.depth > 0


@contextmanager
def scratch_directory(prefix: str) -> Iterator[Path]:
    """A directory for as long as the body runs: a signal while it is made or removed would leave it there."""
    is_main = threading.current_thread() is threading.main_thread()  # the others hear no signal
    undivided = signals_waiting if is_main else nullcontext
    place = None
    try:
        with undivided():
            place = tempfile.mkdtemp(prefix=prefix)
        yield Path(place)
    finally:
        if place is not None:
            with undivided():
                shutil.rmtree(place, ignore_errors=True)


def _hear(numbers: list[int]) -> None:
    """Each of them, although the first one may raise: a third one ends even the clearing up."""
    if numbers:
        try:
            signal.raise_signal(numbers[0])
        finally:
            _hear(numbers[1:])


def raise_again(dropped: sys.UnraisableHookArgs) -> None:
    """What a signal's handler raises while Python runs a finalizer, Python drops: the build would go on. Once more."""
    stop = dropped.exc_value
    if not isinstance(stop, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return

    def stop_now(*_) -> None:
        raise stop

    signal.signal(signal.SIGALRM, stop_now)
    signal.setitimer(signal.ITIMER_REAL, 0.001)  # seconds: when the finalizer is over


# --- what is printed ---------------------------------------------------------------------------------------


def claim_standard_streams() -> None:
    """Have something behind each standard stream, to be called before any file is opened.

    Where one was closed (`>&-`), the next file would get its number, and what a library prints would land in that.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 - as long as the process
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


@contextmanager
def printing() -> Iterator[None]:
    """Raises CannotPrint, and then has standard output lead nowhere: Python would try once more at its end."""
    try:
        yield
    except OSError as error:
        _lead_nowhere(sys.stdout)
        raise CannotPrint(error) from error


def print_line(line: str) -> None:
    """One line, whatever others wrote into a name that stands in it: a terminal obeys control characters, a reader
    of a log a line of its own. Raises CannotPrint."""
    print_text(printable(line))


def print_text(text: str) -> None:
    """As it is, and a line end. Raises CannotPrint."""
    with printing():
        print(text, flush=True)


def print_bytes(text: bytes) -> None:
    """Raises CannotPrint."""
    with printing():
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()


def flush_stdout() -> None:
    """Raises CannotPrint."""
    with printing():
        sys.stdout.flush()


def tell_on_stderr(*lines: str) -> None:
    """Lines as `print_line` has them. Where nobody hears it, the exit code tells."""
    try:
        print(*map(printable, lines), sep="\n", file=sys.stderr, flush=True)
    except OSError:
        _lead_nowhere(sys.stderr)


def _lead_nowhere(stream) -> None:
    with suppress(OSError, ValueError):  # a stream without a descriptor of its own
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def fail(message: str, exit_code: int) -> int:
    tell_on_stderr(message, "FAILED")
    return exit_code


PATTERN_FLAGS = ("--core", "--test", "--include", "--exclude")
QUOTES = "a pattern stands in quotes, else the shell puts names in its place: --include '*.csv'"


def meant(parser: argparse.ArgumentParser, message: str) -> str:
    """What to add to an error: the flag that is spelled most like the first one that is none."""
    if not message.startswith("unrecognized arguments"):
        return ""
    from difflib import get_close_matches

    is_no_flag = not message.split()[2].startswith("-")
    if is_no_flag and any(word.partition("=")[0] in PATTERN_FLAGS for word in sys.argv):
        return f"; {QUOTES}"
    unknown = next((word.partition("=")[0] for word in message.split() if word.startswith("--")), "")
    near = get_close_matches(unknown, parser._option_string_actions, 1)
    return f"; did you mean {near[0]}?" if near else ""


class OneLineParser(argparse.ArgumentParser):
    """Tells a mistake in one line, as every other one is told; the flags are in --help. `--keep` is no short form of
    `--keep-secrets`."""

    def __init__(self, **settings: Any) -> None:
        as_written = {"formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**as_written | settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        sys.exit(fail(f"error: {message}{meant(self, message)}; see --help", 2))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        try:
            flush_stdout()
        except CannotPrint as error:
            sys.exit(fail(f"error: {error}", 1))
        super().exit(status, message)
