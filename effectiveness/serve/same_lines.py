"""Whether the server says what was measured: held-out lines, asked as an editor asks and of the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from effectiveness.completion.lines import Line
from effectiveness.completion.questions import HeldOutFile, Question, draw_questions, is_exact
from effectiveness.completion.scoring import Answered, Setup, read_files
from effectiveness.serve.knowledge import Knowledge
from effectiveness.serve.self_test import Exchange

SEED = 1  # as of `effectiveness memory`: its questions, so its figure
LINES = 300
ALLOWED_MS = 8_000  # what is not there in time is no other answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A question, what the library says, and what came through the server."""

    question: Question
    ours: Line | None
    text: str
    ids: tuple[int, ...]  # of all lines that were served

    @property
    def is_same(self) -> bool:
        """Whether what is served begins with the library's one line."""
        return self.ids[: len(self.ours.ids)] == self.ours.ids if self.ours else not self.ids


def compare(knowledge: Knowledge, files: Sequence[HeldOutFile], ask: Exchange) -> list[Compared]:
    """LINES of the files, whose memory and model are as they were fitted; nothing is kept back for being unsure."""
    completer = knowledge.completer
    questions = draw_questions(sorted(files, key=lambda file: file.path), completer.coder, LINES, SEED)
    setup = _setup(knowledge)
    judgement, quiet_below = completer.judgement, completer.quiet_below
    completer.quiet_below = 0.0
    try:
        compared = []
        for one in read_files(setup, files, questions).answered:
            text, ids = _through_the_server(one, knowledge, ask)
            ours = judgement.best(one.lines[setup.arms[-1]])
            compared.append(Compared(question=one.question, ours=ours, text=text, ids=ids))
        return compared
    finally:
        completer.quiet_below = quiet_below


def _setup(knowledge: Knowledge) -> Setup:
    completer = knowledge.completer
    memory, network = completer.memory, completer.network
    assert memory is not None
    if network is None:
        return Setup(coder=completer.coder, memory=memory)
    alone, apart = memory.with_learned(knowledge.weights), network.apart()
    return Setup(coder=completer.coder, memory=alone, network=apart, joined=memory)


def _through_the_server(one: Answered, knowledge: Knowledge, ask: Exchange) -> tuple[str, tuple[int, ...]]:
    question = one.question
    before = [*question.file.ids[: question.place].tolist(), *question.rest]
    body = {
        "input_prefix": knowledge.completer.coder.spell(before).decode("utf-8", "replace"), "prompt": "",
        "input_suffix": "", "n_predict": 48, "t_max_predict_ms": ALLOWED_MS, "return_tokens": True,
    }  # fmt: skip
    answer = json.loads(ask("/infill", body)[1])
    return answer["content"].partition("\n")[0], tuple(answer["tokens"])


def tell(compared: Sequence[Compared]) -> tuple[list[str], bool]:
    """Lines to print, and whether every answer was the library's, token for token."""
    number = max(1, len(compared))
    ours = sum(one.ours is not None and is_exact(one.ours.text, one.question.truth) for one in compared)
    served = sum(is_exact(one.text, one.question.truth) for one in compared)
    others = [one for one in compared if not one.is_same]
    lines = [
        f"next lines  {len(compared)} of files that are held out: the library has {100 * ours / number:.1f} % right, "
        f"this server {100 * served / number:.1f} %; the same tokens in {len(compared) - len(others)}"
    ]
    for one in others[:3]:
        library = one.ours.text if one.ours else ""
        lines.append(f"    {one.question.file.path}: the library {library!r}, the server {one.text!r}")
    return lines, not others
