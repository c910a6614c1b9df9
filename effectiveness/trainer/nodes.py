"""Whole syntax nodes in a text of any language, found without a parser: what brackets hold, and what is indented.

A gap that is a whole node is what an editor asks for most (2506.00204: gaps at nodes of the syntax tree). Dataset and
trainer share no parser, and a window begins anywhere, where a parser sees errors; layout is there in every language.
"""

from __future__ import annotations

import random

OPENERS, CLOSERS = b"([{", b")]}"
GOES_ON = b"([{:"  # at the end of a line that closes: `} else {`, `):`
IN_BRACKETS = 0.5  # share of nodes; the others are statements with what is indented under them


def draw_node(text: bytes, rng: random.Random) -> tuple[int, int] | None:
    """(first byte, byte behind the last) of the innermost node around a random place; None where there is none."""
    if not text:
        return None
    place = rng.randrange(len(text))
    if rng.random() < IN_BRACKETS:
        return in_brackets(text, place) or statement(text, place)
    return statement(text, place) or in_brackets(text, place)


def in_brackets(text: bytes, place: int) -> tuple[int, int] | None:
    """What stands between the brackets around a place, without white space at its ends."""
    first = _unmatched(text, range(place - 1, -1, -1), CLOSERS, OPENERS)
    last = _unmatched(text, range(place, len(text)), OPENERS, CLOSERS)
    if first is None or last is None or OPENERS.index(text[first]) != CLOSERS.index(text[last]):
        return None
    return _stripped(text, first + 1, last)


def _unmatched(text: bytes, places: range, deeper: bytes, shallower: bytes) -> int | None:
    depth = 0
    for place in places:
        if text[place] in deeper:
            depth += 1
        elif text[place] in shallower:
            if not depth:
                return place
            depth -= 1
    return None


def statement(text: bytes, place: int) -> tuple[int, int] | None:
    """The line of a place, with the lines indented under it and one that closes it."""
    first = text.rfind(b"\n", 0, place) + 1
    line, end = _line(text, first)
    if not line.strip():
        return None
    indent, last = _indent(line), first + len(line.rstrip())
    while end < len(text):
        begin = end
        line, end = _line(text, begin)
        if not line.strip():
            continue
        closes = _indent(line) == indent and line.lstrip()[0] in CLOSERS
        if _indent(line) <= indent and not closes:
            break
        last = begin + len(line.rstrip())
        if closes and line.rstrip()[-1] not in GOES_ON:
            break
    return _stripped(text, first, last)


def _line(text: bytes, start: int) -> tuple[bytes, int]:
    """(the line that begins there, where the next one does)."""
    end = text.find(b"\n", start)
    return (text[start:], len(text)) if end < 0 else (text[start:end], end + 1)


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _stripped(text: bytes, first: int, last: int) -> tuple[int, int] | None:
    part = text[first:last]
    first, last = first + len(part) - len(part.lstrip()), last - len(part) + len(part.rstrip())
    return (first, last) if first < last else None
