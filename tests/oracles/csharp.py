"""mcs as judge: equal assemblies but for their identity, of one file or of a whole library."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from effectiveness.common import programs

_MCS = programs.find_program("mcs") or ""
MISSING = "" if _MCS else "mcs is not installed"

_FLAGS = ("-nologo", "-debug-", "-unsafe", "-langversion:latest", "-warn:0", "-target:library", "-out:a.dll")
_PE_HEADER, _TIME = 0x3C, 8  # offsets: of the header's offset, of the time in the header


def equal(before: bytes, after: bytes, path: str = "file.cs", mode: str = "layout") -> bool | None:
    """Whether mcs makes the same of both texts; None when it refuses `before` (it needs other files)."""
    expected = _assembly(before)
    return None if expected is None else _assembly(after) == expected


@lru_cache(maxsize=2)  # the text as it is, for each kind of variant
def _assembly(text: bytes) -> bytes | None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "file.cs").write_bytes(text)
        done = programs.run([_MCS, *_FLAGS, "file.cs"], cwd=directory, capture_output=True, timeout=120)
        return None if done.returncode else _without_identity(Path(directory, "a.dll").read_bytes())


def _without_identity(assembly: bytes) -> bytes:
    """Without the time of its making and the number of its module, which are new every time."""
    header = int.from_bytes(assembly[_PE_HEADER : _PE_HEADER + 4], "little") + _TIME
    metadata = assembly.index(b"BSJB")
    guids = assembly.index(b"#GUID\0", metadata) - 8  # offset and size of the numbers, before their name
    start = metadata + int.from_bytes(assembly[guids : guids + 4], "little")
    size = int.from_bytes(assembly[guids + 4 : guids + 8], "little")
    text = bytearray(assembly)
    text[header : header + 4] = bytes(4)
    text[start : start + size] = bytes(size)
    return bytes(text)
