"""Where a file may be laid out differently: the white space between two tokens, and nothing else.

A gap is found from the text (a run of white space with a line end in it) and believed only when a token of the
tree starts right behind it outside every atom (`marks.ATOM`). What no rule knows stays as it is.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from effectiveness import languages
from effectiveness.corpus.augment.marks import ATOM, ERROR, LANGUAGES, Marks
from effectiveness.languages.syntax import SyntaxTable

PREPROCESSED = frozenset(name for name, known in languages.LANGUAGES.items() if known.has_preprocessor)
WITH_DIRECTIVES = frozenset(
    name for name, known in languages.LANGUAGES.items() if known.layout and known.layout.directives
)
_LINE_GAP = re.compile(rb"\n[ \t\r\n]*")
_BACKSLASH, _LINE_END = b"\\\n"


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps that end lines, in order, as parallel arrays.

    Gap i is the white space `source[start[i]:end[i]]`; `node[i]` is the outermost node that begins behind it,
    `leaf[i]` the leaf before it. `lines[i]` counts its line ends, and `owned[i]` is 1 when there is one more that
    belongs to the leaf before: a preprocessor line or a Rust documentation comment owns its line end. `lead[i]`
    is the indentation it ends with.
    """

    start: array[int]
    end: array[int]
    node: array[int]
    leaf: array[int]
    lines: array[int]
    owned: array[int]
    lead: list[bytes]


def refusal(source: bytes, language: str, table: SyntaxTable) -> str:
    """Why neither comments nor white space of a file can be told from the rest; "" when they can.

    In C and C++ a syntax error of the grammar is common in correct files (macros) and does not change how the rest
    is split into tokens; elsewhere a file with an error is left alone.
    """
    if language not in LANGUAGES:
        return "not varied in this language"
    if table.has_error and language not in PREPROCESSED:
        return "syntax errors"
    disguises = languages.LANGUAGES[language].disguises  # the grammars do not know them
    return "disguised characters" if disguises and re.search(disguises, source) else ""


def frozen_nodes(table: SyntaxTable, language: str, marks: Marks, marked: bytes) -> bytearray:
    """For each node 1 when the white space before it must stay: what is inside an atom, or near an error."""
    subtree_end = table.subtree_end
    frozen = bytearray(len(table))
    for index in marks.nodes_with(ATOM, marked):
        end = subtree_end[index]
        if end > index + 1 and not frozen[index]:
            frozen[index + 1 : end] = b"\1" * (end - index - 1)
    if language in WITH_DIRECTIVES:
        _freeze_conditions(table, frozen)
    if table.has_error:
        _freeze_errors(table, frozen, marks, marked)
    return frozen


def _freeze(table: SyntaxTable, frozen: bytearray, index: int) -> None:
    frozen[index : table.subtree_end[index]] = b"\1" * (table.subtree_end[index] - index)


def _freeze_conditions(table: SyntaxTable, frozen: bytearray) -> None:
    """`#if` and `#elif` hold their condition and, in the same node, all the lines up to `#endif`."""
    kind, parent = table.kind, table.parent
    for index in [i for i, name in enumerate(table.field) if name in ("condition", "name")]:
        if kind[parent[index]].startswith("preproc_") and not frozen[index]:
            _freeze(table, frozen, index)


def _freeze_errors(table: SyntaxTable, frozen: bytearray, marks: Marks, marked: bytes) -> None:
    """Freeze each outermost declaration or definition that holds a syntax error or a missing token."""
    kind, parent = table.kind, table.parent
    missing = [i for i, (start, end) in enumerate(zip(table.start, table.end, strict=True)) if start == end]
    for index in (*marks.nodes_with(ERROR, marked), *missing):
        if frozen[index]:
            continue
        while parent[index] > 0 and not kind[parent[index]].startswith("preproc_"):
            index = parent[index]
        _freeze(table, frozen, index)


def line_gaps(source: bytes, table: SyntaxTable, frozen: bytearray) -> Gaps:
    """Every gap with a line end that may be rewritten."""
    starts, ends, subtree_end = table.start, table.end, table.subtree_end
    columns = [
        array("i") for _ in range(5)
    ]  # start, end, node, leaf, owned: tuples would take 200 bytes a gap
    num_nodes = len(table)
    for match in _LINE_GAP.finditer(source):
        first, behind = match.span()
        node = bisect_left(starts, behind)
        if not 0 < node < num_nodes or starts[node] != behind or frozen[node]:
            continue
        if ends[node - 1] == first and subtree_end[node - 1] == node and source[first - 1] != _BACKSLASH:
            row: tuple[int, ...] | None = (first, behind, node, node - 1, False)
        else:
            row = _odd_gap(source, table, first, behind, node)
        if row:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    return _described(source, *columns)


def _odd_gap(
    source: bytes, table: SyntaxTable, first: int, behind: int, node: int
) -> tuple[int, int, int, int, bool] | None:
    """A gap that does not begin with the line end at `first`; None when it is not all white space of its own."""
    start = first
    while start and source[start - 1] in b" \t\r":
        start -= 1
    leaf = node - 1
    while table.subtree_end[leaf] != leaf + 1 and table.start[leaf] >= start:
        leaf -= 1  # a Python `match` block begins inside the gap
    leaf_end = table.end[leaf]
    if table.subtree_end[leaf] != leaf + 1 or leaf_end > behind:
        return None
    owned = leaf_end > first
    start = max(start, leaf_end)
    if owned and source[start - 1] != _LINE_END:
        return None
    in_comment = table.kind[leaf] == "comment" and leaf_end == start
    if source[start - 1 - owned] == _BACKSLASH and not in_comment:
        return None
    return start, behind, node, leaf, owned


def _described(
    source: bytes, start: array[int], end: array[int], node: array[int], leaf: array[int], owned: array[int]
) -> Gaps:
    """Line ends and indentation of each gap, found once for each different white space."""
    known: dict[bytes, tuple[int, bytes]] = {}
    lines, lead = array("i"), []
    for a, b in zip(start, end, strict=True):
        text = source[a:b]
        if text not in known:
            known[text] = text.count(b"\n"), text[text.rfind(b"\n") + 1 :]
        num_lines, indentation = known[text]
        lines.append(num_lines)
        lead.append(indentation)
    return Gaps(start, end, node, leaf, lines, owned, lead)


# --- C and C++ without a grammar -----------------------------------------------------------------------------

# A syntax tree with errors may take the quote that ends a string for one that begins one, and a `/*` in a string for a
# comment. The characters alone decide what they are, so in such files they are asked as well.
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
