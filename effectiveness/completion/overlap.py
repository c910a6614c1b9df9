"""What stands behind a cursor is not written before it once more, nor is anything that makes no line with it."""

from __future__ import annotations

FENCE = "```"
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'`"


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
