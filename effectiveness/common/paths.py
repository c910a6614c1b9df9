"""File names, as they are spelled in a UTF-8 dataset and as users give them on the command line.

File names are bytes; the dataset is UTF-8. One reversible spelling joins the two.

A name is written as its UTF-8 text, with every byte that is not valid UTF-8, every control character and
the backslash itself written as `\\xNN`. So a row's `source_file` is valid for strict JSON parsers, can be
printed on a terminal without harm, and leads back to the one file it came from. A whole name that readers of JSON
would take for a time gets its first digit written so, too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from effectiveness.common.records import UserError

MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 4095
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


def display(path: Path) -> str:
    """A path as `escape_path` spells it, for a line to the user."""
    return escape_path(os.fsencode(path))


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


# --- names that a user gives on the command line, refused before any work is done with them --------------


def path_of(what: str, text: str) -> Path:
    """The path that `text` names, "~" expanded. Raises UserError, which begins with `what`, when it can name none."""
    if not text.strip():
        raise UserError(f"{what} is empty; name a directory, e.g. /data/mine")
    if "\0" in text:
        raise UserError(f"{what} holds a NUL character, which no name can; name another")
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # all that pathlib tells
        raise UserError(
            f"{what} {display(Path(text))}: there is no such user; write the directory out"
        ) from None
    for name, most in ((os.fspath(path), MAX_PATH_BYTES), *((part, MAX_NAME_BYTES) for part in path.parts)):
        if (num_bytes := len(os.fsencode(name))) > most:
            raise UserError(
                f"{what}: a name of {num_bytes} bytes ({display(Path(name[:20]))}...), at most {most} can be; "
                "name a shorter one"
            )
    return path


def require_utf8(
    what: str, globs: list[str], way_out: str = "write ? for each byte that is shown as \\x.."
) -> None:
    """Raises UserError for a pattern or a name that a file of ours, which is UTF-8, could not hold."""
    for glob in globs:
        try:
            glob.encode()
        except UnicodeEncodeError:
            raise UserError(f"{what} {display(Path(glob))} is not UTF-8; {way_out}") from None


def require_working_directory() -> None:
    """Raises UserError where the directory one stands in was removed: then no relative name means anything."""
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(f"the working directory is gone ({error.strerror}); cd to one that exists") from None
