"""Byte-range replacements: what every augmentation proposes, applied in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """Replace `source[start:end]` (bytes) by `replacement`; an insertion has `start == end`."""

    start: int
    end: int
    replacement: bytes


def apply(source: bytes, edits: Iterable[Edit]) -> bytes:
    """`source` with all edits made at once; offsets are those of `source`.

    Raises ValueError when two edits overlap or one lies outside: that is a bug of the proposer.

    >>> apply(b"a = 1", [Edit(0, 1, b"total"), Edit(2, 3, b"+=")])
    b'total += 1'
    """
    pieces: list[bytes] = []
    done = 0
    for start, end, replacement in sorted(edits):
        if not done <= start <= end <= len(source):
            raise ValueError(f"edit [{start}, {end}) overlaps another or leaves the {len(source)} bytes")
        pieces.append(source[done:start])
        pieces.append(replacement)
        done = end
    pieces.append(source[done:])
    return b"".join(pieces)
