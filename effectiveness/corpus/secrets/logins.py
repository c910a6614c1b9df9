"""What a password or a login at its place looks like: anything but a variable and the words documentation uses."""

from __future__ import annotations

import base64
import binascii
import re

from effectiveness.corpus.secrets.chance import is_drawn
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
