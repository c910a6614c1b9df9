"""Repository context for rows of a training split: excerpts of that split's other files, and of nothing held out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.common.repository_context import CONTEXT_SHARE, Place, RepositoryContext
from effectiveness.common.seeding import rng_for
from effectiveness.trainer.context_record import without_files
from effectiveness.trainer.documents import ControlTokens, Draw, even_sizes
from effectiveness.trainer.gaps import NUM_CONTROL_TOKENS, Spelling, cut_a_gap
from effectiveness.trainer.rows import Rows
from effectiveness.trainer.whole_files import FileTokens, whole_files

if TYPE_CHECKING:
    from effectiveness.trainer.vocabulary import Vocabulary


def longest_behind_context(window: int) -> int:
    """Tokens of a text that fit behind other files, with the tokens of a gap in them."""
    return max(1, window - int(CONTEXT_SHARE * window) - NUM_CONTROL_TOKENS + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRows:
    """Visits of rows of a training split, read behind excerpts of that split's other files."""

    context: RepositoryContext
    names: tuple[str, ...]
    stretches: dict[int, list[FileTokens]]  # by file
    spelling: Spelling | None

    @classmethod
    def of(cls, rows: Rows, context: RepositoryContext, spelling: Spelling | None) -> ContextRows:
        stretches: dict[int, list[FileTokens]] = {}
        for part in whole_files(rows):
            stretches.setdefault(part.file, []).append(part)
        return cls(context=context, names=rows.files, stretches=stretches, spelling=spelling)

    def pieces(
        self, rows: Rows, row: int, control: ControlTokens, draw: Draw, *, fills: bool, window: int
    ) -> list[tuple[np.ndarray, np.ndarray, int]]:
        """(inputs, targets, how many of them are no targets) of a visit, in pieces of at most `window` pairs.

        The text's own tokens are targets, from the first one on; a gap with its control tokens.
        """
        rng = rng_for(draw.seed, "cut", draw.epoch, int(rows.table["seq_id"][row]), draw.visit)
        tokens, room, at, found = rows.tokens_of(row), int(CONTEXT_SHARE * window), 0, []
        start, extra = int(rows.table["start_token"][row]), NUM_CONTROL_TOKENS - 1 if fills else 0
        for size in even_sizes(len(tokens) + extra, window - room):
            part = tokens[at : at + size - extra]
            place = self._place(int(rows.table["file"][row]), start + at)
            if fills:
                asked, middle = cut_a_gap(part, control, size, rng, self.spelling)
                behind = np.concatenate((asked, place.after[len(part) :]))
                before = self.context.before(replace(place, after=behind), room)
                found.append(_pairs([*before, *asked, *middle, control.end], len(before)))
            else:
                at_end = [control.end] if rows.table["is_last"][row] and at + size == len(tokens) else []
                before = self.context.before(replace(place, after=place.after[:0]), room)
                found.append(_pairs([*before, *part, *at_end], len(before) - 1))
            at += len(part)
        return found

    def _place(self, file: int, start: int) -> Place:
        """Token `start` of a file, with what is before it and all behind it."""
        parts = self.stretches[file]
        part = parts[bisect_right([p.start for p in parts], start) - 1]
        at = start - part.start
        return Place(path=self.names[file], before=part.tokens[:at], after=part.tokens[at:])


def _pairs(sequence: Sequence[int], quoted: int) -> tuple[np.ndarray, np.ndarray, int]:
    ids = np.array(sequence, dtype=np.int64)
    return ids[:-1], ids[1:], quoted


def context_of(rows: Rows, vocabulary: Vocabulary, name: str) -> RepositoryContext:
    """Of the files of a training split; only where the tokenizer has the tokens for it."""
    texts: dict[str, list[np.ndarray]] = {}
    for part in whole_files(rows):
        texts.setdefault(rows.files[part.file], []).append(part.tokens)
    named = {path: np.concatenate(parts) for path, parts in texts.items()}
    return without_files(vocabulary, name).with_files(named)
