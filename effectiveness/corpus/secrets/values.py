"""Whether a value given to a telling name can be a secret: drawn, not written, and none of what names, paths, templates
and checksums look like. A value of a password may be short; key material is long.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from effectiveness.corpus.secrets.chance import (
    alternates,
    holds_word,
    is_by_chance,
    is_drawn,
    is_hex,
    is_rarely_a_word,
    is_unlike_words,
    is_written,
    num_changes,
    num_classes,
)
from effectiveness.corpus.secrets.rules import MIN_DISTINCT, is_of_documentation, is_placeholder
from effectiveness.corpus.secrets.words import SYMBOLS, is_chosen, is_chosen_if_named, is_chosen_phrase

_NOT_OF_NAME = re.compile(rb"[^\w.-]")


@dataclass(frozen=True, slots=True)
class Name:
    """What is known of a name and of the way to its value."""

    is_password: bool
    stem: bytes
    rest: bytes
    operator: str  # assigned, given, element, paired or spaced
    quote: bytes | None
    before: bytes  # what stands before the stem
    is_of_code: bool = False  # whether what stands there without quotes may be a name: `x = y`, `f(y)`

    @property
    def head(self) -> bytes:
        return _NOT_OF_NAME.split(self.before)[-1]


HARMLESS_VALUE = re.compile(
    b"(?i)"
    + b"|".join(
        (
            rb"^\$(?:[({A-Za-z_]\w|$)|^<|\{[^{}]*\}|%\([a-z_]+\)|%s(?![A-Za-z0-9])|\[-?[0-9]+\]",  # a template
            rb"passw(?![0o]r[dt]e?[\W_]?(?!1234)[0-9]{3})|secret|token|your|sample|dummy|change.?me",
            rb"placeholder|qwert[yz](?:uiop)?(?:123\w{0,6}|[0-9]{0,2})[!.]?$",  # words of documentation
            rb"[01]23456|abcdef|00010203|deadbeef|\.\.\.",  # typed, not drawn
            rb"^[a-z][a-z0-9+.-]{1,20}://|^urn:|^[.~]{1,2}/|^\.[a-z]+$|^/(?-i:[a-z_]+(?:/|$))",  # an address, a path
            rb"(?-i:^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$)",  # a constant
            rb"^[0-9]{4}-[0-9]{2}-[0-9]{2}T|^[0-9a-f]{0,4}::|^0x[0-9a-f_.]{0,16}(?:p[-+]?[0-9_]+)?$",  # time, number
            rb"^pk_(?:live|test)_|\+[0-9a-f]{8}\+[A-Z]",  # a key to publish
            rb"^-----BEGIN|(?-i:a-z|A-Z)",  # what `keys` looks at; an alphabet
            rb"(?-i:[a-z_-]Key|[_-]key|HMAC|SHA[0-9]|AES[0-9]|PBKDF|MD5)",  # the name of a key or an algorithm
        )
    )
)
_MIN_PASSWORD_BYTES = 8
_MIN_SECRET_BYTES = 16
_MIN_SHORT_SECRET_BYTES = 10
_MIN_NOISE_BYTES = 32
_TYPED = re.compile(
    rb"(?:[A-Z][a-z]{2,12}){1,4}[0-9]{2,8}[.]?|(?=[^0-9]*[0-9][^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])(?=[^!#$*@%^&?]*[!#$*@%^&?])[A-Za-z0-9!#$*@%^&?_.+=-]{8,40}"
)
_NUMBER, _APP_PASSWORD = re.compile(rb"[0-9]{10,40}"), re.compile(rb"[a-z]{16}")
_SYMBOL = re.compile(rb"[^A-Za-z0-9]")
_MIN_HEX_BYTES = 24
_ATTRIBUTES = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MNEMONIC = re.compile(rb"(?:[a-z]{3,8}[ ]){11,23}[a-z]{3,8}")
BYTES_LOOKED_AT = 192
_CONSTANT = re.compile(rb"[A-Z][A-Z0-9_]*")
_TWO_DIGITS = re.compile(rb"[0-9][^0-9]{0,16}[0-9]")
_HAS_DIGIT, _HAS_LETTER = re.compile(rb"[0-9]"), re.compile(rb"[A-Za-z]")
_PLAIN_WORD = re.compile(rb"[A-Za-z][a-z]{2,}")
_ESCAPE = re.compile(rb"\\+(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[a-z0-9])|\\+")


def is_secret(value: bytes, name: Name, behind: bytes) -> bool:
    """The cheap questions first: most names are given no value that could be one."""
    value = value.removeprefix(b"base64:")
    if is_phrase(name.stem) and MNEMONIC.fullmatch(value):
        return True
    if b"\\" in value:
        value = _ESCAPE.sub(b" ", value).strip()
    if len(value) < _MIN_PASSWORD_BYTES or (name.quote is None and not _is_bare_secret(value, name, behind)):
        return False
    if len(set(value)) < MIN_DISTINCT or value.startswith(b"-----"):
        return False
    if name.stem == b"auth" and is_login(value):
        return True
    if is_noise(value):
        return not is_placeholder(value)
    if _is_made_up(value, name):
        return not (is_of_documentation(value) or HARMLESS_VALUE.search(value))
    return _can_be_drawn(value, name) and not (
        (is_written(value) and not is_by_chance(value))
        or is_placeholder(value)
        or HARMLESS_VALUE.search(value)
        or _is_attribute(value)
    )


def _can_be_drawn(value: bytes, name: Name) -> bool:
    """Whether chance may have made it, as a password or as key material, whichever the name says."""
    if b" " in value:
        return name.is_password and name.quote is not None and _is_spaced_password(value)
    if name.is_password and name.quote is not None and is_number_of_chance(value):
        return True
    if name.operator == "spaced":
        return _is_spaced_value(value, name)
    if name.stem == b"secret" and is_hex(value) and len(value) >= _MIN_SECRET_BYTES:
        return alternates(value)
    return is_material(value) or is_short_material(value) or (name.is_password and is_password(value))


def is_typed(value: bytes) -> bool:
    """Words, two digits and a symbol, as people make passwords: `TigerMaple48!`; or words, then digits."""
    return _TYPED.fullmatch(value) is not None


def _is_made_up(value: bytes, name: Name) -> bool:
    """A password of words: behind a bare space only what has a digit, and what is no name of code."""
    if name.operator == "spaced" and name.stem.startswith(b"passe"):  # the verb of French
        return False
    if name.is_of_code and _ATTRIBUTES.fullmatch(value):
        return False
    if not (
        name.is_password or name.stem == b"secret"
    ):  # a token or a key, if clearly given, with two digits
        is_clear = name.operator in ("assigned", "paired", "given", "element") and not name.is_of_code
        is_member = name.operator == "given" and name.rest.startswith(b".")  # `token.FLOAT, "0x1p-2"`
        if not is_clear or is_member or is_hex(value) or _CONSTANT.fullmatch(value):
            return False
        return _TWO_DIGITS.search(value) is not None and (is_chosen(value) or is_chosen_if_named(value))
    if is_typed(value) or is_chosen(value):
        return True
    is_spoken = name.quote is None and name.operator in ("spaced", "told")
    if (is_spoken or (name.is_of_code and b"-" not in value)) and not _HAS_DIGIT.search(value):
        return False
    return is_chosen_phrase(value) or is_chosen_if_named(value)


def is_short_material(value: bytes) -> bool:
    """Shorter than a key is, but of all three classes, which change as often as in what was drawn."""
    return (
        _MIN_SHORT_SECRET_BYTES <= len(value) < _MIN_SECRET_BYTES
        and (num_classes(value) >= 3 or is_by_chance(value))
        and num_changes(value) >= len(value) // 4
        and (_HAS_DIGIT.search(value) is not None or is_unlike_words(value))
    )


def is_drawn_key(value: bytes) -> bool:
    """A key of whose owner nothing is known: no words, no number, no checksum."""
    return is_noise(value) or (
        len(value) >= _MIN_SECRET_BYTES
        and not is_hex(value)
        and is_by_chance(value)
        and num_classes(value) >= 2
    )


def is_noise(value: bytes) -> bool:
    """Letters, digits and many symbols in a long row, as WordPress draws its salts: code and prose hold words."""
    return (
        len(value) >= _MIN_NOISE_BYTES
        and len(_SYMBOL.findall(value)) >= len(value) // 8
        and (num_classes(value) == 4 or len(SYMBOLS.findall(value)) >= len(value) // 8)
        and num_changes(value) >= len(value) // 4
        and not holds_word(value)
        and b"a-z" not in value
        and b'":' not in value  # of JSON
    )


def _is_attribute(value: bytes) -> bool:
    """`settings.DB_PASSWORD_2`, not `x.Q7vK2m`."""
    return (
        _ATTRIBUTES.fullmatch(value) is not None
        and num_changes(value) < len(value) // 4
        and not is_by_chance(value)
    )


def is_material(value: bytes) -> bool:
    """Long enough, drawn, and not a short checksum or words in camel case."""
    value = value.removeprefix(b"0x")
    if len(value) < (_MIN_HEX_BYTES if is_hex(value) else _MIN_SECRET_BYTES):
        return False
    if not _HAS_DIGIT.search(value):
        is_mixed = num_changes(value) >= len(value) // 8 or is_by_chance(value)
        return is_unlike_words(value) and is_mixed
    return _HAS_LETTER.search(value) is not None and alternates(value)


def is_password(value: bytes) -> bool:
    """Digits among letters, or three kinds of characters; of letters only what no words are made of."""
    if len(value) < _MIN_PASSWORD_BYTES or not _HAS_LETTER.search(value):
        return False
    if _APP_PASSWORD.fullmatch(value):
        return is_rarely_a_word(value)
    if _HAS_DIGIT.search(value) or num_classes(value) > 2:
        return alternates(value)
    return is_unlike_words(value)


def is_number_of_chance(value: bytes) -> bool:
    """Ten digits or more, six different ones at least."""
    return _NUMBER.fullmatch(value) is not None and len(set(value)) >= MIN_DISTINCT


def _is_spaced_password(value: bytes) -> bool:
    parts = value.split()
    if len(parts) > 5 or any(_PLAIN_WORD.fullmatch(part) and not is_unlike_words(part) for part in parts):
        return False
    return any(len(part) > 4 and alternates(part) and _HAS_DIGIT.search(part) for part in parts)


def _is_bare_secret(value: bytes, name: Name, behind: bytes) -> bool:
    """Without quotes only in settings: `KEY=value`, `key: value`; no call, no index, no `--- PASS: TestX`."""
    if behind in (b"(", b"[", b"{") or (name.stem == b"pass" and name.before.endswith(b"--- ")):
        return False
    return name.operator == "element" or not value.startswith((b"=", b"*", b"&"))


def _is_spaced_value(value: bytes, name: Name) -> bool:
    """Behind a name and a space: `--password x`, `ENV API_KEY x`, `password x` of .netrc, `PASSWORD 'x'` of SQL."""
    if name.stem == b"by" and name.quote is None:  # `IDENTIFIED BY x` of SQL, not of prose
        return is_short_material(value) or is_chosen(value)
    if len(value) >= _MIN_SECRET_BYTES and num_classes(value) >= 2 and is_by_chance(value):
        return True
    if name.quote is None and name.is_password and name.head.startswith(b"--") and is_password(value):
        return True
    if name.quote is None and not (len(value) >= 10 and num_classes(value) >= 2 and alternates(value)):
        return False
    if is_material(value) or ((name.quote is None or name.stem == b"key") and is_short_material(value)):
        return True
    return name.is_password and num_classes(value) >= 2 and is_password(value)


def is_phrase(stem: bytes) -> bool:
    return stem in (b"mnemonic", b"seed") or b"phrase" in stem


def can_be_secret(value: bytes, *, is_of_password: bool) -> bool:
    """Of a value of which only the name is known, not what stands between."""
    if is_of_documentation(value) or HARMLESS_VALUE.search(value):
        return False
    if is_of_password and (is_typed(value) or is_chosen(value) or is_chosen_if_named(value)):
        return True
    is_drawn = is_material(value) or (is_of_password and is_password(value))
    return is_drawn and not (is_written(value) or is_placeholder(value))


# ---------------------------------------------------------------- at a place that tells

_BASE32 = re.compile(rb"[A-Z2-7]{16,}")
_VARIABLE = re.compile(rb"^[$<{\[]|^%[sdr(]|\$\{|\$\(|\{\{|^\*+$|%s|\.\.\.")
_URL_PLACEHOLDER = re.compile(
    rb"(?i)[$%][({]?[a-z_]+[)}]?s?|<[^<>]+>|\*+|x+|(?:my|your|the|a|some|db|user|test)?[_-]?"
    rb"(?:pass|passwd|password|passphrase|pw|pwd|secret|token|key|port|[0-9]{1,5})[0-9]?"
)


def is_url_password(value: bytes) -> bool:
    """Anything but a variable and the words documentation uses."""
    return not _URL_PLACEHOLDER.fullmatch(value)


def is_drawn_password(secret: bytes) -> bool:
    """What a person chooses or a program draws, and no variable."""
    if is_of_documentation(secret) or _VARIABLE.search(secret):
        return False
    return (
        is_chosen(secret) or is_chosen_if_named(secret) or (is_drawn(secret) and not is_placeholder(secret))
    )


def is_encoded_text(value: bytes) -> bool:
    """Base64 or base32 of words, as examples give it."""
    if _BASE32.fullmatch(value):
        decoded = base64.b32decode(value[: len(value) // 8 * 8])
        return decoded.isascii() and decoded.decode().isprintable()
    if len(value) % 4 == 1:
        return False
    try:
        decoded = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False
    return decoded.isascii() and decoded.decode().isprintable()


def is_login(value: bytes) -> bool:
    """Base64 of "user:password"."""
    try:
        login = base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return b":" in login and login.isascii() and login.decode("ascii").isprintable()


def is_mixed(secret: bytes) -> bool:
    """Three kinds of characters, or two that change more often than in names."""
    if not alternates(secret) or b"://" in secret or (b"@" in secret[1:-1] and b"." in secret):
        return False
    return num_classes(secret) >= 3 or (num_classes(secret) == 2 and num_changes(secret) >= len(secret) // 4)


def is_mixed_or_chosen(secret: bytes) -> bool:
    return is_mixed(secret) or is_chosen(secret)
