"""What stands under a title that tells of secrets: `stringData:`, `[credentials]`; whatever the name."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.rules import Rule, Scan, Span
from effectiveness.corpus.secrets.values import can_be_secret
from effectiveness.corpus.secrets.words import is_harmless_name

_TITLE = re.compile(
    rb"(?:(?<=stri)ngData|(?i:secrets|credentials?|passwords|passw(?:oe|\xc3\xb6)rter|logins))"
    rb"[\"']?(?:\][ \t]{0,8}\r?\n|[ \t]{0,8}(?:[:=]|=>)?[ \t]{0,8}[{]?[ \t]{0,8}\r?\n)"
)
_BEFORE_TITLE = re.compile(rb"(?:^|\n)([ \t]{0,40})(?:[\w.-]{0,40}|[\"'\[][\w.-]{0,40})$")
_ENTRY = re.compile(
    rb"([ \t]{0,60})(?:-[ ])?[\"']?(?P<name>[\w.@/-]{1,64})[\"']?[ \t]{0,8}(?::|=>?)[ \t]{0,8}"
    rb"(?P<quote>[\"']?)(?P<value>[^\s\"'`<>(){}\[\],;]{8,256})(?P=quote)[ \t]{0,8},?\r?\n"
)
_OTHER_LINE = re.compile(rb"[ \t]{0,60}[^\n]{0,300}\n")
_MAX_BEFORE_BYTES, _MAX_LINES = 84, 64


def _find_entries(scan: Scan, place: int) -> Span | None:
    text = scan.text
    if scan.section[0] <= place < scan.section[1]:
        return None
    title = _TITLE.match(text, place)
    before = title and _BEFORE_TITLE.search(text, max(0, place - _MAX_BEFORE_BYTES), place)
    if not title or not before:
        return None
    is_flat = title[0].lstrip().find(b"]") >= 0  # entries of an INI section stand no deeper than its title
    at, found = title.end(), []
    for _ in range(_MAX_LINES):
        entry = _ENTRY.match(text, at)
        if entry and (is_flat or len(entry[1]) > len(before[1])):
            value = entry["value"].rstrip(b"\\")
            if not is_harmless_name(entry["name"]) and can_be_secret(value, is_of_password=True):
                found.append((entry.start("value"), entry.start("value") + len(value)))
        line = entry or _OTHER_LINE.match(text, at)
        if not line or _ends_section(line[0], before[1], is_flat=is_flat):
            break
        at = line.end()
    scan.section = title.end(), at
    span, *scan.further = found or (None,)
    return span


def _ends_section(line: bytes, indent: bytes, *, is_flat: bool) -> bool:
    if is_flat:
        return line.startswith(b"[")
    return bool(line.strip()) and len(line) - len(line.lstrip()) <= len(indent)


SECTIONS = (
    Rule(
        "entry under a telling title",
        frozenset((b"ngDa", b"secr", b"cred", b"pass", b"logi")),
        _find_entries,
    ),
)
