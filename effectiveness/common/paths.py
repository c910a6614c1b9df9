"""File names are bytes; the dataset is UTF-8. One reversible spelling joins the two.

A name is written as its UTF-8 text, with every byte that is not valid UTF-8, every control character and
the backslash itself written as `\\xNN`. So a row's `source_file` is valid for strict JSON parsers, can be
printed on a terminal without harm, and leads back to the one file it came from. A whole name that readers of JSON
would take for a time gets its first digit written so, too.
"""

from __future__ import annotations

import re

_LIKE_A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.,Z+-]*)?")


def escape_path(raw: bytes) -> str:
    r"""Spell a file name as printable UTF-8 text.

    >>> escape_path(b"src/caf\xc3\xa9.rs"), escape_path(b"a\n\xff\\.py")
    ('src/café.rs', 'a\\x0a\\xff\\x5c.py')
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return no_time(text)
    return "".join(_escape_char(char) for char in text)


def no_time(text: str) -> str:
    r"""Readers that infer types (Arrow's, and so `datasets`) turn a column of such texts into time stamps, and fail at
    the first other text.

    >>> no_time("2024-01-31"), no_time("2024-01-31.md")
    ('\\x32024-01-31', '2024-01-31.md')
    """
    return f"\\x{ord(text[0]):02x}{text[1:]}" if _LIKE_A_TIME.fullmatch(text) else text


def _escape_char(char: str) -> str:
    if char != "\\" and char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
