"""The likeliest next lines: a beam search over whole lines, not a walk from one likeliest token to the next.

Greedy tokens give the likeliest line in half of the cases only, and may go round in circles. Here hypotheses are
extended side by side until the best finished line is likelier than any unfinished one, after which nothing can
overtake it (a probability only falls). Spellings of one text are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.memory import Reader

if TYPE_CHECKING:
    from effectiveness.completion.network import Continuation

Hypothesis = tuple[int, ...]
NOTHING: Mapping[Hypothesis, np.ndarray] = MappingProxyType({})
MAX_PERIOD, MIN_REPEATS = 3, 5  # tokens: what goes round in a circle is no line


@dataclass(frozen=True, slots=True)
class Predictor:
    """What may come next after a text that was read by a memory, a model, or both: the model is one of its opinions."""

    reader: Reader | None = None  # stands at the place in question, and stays as it is
    continuation: Continuation | None = None

    def top(
        self, hypotheses: Sequence[Hypothesis], k: int, among: Mapping[Hypothesis, np.ndarray] = NOTHING
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """The k likeliest tokens after the text and each hypothesis (all equally long), with probabilities.

        `among`: for a hypothesis, the tokens in question: then all of them are given, whatever k.
        """
        rows = (
            self.continuation.probabilities(hypotheses)
            if self.continuation
            else repeat(None, len(hypotheses))
        )
        return [self._after(ids, k, among.get(ids), row) for ids, row in zip(hypotheses, rows, strict=True)]

    def _after(
        self, ids: Hypothesis, k: int, among: np.ndarray | None, model: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.reader is None:
            assert model is not None, "a predictor has a reader, a continuation, or both"
            return largest(model, among, k)
        with self.reader.trial(frozen=True):
            self.reader.feed(np.array(ids, np.uint32))
            if among is None:
                return self.reader.top(k, model)
            return largest(self.reader.probabilities(model), among, k)


def largest(row: np.ndarray, among: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k likeliest tokens of a distribution [V], or all of `among`, with their probabilities."""
    if among is None:
        among = np.argpartition(-row, min(k, len(row) - 1))[:k]
    order = among[np.lexsort((among, -row[among]))]  # equal ones by id: the same on every machine
    return order, row[order].astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How far to look: 8 x 8 finds on real code what 16 x 16 does, in a quarter of the time."""

    width: int = 8  # hypotheses kept
    branch: int = 8  # tokens tried after each
    max_tokens: int = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A candidate: the first line that is not blank, without its line end, up to what closes it."""

    text: str
    ids: Hypothesis  # its likeliest spelling, with blank lines before it and the line end
    log_probability: float  # nats, of all spellings found
    is_whole: bool = True  # False: cut off at max_tokens

    @property
    def probability(self) -> float:
        return math.exp(self.log_probability)


def likely_lines(
    predictor: Predictor,
    token_bytes: Sequence[bytes],
    *,
    search: Search = Search(),
    taken_back: Sequence[int] = (),
    stop: frozenset[int] = frozenset(),
    must_stop: Callable[[], bool] = bool,
    closed_at: Callable[[str], int | None] = lambda text: None,
) -> list[Line]:
    """Candidates for the rest of the line, or for the next one, likeliest first; empty where nothing was found.

    `taken_back`: the last tokens of the prompt, which the predictor has not read (token healing: a prompt that ends
    within a word is no boundary of tokens). Every candidate begins with their bytes, spelled in any way that shares
    their beginning; its probability is that of what follows them. `stop`: control tokens, which end a line.
    `must_stop`: asked after every token; then the candidates are those found so far, not all of them whole.
    `closed_at`: where a candidate, without what was taken back, closes what is closed behind it already: its line ends
    there, and all that would have gone on in different ways are one candidate.
    """
    healing = _Healing(token_bytes, taken_back)
    written = _Written(token_bytes, healing.num_bytes, stop, closed_at)
    live: list[tuple[float, Hypothesis]] = [(0.0, ())]
    whole: list[tuple[float, Hypothesis]] = []
    for _ in range(search.max_tokens):
        found = _extended(predictor, live, search, healing)
        live = []
        for score, ids in sorted(found, key=lambda pair: (-pair[0], pair[1])):
            if written.is_line(ids):
                whole.append((score, ids))
            elif healing.is_within(ids) or (len(live) < search.width and not _goes_in_circles(ids)):
                live.append((score, ids))
        is_healed = not any(healing.is_within(ids) for _, ids in live)
        if not live or (whole and is_healed and max(whole)[0] > live[0][0]) or must_stop():
            break
    live = [(score, ids) for score, ids in live if not healing.is_within(ids)]
    of_all = math.log(healing.mass) if taken_back and healing.mass > 0 else 0.0
    whole, live = ([(score - of_all, ids) for score, ids in found] for found in (whole, live))
    return _merged(whole, written, True) or _merged(live, written, False)


class _Healing:
    """The bytes that candidates have to begin with: the tokens taken back, or other tokens from one of them on."""

    def __init__(self, token_bytes: Sequence[bytes], taken_back: Sequence[int]) -> None:
        self.taken_back = tuple(taken_back)
        self.num_bytes = sum(len(token_bytes[index]) for index in self.taken_back)
        self.mass = 0.0  # probability of all spellings seen that begin with the bytes
        self._token_bytes = token_bytes

    def is_within(self, ids: Hypothesis) -> bool:
        """Whether it is a part of what was taken back, not all of it."""
        return len(ids) < len(self.taken_back) and ids == self.taken_back[: len(ids)]

    def among(self, ids: Hypothesis) -> np.ndarray:
        """What may follow a part: the next token taken back, and all that begin with everything that is left."""
        left = self.taken_back[len(ids) :]
        allowed = consistent_tokens(self._token_bytes, b"".join(self._token_bytes[index] for index in left))
        return np.union1d(allowed, left[:1])


