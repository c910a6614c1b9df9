"""Fill-in-the-middle: where a window of tokens is cut in three, and in which order the parts are written.

A cursor stands anywhere, also inside a token; what follows it is often the end of its line. So half of the gaps are
cut at two random bytes (Bavarian et al. 2022, 2207.14255, at characters), the others end where a line does, and
half of those begin where one does. The parts are written prefix-suffix-middle, or suffix first, where the middle goes
on from the prefix without a seam and an editor's next key changes only the end of the prompt:

    prefix-token prefix suffix-token suffix middle-token middle end
    prefix-token suffix-token suffix middle-token prefix middle end        (the paper's SPM in its second form)

A third of the gaps are whole syntax nodes, what an editor asks for most (2506.00204). They are found without a parser:
what brackets hold, and what is indented. Dataset and trainer share none, and a window begins anywhere, where a parser
sees errors; layout is there in every language.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from effectiveness.trainer.documents import ControlTokens

NUM_CONTROL_TOKENS = 4  # prefix, suffix, middle, end
CHARACTERS, REST_OF_LINE, LINES, NODES = "characters", "rest of line", "lines", "nodes"
CUTS = {CHARACTERS: 0.34, REST_OF_LINE: 0.17, LINES: 0.16, NODES: 0.33}  # shares of gaps
NUM_LINES = (1, 1, 1, 2, 4, 8)  # of a gap that ends with a line, drawn from these
SUFFIX_FIRST = 0.5  # share of gaps
SUFFIX_FIRST_ORDER = "suffix-prefix-middle"
ORDERS = ("prefix-suffix-middle", SUFFIX_FIRST_ORDER)
LEAST_TOKENS = 3  # of a window that is cut


class CutSpelling(Protocol):
    """What cuts inside of tokens need to know of a tokenizer."""

    @property
    def num_bytes(self) -> np.ndarray:
        """Bytes of each id, int64 [vocabulary]."""

    @property
    def line_ends(self) -> np.ndarray:
        """Bytes of each id behind which a line ends, -1: none ends in it; int64 [vocabulary]."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids."""

    def halves(self, index: int, num_bytes: int) -> tuple[list[int], list[int]] | None:
        """Ids of a token's first `num_bytes` bytes and of the rest; None where they are no texts of their own."""


@dataclass(frozen=True, slots=True, order=True)
class CutPlace:
    """Before token `token`, or `inside` bytes within it."""

    token: int
    inside: int = 0


