"""Memory, model and both on the same held-out files: what each token costs, and which lines they complete; how memory
and model meet, and how sure to be of a line, is fitted on such files.

One pass over a file: before a token is read its probability is asked for, and at the place of a question the next line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from effectiveness.common.seeding import rng_for
from effectiveness.completion.confidence import Judgement, fit
from effectiveness.completion.lines import Line, Predictor, Search, likely_lines
from effectiveness.completion.network import Continuation, Network
from effectiveness.completion.questions import HeldOutFile, Question, draw_questions, is_exact, similarity
from effectiveness.completion.spelling import TextCoder
from effectiveness.memory import Memory, Reader

MEMORY, MODEL, JOINED = "memory", "model", "joined"
BLOCK_TOKENS = 4096  # of a file read at a time where no model decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Who takes part. `joined` is the memory with weights fitted for the model."""

    coder: TextCoder
    memory: Memory
    network: Network | None = None
    joined: Memory | None = None
    search: Search = field(default_factory=Search)

    @property
    def arms(self) -> tuple[str, ...]:
        return (MEMORY,) if self.network is None else (MEMORY, MODEL, JOINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question and each arm's candidates."""

    question: Question
    lines: dict[str, list[Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the arms made of some files."""

    files: list[HeldOutFile]
    nats: dict[str, list[np.ndarray]]  # by arm, of each file: float64 [T]
    answered: list[Answered]
    line_seconds: float  # processor time of the memory's searches
    feed_seconds: float  # and of its reading


def read_files(setup: Setup, files: Sequence[HeldOutFile], questions: Sequence[Question]) -> Reading:
    """Read each file from its beginning, as if nothing of it were known."""
    clock = _Clock()
    nats: dict[str, list[np.ndarray]] = {arm: [] for arm in setup.arms}
    answered: list[Answered] = []
    for file in files:
        mine = sorted((q for q in questions if q.file is file), key=lambda q: q.place)
        of_file, answers = _read_file(setup, file, mine, clock)
        answered += answers
        for arm in setup.arms:
            nats[arm].append(of_file[arm])
    return Reading(
        files=list(files),
        nats=nats,
        answered=answered,
        line_seconds=clock.line_s,
        feed_seconds=clock.feed_s,
    )


@dataclass(slots=True)
class _Clock:
    line_s: float = 0.0
    feed_s: float = 0.0


def _read_file(
    setup: Setup, file: HeldOutFile, questions: Sequence[Question], clock: _Clock
) -> tuple[dict[str, np.ndarray], list[Answered]]:
    reader = setup.memory.reader(file.path)
    both = setup.joined.reader(file.path) if setup.joined is not None else None
    # Lines are asked of one that read without the model, as an editor's does: a model reads no whole file in time.
    served = setup.joined.reader(file.path) if setup.joined is not None else None
    nats = {arm: np.empty(len(file.ids)) for arm in setup.arms}
    answers: list[Answered] = []
    places = [q.place for q in questions]
    for first, last, rows in _stretches(setup, file, places):
        while len(answers) < len(questions) and places[len(answers)] == first:
            answers.append(_answer(setup, questions[len(answers)], reader, served, clock))
        ids = file.ids[first:last]
        before = time.process_time()
        nats[MEMORY][first:last] = reader.feed(ids)
        clock.feed_s += time.process_time() - before
        if both is not None and rows is not None:
            nats[MODEL][first:last] = -np.log(np.maximum(rows[np.arange(len(ids)), ids], 1e-30))
            nats[JOINED][first:last] = both.feed(ids, rows)
        if served is not None:
            served.feed(ids)
    return nats, answers


def _stretches(
    setup: Setup, file: HeldOutFile, places: Iterable[int]
) -> Iterator[tuple[int, int, np.ndarray | None]]:
    """(first, last, model's distributions) from one cut to the next: questions are cuts."""
    cuts = sorted(set(places))
    for first, rows in _blocks(setup, file):
        last = first + len(rows) if rows is not None else min(len(file.ids), first + BLOCK_TOKENS)
        inside = [first, *(place for place in cuts if first < place < last), last]
        for a, b in pairwise(inside):
            yield a, b, None if rows is None else rows[a - first : b - first]


def _blocks(setup: Setup, file: HeldOutFile) -> Iterator[tuple[int, np.ndarray | None]]:
    if setup.network is None:
        yield from ((first, None) for first in range(0, len(file.ids), BLOCK_TOKENS))
    else:
        yield from setup.network.over_file(file.ids)


def _answer(setup: Setup, question: Question, reader, served, clock: _Clock) -> Answered:
    """Candidates of every arm at a place that the readers have reached."""

    def candidates(reader: Reader | None, continuation: Continuation | None = None) -> list[Line]:
        with reader.trial() if reader else nullcontext():
            if reader:
                reader.feed(np.array(question.rest, np.uint32))
            predictor = Predictor(reader, continuation)
            return likely_lines(
                predictor, setup.coder.token_bytes, search=setup.search, stop=setup.coder.control
            )

    before = time.process_time()
    lines = {MEMORY: candidates(reader)}
    clock.line_s += time.process_time() - before
    if setup.network is not None:
        prompt = [*question.file.ids[: question.place].tolist(), *question.rest]
        lines[MODEL] = candidates(None, setup.network.after(prompt))
        lines[JOINED] = candidates(served, setup.network.after(prompt))
    return Answered(question=question, lines=lines)


# --- results ----------------------------------------------------------------------------------------------


def bits_per_byte(reading: Reading, arm: str, coder: TextCoder) -> float:
    """Of all tokens of all files together."""
    lengths = np.array([len(text) for text in coder.token_bytes])
    num_bytes = sum(int(lengths[file.ids].sum()) for file in reading.files)
    return sum(float(nats.sum()) for nats in reading.nats[arm]) / np.log(2) / max(1, num_bytes)


def line_scores(answered: Sequence[Answered], arm: str, judgement: Judgement) -> dict[str, float]:
    """Shares in [0, 1] over the questions."""
    exact, alike = [], []
    for one in answered:
        line = judgement.best(one.lines[arm])
        text = "" if line is None else line.text
        exact.append(is_exact(text, one.question.truth))
        alike.append(similarity(text, one.question.truth))
    number = max(1, len(answered))
    return {"exact": sum(exact) / number, "similarity": sum(alike) / number}


# --- what is fitted on val files before anybody is answered, the same for what measures and what serves ---------

FIT_TOKENS = 60_000  # of val files, on which a memory meets a model
FIT_QUESTIONS = 200  # about val files, from which confidence is fitted
SEED = 1


def halves(val: Sequence[HeldOutFile], seed: int = SEED) -> tuple[list[HeldOutFile], list[HeldOutFile]]:
    """Files on which the memory meets a model, and those on which the rule for lines is fitted, in a drawn order."""
    order = sorted(val, key=lambda file: file.path)
    rng_for(seed, "halves").shuffle(order)
    return order[::2], order[1::2]


def fit_joined(
    memory: Memory, network: Network, files: Sequence[HeldOutFile], max_tokens: int = FIT_TOKENS
) -> Memory:
    """The memory with weights that have met the model: read on `files`, which nothing is reported on."""
    reader, left = memory.reader(), max_tokens
    for file in files:
        if left <= 0:
            break
        reader.restart(file.path)
        for first, rows in network.over_file(file.ids[:left]):
            reader.feed(file.ids[first : first + len(rows)], rows)
        left -= len(file.ids)
    return memory.with_learned(reader.learned())


def fit_rules(setup: Setup, files: Sequence[HeldOutFile], seed: int = SEED) -> dict[str, Judgement]:
    """By arm, how to choose among candidates and how sure to be of them; from next lines of these files."""
    return rules_of(setup, read_for_rules(setup, files, seed))


def read_for_rules(setup: Setup, files: Sequence[HeldOutFile], seed: int = SEED) -> Reading:
    """These files as far as something is asked about them."""
    questions = draw_questions(files, setup.coder, FIT_QUESTIONS, seed)
    asked = list({id(q.file): q.file for q in questions}.values())
    return read_files(setup, asked, questions)


def rules_of(setup: Setup, reading: Reading) -> dict[str, Judgement]:
    truths = [one.question.truth for one in reading.answered]
    return {arm: fit([one.lines[arm] for one in reading.answered], truths) for arm in setup.arms}
