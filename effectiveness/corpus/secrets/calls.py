"""Secrets known by the call that is given them: `login(...)`, `auth=(...)`, `new PDO(...)`, `crypt(...)`."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chosen import is_chosen, is_chosen_in_call
from effectiveness.corpus.secrets.rules import Rule, Scan, Span
from effectiveness.corpus.secrets.values import HARMLESS_VALUE, is_drawn_password, is_mixed_or_chosen

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
