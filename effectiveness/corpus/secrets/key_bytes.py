"""Keys that are written byte by byte, as firmware does."""

from __future__ import annotations

import itertools
import re
from collections import Counter

from effectiveness.corpus.secrets.rules import Scan, Span

OF_BYTES = frozenset((b"key", b"keys", b"secret", b"psk", b"seed", b"salt"))
_MIN_KEY_BYTES, _MAX_LOOKED_AT_BYTES = 16, 400
_BYTE = re.compile(rb"0[xX][0-9a-fA-F]{1,2}|[1-9][0-9]{0,2}|0")
_BYTE_LIST = re.compile(
    rb"(?<![\w.])(?:0[xX])?[0-9a-fA-F]{1,3}(?:u8)?(?:,\s{0,40}(?:0[xX])?[0-9a-fA-F]{1,3}){15,4096}+"
)
_BYTES = re.compile(
    rb"(?:\[\w{0,24}\])?(?:[ ]?:[ ]?[\[\]\w; ]{1,16})?\s{0,8}(?::?=|:)\s{0,8}&?"
    rb"(?:[\w.<>\[\]]{1,24}[ ]?[({]?)?[({\[]{0,2}\s{0,40}"
    rb"(?P<secret>(?:(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3})(?:u8)?,\s{0,40}){15,511}(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3}))"
)


def bytes_span(scan: Scan, place: int) -> Span | None:
    """The bytes of `static const uint8_t aes_key[16] = {0x8f, ...}`; none that count or repeat, no table of vectors."""
    match = _BYTES.match(scan.text, place)
    if not match or scan.num_byte_lists(_BYTE_LIST) > 1:
        return None
    values = [int(value, 0) for value in _BYTE.findall(match["secret"][:_MAX_LOOKED_AT_BYTES])]
    steps = Counter((b - a) % 256 for a, b in itertools.pairwise(values))
    is_counted = max(steps.values()) > len(values) // 2
    return None if is_counted or len(set(values)) < _MIN_KEY_BYTES // 2 else match.span("secret")
