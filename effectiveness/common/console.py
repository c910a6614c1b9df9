"""What the user reads: plain lines, each flushed, in any locale and on any terminal; of a training a bar on a terminal.

Standard output that takes no more raises CannotPrint; a training asks for it to be held in `trouble` instead, to
save what it has before it says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from effectiveness.common.boundary import printable
from effectiveness.common.endings import CannotPrint, print_line, printing

_ASCII_MARKS = str.maketrans(
    {"✓": "+", "✗": "x", "✅": "OK", "❌": "FAILED", "→": "->", "·": "-", "–": "-", "—": "-", "≥": ">="}
)


def count(number: float, singular: str, plural: str = "") -> str:
    """`count(1, "file")` -> '1 file'; `count(2000, "entry", "entries")` -> '2,000 entries'."""
    return f"{int(number):,} {singular if number == 1 else plural or singular + 's'}"


class Console:
    """Writes lines to standard output; characters that its encoding lacks degrade to ASCII. Raises CannotPrint."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._encoding = sys.stdout.encoding or "ascii"

    def say(self, line: str = "") -> None:
        if not self._quiet:
            self.always(line)

    def always(self, line: str) -> None:
        """Also said with --quiet: results and what the user must know."""
        try:
            line.encode(self._encoding)
        except UnicodeEncodeError:
            line = line.translate(_ASCII_MARKS).encode("ascii", "backslashreplace").decode("ascii")
        print_line(line)


class Stopwatch:
    """Seconds since it was made, or since the last lap."""

    def __init__(self) -> None:
        self._started = self._lap = time.perf_counter()

    def lap_s(self) -> float:
        now = time.perf_counter()
        elapsed_s, self._lap = now - self._lap, now
        return elapsed_s

    def total_s(self) -> float:
        return time.perf_counter() - self._started


# --- of a training: only the first process speaks ------------------------------------------------------------


LINE_EVERY_S = 10.0


class ProgressConsole:
    """Lines on stdout. A locale that cannot spell a character gets an escape, never a crash."""

    def __init__(self, *, is_speaker: bool = True) -> None:
        self.is_speaker = is_speaker
        self.trouble: CannotPrint | None = None
        self._holds_trouble = False
        self._bar: Any = None
        self._last_line_at = time.monotonic()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")

    def hold_trouble(self) -> None:
        """From now on what cannot be printed is not raised."""
        self._holds_trouble = True

    @contextmanager
    def _printing(self) -> Iterator[None]:
        try:
            with printing():
                yield
        except CannotPrint as error:
            self._bar = None  # its terminal is gone
            if not self._holds_trouble:
                raise
            self.trouble = self.trouble or error

    def say(self, line: str = "") -> None:
        """Print one line; above the bar where there is one."""
        if not self.is_speaker:
            return
        self._last_line_at = time.monotonic()
        line = printable(line)  # as print_line does
        with self._printing():
            if self._bar is not None:
                self._bar.write(line)
            else:
                print(line, flush=True)

    def say_end(self, word: str) -> None:
        """The last line of a log: COMPLETE or FAILED; a terminal's prompt says as much."""
        if not sys.stdout.isatty():
            self.say(word)

    def start_bar(self, *, done: int, total: int) -> None:
        if self.is_speaker and sys.stdout.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit="step", dynamic_ncols=True)

    def advance(self, step: int, text: str) -> None:
        """Show that `step` steps are done: on the bar, else as a line every LINE_EVERY_S seconds."""
        if self._bar is not None:
            with self._printing():
                self._bar.set_postfix_str(text, refresh=False)
                self._bar.update(step - self._bar.n)
        elif time.monotonic() - self._last_line_at >= LINE_EVERY_S:
            self.say(f"step {step}  {text}")

    def still(self, text: str) -> None:
        """Show that something long goes on, in the same way."""
        if self._bar is not None:
            with self._printing():
                self._bar.set_postfix_str(text)
        elif time.monotonic() - self._last_line_at >= LINE_EVERY_S:
            self.say(text)

    def close(self) -> None:
        if self._bar is not None:
            with self._printing():
                self._bar.close()
            self._bar = None


def duration(seconds: float) -> str:
    """ "3h05m", "4m20s", "17s"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
