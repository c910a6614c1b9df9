"""Secrets in source text, redacted before anything is tokenized: a model must not learn a key by heart.

The rules are structural - a known prefix and shape, a private key block, a password in a URL, or a random
literal given to a name such as `password` - because entropy alone flags every checksum. A secret becomes a
run of "X" of the same length with its punctuation kept, so that offsets, lines and syntax stay. Redacting
twice changes nothing. Nothing here prints or returns a secret, only counts by rule.

A numpy pass over many texts at once looks up every 3 bytes in a table of the rules' anchors, then a fourth byte where
these stand in it; a regular expression looks at what is left, and at that place only. Its quantifiers are bounded, so
the time is linear in the text whatever it holds.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from corpus.secrets.rules import ASSIGNED, MIN_DISTINCT, RULES, Rule, is_varied

Finding = tuple[int, int, str]  # start, end, rule

_BLOCK_BYTES = 1 << 16  # the arrays of one block stay in the processor's cache

# ---------------------------------------------------------------- finding the anchors

_FACTORS = (np.uint16(0x9E35), np.uint16(0x6B17), np.uint16(0x2C6F), np.uint16(0x51B3))


def _gram_codes(view: np.ndarray) -> np.ndarray:
    """uint16[len(view) - 2]: a code for every 3 bytes, the same for both cases of a letter."""
    folded = (view | 0x20).astype(np.uint16)
    return folded[:-2] * _FACTORS[0] + folded[1:-1] * _FACTORS[1] + folded[2:] * _FACTORS[2]


def _wider_codes(codes: np.ndarray, fourth: np.ndarray) -> np.ndarray:
    """The codes of 4 bytes: of 3 that have `codes`, and of another one."""
    return codes + (fourth | 0x20).astype(np.uint16) * _FACTORS[3]


def _tables() -> tuple[dict[int, list[Rule]], np.ndarray, np.ndarray]:
    """Rules by the code of 3 bytes; whether 3 bytes of a code begin an anchor, and whether 4 bytes do."""
    rules_by_code: dict[int, list[Rule]] = {}
    begins, is_anchor = np.zeros((2, 1 << 16), np.bool_)
    any_byte = np.arange(256, dtype=np.uint8)
    for rule in RULES:
        codes = set()
        for anchor in rule.anchors:
            code = _gram_codes(np.frombuffer(anchor[:3], np.uint8))
            fourth = np.frombuffer(anchor[3:], np.uint8) if anchor[3:] else any_byte
            begins[code] = is_anchor[_wider_codes(code, fourth)] = True
            codes.add(int(code[0]))
        for code in sorted(codes):
            rules_by_code.setdefault(code, []).append(rule)
    return rules_by_code, begins, is_anchor


_RULES_BY_CODE, _BEGINS_ANCHOR, _IS_ANCHOR = _tables()


def _anchors(view: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Where anchors may stand, and the codes of 3 bytes there, block after block. The last 3 bytes are left out."""
    for offset in range(0, len(view) - 3, _BLOCK_BYTES):
        block = view[offset : offset + _BLOCK_BYTES + 3]
        codes = _gram_codes(block)[:-1]
        begins = np.take(_BEGINS_ANCHOR, codes, mode="clip")  # clips nothing, but takes a third of the time
        places = np.flatnonzero(begins)
        places = places[_IS_ANCHOR[_wider_codes(codes[places], block[places + 3])]]
        yield places + offset, codes[places]


_DISCORD = re.compile(rb"(?<![\w.-])[MNO](?P<secret>[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}+)(?![\w.-])")
_DISCORD_STEP = 7  # such a token has no prefix, but two dots with 6 bytes between them


