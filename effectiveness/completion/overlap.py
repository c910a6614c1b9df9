"""What stands behind a cursor is not written before it once more, nor is anything that makes no line with it.

A line that closes what is closed behind the cursor already, or what nobody opened, belongs to another place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FENCE = "```"
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'`"
CLOSER_OF = dict(zip(_OPENING, _CLOSING, strict=True))
MAX_LINES = 400  # looked at on each side: a bracket that is further away decides nothing
# Texts and characters in quotes hold brackets of their own; Rust's lifetimes and apostrophes are no quotes.
_QUOTED = re.compile(
    r"""\"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'|(?<![\w&<])'(?:\\.|[^'\\])*[^\s&<,(+'\\]'|`[^`]*`"""
)
_BRACKET = re.compile(r"[()\[\]{}]")


def rest_of_line(suffix: str | None) -> str:
    """What stands behind the cursor on its own line."""
    return (suffix or "").partition("\n")[0].rstrip()


def closed_at(text: str, rest: str) -> int | None:
    """Where the text closes the bracket or quote that is closed behind the cursor already, as editors do when it is
    opened; None where it does not, or where something else stands there.

    >>> closed_at("buf) {", ") {"), closed_at("call()", ")"), closed_at('name", x', '")')
    (3, None, 4)
    """
    closer = rest.lstrip()[:1]
    if closer and closer in _QUOTES:
        return next((at for at in range(len(text)) if text[at] == closer and not _is_escaped(text, at)), None)
    if closer and closer in _CLOSING:
        return next((at for at, depth in enumerate(_depths(text)) if depth < 0), None)
    return None


def fitted(text: str, rest: str, is_middle: bool = False) -> str | None:
    """What of the text is to be written before the rest of the line; None where the two would make no line.

    `is_middle`: whoever wrote it had read what follows, and ended before that. Else it is a line to its end, and
    where words stand behind the cursor, it has to end with them.

    >>> fitted("name, value);", ")"), fitted("call()", ")"), fitted("x = 1", " + y"), fitted("x", "")
    ('name, value', 'call()', None, 'x')
    """
    closer = rest.lstrip()[:1]
    if not closer:
        return text
    if (end := closed_at(text, rest)) is not None:
        return text[:end].rstrip(" ") if text[end] == closer else None
    if closer in _CLOSING:
        return text if not text or _depths(text)[-1] == 0 else None
    if closer in _QUOTES or is_middle or not any(map(str.isalnum, rest)):
        return _without_overlap(text, rest)
    return text.rstrip().removesuffix(rest) if text.rstrip().endswith(rest) else None


def _is_escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _depths(text: str) -> list[int]:
    """Of brackets, behind each character: negative where more are closed than were opened."""
    depths, depth = [], 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
        depths.append(depth)
    return depths


def _without_overlap(text: str, rest: str) -> str:
    """The text without the end with which the rest of the line begins."""
    return next((text[:-n] for n in range(min(len(text), len(rest)), 0, -1) if text.endswith(rest[:n])), text)


def repeats_line(line: str, suffix: str | None) -> bool:
    """Whether the line as it would stand there is the next one that is not blank behind the cursor."""
    return bool(line.strip()) and not rest_of_line(suffix) and line.rstrip() == _next_line(suffix).rstrip()


def begins_what_follows(line: str, suffix: str | None) -> bool:
    """Whether the next line that is not blank behind the cursor begins with this one, indentation and all."""
    return bool(line.strip()) and _next_line(suffix).startswith(line.rstrip())


def _next_line(suffix: str | None) -> str:
    return next((line for line in (suffix or "").split("\n")[1:] if line.strip()), "")


def is_followed(suffix: str | None) -> bool:
    """Whether something stands on the line right below the cursor."""
    return bool((suffix or "").partition("\n")[2].partition("\n")[0].strip())


def is_foreign_fence(line: str, prefix: str, suffix: str | None) -> bool:
    """Whether the line is a fence of Markdown in a file that has none: it was learnt from the code in a manual.

    >>> is_foreign_fence("```", "func f() {\\n}\\n\\n", ""), is_foreign_fence("```", "```go\\nfunc f() {\\n}\\n", "")
    (True, False)
    """
    if not line.lstrip().startswith(FENCE):
        return False
    around = (*prefix.split("\n")[:-1], *(suffix or "").split("\n"))
    return not any(other.lstrip().startswith(FENCE) for other in around)


# --- brackets of other lines ----------------------------------------------------------------------------------


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
