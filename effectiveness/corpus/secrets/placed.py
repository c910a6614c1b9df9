"""Secrets known by where they stand: in a URL, a header, a call."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chance import alternates, num_classes
from effectiveness.corpus.secrets.chosen import is_chosen
from effectiveness.corpus.secrets.commands import COMMANDS
from effectiveness.corpus.secrets.credential_files import IN_FILES
from effectiveness.corpus.secrets.logins import (
    is_drawn_password,
    is_login,
    is_mixed,
    is_mixed_or_chosen,
    is_password,
)
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_by, is_varied
from effectiveness.corpus.secrets.values import HARMLESS_VALUE

_LOGINS = (
    (
        re.compile(
            rb"(?<=[A-Za-z0-9])://[^\s:/?#@\"'`<>(){}\[\]\\]{0,64}+"
            rb":(?P<secret>[^\s:/?#\"'`<>(){}\[\]\\]{3,256})@[A-Za-z0-9\[$%_{-]"
        ),
        is_password,
    ),
    (  # characters that should have been encoded
        re.compile(
            rb"(?<=[A-Za-z0-9])://[^\s:/?#@\"'`<>(){}\[\]\\]{1,64}+"
            rb":(?P<secret>[^\s\"'`<>\\/@]{6,128}[^\s\"'`<>\\/:@]{0,64})@[A-Za-z0-9\[]"
        ),
        is_drawn_password,
    ),
    (  # a token for a user
        re.compile(rb"(?<=[a-z])://(?P<secret>[\w.~-]{16,256}+)(?::|:x-oauth-basic)?@[A-Za-z0-9]"),
        lambda match: is_drawn_password(match) and alternates(match["secret"]),
    ),
)
_MAX_LOGIN_BYTES = 400


def _find_in_login(scan: Scan, place: int) -> Span | None:
    if scan.text.find(b"@", place, place + _MAX_LOGIN_BYTES) < 0:
        return None
    for pattern, accepts in _LOGINS:
        match = pattern.match(scan.text, place)
        if match and accepts(match):
            return match.span("secret")
    return None


_ADDRESSES = (
    Rule(
        "Discord webhook",
        frozenset({b"/web"}),
        find_by(re.compile(rb"/webhooks/(?P<secret>[0-9]{15,21}/[\w-]{60,80})(?![\w-])")),
    ),
    Rule("password in a URL", frozenset({b"://"}), _find_in_login),
    Rule(
        "signature in a URL",
        frozenset({b"sig=", b"sig%", b"ure=", b"ure%", b"ode="}),
        find_by(
            re.compile(
                rb"(?i)(?:(?<=[?&;])sig|(?<=[?&;-]signat)ure|(?<=[?&]c)ode)(?:=|%3D)"
                rb"(?P<secret>[\w%+/.~-]{32,512}+={0,2})"
            ),
            lambda match: is_varied(match) and alternates(match["secret"]),
        ),
    ),
    Rule(
        "webhook",
        frozenset({b"hook"}),
        find_by(
            re.compile(
                rb"(?i:hooks?)[.\w]{0,40}/(?:[\w.-]{1,40}/){0,5}(?P<secret>[A-Za-z0-9_-]{20,128}+)(?![\w.])"
            ),
            lambda match: (
                is_varied(match) and num_classes(match["secret"]) >= 3 and is_mixed(match["secret"])
            ),
        ),
    ),
    Rule(
        "webhook",
        frozenset({b"/web"}),
        find_by(
            re.compile(
                rb"/webhookb2/(?P<secret>[0-9a-z@-]{36,80}/IncomingWebhook/[0-9a-z]{32}/[0-9a-z-]{36})"
            )
        ),
    ),
)

_HEADERS = (
    Rule(
        "bearer token",
        frozenset({b"bear"}),
        find_by(
            re.compile(rb"(?i:bearer)(?:[ ]{1,2}|%20)(?P<secret>[\w.~+/-]{20,2048}+={0,2})(?!\w)"),
            lambda match: is_varied(match) and alternates(match["secret"]),
        ),
    ),
    Rule(
        "basic authorization",
        frozenset({b"basi"}),
        find_by(
            re.compile(rb"(?i:basic)(?:[\"'],)?[ ]{1,2}[\"']?(?P<secret>[A-Za-z0-9+/]{8,512}+={0,2})(?!\w)"),
            lambda match: is_login(match["secret"]),
        ),
    ),
    Rule(
        "authorization header",
        frozenset({b"orization"[:4]}),
        find_by(
            re.compile(
                rb"(?i:orization)[\"']?[ ]{0,2}[:=,][ ]{0,2}[\"']?"
                rb"(?i:token|apikey|key|digest)?[ ]{0,2}(?:token=)?[\"']?"
                rb"(?P<secret>[\w.~+/-]{16,2048}+={0,2})(?!\w)"
            ),
            lambda match: is_varied(match) and alternates(match["secret"]),
        ),
    ),
    Rule(
        "session cookie",
        frozenset({b"sess", b"_sid", b".sid", b"phps", b"jses", b"csrf", b"xsrf"}),
        find_by(
            re.compile(
                rb"(?i)[a-z_.-]{0,12}(?:sess(?:ion)?[_-]?(?:id|token|key)?|[._]sid|csrf[_-]?token|xsrf-token|remember_(?:me|token))"
                rb"=(?:s%3A)?(?P<secret>[\w%+/.-]{16,1024}+={0,2})"
            ),
            lambda match: is_varied(match) and alternates(match["secret"]),
        ),
    ),
)

_CALL = re.compile(
    rb"(?i)(?:login|auth(?:entication|enticate|orization_basic)?|_bind(?:_s)?|(?<=be)gin|(?<=datab)ase|(?<=cr)ypt|credentials?|(?<=co)nnect(?:ion)?|pdo|sqli_connect|wallet|hmac(?:\.new)?|fernet|totp"
    rb"|jwt\.(?:encode|decode|sign|verify)|(?<=si)gnwith|(?<=cli)ent|(?<=my)sqli|cipher(?:iv)?|aes\.new)(?:_?id)?\s{0,2}=?\s{0,2}\("
)
_ARGUMENT = re.compile(rb"[\"'](?:0x)?(?P<secret>[^\s\"'\\]{8,256})[\"']")
_APP_PASSWORD = re.compile(rb"[a-z]{16}")  # of a mail account; that no words are made of it was asked before
_ORACLE = re.compile(rb"\w{1,40}/(?P<secret>[^/@]{6,64})@")
_MAX_CALL_BYTES = 200


def _find_in_call(scan: Scan, place: int) -> Span | None:
    """The last random string among what is given to `login(...)`, `auth=(...)`, `new PDO(...)`: names come first."""
    call = _CALL.match(scan.text, place)
    if not call:
        return None
    line_end = scan.text.find(b"\n", call.end(), call.end() + _MAX_CALL_BYTES)
    stop = line_end if line_end >= 0 else call.end() + _MAX_CALL_BYTES
    found = None
    for argument in _ARGUMENT.finditer(scan.text, call.end(), stop):
        source = _ORACLE.match(argument["secret"])
        if source and is_chosen(source["secret"]):
            return argument.start("secret") + source.start("secret"), argument.start("secret") + source.end(
                "secret"
            )
        secret = argument["secret"]
        if (
            is_drawn_password(argument)
            and (is_mixed_or_chosen(secret) or _APP_PASSWORD.fullmatch(secret))
            and not HARMLESS_VALUE.search(secret)
        ):
            found = argument.span("secret")
    return found


IN_CALL = "password in a call"
_CALLS = (
    Rule(
        IN_CALL,
        frozenset(
            {
                b"logi",
                b"auth",
                b"cred",
                b"nnec",
                b"pdo(",
                b"sqli",
                b"wall",
                b"hmac",
                b"fern",
                b"totp",
                b"jwt.",
                b"ent(",
                b"gnwi",
                b"ciph",
                b"aes.",
                b"_bin",
                b"gin(",
                b"ase(",
                b"ypt(",
            }
        ),
        _find_in_call,
    ),
)

PLACED = (*_ADDRESSES, *_HEADERS, *_CALLS, *IN_FILES, *COMMANDS)
