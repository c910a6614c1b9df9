"""Large texts in pieces, for a library that keeps more than 200 bytes for each byte of what it is handed at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE_CHARS = 1 << 16
# Where `PRETOKENIZER` ends a word whatever stands before and behind: a letter before an ASCII character that is none,
# any digit, and a line end unless blank lines follow, which belong to it.
_WORD_END = re.compile(r"[A-Za-z](?=[\0-@\[-`{-\x7f])|[0-9]|[\r\n](?=[ \t]*\S)")


def pieces(text: str, min_chars: int = PIECE_CHARS) -> Iterator[str]:
    """`text`, cut behind every first end of a word after `min_chars` characters: the same words come out of it.

    >>> list(pieces("a = b1 + c\\n\\nd", min_chars=2))
    ['a = b', '1 + c', '\\n\\nd']
    """
    begin = 0
    while cut := _WORD_END.search(text, begin + min_chars):
        yield text[begin : cut.end()]
        begin = cut.end()
    yield text[begin:]
