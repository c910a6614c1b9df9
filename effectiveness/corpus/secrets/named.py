"""Values given to a name that tells of a secret: `db_password = "..."`, `<apiKey>...</apiKey>`, `- name: TOKEN`.

Three steps: is the name one (`words`), what stands between it and a value, and can the value be a secret (`values`).
"""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chance import alternates
from effectiveness.corpus.secrets.keys import MAY_BE_BYTES, OF_BYTES, bytes_span
from effectiveness.corpus.secrets.places import DELIMITERS, MAY_BE_HEADER, in_column
from effectiveness.corpus.secrets.rules import Find, Rule, Scan, Span
from effectiveness.corpus.secrets.values import (
    BYTES_LOOKED_AT,
    MNEMONIC,
    Name,
    is_drawn_key,
    is_encoded_text,
    is_material,
    is_phrase,
    is_secret,
)
from effectiveness.corpus.secrets.words import (
    END_OF_WORD,
    KEY_OWNERS,
    MATERIAL_WORDS,
    PASSWORD_WORDS,
    is_harmless_name,
)

ASSIGNED = "literal assigned to a secret name"

_HEAD_BYTES = 32
_LINE_BYTES = 80
_OWNERS = tuple(sorted(KEY_OWNERS))

# ---------------------------------------------------------------- what may stand between a name and its value

