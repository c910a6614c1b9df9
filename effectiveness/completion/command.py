"""`effectiveness memory DATASET`: what the memory of a repository is worth on files that it never saw."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeGuard

import numpy as np

from effectiveness.common.console import ProgressConsole, count
from effectiveness.common.durable import write_atomically
from effectiveness.common.records import MEMORY_SCORE_FILE, UserError
from effectiveness.completion.at_cursor import QUIET_BELOW
from effectiveness.completion.confidence import Judgement
from effectiveness.completion.lines import Line
from effectiveness.completion.questions import HeldOutFile, draw_questions, is_exact
from effectiveness.completion.scoring import (
    MEMORY,
    Answered,
    Reading,
    Setup,
    bits_per_byte,
    fit_joined,
    halves,
    line_scores,
    read_files,
    read_for_rules,
    rules_of,
)
from effectiveness.completion.spelling import TextCoder
from effectiveness.completion.store import files_of, open_memory
from effectiveness.trainer.command_line import Parser, Standing, ending_of
from effectiveness.trainer.rows import Dataset, open_dataset

EXAMPLES = """examples:
  effectiveness memory training_data_effectiveness                       build it, and score it on test files
  ... --score val --questions 100 --seed 7
  ... --model models/mine                                                memory, model, and both joined
  ... --json scores.json

exit codes: 0 done, 1 failed, 2 usage or missing input"""

SHOWN_BEFORE = 3  # lines of the prompt in an example


def make_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = Parser(
        prog="effectiveness memory",
        description="The memory of a dataset's training files: build it, ask it for lines of held-out files, score it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="a finished dataset; the memory is kept in DATASET/memory",
    )
    add("--score", choices=("test", "val"), default="test", help="which held-out files, default: test")
    add("--questions", type=int, default=300, metavar="N", help="next lines asked for, default: 300")
    add(
        "--seed", type=int, default=1, metavar="N", help="of the choice of questions and examples, default: 1"
    )
    add("--model", type=Path, metavar="MODEL", help="the --output of a training: score it, and both joined")
    add(
        "--max-tokens", type=int, default=0, metavar="N", help="held-out tokens to score, whole files; 0: all"
    )
    add(
        "--examples",
        type=int,
        default=3,
        metavar="N",
        help="completions to show, drawn at random, first of those an editor gets; default: 3",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def command(standing: Standing) -> int:
        _run(make_parser().parse_args(argv), ProgressConsole().say)
        return 0

    return ending_of(command, Standing(lambda: "a memory that was built stands, no figures were written"))


def _run(arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    _check(arguments)
    dataset = open_dataset(arguments.dataset)
    coder = TextCoder(dataset.tokenizer)
    held_out = {split: files_of(dataset, split) for split in ("val", "test")}
    if not held_out[arguments.score]:
        raise UserError(
            f"{arguments.dataset}: no {arguments.score} file is held out; build from a larger repository"
        )
    before = time.perf_counter()
    memory = open_memory(dataset, coder, say)
    index_s = time.perf_counter() - before
    say(
        f"memory  {count(memory.num_tokens, 'token')} of {count(len(memory.paths), 'training file')}, {index_s:.1f} s"
    )
    meeting, fitting = halves(held_out["val"], arguments.seed)
    setup = _meet_model(arguments, Setup(coder=coder, memory=memory), meeting)
    read_on_val = read_for_rules(setup, fitting, arguments.seed)
    rules = rules_of(setup, read_on_val)
    _keep_score(dataset, read_on_val)
    files = _sample(held_out[arguments.score], arguments.max_tokens, arguments.seed)
    questions = draw_questions(files, coder, arguments.questions, arguments.seed)
    reading = read_files(setup, files, questions)
    figures = _figures(setup, reading, rules, index_s)
    for line in _lines(arguments, figures, setup, reading, rules):
        say(line)
    if arguments.json:
        write_atomically(arguments.json, json.dumps(figures, indent=1).encode() + b"\n")
    say("COMPLETE")


def _check(arguments: argparse.Namespace) -> None:
    for name, low in (("questions", 0), ("max_tokens", 0), ("examples", 0)):
        if getattr(arguments, name) < low:
            raise UserError(
                f"--{name.replace('_', '-')} must be {low} or more, got {getattr(arguments, name)}"
            )


# --- fitting on val ---------------------------------------------------------------------------------------


def _meet_model(arguments: argparse.Namespace, setup: Setup, val: Sequence[HeldOutFile]) -> Setup:
    """The setup with a model in it, if one is named, and the memory's weights for it, from these val files."""
    if arguments.model is None:
        return setup
    from effectiveness.completion.network import load_network

    network = load_network(arguments.model, setup.coder)
    joined = fit_joined(setup.memory, network, val)
    return dataclasses.replace(setup, network=network, joined=joined)


