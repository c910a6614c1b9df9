"""Every program this product starts, found and started in this one place.

A program is looked for in the absolute parts of PATH that lie outside of what is scanned, whatever links they are made
of, and called by the path it was found at. Python is the one that runs now, without the working directory on its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from effectiveness.isolation import NOWHERE, is_below, search_path


def find_program(name: str, *outside: Path | str) -> str | None:
    """The absolute path of a program that lies outside of these directories; None where there is none."""
    roots = _real(outside)
    for part in _parts(roots):
        path = os.path.join(part, name)
        real = os.path.realpath(path)
        if (
            os.path.isfile(real)
            and os.access(real, os.X_OK)
            and not any(is_below(real, root) for root in roots)
        ):
            return path
    return None


def path_variable(*outside: Path | str) -> str:
    """PATH for what is started: the parts in which `find_program` looks."""
    return os.pathsep.join(_parts(_real(outside))) or NOWHERE


def python(*arguments: Path | str) -> list[str]:
    """The command that runs a script with this interpreter, as isolated as this process is."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P", *map(str, arguments)]


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess:
    """`subprocess.run` of a program that was found here."""
    return subprocess.run(_checked(command), **options)


def start(command: Sequence[str], **options: Any) -> subprocess.Popen:
    """`subprocess.Popen` of a program that was found here."""
    return subprocess.Popen(_checked(command), **options)


def _checked(command: Sequence[str]) -> list[str]:
    assert os.path.isabs(command[0]), f"{command[0]} would be looked up: call it by the path of find_program"
    return list(command)


def _parts(roots: tuple[str, ...]) -> list[str]:
    return search_path(os.environ.get("PATH", os.defpath), roots)


def _real(places: tuple[Path | str, ...]) -> tuple[str, ...]:
    return tuple(os.path.realpath(place) for place in places)
