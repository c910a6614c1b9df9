"""Bytes on disk -> text as UTF-8 bytes, or the reason why it is not text. Nothing is guessed, nothing is dropped.

In this order: byte order mark, NUL in the first 8 kB, strict UTF-8, a coding cookie in the first two lines.
Line ends stay as they are.
"""

from __future__ import annotations

import codecs
import re

HEAD_BYTES = 8192
BINARY = f"binary (NUL in the first {HEAD_BYTES // 1024} kB)"
NOT_TEXT = "not UTF-8 text"

_WIDE_MARKS = (  # the longer ones first: UTF-32 little-endian begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TO_JIS = b"\x1b$B"
_COOKIE = re.compile(rb"coding[:=][ \t]*([-\w.]{1,40})")  # PEP 263; Emacs and Vim write the same word
_CHARSETS = re.compile(  # character sets only: `codecs` also knows idna, unicode_escape, undefined ...
    r"ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-\w+|euc_\w+|shift_jis\w*|gb\w+|big5\w*|iso2022_\w+|johab|tis-620|kz1048"
)


class NotText(Exception):
    """The bytes are no text; the message is the reason, for the user."""


def decode(raw: bytes) -> tuple[bytes, str]:
    """The text as UTF-8 bytes without a byte order mark, and a note on how it was read ("" for plain UTF-8).

    Raises NotText.
    """
    for mark, encoding in _WIDE_MARKS:
        if raw.startswith(mark):
            text = _recode(raw, encoding)
            require_no_nul(text)
            return text, f"decoded from {encoding.upper()}"
    require_no_nul(raw)
    body = raw.removeprefix(codecs.BOM_UTF8)
    if _TO_JIS in body and (text := _of_jis(body)):
        return text, "decoded from ISO-2022-JP (its escapes)"
    if is_utf8(body):
        return body, "byte order mark removed" if len(body) < len(raw) else ""
    encoding = _cookie_encoding(raw)
    return _recode(raw, encoding), f"decoded from {encoding} (coding cookie)"


def is_utf8(raw: bytes) -> bool:
    """Whether the bytes are strict UTF-8."""
    if raw.isascii():
        return True
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def require_no_nul(raw: bytes) -> None:
    """Raises NotText for what is binary: a NUL in its head, which does not begin with a mark of wide characters."""
    if raw.find(b"\0", 0, HEAD_BYTES) >= 0 and not raw.startswith(tuple(mark for mark, _ in _WIDE_MARKS)):
        raise NotText(BINARY)


def _of_jis(raw: bytes) -> bytes:
    """What is written in the seven bits of ISO-2022-JP, which look like ASCII; nothing for what is not."""
    try:
        return raw.decode("iso2022_jp").encode("utf-8")
    except UnicodeError:
        return b""


def _recode(raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise NotText(f"not {encoding.upper()} text, though it says so") from error


def _cookie_encoding(raw: bytes) -> str:
    for line in raw[:HEAD_BYTES].split(b"\n")[:2]:
        if found := _COOKIE.search(line):
            name = _charset(found[1].decode("ascii", "replace"))
            if name:
                return name
    raise NotText(NOT_TEXT)


def _charset(cookie: str) -> str:
    """Python's name of a character set, "" for an unknown or unsafe one."""
    try:
        name = codecs.lookup(cookie).name
    except LookupError:
        return ""
    return name if _CHARSETS.fullmatch(name) else ""
