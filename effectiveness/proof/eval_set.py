"""What every model is scored on: the same held-out windows, the same variants, the same questions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from effectiveness.common.records import LATER, UserError
from effectiveness.proof.baselines import ngram_nats, uniform_nats
from effectiveness.proof.prompts import (
    AnswerScores,
    HeldOutQuestion,
    answer,
    does_parse,
    find_questions,
    judge,
    room_for_questions,
    truth_nats,
)
from effectiveness.proof.scored_tokens import Places, WindowPairs, nats_of, places_of
from effectiveness.trainer import devices
from effectiveness.trainer.evaluate import score_rows
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.recut import FileTokens, for_scoring, whole_files
from effectiveness.trainer.rows import Dataset, Rows, open_rows
from effectiveness.trainer.vocabulary import Vocabulary

BATCH_SIZE = 8  # windows scored at a time
MIN_PROMPT_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutSet:
    """One set of held-out files, and which of their tokens are scored."""

    name: str
    rows: Rows
    files: list[FileTokens]
    windows: HeldOut
    places: Places

    @property
    def num_windows(self) -> int:
        return len(self.windows.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """`sets[0]` is the random held-out files; `pairs` and `questions` are about them. `val` is never reported."""

    dataset: Dataset
    vocabulary: Vocabulary
    train_files: list[FileTokens]
    sets: tuple[HeldOutSet, ...]
    val: HeldOutSet | None  # on which the share of a mixture is fitted; None: no val file is left
    pairs: WindowPairs
    questions: dict[str, list[HeldOutQuestion]]  # "next line", "fill in the middle"
    parsed: dict[str, list[bool]]

    @property
    def scored_sets(self) -> tuple[HeldOutSet, ...]:
        return (*self.sets, *([] if self.val is None else [self.val]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScores:
    """What one model made of the eval set."""

    nats: dict[str, np.ndarray]  # by set, float64 [tokens]
    of_rows: np.ndarray | None = None  # (nats, tokens, bytes) of the rows in `pairs`, float64 [rows, 3]
    answers: dict[str, AnswerScores] = dataclasses.field(default_factory=dict)
    truth: dict[str, tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict)


# --- drawing it -------------------------------------------------------------------------------------------


def draw_eval_set(
    dataset: Dataset,
    vocabulary: Vocabulary,
    model: nn.Module,
    *,
    max_windows: int | None,
    num_prompts: int,
    can_fill: bool,
    seed: int,
    left_out: frozenset[str] = frozenset(),
) -> EvalSet:
    """Draw the eval set for models with the positions of `model`; `can_fill`: it has learnt to fill gaps.

    Val and test files in `left_out` are not part of it. Raises UserError when no other test file is left.
    """
    train, test = open_rows(dataset, "train"), _without(open_rows(dataset, "test"), left_out)
    val = _without(open_rows(dataset, "val"), left_out)
    if not len(test):
        raise UserError(
            f"{test.path} has no test file that is not in train, too; build from a larger repository"
        )
    sets = [held_out_set("test", test, vocabulary, max_windows)]
    if dataset.has_later:
        sets.append(held_out_set(LATER, open_rows(dataset, LATER), vocabulary, max_windows))
    train_files, half = whole_files(train), None if max_windows is None else max_windows // 2
    questions = _questions(sets[0], vocabulary, model, num_prompts, can_fill, seed)
    return EvalSet(
        dataset=dataset,
        vocabulary=vocabulary,
        train_files=train_files,
        sets=tuple(sets),
        val=held_out_set("val", val, vocabulary, half) if len(val) else None,
        pairs=_pairs(test, vocabulary, half),
        questions=questions,
        parsed={kind: [does_parse(q, q.truth) for q in asked] for kind, asked in questions.items()},
    )


def _without(rows: Rows, left_out: frozenset[str]) -> Rows:
    leaked = [i for i, name in enumerate(rows.files) if name in left_out]
    return dataclasses.replace(rows, table=rows.table[~np.isin(rows.table["file"], leaked)])


def held_out_set(
    name: str, rows: Rows, vocabulary: Vocabulary, max_windows: int | None, seed: int = 0
) -> HeldOutSet:
    """The originals of `rows`, cut for scoring; at most `max_windows` of them are scored, drawn by `seed`."""
    rows = for_scoring(rows)
    windows = HeldOut(
        rows,
        vocabulary.control,
        vocabulary.num_bytes,
        batch_size=BATCH_SIZE,
        max_windows=max_windows,
        variants=False,
        seed=seed,
    )
    return HeldOutSet(
        name=name, rows=rows, files=whole_files(rows), windows=windows, places=places_of(windows)
    )


def _pairs(rows: Rows, vocabulary: Vocabulary, max_pairs: int | None) -> WindowPairs:
    rows = for_scoring(rows)
    return WindowPairs(
        rows, vocabulary.control, vocabulary.num_bytes, batch_size=BATCH_SIZE, max_pairs=max_pairs
    )


def _questions(
    test: HeldOutSet,
    vocabulary: Vocabulary,
    model: nn.Module,
    count: int,
    can_fill: bool,
    seed: int,
) -> dict[str, list[HeldOutQuestion]]:
    if not count or room_for_questions(model) < MIN_PROMPT_TOKENS:
        return {}
    kinds = {"next line": False} | ({"fill in the middle": True} if can_fill else {})
    found = {
        kind: find_questions(test.rows, test.files, vocabulary, count, fill=fill, seed=seed)
        for kind, fill in kinds.items()
    }
    return {kind: asked for kind, asked in found.items() if asked}


# --- scoring one ------------------------------------------------------------------------------------------


def score_model(
    eval_set: EvalSet, model: nn.Module, device: torch.device, precision: torch.dtype
) -> ModelScores:
    """All of it, by one model."""
    token_nats = scorer(model, device, precision)
    with devices.autocast(device, precision):
        answers = {
            kind: answer(model, eval_set.vocabulary, questions)
            for kind, questions in eval_set.questions.items()
        }
    return ModelScores(
        nats=score_windows(eval_set, token_nats),
        of_rows=score_rows(eval_set.pairs, token_nats),
        answers={k: judge(eval_set.questions[k], given, eval_set.parsed[k]) for k, given in answers.items()},
        truth={
            k: truth_nats(model, eval_set.vocabulary, q, token_nats) for k, q in eval_set.questions.items()
        },
    )


def scorer(
    model: nn.Module, device: torch.device, precision: torch.dtype
) -> Callable[[MicroBatch], torch.Tensor]:
    """Nats of every target of a batch, [B, T]."""
    objective = Objective(model.eval())

    def token_nats(batch: MicroBatch) -> torch.Tensor:
        with devices.autocast(device, precision):
            return objective(batch.to(device), per_token=True)

    return token_nats


def score_windows(
    eval_set: EvalSet, token_nats: Callable[[MicroBatch], torch.Tensor]
) -> dict[str, np.ndarray]:
    """Only the held-out windows: what further seeds of a model are asked."""
    return {held_out.name: nats_of(held_out.windows, token_nats) for held_out in eval_set.scored_sets}


def uniform_scores(eval_set: EvalSet) -> ModelScores:
    vocab_size = eval_set.dataset.vocab_size
    return ModelScores(nats={s.name: uniform_nats(len(s.places), vocab_size) for s in eval_set.scored_sets})


def ngram_scores(eval_set: EvalSet) -> ModelScores:
    """The cache n-gram on the very tokens the models are scored on; before each it has read all of the file so far."""
    return counted_nats(eval_set.train_files, eval_set.dataset.vocab_size, eval_set.scored_sets)


def window_ngram_scores(eval_set: EvalSet) -> ModelScores:
    """The same, but of the file it has read no more than the model has: the window a token is scored in."""
    return counted_nats(eval_set.train_files, eval_set.dataset.vocab_size, eval_set.sets, one_window=True)


# A text the n-gram reads, int64; where in it held-out tokens are, rising; their indices in Places.
Asked = tuple[np.ndarray, np.ndarray, np.ndarray]


def counted_nats(
    train_files: Sequence[FileTokens],
    vocab_size: int,
    sets: Sequence[HeldOutSet],
    *,
    one_window: bool = False,
) -> ModelScores:
    """The cache n-gram on the scored places of `sets`, all at once: the training files are read once."""
    asked = [_in_windows(s) if one_window else _in_files(s) for s in sets]
    train = [part.tokens for part in train_files]
    texts = [tokens for of_set in asked for tokens, _, _ in of_set]
    places = [places for of_set in asked for _, places, _ in of_set]
    found = iter(ngram_nats(train, texts, vocab_size, places))
    nats = {held_out.name: np.empty(len(held_out.places)) for held_out in sets}
    for held_out, of_set in zip(sets, asked, strict=True):
        for _, _, indices in of_set:
            nats[held_out.name][indices] = next(found)
    return ModelScores(nats=nats)


def _in_files(held_out: HeldOutSet) -> list[Asked]:
    places = held_out.places
    within = [(part, places.within(part)) for part in held_out.files]
    return [(part.tokens, places.place[inside] - part.start, inside) for part, inside in within]


def _in_windows(held_out: HeldOutSet) -> list[Asked]:
    rows, places = held_out.rows, held_out.places
    asked: list[Asked] = []
    for row in np.unique(places.row).tolist():
        tokens, start = rows.tokens_of(row).astype(np.int64), int(rows.table[row]["start_token"])
        indices = np.flatnonzero(places.row == row)
        indices = indices[np.argsort(places.place[indices], kind="stable")]
        asked.append((tokens, places.place[indices] - start, indices))
    return asked
