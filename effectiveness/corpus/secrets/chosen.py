"""Passwords that people make up: words, years, replaced letters and signs, and no names that programs give."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.words import word_set

_MIN_CHOSEN_BYTES, _MAX_CHOSEN_BYTES = 8, 40
_MADE = re.compile(
    rb"(?!0x)[A-Za-z0-9\x80-\xff][A-Za-z0-9!#$*@%^&?_.+=~<>\x80-\xff-]{6,38}(?:[A-Za-z0-9!#$*@%^&?+=]|(?<=[0-9])[-_.])"
)
_LETTERS, _DIGITS = re.compile(rb"[A-Za-z]"), re.compile(rb"[0-9]")
SYMBOLS = re.compile(rb"[!#$*@%^&?+=~]")
_WORDS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
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
_OF_PROGRAMS = word_set("""
    add admin aes alg api arg argon args auth bar base basic baz bcrypt bits block box btn bug button bytes case
    cell char check cipher class client cls code col color column config confirm const context conv create css
    csrf cur current data date db debug default delete demo des dev dict digest dir disabled div doc edit
    element email empty enabled encode encoded encrypted enter entry enum err error event example expired
    express fail field file first float foo form func get grp group guest hash header hex hidden hide hint hmac
    host html http https icon id idx img index info init input int invalid is item iter json kdf kerberos key
    keys label last layout len length level line link list log login lookup main max md menu method min missing
    mock modal mode model msg mysql name named new node ntlm null num number oauth obj object ok old opt option
    origin out page panel param params pass passwd password path pbkdf phone pin placeholder plain plaintext
    port prefix prev private prompt proto psk public pw pwd query read ref regex remote req request require
    required reset response result role root row rsa rule salt sample schema scram screen scrypt search secret
    section select service session set sha show sign signin signup size sql src ssh ssl state status step str
    string strong style sub submit suite sym sys system tab table tag temp template test text the theme time
    title tls tmp toggle token too txt type uint unicode unit update upper uri url user username utf uuid val
    valid validate value var variant vec vector ver version view weak widget window word write wrong xml your
""")
_OF_PROSE = word_set("and are for from has its must not that the this with you your")


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
