"""A model beside counts: beside the cache n-gram in one fixed share, and as one more opinion of the memory.

Does the model know anything that a table of counts does not? Hellendoorn and Devanbu (FSE 2017) found cache n-grams of
code ahead of recurrent networks, and both together best.

The memory, alone or with a model, is read as the product reads it: from the beginning of a held-out file, each token
scored before it is learned from. What stands between the windows that are scored is only counted, so a sample costs
what it holds. Before a gap the text behind it is observed, as the models see both. No held-out file is part of what it
knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.completion.lines import MAX_LINE_TOKENS, Predictor, bytes_to_heal, write_line
from effectiveness.completion.network import Continuation, Network
from effectiveness.completion.questions import HeldOutFile
from effectiveness.completion.scoring import fit_joined
from effectiveness.completion.spelling import TextCoder
from effectiveness.completion.store import open_memory
from effectiveness.memory import Memory, Reader
from effectiveness.proof.eval_set import EvalSet, HeldOutSet, ModelScores
from effectiveness.proof.prompts import HeldOutQuestion, ModelAnswer, judge, question_ids, room_for_questions
from effectiveness.proof.scored_tokens import Places
from effectiveness.trainer.complete import num_positions
from effectiveness.trainer.documents import document
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.recut import FileTokens
from effectiveness.trainer.rows import Dataset, open_rows

MIN_TOKENS = 500  # of val files, a page or two of code; fewer say little about the share
HALVINGS = 30
FIT_TOKENS = 60_000  # of val files, on which a memory meets a model


# --- one share for all tokens ----------------------------------------------------------------------------
#
# The probability of each token is share x the model's + (1 - share) x the n-gram's. The share is the one under which
# the validation files are likeliest, each of them counting as in the headline, so that no single file decides and no
# held-out file that is reported has a say in it.


def why_no_mixture(eval_set: EvalSet) -> str:
    """Why no share can be fitted, or ""."""
    num_tokens = 0 if eval_set.val is None else len(eval_set.val.places)
    if num_tokens < MIN_TOKENS:
        return f"the val files have {num_tokens:,} tokens to fit its share on, {MIN_TOKENS:,} are needed"
    return ""


def mix(eval_set: EvalSet, model: ModelScores, ngram: ModelScores) -> tuple[ModelScores, float]:
    """What both together made of the held-out sets, and the model's share. `eval_set.val` must be there."""
    val = _val(eval_set)
    counts = val.windows.factors[val.places.file]
    share = fit_share(model.nats[val.name], ngram.nats[val.name], counts)
    nats = {s.name: mixed_nats(share, model.nats[s.name], ngram.nats[s.name]) for s in eval_set.sets}
    return ModelScores(nats=nats), share


def fitted_on(eval_set: EvalSet) -> dict[str, int]:
    """How much text the shares rest on."""
    places = _val(eval_set).places
    return {"files": len(np.unique(places.file)), "tokens": len(places)}


def fit_share(model_nats: np.ndarray, ngram_nats: np.ndarray, counts: np.ndarray | float = 1.0) -> float:
    """The model's share with the highest likelihood, in [0, 1); float64 [tokens] each, `counts` what a token counts.

    The likelihood's slope falls as the share rises, so halving finds where it is 0 - or ends at 0 itself, for a model
    that knows nothing.
    """
    gain = np.expm1(np.minimum(ngram_nats - model_nats, 60.0))  # p_model / p_ngram - 1
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (low + high) / 2
        if (counts * gain / (1 + share * gain)).sum() > 0:
            low = share
        else:
            high = share
    return low


def mixed_nats(share: float, model_nats: np.ndarray, ngram_nats: np.ndarray) -> np.ndarray:
    """Nats of each token under both together, float64 [tokens]."""
    if share == 0:
        return ngram_nats
    return -np.logaddexp(np.log(share) - model_nats, np.log1p(-share) - ngram_nats)


def _val(eval_set: EvalSet) -> HeldOutSet:
    assert eval_set.val is not None, "ask why_no_mixture first"
    return eval_set.val


# --- the memory ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A memory and the spelling of its ids; `network`: the model it has met, None while it is alone."""

    coder: TextCoder
    memory: Memory
    network: Network | None = None


def remember(dataset: Dataset, say: Callable[[str], None]) -> Remembered:
    """The memory of a dataset's training files, kept beside them. Raises UserError where a held-out file is in it."""
    coder = TextCoder(dataset.tokenizer)
    memory = open_memory(dataset, coder, say)
    for split in ("val", "test"):
        both = set(open_rows(dataset, split).files) & set(memory.paths)
        if both:
            raise UserError(
                f"{dataset.directory}: {min(both)} is held out and in train; build the dataset again"
            )
    return Remembered(coder=coder, memory=memory)


def meet(remembered: Remembered, model, begin: int, eval_set: EvalSet) -> Remembered:
    """The memory with a model in it, and weights fitted for it on whole val files. `eval_set.val` must be there."""
    network = Network(
        model=model, vocab_size=remembered.memory.vocab_size, begin=begin, window=num_positions(model)
    )
    memory = fit_joined(remembered.memory, network, val_files(eval_set), FIT_TOKENS)
    return dataclasses.replace(remembered, memory=memory, network=network)