_QUOTE = rb"\\{0,3}(?P<quote>\"\"\"|'''|``|\*\*(?=[^*\s]{8,40}\*\*)|[\"'`])"
_WRAPPER = rb"(?:[A-Za-z_\[\]:.]{1,24}+\()?+(?:(?:[rRbBuUfFnNL]{1,2}|[@$]{1,2})(?=\\?[\"'`]))?+"
_TYPE = (
    rb"(?:(?::[ \t]{0,2}|[ \t]{1,4})[&*]?+(?:'static )?+[A-Za-z][\w.<>&\[\]?]{0,30}+[ \t]{1,4}(?==)"
    rb"|[ ]\{ ?get;[^{}\n]{0,30}\}[ ]|[ ]As[ ]\w{1,20}(?=[ ]=))?+"
)
_OPERATOR = rb"[ \t]{0,16}+(?:=>|:=|\?=|==|!=|<-|:-|\|\|=|::(?=[ ])|[=:])"
_NEXT_ELEMENT = rb"</[\w.:-]{1,40}>(?=\s{0,40}<[^<>\n]{0,60}(?i:value|pass|data|string>|td\b|dd\b))"
_OF_SOMETHING = rb"(?:for|of|on|to|at|in)[ ][\w.@/-]{1,48}(?:[ ][\w.@/-]{1,32}){0,2}(?:[ ]is[: ]{1,2}|:[ ])"
_BETWEEN = re.compile(
    rb"(?P<rest>[\w.-]{0,40}+)(?:\\{0,3}[\"'`])?+(?:\]?(?:\[[\w]{0,12}\]|\[:\w{1,32}\]|\[(?P<of>[\"'])[\w.-]{1,32}(?P=of)\]){1,3}|\])?+[)}'\"\]]{0,3}+(?:"
    rb"(?P<below>:[ \t]{0,4}\r?\n\s{1,24}(?:\w{1,16}: [\w-]{1,24}\s{1,24}){1,3}(?i:example|default|value): "
    rb"|[ ]?[:=][ ]?\{\s{0,40}(?:[\"']?\w{1,16}[\"']?\s?[:=]\s?[\"'][\w -]{1,40}[\"'],?\s{0,24}){0,3}"
    rb"[\"']?(?i:value|default|default_?value|example)[\"']?\s{0,4}[:=]\s{0,4})"
    rb"|(?P<assigned>" + _TYPE + _OPERATOR + rb"(?:[ \t]{0,4}[(\[{]?\s{0,40}(?=[bru]?[\"'`]))?+[ \t]{0,16}+"
    rb"(?:\*\*[ ])?(?:(?:\\|[|>][+-]?[0-9]?)[ \t]{0,4}\r?\n[ \t]{1,24})?+)"
    rb"|(?P<paired>(?:[\"']?[ ][\w-]{1,20}=[\"'][^\"'<>\n]{0,40}){0,3}[\"']?,?\s{0,24}(?:- )?"
    rb"\\?[\"']?(?:\w{1,16}:|\w{0,12}(?=Value))?(?:[vV]alue|content|default(?:_value)?|val|text|secret)\\?[\"']?\s{0,4}[:=]\s{0,4}"
    rb"|\s{0,4}\{[^{}]{0,240}?\bdefault\s{0,12}=\s{0,4})"
    rb"|(?P<given>(?:\s{0,4}\.\w{2,20}(?:\(\s{0,8}(?:\|_?\|[ ]?)?+|[ ]?=[ ]?)|[\"']?[ ](?:with|as|to|is)[ ]"
    rb"|,\s{0,4}with:\s{0,4}|,\s{0,40}|\(\s{0,8}|\{[ ]?|[ ]{0,4}(?:\|\||\?\?|or|\{|unless|else)[ ]{1,4})"
    rb"(?=\w{0,2}\\?[\"'`]|[\w:.\[\]]{1,24}\())"
    rb"|(?P<element>(?:[\"']?(?:[ ][^<>\n]{0,80})?>|</(?:key|name)>|" + _NEXT_ELEMENT + rb")\s{0,40}"
    rb"(?:<[^<>\n]{0,40}(?i:value|td|dd)[^<>\n]{0,40}>|<(?i:string|value|data)>)?(?:<!\[CDATA\[)?)"
    rb"|(?P<told>[ ](?:(?:is|was)[ ]?:?[ ]|" + _OF_SOMETHING + rb"))"
    rb"|(?P<spaced>[ ]{0,8}\|[ ]{0,8}|[ \t]{1,16}(?:[0-9]{1,2}[ ]"
    rb"|(?:ascii-text|plain-?text|cleartext|encrypted|hex|ascii|text)[ ]{1,4}|--?[a-z]{2,12}[ =])?)"
    rb")" + _WRAPPER + rb"(?:" + _QUOTE + rb")?+"
)
_BARE = re.compile(rb"(?:[^\s\"'`<>(){}\[\],;|]|(?<=[A-Za-z])<3)*+")
_BARE_OF_QUERY = re.compile(rb"[^\s\"'`<>(){}\[\],;|&]*+")
_OF_ELEMENT = re.compile(rb"[^<\n]*+")
_LONG_QUOTED = re.compile(rb"[^\n]{8}")
_LONG_BARE = re.compile(rb"[^\s\"'`<>(){}\[\],;|]{8}")
_LONG_PHRASE = re.compile(rb"(?:[a-z]{3,8} ){3}")
_LONG = rb"(?:(?(quote)%b|%b)|%b)" % tuple(one.pattern for one in (_LONG_QUOTED, _LONG_BARE, _LONG_PHRASE))
# Of ten telling names in source eight are given nothing of that length: this is asked before anything else.
_MAY_BE_GIVEN = re.compile(
    b"(?>" + _BETWEEN.pattern + b")" + _LONG + b"|" + MAY_BE_HEADER + b"|" + MAY_BE_BYTES
)
_NEXT_PART = re.compile(rb"[ \t]{0,8}(?:[+.&]|\.\.|\\)?\s{0,40}(?:[+.&]\s{0,8})?[bru]?(?P<quote>[\"'])")
_MAX_PARTS = 64
_OPERATORS = ("below", "assigned", "given", "element", "paired", "told", "spaced")
_LOGINS = (b"bind", b"root", b"admin", b"user", b"master")  # `bindpw`, `masterauth`
_KEY = re.compile(
    rb"[0-9a-f]{32,128}|[0-9A-F]{32,128}"
    rb"|(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/_-]{20,256}={0,2}"
)
_PUBLIC_OWNERS = (b"signing", b"gpg", b"pgp")  # `signingkey` of Git
_KEY_ID = re.compile(rb"[0-9A-F]{16}|[0-9A-F]{40}")  # of OpenPGP
_IS_ENVIRONMENT = re.compile(
    rb"(?:env(?:iron)?(?:\[[\"']|\.|:)|env(?:iron)?\(\s?[\"']?|ENV )[A-Z0-9_]{1,24}_$"
)
_VERBS = frozenset((b"pass", b"auth", b"cred", b"creds", b"salt", b"seed"))  # `passValue`, `authHandler`
_VERBAL_REST = re.compile(rb"(?:[_-]?(?i:key|token|value|code)|[_-]\w*|[0-9])?$")
_SHORT_STEMS = frozenset((b"pw", b"auth", b"wif", b"seed", b"salt", b"cred", b"mdp", b"parol", b"parola"))

