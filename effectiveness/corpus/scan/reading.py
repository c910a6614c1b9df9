"""The one place that decides which of the listed files are read: those whose content is text, and that no named rule
speaks against. The rules stand in `unwanted` (by name and language) and `quality` (by the text)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

from effectiveness.common.records import SET_LANGUAGE
from effectiveness.corpus.scan import notebooks
from effectiveness.corpus.scan.beneath import Beneath, UnstableFile
from effectiveness.corpus.scan.built import declarations_reason
from effectiveness.corpus.scan.decoding import HEAD_BYTES, NotText, decode, require_no_nul
from effectiveness.corpus.scan.listing import MAX_FILE_BYTES, Candidate, Tally
from effectiveness.corpus.scan.quality import EMPTY, drop_reason
from effectiveness.corpus.scan.repeating import repeating_reason
from effectiveness.corpus.scan.unwanted import language_reason, name_reason
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
    return kept


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
    return Kept(candidate.path, language.name, digest, text, tuple(notes), candidate.is_documentation)


def _reason(name: str, text: bytes, language: Language, candidate: Candidate) -> str:
    """The named rule that leaves a text out; "" to keep it."""
    if candidate.is_included:
        return "" if text.strip() else EMPTY
    if candidate.path.endswith(notebooks.SUFFIX):
        language = replace(language, long_lines=True)  # of its prose a paragraph is a line
    handwritten = candidate.handwritten
    reason = language_reason(name, language, len(text), handwritten=handwritten)
    reason = reason or drop_reason(text, language, handwritten=handwritten)
    if not reason and not handwritten:
        reason = declarations_reason(name, text)
    return reason or repeating_reason(name, text, language)
