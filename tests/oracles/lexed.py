"""Pygments as judge: equal tokens, in equal lines where a line end can mean something.

A lexer that others wrote, with no tree: what it calls a comment or white space may differ, nothing else. pytest
brings Pygments.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, String

from effectiveness.languages import language_of

MISSING = ""
_OPENING, _CLOSING = "([{", ")]}"
_LINES_ARE_FREE = ("CSS",)


def equal(before: bytes, after: bytes, path: str, mode: str = "layout") -> bool | None:
    """Whether both texts have the same tokens; None where the lexer does not know what to do with `before`.

    Between round and square brackets a line end is a blank.
    """
    known = language_of(path, before)
    assert known is not None, path
    before_text, after_text = (text.decode().replace("\r\n", "\n") for text in (before, after))
    if any(kind in Error for kind, _ in _lexer(known.name).get_tokens(before_text)):
        return None
    return list(_tokens(before_text, known.name)) == list(_tokens(after_text, known.name))


def _tokens(text: str, language: str) -> Iterator[tuple[str, bool]]:
    """Each token, and whether it begins a line. In a string white space is text."""
    brackets = [""]
    is_first = True
    for kind, word in _lexer(language).get_tokens(text):
        if kind in Comment and kind not in Comment.Preproc:
            is_first |= word.endswith("\n")
        elif kind in String:
            yield word, False
            is_first = False
        elif not word.strip():
            is_first |= "\n" in word
        else:
            word = word.strip()
            if word in _CLOSING:
                brackets = brackets[:-1] or [""]
            counts = (
                language not in _LINES_ARE_FREE and brackets[-1] not in ("(", "[") and word not in _CLOSING
            )
            yield word, is_first and counts
            if word in _OPENING:
                brackets.append(word)
            is_first = False


@cache
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
