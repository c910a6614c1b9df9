"""What a data file says to those that read it: the proof of a variant beside its tree, where Python has a reader."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable

from effectiveness.languages.syntax import SyntaxTable

# `tomllib` calls itself for each level, and its work on a dotted key is the square of its parts.
MAX_DEPTH = 100


def _toml(text: str) -> str:
    """All values, numbers as they are written."""
    return repr(tomllib.loads(text, parse_float=str))


READERS: dict[str, Callable[[str], str]] = {"TOML": _toml}


def is_too_deep(language: str, table: SyntaxTable) -> bool:
    return language in READERS and table.depth > MAX_DEPTH


def said(language: str, source: bytes) -> bytes | None:
    """A digest of what the reader of `language` finds in UTF-8 `source`; None where it refuses the text."""
    try:
        found = READERS[language](source.decode())
    except ValueError:  # so are tomllib's errors, and a number of too many digits
        return None
    return hashlib.sha256(found.encode("utf-8", "surrogatepass")).digest()
