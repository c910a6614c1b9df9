"""gcc and g++ as judges: equal assembly."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

MISSING = "" if shutil.which("gcc") and shutil.which("g++") else "gcc and g++ are not installed"

_CXX = (".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".tpp", ".inl")
_FLAGS = ("-w", "-O1", "-g0", "-fno-ident", "-S", "-o", "-")
_LAYOUT = ("-D__LINE__=0", "-Wno-builtin-macro-redefined", "-DNDEBUG")


def equal(
    before: bytes, after: bytes, path: str = "", mode: str = "rename", flags: tuple[str, ...] = ()
) -> bool | None:
    """Whether both texts compile to the same assembly; None when `before` does not compile.

    `path` decides between C and C++, and its directory is where `#include "..."` looks.
    """
    expected = _assembly(before, path, mode, flags)
    return None if expected is None else _assembly(after, path, mode, flags) == expected


def _assembly(text: bytes, path: str, mode: str, flags: tuple[str, ...]) -> bytes | None:
    language = ("g++", "c++") if Path(path).suffix.lower() in _CXX else ("gcc", "c")
    include = ("-I", str(Path(path).parent)) if path else ()
    done = subprocess.run(
        [
            language[0],
            *_FLAGS,
            *(_LAYOUT if mode == "layout" else ()),
            *include,
            *flags,
            "-x",
            language[1],
            "-",
        ],
        input=text,
        capture_output=True,
        timeout=120,
    )
    return None if done.returncode else done.stdout
