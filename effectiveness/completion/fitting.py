"""What is fitted on val files before anybody is answered: how memory and model meet, and how sure to be of a line.

One place for what measures and what serves, so that the server says what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from effectiveness.common.seeding import rng_for
from effectiveness.completion.confidence import Judgement, fit
from effectiveness.completion.network import Network
from effectiveness.completion.questions import HeldOutFile, draw_questions
from effectiveness.completion.scoring import Reading, Setup, read_files
from effectiveness.memory import Memory

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
