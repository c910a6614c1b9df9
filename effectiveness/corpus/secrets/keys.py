"""Private keys: the lines of key material in a block, whatever quotes, escapes and comment marks stand between."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator

from effectiveness.corpus.secrets.rules import MIN_DISTINCT, Rule, Scan, Span, find_by

# PEM, OpenPGP, OpenVPN's static keys; SSH2 (RFC 4716) writes four dashes and a space.
_EDGE = re.compile(
    rb"-----?[ ]?(BEGIN|END) (?:[A-Za-z0-9]{1,16} ){0,3}?(?:PRIVATE KEY(?: BLOCK)?|Static key V1)[ ]?-----?"
)
_PUTTY = re.compile(rb"Private-Lines: [0-9]{1,4}|Private-Hash: |Private-MAC: ")
_RUN = re.compile(rb"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)|(?P<run>[A-Za-z0-9+/=]+)", re.DOTALL)
_MIN_RUN_BYTES = 20  # shorter ones are headers (`Proc-Type: 4,ENCRYPTED`) or code between string parts
# From one line of a block without an end to the next: comment marks, indents, a header.
_MAX_BETWEEN_BYTES = 120
_BASE64_EDGES = (
    b"UFJJVkFURSBLRV",
    b"BSSVZBVEUgS0VZ",
    b"QUklWQVRFIEtFW",
)  # "PRIVATE KEY" at the three offsets
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}(?:\s{1,40}[A-Za-z0-9+/]{16,}={0,2}(?![^\s\"'<]))*+")
PRIVATE_KEY = "private key"
_MARK = re.compile(b"(?P<secret>" + b"|".join((b"ATE KEY", b"key V1-", b"Private-", *_BASE64_EDGES)) + b")")
# Only tells that the text is worth looking for keys in.
MARK_RULE = Rule(
    PRIVATE_KEY,
    frozenset((b"ATE KEY", b"key V1-", b"Private-", *(edge[:8] for edge in _BASE64_EDGES))),
    find_by(_MARK, lambda value: True),
)


def private_keys(text: bytes) -> Iterator[list[Span]]:
    """The spans of key material of every key in the text."""
    edges = list(_EDGE.finditer(text))
    for number, begin in enumerate(edges):
        if begin[1] != b"BEGIN":
            continue
        end = edges[number + 1] if number + 1 < len(edges) else None
        is_closed = end is not None and end[1] == b"END"
        runs = _runs(text, begin.end(), end.start() if end else len(text), is_closed=is_closed)
        if any(len(set(text[start:stop])) >= 2 * MIN_DISTINCT for start, stop in runs):
            yield runs
    yield from _putty_keys(text)
    yield from _encoded_keys(text)


def _runs(text: bytes, start: int, stop: int, *, is_closed: bool) -> list[Span]:
    long: list[Span] = []
    previous: Span | None = None
    last: Span | None = None
    for match in _RUN.finditer(text, start, stop):
        if not match["run"] or not match["run"].strip(b"+/="):  # not `+` between strings, not `//`
            continue
        previous, last = last, match.span()
        if last[1] - last[0] >= _MIN_RUN_BYTES:
            if not is_closed and not _goes_on(text, long[-1][1] if long else start, last):
                return long
            long.append(last)
    if (
        previous
        and last
        and long
        and long[-1] == previous
        and (is_closed or _is_next_line(text, previous, last))
    ):
        between = text[previous[1] : last[0]]
        if (between.count(b'"') + between.count(b"'")) % 2 == 0:  # else a variable after the last string part
            long.append(last)
    return long


def _goes_on(text: bytes, stop: int, run: Span) -> bool:
    """Without an end: a line of key material soon after the last one, not a path or a long name."""
    line = text[slice(*run)][:64]
    is_material = line != line.lower() and line != line.upper() and len(set(line)) >= MIN_DISTINCT * 2
    return run[0] - stop <= _MAX_BETWEEN_BYTES and is_material


def _is_next_line(text: bytes, previous: Span, last: Span) -> bool:
    return last[0] - previous[1] <= 8 and text[last[0] - 1 : last[0]] in (b"\n", b"n", b" ")


def _putty_keys(text: bytes) -> Iterator[list[Span]]:
    marks = list(_PUTTY.finditer(text))
    for number, mark in enumerate(marks):
        if not mark[0].startswith(b"Private-Lines"):
            continue
        stop = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        runs = _runs(text, mark.end(), stop, is_closed=False)
        if runs:
            yield runs


def _encoded_keys(text: bytes) -> Iterator[list[Span]]:
    """Base64 of a text that holds a private key: the whole of it, over its lines."""
    covered = 0
    for mark in _BASE64_EDGES:
        covered = 0
        place = text.find(mark)
        while place >= 0:
            if place >= covered:
                start = place
                while (start > 0 and text[start - 1 : start].isalnum()) or text[start - 1 : start] in (
                    b"+",
                    b"/",
                ):
                    start -= 1
                match = _BASE64.match(text, start)
                covered = match.end() if match else place + 1
                yield [(start, covered)]
            place = text.find(mark, max(covered, place + 1))


# ---------------------------------------------------------------- keys that are written byte by byte, as firmware does

OF_BYTES = frozenset((b"key", b"keys", b"secret", b"psk", b"seed", b"salt"))
_MIN_KEY_BYTES, _MAX_LOOKED_AT_BYTES = 16, 400
_BYTE = re.compile(rb"0[xX][0-9a-fA-F]{1,2}|[1-9][0-9]{0,2}|0")
_BYTE_LIST = re.compile(
    rb"(?<![\w.])(?:0[xX])?[0-9a-fA-F]{1,3}(?:u8)?(?:,\s{0,40}(?:0[xX])?[0-9a-fA-F]{1,3}){15,4096}+"
)
_BYTES_START = (
    rb"(?:\[\w{0,24}\])?(?:[ ]?:[ ]?[\[\]\w; ]{1,16})?\s{0,8}(?::?=|:)\s{0,8}&?"
    rb"(?:[\w.<>\[\]]{1,24}[ ]?[({]?)?[({\[]{0,2}\s{0,40}"
)
_BYTES = re.compile(
    _BYTES_START + rb"(?P<secret>(?:(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3})(?:u8)?,\s{0,40}){15,511}"
    rb"(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3}))"
)
MAY_BE_BYTES = _BYTES_START + rb"(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3})(?:u8)?,"


def bytes_span(scan: Scan, place: int) -> Span | None:
    """The bytes of `static const uint8_t aes_key[16] = {0x8f, ...}`; none that count or repeat, no table of vectors."""
    match = _BYTES.match(scan.text, place)
    if not match or scan.num_byte_lists(_BYTE_LIST) > 1:
        return None
    values = [int(value, 0) for value in _BYTE.findall(match["secret"][:_MAX_LOOKED_AT_BYTES])]
    steps = Counter((b - a) % 256 for a, b in itertools.pairwise(values))
    is_counted = max(steps.values()) > len(values) // 2
    return None if is_counted or len(set(values)) < _MIN_KEY_BYTES // 2 else match.span("secret")
