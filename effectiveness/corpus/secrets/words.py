"""The words that tell of a secret, and those that tell of none: in names, before a value, and in passwords that people
make of them.
"""

from __future__ import annotations

import re
from pathlib import Path

_, *_BLOCKS = Path(__file__).with_suffix(".txt").read_bytes().split(b"\n\n")
_LISTS = {
    name.decode(): frozenset(words.split())
    for name, _, words in (block.partition(b":\n") for block in _BLOCKS)
}

# Every row: the anchors, with commas between, and the expression of the word that begins there. Words in German,
# Spanish, Portuguese, French, Dutch, Polish, Italian, Swedish, Finnish, Turkish, Czech, Hungarian, Danish, Chinese,
# Japanese and Russian, too.
PASSWORD_WORDS = (
    ("pass", rb"pass(?:wor[dt]|wd|wort|phrase|code|key|ord|e)|(?:(?<=[,;|])pass|pass(?!\s{0,8}[\n#]))"),
    ("pwd", rb"pwd"),
    ("htok", rb"(?<=aut)htok"),
    ("psw", rb"pswd?"),
    ("ymat", rb"(?<=ke)ymaterial"),
    ("by ',by \"", rb"(?:(?<=identified )|(?<=_password ))by"),
    ("pw=,pw:,pw\",pw',pw ", rb"pw"),
    ("psk,shar", rb"(?<![bdoq8])psk|shared[_-]?key"),
    ("kenn,gehe", rb"kennwort|geheim(?:nis)?"),
    ("rase,clav,senh", rb"(?<=cont)rase(?:n|\xc3\xb1|\xc3\x91)a|clave|senha"),
    ("mdp,mot_,motd", rb"mdp|mot_?de_?passe"),
    ("wach,hasl,has\u0142,paro", rb"wachtwoord|has(?:l|\xc5\x82)o|parola?"),
    ("enor,sala,sifr,\u015fif,hesl", rb"(?<=[o\xb6]s)enord|salasana|(?:s|\xc5\x9f)ifre|heslo"),
    ("jels,adga", rb"jelsz(?:o|\xc3\xb3)|adgangskode"),
    (
        "\u5bc6,\u30d1,\u043f\u0430",
        "\u5bc6\u7801|\u30d1\u30b9\u30ef\u30fc\u30c9|\u043f\u0430\u0440\u043e\u043b\u044c".encode(),
    ),
)
MATERIAL_WORDS = (
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
    ("kek", rb"kek"),
)
# Not `tokenizer`, not `PASSIVE`.
END_OF_WORD = (
    rb"(?:s|(?<=[A-Z])S)?+"
    rb"(?:(?<=[a-z])(?![a-z])|(?<=[A-Z])(?![A-Za-z])|(?<=[\x80-\xff])|(?<=[0-9])(?![A-Za-z0-9]))"
)

# Whose key is a secret: `api_key`, not `cache_key`.
KEY_OWNERS = _LISTS["key owners"]

# Of a name: `token_url`, `PasswordField`.
_HARMLESS_STEMS = re.compile(
    rb"(?i)hash|digest|sha[0-9]|md5|checksum|public|finger|pattern|regex|format|placeholder"
)
_HARMLESS_IN_NAME = _LISTS["harmless in a name"]

# Of the line before a random string.
_TELLING = _LISTS["telling"]
_HARMLESS = _LISTS["harmless"]
_OF_CLIENTS = _LISTS["of clients"]
_OF_CIPHERS = _LISTS["of ciphers"]
# In one word with others, too: `algoliasearch`.
_VENDOR = re.compile(b"(?i:" + b"|".join(sorted(word for word in _TELLING if len(word) >= 6)) + b")")
_OF_CHECKSUMS = _HARMLESS - frozenset(
    b"id ids url path file version data src href page tree next cache path".split()
)
_OF_CODECS = _LISTS["of codecs"]
_STRONG = re.compile(rb"(?i)(?:secret|private|api|signing|encryption)[_-]?key|passw|clientsecret")
_KEYS = frozenset((b"key", b"keys"))
_WORDS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_EXAMPLE_HOST = re.compile(rb"\bexample\.(?:com|org|net)\b")  # says nothing of the line
_ADDRESS = b"://"  # of an image, a download
_END_OF_ADDRESS = re.compile(rb"[\s\"'`<>,]")
_CLAUSE_ENDS = re.compile(rb"[,;{]")
_PARAMETER = re.compile(rb"[?&]([\w.-]{1,40})=$")
# `X-Acme-Signature-Key: `, `"Circle-Token": "`
_HEADER = re.compile(
    rb"(?:^|[\s\"'({])(?!(?i:idempotency|blob|cache|surrogate|sec-web|public|host|partition|routing|sort|object))"
    rb"[A-Za-z][A-Za-z0-9]{0,24}(?:-[A-Za-z0-9]{1,24}){0,5}-(?i:key|token|secret|auth|password|credential)s?"
    rb"[\"']?[:,][ ]{0,4}[\"']?$"
)


