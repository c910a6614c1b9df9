"""File names are bytes; the dataset is UTF-8. One reversible spelling joins the two.

A name is written as its UTF-8 text, with every byte that is not valid UTF-8, every control character and
the backslash itself written as `\\xNN`. So a row's `source_file` is valid for strict JSON parsers, can be
printed on a terminal without harm, and leads back to the one file it came from.
"""

from __future__ import annotations


def escape_path(raw: bytes) -> str:
    r"""Spell a file name as printable UTF-8 text.

    >>> escape_path(b"src/caf\xc3\xa9.rs"), escape_path(b"a\n\xff\\.py")
    ('src/café.rs', 'a\\x0a\\xff\\x5c.py')
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape_char(char) for char in text)


def _escape_char(char: str) -> str:
    if char != "\\" and char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
