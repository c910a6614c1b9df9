"""Python's reader of TOML as judge: the same values, numbers as they are written."""

from __future__ import annotations

import tomllib

MISSING = ""


def equal(before: bytes, after: bytes, path: str = "file.toml", mode: str = "layout") -> bool | None:
    """Whether both texts hold the same; None where `before` is no TOML."""
    expected = _values(before)
    return None if expected is None else _values(after) == expected


def _values(text: bytes) -> dict | None:
    try:
        return tomllib.loads(text.decode(), parse_float=str)
    except (ValueError, RecursionError):
        return None
