"""Readers that stay where they are between two keystrokes: only what was typed since is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.completion.spelling import TextCoder
from effectiveness.memory import Memory, Reader

if TYPE_CHECKING:
    from effectiveness.completion.at_cursor import Cursor

MAX_READERS = 3  # files somebody writes in at a time; each takes some 100 MB of address space
MAX_PREFIX_CHARACTERS = 200_000  # of what there is time for
MAX_SUFFIX_CHARACTERS = 4_000
MAX_EXTRA_CHARACTERS = 8_000
MIN_CHARACTERS = 800
PROBE_CHARACTERS = 200  # where a window that slid begins in what was read
MAX_KEPT_CHARACTERS = 2 * MAX_PREFIX_CHARACTERS
BLOCK_TOKENS = 512
SHARE_OF_TIME = 0.3  # of what is left until the answer is wanted, for reading


@dataclass(slots=True)
class Place:
    """A reader behind `text`."""

    key: tuple
    reader: Reader
    text: str = ""


@dataclass(slots=True)
class KeptReaders:
    """The last few places, and how fast this machine reads."""

    places: list[Place] = field(default_factory=list)  # the last used last
    characters_per_s: float = 60_000.0

    def forget(self, path: str | None = None) -> None:
        """What was opened before a change: all of them, or (where the file `path` was saved) those of other files."""
        self.places = [] if path is None else [place for place in self.places if place.key[0] == path]

    @contextmanager
    def at(self, memory: Memory, coder: TextCoder, cursor: Cursor, text: str) -> Iterator[Place]:
        """A place behind `text`; what is read within is taken back. Lines before the last one are read for good."""
        text = self._nearest(text, cursor.until)
        lasting = stable_length(text, coder)
        place, start = self._open(memory, coder, cursor, text[:lasting])
        self._read(place, coder, text[start:lasting], cursor.until)
        with place.reader.trial():
            place.reader.feed(np.array(coder.encode(text[lasting:]), np.uint32))
            yield place

    def _nearest(self, text: str, until: float) -> str:
        """The end of the text that there is time for, from a line's beginning on."""
        left = max(0.0, until - time.monotonic())
        room = int(
            min(MAX_PREFIX_CHARACTERS, max(MIN_CHARACTERS, SHARE_OF_TIME * left * self.characters_per_s))
        )
        if len(text) <= room:
            return text
        tail = text[-room:]
        return tail[tail.find("\n") + 1 :]

    def _open(self, memory: Memory, coder: TextCoder, cursor: Cursor, lasting: str) -> tuple[Place, int]:
        """A place that has read a beginning of `lasting` (or of more before it), and how much of it."""
        suffix = (cursor.suffix or "")[:MAX_SUFFIX_CHARACTERS]
        key = (cursor.path, suffix, cursor.extra)
        for place in self.places:
            start = read_so_far(place.text, lasting)
            if place.key == key and start >= 0:
                self.places.remove(place)
                self.places.append(place)
                return place, start
        place = Place(key, memory.reader(cursor.path))
        for _, extra in cursor.extra:
            place.reader.observe(np.array(coder.encode(extra), np.uint32))
        place.reader.observe(np.array(coder.encode(suffix), np.uint32))
        self.places = [*self.places[-(MAX_READERS - 1) :], place]
        return place, 0

    def _read(self, place: Place, coder: TextCoder, text: str, until: float) -> None:
        ids = np.array(coder.encode(text), np.uint32)
        begun = time.monotonic()
        for first in range(0, len(ids), BLOCK_TOKENS):
            place.reader.feed(ids[first : first + BLOCK_TOKENS])
        place.text += text
        if len(ids) >= BLOCK_TOKENS:
            self.characters_per_s = len(text) / max(1e-4, time.monotonic() - begun)


@dataclass(slots=True)
class KeptIds:
    """The ids of the last text up to its last line: of a long file a keystroke encodes its own line."""

    text: str = ""
    ids: list[int] = field(default_factory=list)

    def of(self, text: str, coder: TextCoder) -> list[int]:
        """The ids of `text`."""
        stable = stable_length(text, coder)
        if stable < len(self.text) or not text.startswith(self.text):
            self.text, self.ids = "", []
        self.ids = [*self.ids, *coder.encode(text[len(self.text) : stable])]
        self.text = text[:stable]
        return [*self.ids, *coder.encode(text[stable:])]


def stable_length(text: str, coder: TextCoder) -> int:
    """Where the last line that is not blank begins, or the white space before it: no token reaches over that place."""
    begins = text.rstrip().rfind("\n") + 1
    return begins if coder.parts_lines else len(text[:begins].rstrip())


def read_so_far(read: str, text: str) -> int:
    """How much of the text was read, with something before it or not; -1 where something else was read behind it.

    >>> read_so_far("one\\n", "one\\ntwo\\n"), read_so_far("x\\n", "y\\n")
    (4, -1)
    """
    if len(read) > MAX_KEPT_CHARACTERS:
        return -1
    if text.startswith(read):
        return len(read)
    begun = read.find(text[:PROBE_CHARACTERS])
    return len(read) - begun if begun >= 0 and text.startswith(read[begun:]) else -1