def _findings(texts: Sequence[bytes]) -> Iterator[tuple[int, Finding]]:
    """The number of the text and what was found in it: every secret; they may overlap."""
    view = np.frombuffer(b"\0".join([*texts, bytes(4)]), np.uint8)
    starts = np.cumsum([0] + [len(text) + 1 for text in texts])
    for places, codes in _anchors(view):
        for (number, place), code in zip(_located(places, starts), codes.tolist(), strict=True):
            for rule in _RULES_BY_CODE[code]:
                match = rule.pattern.match(texts[number], place)
                if match and rule.accepts(match):
                    yield number, (*match.span(match.lastgroup), rule.name)
    dots = np.flatnonzero(view == ord("."))
    for number, dot in _located(dots[:-1][np.diff(dots) == _DISCORD_STEP], starts):
        match = _DISCORD.search(texts[number], max(0, dot - 29), dot + 48)
        if match and is_varied(match):
            yield number, (*match.span("secret"), "Discord token")


def _located(places: np.ndarray, starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """For every place in the joined texts: the number of the text, and the place in it."""
    numbers = np.searchsorted(starts, places, side="right") - 1
    return zip(numbers.tolist(), (places - starts[numbers]).tolist(), strict=True)


# ---------------------------------------------------------------- private keys

_KEY_EDGE = re.compile(rb"-----(BEGIN|END) (?:[A-Z0-9]{1,16} ){0,3}?PRIVATE KEY(?: BLOCK)?-----")
_KEY_RUN = re.compile(rb"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)|(?P<run>[A-Za-z0-9+/=]+)", re.DOTALL)
_MIN_KEY_RUN_BYTES = 20  # shorter ones are headers (`Proc-Type: 4,ENCRYPTED`) or code between string parts


def _private_keys(text: bytes) -> Iterator[list[tuple[int, int]]]:
    """The base64 runs of every BEGIN ... END block, whatever quotes, escapes and comment marks stand between."""
    edges = list(_KEY_EDGE.finditer(text))
    for begin, end in itertools.pairwise(edges):
        if begin[1] == b"BEGIN" and end[1] == b"END":
            runs = _key_runs(text, begin.end(), end.start())
            if any(len(set(text[start:stop])) >= 2 * MIN_DISTINCT for start, stop in runs):
                yield runs


def _key_runs(text: bytes, start: int, stop: int) -> list[tuple[int, int]]:
    matches = [match for match in _KEY_RUN.finditer(text, start, stop) if match["run"]]
    # Not `+` between strings, not `//`.
    runs = [match.span() for match in matches if match["run"].strip(b"+/=")]
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
    [redacted], counts = redact_all([text])
    return redacted, counts


def redact_all(texts: Sequence[bytes]) -> tuple[list[bytes], dict[str, int]]:
    """`redact` each of the texts, and add up the counts."""
    counts: Counter[str] = Counter()
    redacted = [_without_private_keys(text, counts) for text in texts]
    found = defaultdict(list)
    for number, finding in _findings(redacted):
        found[number].append(finding)
    for number, findings in found.items():
        redacted[number] = _mask(redacted[number], findings, counts)
    return redacted, {rule: counts[rule] for rule in sorted(counts) if counts[rule]}


def _without_private_keys(text: bytes, counts: Counter[str]) -> bytes:
    if b"PRIVATE KEY" not in text:
        return text
    redacted = bytearray(text)
    for runs in _private_keys(text):
        counts["private key"] += 1
        for start, end in runs:
            redacted[start:end] = b"X" * (end - start)
    return bytes(redacted)


def _mask(text: bytes, findings: list[Finding], counts: Counter[str]) -> bytes:
    """What a token's shape or place tells is more exact than a name it is assigned to."""
    redacted, is_covered = bytearray(text), bytearray(len(text))
    for start, end, rule in sorted(findings, key=lambda finding: (finding[2] == ASSIGNED.name, finding)):
        masked = redacted[start:end].translate(_MASK)
        is_known = 1 in is_covered[start:end]
        if masked == redacted[start:end] or (is_known and rule == ASSIGNED.name):
            continue
        counts[rule] += not is_known
        is_covered[start:end] = b"\1" * (end - start)
        redacted[start:end] = masked
    return bytes(redacted)
