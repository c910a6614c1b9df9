"""Values in tables: below a name, at its place in `INSERT INTO t (...) VALUES (...)`, or under a title that tells."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.rules import Rule, Scan, Span
from effectiveness.corpus.secrets.values import can_be_secret
from effectiveness.corpus.secrets.words import is_harmless_name

DELIMITERS = (b",", b";", b"|", b"\t", b")", b"\n", b"\r")
_HEADER = re.compile(rb"[\w \"'`-]{0,60}+(?:[,;|\t][\w \"'`-]{1,60}+){1,24}+\|?\r?\n")
_AHEAD = re.compile(rb"[\w \"'`,;|\t-]{0,400}+[)\r\n]")  # most names stand in no list
_RULER = re.compile(rb"[|: -]+\r?\n")
_INSERT = re.compile(rb"[\w,\s`\"]{0,400}+\)\s{0,40}(?i:values)\s{0,40}\(")
# What stands behind a name for `in_column` to be asked: a cell that ends, the rest of the list and its end. Only a pipe
# may end the line, and the comma of an INSERT that goes on below.
MAY_BE_HEADER = (
    rb"[ `\"']{0,2}(?:[)\r\n]|(?:\||[,;\t](?!\r?\n))%b|[,;|\t]\r?\n[\w,\s`\"]{0,400}+\)\s{0,40}(?i:values))"
    % _AHEAD.pattern
)
_MAX_HEADER_BYTES, _MAX_ROWS = 400, 200


def in_column(scan: Scan, place: int, *, is_password: bool) -> list[Span]:
    """The values below the name in a table, or at its place in `INSERT INTO t (...) VALUES (...), (...)`."""
    text = scan.text
    if scan.table[0] <= place < scan.table[1]:
        return []
    ahead = _AHEAD.match(text, place)
    if not ahead or (ahead[0].endswith(b")") and not _INSERT.match(text, place)):
        return []
    start = (
        max(
            text.rfind(b"\n", max(0, place - _MAX_HEADER_BYTES), place),
            text.rfind(b"(", max(0, place - _MAX_HEADER_BYTES), place),
        )
        + 1
    )
    insert = _INSERT.match(text, place) if text[start - 1 : start] == b"(" else None
    header = insert or _HEADER.match(text, start)
    if not header or header[0].startswith(b"\t"):  # the indent of a line of code
        return []
    row_start = header.end()
    ruler = None if insert else _RULER.match(text, row_start)
    row_start = ruler.end() if ruler else row_start
    delimiter = b"," if insert else re.search(rb"[,;|\t]", header[0])[0]  # type: ignore[index]  # _HEADER has one
    number = text.count(delimiter, start, place)
    num_cells = text.count(delimiter, start, place) + text.count(delimiter, place, header.end())
    found: list[Span] = []
    first_row_start = row_start
    for row_number in range(_MAX_ROWS):
        row_end = _line_end(text, row_start)
        row = text[row_start : min(row_start + _MAX_HEADER_BYTES, row_end)]
        cells = row.split(delimiter)
        is_row = number < len(cells) if row_number == 0 else len(cells) - bool(insert) == num_cells + 1
        if not is_row:
            break
        found += _in_cell(row_start, cells, number, is_password=is_password)
        row_start = row_end + 1
    scan.table = first_row_start, row_start
    return found


def _in_cell(row_start: int, cells: list[bytes], number: int, *, is_password: bool) -> list[Span]:
    cell = cells[number]
    cell_start = row_start + sum(len(before) + 1 for before in cells[:number])
    value = cell.strip(b" \"'`);\r")
    if not can_be_secret(value, is_of_password=is_password):
        return []
    value_start = cell_start + cell.index(value)
    return [(value_start, value_start + len(value))]


def _line_end(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end


# ---------------------------------------------------------------- under a title: `stringData:`, `[credentials]`

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
