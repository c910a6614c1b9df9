"""One line, token by token: how the arms of a comparison answer, each with the likeliest next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effectiveness.completion.lines import NOTHING, Hypothesis, Predictor, consistent_tokens

MAX_LINE_TOKENS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A line as it came out."""

    text: str  # without its line end, and without the bytes it was forced to begin with
    ended: bool  # by itself: at a line end or a control token


def write_line(
    predictor: Predictor, token_bytes: Sequence[bytes], stop: frozenset[int], forced: bytes = b""
) -> Written:
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
    return Written(text=text.split(b"\n")[0].decode("utf-8", "replace"), ended=ended)


def bytes_to_heal(token_bytes: Sequence[bytes], before: Sequence[int]) -> bytes:
    """What the last token before a gap spells: it is taken back, since a gap may begin within a word.

    Empty at the beginning of a text or of a line, which is a boundary of tokens anyway.
    """
    last = token_bytes[before[-1]] if len(before) else b""
    return b"" if b"\n" in last else last
