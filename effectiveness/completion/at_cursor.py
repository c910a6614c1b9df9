"""The best answer at a cursor: what a memory, a model or both would write between two texts, in the time there is.

A prompt that ends within a word is no boundary of tokens: its last word is taken back and searched for again with what
may follow it. An answer ends with its line, or goes on to the next while it is sure enough, and never says again what
already stands behind the cursor.
"""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from effectiveness.completion.confidence import Judgement
from effectiveness.completion.lines import Line, Predictor, Search, likely_lines
from effectiveness.completion.network import Network
from effectiveness.completion.overlap import (
    begins_what_follows,
    breaks_brackets,
    closed_at,
    fitted,
    is_followed,
    is_foreign_fence,
    repeats_line,
    rest_of_line,
)
from effectiveness.completion.reading import MAX_PREFIX_CHARACTERS, KeptIds, KeptReaders, ReaderPlace
from effectiveness.completion.spelling import TextCoder
from effectiveness.memory import Memory

QUIET_BELOW = 0.25
SHARE_OF_TIME = (
    0.7  # of what is left, for a model's reading; without it the memory searches a line in the rest
)
MAX_WORD_CHARACTERS = 128
MAX_TAKEN_BACK = 4  # tokens of a word, from any of which on it may be spelled in another way
CHARACTERS_PER_TOKEN = 6  # more than code has: a window is filled
# What a token may reach over from before the cursor: letters with the character before them, digits, marks, a blank.
_WORD = re.compile(r"(?:[^\r\n\w]|_)?[^\W\d_]+\Z| ?\d+\Z| ?(?:[^\w\s]|_)+\Z|[ \t]\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place that an answer is asked for."""

    prefix: str
    suffix: str | None = None  # None: nothing is known of what follows
    path: str = ""  # of the file at hand, whose saved self is not asked; "" if it is not known
    extra: tuple[tuple[str, str], ...] = ()  # (path, text) of what else is open
    max_lines: int = 1
    max_tokens: int = 48
    min_indent: int = 0  # an answer ends before a further line that is indented less
    stop: tuple[str, ...] = ()  # texts before which an answer ends
    until: float = math.inf  # of time.monotonic
    is_gone: Callable[[], bool] = bool  # whether nobody waits for the answer any longer

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until or self.is_gone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to write at the cursor; an empty text where nothing is sure enough."""

    text: str = ""
    confidence: float = 0.0  # the share of such answers that was right
    probability: float = 0.0
    is_whole: bool = True  # False: the time was over
    num_prompt_tokens: int = 0
    ids: tuple[
        int, ...
    ] = ()  # of the lines as they were found: with what was taken back before, and the line end
    prompt_s: float = 0.0
    search_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Completer:
    """Who answers: `memory`, `network` or both, and when it keeps quiet. For one thread at a time."""

    coder: TextCoder
    memory: Memory | None = None
    network: Network | None = None
    judgement: Judgement = field(default_factory=Judgement)
    quiet_below: float = QUIET_BELOW
    readers: KeptReaders = field(default_factory=KeptReaders)
    kept_ids: KeptIds = field(default_factory=KeptIds)

    def answer(self, cursor: Cursor) -> Answer:
        """The best text at the cursor by the time that it wants it."""
        begun = time.monotonic()
        prompt = Prompt.of(self._nearest(cursor.prefix), self.coder)
        ids = self.kept_ids.of(prompt.text, self.coder) if self.network else []
        with self._at(cursor, prompt) as place:
            asked = time.monotonic()
            lines = self._lines_at(place, cursor, prompt, ids)
        now = time.monotonic()
        return _joined(
            lines,
            cursor,
            num_prompt_tokens=(len(ids) if place is None else place.num_tokens) + len(prompt.taken_back),
            prompt_s=asked - begun,
            search_s=now - asked,
        )

    def _nearest(self, prefix: str) -> str:
        """As much of the end as anybody here can read, cut where it was cut a keystroke ago, too."""
        room = max(MAX_PREFIX_CHARACTERS, CHARACTERS_PER_TOKEN * (self.network.window if self.network else 0))
        if len(prefix) <= room:
            return prefix
        step = room // 4
        cut = -(-(len(prefix) - room) // step) * step
        return prefix[prefix.find("\n", cut) + 1 or cut :]

    @contextmanager
    def _at(self, cursor: Cursor, prompt: Prompt) -> Iterator[ReaderPlace | None]:
        if self.memory is None:
            yield None
            return
        with self.readers.at(self.memory, self.coder, cursor, prompt.text) as place:
            yield place

    def _lines_at(
        self, place: ReaderPlace | None, cursor: Cursor, prompt: Prompt, ids: list[int]
    ) -> list[_Sure]:
        """Line after line, each after those before it, as long as it is sure enough of all of them together."""
        lines: list[_Sure] = []
        written: list[int] = []
        while len(lines) < cursor.max_lines and len(written) < cursor.max_tokens:
            begun = prompt if not lines else NOTHING_BEGUN
            line = self._line(place, cursor, [*ids, *written], begun, cursor.max_tokens - len(written))
            if line is None or (sure := self._judged(line, cursor, prompt, lines)) is None:
                break
            lines.append(sure)
            written += line.ids
            is_last = not line.is_whole or line.ids[-1] in self.coder.control or cursor.is_over
            is_done = not sure.text and is_followed(cursor.suffix)  # the line is whole, and so is the next
            if is_last or is_done or rest_of_line(cursor.suffix):
                break
            if place is not None:
                place.reader.feed(np.array(line.ids, np.uint32))
        return lines

    def _line(self, place, cursor: Cursor, ids: list[int], begun: Prompt, room: int) -> Line | None:
        predictor = self._predictor(place, cursor, ids)
        if predictor is None:
            return None
        rest = rest_of_line(cursor.suffix)
        search = dataclasses.replace(
            Search(), max_tokens=min(Search().max_tokens, room + len(begun.taken_back))
        )
        found = likely_lines(
            predictor,
            self.coder.token_bytes,
            search=search,
            taken_back=begun.taken_back,
            stop=self.coder.control,
            must_stop=lambda: cursor.is_over,
            closed_at=lambda text: closed_at(text, rest),
        )
        if begun is NOTHING_BEGUN:
            return self.judgement.best(found)
        return self.judgement.best([line for line in found if self._is_new(line, begun, cursor)])

    def _is_new(self, line: Line, begun: Prompt, cursor: Cursor) -> bool:
        """Whether the line goes together with what stands behind the cursor, and does not stand there already."""
        text = self._fitted(line, begun, cursor)
        if text is None or repeats_line(begun.line + self._behind(line, begun), cursor.suffix):
            return False
        return not _is_misplaced(begun.line, text, cursor.prefix, cursor.suffix)

    def _behind(self, line: Line, prompt: Prompt) -> str:
        """The line without what was taken back."""
        return line.text[len(self.coder.spell(prompt.taken_back).decode("utf-8", "replace")) :]

    def _fitted(self, line: Line, prompt: Prompt, cursor: Cursor) -> str | None:
        is_middle = line.ids[-1] in self.coder.control
        return fitted(self._behind(line, prompt), rest_of_line(cursor.suffix), is_middle=is_middle)

    def _predictor(self, place: ReaderPlace | None, cursor: Cursor, ids: list[int]) -> Predictor | None:
        """A model that could not read all in its time is left out of this answer; it goes on reading at the next."""
        if self.network is None:
            assert place is not None, "a completer has a memory, a network, or both"
            return Predictor(place.reader)
        if cursor.suffix and self.network.fim:
            behind = self.coder.encode(cursor.suffix[: 4 * self.network.window])
            continuation = self.network.between(ids, behind)
        else:
            continuation = self.network.after(ids)
        now = time.monotonic()
        latest = cursor.until if place is None else now + SHARE_OF_TIME * (cursor.until - now)
        if not continuation.read_in_time(lambda: time.monotonic() > latest or cursor.is_gone()):
            return None if place is None else Predictor(place.reader)
        return Predictor(None if place is None else place.reader, continuation)

    def _judged(self, line: Line, cursor: Cursor, prompt: Prompt, before: list[_Sure]) -> _Sure | None:
        """The line's text and how sure it is of all lines so far; None where that is not enough."""
        last = before[-1] if before else _Sure(text="", line="", confidence=1.0, probability=1.0, ids=())
        confidence = last.confidence * self.judgement.confidence(line)
        if confidence < self.quiet_below:
            return None
        text = line.text.rstrip("\r")
        if not before:
            text = self._fitted(line, prompt, cursor) or ""
        elif self._ends_block(line, cursor, before):
            return None
        return _Sure(
            text=text,
            line=prompt.line + text if not before else text,
            confidence=confidence,
            probability=last.probability * line.probability,
            ids=line.ids,
            is_whole=line.is_whole,
        )

    def _ends_block(self, line: Line, cursor: Cursor, before: list[_Sure]) -> bool:
        """Whether an answer ends before this further line: what stands behind the cursor begins, or another block."""
        is_less_indented = len(line.text) - len(line.text.lstrip()) < cursor.min_indent
        is_after_blank = self.coder.spell(line.ids).lstrip(b" \t\r").startswith(b"\n")
        is_said = any(line.text == sure.line for sure in before)
        prefix = "\n".join([cursor.prefix + before[0].text, *(sure.text for sure in before[1:]), ""])
        is_misplaced = _is_misplaced("", line.text, prefix, cursor.suffix)
        is_known = is_said or begins_what_follows(line.text, cursor.suffix)
        return is_less_indented or is_after_blank or is_known or is_misplaced


def _is_misplaced(begun: str, text: str, prefix: str, suffix: str | None) -> bool:
    """Whether the line `begun` may not end with this text: its brackets, or what it is, belong to another place."""
    if is_foreign_fence(begun + text, prefix, suffix):
        return True
    return not rest_of_line(suffix) and breaks_brackets(text, prefix, suffix or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sure:
    """A line that is shown, with what holds of it and those before it."""

    text: str
    line: str  # with what stands before the cursor on it
    confidence: float
    probability: float
    ids: tuple[int, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text before a cursor without its last word, which may go on, and the ids of that."""

    text: str
    taken_back: tuple[int, ...]
    line: str = ""  # up to the cursor

    @classmethod
    def of(cls, prefix: str, coder: TextCoder) -> Prompt:
        """No pre-tokenizer in use joins more than a word with one character before it."""
        word = _WORD.search(prefix[-MAX_WORD_CHARACTERS:])
        text = prefix[: len(prefix) - len(word.group() if word else "")]
        taken_back = coder.encode(prefix[len(text) :])
        if len(taken_back) > MAX_TAKEN_BACK:
            text += coder.spell(taken_back[:-MAX_TAKEN_BACK]).decode("utf-8", "replace")
            taken_back = taken_back[-MAX_TAKEN_BACK:]
        return cls(text=text, taken_back=tuple(taken_back), line=prefix.rpartition("\n")[2])


NOTHING_BEGUN = Prompt(text="", taken_back=())  # at the beginning of a further line


def _joined(lines: list[_Sure], cursor: Cursor, **measured) -> Answer:
    text = "\n".join(line.text for line in lines)
    for stop in filter(None, cursor.stop):
        text = text.partition(stop)[0]
    if not text.strip():
        return Answer(**measured)
    last = lines[-1]
    return Answer(
        text=text,
        confidence=last.confidence,
        probability=last.probability,
        is_whole=last.is_whole,
        ids=tuple(index for line in lines for index in line.ids),
        **measured,
    )
