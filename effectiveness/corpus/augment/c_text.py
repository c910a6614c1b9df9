"""Where C and C++ text is a literal or a comment, found without a grammar.

A syntax tree with errors may take the quote that ends a string for one that begins one, and a `/*` in a string for
a comment. The characters alone decide what they are, so in such files they are asked as well.
"""

from __future__ import annotations

import re
from bisect import bisect_right

_BEGIN = re.compile(rb"[\"']|//|/\*")
_STRING = re.compile(
    rb'"(?:\\\r?\n|\\.|[^"\\\n])*"?'
)  # without its second quote it takes the rest of the line
_CHARACTER = re.compile(rb"'(?:\\.|[^'\\\n]){1,16}'")
_LINE_COMMENT = re.compile(rb"//(?:\\\r?\n|\\.|[^\\\n])*")
_RAW_PREFIX = re.compile(rb"(?:\b|_)(?:u8|u|U|L)?R\Z")
_RAW_DELIMITER = re.compile(rb'"([^()\\\s"]{0,16})\(')
_DIGITS = b"0123456789abcdefABCDEF"


class Opaque:
    """The literals and comments of one file, in order."""

    def __init__(self, source: bytes):
        self.start: list[int] = []
        self.end: list[int] = []
        position = 0
        while begin := _BEGIN.search(source, position):
            start = begin.start()
            end = _end(source, start)
            position = end or start + 1
            if end:
                self.start.append(start)
                self.end.append(end)

    def holds(self, offset: int) -> bool:
        """Whether the text at `offset` lies inside a literal or comment (its first byte is not inside)."""
        at = bisect_right(self.start, offset - 1) - 1
        return at >= 0 and offset < self.end[at]

    def end_of(self, start: int) -> int:
        """Where the literal or comment that begins at `start` ends; 0 when none does."""
        at = bisect_right(self.start, start) - 1
        return self.end[at] if at >= 0 and self.start[at] == start else 0


def _end(source: bytes, start: int) -> int:
    """Where what begins at `start` ends; 0 when a quote stands for itself (in prose, in a number)."""
    if source[start] == ord('"'):
        return _string_end(source, start)
    if source[start] == ord("'"):
        match = None if _separates_digits(source, start) else _CHARACTER.match(source, start)
    elif source.startswith(b"/*", start):
        return _past(source, b"*/", start + 2)
    else:
        match = _LINE_COMMENT.match(source, start)
    return match.end() if match else 0


def _string_end(source: bytes, start: int) -> int:
    if source[start - 1 : start] == b"R" and _RAW_PREFIX.search(source[max(0, start - 4) : start]):
        opening = _RAW_DELIMITER.match(source, start)
        if opening:
            return _past(source, b")" + opening[1] + b'"', opening.end())
    match = _STRING.match(source, start)
    return match.end() if match else 0


def _past(source: bytes, closing: bytes, start: int) -> int:
    found = source.find(closing, start)
    return len(source) if found < 0 else found + len(closing)


def _separates_digits(source: bytes, start: int) -> bool:
    return start > 0 and source[start - 1] in _DIGITS and source[max(0, start - 2) : start] != b"u8"
