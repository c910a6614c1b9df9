"""Secrets known by where they stand, a table (places.txt): in a URL, a header, a call, a command, the files of tools.

A row is three lines: `rule | anchors | test | how`, the expression, an example with § for the value. Anchors are the
first 3 to 8 bytes of what the expression begins with, in any case; `·` is a space. The test is one of `TESTS`, asked of
the group "secret". How: `word` means that no letter stands before the anchor, `before` that the expression ends at the
anchor, and anything else must stand within the next 400 bytes for the expression to be asked at all. «word», «to» and
the like are of `MACROS`. tests/test_secret_kinds.py draws a value for every example, and puts placeholders there.
"""

from __future__ import annotations

import re
from pathlib import Path

from effectiveness.corpus.secrets.chance import alternates, num_classes
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_by, is_varied
from effectiveness.corpus.secrets.values import (
    HARMLESS_VALUE,
    can_be_secret,
    is_drawn_key,
    is_drawn_password,
    is_login,
    is_mixed,
    is_mixed_or_chosen,
    is_noise,
    is_short_material,
    is_url_password,
)
from effectiveness.corpus.secrets.words import is_chosen, is_chosen_in_call, is_harmless_name

TABLE = Path(__file__).with_suffix(".txt")
TESTS = {
    "any": lambda value: True,
    "varied": is_varied,
    "alternating": lambda value: is_varied(value) and alternates(value),
    "mixed": lambda value: is_varied(value) and num_classes(value) >= 3 and is_mixed(value),
    "login": is_login,
    "url": is_url_password,
    "drawn": is_drawn_password,
    "drawn token": lambda value: is_drawn_password(value) and alternates(value),
    "typed": lambda value: is_drawn_password(value) and is_mixed_or_chosen(value),
    "drawn key": is_drawn_key,
    "noise": is_noise,
    "short": lambda value: is_chosen(value) or is_short_material(value),
}
MACROS = {
    "word": rb"(?P<quote>[\"'])?(?P<secret>(?(quote)[^\s\"']{5,256}|[^\s\"'`;|&<>]{5,256}+))(?(quote)(?P=quote))",
    "line": rb"(?P<secret>[^\s:]{6,128}+)[ \t]*$",
    "quoted": rb"[\"'](?P<secret>[^\s\"']{6,128})[\"']",
    "to": rb"\b(?:\\\n|[^\n]){0,300}?[ \t]",
    "user": rb"[\w.@+\\-]{1,64}",
    "host": rb"[\w.:*@\[\]-]{1,80}",
    "part": rb"[^\s:/?#@\"'`<>(){}\[\]\\]",
}


def _rule(row: str) -> Rule:
    head, pattern, *_ = row.split("\n")
    name, anchors, test, *how = head.split(" | ", 3)
    for macro, meaning in MACROS.items():
        pattern = pattern.replace(f"«{macro}»", meaning.decode())
    compiled, accepts = re.compile(pattern.encode()), TESTS[test]
    needs = how[0].encode() if how and how[0] not in ("word", "before") else b""
    return Rule(
        name,
        frozenset(
            re.sub(r"\\t", "\t", anchor.replace("\\n", "\n")).replace("·", " ").encode()
            for anchor in anchors.split()
        ),
        find_by(compiled, accepts, is_before=how == ["before"]),
        starts_token=how == ["word"],
        needs=needs,
    )


ROWS = tuple(TABLE.read_text("utf-8").strip().split("\n\n"))
PLACED = tuple(map(_rule, ROWS))


# --- the last string that is given to a call: `login(...)`, `auth=(...)`, `new PDO(...)`, `crypt(...)` ---------------

IN_CALL = "password in a call"
_ANCHORS = (
    b"login( login_id loginid( auth( auth=( authenti authoriz credenti director nnect( nection( pdo( sqli_con sqli( "
    b"wallet( hmac( hmac.new fernet( totp( jwt.enco jwt.deco jwt.sign jwt.veri client( gnwith( cipher( cipheriv "
    b"aes.new( _bind( equelize eparser( esession( pw_set( _bind_s( begin( abase( ypt( dd_passw"
).split() + [b"auth = (", b"login = ", b"login (", b"new User"]
_CALL = re.compile(
    rb"(?i)(?:login|auth(?:entication|enticate|orization_basic)?|_bind(?:_s)?|begin|(?<=dat)abase|(?<=cr)ypt"
    rb"|directoryentry|credentials?(?:::new|\.basic)?|(?<=co)nnect|(?<=con)nection"
    rb"|pdo|sqli_connect|wallet|hmac(?:\.new)?|fernet|totp|dd_password"
    rb"|jwt\.(?:encode|decode|sign|verify)|(?<=si)gnwith|client|(?<=my)sqli|(?<=s)equelize"
    rb"|(?<=cooki)eparser|pw_set|(?<=cooki)esession|new user|cipher(?:iv)?|aes\.new)"
    rb"(?:_?id)?\s{0,2}=?\s{0,2}\("
)
_ARGUMENT = re.compile(rb"[\"'](?:0x)?(?P<secret>[^\s\"'\\]{8,256})[\"']")
_APP_PASSWORD = re.compile(rb"[a-z]{16}")  # of a mail account; that no words are made of it was asked before
_ORACLE = re.compile(rb"\w{1,40}/(?P<secret>[^/@]{6,64})@")
_LAST_LINE = re.compile(rb"[^(,\s][ \t\r]*\n")  # a call goes on behind a bracket or a comma
_MAX_CALL_BYTES = 200


def _find_in_call(scan: Scan, place: int) -> Span | None:
    """The last random string among what is given to `login(...)`, `auth=(...)`, `new PDO(...)`: names come first."""
    call = _CALL.match(scan.text, place)
    if not call:
        return None
    last_line = _LAST_LINE.search(scan.text, call.end(), call.end() + _MAX_CALL_BYTES)
    stop = last_line.end() if last_line else call.end() + _MAX_CALL_BYTES
    found = None
    for argument in _ARGUMENT.finditer(scan.text, call.end(), stop):
        secret, start = argument["secret"], argument.start("secret")
        source = _ORACLE.match(secret)
        if source and is_chosen(source["secret"]):
            return start + source.start("secret"), start + source.end("secret")
        is_fit = is_mixed_or_chosen(secret) or _APP_PASSWORD.fullmatch(secret) or is_chosen_in_call(secret)
        if is_drawn_password(secret) and is_fit and not HARMLESS_VALUE.search(secret):
            found = argument.span("secret")
    return found


CALLED = Rule(IN_CALL, frozenset(_ANCHORS), _find_in_call)


# --- in tables: below a name, at its place in `INSERT INTO t (...) VALUES (...)`, or under a title that tells --------

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