def val_files(eval_set: EvalSet) -> list[HeldOutFile]:
    """Those that may be fitted on, in an order of their own: the first directories must not speak for all."""
    val = _val(eval_set)
    files = [HeldOutFile(path=val.rows.files[part.file], ids=part.tokens) for part in val.files]
    rng_for(0, "meeting", val.rows.sha256).shuffle(files)
    return files


# --- scored by a memory -------------------------------------------------------------------------------------


def memory_scores(eval_set: EvalSet, remembered: Remembered, *, with_questions: bool = True) -> ModelScores:
    """What it made of the same places and, for one seed, of the same questions."""
    sets = eval_set.scored_sets if remembered.network is None else eval_set.sets
    nats = {s.name: nats_of_places(remembered, s.windows, s.places, s.files) for s in sets}
    if not with_questions:
        return ModelScores(nats=nats)
    asked = {
        kind: [_answer(q, remembered, eval_set) for q in questions]
        for kind, questions in eval_set.questions.items()
    }
    return ModelScores(
        nats=nats,
        answers={
            k: judge(eval_set.questions[k], [a for a, _, _ in got], eval_set.parsed[k])
            for k, got in asked.items()
        },
        truth={
            k: (np.array([n for _, n, _ in got]), np.array([b for _, _, b in got], dtype=np.int64))
            for k, got in asked.items()
        },
    )


def nats_of_places(
    remembered: Remembered, windows: HeldOut, places: Places, files: Sequence[FileTokens]
) -> np.ndarray:
    """Nats of the scored tokens, float64 [tokens] in the order of `places`, each file read by a reader of its own."""
    nats = np.empty(len(places))
    for part in files:
        runs = _runs(places, part)
        if not runs:
            continue
        reader, at = remembered.memory.reader(), 0
        for indices in runs:
            first, last = (int(places.place[i]) - part.start for i in (indices[0], indices[-1]))
            reader.skim(part.tokens[at:first])
            at = last + 1
            nats[indices] = _read(remembered, reader, part.tokens[first:at], windows, places, indices)
    return nats


def _runs(places: Places, part: FileTokens) -> list[np.ndarray]:
    """Indices of the places in a stretch of a file, in its order, cut where the next is elsewhere or in another row."""
    inside = places.within(part)
    if not len(inside):
        return []
    cuts = (np.diff(places.place[inside]) != 1) | (np.diff(places.row[inside]) != 0)
    return np.split(inside, np.flatnonzero(cuts) + 1)


def _read(
    remembered, reader: Reader, ids: np.ndarray, windows: HeldOut, places: Places, indices
) -> np.ndarray:
    if remembered.network is None:
        return reader.feed(ids)
    row, place = int(places.row[indices[0]]), int(places.place[indices[0]])
    inputs, _ = document(windows.rows, row, windows.control)
    start = int(windows.rows.table[row]["start_token"])
    first = place - start - (start > 0)  # as in `places_of`
    return _feed(reader, ids, remembered.network.rows(inputs[: first + len(ids)], first))


def _feed(reader: Reader, ids: np.ndarray, rows: Iterator[np.ndarray]) -> np.ndarray:
    """Nats of `ids`, whose distributions by the model come in parts."""
    nats, at = [np.empty(0)], 0
    for some in rows:
        nats.append(reader.feed(ids[at : at + len(some)], some))
        at += len(some)
    return np.concatenate(nats)


# --- questions -------------------------------------------------------------------------------------------


def _answer(
    question: HeldOutQuestion, remembered: Remembered, eval_set: EvalSet
) -> tuple[ModelAnswer, float, int]:
    """Its answer, and nats and bytes of what was really there."""
    vocabulary, token_bytes, network = eval_set.vocabulary, remembered.coder.token_bytes, remembered.network
    before = vocabulary.encode(question.before)
    forced = bytes_to_heal(token_bytes, before) if question.fill else b""
    kept = len(before) - bool(forced)
    reader = remembered.memory.reader()
    if question.fill:
        reader.observe(vocabulary.encode(question.after))
    reader.skim(before[:kept])
    prompt = question_ids(question, vocabulary, room_for_questions(network.model)) if network else []
    with reader.trial(frozen=True):
        predictor = _predictor(reader, network, _healed(prompt, forced, vocabulary.control))
        line = write_line(predictor, token_bytes, remembered.coder.control, forced)
    reader.skim(before[kept:])
    truth = np.array(vocabulary.encode(question.truth)[:MAX_LINE_TOKENS], dtype=np.int64)
    num_bytes = int(vocabulary.num_bytes[truth].sum())
    nats = _nats_of_truth(reader, network, prompt, truth)
    return ModelAnswer(text=line.text, ended=line.ended), nats, num_bytes


def _predictor(reader: Reader, network: Network | None, prompt: Sequence[int]):
    if network is None:
        return Predictor(reader)
    return Predictor(reader, Continuation(network, prompt, room=MAX_LINE_TOKENS))


def _healed(prompt: list[int], forced: bytes, control) -> list[int]:
    """The prompt of a gap without the token that was taken back."""
    if not (prompt and forced):
        return prompt
    place = prompt.index(control.fim_suffix) - 1
    return prompt[:place] + prompt[place + 1 :]


def _nats_of_truth(reader: Reader, network: Network | None, prompt: list[int], truth: np.ndarray) -> float:
    if network is None or not len(truth):
        return float(reader.feed(truth).sum())
    inputs = [*prompt, *truth[:-1].tolist()]
    return float(_feed(reader, truth, network.rows(inputs, len(prompt) - 1)).sum())
