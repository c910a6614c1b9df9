"""The one place that decides which of the listed files are read: those whose content is text, and that no named rule
speaks against. The rules stand in `unwanted` (by name and language) and `quality` (by the text)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

from effectiveness.common.records import SET_LANGUAGE
from effectiveness.corpus.scan import notebooks
from effectiveness.corpus.scan.alike import ALIKE, File, alike
from effectiveness.corpus.scan.beneath import Beneath, UnstableFile
from effectiveness.corpus.scan.built import OF_THE_WEB, declarations_reason
from effectiveness.corpus.scan.decoding import HEAD_BYTES, NotText, decode, require_no_nul
from effectiveness.corpus.scan.listing import MAX_FILE_BYTES, Candidate, Tally
from effectiveness.corpus.scan.quality import EMPTY, drop_reason
from effectiveness.corpus.scan.repeating import repeating_reason
from effectiveness.corpus.scan.translations import TRANSLATION, is_text
from effectiveness.corpus.scan.unwanted import language_reason, name_reason
from effectiveness.corpus.scan.vendored import library_reason
from effectiveness.languages import UNKNOWN, Language, language_called, language_of

UNKNOWN_LANGUAGE = "text of no known language"


class LeftOut(Exception):
    """A named rule leaves the file out; the message is the reason."""


class Kept(NamedTuple):
    """A file that was read and that no rule leaves out."""

    path: bytes
    language: str
    sha256: str  # of the bytes on disk
    text: bytes  # UTF-8
    notes: tuple[str, ...]  # on how it was read
    is_documentation: bool
    is_asked_for: bool  # by --include or .gitattributes: no other file beside it counts


def read_all(place: Beneath, candidates: list[Candidate], tally: Tally) -> list[Kept]:
    """Read files; those that are not kept are counted."""
    kept = []
    for candidate in candidates:
        try:
            kept.append(_read(place, candidate))
        except OSError as error:
            tally.add_error(error, candidate.path)
        except UnstableFile as why:
            tally.add(str(why), candidate.path, unreadable=True)
        except (NotText, LeftOut) as why:
            tally.add(str(why), candidate.path)
    return _without_alike(kept, tally)


def _without_alike(kept: list[Kept], tally: Tally) -> list[Kept]:
    """Those of a shard: its files lie beside each other, and where it ends does not depend on the workers."""
    left_out = alike([File(file.path, file.language, file.text, file.is_asked_for) for file in kept])
    for number in sorted(left_out):
        tally.add(ALIKE, kept[number].path)
    return [file for number, file in enumerate(kept) if number not in left_out]


def _read(place: Beneath, candidate: Candidate) -> Kept:
    """Raises LeftOut, and what reading and decoding raise."""
    name = candidate.path.decode("utf-8", "replace")
    if reason := "" if candidate.is_included else name_reason(name):
        raise LeftOut(reason)
    if language_of(name) is None:  # of pictures and the like no more than the head is read
        require_no_nul(place.read_head(candidate.path, HEAD_BYTES))
    raw = place.read(candidate.path, MAX_FILE_BYTES)
    text, *notes = decode(raw)
    if candidate.path.endswith(notebooks.SUFFIX):
        text, language = notebooks.script_of(text)
    else:
        language = language_of(name, text) or UNKNOWN
        if said := language_called(candidate.language):
            language = said
            notes.append(SET_LANGUAGE)
    if reason := _reason(name, text, language, candidate):
        raise LeftOut(reason)
    if language is UNKNOWN:
        notes.append(UNKNOWN_LANGUAGE)
    digest = hashlib.sha256(raw).hexdigest()
    is_asked_for = candidate.is_included or candidate.handwritten
    return Kept(
        candidate.path, language.name, digest, text, tuple(notes), candidate.is_documentation, is_asked_for
    )


def _reason(name: str, text: bytes, language: Language, candidate: Candidate) -> str:
    """The named rule that leaves a text out; "" to keep it."""
    if candidate.is_included:
        return "" if text.strip() else EMPTY
    if candidate.path.endswith(notebooks.SUFFIX):
        language = replace(language, long_lines=True)  # of its prose a paragraph is a line
    handwritten = candidate.handwritten
    reason = language_reason(name, language, len(text), handwritten=handwritten)
    if candidate.is_translation and not reason and is_text(text, language):
        reason = TRANSLATION
    reason = reason or drop_reason(text, language, handwritten=handwritten)
    if not reason and not handwritten:
        reason = declarations_reason(name, text)
        if language.name in OF_THE_WEB:
            reason = reason or library_reason(name, text)
    return reason or repeating_reason(name, text, language)
