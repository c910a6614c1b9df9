"""Secrets known by where they stand: in a URL, a header, a call, a credential file."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chance import alternates, num_changes, num_classes
from effectiveness.corpus.secrets.chosen import is_chosen
from effectiveness.corpus.secrets.commands import COMMANDS
from effectiveness.corpus.secrets.logins import is_drawn_password, is_login, is_password
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_by, is_varied
from effectiveness.corpus.secrets.values import HARMLESS_VALUE


def _is_mixed(secret: bytes) -> bool:
    """Three kinds of characters, or two that change more often than in names."""
    if not alternates(secret) or b"://" in secret or (b"@" in secret[1:-1] and b"." in secret):
        return False
    return num_classes(secret) >= 3 or (num_classes(secret) == 2 and num_changes(secret) >= len(secret) // 4)


def _is_mixed_or_chosen(secret: bytes) -> bool:
    return _is_mixed(secret) or is_chosen(secret)


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
        secret = argument["secret"]
        if (
            is_drawn_password(argument)
            and (_is_mixed_or_chosen(secret) or _APP_PASSWORD.fullmatch(secret))
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

_SOURCE = re.compile(rb"(?:^|[\"'`\s=(])[\w.-]{1,32}:(?P<secret>[^\s:\"'`/@]{5,128})$")
_MAX_BEFORE_BYTES = 160


_LITERAL = re.compile(rb"\"(?P<secret>[^\s\"]{6,128})\"$")


def _find_characters(scan: Scan, place: int) -> Span | None:
    """`"...".toCharArray()`: Java's interfaces take no other literal so than a password."""
    if scan.text[place : place + 14] != b".toCharArray()":
        return None
    match = _LITERAL.search(scan.text, max(0, place - _MAX_BEFORE_BYTES), place)
    return match.span("secret") if match and is_drawn_password(match) else None


def _find_in_source(scan: Scan, place: int) -> Span | None:
    if scan.text[place : place + 1] != b"@":
        return None
    match = _SOURCE.search(scan.text, max(0, place - _MAX_BEFORE_BYTES), place)
    return match.span("secret") if match and is_password(match) else None


