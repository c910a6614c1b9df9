"""White space inside a line: around commas and two-sided operators.

A space goes or comes only where the characters on both sides cannot become one token with the operator
(`Vec<T> = x` keeps its space: `>=` is another token), so what the compiler reads is the same. Not for C and
C++, where a macro may turn its argument into text, and not for Bash, where a space ends a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from effectiveness.corpus.augment import marks as m
from effectiveness.corpus.augment.sheet import Change, Sheet
from effectiveness.corpus.augment.styles import Style

_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_LEFT, _RIGHT = frozenset(_WORD + b")]\"'"), frozenset(_WORD + b"([\"'")
_NEVER_AFTER_COMMA = frozenset(b" \t\r\n/#\\)]}>|,")
_SPACE = ord(" ")


def close_up(sheet: Sheet, style: Style) -> Iterator[Change]:
    """Drop single spaces after commas, around operators."""
    if style.commas:
        yield from _close_commas(sheet)
    if style.operators:
        yield from _close_operators(sheet)


def space_out(sheet: Sheet, style: Style) -> Iterator[Change]:
    """Put single spaces where there is nothing after commas, around operators."""
    if style.commas:
        yield from _space_commas(sheet)
    if style.operators:
        yield from _space_operators(sheet)


def _close_commas(sheet: Sheet) -> Iterator[Change]:
    source, last = sheet.source, len(sheet.source) - 1
    for end in _comma_ends(sheet):
        if end < last and source[end] == _SPACE and source[end + 1] not in _NEVER_AFTER_COMMA:
            yield end, (end + 1, b"")


def _close_operators(sheet: Sheet) -> Iterator[Change]:
    source, last = sheet.source, len(sheet.source) - 1
    for start, end in _operators(sheet):
        if start < 2 or end >= last or not source[start - 1] == _SPACE == source[end]:
            continue
        if source[start - 2] in _LEFT and source[end + 1] in _RIGHT:
            yield start - 1, (start, b"")
            yield end, (end + 1, b"")


def _space_commas(sheet: Sheet) -> Iterator[Change]:
    source, last = sheet.source, len(sheet.source)
    for end in _comma_ends(sheet):
        if end < last and source[end] not in _NEVER_AFTER_COMMA:
            yield end, (end, b" ")


def _space_operators(sheet: Sheet) -> Iterator[Change]:
    source, last = sheet.source, len(sheet.source)
    for start, end in _operators(sheet):
        if start > 0 and end < last and source[start - 1] in _LEFT and source[end] in _RIGHT:
            yield start, (start, b" ")
            yield end, (end, b" ")


def _comma_ends(sheet: Sheet) -> list[int]:
    frozen, ends = sheet.frozen, sheet.table.end
    return [ends[index] for index in sheet.marks.nodes_with(m.COMMA, sheet.marked) if not frozen[index]]


def _operators(sheet: Sheet) -> Iterator[tuple[int, int]]:
    """Byte ranges of the operators that have two sides."""
    table, frozen, marks, marked = sheet.table, sheet.frozen, sheet.marks, sheet.marked
    binary = marks.bytes_with(m.BINARY)
    perhaps = (i for i in marks.nodes_with(m.PERHAPS_OPERATOR, marked) if marked[table.parent[i]] in binary)
    for index in chain(marks.nodes_with(m.OPERATOR, marked), perhaps):
        if not frozen[index]:
            yield table.start[index], table.end[index]
