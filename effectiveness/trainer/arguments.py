"""What the commands of the trainer were given: one line for what cannot be used, before anything is done."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import NoReturn

from effectiveness.common.boundary import read_text, reading
from effectiveness.common.records import UserError


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and leaves the end to the command, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help shows every flag")


def check_texts(arguments: argparse.Namespace) -> None:
    """Raises UserError for bytes that are not UTF-8, which Python hands over as lone surrogates."""
    for name, given in vars(arguments).items():
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str | os.PathLike):
                _check_text("--set" if name == "overrides" else _flag(name), value)


def _check_text(flag: str, given: str | os.PathLike) -> None:
    value, hint = str(given), "give it in UTF-8"
    if isinstance(given, os.PathLike):
        hint = "rename it, or enter the folder and name it from inside"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        num_before = len(os.fsencode(value[: error.start]))
        raise UserError(
            f"{flag} is not UTF-8 (at byte {num_before} of {os.fsencode(value)[:200]!r}); {hint}"
        ) from None


def check_paths(arguments: argparse.Namespace, names: Iterable[str]) -> None:
    """Expand `~`; raises UserError for a user that is not there, a name that is too long, a lost working directory."""
    with reading("the working directory is gone", "cd to one that is there"):
        os.getcwd()
    for name in names:
        path = getattr(arguments, name)
        if path is None:
            continue
        with reading(f"{_flag(name)} {str(path)[:200]}", "give another path"):
            expanded = path.expanduser()
            if os.path.lexists(expanded.parent):
                _refuse_too_long(expanded)
        setattr(arguments, name, expanded)


def _refuse_too_long(path: os.PathLike) -> None:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # told where it is used


def read_prompt(text: str | None, file: str | None) -> str | None:
    """`text`, or what `file` holds; "-" is standard input for both. Raises UserError for both at once, a file that
    cannot be read, and bytes that are not UTF-8."""
    if text is not None and file is not None:
        raise UserError("--prompt FILE holds the text to complete, so give no other text; keep one")
    if file in (None, "-") and "-" not in (text, file):
        return text
    if file in (None, "-"):
        with reading(
            f"{'--complete' if file is None else '--prompt'} -: standard input", "give it UTF-8 text"
        ):
            return sys.stdin.buffer.read().decode("utf-8")
    with reading(f"--prompt {file[:200]}", "give a file of UTF-8 text, or - for standard input"):
        return read_text(os.path.expanduser(file))


def _flag(name: str) -> str:
    return f"--{name}" if name == "eval_only" else f"--{name.replace('_', '-')}"