_NEEDS_HEAD = _SHORT_STEMS | {b"key", b"keys"}


def _given_value(
    scan: Scan, place: int, stem: bytes, between: re.Match[bytes], *, is_password: bool
) -> Span | None:
    text = scan.text
    long_enough = _LONG_QUOTED if between["quote"] else _LONG_BARE
    if not long_enough.match(text, between.end()) and not (
        is_phrase(stem) and _LONG_PHRASE.match(text, between.end())
    ):
        return None
    if stem in _VERBS and not _VERBAL_REST.match(between["rest"]):
        return None
    before = text[max(0, place - _HEAD_BYTES) : place]
    operator = next(kind for kind in _OPERATORS if between[kind] is not None)
    name = Name(
        is_password, stem, between["rest"], operator, between["quote"], before, _is_of_code(text, between)
    )
    if operator == "spaced" and between["rest"].endswith(b"."):  # the end of a sentence
        return None
    if (
        stem == b"pass"
        and not (text[place : place + 4].isupper() and name.head)
        and not _can_pass_be_a_name(name)
    ):
        return None
    span = _value_span(scan, between, name)
    if span is None or not is_secret(
        text[span[0] : min(span[1], span[0] + BYTES_LOOKED_AT)], name, text[span[1] : span[1] + 1]
    ):
        return None
    if stem in (b"key", b"keys") and not _is_key(text, span, name):
        return None
    head = name.head.removesuffix(b"hash_") if stem == b"salt" else name.head
    if (
        is_harmless_name(head + b"_" + between["rest"])
        or text.find(b"arn:", max(0, place - _LINE_BYTES), place) >= 0
    ):
        return None
    return _with_next_parts(text, span) if name.quote else _with_next_items(text, span)


def _is_of_code(text: bytes, between: re.Match[bytes]) -> bool:
    if between["given"] and b"\n" in between["given"]:  # another element of a list
        return True
    return between["quote"] is None and text[between.end() - 2 : between.end()].endswith((b"= ", b"("))


def _is_key(text: bytes, span: Span, name: Name) -> bool:
    """Of `key`: one whose owner is said, or what can be nothing else; no name of another key, no id of one."""
    value = text[slice(*span)]
    if name.before.lower().rstrip(b"_-").endswith(_PUBLIC_OWNERS) and _KEY_ID.fullmatch(value):
        return False
    is_code = not name.quote and text[span[1] : span[1] + 1] in (b",", b")") and not name.rest
    if is_code and name.before[-1:].islower():  # `{hexKey: hexPKCS8Key, ...`
        return False
    is_material = _KEY.fullmatch(value) is not None or is_drawn_key(value)
    return _is_owned(name.before) or (is_material and not is_encoded_text(value.rstrip(b"=")))


def _can_pass_be_a_name(name: Name) -> bool:
    """`--pass x`, `WIFI_PASS "x"`; not `should_pass("x")`, `they pass "x"`."""
    if name.head.startswith(b"-") or name.before.endswith((b" :", b"{:")):  # an option; a key of Clojure
        return True
    return name.operator != "given" and (name.operator != "spaced" or bool(name.head))


def _find_value_of(word: re.Pattern[bytes], *, is_password: bool) -> Find:
    def find(scan: Scan, place: int) -> Span | None:
        text = scan.text
        stem = None if place < scan.named_until else word.match(text, place)
        if not stem or not _MAY_BE_GIVEN.match(text, stem.end()):
            return None
        stem_text = stem[0].lower()
        if stem_text in _NEEDS_HEAD and not _can_tell(text[max(0, place - _LINE_BYTES) : place], stem[0]):
            return None
        between = _BETWEEN.match(text, stem.end())
        span = _given_value(scan, place, stem_text, between, is_password=is_password) if between else None
        if (
            span is None
            and stem_text not in _VERBS
            and text[stem.end() : stem.end() + 3].strip(b" `\"'")[:1] in DELIMITERS
        ):
            can_be_chosen = is_password or stem_text == b"secret"
            span, *scan.further = in_column(scan, place, is_password=can_be_chosen) or (None,)
        if span is None and stem_text in OF_BYTES:
            span = bytes_span(scan, stem.end())
        if span:
            scan.named_until = span[1]
        return span

    return find


