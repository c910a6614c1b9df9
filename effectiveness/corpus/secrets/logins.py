"""What a password or a login at its place looks like: anything but a variable and the words documentation uses."""

from __future__ import annotations

import base64
import binascii
import re

from effectiveness.corpus.secrets.chance import alternates, is_drawn, num_changes, num_classes
from effectiveness.corpus.secrets.chosen import is_chosen
from effectiveness.corpus.secrets.rules import is_of_documentation, is_placeholder

_VARIABLE = re.compile(rb"^[$<{\[]|^%[sdr(]|\$\{|\$\(|\{\{|^\*+$|%s|\.\.\.")
_URL_PLACEHOLDER = re.compile(
    rb"(?i)[$%][({]?[a-z_]+[)}]?s?|\*+|x+|(?:my|your|the|a|some|db|user|test)?[_-]?"
    rb"(?:pass|passwd|password|passphrase|pw|pwd|secret|token|key|port|[0-9]{1,5})[0-9]?"
)


def is_password(match: re.Match[bytes]) -> bool:
    """Anything but a variable and the words documentation uses."""
    return not _URL_PLACEHOLDER.fullmatch(match["secret"])


def is_drawn_password(match: re.Match[bytes]) -> bool:
    secret = match["secret"]
    if is_of_documentation(secret) or _VARIABLE.search(secret):
        return False
    return is_chosen(secret) or (is_drawn(secret) and not is_placeholder(secret))


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
