"""A line that closes what is closed behind the cursor already, or what nobody opened, belongs to another place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CLOSER_OF = {"(": ")", "[": "]", "{": "}"}
MAX_LINES = 400  # looked at on each side: a bracket that is further away decides nothing
# Texts and characters in quotes hold brackets of their own; Rust's lifetimes and apostrophes are no quotes.
_QUOTED = re.compile(
    r"""\"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'|(?<![\w&<])'(?:\\.|[^'\\])*[^\s&<,(+'\\]'|`[^`]*`"""
)
_BRACKET = re.compile(r"[()\[\]{}]")


@dataclass(frozen=True, slots=True)
class Bracket:
    """One bracket that has no other half where it was looked for."""

    kind: str
    indent: str  # of its line
    is_first: bool  # on its line


def breaks_brackets(text: str, prefix: str, suffix: str) -> bool:
    """Whether the text closes another bracket than the one that is open, or one that is closed behind it.

    `text`: to be written between `prefix` and `suffix`; of one that opens another (`} else {`) what is closed behind it
    is that. Of comments brackets are counted, too, as a person who comments code out leaves them whole.

    >>> breaks_brackets(");", "fn f() {\\n    a()", "\\n}\\n")
    True
    >>> breaks_brackets("}", "fn f() {\\n    a();\\n", "\\n}\\n")
    True
    >>> breaks_brackets("}", "fn f() {\\n    a();\\n", "\\n\\nfn g() {\\n}\\n")
    False
    """
    closed, opened = unmatched(text.split("\n"))
    if not closed:
        return False
    open_before = _innermost_open(prefix, len(closed))
    if any(CLOSER_OF[o.kind] != c.kind for c, o in zip(closed, open_before, strict=False)):
        return True
    if opened or not open_before:
        return False
    behind = suffix.split("\n")[1 : MAX_LINES + 1]
    return _is_closed_by(unmatched(behind)[0], open_before[0])


def _is_closed_by(closers: Sequence[Bracket], opener: Bracket) -> bool:
    """The indentation of the first one says it: a bracket of another block that was just begun stands elsewhere."""
    return bool(closers) and closers[0] == Bracket(CLOSER_OF[opener.kind], opener.indent, is_first=True)


def unmatched(lines: Iterable[str]) -> tuple[list[Bracket], list[Bracket]]:
    """Closing brackets that nothing before them opens, and opening ones that nothing closes, in their order."""
    closed: list[Bracket] = []
    opened: list[Bracket] = []
    for bracket in _brackets(lines):
        if bracket.kind in CLOSER_OF:
            opened.append(bracket)
        elif opened:
            opened.pop()
        else:
            closed.append(bracket)
    return closed, opened


def _innermost_open(prefix: str, wanted: int) -> list[Bracket]:
    """At most `wanted` brackets that are open at the end, the last one first."""
    found: list[Bracket] = []
    depth = 0
    for line in reversed(prefix.rsplit("\n", MAX_LINES)[-MAX_LINES:]):
        for bracket in reversed(list(_brackets([line]))):
            depth += -1 if bracket.kind in CLOSER_OF else 1
            if depth < 0:
                found.append(bracket)
                depth = 0
        if len(found) >= wanted:
            return found[:wanted]
    return found


def _brackets(lines: Iterable[str]) -> Iterator[Bracket]:
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        for match in _BRACKET.finditer(_QUOTED.sub("", line)):
            yield Bracket(
                match[0], indent, line.lstrip().startswith(match[0]) and match.start() == len(indent)
            )