def is_harmless_name(name: bytes) -> bool:
    """`token_url`, `PasswordField`; not `account_password`, though it holds `count`."""
    return _HARMLESS_STEMS.search(name) is not None or not words_of(name).isdisjoint(_HARMLESS_IN_NAME)


def is_client_text(text: bytes) -> bool:
    """Whether the text tells of a service that one logs in to, or names one."""
    words = words_of(text)
    if not words.isdisjoint(_OF_CHECKSUMS):
        return False
    return not words.isdisjoint(_OF_CLIENTS) or _VENDOR.search(text) is not None


def is_cipher_text(text: bytes) -> bool:
    """Whether the text ciphers or signs something, and tells of no checksums or tests."""
    words = words_of(text)
    return words.isdisjoint(_OF_CHECKSUMS) and not words.isdisjoint(_OF_CIPHERS)


def is_harmless_line(line: bytes) -> bool:
    """Whether a random string behind the line is likely a checksum, test data, an image."""
    return not words_of(line).isdisjoint(_HARMLESS)


def is_line_of_checksums(line: bytes) -> bool:
    return not words_of(line).isdisjoint(_OF_CHECKSUMS)


def is_key_line(line: bytes) -> bool:
    """Whether a key stands in the line; whose may be said above."""
    return not words_of(line).isdisjoint(_KEYS)


def names_a_secret_key(line: bytes) -> bool:
    """Whether the line names a key or a password outright, whatever codec stands there, too."""
    return _STRONG.search(line) is not None and words_of(line).isdisjoint(_OF_CHECKSUMS - _OF_CODECS)


def is_telling_line(line: bytes) -> bool:
    """Whether the line tells of a secret, and not of what is harmless."""
    if _HEADER.search(line):
        return True
    if line.rfind(b"arn:") >= 0:  # the name of a resource
        return False
    address = line.rfind(_ADDRESS)
    if address >= 0 and not _END_OF_ADDRESS.search(line, address):
        parameter = _PARAMETER.search(line)
        return parameter is not None and _tells(words_of(parameter[1]), parameter[1])
    words = words_of(line)
    if not words.isdisjoint(_HARMLESS):
        line = _CLAUSE_ENDS.split(line)[-1]
        words = words_of(line)
    return words.isdisjoint(_HARMLESS) and _tells(words, line)


def _tells(words: set[bytes], line: bytes) -> bool:
    if not words.isdisjoint(_TELLING) or (not words.isdisjoint(_KEYS) and not words.isdisjoint(KEY_OWNERS)):
        return True
    folded = line.lower().replace(b"tokeniz", b"")
    return any(stem in folded for stem in (b"passw", b"secret", b"token", b"pwd", b"apikey"))


def words_of(text: bytes) -> set[bytes]:
    """The words of names in camel case or with underscores, in lower case."""
    if b"example." in text:
        text = _EXAMPLE_HOST.sub(b"", text)
    return {word.lower() for word in _WORDS.findall(text)}


# --- passwords that people make up: words, years, replaced letters and signs, and no names that programs give ------

