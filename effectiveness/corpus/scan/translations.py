"""Which files are translations of others: those of several that differ by the name of a language in their path.

A program's texts in thirty languages are thirty times the same keys, and nobody wants a code model to write them; those
of English stay, and all where less than `MIN_LANGUAGES` are named. Code among them is judged by how much of it is text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from effectiveness.languages import OFTEN_DATA, UNKNOWN, Language

TRANSLATION = "translations"

MIN_LANGUAGES = 4
MIN_WELL_KNOWN = 2  # of those translated into first: cs/, ml/, pl/ and vi/ are programming languages, too
MIN_NAMED_SHARE = 0.5  # of what lies beside each other and is of one kind
MIN_TEXT_SHARE = 0.3  # of code, in strings or beyond ASCII; a library's own classes for a language have 0.1

_CODES = frozenset(
    b"aa ab af ak am an ar as ast az ba be bg bn bo br bs ca ceb ckb co cs cy da de dv el en eo es et eu "
    b"fa ff fi fil fo fr fy ga gd gl gn gu ha haw he hi hr hsb ht hu hy ia id ig is it iu iw ja ji jv jw "
    b"ka kab kk kl km kmr kn ko ku kw ky la lb li ln lo lt lv mg mi mk ml mn mr ms mt my nb ne nl nn no "
    b"nso oc om or pa pap pl ps pt qu rm ro ru rw sa sc sd si sk sl sm sn so sq sr st su sv sw szl ta te "
    b"tg th ti tk tl tn to tr ts tt tzm ug uk ur uz ve vi wa wo xh yi yo zh zu bp br "
    b"ace ach arn bal ber cv dz frp fur gv ksh ks lad lij lmo lus mai mi nah nap nds os pms rue rup sah sat sco scn "
    b"shi tet tlh tpi tyv tzl udm vec vls war yue zgh".split()
)
_SPELLED = frozenset(
    b"afrikaans albanian arabic armenian asturian azerbaijani basque belarusian bengali bosnian "
    b"brazilian bulgarian catalan chinese corsican croatian czech danish dutch english esperanto "
    b"estonian finnish french galician georgian german greek hebrew hindi hungarian icelandic "
    b"indonesian irish italian japanese kazakh khmer korean latvian ligurian lithuanian luxembourgish "
    b"luxemburgish macedonian malay marathi mongolian montenegrin nepali norwegian persian polish "
    b"portuguese romanian russian serbian sinhala farsi kurdish occitan slovene slovak slovenian "
    b"spanish swedish tamil tatar telugu thai turkish ukrainian urdu uzbek vietnamese welsh".split()
)
_WELL_KNOWN = frozenset(
    b"de es fr it ja nl pt ru zh german spanish french italian japanese dutch russian chinese".split()
)
_ENGLISH = frozenset({b"en", b"english", b"base"})
_PLAIN_ENGLISH = re.compile(
    rb"(?:.*[._-])?(?:en|en[-_]r?us|english|base)(?:\.lproj)?(?:\.[^.]*)?", re.DOTALL | re.IGNORECASE
)
_FORMATS = OFTEN_DATA | {"INI", "Java Properties", "Fluent", "Inno Setup"}  # of texts
# de, pt-BR, zh_Hant, sr@latin; values-de-rDE, de-x-franken, de.lproj, messages_de, app.de, BulgarianLanguage
_LOCALE = re.compile(
    rb"(?P<before>|.*?[._-])(?P<code>(?i:%s))"
    rb"(?:[-_]r?(?:[A-Z]{2}|[a-z]{2}|\d{3}|[A-Z][a-z]{3})(?:[-_][A-Z]{2})?)?(?:@\w{2,12}|-x-\w{2,12})?(?P<after>|\.lproj)"
    % b"|".join(sorted(_CODES)),  # not any three letters: language_box-cs-CZ
    re.DOTALL,
)
_WORD = re.compile(
    rb"(?P<before>|.*?[._-])(?P<code>[A-Za-z]{4,12}?)(?:br|portuguese|nynorsk|simplified|traditional|latin|cyrillic)?"
    rb"(?P<after>|Language|Locale|[._-].*)",
    re.DOTALL | re.IGNORECASE,
)
_BEYOND_ASCII = bytes(range(128, 256))
_STRINGS = re.compile(rb"\"(?:[^\"\\\n]|\\.){2,4000}\"|'(?:[^'\\\n]|\\.){2,4000}'|`[^`\\]{2,4000}`")


class _Named(NamedTuple):
    """A name in a directory, with the language that it names cut out."""

    directory: bytes
    pattern: tuple[bytes, bytes, bytes]  # before, after, ending of a file
    language: bytes  # lower case


def translations(paths: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the paths that are one of several languages, and not English.

    >>> here = [b"i18n/%s.json" % code for code in (b"de", b"en", b"fr", b"nl", b"pt-BR")]
    >>> sorted(translations([*here, b"i18n/index.json"]))
    [b'i18n/de.json', b'i18n/fr.json', b'i18n/nl.json', b'i18n/pt-BR.json']
    """
    paths = list(paths)
    entries: dict[bytes, _Named | None] = {}  # of a file or a directory
    for path in paths:
        end = len(path)
        is_file = True
        while end > 0 and path[:end] not in entries:
            entries[path[:end]] = _named(path[:end], is_file=is_file)
            end, is_file = path.rfind(b"/", 0, end), False
    foreign = _foreign(entries)
    if not foreign:
        return frozenset()
    return frozenset(path for path in paths if any(place in foreign for place in _places(path)))


