"""javac as judge: byte-equal class files."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path

from effectiveness.common import programs

_JAVAC = programs.find_program("javac") or ""
MISSING = "" if _JAVAC else "javac is not installed"

_FLAGS = ("-g:none", "-nowarn", "-proc:none", "-implicit:none", "-encoding", "UTF-8", "-d", "out")
_JDK_MODULE = re.compile(r"(?:java|jdk)\.[a-z.]+")
_PACKAGE = re.compile(rb"^package\s+([\w.]+)\s*;", re.MULTILINE)


def equal(before: bytes, after: bytes, path: str = "Main.java", mode: str = "rename") -> bool | None:
    """Whether javac makes the same classes of both files; None when it refuses `before`.

    The file keeps its name and lies below the directories of its package (javac insists).
    """
    package = _PACKAGE.search(before)
    name = "/".join([*(package[1].decode().split(".") if package else ()), Path(path).name])
    expected = _classes(((name, before),))
    return None if expected is None else _classes(((name, after),)) == expected


def equal_library(root: Path, changed: dict[Path, bytes]) -> bool | None:
    """Whether all sources below `root` compile to the same classes once `changed` (path -> text) replaces some;
    None when javac refuses them as they are."""
    before = {path: path.read_bytes() for path in compiled(root)}
    expected = _classes(_relative(before, root), root.name)
    return None if expected is None else _classes(_relative(before | changed, root), root.name) == expected


def compiled(root: Path) -> set[Path]:
    """The files that `equal_library` has compiled."""
    return {
        path for path in root.rglob("*.java") if path.name not in ("module-info.java", "package-info.java")
    }


def _relative(texts: dict[Path, bytes], root: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((str(path.relative_to(root)), texts[path]) for path in sorted(texts))


@lru_cache(maxsize=2)  # the text as it is, for each kind of variant
def _classes(sources: tuple[tuple[str, bytes], ...], library: str = "") -> dict[str, bytes] | None:
    """Class file -> bytes, or None when the sources do not compile. A directory called like a module of the JDK
    (`java.logging`) holds sources of that module."""
    module = ("--patch-module", f"{library}=in") if _JDK_MODULE.fullmatch(library) else ()
    with tempfile.TemporaryDirectory() as directory:
        for name, text in sources:
            file = Path(directory, "in", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
        listing = Path(directory, "sources")
        listing.write_text("\n".join(f"in/{name}" for name, _ in sources))
        command = [_JAVAC, *_FLAGS, *module, f"@{listing.name}"]
        done = programs.run(command, cwd=directory, capture_output=True, timeout=300)
        if done.returncode:
            return None
        out = Path(directory, "out")
        return {str(found.relative_to(out)): found.read_bytes() for found in out.rglob("*.class")}
