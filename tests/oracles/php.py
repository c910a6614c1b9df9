"""PHP's own parser as judge: equal tokens, documentation comments and text outside of the code among them."""

from __future__ import annotations

from pathlib import Path

from effectiveness.common import programs
from tests.oracles.asked import ask

_PHP = programs.find_program("php") or ""
_SETTINGS = ("-n", "-d", "display_errors=0", "-d", "extension=tokenizer")
_COMMAND = (_PHP, *_SETTINGS, str(Path(__file__).with_suffix(".php")))
MISSING = "" if _PHP else "php is not installed"


def equal(before: bytes, after: bytes, path: str = "file.php", mode: str = "layout") -> bool | None:
    """Whether both texts are the same program; None when PHP cannot parse `before`. Names are never changed."""
    return ask(_COMMAND, {"before": before.decode(), "after": after.decode()})
