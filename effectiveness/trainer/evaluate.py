"""Held-out loss: sums over scored tokens, the headline that no single file decides, and how they are told.

A held-out split is a draw of files, and its pooled loss is that of its largest: one change log was a third of the
bytes of a split of 35 files, and with it went the choice of the best weights. So the headline is the mean over files,
each weighted by its bytes up to a cap. Where no file is that large - the dataset command keeps such files in train - it
is the pooled figure to the last digit. A mean over languages would do as well where each has many files, but two short
Makefiles would weigh as much there as all of the code. Originals make the headline; variants are scored apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from effectiveness.common.console import count
from effectiveness.common.records import ORIGINAL, ROLES, VARIANTS
from effectiveness.common.stats import LN2
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.micro_batches import MicroBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Sums over scored tokens. Their ratios are of `counted`, where files above their cap count for less."""

    nats: float
    num_tokens: int
    num_bytes: int
    counted: tuple[float, float, float] | None = None  # nats, tokens, bytes; None: every file as it is

    @property
    def nats_per_token(self) -> float:
        nats, num_tokens, _ = self._counted
        return nats / num_tokens if num_tokens else math.nan

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nats_per_token, 700.0)) if self.num_tokens else math.nan

    @property
    def bits_per_byte(self) -> float:
        nats, _, num_bytes = self._counted
        return nats / LN2 / num_bytes if num_bytes else math.nan

    @property
    def pooled_bits_per_byte(self) -> float:
        """Every byte counts the same, as in comparisons with what was measured before there was a cap."""
        return self.nats / LN2 / self.num_bytes if self.num_bytes else math.nan

    @property
    def _counted(self) -> tuple[float, float, float]:
        return self.counted or (self.nats, self.num_tokens, self.num_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationScores:
    """Scores of a split: `headline` is originals only, and so are the parts by role and language."""

    headline: Score
    by_role: dict[str, Score] = field(default_factory=dict)
    by_language: dict[str, Score] = field(default_factory=dict)
    by_variant: dict[str, Score] = field(default_factory=dict)
    num_windows: int = 0  # of originals, that were scored
    num_windows_in_all: int = 0
    largest: tuple[str, float] | None = (
        None  # the file above its cap with the most bytes, and its share of them
    )

    @property
    def is_finite(self) -> bool:
        """Whether its loss is a number; nothing held out is no reason to doubt a model."""
        return self.headline.num_tokens == 0 or math.isfinite(self.headline.nats)

    @property
    def is_whole(self) -> bool:
        return self.num_windows == self.num_windows_in_all

    @property
    def windows(self) -> str:
        """ "96 of 1,128 windows", "all 560 windows"."""
        if not self.is_whole:
            return f"{self.num_windows:,} of {count(self.num_windows_in_all, 'window')}"
        return f"all {count(self.num_windows_in_all, 'window')}"


# --- scoring --------------------------------------------------------------------------------------------------


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
) -> EvaluationScores:
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


def _by_group(held_out: HeldOut, per_row: np.ndarray) -> EvaluationScores:
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

    return EvaluationScores(
        headline=score(original),
        by_role=scores(ROLES, "role", original),
        by_language=scores(rows.languages, "language", original),
        by_variant=scores(VARIANTS, "variant", ~original),
        num_windows=int(original[held_out.order].sum()),
        num_windows_in_all=held_out.num_windows_in_all,
        largest=held_out.largest,
    )


# --- in words -------------------------------------------------------------------------------------------------


SMALLEST_SHOWN = 0.0005  # bits per byte; a pooled figure that is closer to the headline is the same one


def loss_words(nats: float, bits: float, pooled: float) -> str:
    """ "1.2345 (0.678 bits per byte)", and the pooled figure where it is another."""
    if not math.isfinite(nats):
        return "not finite"
    beside = f", {pooled:.3f} pooled" if abs(pooled - bits) >= SMALLEST_SHOWN else ""
    return f"{nats:.4f} ({bits:.3f} bits per byte{beside})"


def score_words(score: Score) -> str:
    return loss_words(score.nats_per_token, score.bits_per_byte, score.pooled_bits_per_byte)


def final_lines(label: str, evaluation: EvaluationScores, best_step: int) -> Iterator[str]:
    """Of a split with the exported weights."""
    if evaluation.headline.num_tokens == 0:
        yield f"{label}: none, no file is held out"
        return
    rest = "" if evaluation.is_whole else "; --eval_only scores all"
    words = score_words(evaluation.headline)
    yield f"{label}: {words} with the weights of step {best_step}, on {evaluation.windows}{rest}"
    for name, part in evaluation.by_language.items():
        yield f"  language {name}: {score_words(part)}, {count(part.num_tokens, 'token')}"


def full_lines(label: str, evaluation: EvaluationScores) -> Iterator[str]:
    """Every figure of a split."""
    headline = evaluation.headline
    if headline.num_tokens == 0:
        yield f"{label}: none, no file is held out"
        return
    yield (
        f"{label}: {headline.nats_per_token:.4f} nats per token, perplexity {headline.perplexity:.3f}, "
        f"{headline.bits_per_byte:.4f} bits per byte ({headline.pooled_bits_per_byte:.4f} pooled), "
        f"{count(headline.num_tokens, 'token')}, {evaluation.windows}"
    )
    if evaluation.largest is not None:
        yield f"  {largest_file(evaluation.largest)}"
    groups = {
        "role": evaluation.by_role,
        "language": evaluation.by_language,
        "variant": evaluation.by_variant,
    }
    for group, scores in groups.items():
        for name, part in scores.items():
            yield (
                f"  {group} {name}: {part.nats_per_token:.4f} nats per token, "
                f"{part.bits_per_byte:.4f} bits per byte, {count(part.num_tokens, 'token')}"
            )


def largest_file(largest: tuple[str, float]) -> str:
    name, share = largest
    return f"{name} is {100 * share:.0f} % of its bytes; it counts for less, so that no file decides alone"
