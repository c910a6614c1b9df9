"""shfmt as judge: both texts print the same once it has minified them."""

from __future__ import annotations

import sys
from pathlib import Path

from effectiveness.common import programs

_BESIDE = Path(sys.executable).parent / "shfmt"
_SHFMT = str(_BESIDE) if _BESIDE.is_file() else programs.find_program("shfmt")
MISSING = "" if _SHFMT else "shfmt is not installed (pip install shfmt-py)"


def equal(before: bytes, after: bytes, path: str = "file.sh", mode: str = "layout") -> bool | None:
    """Whether both texts are the same program; None when shfmt cannot parse `before`. Names are never changed."""
    expected = _minified(before)
    return None if expected is None else _minified(after) == expected


def _minified(text: bytes) -> bytes | None:
    assert _SHFMT is not None
    done = programs.run([_SHFMT, "-mn", "-ln", "bash"], input=text, capture_output=True, timeout=60)
    return None if done.returncode else done.stdout