def fill_in_the_middle(
    tokens: np.ndarray, control: ControlTokens, window: int, rng: random.Random, spelling: CutSpelling | None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int64, min(len(tokens) + 3, window) each: every token is a target, the end token too."""
    return gap_pairs(*cut_a_gap(tokens, control, window, rng, spelling), control)


def gap_pairs(asked: list[int], middle: list[int], control: ControlTokens) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a gap and its middle."""
    sequence = np.array([*asked, *middle, control.end], dtype=np.int64)
    return sequence[:-1], sequence[1:]


def cut_a_gap(
    tokens: np.ndarray, control: ControlTokens, window: int, rng: random.Random, spelling: CutSpelling | None
) -> tuple[list[int], list[int]]:
    """(what asks for the middle, the middle), as many ids as tokens and three more, or `window`.

    Without a `spelling` cuts lie between tokens. Cutting a token makes more of it; what is too much then is left
    out farthest from the gap.
    """
    tokens = tokens[: window - NUM_CONTROL_TOKENS + 1]
    prefix, middle, suffix = _fitted(tokens, *_draw(tokens, rng, spelling), spelling)
    return control.around(prefix, suffix, suffix_first=rng.random() < SUFFIX_FIRST), middle


def _draw(tokens: np.ndarray, rng: random.Random, spelling: CutSpelling | None) -> tuple[CutPlace, CutPlace]:
    """Where a gap begins and ends."""
    if spelling is None:
        return _sorted(CutPlace(rng.randrange(len(tokens) + 1)) for _ in range(2))
    ends = np.cumsum(spelling.num_bytes[tokens])
    [kind] = rng.choices(list(CUTS), list(CUTS.values()))
    if kind == NODES and (node := draw_node(_text(tokens, ends, spelling), rng)) is not None:
        return _sorted(_at_byte(number, ends) for number in node)
    lines = np.flatnonzero(spelling.line_ends[tokens] >= 0)  # tokens in which a line ends
    if kind == CHARACTERS or not len(lines):
        return _sorted(_at_byte(rng.randrange(int(ends[-1]) + 1), ends) for _ in range(2))
    if kind == REST_OF_LINE:
        first = _at_byte(rng.randrange(int(ends[-1]) + 1), ends)
    else:
        first = CutPlace(int(rng.choice((-1, *lines))) + 1)
    return first, _line_end_behind(first, tokens, lines, rng, spelling)


def _text(tokens: np.ndarray, ends: np.ndarray, spelling: CutSpelling) -> bytes:
    """What the tokens spell; nothing where a character is cut at an end."""
    text = spelling.decode(tokens).encode()
    return text if len(text) == ends[-1] else b""


def _sorted(places: Iterable[CutPlace]) -> tuple[CutPlace, CutPlace]:
    first, last = sorted(places)
    return first, last


def _at_byte(number: int, ends: np.ndarray) -> CutPlace:
    """The place behind so many bytes of a text whose tokens end at `ends`."""
    token = int(np.searchsorted(ends, number, side="right"))
    return CutPlace(token, number - int(ends[token - 1]) if token else number)


def _line_end_behind(
    first: CutPlace, tokens: np.ndarray, lines: np.ndarray, rng: random.Random, spelling: CutSpelling
) -> CutPlace:
    """Where the line of `first`, or one of the next, ends: before its line break. The text's end where none does."""
    behind = [CutPlace(int(t), int(spelling.line_ends[tokens[t]])) for t in lines[lines >= first.token][:8]]
    behind = [place for place in behind if place >= first]
    if not behind:
        return CutPlace(len(tokens))
    return behind[min(rng.choice(NUM_LINES), len(behind)) - 1]


def _fitted(
    tokens: np.ndarray, first: CutPlace, last: CutPlace, spelling: CutSpelling | None
) -> tuple[list[int], list[int], list[int]]:
    """Prefix, middle and suffix at these places, as many tokens in all as there were."""
    before, suffix = _cut(tokens.tolist(), last, spelling)
    same = first.token == last.token
    prefix, middle = _cut(before, CutPlace(first.token) if same else first, spelling)
    extra = len(prefix) + len(middle) + len(suffix) - len(tokens)
    if extra > len(prefix) + len(suffix):
        return _fitted(tokens, CutPlace(first.token), CutPlace(last.token), None)
    of_prefix = min(extra, len(prefix))
    return prefix[of_prefix:], middle, suffix[: len(suffix) - (extra - of_prefix)]


def _cut(tokens: list[int], place: CutPlace, spelling: CutSpelling | None) -> tuple[list[int], list[int]]:
    """What stands before a place and behind it; before its token where that cannot be cut there."""
    halves = spelling.halves(tokens[place.token], place.inside) if spelling and place.inside else None
    if halves is None:
        return tokens[: place.token], tokens[place.token :]
    left, right = halves
    return tokens[: place.token] + left, right + tokens[place.token + 1 :]


# --- syntax nodes ---------------------------------------------------------------------------------------------


OPENERS, CLOSERS = b"([{", b")]}"
GOES_ON = b"([{:"  # at the end of a line that closes: `} else {`, `):`
IN_BRACKETS = 0.5  # share of nodes; the others are statements with what is indented under them


def draw_node(text: bytes, rng: random.Random) -> tuple[int, int] | None:
    """(first byte, byte behind the last) of the innermost node around a random place; None where there is none."""
    if not text:
        return None
    place = rng.randrange(len(text))
    if rng.random() < IN_BRACKETS:
        return in_brackets(text, place) or statement(text, place)
    return statement(text, place) or in_brackets(text, place)


def in_brackets(text: bytes, place: int) -> tuple[int, int] | None:
    """What stands between the brackets around a place, without white space at its ends."""
    first = _unmatched(text, range(place - 1, -1, -1), CLOSERS, OPENERS)
    last = _unmatched(text, range(place, len(text)), OPENERS, CLOSERS)
    if first is None or last is None or OPENERS.index(text[first]) != CLOSERS.index(text[last]):
        return None
    return _stripped(text, first + 1, last)


def _unmatched(text: bytes, places: range, deeper: bytes, shallower: bytes) -> int | None:
    depth = 0
    for place in places:
        if text[place] in deeper:
            depth += 1
        elif text[place] in shallower:
            if not depth:
                return place
            depth -= 1
    return None


def statement(text: bytes, place: int) -> tuple[int, int] | None:
    """The line of a place, with the lines indented under it and one that closes it."""
    first = text.rfind(b"\n", 0, place) + 1
    line, end = _line(text, first)
    if not line.strip():
        return None
    indent, last = _indent(line), first + len(line.rstrip())
    while end < len(text):
        begin = end
        line, end = _line(text, begin)
        if not line.strip():
            continue
        closes = _indent(line) == indent and line.lstrip()[0] in CLOSERS
        if _indent(line) <= indent and not closes:
            break
        last = begin + len(line.rstrip())
        if closes and line.rstrip()[-1] not in GOES_ON:
            break
    return _stripped(text, first, last)


def _line(text: bytes, start: int) -> tuple[bytes, int]:
    """(the line that begins there, where the next one does)."""
    end = text.find(b"\n", start)
    return (text[start:], len(text)) if end < 0 else (text[start:end], end + 1)


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _stripped(text: bytes, first: int, last: int) -> tuple[int, int] | None:
    part = text[first:last]
    first, last = first + len(part) - len(part.lstrip()), last - len(part) + len(part.rstrip())
    return (first, last) if first < last else None
