"""Data in formats in which people write settings, too: told from them by what repeats, keys, tags or how lines begin,
and by layout.

A setting is named once; of records all keys come again and again. Calibrated on 619 files over 3 kB of 70 repositories:
of `package.json`, `composer.json` and settings of editors 28 to 100 % of the keys are different ones, of records and
answers of services 0 to 24 %. Schemas, grammars of editors and descriptions of an API repeat theirs and are written by
hand; they say what they are. YAML is mostly written by hand whatever repeats in it: size decides as well.
"""

from __future__ import annotations

import re

from effectiveness.corpus.scan.unwanted import LARGE, MAX_DATA_BYTES, RECORDED, is_below_tests, is_test_data
from effectiveness.languages import UNKNOWN, Language

RECORDS = "data: records, the same keys over and over"
VALUES = "data: values with hardly a key"
SERIALIZED = "data: JSON as a program writes it"
PATCH = "patch"
NUMBERED = "data: a table, its lines begin with numbers"
TEST_RECORDS = "test data: JSON or XML"
TEST_FILE = "test data: over 8 kB in its directory"

MIN_RECORDS_BYTES = 2 << 10
MIN_TEST_RECORDS_BYTES = 256
MIN_KEYS = 24
MAX_KEYS_SHARE = 0.25  # of the keys, different ones
MIN_VALUES_BYTES = 4 << 10
MAX_BYTES_OF_A_KEY = 256
MIN_SERIALIZED_BYTES = (
    3 << 10
)  # hand-written settings laid out so were up to 2.5 kB, or had names that are known
MIN_OF_RECORDS_BYTES = 4 << 10
MAX_RECORDS_SHARE = 0.1  # of the lines, different ones
MIN_VALUES_SHARE = 0.5  # of the lines have a value
MIN_TAGS_BYTES = 8 << 10
MAX_TAGS_SHARE = 0.12  # of the lines without text and attributes, different ones; what people write has 0.25
MAX_YAML_SHARE = 0.35  # manuals in YAML have 0.55
MIN_NUMBERED_LINES = 64
NUMBERED_SHARE = 0.9
MIN_TEST_FILE_BYTES = 8 << 10
_HEAD_BYTES = 2048

_WRITTEN = re.compile(
    r"(?:^|/)(?:package|composer|bower|manifest|launch|tasks|settings|deno|turbo|nx|app|vercel|renovate|"
    r"[jt]sconfig[\w.-]*|[\w.-]*\.?schema|[\w.-]*\.tmlanguage|[\w.-]*config[\w-]*|[\w.-]*snippets?)\.json$|(?:^|/)snippets/"
)
_SAYS_WHAT_IT_IS = re.compile(
    rb"\"(?:\$schema|openapi|swagger|scopeName|contributes|AWSTemplateFormatVersion|tokenColors)\"\s{0,8}:"
)
# A person writes short lists and objects on one line, and blank lines; a serializer one key, value or bracket a line.
_STRING = rb"\"(?:[^\"\\\n]|\\[^\n])*\""
_SERIALIZED_LINE = re.compile(
    rb"[ \t]*(?:%s[ \t]{0,4}:[ \t]{0,4})?"
    rb"(?:%s|-?\d[\d.eE+-]{0,40}|true|false|null|[\[{]|\[[ \t]*\]|\{[ \t]*\}|[\]}])?,?\r?"
    % (_STRING, _STRING)
)
_EMPTY = re.compile(rb"(?<=[\[{])\r?\n[ \t]*\r?\n(?=[ \t]{0,400}[\]}])")  # as Apple's writes an empty list
# What the texts of a program say is written by people, in whatever layout its tools keep them
_OF_LANGUAGES = re.compile(
    r"(?:^|/)(?:[\w-]*(?:i18n|l10n|lang|locale|translation|message)[\w-]*)(?:/|\.json5?$)|(?:^|/)en(?:[-_]\w{2})?\.json"
)
_KEY = re.compile(rb"\"([^\"\\\n]{1,100})\"[ \t]{0,8}:")
_ATTRIBUTE = re.compile(rb"=\"[^\"\n]{0,400}\"|='[^'\n]{0,400}'")
_BETWEEN_TAGS = re.compile(rb">[^<>\n]{1,400}<")
_YAML_VALUE = re.compile(rb"(?<=[:-])[ \t]+[^\n:]*$", re.MULTILINE)
# HTTP as a test recorded it, to play it again
_CASSETTE = re.compile(rb"\A(?:---[ \t]*\n)?(?:http_)?interactions:[ \t]*\n")
_REQUEST = re.compile(rb"^(?:GET|POST|PUT|HEAD|DELETE) \S{1,2000} HTTP/[12](?:\.[01])?\r?$", re.MULTILINE)
MIN_REQUESTS = 4
_OF_A_TERMINAL = b"\x1b["  # colours of a screen
MIN_OF_A_TERMINAL = 8
BYTES_OF_A_TERMINAL = 100  # for each: tests that colour a word have fewer
# What people write of a program may be long; a novel or a list of characters is what it is tried with.
_OF_A_PROJECT = re.compile(
    r"(?:^|/)(?:docs?|documentation|manual|rfcs?)/|"
    r"(?:^|/)[^/]*(?:change|news|history|release|license|licence|notice|copying|credit|author|readme|todo|faq|manual|notes|spec)[^/]*$"
)
_PATCH_HEAD_BYTES = 16 << 10
_OF_A_HUNK = (b"+", b"-", b" ", b"@", b"")
PATCH_SHARE = 0.9
_HUNK = re.compile(rb"^--- \S[^\n]*\n\+\+\+ \S[^\n]*\n@@ -\d[\d,]* \+\d", re.MULTILINE)
_NUMBERED_LINE = re.compile(rb"[ \t]*[0-9A-Fa-f]{1,8}(?:\.\.[0-9A-Fa-f]{1,8})?[ \t]*[;,:|=\t ]")
_STRINGS = re.compile(rb"\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'")
_NUMBERS = re.compile(rb"\d[\w.]*")
_BEHIND = re.compile(rb"(?<=[:=])[^\n]*")
_OPEN = (b":", b"=")
_COMMENTS = (b"#", b";", b"//", b"%", b"*")


