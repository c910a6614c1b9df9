"""javac as judge: byte-equal class files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

MISSING = "" if shutil.which("javac") else "javac is not installed"


def equal(
    before: bytes, after: bytes, path: str = "Main.java", mode: str = "rename", source_path: str = ""
) -> bool | None:
    """Whether javac makes the same classes of both files; None when it refuses `before`.

    The file keeps its name (javac insists); `source_path` is where other classes of its project lie.
    """
    expected = _classes(before, path, source_path)
    return None if expected is None else _classes(after, path, source_path) == expected


def _classes(text: bytes, path: str, source_path: str) -> dict[str, bytes] | None:
    """Class file -> bytes, or None when the file does not compile."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "in", Path(path).name)
        file.parent.mkdir()
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
        where = ["-sourcepath", source_path] if source_path else ["-sourcepath", "in"]
        done = subprocess.run([*command, *where, str(file)], cwd=directory, capture_output=True, timeout=120)
        if done.returncode:
            return None
        out = Path(directory, "out")
        return {str(found.relative_to(out)): found.read_bytes() for found in out.rglob("*.class")}
