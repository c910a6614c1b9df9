"""Whether a value given to a telling name can be a secret: drawn, not written, and none of what names, paths, templates
and checksums look like. A value of a password may be short; key material is long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from effectiveness.corpus.secrets.chance import (
    alternates,
    is_hex,
    is_unlike_words,
    is_written,
    num_changes,
    num_classes,
)
from effectiveness.corpus.secrets.chosen import is_chosen, is_chosen_phrase
from effectiveness.corpus.secrets.logins import is_login
from effectiveness.corpus.secrets.rules import is_of_documentation, is_placeholder

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

    @property
    def head(self) -> bytes:
        return _NOT_OF_NAME.split(self.before)[-1]


HARMLESS_VALUE = re.compile(
    b"(?i)"
    + b"|".join(
        (
            rb"^\$|^<|\{[^{}]*\}|%\([a-z_]+\)|%s(?![A-Za-z0-9])|\[-?[0-9]+\]",  # a variable, a template
            rb"passw|secret|token|your|sample|dummy|change.?me|placeholder",  # words of documentation
            rb"[01]23456|abcdef|00010203|deadbeef|qwerty|\.\.\.",  # typed, not drawn
            rb"^[a-z][a-z0-9+.-]{1,20}://|^urn:|^[.~]{1,2}/|^\.[a-z]+$|^/(?-i:[a-z_]+(?:/|$))",  # an address, a path
            rb"(?-i:^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$)",  # a constant
            rb"^[0-9]{4}-[0-9]{2}-[0-9]{2}T|^0x[0-9a-f]{0,16}$",  # a time, a number
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
_SYMBOL = re.compile(rb"[^A-Za-z0-9]")
_LONG_WORD = re.compile(rb"[A-Za-z]?[a-z]{5,}")
_MIN_HEX_BYTES = 24
_ATTRIBUTES = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MNEMONIC = re.compile(rb"(?:[a-z]{3,8}[ ]){11,23}[a-z]{3,8}")
BYTES_LOOKED_AT = 192
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
    if name.stem == b"auth" and is_login(value):
        return True
    if _is_noise(value):
        return not is_placeholder(value)
    if b" " in value:
        can_be = name.is_password and name.quote is not None and _is_spaced_password(value)
    elif name.operator == "spaced":
        can_be = _is_spaced_value(value, name)
    else:
        can_be = is_material(value) or is_short_material(value) or (name.is_password and is_password(value))
    if (name.is_password or name.stem == b"secret") and (is_typed(value) or _is_made_up(value, name)):
        return not (is_of_documentation(value) or HARMLESS_VALUE.search(value))
    return can_be and not (
        is_written(value) or is_placeholder(value) or HARMLESS_VALUE.search(value) or _is_attribute(value)
    )


def is_typed(value: bytes) -> bool:
    """Words, two digits and a symbol, as people make passwords: `TigerMaple48!`; or words, then digits."""
    return _TYPED.fullmatch(value) is not None


def _is_made_up(value: bytes, name: Name) -> bool:
    """A password of words: behind a bare space only what has a digit, and what is no name of code."""
    if name.operator == "spaced" and name.stem.startswith(b"passe"):  # the verb of French
        return False
    return is_chosen(value) or (name.operator != "spaced" and is_chosen_phrase(value))


def is_short_material(value: bytes) -> bool:
    """Shorter than a key is, but of all three classes, which change as often as in what was drawn."""
    return (
        _MIN_SHORT_SECRET_BYTES <= len(value) < _MIN_SECRET_BYTES
        and num_classes(value) >= 3
        and num_changes(value) >= len(value) // 4
        and (_HAS_DIGIT.search(value) is not None or is_unlike_words(value))
    )


def _is_noise(value: bytes) -> bool:
    """Letters, digits and many symbols in a long row, as WordPress draws its salts: code and prose hold words."""
    return (
        len(value) >= _MIN_NOISE_BYTES
        and len(_SYMBOL.findall(value)) >= len(value) // 8
        and num_classes(value) == 4
        and num_changes(value) >= len(value) // 3
        and not _LONG_WORD.search(value)
    )


def _is_attribute(value: bytes) -> bool:
    """`settings.DB_PASSWORD_2`, not `x.Q7vK2m`."""
    return _ATTRIBUTES.fullmatch(value) is not None and num_changes(value) < len(value) // 4


def is_material(value: bytes) -> bool:
    """Long enough, drawn, and not a short checksum or words in camel case."""
    value = value.removeprefix(b"0x")
    if len(value) < (_MIN_HEX_BYTES if is_hex(value) else _MIN_SECRET_BYTES):
        return False
    if not _HAS_DIGIT.search(value):
        return is_unlike_words(value) and num_changes(value) >= len(value) // 8
    return _HAS_LETTER.search(value) is not None and alternates(value)


def is_password(value: bytes) -> bool:
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
    """Without quotes only in settings: `KEY=value`, `key: value`; no call, no index, no `--- PASS: TestX`."""
    if behind in (b"(", b"[", b"{") or (name.stem == b"pass" and name.before.endswith(b"--- ")):
        return False
    return name.operator == "element" or not value.startswith((b"=", b"*", b"&"))


def _is_spaced_value(value: bytes, name: Name) -> bool:
    """Behind a name and a space: `--password x`, `ENV API_KEY x`, `password x` of .netrc, `PASSWORD 'x'` of SQL."""
    if name.stem == b"by" and name.quote is None:  # `IDENTIFIED BY x` of SQL, not of prose
        return is_short_material(value) or is_chosen(value)
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
    if is_of_password and (is_typed(value) or is_chosen(value)):
        return True
    is_drawn = is_material(value) or (is_of_password and is_password(value))
    return is_drawn and not (is_written(value) or is_placeholder(value))
