"""Values given to a name that tells of a secret: `db_password = "..."`, `<apiKey>...</apiKey>`, `- name: TOKEN, value: ...`.

Three steps: is the name one (`api_key`, not `key`; not `token_url`), what stands between it and a value, and can the
value be a secret - drawn, not written, and none of what names, paths, templates and checksums look like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from corpus.secrets.chance import alternates, is_hex, is_unlike_words, is_written, num_changes, num_classes
from corpus.secrets.placed import is_login
from corpus.secrets.rules import Find, Rule, Scan, Span, is_placeholder

ASSIGNED = "literal assigned to a secret name"

# ---------------------------------------------------------------- names

# Every row: the anchors, with commas between, and the expression of the word that begins there. Words in other languages: German, Spanish,
# Portuguese, French, Dutch, Polish, Italian, Swedish, Finnish, Turkish, Czech, Hungarian, Danish, Chinese, Japanese, Russian.
_PASSWORD_WORDS = (
    ("pass", rb"pass(?:wor[dt]|wd|wort|phrase|code|key|ord|e)?"),
    ("pwd", rb"pwd"),
    ("ied ", rb"(?<=identif)ied(?: with \w{1,32})? by"),
    ("pw=,pw:,pw\",pw'", rb"pw"),
    ("psk", rb"psk"),
    ("kenn,gehe", rb"kennwort|geheim(?:nis)?"),
    ("rase,clav,senh", rb"(?<=cont)rase(?:n|\xc3\xb1|\xc3\x91)a|clave|senha"),
    ("mdp,mot_,motd", rb"mdp|mot_?de_?passe"),
    ("wach,hasl,has\u0142,paro", rb"wachtwoord|has(?:l|\xc5\x82)o|parola?"),
    ("enor,sala,sifr,\u015fif,hesl", rb"(?<=[o\xb6]s)enord|salasana|(?:s|\xc5\x9f)ifre|heslo"),
    ("jels,adga", rb"jelsz(?:o|\xc3\xb3)|adgangskode"),
    ("\u5bc6,\u30d1,\u043f\u0430", "\u5bc6\u7801|\u30d1\u30b9\u30ef\u30fc\u30c9|\u043f\u0430\u0440\u043e\u043b\u044c".encode()),
)
_MATERIAL_WORDS = (
    ("secr", rb"secret"),
    ("toke", rb"token"),
    ("ysto", rb"(?<=ke)ystore"),
    ("key", rb"key"),
    ("p12,pfx", rb"p12|pfx"),
    ("cred", rb"credential|cred"),
    ("auth", rb"auth"),
    ("salt,pepp", rb"salt|pepper"),
    ("mnem,seed", rb"mnemonic|seed"),
    ("wif", rb"wif"),
)
_END_OF_WORD = rb"s?+(?:(?<=[a-z])(?![a-z])|(?<=[A-Z])(?![A-Za-z])|(?<=[\x80-\xff])|(?<=[0-9])(?![A-Za-z0-9]))"  # not `tokenizer`, not `PASSIVE`
KEY_OWNERS = tuple(
    b"access account admin aes api app auth bot client consumer crypt decrypt decryption deploy deployer des ecdsa ed25519 "
    b"encrypt encryption enc hmac host jwt license licence machine maps master mnemonic owner private priv rsa secret "
    b"security server service session shared sign signer signing ssh ssl storage store subscription tls validation "
    b"wallet webhook wg write x25519".split()
)
_HARMLESS_STEMS = re.compile(rb"(?i)hash|digest|sha[0-9]|md5|checksum|public|finger|pattern|regex|format|placeholder")
_HARMLESS_WORDS = frozenset(
    b"pub field fields name names path paths file filename url urls uri error errors err msg message messages label title page pages "
    b"cursor next prev continuation primary foreign partition cache sort version count counts length len size type types class "
    b"prompt hint help description column columns index idx id ids max min num number cancellation keyword policy strength expiry "
    b"expires expiration allow header headers prefix suffix param parameter parameters mode kind status state event callback "
    b"handler factory manager provider validator required enabled disabled lookup reset".split()
)
_WORDS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _is_harmless_name(name: bytes) -> bool:
    """`token_url`, `PasswordField`; not `account_password`, though it holds `count`."""
    if _HARMLESS_STEMS.search(name):
        return True
    return any(word.lower() in _HARMLESS_WORDS for word in _WORDS.findall(name))


_HEAD_BYTES = 32
_OWNER_BYTES = 16
_NOT_OF_NAME = re.compile(rb"[^\w.-]")


# ---------------------------------------------------------------- what may stand between a name and its value

_QUOTE = rb"\\{0,3}(?P<quote>\"\"\"|'''|[\"'`])"
_WRAPPER = rb"(?:[A-Za-z_\[\]:.]{1,24}+\()?+(?:(?:[rRbBuUfFnNL]{1,2}|[@$]{1,2})(?=\\?[\"'`]))?+"
_TYPE = (
    rb"(?:(?::[ \t]{0,2}|[ \t]{1,4})[&*]?+(?:'static )?+[A-Za-z][\w.<>&\[\]?]{0,30}+[ \t]{1,4}(?==)"
    rb"|[ ]\{ ?get;[^{}\n]{0,30}\}[ ]|[ ]As[ ]\w{1,20}(?=[ ]=))?+"
)
_OPERATOR = rb"[ \t]{0,16}+(?:=>|:=|\?=|==|!=|<-|:-|\|\|=|[=:])"
_BETWEEN = re.compile(
    rb"(?P<rest>[\w.-]{0,40}+)(?:\\{0,3}[\"'`])?+(?:\]|\[[\w]{0,12}\])?+\)?+(?:"
    rb"(?P<assigned>" + _TYPE + _OPERATOR + rb"(?:[ \t]{0,4}\(?\s{0,40}(?=[\"'`]))?+[ \t]{0,16}+"
    rb"(?:[|>][+-]?[0-9]?[ \t]{0,4}\r?\n[ \t]{1,24})?+)"
    rb"|(?P<paired>(?:[\"']?[ ][\w-]{1,20}=[\"'][^\"'<>\n]{0,40}){0,3}[\"']?,?\s{0,24}(?:- )?\\?[\"']?(?:value|content|default|val|text|secret)\\?[\"']?\s{0,4}[:=]\s{0,4}"
    rb"|\s{0,4}\{[^{}]{0,240}?\bdefault\s{0,12}=\s{0,4})"
    rb"|(?P<given>(?:,\s{0,40}|\(\s{0,8}|\{[ ]?|[ ]{0,4}(?:\|\||\?\?|or|\{|unless|else)[ ]{1,4})(?=\w{0,2}\\?[\"'`]|[\w:.\[\]]{1,24}\())"
    rb"|(?P<element>(?:[\"']?(?:[ ][^<>\n]{0,80})?>|</key>)\s{0,40}(?:<(?:string|value|data)>)?)"
    rb"|(?P<spaced>[ \t]{1,16}(?:is[ ]|was[ ]|[0-9]{1,2}[ ])?|[ ]{0,2}\|[ ]{0,8})"
    rb")" + _WRAPPER + rb"(?:" + _QUOTE + rb")?+"
)
_BARE = re.compile(rb"[^\s\"'`<>(){}\[\],;|]*+")
_BARE_OF_QUERY = re.compile(rb"[^\s\"'`<>(){}\[\],;|&]*+")
_OF_ELEMENT = re.compile(rb"[^<\n]*+")
_LONG_QUOTED = re.compile(rb"[^\"'`\n]{8}")
_LONG_BARE = re.compile(rb"[^\s\"'`<>(){}\[\],;|]{8}|[a-z]{3,8} [a-z]")
_NEXT_PART = re.compile(rb"[ \t]{0,8}(?:[+.&]|\.\.|\\)?\s{0,40}(?:[+.&]\s{0,8})?[bru]?(?P<quote>[\"'])")
_MAX_PARTS = 64
_OPERATORS = ("assigned", "given", "element", "paired", "spaced")
_VERBS = frozenset((b"pass", b"auth", b"cred", b"creds", b"salt", b"seed"))  # `passValue`, `authHandler`
_VERBAL_REST = re.compile(rb"(?:[_-]?(?i:key|token|value|code)|[_-]\w*|[0-9])?$")
_SHORT_STEMS = frozenset((b"pw", b"auth", b"wif", b"seed", b"salt", b"cred", b"mdp", b"psk", b"parol", b"parola"))


@dataclass(frozen=True, slots=True)
class Name:
    """What is known of a name and of the way to its value."""

    is_password: bool
    stem: bytes
    rest: bytes
    operator: str  # assigned, given, element, paired or spaced
    quote: bytes | None
    before: bytes  # what stands before the stem

    @property
    def head(self) -> bytes:
        return _NOT_OF_NAME.split(self.before)[-1]


def _given_value(
    scan: Scan, place: int, stem: bytes, between: re.Match[bytes], *, is_password: bool
) -> Span | None:
    text = scan.text
    long_enough = _LONG_QUOTED if between["quote"] else _LONG_BARE
    if not long_enough.match(text, between.end()):
        return None
    if stem in _VERBS and not _VERBAL_REST.match(between["rest"]):
        return None
    before = text[max(0, place - _HEAD_BYTES) : place]
    operator = next(kind for kind in _OPERATORS if between[kind] is not None)
    name = Name(is_password, stem, between["rest"], operator, between["quote"], before)
    if operator == "spaced" and between["rest"].endswith(b"."):  # the end of a sentence
        return None
    if stem == b"pass" and operator in ("given", "spaced") and not name.head.startswith(b"-"):  # `should_pass("...")`
        return None
    span = _value_span(scan, between, name)
    if span is None or not _is_secret(text[span[0] : min(span[1], span[0] + _BYTES_LOOKED_AT)], name, text[span[1] : span[1] + 1]):
        return None
    if _is_harmless_name(name.head + b"_" + between["rest"]):
        return None
    return _with_next_parts(text, span) if name.quote else span


def _find_value_of(word: re.Pattern[bytes], *, is_password: bool) -> Find:
    def find(scan: Scan, place: int) -> Span | None:
        text = scan.text
        stem = word.match(text, place)
        if not stem or place < scan.named_until:
            return None
        stem_text = stem[0].lower()
        if not _can_tell(text[max(0, place - _OWNER_BYTES) : place], stem_text):
            return None
        between = _BETWEEN.match(text, stem.end())
        span = _given_value(scan, place, stem_text, between, is_password=is_password) if between else None
        if span is None and text[stem.end() : stem.end() + 3].strip(b" `\"'")[:1] in _DELIMITERS:
            span = _in_column(scan, place, is_password=is_password)
        if span:
            scan.named_until = span[1]
        return span

    return find


_DELIMITERS = (b",", b";", b"|", b"\t", b")", b"\n", b"\r")
_HEADER = re.compile(rb"[\w \"'`-]{0,60}(?:[,;|\t][\w \"'`-]{1,60}){1,24}\|?\r?\n")
_RULER = re.compile(rb"[|: -]+\r?\n")
_INSERT = re.compile(rb"[\w,\s`\"]{0,400}\)\s{0,40}(?i:values)\s{0,40}\(")
_MAX_HEADER_BYTES = 400


def _in_column(scan: Scan, place: int, *, is_password: bool) -> Span | None:
    """The value below the name in a table, or at its place in `INSERT INTO t (...) VALUES (...)`."""
    text = scan.text
    start = max(text.rfind(b"\n", max(0, place - _MAX_HEADER_BYTES), place), text.rfind(b"(", max(0, place - _MAX_HEADER_BYTES), place)) + 1
    insert = _INSERT.match(text, place) if text[start - 1 : start] == b"(" else None
    header = None if insert else _HEADER.match(text, start)
    if not insert and not header:
        return None
    row_start = (insert or header).end()
    ruler = None if insert else _RULER.match(text, row_start)
    row_start = ruler.end() if ruler else row_start
    row = text[row_start : min(row_start + _MAX_HEADER_BYTES, _line_end(text, row_start))]
    delimiter = b"," if insert else re.search(rb"[,;|\t]", header[0])[0]
    number = text.count(delimiter, start, place)
    cells = row.split(delimiter)
    if number >= len(cells):
        return None
    cell = cells[number]
    cell_start = row_start + sum(len(before) + 1 for before in cells[:number])
    value = cell.strip(b" \"'`)\r")
    if not (_is_material(value) or (is_password and _is_password(value))) or is_written(value) or is_placeholder(value) or HARMLESS_VALUE.search(value):
        return None
    value_start = cell_start + cell.index(value)
    return value_start, value_start + len(value)


def _line_end(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end


def _can_tell(head: bytes, stem: bytes) -> bool:
    """`api_key`, not `key`; `adminPw` and `pw`, not `gpw`."""
    if stem in (b"key", b"keys"):
        return head.rstrip(b"_-.").lower().endswith(KEY_OWNERS)
    return not (stem in _SHORT_STEMS and head[-1:].isalpha())


def _value_span(scan: Scan, between: re.Match[bytes], name: Name) -> Span | None:
    text, start = scan.text, between.end()
    if _is_phrase(name):
        words = _MNEMONIC.match(text, start)
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


def _is_phrase(name: Name) -> bool:
    return name.stem in (b"mnemonic", b"seed") or b"phrase" in name.stem


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
        if not part or not alternates(text[part[0] : min(part[1], part[0] + _BYTES_LOOKED_AT)]) or part[1] - part[0] < 8:
            break
        end = part[1]
    return start, end


# ---------------------------------------------------------------- values

HARMLESS_VALUE = re.compile(
    b"(?i)"
    + b"|".join(
        (
            rb"^\$|^<|\{[^{}]*\}|%\([a-z_]+\)|%s(?![A-Za-z0-9])|\[-?[0-9]+\]",  # a variable, a template
            rb"passw|secret|token|your|sample|dummy|change.?me|placeholder",  # words of documentation
            rb"[01]23456|abcdef|00010203|deadbeef|qwerty|\.\.\.",  # typed, not drawn
            rb"^[a-z][a-z0-9+.-]{1,20}://|^urn:|^[.~]{1,2}/|^\.[a-z]+$|^/(?-i:[a-z_]+(?:/|$))|(?-i:^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$)",  # an address, a path
            rb"^[0-9]{4}-[0-9]{2}-[0-9]{2}T|^0x[0-9a-f]{0,16}$",  # a time, a number
            rb"(?-i:[a-z_-]Key|[_-]key|HMAC|SHA[0-9]|AES[0-9]|PBKDF|MD5)",  # the name of a key or an algorithm
        )
    )
)
_MIN_PASSWORD_BYTES = 8
_MIN_SECRET_BYTES = 16
_MIN_HEX_BYTES = 24
_ATTRIBUTES = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_UUID = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MNEMONIC = re.compile(rb"(?:[a-z]{3,8}[ ]){11,23}[a-z]{3,8}")
_BYTES_LOOKED_AT = 192
_HAS_DIGIT, _HAS_LETTER = re.compile(rb"[0-9]"), re.compile(rb"[A-Za-z]")
_PLAIN_WORD = re.compile(rb"[A-Za-z][a-z]{2,}")
_ESCAPE = re.compile(rb"\\+(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[a-z0-9])|\\+")


def _is_secret(value: bytes, name: Name, behind: bytes) -> bool:
    """The cheap questions first: most names are given no value that could be one."""
    value = value.removeprefix(b"base64:")
    if _is_phrase(name) and _MNEMONIC.fullmatch(value):
        return True
    if b"\\" in value:
        value = _ESCAPE.sub(b" ", value).strip()
    if len(value) < _MIN_PASSWORD_BYTES or (name.quote is None and not _is_bare_secret(value, name, behind)):
        return False
    if name.stem == b"auth" and is_login(value):
        return True
    if b" " in value:
        can_be = name.is_password and name.quote is not None and _is_spaced_password(value)
    elif name.operator == "spaced":
        can_be = _is_spaced_value(value, name)
    else:
        can_be = _is_material(value) or (name.is_password and _is_password(value))
    return can_be and not (is_written(value) or is_placeholder(value) or HARMLESS_VALUE.search(value) or _is_attribute(value))


def _is_attribute(value: bytes) -> bool:
    """`settings.DB_PASSWORD_2`, not `x.Q7vK2m`."""
    return _ATTRIBUTES.fullmatch(value) is not None and num_changes(value) < len(value) // 4


def _is_material(value: bytes) -> bool:
    """Long enough, drawn, and not a short checksum or words in camel case."""
    value = value.removeprefix(b"0x")
    if len(value) < (_MIN_HEX_BYTES if is_hex(value) else _MIN_SECRET_BYTES):
        return False
    if not _HAS_DIGIT.search(value):
        return is_unlike_words(value) and num_changes(value) >= len(value) // 4
    return _HAS_LETTER.search(value) is not None and alternates(value)


def _is_password(value: bytes) -> bool:
    """Digits among letters, or three kinds of characters; of letters only what no words are made of."""
    if len(value) < _MIN_PASSWORD_BYTES or not _HAS_LETTER.search(value):
        return False
    if _HAS_DIGIT.search(value) or num_classes(value) > 2:
        return alternates(value)
    return is_unlike_words(value)


def _is_spaced_password(value: bytes) -> bool:
    parts = value.split()
    if len(parts) > 5 or any(_PLAIN_WORD.fullmatch(part) and not is_unlike_words(part) for part in parts):
        return False
    return any(len(part) > 4 and alternates(part) and _HAS_DIGIT.search(part) for part in parts)


def _is_bare_secret(value: bytes, name: Name, behind: bytes) -> bool:
    """Without quotes only in settings: `KEY=value`, `key: value`; neither a call nor an index, nor `--- PASS: TestX`."""
    if behind in (b"(", b"[", b"{") or (name.stem == b"pass" and name.before.endswith(b"--- ")):
        return False
    return name.operator == "element" or not value.startswith((b"=", b"*", b"&"))


def _is_spaced_value(value: bytes, name: Name) -> bool:
    """Behind a name and a space: `--password x`, `ENV API_KEY x`, `password x` of .netrc, `PASSWORD 'x'` of SQL."""
    if name.quote is None and not (name.stem[:3] != b"ied" and len(value) >= 10 and num_classes(value) >= 2 and alternates(value)):
        return False
    return _is_material(value) or (name.is_password and _is_password(value) and num_classes(value) >= 2)


def _rules(words: tuple[tuple[str, bytes], ...], *, is_password: bool) -> list[Rule]:
    found = []
    for anchors, word in words:
        find = _find_value_of(re.compile(rb"(?i:" + word + rb")" + _END_OF_WORD), is_password=is_password)
        names = frozenset(anchor.encode() for anchor in anchors.split(","))
        found.append(Rule(ASSIGNED, names, find, goes_on=anchors == "key"))  # `key` alone tells nothing
    return found


NAMED = (*_rules(_PASSWORD_WORDS, is_password=True), *_rules(_MATERIAL_WORDS, is_password=False))
