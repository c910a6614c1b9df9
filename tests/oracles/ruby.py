"""Ruby's compiler as judge: equal instructions but for their lines, locals in mode "rename" known by their place."""

from __future__ import annotations

from pathlib import Path

from effectiveness.common import programs
from tests.oracles.asked import ask

_RUBY = programs.find_program("ruby") or ""
MISSING = "" if _RUBY else "ruby is not installed"


def equal(before: bytes, after: bytes, path: str = "file.rb", mode: str = "rename") -> bool | None:
    """Whether both texts compile to the same; None when `before` does not compile."""
    command = (_RUBY, "--disable-gems", "-W0", str(Path(__file__).with_suffix(".rb")))
    return ask(command, {"before": before.decode(), "after": after.decode(), "mode": mode})