def _sample(files: Sequence[HeldOutFile], max_tokens: int, seed: int) -> list[HeldOutFile]:
    """Whole files in a seeded order, until there are `max_tokens`; all of them for 0."""
    order = sorted(files, key=lambda file: file.path)
    if not max_tokens:
        return order
    random.Random(seed).shuffle(order)
    chosen, total = [], 0
    for file in order:
        if total >= max_tokens:
            break
        chosen.append(file)
        total += len(file.ids)
    return chosen


def _keep_score(dataset: Dataset, reading: Reading) -> None:
    """What a token of val costs the memory alone: a training report shows it beside its curves."""
    nats = np.concatenate([np.empty(0), *reading.nats[MEMORY]])
    if len(nats):
        score = {
            "val_nats_per_token": float(nats.mean()),
            "num_tokens": len(nats),
            "num_files": len(reading.files),
        }
        write_atomically(dataset.directory / MEMORY_SCORE_FILE, json.dumps(score).encode() + b"\n")


# --- what it found ----------------------------------------------------------------------------------------


def _figures(setup: Setup, reading: Reading, rules: dict[str, Judgement], index_s: float) -> dict:
    num_tokens = sum(len(file.ids) for file in reading.files)
    arms = {
        arm: line_scores(reading.answered, arm, rules[arm])
        | {"bits_per_byte": bits_per_byte(reading, arm, setup.coder)}
        for arm in setup.arms
    }
    return {
        "arms": arms,
        "num_questions": len(reading.answered),
        "num_files": len(reading.files),
        "num_tokens": num_tokens,
        "index_s": round(index_s, 3),
        "ms_per_token": round(1000 * reading.feed_seconds / max(1, num_tokens), 4),
        "ms_per_line": round(1000 * reading.line_seconds / max(1, len(reading.answered)), 2),
    }


def _lines(arguments, figures: dict, setup: Setup, reading: Reading, rules: dict[str, Judgement]):
    yield (
        f"{arguments.score}: {count(figures['num_questions'], 'next line')}"
        f" and {count(figures['num_tokens'], 'token')} of "
        f"{count(figures['num_files'], 'file')} that nothing was learned from"
    )
    yield "          exact  similarity  bits/byte"
    for arm, of_arm in figures["arms"].items():
        answers = f"{100 * of_arm['exact']:5.1f} %     {of_arm['similarity']:.3f}"
        if not figures["num_questions"]:
            answers = "    -           -"  # a share of nothing
        yield f"  {arm:7s} {answers}      {of_arm['bits_per_byte']:.3f}"
    yield f"  {figures['ms_per_token']:.3f} ms a token read, {figures['ms_per_line']:.0f} ms a line, of one core"
    arm = setup.arms[-1]
    chosen = list(reading.answered)
    random.Random(arguments.seed).shuffle(chosen)
    chosen.sort(key=lambda one: not _is_said(rules[arm].best(one.lines[arm]), rules[arm]))
    if chosen:
        yield _in_an_editor(chosen, arm, rules[arm])
    for one in chosen[: arguments.examples]:
        yield from _example(one, arm, rules[arm], setup)


def _is_said(line: Line | None, rule: Judgement) -> TypeGuard[Line]:
    """Whether an editor gets the line: one that is hardly ever right is not said there."""
    return line is not None and rule.confidence(line) >= QUIET_BELOW


def _in_an_editor(answered: Sequence[Answered], arm: str, rule: Judgement) -> str:
    """How often it would speak there, and how often rightly: `exact` counts lines of any confidence."""
    best = [(rule.best(one.lines[arm]), one.question.truth) for one in answered]
    said = [(line, truth) for line, truth in best if _is_said(line, rule)]
    right = sum(is_exact(line.text, truth) for line, truth in said)
    of_those = f", of which {_share(right, len(said))} are right" if said else ""
    least = f"{100 * QUIET_BELOW:.0f} % sure or more"
    return f"  an editor gets the lines that are {least}: {_share(len(said), len(best))} of them{of_those}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _example(one: Answered, arm: str, rule: Judgement, setup: Setup):
    question = one.question
    prompt = setup.coder.spell([*question.file.ids[: question.place].tolist(), *question.rest])
    before = prompt.decode("utf-8", "replace").rstrip("\n").split("\n")[-SHOWN_BEFORE:]
    line = rule.best(one.lines[arm])
    yield ""
    yield f"{question.file.path}, held out:"
    yield from (f"  | {text}" for text in before)
    yield f"  truth > {question.truth}"
    yield f"  ours  > {_as_shown(line, rule, question.truth)}"


def _as_shown(line: Line | None, rule: Judgement, truth: str) -> str:
    """As an editor would have it."""
    if line is None:
        return "nothing"
    mark = "right" if is_exact(line.text, truth) else "not the same"
    sure = f"{100 * rule.confidence(line):.0f} % sure"
    if not _is_said(line, rule):
        return f"nothing   ({sure} of {line.text.strip()!r}: not said in an editor; {mark})"
    return f"{line.text}   ({sure}; {mark})"
