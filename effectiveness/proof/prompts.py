"""Questions about held-out files - the next line, or a gap in one - and how well a model answers them.

The same questions go to every model. A question knows its whole file, so that an answer can be put back in its
place and parsed there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from effectiveness.common.records import ROLES
from effectiveness.common.seeding import rng_for
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import has_grammar, parse
from effectiveness.trainer.complete import (
    MAX_LINE_TOKENS,
    draw_place,
    edit_similarity,
    num_positions,
    prompt_ids,
)
from effectiveness.trainer.micro_batches import MicroBatch, collate
from effectiveness.trainer.recut import FileTokens
from effectiveness.trainer.rows import Rows
from effectiveness.trainer.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# More than any code has: what is cut away before encoding could not be in the prompt.
CHARACTERS_PER_TOKEN = 16
BATCH_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutQuestion:
    """A place in a held-out file: all of the file before it, what was there, all after it."""

    file: int  # index into Rows.files
    source_file: str
    role: str
    language: str
    before: str
    truth: str
    after: str
    fill: bool  # what follows is shown, too


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    text: str  # as generated
    ended: bool  # by itself: at a line end, or in a gap with the end token

    @property
    def first_line(self) -> str:
        return self.text.split("\n", 1)[0]


# --- asking ----------------------------------------------------------------------------------------------


def find_questions(
    rows: Rows, files: Sequence[FileTokens], vocabulary: Vocabulary, count: int, *, fill: bool, seed: int
) -> list[HeldOutQuestion]:
    """Up to `count` questions, evenly over the files, drawn by (seed, file, round): always the same ones."""
    described = {int(record["file"]): record for record in rows.table}
    order = list(range(len(files)))
    rng_for(seed, "questions", rows.sha256).shuffle(order)
    texts = {index: vocabulary.decode(files[index].tokens) for index in order[:count]}
    found: list[HeldOutQuestion] = []
    for turn in range(max(1, -(-count // max(1, len(texts))))):
        for index, text in texts.items():
            place = draw_place(text, rng_for(seed, "place", rows.files[files[index].file], turn), fill=fill)
            if place is not None and len(found) < count:
                record = described[files[index].file]
                found.append(_question(rows, record, text, place, fill))
    return list(dict.fromkeys(found))


def _question(rows: Rows, record, text: str, place: tuple[int, int], fill: bool) -> HeldOutQuestion:
    start, end = place
    return HeldOutQuestion(
        file=int(record["file"]),
        source_file=rows.files[record["file"]],
        role=ROLES[record["role"]],
        language=rows.languages[record["language"]],
        before=text[:start],
        truth=text[start:end],
        after=text[end:],
        fill=fill,
    )


def question_ids(question: HeldOutQuestion, vocabulary: Vocabulary, room: int) -> list[int]:
    """At most `room` ids: the text before the gap, and what is asked for."""
    most = room * CHARACTERS_PER_TOKEN
    after = question.after[:most] if question.fill else None
    return prompt_ids(vocabulary, question.before[-most:], after, room)


def room_for_questions(model: PreTrainedModel) -> int:
    """Tokens a prompt may have; the rest of the positions is for the answer."""
    return num_positions(model) - MAX_LINE_TOKENS


# --- answering -------------------------------------------------------------------------------------------


def line_end_ids(vocabulary: Vocabulary) -> list[int]:
    """Ids of all tokens that hold a line end; byte-level vocabularies spell it as a letter."""
    entries = vocabulary.tokenizer.get_vocab(with_added_tokens=False)
    return sorted(index for text, index in entries.items() if "\u010a" in text or "\n" in text)


def answer(
    model: PreTrainedModel, vocabulary: Vocabulary, questions: Sequence[HeldOutQuestion]
) -> list[ModelAnswer]:
    """Greedy answers, in the order of the questions; alike lengths are generated together."""
    room = room_for_questions(model)
    prompts = [question_ids(question, vocabulary, room) for question in questions]
    answers: list[ModelAnswer | None] = [None] * len(questions)
    for fill in (False, True):
        mine = [i for i, question in enumerate(questions) if question.fill == fill]
        stops = [vocabulary.control.end, *([] if fill else line_end_ids(vocabulary))]
        for index, ids in zip(mine, generate_ids(model, [prompts[i] for i in mine], stops), strict=True):
            answers[index] = _answer(ids, stops, vocabulary)
    return [answer for answer in answers if answer is not None]  # every question is of one of the two


def _answer(ids: list[int], stops: Sequence[int], vocabulary: Vocabulary) -> ModelAnswer:
    ended = bool(ids) and ids[-1] in stops
    shown = ids[:-1] if ids and ids[-1] == vocabulary.control.end else ids
    return ModelAnswer(text=vocabulary.decode(shown), ended=ended)


@torch.no_grad()
def generate_ids(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    stops: Sequence[int],
    *,
    max_new_tokens: int = MAX_LINE_TOKENS,
    batch_size: int = BATCH_SIZE,
    **settings,
) -> list[list[int]]:
    """What the model adds to each prompt, to the first stop token (kept) or `max_new_tokens`.

    Prompts of a batch are padded on the left and masked, so that each is continued as if it were alone.
    """
    from transformers import GenerationConfig

    model.eval()
    device, pad = next(model.parameters()).device, stops[0]
    # What was exported with the model (a repetition penalty, say) would win over what is passed to `generate`.
    model.generation_config = GenerationConfig(
        eos_token_id=list(stops), pad_token_id=pad, max_new_tokens=max_new_tokens, **settings
    )
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    generated: list[list[int]] = [[]] * len(prompts)
    for first in range(0, len(order), batch_size):
        mine = order[first : first + batch_size]
        longest = max(len(prompts[i]) for i in mine)
        ids = torch.tensor([[pad] * (longest - len(prompts[i])) + prompts[i] for i in mine])
        mask = torch.tensor([[0] * (longest - len(prompts[i])) + [1] * len(prompts[i]) for i in mine])
        outputs = model.generate(ids.to(device), attention_mask=mask.to(device))
        for i, line in zip(mine, outputs[:, longest:].tolist(), strict=True):
            generated[i] = _to_first_stop(line, set(stops))
    return generated


def _to_first_stop(ids: list[int], stops: set[int]) -> list[int]:
    last = next((place for place, token in enumerate(ids) if token in stops), len(ids) - 1)
    return ids[: last + 1]


def truth_nats(
    model: PreTrainedModel,
    vocabulary: Vocabulary,
    questions: Sequence[HeldOutQuestion],
    token_nats: Callable[[MicroBatch], torch.Tensor],
) -> tuple[np.ndarray, np.ndarray]:
    """Nats of what was really there, given the same prompts, and its bytes: float64 and int64 [questions].

    A truth longer than MAX_LINE_TOKENS counts with its first ones only.
    """
    room, pad = room_for_questions(model), vocabulary.control.pad
    documents = [_document(question, vocabulary, room) for question in questions]
    order = sorted(range(len(documents)), key=lambda i: len(documents[i][1]))
    nats, num_bytes = np.zeros(len(documents)), np.zeros(len(documents), dtype=np.int64)
    for first in range(0, len(order), BATCH_SIZE):
        mine = order[first : first + BATCH_SIZE]
        batch = collate([[documents[i]] for i in mine], window=num_positions(model), pad=pad)
        nats[mine] = (token_nats(batch).double().cpu() * batch.weights.double()).sum(1).numpy()
        num_bytes[mine] = (vocabulary.num_bytes[batch.labels.numpy()] * (batch.weights.numpy() > 0)).sum(1)
    return nats, num_bytes


def _document(question: HeldOutQuestion, vocabulary: Vocabulary, room: int):
    prompt = question_ids(question, vocabulary, room)
    ids = np.array(prompt + vocabulary.encode(question.truth)[:MAX_LINE_TOKENS], dtype=np.int64)
    weights = np.zeros(len(ids) - 1, dtype=np.float32)
    weights[len(prompt) - 1 :] = 1
    return 0, ids[:-1], ids[1:], weights


# --- judging ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScores:
    """One value per question, float64; `parses` is nan where the file itself does not parse or has no grammar."""

    exact: np.ndarray  # the line, or all that was put into the gap, is what was there
    exact_to_length: np.ndarray  # its beginning, as long as what was there, is
    similarity: np.ndarray  # of the first line, 1 - Levenshtein distance / length of the longer
    parses: np.ndarray
    ended: np.ndarray


def judge(
    questions: Sequence[HeldOutQuestion], answers: Sequence[ModelAnswer], parsed: Sequence[bool]
) -> AnswerScores:
    """`parsed` says which of the files parse as they are."""
    pairs = list(zip(questions, answers, strict=True))
    return AnswerScores(
        exact=np.array([_is_exact(q, a) for q, a in pairs], dtype=np.float64),
        exact_to_length=np.array([a.text[: len(q.truth)] == q.truth for q, a in pairs], dtype=np.float64),
        similarity=np.array([edit_similarity(a.first_line.strip(), q.truth.strip()) for q, a in pairs]),
        parses=np.array(
            [
                float(does_parse(q, a.first_line)) if ok else np.nan
                for (q, a), ok in zip(pairs, parsed, strict=True)
            ]
        ),
        ended=np.array([a.ended for a in answers], dtype=np.float64),
    )


def _is_exact(question: HeldOutQuestion, given: ModelAnswer) -> bool:
    text = given.text if question.fill else given.first_line
    return given.ended and text.strip() == question.truth.strip()


def does_parse(question: HeldOutQuestion, line: str) -> bool:
    """Whether the whole file parses without an error when `line` stands in the place asked for."""
    known = LANGUAGES.get(question.language)
    if known is None or not has_grammar(known.name):
        return False
    source = (question.before + line + question.after).encode("utf-8", "replace")
    return bool(source.strip()) and not parse(known.name, source).root_node.has_error
