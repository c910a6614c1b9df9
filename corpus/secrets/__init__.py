"""Secrets in source text, redacted before anything is tokenized: a model must not learn a key by heart.

The rules are structural - a known prefix and shape, a private key block, a password in a URL, or a random
literal given to a name such as `password` - because entropy alone flags every checksum. A secret becomes a
run of "X" of the same length with its punctuation kept, so that offsets, lines and syntax stay. Redacting
twice changes nothing. Nothing here prints or returns a secret, only counts by rule.

One numpy pass looks up every 3 bytes of the text in a table of the rules' anchors; a regular expression then
looks at that place only. Its quantifiers are bounded, so the time is linear in the text whatever it holds.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from corpus.secrets.rules import ASSIGNED, MIN_DISTINCT, RULES, Rule, is_varied

_BLOCK_BYTES = 1 << 18  # the arrays of one block stay in the processor's cache

# ---------------------------------------------------------------- finding the anchors

_FACTORS = (np.uint16(0x9E35), np.uint16(0x6B17), np.uint16(0x2C6F))


def _gram_codes(view: np.ndarray) -> np.ndarray:
    """uint16[len(view) - 2]: a code for every 3 bytes, the same for both cases of a letter."""
    folded = (view | 0x20).astype(np.uint16)
    return folded[:-2] * _FACTORS[0] + folded[1:-1] * _FACTORS[1] + folded[2:] * _FACTORS[2]


def _rules_by_code() -> dict[int, list[Rule]]:
    table: dict[int, list[Rule]] = {}
    for rule in RULES:
        codes = {int(_gram_codes(np.frombuffer(anchor, np.uint8))[0]) for anchor in rule.anchors}
        for code in sorted(codes):
            table.setdefault(code, []).append(rule)
    return table


_RULES_BY_CODE = _rules_by_code()
_IS_ANCHOR = np.isin(np.arange(1 << 16), list(_RULES_BY_CODE))


def _findings(text: bytes) -> Iterator[tuple[int, int, str]]:
    """(start, end, rule) of every secret; they may overlap."""
    view = np.frombuffer(text, np.uint8)
    for offset in range(0, len(text) - 2, _BLOCK_BYTES):
        codes = _gram_codes(view[offset : offset + _BLOCK_BYTES + 2])
        positions = np.flatnonzero(_IS_ANCHOR[codes])
        for position, code in zip((positions + offset).tolist(), codes[positions].tolist(), strict=True):
            for rule in _RULES_BY_CODE[code]:
                match = rule.pattern.match(text, position)
                if match and rule.accepts(match):
                    yield *match.span(match.lastgroup), rule.name
    yield from _discord_tokens(text, view)


_DISCORD = re.compile(rb"(?<![\w.-])[MNO](?P<secret>[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}+)(?![\w.-])")


def _discord_tokens(text: bytes, view: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """They have no prefix, but two dots with 6 bytes between them."""
    dots = np.flatnonzero(view == ord("."))
    for dot in dots[:-1][np.diff(dots) == 7].tolist():
        match = _DISCORD.search(text, max(0, dot - 29), dot + 48)
        if match and is_varied(match):
            yield *match.span("secret"), "Discord token"


# ---------------------------------------------------------------- private keys

_KEY_EDGE = re.compile(rb"-----(BEGIN|END) (?:[A-Z0-9]{1,16} ){0,3}?PRIVATE KEY(?: BLOCK)?-----")
_KEY_RUN = re.compile(rb"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)|(?P<run>[A-Za-z0-9+/=]+)", re.DOTALL)
_MIN_KEY_RUN_BYTES = 20  # shorter ones are headers (`Proc-Type: 4,ENCRYPTED`) or code between string parts


def _private_keys(text: bytes) -> Iterator[list[tuple[int, int]]]:
    """The base64 runs of every BEGIN ... END block, whatever quotes, escapes and comment marks stand between."""
    if b"PRIVATE KEY" not in text:
        return
    edges = list(_KEY_EDGE.finditer(text))
    for begin, end in itertools.pairwise(edges):
        if begin[1] == b"BEGIN" and end[1] == b"END":
            runs = _key_runs(text, begin.end(), end.start())
            if any(len(set(text[start:stop])) >= 2 * MIN_DISTINCT for start, stop in runs):
                yield runs


def _key_runs(text: bytes, start: int, stop: int) -> list[tuple[int, int]]:
    matches = [match for match in _KEY_RUN.finditer(text, start, stop) if match["run"]]
    runs = [
        match.span() for match in matches if match["run"].strip(b"+/=")
    ]  # not `+` between strings, not `//`
    long = [run for run in runs if run[1] - run[0] >= _MIN_KEY_RUN_BYTES]
    if len(runs) > 1 and runs[-2] in long and runs[-1] not in long:
        between = text[runs[-2][1] : runs[-1][0]]
        if (between.count(b'"') + between.count(b"'")) % 2 == 0:  # else a variable after the last string part
            long.append(runs[-1])
    return long


# ---------------------------------------------------------------- redaction

_KEPT = b"-_.:=/+~,;&\\\"'`\t\n\r "
_MASK = bytes(byte if byte in _KEPT else ord("X") for byte in range(256))


def redact(text: bytes) -> tuple[bytes, dict[str, int]]:
    """Replace secrets by placeholders of the same length: the text and how many were found, by rule.

    >>> redact(b"url = 'postgres://admin:k3mW9!tq@db/prod'")
    (b"url = 'postgres://admin:XXXXXXXX@db/prod'", {'password in a URL': 1})
    """
    counts: Counter[str] = Counter()
    redacted = bytearray(text)
    for runs in _private_keys(text):
        counts["private key"] += 1
        for start, end in runs:
            redacted[start:end] = b"X" * (end - start)
    # What a token's shape or place tells is more exact than a name it is assigned to.
    findings = sorted(_findings(bytes(redacted)), key=lambda finding: (finding[2] == ASSIGNED.name, finding))
    is_covered = bytearray(len(text)) if findings else b""
    for start, end, rule in findings:
        masked = redacted[start:end].translate(_MASK)
        is_known = 1 in is_covered[start:end]
        if masked == redacted[start:end] or (is_known and rule == ASSIGNED.name):
            continue
        counts[rule] += not is_known
        is_covered[start:end] = b"\1" * (end - start)
        redacted[start:end] = masked
    return bytes(redacted), {rule: counts[rule] for rule in sorted(counts) if counts[rule]}
