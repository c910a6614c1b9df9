"""How a command of the trainer ends: its exit code and its last words are true to what lies on the disk by then.

Exit code 0 means complete. Once it is, what comes after - a closed pipe behind standard output, a full disk, a
signal - is told in a note and no longer makes the command a failed one.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from effectiveness.common.boundary import printable
from effectiveness.common.endings import (
    CannotPrint,
    claim_standard_streams,
    flush_stdout,
    print_line,
    raise_again,
    tell_on_stderr,
)
from effectiveness.common.out_of_memory import WAY_OUT, is_out_of_memory
from effectiveness.common.paths import spell
from effectiveness.common.records import UserError
from effectiveness.trainer.stopping import exit_code_of, interrupting

MAX_MESSAGE_CHARACTERS = 1500
_WAYS_OUT = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the machine has no open files left",
    errno.EAGAIN: "raise the limit of processes (ulimit -u)",
    errno.ENOMEM: WAY_OUT,
}


@dataclass(slots=True)
class Standing:
    """What a command has done so far; whoever does more says so here, at once."""

    in_words: Callable[[], str] = lambda: "nothing was changed"  # asked at the end: a disk may tell
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
        return _ended(f"stopped; {standing.in_words()}", exit_code_of(stop), standing)
    except CannotPrint as error:
        return _ended(f"stopped: {error}; {standing.in_words()}", 1, standing)
    except UserError as error:
        # No mistake of the user's, however it was told: what stands there is worth a word.
        if standing.has_begun and (is_the_disk(error) or is_out_of_memory(error.__cause__)):
            return _ended(f"{error}; {standing.in_words()}", 1, standing)
        return _ended(str(error), error.exit_code, standing)
    except (OSError, MemoryError, RuntimeError, SafetensorError) as error:
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
        return f"out of memory; {WAY_OUT}"
    if isinstance(error, SafetensorError):
        return f"cannot write the weights: {error}"
    where = f": {spell(Path(error.filename))}" if isinstance(error.filename, str) else ""
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
