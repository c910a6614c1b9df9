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
from effectiveness.corpus.secrets.chosen import is_chosen, is_chosen_in_call
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_near, is_varied
from effectiveness.corpus.secrets.values import (
    HARMLESS_VALUE,
    is_drawn_key,
    is_drawn_password,
    is_login,
    is_mixed,
    is_mixed_or_chosen,
    is_noise,
    is_short_material,
    is_url_password,
)

TABLE = Path(__file__).with_suffix(".txt")
TESTS = {
    "any": lambda match: True,
    "varied": is_varied,
    "alternating": lambda match: is_varied(match) and alternates(match["secret"]),
    "mixed": lambda match: (
        is_varied(match) and num_classes(match["secret"]) >= 3 and is_mixed(match["secret"])
    ),
    "login": lambda match: is_login(match["secret"]),
    "url": lambda match: is_url_password(match["secret"]),
    "drawn": lambda match: is_drawn_password(match["secret"]),
    "drawn token": lambda match: is_drawn_password(match["secret"]) and alternates(match["secret"]),
    "typed": lambda match: is_drawn_password(match["secret"]) and is_mixed_or_chosen(match["secret"]),
    "drawn key": lambda match: is_drawn_key(match["secret"]),
    "noise": lambda match: is_noise(match["secret"]),
    "short": lambda match: is_chosen(match["secret"]) or is_short_material(match["secret"]),
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
        find_near(compiled, accepts, is_before=how == ["before"]),
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
