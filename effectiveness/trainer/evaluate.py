"""Held-out loss: each source token scored once, with the longest context its windows give.

Windows of a file overlap. A token is scored in the first window that holds it - there it has the most text before
it - and is context only in the others. Of a row that says so (`scored`) only some tokens count. Originals make the
headline; variants of held-out files are scored apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from effectiveness.common.endings import tell_on_stderr
from effectiveness.common.records import ORIGINAL, ROLES, VARIANTS
from effectiveness.common.seeding import key_for
from effectiveness.trainer.batches import MicroBatch, collate
from effectiveness.trainer.documents import ControlTokens, Document, document, document_pairs
from effectiveness.trainer.fitting import fitting
from effectiveness.trainer.rows import Rows
from effectiveness.trainer.scores import Evaluation, Score, file_factors


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
        seed: int = 0,
        say: Callable[[str], None] = tell_on_stderr,
    ) -> None:
        """At most `max_windows` of the originals (and so many of the variants), drawn by `seed`; None, 0: all."""
        self.say = say
        self.rows, self.control, self.num_bytes, self.batch_size = rows, control, num_bytes, batch_size
        self.fixed_shape = fixed_shape  # one shape for all batches: a compiled model is compiled once
        self.first_scored = first_scored_targets(rows)
        num_pairs = document_pairs(rows.table, rows.window)
        original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
        has_targets = (self.first_scored < num_pairs) & _has_scored(rows, self.first_scored)
        parts = [has_targets & original] + ([has_targets & ~original] if variants else [])
        scored = np.concatenate([_spread(rows.table, part, max_windows, seed) for part in parts])
        self.num_windows_in_all = int(parts[0].sum())
        self.bytes_of_file = _bytes_of_file(rows, self.first_scored, parts[0], num_bytes)
        self.factors = file_factors(self.bytes_of_file)  # of the whole split, whatever is drawn from it
        self.order = scored[np.argsort(-num_pairs[scored], kind="stable")]  # alike lengths side by side

    @property
    def largest(self) -> tuple[str, float] | None:
        """The file with the most bytes and its share of them, where that is more than it counts for."""
        if not self.rows.files or self.factors.min() == 1:
            return None
        index = int(self.bytes_of_file.argmax())
        return self.rows.files[index], float(self.bytes_of_file[index] / self.bytes_of_file.sum())

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


def _spread(table: np.ndarray, chosen: np.ndarray, count: int | None, seed: int) -> np.ndarray:
    """Indices of `count` of the `chosen` rows, bool [rows], evenly over languages, files and their text."""
    rows = np.flatnonzero(chosen)
    if not count or count >= len(rows):
        return rows
    part = table[rows]
    rows = rows[np.lexsort((part["start_token"], part["file"], part["language"]))]
    first = key_for(seed, "held-out windows") % len(rows)
    return rows[(np.arange(count) * len(rows) + first) // count]


def _has_scored(rows: Rows, first_scored: np.ndarray) -> np.ndarray:
    """bool [rows]: whether a token that counts is among the targets from `first_scored` on."""
    if not len(rows.scored):
        return np.ones(len(rows), dtype=np.bool_)
    return _sums_of_targets(rows, first_scored, rows.scored) > 0


def _sums_of_targets(rows: Rows, first_scored: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` [tokens] summed over the targets of each row from `first_scored` on, int64 [rows]."""
    table = rows.table
    before = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    end = table["offset"] + table["length"]
    begin = np.minimum(end, table["offset"] + (table["start_token"] > 0) + first_scored)
    return before[end] - before[begin]


def _bytes_of_file(
    rows: Rows, first_scored: np.ndarray, chosen: np.ndarray, num_bytes: np.ndarray
) -> np.ndarray:
    """Bytes of the scored tokens of each file's `chosen` rows, int64 [files]."""
    values = num_bytes[rows.tokens] * (rows.scored if len(rows.scored) else 1)
    of_row = _sums_of_targets(rows, first_scored, values)[chosen]
    return np.bincount(rows.table["file"][chosen], of_row, len(rows.files)).astype(np.int64)


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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score a split. `token_nats` gives nats [B, T] of a batch; `progress` hears of windows scored and in all, before
    each batch, and may raise to stop."""
    per_row = score_rows(held_out, token_nats, rank=rank, world_size=world_size, progress=progress)
    return _by_group(held_out, sum_over_processes(torch.from_numpy(per_row)).numpy())


def evaluate_by_file(
    held_out: HeldOut,
    token_nats: Callable[[MicroBatch], torch.Tensor],
) -> FileScores:
    """As `evaluate`, in one process, the originals summed file by file: what intervals are made from."""
    rows, per_row = held_out.rows, score_rows(held_out, token_nats)
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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """(nats, tokens, bytes) of the scored targets of each row, float64 [rows, 3]; other processes' rows are 0."""
    per_row, done = np.zeros((len(held_out.rows), 3)), 0

    def told(batch: MicroBatch) -> torch.Tensor:
        progress(done, len(held_out.order))
        return token_nats(batch)

    for indices, batch, nats in held_out.scored(told, rank=rank, world_size=world_size):
        done += len(indices) * world_size
        weights = batch.weights.double().numpy()
        lengths = held_out.num_bytes[batch.labels.numpy()] * weights
        for column, values in enumerate((nats * weights, weights, lengths)):
            per_row[indices, column] = values.sum(1)[: len(indices)]
    return per_row


def _by_group(held_out: HeldOut, per_row: np.ndarray) -> Evaluation:
    rows, table = held_out.rows, held_out.rows.table
    original = table["variant"] == VARIANTS.index(ORIGINAL)
    is_capped = held_out.largest is not None
    counted = per_row * held_out.factors[table["file"]][:, None] if is_capped else None

    def score(chosen: np.ndarray) -> Score:
        nats, tokens, num_bytes = per_row[chosen].sum(0).tolist()
        of_counted = None if counted is None else tuple(counted[chosen].sum(0).tolist())
        return Score(nats=nats, num_tokens=round(tokens), num_bytes=round(num_bytes), counted=of_counted)

    def scores(names, column: str, among: np.ndarray) -> dict[str, Score]:
        parts = {name: score(among & (table[column] == index)) for index, name in enumerate(names)}
        return {name: part for name, part in sorted(parts.items()) if part.num_tokens}

    return Evaluation(
        headline=score(original),
        by_role=scores(ROLES, "role", original),
        by_language=scores(rows.languages, "language", original),
        by_variant=scores(VARIANTS, "variant", ~original),
        num_windows=int(original[held_out.order].sum()),
        num_windows_in_all=held_out.num_windows_in_all,
        largest=held_out.largest,
    )
