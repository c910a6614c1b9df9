"""Held-out loss: each source token scored once, with the longest context its windows give.

Windows of a file overlap. A token is scored in the first window that holds it - there it has the most text before
it - and is context only in the others. Of a row that says so (`scored`) only some tokens count. Originals make the
headline; variants of held-out files are scored apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from effectiveness.common.endings import tell_on_stderr
from effectiveness.common.records import ORIGINAL, ROLES, VARIANTS
from effectiveness.trainer.batches import MicroBatch, collate
from effectiveness.trainer.documents import ControlTokens, Document, document, document_pairs
from effectiveness.trainer.fitting import fitting
from effectiveness.trainer.rows import Rows

LN2 = math.log(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Sums over scored tokens."""

    nats: float
    num_tokens: int
    num_bytes: int

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.num_tokens if self.num_tokens else math.nan

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nats_per_token, 700.0)) if self.num_tokens else math.nan

    @property
    def bits_per_byte(self) -> float:
        return self.nats / LN2 / self.num_bytes if self.num_bytes else math.nan

    def as_dict(self) -> dict:
        return {
            "nats_per_token": self.nats_per_token,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
            "num_tokens": self.num_tokens,
            "num_bytes": self.num_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of a split: `headline` is originals only, and so are the parts by role and language."""

    headline: Score
    by_role: dict[str, Score] = field(default_factory=dict)
    by_language: dict[str, Score] = field(default_factory=dict)
    by_variant: dict[str, Score] = field(default_factory=dict)

    @property
    def is_finite(self) -> bool:
        """Whether its loss is a number; nothing held out is no reason to doubt a model."""
        return self.headline.num_tokens == 0 or math.isfinite(self.headline.nats)

    def as_dict(self) -> dict:
        parts = {"role": self.by_role, "language": self.by_language, "variant": self.by_variant}
        nested = {name: {k: s.as_dict() for k, s in scores.items()} for name, scores in parts.items()}
        return self.headline.as_dict() | nested


class HeldOut:
    """What to score of one split, found once: rows, the first scored target of each, and their batches."""

    def __init__(
        self,
        rows: Rows,
        control: ControlTokens,
        num_bytes: np.ndarray,
        *,
        batch_size: int,
        max_windows: int | None = None,
        variants: bool = True,
        fixed_shape: bool = False,
        say: Callable[[str], None] = tell_on_stderr,
    ) -> None:
        self.say = say
        self.rows, self.control, self.num_bytes, self.batch_size = rows, control, num_bytes, batch_size
        self.fixed_shape = fixed_shape  # one shape for all batches: a compiled model is compiled once
        self.first_scored = first_scored_targets(rows)
        num_pairs = document_pairs(rows.table, rows.window)
        original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
        has_targets = (self.first_scored < num_pairs) & _has_scored(rows, self.first_scored)
        parts = [has_targets & original] + ([has_targets & ~original] if variants else [])
        scored = np.concatenate([_spread(np.flatnonzero(part), max_windows) for part in parts])
        self.order = scored[np.argsort(-num_pairs[scored], kind="stable")]  # alike lengths side by side

    def batches(self, rank: int, world_size: int) -> Iterator[tuple[np.ndarray, MicroBatch]]:
        """(row indices, batch) of this process; all processes make equally many."""
        for first in range(0, len(self.order), size := self.batch_size * world_size):
            mine = self.order[first : first + size][rank::world_size]
            yield mine, self._assemble(mine)

    def scored(
        self, token_nats: Callable[[MicroBatch], torch.Tensor], *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[np.ndarray, MicroBatch, np.ndarray]]:
        """(row indices, batch, nats float64 [B, T]) as `batches`, which become smaller where memory runs out."""
        first = 0
        while first < len(self.order):
            indices, batch, nats = fitting(
                partial(self._scored_at, first, rank, world_size, token_nats),
                self.batch_size,
                num_processes=world_size,
                say=self._say_smaller,
            )
            yield indices, batch, nats
            first += self.batch_size * world_size

    def _scored_at(self, first: int, rank: int, world_size: int, token_nats, size: int):
        self.batch_size = size  # from now on
        mine = self.order[first : first + size * world_size][rank::world_size]
        batch = self._assemble(mine)
        return mine, batch, token_nats(batch).cpu().double().numpy()

    def _say_smaller(self, smaller: int, size: int) -> None:
        self.say(f"out of memory: {smaller} sequences instead of {size} are scored at a time")

    def _assemble(self, indices: np.ndarray) -> MicroBatch:
        packs: list[list[Document]] = []
        for index in indices.tolist():
            inputs, targets = document(self.rows, index, self.control)
            packs.append([(index, inputs, targets, self._weights(index, len(targets)))])
        window, pad = self.rows.window, self.control.pad
        return collate(packs, window=window, pad=pad, num_lines=self.batch_size if self.fixed_shape else 0)

    def _weights(self, index: int, num_targets: int) -> np.ndarray:
        """1 for the targets to be scored; the end token is no source token."""
        weights = np.ones(num_targets, dtype=np.float32)
        weights[: self.first_scored[index]] = 0
        row = self.rows.table[index]
        skipped = int(row["start_token"] > 0)  # target 0 is then token 1
        weights[row["length"] - skipped :] = 0
        weights[: row["length"] - skipped] *= self.rows.scored_of(index)[skipped:]
        return weights


def _spread(rows: np.ndarray, count: int | None) -> np.ndarray:
    """`count` of the rows, evenly spread, the same ones every time."""
    if count is None or count >= len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]


def _has_scored(rows: Rows, first_scored: np.ndarray) -> np.ndarray:
    """bool [rows]: whether a token that counts is among the targets from `first_scored` on."""
    table = rows.table
    if not len(rows.scored):
        return np.ones(len(table), dtype=np.bool_)
    num_before = np.concatenate(([0], np.cumsum(rows.scored)))
    end = table["offset"] + table["length"]
    begin = np.minimum(end, table["offset"] + (table["start_token"] > 0) + first_scored)
    return num_before[end] > num_before[begin]


def first_scored_targets(rows: Rows) -> np.ndarray:
    """Index of the first target of each row that no earlier window of its file has scored, int64 [rows].

    Variants are scored whole: their windows are not windows of the source.
    """
    table = rows.table
    first = np.zeros(len(table), dtype=np.int64)
    originals = np.flatnonzero(table["variant"] == VARIANTS.index(ORIGINAL))
    order = originals[np.lexsort((table["start_token"][originals], table["file"][originals]))]
    scored_until, file = 0, -1
    for index in order.tolist():
        row = table[index]
        start, length = int(row["start_token"]), int(row["length"])
        if row["file"] != file:
            scored_until, file = 0, row["file"]
        begin = int(start == 0)  # target 0 is then token 0, else token start + 1
        first[index] = max(0, scored_until - (start + 1 - begin))
        scored_until = max(scored_until, start + length)
    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class FileScores:
    """Sums over the scored tokens of each held-out file's originals, in the order of the files' names."""

    files: tuple[str, ...]
    nats: np.ndarray  # float64 [files]
    num_tokens: np.ndarray  # int64 [files]
    num_bytes: np.ndarray  # int64 [files]
    roles: tuple[str, ...]
    languages: tuple[str, ...]


def evaluate(
    held_out: HeldOut,
    token_nats: Callable[[MicroBatch], torch.Tensor],
    *,
    rank: int = 0,
    world_size: int = 1,
    sum_over_processes: Callable[[torch.Tensor], torch.Tensor] = lambda values: values,
    check: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score a split. `token_nats` gives nats [B, T] of a batch; `check` may raise to stop between batches."""
    per_row = score_rows(held_out, token_nats, rank=rank, world_size=world_size, check=check)
    return _by_group(held_out.rows, sum_over_processes(torch.from_numpy(per_row)).numpy())


def evaluate_by_file(
    held_out: HeldOut,
    token_nats: Callable[[MicroBatch], torch.Tensor],
    *,
    check: Callable[[], None] = lambda: None,
) -> FileScores:
    """As `evaluate`, in one process, the originals summed file by file: what intervals are made from."""
    rows, per_row = held_out.rows, score_rows(held_out, token_nats, check=check)
    originals = np.flatnonzero(rows.table["variant"] == VARIANTS.index(ORIGINAL))
    scored = originals[per_row[originals, 1] > 0]
    sums = np.zeros((len(rows.files), 3))
    np.add.at(sums, rows.table["file"][scored], per_row[scored])
    kept = sorted(set(rows.table["file"][scored].tolist()), key=lambda file: rows.files[file])
    described = {int(rows.table["file"][row]): rows.table[row] for row in scored}
    return FileScores(
        files=tuple(rows.files[file] for file in kept),
        nats=sums[kept, 0],
        num_tokens=np.rint(sums[kept, 1]).astype(np.int64),
        num_bytes=np.rint(sums[kept, 2]).astype(np.int64),
        roles=tuple(ROLES[described[file]["role"]] for file in kept),
        languages=tuple(rows.languages[described[file]["language"]] for file in kept),
    )


@torch.no_grad()
def score_rows(
    held_out: HeldOut,
    token_nats: Callable[[MicroBatch], torch.Tensor],
    *,
    rank: int = 0,
    world_size: int = 1,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """(nats, tokens, bytes) of the scored targets of each row, float64 [rows, 3]; other processes' rows are 0."""
    per_row = np.zeros((len(held_out.rows), 3))

    def checked(batch: MicroBatch) -> torch.Tensor:
        check()
        return token_nats(batch)

    for indices, batch, nats in held_out.scored(checked, rank=rank, world_size=world_size):
        weights = batch.weights.double().numpy()
        lengths = held_out.num_bytes[batch.labels.numpy()] * weights
        for column, values in enumerate((nats * weights, weights, lengths)):
            per_row[indices, column] = values.sum(1)[: len(indices)]
    return per_row


def _by_group(rows: Rows, per_row: np.ndarray) -> Evaluation:
    table = rows.table
    original = table["variant"] == VARIANTS.index(ORIGINAL)

    def score(chosen: np.ndarray) -> Score:
        nats, tokens, num_bytes = per_row[chosen].sum(0).tolist()
        return Score(nats=nats, num_tokens=round(tokens), num_bytes=round(num_bytes))

    def scores(names, column: str, among: np.ndarray) -> dict[str, Score]:
        parts = {name: score(among & (table[column] == index)) for index, name in enumerate(names)}
        return {name: part for name, part in sorted(parts.items()) if part.num_tokens}

    return Evaluation(
        headline=score(original),
        by_role=scores(ROLES, "role", original),
        by_language=scores(rows.languages, "language", original),
        by_variant=scores(VARIANTS, "variant", ~original),
    )
