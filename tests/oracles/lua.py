"""luac as judge: equal instructions, constants and scopes of locals, in mode "rename" whatever they are called."""

from __future__ import annotations

import re

from effectiveness.common import programs

_LUAC = programs.find_program("luac5.4") or programs.find_program("luac") or ""
MISSING = "" if _LUAC else "luac is not installed"

_ADDRESS = re.compile(
    rb"(?<= at )0x[0-9a-f]+(?=\)$)|(?<= for )0x[0-9a-f]+(?=:$)|(?<=\t; )0x[0-9a-f]+$", re.MULTILINE
)
_LINE = re.compile(rb"^(\t\d+\t)\[-?\d+\]|^((?:main|function) <).*?:\d+,\d+(?=> \()", re.MULTILINE)
# Of a local: where it is alive. Of what a function sees of those around it: where it lies.
_LOCAL = re.compile(rb"^(\t\d+\t)[^\t\n]*(?=\t\d+\t\d+$)", re.MULTILINE)
_SEEN = re.compile(rb"(\t(?:GETUPVAL|SETUPVAL|GETTABUP|SETTABUP)[ \t][^;\n]*; )\S+", re.MULTILINE)


def equal(before: bytes, after: bytes, path: str = "file.lua", mode: str = "rename") -> bool | None:
    """Whether both texts compile to the same; None when luac refuses `before` (another version of the language)."""
    expected = _listing(before, mode)
    return None if expected is None else _listing(after, mode) == expected


def _listing(text: bytes, mode: str) -> bytes | None:
    done = programs.run([_LUAC, "-p", "-l", "-l", "-"], input=text, capture_output=True, timeout=60)
    if done.returncode:
        return None
    listing = _LINE.sub(rb"\1\2", _ADDRESS.sub(b"", done.stdout))
    return _SEEN.sub(rb"\1", _LOCAL.sub(rb"\1", listing)) if mode == "rename" else listing
