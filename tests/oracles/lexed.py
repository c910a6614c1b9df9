"""Pygments as judge: equal tokens, in equal lines where a line end can mean something.

A lexer that others wrote, with no tree: what it calls a comment or white space may differ, nothing else. pytest
brings Pygments.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.token import Comment, Error, String, Text, Whitespace, _TokenType

MISSING = ""
_OPENING, _CLOSING = "([{", ")]}"
_LINES_ARE_FREE = (".css",)


def equal(before: bytes, after: bytes, path: str, mode: str = "layout") -> bool | None:
    """Whether both texts have the same tokens; None where the lexer does not know what to do with `before`.

    Between round and square brackets a line end is a blank.
    """
    suffix = path[path.rindex(".") :]
    expected = list(_tokens(before, suffix))
    if any(kind in Error for kind, _, _ in expected):
        return None
    return expected == list(_tokens(after, suffix))


def _tokens(source: bytes, suffix: str) -> Iterator[tuple[_TokenType, str, bool]]:
    """Kind, text and whether a line begins with it; in a string white space is text."""
    text = source.decode().replace("\r\n", "\n")
    brackets = [""]
    is_first = True
    for kind, word in _lexer(suffix).get_tokens(text):
        if kind in Comment and kind not in Comment.Preproc:
            is_first |= word.endswith("\n")
        elif kind in String or kind in Comment.Preproc:
            yield kind, word, False
            is_first = False
        elif not word.strip() and (kind in Text or kind in Whitespace):
            is_first |= "\n" in word
        else:
            word = word.strip()
            if word in _CLOSING:
                brackets = brackets[:-1] or [""]
            counts = suffix not in _LINES_ARE_FREE and brackets[-1] not in ("(", "[") and word not in _CLOSING
            yield kind, word, is_first and counts
            if word in _OPENING:
                brackets.append(word)
            is_first = False


@cache
def _lexer(suffix: str) -> Lexer:
    return get_lexer_for_filename(f"x{suffix}", stripnl=False, ensurenl=False)
