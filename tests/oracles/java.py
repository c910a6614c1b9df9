"""javac as judge: byte-equal class files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

MISSING = "" if shutil.which("javac") else "javac is not installed"


_PACKAGE = re.compile(rb"^package\s+([\w.]+)\s*;", re.MULTILINE)


def equal(
    before: bytes, after: bytes, path: str = "Main.java", mode: str = "rename", flags: tuple[str, ...] = ()
) -> bool | None:
    """Whether javac makes the same classes of both files; None when it refuses `before`.

    The file keeps its name and lies below the directories of its package (javac insists). `flags` say where
    other classes of its project are: `-sourcepath DIR`, or `--patch-module NAME=in` for sources of the JDK.
    """
    expected = _classes(before, path, flags)
    return None if expected is None else _classes(after, path, flags) == expected


def _classes(text: bytes, path: str, flags: tuple[str, ...]) -> dict[str, bytes] | None:
    """Class file -> bytes, or None when the file does not compile."""
    with tempfile.TemporaryDirectory() as directory:
        package = _PACKAGE.search(text)
        file = Path(directory, "in", *(package[1].decode().split(".") if package else ()), Path(path).name)
        file.parent.mkdir(parents=True)
        file.write_bytes(text)
        command = [
            "javac",
            "-g:none",
            "-nowarn",
            "-proc:none",
            "-implicit:none",
            "-encoding",
            "UTF-8",
            "-d",
            "out",
        ]
        done = subprocess.run([*command, *flags, str(file)], cwd=directory, capture_output=True, timeout=120)
        if done.returncode:
            return None
        out = Path(directory, "out")
        return {str(found.relative_to(out)): found.read_bytes() for found in out.rglob("*.class")}
