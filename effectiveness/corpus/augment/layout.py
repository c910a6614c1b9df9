"""Set a file differently: compact or verbose, without touching one token.

Only gaps that `gaps.line_gaps` vouches for are rewritten, and in them only white space. A gap that ends a line
goes on ending a line, except between the brackets of a list, where every language reads a line end as a space.
A gap inside a line appears or vanishes only around commas and two-sided operators whose neighbours cannot grow
together with them, and never in C, C++ (macros turn their arguments into text) or Bash.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain

from effectiveness.corpus.augment import lists
from effectiveness.corpus.augment import marks as m
from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.gaps import Opaque, refusal
from effectiveness.corpus.augment.layout_view import COMPACT, STYLES, Change, LayoutView, Style, draw
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable

_BOLDNESS = (0.65, 1.0)  # a small file may need every means there is to come out differently


def propose(
    source: bytes, language: str, table: SyntaxTable, rng: random.Random, style: Style | str | None = None
) -> list[Edit] | str:
    """Edits that set `source` in a style, or the reason for none. A name of `STYLES` leaves the means to `rng`,
    None the name as well."""
    if reason := refusal(source, language, table):
        return reason
    view = LayoutView(source, language, table)
    for candidate in _candidates(view, rng, style):
        if edits := edits_in(view, candidate):
            return edits
    return "no white space that may change"


def _candidates(view: LayoutView, rng: random.Random, style: Style | str | None) -> Iterator[Style]:
    if isinstance(style, Style):
        yield style
        return
    names = (style,) if style else rng.sample(STYLES, len(STYLES))
    for boldness in _BOLDNESS:
        for name in names:
            fitting = 0 if name != COMPACT and view.tabs else view.unit_width
            yield draw(name, fitting if view.reindentable else 0, boldness=boldness, rng=rng)


def edits_in(view: LayoutView, style: Style) -> list[Edit]:
    """The edits of one style. Each gap is written once, by the last rule that claims it."""
    compact = style.name == COMPACT
    leads = view.leads_in(style.unit)
    lines = view.fewest_lines() if compact else view.more_lines(style.everywhere)
    changes = view.rewritten(lines, leads)
    if LANGUAGES[view.language].spaces_are_free:
        changes.update(_respaced(view, style))
    if style.lists:
        changes.update((lists.join if compact else lists.split)(view, leads, style))
    edits = [Edit(start, *changes[start]) for start in sorted(changes)]
    if view.table.has_error:
        opaque = Opaque(view.source)
        return [edit for edit in edits if not (opaque.holds(edit.start) or opaque.holds(edit.end))]
    return edits


# --- white space inside a line -------------------------------------------------------------------------------

_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_LEFT, _RIGHT = frozenset(_WORD + b")]\"'"), frozenset(_WORD + b"([\"'")
_NEVER_AFTER_COMMA = frozenset(b" \t\r\n/#\\)]}>|,")
_SPACE = ord(" ")


def _respaced(view: LayoutView, style: Style) -> Iterator[Change]:
    """Drop single spaces after commas and around operators, or put them where there is nothing.

    Only where the characters on both sides cannot become one token with the operator (`Vec<T> = x` keeps its space:
    `>=` is another token), so what the compiler reads is the same.
    """
    compact = style.name == COMPACT
    if style.commas:
        yield from (_close_commas if compact else _space_commas)(view)
    if style.operators:
        yield from (_close_operators if compact else _space_operators)(view)


def _close_commas(view: LayoutView) -> Iterator[Change]:
    source, last = view.source, len(view.source) - 1
    for end in _comma_ends(view):
        if end < last and source[end] == _SPACE and source[end + 1] not in _NEVER_AFTER_COMMA:
            yield end, (end + 1, b"")


def _close_operators(view: LayoutView) -> Iterator[Change]:
    source, last = view.source, len(view.source) - 1
    for start, end in _operators(view):
        if start < 2 or end >= last or not source[start - 1] == _SPACE == source[end]:
            continue
        if source[start - 2] in _LEFT and source[end + 1] in _RIGHT:
            yield start - 1, (start, b"")
            yield end, (end + 1, b"")


def _space_commas(view: LayoutView) -> Iterator[Change]:
    source, last = view.source, len(view.source)
    for end in _comma_ends(view):
        if end < last and source[end] not in _NEVER_AFTER_COMMA:
            yield end, (end, b" ")


def _space_operators(view: LayoutView) -> Iterator[Change]:
    source, last = view.source, len(view.source)
    for start, end in _operators(view):
        if start > 0 and end < last and source[start - 1] in _LEFT and source[end] in _RIGHT:
            yield start, (start, b" ")
            yield end, (end, b" ")


def _comma_ends(view: LayoutView) -> list[int]:
    frozen, ends = view.frozen, view.table.end
    return [ends[index] for index in view.marks.nodes_with(m.COMMA, view.marked) if not frozen[index]]


def _operators(view: LayoutView) -> Iterator[tuple[int, int]]:
    """Byte ranges of the operators that have two sides."""
    table, frozen, marks, marked = view.table, view.frozen, view.marks, view.marked
    binary = marks.bytes_with(m.BINARY)
    perhaps = (i for i in marks.nodes_with(m.PERHAPS_OPERATOR, marked) if marked[table.parent[i]] in binary)
    for index in chain(marks.nodes_with(m.OPERATOR, marked), perhaps):
        if not frozen[index]:
            yield table.start[index], table.end[index]
