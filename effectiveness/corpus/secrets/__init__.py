"""Secrets in source text, redacted before anything is tokenized: a model must not learn a key by heart.

Four families of rules: tokens of a vendor's shape (`rules`), secrets known by where they stand (`places`), values of
a telling name (`named`), and random strings with what stands before them (`drawn`); private keys come first (`keys`).
A secret becomes a run of "X" of the same length with its punctuation kept, so that offsets, lines and syntax stay.
Redacting twice changes nothing. Nothing here prints or returns a secret, only places and counts by rule.

One pass over many texts at once finds where rules may apply (`anchors`); a regular expression looks at that
place only. Quantifiers are bounded, and what is longer is followed to its end once, so the time is linear in the text.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from effectiveness.corpus.secrets.anchors import AnchorTable, random_runs
from effectiveness.corpus.secrets.drawn import WEAK, drawn_secrets
from effectiveness.corpus.secrets.keys import MARK_RULE, PRIVATE_KEY, private_keys
from effectiveness.corpus.secrets.named import ASSIGNED, NAMED
from effectiveness.corpus.secrets.places import CALLED, IN_CALL, PLACED, SECTIONS
from effectiveness.corpus.secrets.rules import TOKENS, Scan

Finding = tuple[int, int, str]  # start, end, rule

_TABLE = AnchorTable((MARK_RULE, *TOKENS, *PLACED, CALLED, *NAMED, *SECTIONS))
_NEEDS_BYTES = 400
_FINDERS = {  # by what must stand behind the anchor, so that this is asked once for several rules
    key: tuple(
        (needs, tuple((rule.find, rule.name) for rule in rules if rule.needs == needs))
        for needs in sorted({rule.needs for rule in rules})
    )
    for key, rules in _TABLE.rules_by_key.items()
}
_PADDING = bytes(8)  # with no anchor and no token; before a text anchors look at 3 bytes, runs at 8


def _findings(texts: Sequence[bytes]) -> Iterator[tuple[int, list[Finding]]]:
    """The number of a text and what was found in it: every secret; they may overlap."""
    joined = b"\0".join([_PADDING, *texts, 4 * _PADDING])
    view = np.frombuffer(joined, np.uint8, len(joined) // 8 * 8)
    starts = np.cumsum([len(_PADDING) + 1] + [len(text) + 1 for text in texts])
    anchors = _by_text(starts, *_TABLE.places(view))
    runs = _by_text(starts, *random_runs(view))
    for number in sorted(anchors.keys() | runs.keys()):
        found: list[Finding] = []
        if number in anchors:
            found += _at_anchors(texts[number], *anchors[number])
        if number in runs:
            found += drawn_secrets(texts[number], *runs[number])
        if found:
            yield number, found


def _at_anchors(text: bytes, places: list[int], keys: list[int]) -> Iterator[Finding]:
    scan = Scan(text)
    for place, key in zip(places, keys, strict=True):
        for needs, finders in _FINDERS[key]:
            if needs and text.find(needs, place, place + _NEEDS_BYTES) < 0:
                continue
            for find, name in finders:
                span = find(scan, place)
                if span:
                    yield (*span, name)
                if scan.further:
                    yield from ((*found, name) for found in scan.further)
                    scan.further.clear()


def _by_text(
    starts: np.ndarray, places: np.ndarray, facts: np.ndarray
) -> dict[int, tuple[list[int], list[int]]]:
    """For the number of every text the places in it, counted from its start, and what is known of each."""
    numbers = np.searchsorted(starts, places, side="right") - 1
    inside = (places - starts[numbers]).tolist()
    known = facts.tolist()
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(inside)] if len(inside) else [0]
    return {
        int(numbers[start]): (inside[start:stop], known[start:stop])
        for start, stop in itertools.pairwise(cuts)
    }


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


def redact_all(
    texts: Sequence[bytes],
    *,
    only_sure: bool = False,
    on_found: Callable[[int, int, str], None] | None = None,
) -> tuple[list[bytes], dict[str, int]]:
    """`redact` each of the texts, and add up the counts.

    only_sure: leave random strings that only stand near a telling word; for names of files, which hold checksums.
    on_found: told the number of the text, the line (from 1) and the rule of every redaction, never its value.
    """
    counts: Counter[str] = Counter()
    redacted = list(texts)
    for number, findings in _findings(texts):
        sure = [finding for finding in findings if not (only_sure and finding[2] in WEAK)]
        redacted[number], covered = _mask(texts[number], sure)
        counts.update(rule for _, rule in covered)
        if on_found:
            for line, rule in _lines(texts[number], covered):
                on_found(number, line, rule)
    return redacted, dict(sorted(counts.items()))


def _lines(text: bytes, covered: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The line of every place, in rising order."""
    line, counted = 1, 0
    for start, rule in sorted(covered):
        line += text.count(b"\n", counted, start)
        counted = start
        yield line, rule


def _mask(text: bytes, findings: list[Finding]) -> tuple[bytes, list[tuple[int, str]]]:
    """The redacted text; where something new was redacted, and by which rule.

    Keys come first; what a token's shape or place tells is more exact than a name, and that than a random look.
    """
    redacted, is_covered = bytearray(text), bytearray(len(text))
    covered = []
    if any(rule == PRIVATE_KEY for _, _, rule in findings):
        for runs in private_keys(text):
            if _cover(redacted, is_covered, runs):
                covered.append((runs[0][0], PRIVATE_KEY))
    for start, end, rule in sorted(findings, key=lambda finding: (_weakness(finding[2]), finding)):
        if rule == PRIVATE_KEY or (is_covered[end - 1] and _weakness(rule)):
            continue
        if _cover(redacted, is_covered, [(start, end)]):
            covered.append((start, rule))
    return bytes(redacted), covered


def _cover(redacted: bytearray, is_covered: bytearray, spans: list[tuple[int, int]]) -> bool:
    """Put placeholders into the spans; whether something was redacted where nothing was before."""
    is_new = False
    for start, end in spans:
        masked = redacted[start:end].translate(_MASK)
        is_new |= masked != redacted[start:end] and 1 not in is_covered[start:end]
        is_covered[start:end] = b"\1" * (end - start)
        redacted[start:end] = masked
    return is_new


def _weakness(rule: str) -> int:
    return 2 if rule in WEAK else int(rule in (ASSIGNED, IN_CALL))
