"""shfmt as judge: both texts print the same once it has minified them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
_SHFMT = shutil.which("shfmt", path=_PATH)
MISSING = "" if _SHFMT else "shfmt is not installed (pip install shfmt-py)"


def equal(before: bytes, after: bytes, path: str = "file.sh", mode: str = "layout") -> bool | None:
    """Whether both texts are the same program; None when shfmt cannot parse `before`. Names are never changed."""
    expected = _minified(before)
    return None if expected is None else _minified(after) == expected


def _minified(text: bytes) -> bytes | None:
    assert _SHFMT is not None
    done = subprocess.run([_SHFMT, "-mn", "-ln", "bash"], input=text, capture_output=True, timeout=60)
    return None if done.returncode else done.stdout