def repeating_reason(path: str, text: bytes, language: Language) -> str:
    """Why a text of a format of data is left out for what repeats in it or where it lies; "" to keep it."""
    path = path.lower()
    if language.name in ("JSON", "JSON5"):
        return _json_reason(path, text)
    if language.name == "XML" or (language is UNKNOWN and text.lstrip().startswith(b"<?xml ")):
        reason = RECORDS if len(text) > MIN_TAGS_BYTES and _tags_share(text) < MAX_TAGS_SHARE else ""
        if len(text) > MIN_TEST_RECORDS_BYTES and is_test_data(path):
            reason = TEST_RECORDS
    elif language.name == "YAML":
        reason = _yaml_reason(text)
    elif language.name == "Text" or language is UNKNOWN:
        reason = NUMBERED if _is_numbered(text) else RECORDS if _is_of_records(text) else ""
        if len(_REQUEST.findall(text)) >= MIN_REQUESTS or _is_a_screen(text):
            reason = RECORDED
        if len(text) > MAX_DATA_BYTES and language is not UNKNOWN and not _OF_A_PROJECT.search(path):
            reason = reason or LARGE
        reason = PATCH if b"\n+++ " in text and _is_patch(text) else reason
    elif language.name in ("INI", "SQL"):
        reason = RECORDS if _is_of_records(text) else ""
    else:
        return ""
    return reason or (TEST_FILE if len(text) > MIN_TEST_FILE_BYTES and is_test_data(path) else "")


def _json_reason(path: str, text: bytes) -> str:
    if len(text) < MIN_TEST_RECORDS_BYTES or _WRITTEN.search(path):
        return ""
    if is_test_data(path) or is_below_tests(path):
        return TEST_RECORDS
    if len(text) < MIN_RECORDS_BYTES:
        return ""
    if len(text) > MAX_DATA_BYTES:
        return LARGE
    if _SAYS_WHAT_IT_IS.search(text[:_HEAD_BYTES]):
        return ""
    keys = _KEY.findall(text)
    if len(keys) >= MIN_KEYS and len(set(keys)) < MAX_KEYS_SHARE * len(keys):
        return RECORDS
    if len(text) > max(MIN_VALUES_BYTES, MAX_BYTES_OF_A_KEY * len(keys)):
        return VALUES
    if len(text) < MIN_SERIALIZED_BYTES or _OF_LANGUAGES.search(path):
        return ""
    return SERIALIZED if _is_serialized(text) else ""


def _is_serialized(text: bytes) -> bool:
    """Whether each line holds what a serializer puts on one, and nothing else."""
    lines = _EMPTY.sub(b"", text).strip().split(b"\n")
    return len(lines) > 1 and all(line.strip() and _SERIALIZED_LINE.fullmatch(line) for line in lines)


def _yaml_reason(text: bytes) -> str:
    if _CASSETTE.match(text):
        return RECORDED
    if len(text) > MAX_DATA_BYTES and _share_of_different(_YAML_VALUE.sub(b"", text)) < MAX_YAML_SHARE:
        return LARGE
    return ""


def _tags_share(text: bytes) -> float:
    return _share_of_different(_BETWEEN_TAGS.sub(b"><", _ATTRIBUTE.sub(b"=", text)))


def _share_of_different(text: bytes) -> float:
    lines = [line for line in map(bytes.strip, text.split(b"\n")) if line]
    return len(set(lines)) / max(1, len(lines))


def _is_a_screen(text: bytes) -> bool:
    return text.count(_OF_A_TERMINAL) >= max(MIN_OF_A_TERMINAL, len(text) // BYTES_OF_A_TERMINAL)


def _is_patch(text: bytes) -> bool:
    """Whether it is a unified diff, with or without words above it; documents that show one go on in words."""
    first = _HUNK.search(text[:_PATCH_HEAD_BYTES])
    if not first:
        return False
    lines = text[first.start() :].split(b"\n")
    return sum(line[:1] in _OF_A_HUNK for line in lines) > PATCH_SHARE * len(lines)


def _is_of_records(text: bytes) -> bool:
    """Whether nearly all lines are few ones, but for numbers, strings and what stands behind `:` or `=`."""
    if len(text) < MIN_OF_RECORDS_BYTES:
        return False
    bare = _NUMBERS.sub(b"0", _BEHIND.sub(b"", _STRINGS.sub(b"0", text)))
    lines = [line for line in map(bytes.strip, bare.split(b"\n")) if line]
    if len(lines) < MIN_NUMBERED_LINES or len(set(lines)) > MAX_RECORDS_SHARE * len(lines):
        return False
    return sum(b"0" in line or line.endswith(_OPEN) for line in lines) > MIN_VALUES_SHARE * len(lines)


def _is_numbered(text: bytes) -> bool:
    """Whether nearly all lines begin with a number, and something other than a word or an item stands behind it."""
    if text.count(b"\n") < MIN_NUMBERED_LINES:
        return False
    lines = [line for line in text.split(b"\n") if line.strip() and not line.startswith(_COMMENTS)]
    if len(lines) < MIN_NUMBERED_LINES:
        return False
    return sum(_NUMBERED_LINE.match(line) is not None for line in lines) > NUMBERED_SHARE * len(lines)
