"""What a variant may change of its original, by its type: names, comments, or white space and no more."""

from __future__ import annotations

import re

from effectiveness.common.records import VARIANTS

RENAMED, COMMENTS, LAYOUT = (
    VARIANTS.index(kind) for kind in ("variable_renaming", "comment_toggle", "format_variation")
)


def _only_names_differ(original: str, variant: str) -> bool:
    """Equal once every name is `a`, and `a: a` (a field that had to be written out) is `a`."""

    def shape(text: str) -> str:
        return re.sub(r"\ba ?: ?a\b", "a", re.sub(r"[^\W\d]\w*", "a", text))

    return shape(original) == shape(variant)


def _only_white_space_differs(original: str, variant: str) -> bool:
    return "".join(original.split()) == "".join(variant.split())


def _only_comments_differ(original: str, variant: str) -> bool:
    """One is the other with something left out. (White space aside.)"""
    short, long = sorted(("".join(original.split()), "".join(variant.split())), key=len)
    rest = iter(long)
    return len(short) < len(long) and all(char in rest for char in short)


def line_ends_differ(original: str, variant: str) -> str:
    """What kind of line end a variant has that its original has not, or more of than it; "" where there is none.

    A carriage return alone may go with a comment, and never comes.
    """
    (crlf, lf, cr), (new_crlf, new_lf, new_cr) = _line_ends(original), _line_ends(variant)
    if new_crlf and not crlf:
        return "CR LF"
    if new_lf and not lf:
        return "LF without CR"
    return "CR without LF" if new_cr > cr else ""


def _line_ends(text: str) -> tuple[int, int, int]:
    """Number of CR LF, of LF alone, of CR alone."""
    both = text.count("\r\n")
    return both, text.count("\n") - both, text.count("\r") - both


RULES = {
    RENAMED: _only_names_differ,
    COMMENTS: _only_comments_differ,
    LAYOUT: _only_white_space_differs,
}