def is_text(text: bytes, language: Language) -> bool:
    """Whether what is named for a language is its text: code is, where much of it stands in strings or is not ASCII.
    Documents are not: people write them anew."""
    if language.is_data or language is UNKNOWN or language.name in _FORMATS:
        return True
    if language.long_lines:
        return False
    solid = len(text.translate(None, b" \t\r\n\f\v"))
    in_strings = sum(map(len, _STRINGS.findall(text)))
    beyond_ascii = len(text) - len(text.translate(None, _BEYOND_ASCII))
    return max(in_strings, beyond_ascii) > MIN_TEXT_SHARE * solid


def _places(path: bytes) -> Iterable[bytes]:
    yield path
    at = path.rfind(b"/")
    while at > 0:
        yield path[:at]
        at = path.rfind(b"/", 0, at)


def _foreign(entries: dict[bytes, _Named | None]) -> set[bytes]:
    """Those entries that are named for a language other than English, among several that are."""
    groups: dict[tuple[bytes, tuple[bytes, bytes, bytes]], dict[bytes, bytes]] = defaultdict(dict)
    for entry, named in entries.items():
        if named:
            groups[named.directory, named.pattern][entry] = named.language
    num_alike = Counter(_kind(entry, named) for entry, named in entries.items())
    foreign: set[bytes] = set()
    for (_, pattern), members in groups.items():
        languages = set(members.values())
        if len(languages) < MIN_LANGUAGES or len(languages & _WELL_KNOWN) < MIN_WELL_KNOWN:
            continue
        entry = next(iter(members))
        is_plain = not pattern[0] and pattern[1] != b".lproj"
        if is_plain and len(members) < MIN_NAMED_SHARE * num_alike[_kind(entry, entries[entry])]:
            continue
        english = {entry for entry, language in members.items() if language in _ENGLISH}
        plain = {entry for entry in english if _PLAIN_ENGLISH.fullmatch(entry.rpartition(b"/")[2])}
        foreign.update(members.keys() - (plain or english))  # and en-AU beside en
    return foreign


def _kind(entry: bytes, named: _Named | None) -> tuple[bytes, bytes]:
    """What lies beside it and is of its kind has the same."""
    directory, _, name = entry.rpartition(b"/")
    return directory, named.pattern[2] if named else b"." + name.rpartition(b".")[2] if b"." in name else b""


def _named(entry: bytes, *, is_file: bool) -> _Named | None:
    directory, _, name = entry.rpartition(b"/")
    stem, dot, ending = name.rpartition(b".") if is_file else (name, b"", b"")
    if is_file and not stem:
        stem, dot, ending = name, b"", b""
    for expression, words in ((_LOCALE, _CODES), (_WORD, _SPELLED)):
        found = expression.fullmatch(stem)
        if found and found["code"].lower() in words | _ENGLISH:
            return _Named(directory, (found["before"], found["after"], dot + ending), found["code"].lower())
    return None
