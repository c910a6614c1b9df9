"""Questions about held-out files: what is the first line that is not blank after a random line end?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.seeding import rng_for
from effectiveness.completion.lines import first_line
from effectiveness.completion.spelling import TextCoder


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutFile:
    """All tokens of a file that nothing learned from."""

    path: str
    ids: np.ndarray  # int64 [T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A place in a file: `place` tokens and `rest` more stand before the line that is asked for."""

    file: HeldOutFile
    place: int  # tokens
    rest: tuple[int, ...]  # where the line end lies within a token: the ids of the line up to there
    truth: str  # the line, without its line end


def draw_questions(files: Sequence[HeldOutFile], coder: TextCoder, count: int, seed: int) -> list[Question]:
    """Up to `count`, evenly over the files (a long one must not speak for all), always the same for a seed."""
    order = sorted(files, key=lambda file: file.path)
    rng_for(seed, "questions").shuffle(order)
    places = [_line_ends(file, coder, seed) for file in order]
    asked: list[Question] = []
    for turn in range(max(map(len, places), default=0)):
        for file, of_file in zip(order, places, strict=True):
            if turn < len(of_file) and len(asked) < count:
                asked.append(_question(file, coder, *of_file[turn]))
    return asked


def _line_ends(file: HeldOutFile, coder: TextCoder, seed: int) -> list[tuple[int, str]]:
    """(offset in bytes, line that follows) of the line ends before something, in a seeded order."""
    text = coder.spell(file.ids.tolist())
    last = len(text.rstrip())
    ends = [i + 1 for i in range(min(last, len(text))) if text[i] == 0x0A]
    rng_for(seed, "line ends", file.path).shuffle(ends)
    return [(end, _line_at(text, end)) for end in ends]


def _line_at(text: bytes, offset: int) -> str:
    while offset < len(text):
        end = text.find(b"\n", offset)
        line = text[offset : len(text) if end < 0 else end]
        if line.strip():
            return line.decode("utf-8", "replace")
        offset = end + 1
    return ""


def _question(file: HeldOutFile, coder: TextCoder, offset: int, truth: str) -> Question:
    ends = np.cumsum([len(coder.token_bytes[index]) for index in file.ids.tolist()])
    place, begin = _token_at(ends, offset)
    rest: tuple[int, ...] = ()
    if begin < offset:  # within a token: the line is read as if nothing followed, as an editor's buffer is
        text = coder.spell(file.ids.tolist())
        place, begin = _token_at(ends, text.rfind(b"\n", 0, begin) + 1)
        rest = tuple(coder.encode(text[begin:offset].decode("utf-8", "replace")))
    return Question(file=file, place=place, rest=rest, truth=truth)


def _token_at(ends: np.ndarray, offset: int) -> tuple[int, int]:
    """Which token an offset in bytes lies in, and where that begins; `ends`: of each token."""
    place = int(np.searchsorted(ends, offset, side="right"))
    return place, int(ends[place - 1]) if place else 0


def is_exact(answer: str, truth: str) -> bool:
    """Indentation and white space at the end apart."""
    return answer.strip() == truth.strip()


def similarity(answer: str, truth: str) -> float:
    """Ratcliff and Obershelp's: twice the matching characters over all characters, of the lines with indentation."""
    return difflib.SequenceMatcher(None, answer, first_line(truth)).ratio()