def _can_tell(head: bytes, stem: bytes) -> bool:
    """`api_key` and `acmeKey`, not `key` and `monkey`; `adminPw` and `pw`, not `gpw`."""
    if stem.lower() in (b"key", b"keys"):
        return head.endswith(b"_") or (stem[:1] == b"K" and head[-1:].islower()) or _is_owned(head)
    stem = stem.lower()
    return not (stem in _SHORT_STEMS and head[-1:].isalpha()) or head.lower().endswith(_LOGINS)


def _is_owned(head: bytes) -> bool:
    """Whether it is said whose key: `api_key`, `--key`, `os.environ["X_KEY"]`. Of others only what is drawn is one."""
    return (
        head.lower().rstrip(b"_-.").endswith(_OWNERS)
        or head.endswith(b"--")
        or (head.endswith(b"_") and b"env" in head.lower() and _IS_ENVIRONMENT.search(head) is not None)
    )


def _value_span(scan: Scan, between: re.Match[bytes], name: Name) -> Span | None:
    text, start = scan.text, between.end()
    if is_phrase(name.stem):
        words = MNEMONIC.match(text, start)
        if words:
            return words.span()
    if name.quote:
        return _quoted_span(text, start, name.quote)
    if name.operator == "given":
        return None
    if name.operator == "element":
        stretch = _OF_ELEMENT
    elif b"&" in name.before or b"?" in name.before:
        stretch = _BARE_OF_QUERY
    else:
        stretch = _BARE
    end = scan.end_of(stretch, start)
    while end > start and text[end - 1 : end] in (b"\\", b".", b",", b":", b" ", b"\r"):
        end -= 1
    return (start, end) if end > start else None


def _quoted_span(text: bytes, start: int, quote: bytes) -> Span | None:
    end = text.find(quote, start)
    if end < 0:
        return None
    if len(quote) == 1 and quote != b"`" and text.find(b"\n", start, end) >= 0:
        return None
    while end > start and text[end - 1 : end] in (b"\\", b"\n", b"\r"):
        end -= 1
    return (start, end) if end > start else None


def _with_next_parts(text: bytes, span: Span) -> Span:
    """A literal in parts: `"..." + "..."`, or one below the other."""
    start, end = span
    for _ in range(_MAX_PARTS):
        quote = _NEXT_PART.match(text, end + 1)
        part = quote and _quoted_span(text, quote.end(), quote["quote"])
        if (
            not part
            or not alternates(text[part[0] : min(part[1], part[0] + BYTES_LOOKED_AT)])
            or part[1] - part[0] < 8
        ):
            break
        end = part[1]
    return start, end


def _with_next_items(text: bytes, span: Span) -> Span:
    """A list of keys without quotes: `APP_KEYS=one,other`."""
    start, end = span
    for _ in range(_MAX_PARTS):
        item = _BARE.match(text, end + 1, end + 1 + BYTES_LOOKED_AT) if text[end : end + 1] == b"," else None
        if not item or not is_material(item[0]):
            break
        end = item.end()
    return start, end


def _rules(words: tuple[tuple[str, bytes], ...], *, is_password: bool) -> list[Rule]:
    found = []
    for anchors, word in words:
        find = _find_value_of(re.compile(rb"(?i:" + word + rb")" + END_OF_WORD), is_password=is_password)
        names = frozenset(anchor.encode() for anchor in anchors.split(","))
        found.append(Rule(ASSIGNED, names, find, goes_on=anchors == "key"))  # `key` alone tells nothing
    return found


NAMED = (*_rules(PASSWORD_WORDS, is_password=True), *_rules(MATERIAL_WORDS, is_password=False))