@dataclass(frozen=True, slots=True)
class _Written:
    """What token ids say, and where it is a line."""

    token_bytes: Sequence[bytes]
    num_forced: int  # bytes at the beginning that were taken back
    stop: frozenset[int]
    closed_at: Callable[[str], int | None]

    def is_line(self, ids: Hypothesis) -> bool:
        """Whether a line end follows something that is not blank, or closes what is closed behind it."""
        if ids[-1] in self.stop:
            return True
        text = self._bytes(ids)
        if b"\n" in self.token_bytes[ids[-1]]:
            return self.num_forced > 0 or b"\n" in text.lstrip()
        return len(text) > self.num_forced and self._closed_at(text) is not None

    def text(self, ids: Hypothesis) -> str:
        """The first line that is not blank, up to and with what closes it."""
        text = self._bytes(ids[:-1] if ids[-1] in self.stop else ids)
        end = self._closed_at(text)
        shown = text.decode("utf-8", "replace")
        return first_line(shown if end is None else shown[: end + 1])

    def _bytes(self, ids: Hypothesis) -> bytes:
        return b"".join(self.token_bytes[index] for index in ids)

    def _closed_at(self, text: bytes) -> int | None:
        """In characters of the whole text."""
        end = self.closed_at(text[self.num_forced :].decode("utf-8", "replace"))
        return None if end is None else len(text[: self.num_forced].decode("utf-8", "replace")) + end


def _extended(
    predictor: Predictor, live: Sequence[tuple[float, Hypothesis]], search: Search, healing: _Healing
) -> list[tuple[float, Hypothesis]]:
    hypotheses = [ids for _, ids in live]
    among = {ids: healing.among(ids) for ids in hypotheses if healing.is_within(ids)}
    found = predictor.top(hypotheses, search.branch, among)
    extended = []
    for (score, ids), (tokens, chances) in zip(live, found, strict=True):
        more = [
            (score + math.log(p), (*ids, token))
            for token, p in zip(tokens.tolist(), chances.tolist(), strict=True)
            if p > 0
        ]
        if ids in among:
            healing.mass += sum(math.exp(s) for s, longer in more if not healing.is_within(longer))
        extended += more
    return extended


def consistent_tokens(token_bytes: Sequence[bytes], forced: bytes) -> np.ndarray:
    """Ids of the tokens that begin with `forced`, int64."""
    longer = [index for index, text in enumerate(token_bytes) if text.startswith(forced)]
    return np.array(longer, dtype=np.int64)


def _goes_in_circles(ids: Hypothesis) -> bool:
    for period in range(1, MAX_PERIOD + 1):
        tail = ids[-period * MIN_REPEATS :]
        if len(tail) == period * MIN_REPEATS and tail == tail[:period] * MIN_REPEATS:
            return True
    return False


def first_line(text: str) -> str:
    """The first line that is not blank, "" where there is none."""
    return next((line for line in text.split("\n") if line.strip()), "")


def _merged(found, written: _Written, is_whole: bool) -> list[Line]:
    """One candidate for each text, its spellings' probabilities added."""
    by_text: dict[str, list[tuple[float, Hypothesis]]] = {}
    for score, ids in sorted(found, reverse=True):
        by_text.setdefault(written.text(ids), []).append((score, ids))
    lines = [
        Line(text=text, ids=same[0][1], log_probability=_log_sum(same), is_whole=is_whole)
        for text, same in by_text.items()
        if text.strip()
    ]
    return sorted(lines, key=lambda line: (-line.log_probability, line.text))


def _log_sum(scored: Sequence[tuple[float, Hypothesis]]) -> float:
    highest = scored[0][0]
    return highest + math.log(sum(math.exp(score - highest) for score, _ in scored))


# --- one line token by token, each the likeliest: how the arms of a comparison answer ---------------------------

MAX_LINE_TOKENS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedyLine:
    """A line as it came out."""

    text: str  # without its line end, and without the bytes it was forced to begin with
    ended: bool  # by itself: at a line end or a control token


def write_line(
    predictor: Predictor, token_bytes: Sequence[bytes], stop: frozenset[int], forced: bytes = b""
) -> GreedyLine:
    """The rest of the line at hand. `forced`: bytes with which it has to begin."""
    ids: Hypothesis = ()
    ended = False
    while len(ids) < MAX_LINE_TOKENS and not ended:
        among = {ids: consistent_tokens(token_bytes, forced)} if forced and not ids else NOTHING
        [(tokens, _)] = predictor.top([ids], 1, among)
        token = int(tokens[0])
        ids = (*ids, token)
        ended = token in stop or b"\n" in token_bytes[token]
    shown = ids[:-1] if ids[-1] in stop else ids
    text = b"".join(token_bytes[token] for token in shown)[len(forced) :]
    return GreedyLine(text=text.split(b"\n")[0].decode("utf-8", "replace"), ended=ended)


def bytes_to_heal(token_bytes: Sequence[bytes], before: Sequence[int]) -> bytes:
    """What the last token before a gap spells: it is taken back, since a gap may begin within a word.

    Empty at the beginning of a text or of a line, which is a boundary of tokens anyway.
    """
    last = token_bytes[before[-1]] if len(before) else b""
    return b"" if b"\n" in last else last
