"""gcc and g++ as judges: equal assembly, and for another layout equal tokens as well."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from effectiveness.common import programs

_GCC, _GXX = (programs.find_program(name) or "" for name in ("gcc", "g++"))
MISSING = "" if _GCC and _GXX else "gcc and g++ are not installed"

_CXX = (".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".tpp", ".inl")
# Functions that nobody calls are compiled, too: else nothing would be seen of them.
_FLAGS = ("-w", "-O1", "-g0", "-fno-ident", "-fkeep-static-functions", "-S", "-o", "-")
_C_FLAGS = ("-fkeep-inline-functions",)  # in C++ that is the whole of the standard library
_LAYOUT = ("-D__LINE__=0", "-Wno-builtin-macro-redefined", "-DNDEBUG")
_WITHOUT_COMMENTS = ("-w", "-fpreprocessed", "-dD", "-E", "-P")
_ORIGIN = re.compile(rb'^# \d+ "<stdin>".*\n', re.MULTILINE)  # where inline assembly stood
_TOKEN = re.compile(rb"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\w+|[^\w\s]")


def equal(
    before: bytes, after: bytes, path: str = "", mode: str = "rename", flags: tuple[str, ...] = ()
) -> bool | None:
    """Whether both texts compile to the same assembly; None when `before` does not compile.

    `path` decides between C and C++, and its directory is where `#include "..."` looks. Nothing is compiled of
    declarations, templates and what the preprocessor leaves out: of "layout" the tokens must be equal as well.
    """
    expected = _assembly(before, path, mode, flags)
    if expected is None:
        return None
    if mode == "layout" and _tokens(before, path) != _tokens(after, path):
        return False
    return _assembly(after, path, mode, flags) == expected


@lru_cache(maxsize=2)  # the text as it is, for each kind of variant
def _assembly(text: bytes, path: str, mode: str, flags: tuple[str, ...]) -> bytes | None:
    include = ("-I", str(Path(path).parent)) if path else ()
    layout = _LAYOUT if mode == "layout" else ()
    inline = () if _is_cxx(path) else _C_FLAGS
    assembly = _run(text, path, (*_FLAGS, *inline, *layout, *include, *flags))
    return None if assembly is None else _ORIGIN.sub(b"", assembly)


def _tokens(text: bytes, path: str) -> list[bytes]:
    """All tokens but comments, those of macros and of skipped branches among them."""
    joined = text.replace(b"\\\n", b"")  # gcc takes preprocessed text to be spliced
    return _TOKEN.findall(_run(joined, path, _WITHOUT_COMMENTS) or b"")


def _run(text: bytes, path: str, arguments: tuple[str, ...]) -> bytes | None:
    command = [_GXX, *arguments, "-x", "c++"] if _is_cxx(path) else [_GCC, *arguments, "-x", "c"]
    done = programs.run([*command, "-"], input=text, capture_output=True, timeout=300)
    return None if done.returncode else done.stdout


def _is_cxx(path: str) -> bool:
    return Path(path).suffix.lower() in _CXX
