"""Names that a user gives on the command line, refused before any work is done with them."""

from __future__ import annotations

import os
from pathlib import Path

from effectiveness.common.disk_errors import spell
from effectiveness.common.records import UserError


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
            f"{what} {spell(Path(text))}: there is no such user; write the directory out"
        ) from None
    if too_long := next((part for part in path.parts if len(os.fsencode(part)) > 255), ""):
        raise UserError(
            f"{what}: a name of {len(os.fsencode(too_long))} bytes ({spell(Path(too_long[:20]))}...), "
            "at most 255 can be; name a shorter one"
        )
    return path


def require_utf8(what: str, globs: list[str]) -> None:
    """Raises UserError for a pattern that the metadata, which is UTF-8, could not hold."""
    for glob in globs:
        try:
            glob.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{what} {spell(Path(glob))} is not UTF-8; write ? for each byte that is shown as \\x.."
            ) from None


def require_working_directory() -> None:
    """Raises UserError where the directory one stands in was removed: then no relative name means anything."""
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(f"the working directory is gone ({error.strerror}); cd to one that exists") from None