_OTHERS = (
    Rule(
        "Azure storage key",
        frozenset({b"key="}),
        find_by(re.compile(rb"(?i:(?<=account)key=)(?P<secret>[A-Za-z0-9+/]{84,88}==)")),
    ),
    Rule(
        "Azure access key",
        frozenset({b"key="}),
        find_by(re.compile(rb"(?i:(?<=access)key=)(?P<secret>[A-Za-z0-9+/]{43}=)")),
    ),
    Rule(
        "AWS secret key",
        frozenset({b"AKIA", b"ASIA"}),
        find_by(re.compile(rb"A[KS]IA[A-Z0-9]{16}[^\w+/=]{1,16}(?P<secret>[A-Za-z0-9+/]{40})(?![\w+/=])")),
    ),
    Rule(
        "password hash",
        frozenset(
            {b"$2a$", b"$2b$", b"$2y$", b"$apr", b"$6$", b"$5$", b"$y$", b"$1$", b"{SHA", b"{SSH", b"$arg"}
        ),
        find_by(
            re.compile(
                rb"(?<=[\w.@-]:)(?P<secret>\$(?:2[aby]\$[0-9]{2}\$[\w./]{53}|(?:apr1|[156y])\$[\w./=$]{8,160}"
                rb"|argon2id?\$[\w$=,+/]{40,200})|\{S?SHA[0-9]{0,3}\}[A-Za-z0-9+/]{24,120}={0,2})"
            )
        ),
    ),
    Rule(
        "password hash",
        frozenset({b"$1$", b"$5$", b"$6$", b"$8$", b"$9$"}),
        find_by(re.compile(rb"(?<= [0-9] )(?P<secret>\$[15689]\$[\w./$]{16,120})")),
    ),
    Rule(
        "password file",
        frozenset({b":543", b":330", b":*:*", b":*:"}),
        find_by(
            re.compile(
                rb":(?:5432|5433|3306|\*):[\w*.-]{1,64}:[\w*.@-]{1,64}:(?P<secret>[^\s:'\"]{6,256}+)$",
                re.MULTILINE,
            ),
            is_drawn_password,
        ),
    ),
    Rule(  # `root:...@tcp(127.0.0.1:3306)/shop`, a source that Go's drivers take
        "password in a URL",
        frozenset({b"@tcp", b"@uni"}),
        _find_in_source,
    ),
    Rule(  # before it is encoded
        "basic authorization",
        frozenset({b"btoa", b"er.f", b"64en"}),
        find_by(
            re.compile(
                rb"(?:btoa|(?<=Buff)er\.from|64encode)\(b?[\"'][\w.@+-]{1,64}:(?P<secret>[^\s\"']{6,128})[\"']"
            ),
            is_drawn_password,
        ),
    ),
    Rule("characters of a password", frozenset({b".toc"}), _find_characters),
    Rule(
        "password file",
        frozenset({b"oot:"}),
        find_by(
            re.compile(rb"(?<=r)oot:(?P<secret>[^\s:'\"$/]{8,64}+)[ \t]*$", re.MULTILINE),
            is_drawn_password,
        ),
    ),
    Rule(
        "password file",
        frozenset({b'" * '}),
        find_by(re.compile(rb"\" \* \"(?P<secret>[^\"\n]{6,64})\""), is_drawn_password),
    ),
    Rule(
        "password file",
        frozenset({b":587", b":465"}),
        find_by(
            re.compile(rb":(?:587|465)\]?[ \t]{1,8}[\w.@+-]{1,64}:(?P<secret>[^\s:]{6,64}+)$", re.MULTILINE),
            is_drawn_password,
        ),
    ),
    Rule(
        "password file",
        frozenset({b"$USE"}),
        find_by(re.compile(rb"\$USER[0-9]{1,3}\$=(?P<secret>[^\s]{6,64}+)"), is_drawn_password),
    ),
    Rule(
        "password in SQL",
        frozenset({b"fied"}),
        find_by(
            re.compile(rb"(?i)(?<=identi)fied by (?P<secret>[A-Za-z0-9][^\s'\"`;,]{7,64})(?=[ \t]*(?:;|$|\b[A-Za-z_]{2}))"),
            is_drawn_password,
        ),
    ),
    Rule(
        "login and password",
        frozenset({b"logi", b"cred", b"zuga"}),
        find_by(
            re.compile(
                rb"(?i)(?:log(?:in|on)|credentials?|zugang(?:sdaten)?)\b[^\n]{0,32}?[ :][\w.@+-]{2,40}"
                rb"(?:[ ]?/[ ]?|:|[ ]\|[ ])[`\"']?(?P<secret>[^\s\"'`<>(){}\[\],;/]{8,40})(?=[\s,;)\"'`]|$)"
            ),
            lambda match: is_drawn_password(match) and _is_mixed_or_chosen(match["secret"]),
        ),
    ),
    Rule(
        "key file",
        frozenset({b"cret"}),
        find_by(re.compile(rb"(?<=se)cret key[^\n]{0,40}\r?\n(?P<secret>[A-Za-z0-9+/=_-]{40,400}+)(?=\s|$)")),
    ),
    Rule(
        "Bundler login",
        frozenset({b"BUND"}),
        find_by(re.compile(rb"BUNDLE_[A-Z0-9_]{3,64}(?:=|:[ ])[\"']?(?P<secret>\w{4,64}:\w{4,64})")),
    ),
    Rule(
        "Conda token",
        frozenset({b"/t/"}),
        find_by(re.compile(rb"/t/(?P<secret>[a-z]{2}-[0-9a-f-]{32,64})/")),
    ),
    Rule(
        "ipsec secret",
        frozenset({b": PS"}),
        find_by(re.compile(rb": PSK \"(?P<secret>[^\"\n]{6,256})\""), is_drawn_password),
    ),
)


PLACED = (*_ADDRESSES, *_HEADERS, *_CALLS, *_OTHERS, *COMMANDS)
