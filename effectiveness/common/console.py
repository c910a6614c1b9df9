"""What the user reads: plain lines, each flushed, in any locale and on any terminal."""

from __future__ import annotations

import sys
import time

from effectiveness.common.endings import print_line

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
