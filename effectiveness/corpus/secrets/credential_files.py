"""Secrets in the files that tools keep them in: password files, key files, sources of databases, SQL."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.logins import is_drawn_password, is_mixed_or_chosen, is_password
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_by

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


IN_FILES = (
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
            re.compile(
                rb"(?i)(?<=identi)fied by (?P<secret>[A-Za-z0-9][^\s'\"`;,]{7,64})(?=[ \t]*(?:;|$|\b[A-Za-z_]{2}))"
            ),
            is_drawn_password,
        ),
    ),
    Rule(
        "login and password",
        frozenset({b"logi", b"cred", b"zuga", b"auth"}),
        find_by(
            re.compile(
                rb"(?i)(?:(?:log(?:in|on)|credentials?|zugang(?:sdaten)?)\b[^\n]{0,32}?[ :]|auth[\"']?[ =:]{1,4}[\"']?)"
                rb"[\w.@+-]{2,40}(?:[ ]?/[ ]?|:|[ ]\|[ ])[`\"']?(?P<secret>[^\s\"'`<>(){}\[\],;/]{8,40})"
                rb"(?=[\s,;)\"'`]|$)"
            ),
            lambda match: is_drawn_password(match) and is_mixed_or_chosen(match["secret"]),
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