_MIN_CHOSEN_BYTES, _MAX_CHOSEN_BYTES = 8, 40
_MADE = re.compile(
    rb"(?!0x)[A-Za-z0-9\x80-\xff][A-Za-z0-9!#$*@%^&?_.+=~<>\x80-\xff-]{6,38}(?:[A-Za-z0-9!#$*@%^&?+=]|(?<=[0-9])[-_.])"
)
_LETTERS, _DIGITS = re.compile(rb"[A-Za-z]"), re.compile(rb"[0-9]")
SYMBOLS = re.compile(rb"[!#$*@%^&?+=~]")
_PHRASE = re.compile(rb"[a-z]{3,12}(?:([-_. ])[a-z]{3,12})(?:\1[a-z]{3,12}){2,7}")
_TITLED = re.compile(rb"(?:[A-Z][a-z]{2,12}_?){1,3}[A-Za-z][a-z]{2,12}[0-9]")
_PROGRAM_NAME = re.compile(rb"[a-z0-9]{1,20}(?:([_.-])[a-z0-9]{1,20})(?:\1[a-z0-9]{1,20}){1,10}")
_NAMED_CHOICE = re.compile(
    rb"[A-Z]{5,20}[0-9]{2,8}[a-z]{0,12}[!?#$*@%&.]?|(?:[A-Z][a-z]{2,12}){2,4}[0-9]{0,2}[!?#$*@%&]|[a-z]{8,24}[0-9]{1,4}"
    rb"|[a-z]{2,16}[!#@&*^][a-z0-9]{3,16}|(?:[A-Za-z]{3,12}[-_.]){1,3}(?=[0-9A-Za-z]{0,8}[0-9])[A-Za-z0-9]{1,8}(?<![a-z][0-9])"
    rb"|[A-Za-z][a-z]{1,23}[-_.!#@&*^%+$?=]?[0-9]{2,8}[-_.!?#$*@%&^+=]?"
    rb"|[A-Za-z]{4,12}[-_.][A-Za-z]{4,12}[0-9]"
    rb"|(?=[0-9]*[a-z][^a-z]*[a-z])[a-z0-9]{3,16}[-_.!#@&*^%+$?=][0-9]{2,6}"
    rb"|[A-Za-z][a-z]{1,23}[0-9]{1,4}[-_.!#@&*^%+$?=]?[0-9]{2,8}[-_.!?#$*@%&^+=]?"
    rb"|[A-Za-z]{3,12}[-_.][A-Za-z]{3,12}[-_.!?#$*@%&^+=][0-9]{1,8}[-_.!?#$*@%&^+=]?"
    rb"|[A-Za-z]{3,12}(?:[-_.][A-Za-z]{3,12}){2,7}[0-9]{0,4}[!?#$*@%&^+=]?"
)
_HOST = re.compile(rb"^www\.|\.[a-z]{2,4}$")  # or the name of a file
_MIN_LETTERS, _MIN_DIGITS, _MIN_DISTINCT = 3, 2, 5
_MAX_RUN_OF_CAPITALS = re.compile(rb"[A-Z]{5}")
# What programs call their fields, types and examples.
_OF_PROGRAMS = _LISTS["of programs"]
_OF_PROSE = _LISTS["of prose"]


def is_chosen(value: bytes) -> bool:
    """Letters with digits at least, as a person chooses them, and no name that a program gives."""
    if not _MIN_CHOSEN_BYTES <= len(value) <= _MAX_CHOSEN_BYTES or not _MADE.fullmatch(value):
        return False
    num_digits, has_symbol = len(_DIGITS.findall(value)), SYMBOLS.search(value) is not None
    if (
        len(set(value)) < _MIN_DISTINCT
        or len(_LETTERS.findall(value)) < _MIN_LETTERS
        or num_digits == 0
        or _MAX_RUN_OF_CAPITALS.search(value)
    ):
        return False
    if num_digits < _MIN_DIGITS and not has_symbol and not _TITLED.fullmatch(value):
        return False
    return not (_PROGRAM_NAME.fullmatch(value) or _is_of_programs(value, _OF_PROGRAMS))


def is_chosen_if_named(value: bytes) -> bool:
    """Fewer digits, or none, where the name says password: `PEPPER204`, `TigerMaple!`, `tigermaple4`."""
    if not _NAMED_CHOICE.fullmatch(value) or _HOST.search(value):
        return False
    return not _is_of_programs(value, _OF_PROGRAMS | _OF_PROSE)


def is_chosen_in_call(value: bytes) -> bool:
    """Where the name of a call tells: no name of a signal, so a digit, a sign or two different separators."""
    has_sign = _DIGITS.search(value) or SYMBOLS.search(value)
    return bool(has_sign or len(set(value) & set(b"-_.")) > 1) and is_chosen_if_named(value)


def is_chosen_phrase(value: bytes) -> bool:
    """Four words or more with one sign between: `correct-horse-battery-staple`, no sentence and no name of a class."""
    return _PHRASE.fullmatch(value) is not None and not _is_of_programs(value, _OF_PROGRAMS | _OF_PROSE)


def _is_of_programs(value: bytes, words: frozenset[bytes]) -> bool:
    return any(word.lower() in words for word in _WORDS.findall(value))
