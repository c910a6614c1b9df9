"""Random runs of characters: told by their whole shape, by the words before them, or by being alone.

A checksum, a test vector and an API key are all drawn. A run is taken for a secret where it has the shape of a
vendor's token; where a telling word stands before it and none that tells of a checksum; and with neither only if it
is all that a neutral name is given, no hex, and the only such run of its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from effectiveness.corpus.secrets.chance import (
    alternates,
    holds_word,
    is_by_chance,
    is_hex,
    is_written,
    num_changes,
    num_classes,
)
from effectiveness.corpus.secrets.rules import ALPHANUMERIC, RUN_SHAPE, RUNS, is_placeholder
from effectiveness.corpus.secrets.values import is_encoded_text
from effectiveness.corpus.secrets.words import (
    is_cipher_text,
    is_client_text,
    is_harmless_line,
    is_key_line,
    is_line_of_checksums,
    is_telling_line,
    names_a_secret_key,
)

NEAR_A_NAME = "random string near a secret name"
ALONE = "random string"
WEAK = frozenset((NEAR_A_NAME, ALONE))

Finding = tuple[int, int, str]  # start, end, rule

_MAX_NUMBER_BYTES = 40
_MAX_RUN_BYTES = 600  # a longer one is data, a key frame told by its first bytes, or named
_BEFORE_BYTES = 200
_MANIFEST_BYTES = 1000
_ENTRY = re.compile(rb"\n[ ]{1,8}[\w.-]{1,64}: [\"']?$")
_LOOKED_AT_BYTES = 64
_MIN_NEAR_BYTES, _MIN_NEAR_HEX_BYTES = 16, 32
_MIN_ALONE_BYTES, _MAX_ALONE_BYTES = 18, 160  # of MIME's boundaries many are shorter
_MAX_ALONE = 1  # in one text: more are a table

_GIVEN = re.compile(rb"[\w\"'\])>][ ]{0,8}(?::=|=>|[=:(,])[ ]{0,8}[bBuN@$]?[\"'`]$")
_SETTING = re.compile(rb"[ \t]*(?:- |export )?[\w.-]{1,64}(?:=|: )")
_COMMAND = re.compile(
    rb"[ \t]{0,16}(?:[$>] |RUN |- |run: )?(?:\./)?[a-z][\w.-]{1,24}(?: [^\s\"'`|;&()]{1,80}){1,12} "
)
_ATTRIBUTE = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PAIR = re.compile(rb"[a-zA-Z][\w-]{3,48}[ \t]{1,4}")
_KEYED = re.compile(rb"(?:^|[?&\s\"'(;])(?:api)?key[\"']?[=:][\"' ]{0,3}$")
_INITIALIZES = re.compile(rb"(?i)\w\.(?:init(?:iali[sz]e)?|setup|configure|start|run|connect)\([\"']$")
_SEPARATORS = re.compile(rb"[^A-Za-z0-9]")
_PUBLIC_MEMBER = re.compile(rb"[\"'](?:n|x|y|e|kid|x5[ct]|alg)[\"'] ?: ?[\"']$")
_TELLING_PREFIX = re.compile(
    rb"(?i)[a-z0-9]{0,12}(?:secret|token|api|key|pat|sk|priv?|live|prod|auth)[_-](?:live|prod|test|v\d)?[\w-]{16,}$"
)
# `acmeSECRET-8f3...`, `acme.key.8f3...`: a word that tells stands in the run itself.
_TOLD_INSIDE = re.compile(
    rb"(?i)(?:secret|private|access|token|key)(?:key|token|secret)?[-_.=]{1,2}(?![\w.-]{0,40}(?:secret|token|key)[-_.=])"
)
_TELLS = (
    rb"(?:secret|private|access|token|key)[ _-]?(?:key|token|secret)?"
    rb"[\"']?\]?[ \t]{0,2}[-=:.]{0,2}\s{0,3}[\"']?$"
)
_TOLD_BEFORE = re.compile(rb"(?i)(?<![vV])(?<!ub)(?<!ocket-)(?<!ying_)" + _TELLS)
_KEY_OF_SOMEONE = re.compile(rb"(?i)[a-z0-9](?:[ _.-]|(?<=[a-z0-9])(?-i:(?=[SPATK])))" + _TELLS)
_MIN_DISTINCT = 12
_MIN_PART_BYTES = 10
_COMMENT = re.compile(rb"(?:#|//|;|--)[^\n]{1,80}")
_MAX_TOKEN_FILE_BYTES = 400  # of a file that holds one token and nothing else
_KEY_HEX_BYTES, _NEAR_BYTES = (32, 40, 48, 64), 160
# A name of C: of all random runs there are more of these than of others.
_CONSTANT = re.compile(rb"[A-Z][A-Z0-9]{0,79}+(?:_[A-Z0-9]{1,40}+){1,24}+")
_UUID = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A mangled name, a certificate, a public key, a checksum; an address in Bech32; a number.
_PUBLIC = re.compile(
    rb"^(?:_Z|_R|M(?:II|IG|Fkw|Cow|HYw|Gow|Eow)|AAAA[A-Z]|ssh-|sha\d|pk_(?:live|test)_|xn--"
    rb"|[\w.-]{1,60}\+[0-9a-f]{8}\+[A-Z]|(?:prod|price|cus|sub|acct|evt)_[A-Za-z0-9]{14,24}$"
    rb"|(?!nsec)[a-z]{1,10}1[02-9ac-hj-np-z]{38}|Qm[1-9A-HJ-NP-Za-km-z]{44}|[-+]0x)"
)


def drawn_secrets(text: bytes, starts: list[int], lengths: list[int]) -> Iterator[Finding]:
    """What of the random runs of the text is a secret."""
    alone = []
    for start, length in zip(starts, lengths, strict=True):
        end = start + length
        end += len(text[end : end + 2]) - len(text[end : end + 2].lstrip(b"="))
        found = _shape(text, start, end)
        if found:
            yield found
            continue
        line = text[max(0, start - _LOOKED_AT_BYTES) : start]
        if _PUBLIC_MEMBER.search(line):  # of a JSON Web Key
            continue
        if b"ENC[" in line or line.endswith((b",iv:", b",tag:")):  # sops encrypted it
            continue
        if line.endswith(b"@") and is_hex(text[start:end]):  # a commit
            continue
        if text.startswith(b"://", start - 1) or _CONSTANT.fullmatch(text, start, end):  # an address; a name
            continue
        told = _TOLD_INSIDE.search(text, start, min(end, start + _LOOKED_AT_BYTES))
        if told and _is_told(text[told.end() : min(end, start + _MAX_RUN_BYTES)]):
            yield told.end(), end, NEAR_A_NAME
            continue
        value = text[start : min(end, start + _MAX_RUN_BYTES)].rstrip(b"=").removeprefix(b"0x")
        if not _is_random(value):
            continue
        if _is_near_a_name(text, start, end, value):
            yield start, end, NEAR_A_NAME
        elif _stands_alone(text, start, end):
            alone.append((start, end, ALONE))
    if len(alone) <= _MAX_ALONE:
        yield from alone


def _start_of_number(text: bytes, place: int) -> int:
    """Where the letters and digits before the place begin: of the first part of `123456:AA...`."""
    start = max(0, place - _MAX_NUMBER_BYTES)
    return place - len(text[start:place]) + len(text[start:place].rstrip(ALPHANUMERIC))


def _shape(text: bytes, start: int, end: int) -> Finding | None:
    if text[start - 1 : start] == b"\n" and text[end : end + 1] in (b"\n", b"\r"):  # a line of base64
        return None
    starts = [start]
    if text[start - 1 : start] in (b":", b"|", b"!"):
        starts.append(_start_of_number(text, start - 1))
    for begin in starts:
        match = RUN_SHAPE.match(text, begin)
        if not match or match.lastindex is None:
            continue
        token = RUNS[match.lastindex - 1]
        if token.prefixes == ("",) and is_line_of_checksums(_line_before(text, start)):
            continue
        if not is_placeholder(match[match.lastindex]) and alternates(match[match.lastindex]):
            return (*match.span(match.lastindex), token.vendor)
    return None


def _is_near_a_name(text: bytes, start: int, end: int, value: bytes) -> bool:
    if (
        len(value) < (_MIN_NEAR_HEX_BYTES if is_hex(value) else _MIN_NEAR_BYTES)
        or end - start > _MAX_RUN_BYTES
        or is_written(value)
    ):
        return False
    line = _line_before(text, start)
    if _TELLING_PREFIX.match(value) and is_by_chance(value.partition(b"_")[2] or value):
        return True
    if is_key_line(line):
        line = _line_above(text, start - len(line)) + line
    if not is_hex(value) and _TOLD_BEFORE.search(line) and _is_told(value) and not is_harmless_line(line):
        return True
    is_mixed = not is_hex(value) and num_classes(value) >= 3 and len(value) >= _MIN_ALONE_BYTES
    # `key` alone names as often what is translated or sorted: checkout.step2.btnPay3Label4x9
    is_keyed = names_a_secret_key(line) or (_KEYED.search(line) and not holds_word(value))
    if is_mixed and is_keyed and not is_encoded_text(value):
        return True
    return is_telling_line(line) or _is_of_kubernetes_secret(text, start)


def _is_of_kubernetes_secret(text: bytes, start: int) -> bool:
    """A line `key: base64` below `kind: Secret`."""
    before = text[max(0, start - _MANIFEST_BYTES) : start]
    if not _ENTRY.search(before):
        return False
    return b"kind: Secret" in before or b"\nkind: Secret" in text[start : start + _MANIFEST_BYTES]


def _is_told(value: bytes) -> bool:
    """Drawn, behind a word that tells: key material, no name that goes on."""
    value = value.rstrip(b"=")
    parts = _SEPARATORS.split(value)
    has_checksum = _has_checksum(parts) and any(len(part) > 2 and part.isalpha() for part in parts)
    if len(value) < _MIN_NEAR_BYTES or is_placeholder(value) or is_written(value) or has_checksum:
        return False
    if _UUID.fullmatch(value):
        return True
    return is_by_chance(value) or (is_hex(value) and len(value) >= _MIN_NEAR_HEX_BYTES)


def _has_checksum(parts: list[bytes]) -> bool:
    return any(len(part) >= _MIN_NEAR_BYTES and is_hex(part) for part in parts)


def _line_before(text: bytes, start: int) -> bytes:
    return text[max(0, start - _BEFORE_BYTES) : start].rpartition(b"\n")[2]


def _line_above(text: bytes, start: int) -> bytes:
    """The line that ends where another one starts, if it opens a block: `'crypt' => [` above `'key' => '...'`."""
    line = _line_before(text, start - 1)
    return line if line.rstrip().endswith((b"{", b"[", b"(", b":")) else b""


def _is_random(value: bytes) -> bool:
    value = value[:_LOOKED_AT_BYTES]
    return (
        not _PUBLIC.match(value)
        and (num_changes(value) >= len(value) // (6 if is_hex(value) else 4) or is_by_chance(value))
        and num_classes(value) >= 2
        and not is_placeholder(value)
    )


def _fills_file(value: bytes) -> bool:
    """A token that a file holds alone, as `master.key` does; no name of a file, no address, no longer checksum."""
    if is_hex(value):
        return len(value) == _KEY_HEX_BYTES[0]
    parts = _SEPARATORS.split(value)
    return b"." not in value and not any(map(is_hex, parts)) and num_classes(value) >= 3 and _is_told(value)


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    """A whole quoted string, or all that stands behind `name = `."""
    if not _MIN_ALONE_BYTES <= end - start <= _MAX_ALONE_BYTES:
        return False
    value, line = text[start:end], _line_before(text, start)
    is_quoted = _GIVEN.search(line) and text[end : end + 1] == line[-1:]
    is_setting = _SETTING.fullmatch(line) and text[end : end + 1] in (b"", b"\n", b"\r")
    if len(text) <= _MAX_TOKEN_FILE_BYTES:
        beside = (text[:start] + text[end:]).strip()
        if not beside or (_COMMENT.fullmatch(beside) and (is_key_line(beside) or is_telling_line(beside))):
            return _fills_file(value)
    is_word = (_COMMAND.fullmatch(line) and text[end : end + 1] in (b"", b"\n", b"\r", b" ")) or (
        _PAIR.fullmatch(line) and text[end : end + 1] in (b"", b"\n", b"\r")
    )
    if not (is_quoted or is_setting or is_word) or len(set(value)) < _MIN_DISTINCT - 4 * is_hex(value):
        return False
    if value.startswith(b"0x"):
        return False
    if (
        _KEY_OF_SOMEONE.search(line)
        and not is_harmless_line(line)
        and ((is_hex(value) and len(value) in _KEY_HEX_BYTES) or _UUID.fullmatch(value))
    ):
        return True
    if is_hex(value):
        if is_word or len(value) not in _KEY_HEX_BYTES:
            return False
        if _INITIALIZES.search(line) and not is_harmless_line(line):
            return True
        near = text[max(0, start - len(line) - _NEAR_BYTES) : end + _NEAR_BYTES]
        return is_client_text(near) or (is_key_line(line) and is_cipher_text(near))
    parts = _SEPARATORS.split(value)
    if not is_quoted and _ATTRIBUTE.fullmatch(value):
        return False
    if max(map(len, parts)) < _MIN_PART_BYTES:  # the name of a model, a version
        return False
    if _has_checksum(parts) or _UUID.fullmatch(value) or is_encoded_text(value):
        return False
    return is_by_chance(value) and not is_harmless_line(line)
