"""What stands behind a cursor is not written before it once more."""

from __future__ import annotations

_OPENING, _CLOSING = "([{", ")]}"


def rest_of_line(suffix: str | None) -> str:
    """What stands behind the cursor on its own line."""
    return (suffix or "").partition("\n")[0].rstrip("\r")


def without_overlap(text: str, suffix: str | None) -> str:
    """The text without the end with which the rest of the line begins.

    >>> without_overlap("name, value)", ");"), without_overlap("call()", ")"), without_overlap("x", None)
    ('name, value', 'call()', 'x')
    """
    rest = rest_of_line(suffix)
    if not rest.strip():
        return text
    for length in range(min(len(text), len(rest)), 0, -1):
        if text.endswith(rest[:length]) and not _is_needed(text, rest[:length]):
            return text[:-length]
    return text


def _is_needed(text: str, end: str) -> bool:
    """Whether the end closes what the text itself opened."""
    depth = 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
    return end[0] in _CLOSING and depth >= 0


def repeats_line(line: str, suffix: str | None) -> bool:
    """Whether the line as it would stand there is the next one that is not blank behind the cursor."""
    following = (suffix or "").partition("\n")[2].split("\n")
    next_line = next((other for other in following if other.strip()), "")
    return bool(line.strip()) and not rest_of_line(suffix).strip() and line.rstrip() == next_line.rstrip()


def goes_on(text: str, suffix: str | None) -> bool:
    """Whether a further line may follow: nothing but white space stands behind the cursor on its line."""
    return not rest_of_line(suffix).strip()
