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
BLOCK_TOKENS = 256
SHARE_OF_TIME = 0.3  # of what is left until the answer is wanted, for reading
LATEST_SHARE_OF_TIME = 0.5
LAST_SHARE_OF_TIME = 0.7  # then nothing but the nearest text is read


@dataclass(slots=True)
class ReaderPlace:
    """A reader behind `text`."""

    key: tuple
    reader: Reader
    text: str = ""
    num_tokens: int = 0


@dataclass(slots=True)
class KeptReaders:
    """The last few places, and how fast this machine reads."""

    places: list[ReaderPlace] = field(default_factory=list)  # the last used last
    characters_per_s: float = 60_000.0

    def forget(self, path: str | None = None) -> None:
        """What was opened before a change: all of them, or (where the file `path` was saved) those of other files."""
        self.places = [] if path is None else [place for place in self.places if place.key[0] == path]

    @contextmanager
    def at(self, memory: Memory, coder: TextCoder, cursor: Cursor, text: str) -> Iterator[ReaderPlace]:
        """A place behind `text`; what is read within is taken back. Lines before the last one are read for good."""
        key = (cursor.path, (cursor.suffix or "")[:MAX_SUFFIX_CHARACTERS], cursor.extra)
        lasting = stable_length(text, coder)
        place, start = self._known(key, text[:lasting])
        room = self._room(cursor.until)
        if lasting - start > room:
            text = text[-room:].partition("\n")[2] or text[-room:]
            lasting = stable_length(text, coder)
            place, start = self._known(key, text[:lasting])
        place = place or self._new(key, memory, coder)
        self.places = [*[other for other in self.places if other is not place][-(MAX_READERS - 1) :], place]
        self._read(place, coder, text[start:lasting], cursor.until)
        with place.reader.trial():
            place.reader.feed(np.array(coder.encode(text[lasting:]), np.uint32))
            yield place

    def _room(self, until: float) -> int:
        """Characters that there is time to read."""
        left = max(0.0, until - time.monotonic())
        return int(
            min(MAX_PREFIX_CHARACTERS, max(MIN_CHARACTERS, SHARE_OF_TIME * left * self.characters_per_s))
        )

    def _known(self, key: tuple, lasting: str) -> tuple[ReaderPlace | None, int]:
        """A place that has read a beginning of `lasting` (or of more before it), and how much of it."""
        for place in reversed(self.places):
            start = read_so_far(place.text, lasting)
            if place.key == key and start >= 0:
                return place, start
        return None, 0

    def _new(self, key: tuple, memory: Memory, coder: TextCoder) -> ReaderPlace:
        path, suffix, extra = key
        place = ReaderPlace(key, memory.reader(path))
        for text in (*(text for _, text in extra), suffix):
            place.reader.observe(np.array(coder.encode(text), np.uint32))
        return place

    def _read(self, place: ReaderPlace, coder: TextCoder, text: str, until: float) -> None:
        """For good. On a busy machine the rest is read without learning from it, then nothing but the end of it."""
        begun, first = time.monotonic(), 0
        ids = np.array(coder.encode(text), np.uint32)
        while first < len(ids):
            spent_share = (time.monotonic() - begun) / max(1e-4, until - begun)
            if spent_share > LAST_SHARE_OF_TIME:
                first = max(first, len(ids) - BLOCK_TOKENS)
            read = place.reader.feed if spent_share < LATEST_SHARE_OF_TIME else place.reader.skim
            read(ids[first : first + BLOCK_TOKENS])
            first += BLOCK_TOKENS
        place.text += text
        place.num_tokens += len(ids)
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
