"""From a dataset and a model to the card: checks, control, eval set, models one after another, files."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import torch
from torch import nn

from effectiveness.common.boundary import read_json_object
from effectiveness.common.console import ProgressConsole
from effectiveness.common.durable import write_atomically
from effectiveness.common.invocation import typed
from effectiveness.common.ownership import PROOF, claim, note_made
from effectiveness.common.paths import display
from effectiveness.common.records import LATER, SPLITS, UserError
from effectiveness.proof import card as cards
from effectiveness.proof import finished
from effectiveness.proof.card_text import card_lines
from effectiveness.proof.control import Control, make_control
from effectiveness.proof.eval_set import (
    EvalSet,
    ModelScores,
    draw_eval_set,
    ngram_scores,
    score_model,
    score_windows,
    scorer,
    uniform_scores,
    window_ngram_scores,
)
from effectiveness.proof.finished import Finished, open_finished
from effectiveness.proof.mixtures import (
    Remembered,
    fitted_on,
    meet,
    memory_scores,
    mix,
    remember,
    why_no_mixture,
)
from effectiveness.proof.overlap import (
    Repository,
    UnrelatedFiles,
    is_hopeless,
    leak_line,
    overlap,
    select_unrelated,
)
from effectiveness.proof.page import write_page
from effectiveness.proof.scored_tokens import foreign_words, texts_of
from effectiveness.trainer import devices
from effectiveness.trainer.command_line import Standing
from effectiveness.trainer.model_files import refuse_unless_finished
from effectiveness.trainer.recut import scored_stretches, whole_files
from effectiveness.trainer.rows import Dataset, open_dataset, open_rows, refuse_nothing_held_out
from effectiveness.trainer.run_directory import KNOWN_BEFORE
from effectiveness.trainer.vocabulary import Vocabulary

MAX_CANARIES_BYTES = 1 << 20
CARD_FILE, PAGE_FILE, CANARIES_FILE = "proof.json", "proof.html", "canaries.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be proven: a dataset, and one model or several seeds of it."""

    arguments: argparse.Namespace
    console: ProgressConsole
    dataset: Dataset
    vocabulary: Vocabulary
    models: tuple[Finished, ...]
    device: torch.device
    precision: torch.dtype

    @property
    def output(self) -> Path:
        return self.arguments.output or self.models[0].directory / "proof"

    def load(self, model: Path) -> nn.Module:
        return finished.load(model, self.dataset, self.device)

    def load_start(self) -> nn.Module:
        return finished.load_start(self.models[0], self.dataset, self.device)


def prove(arguments: argparse.Namespace, standing: Standing) -> int:
    """Make the card, print it, write it. Returns 1 where more than a few test files stand in train, else 0."""
    case = open_case(arguments)
    claim(case.output, PROOF, (CARD_FILE, PAGE_FILE))  # found out now, not after minutes
    found = overlap_card(case)
    if found["leaked"].issuperset(open_rows(case.dataset, "test").files):
        raise UserError(
            f"{case.dataset.directory}: every test file stands in train, too; build from a larger repository"
        )
    controls = find_controls(case)
    card = make_card(case, controls, found)
    standing.in_words = lambda: f"{display(case.output)} may hold the card of before in part, make it again"
    write_card(case.output, card)
    standing.in_words = lambda: f"{display(case.output)} holds the new card, complete"
    standing.exit_code = int(card["is_hopeless"])
    for line in card_lines(card):
        case.console.say(line)
    case.console.say(f"Look: {case.output / PAGE_FILE}")
    case.console.say_end("FAILED" if card["is_hopeless"] else "COMPLETE")
    return standing.exit_code


def open_case(arguments: argparse.Namespace) -> Case:
    """Everything a user can get wrong is found here. Raises UserError."""
    device = devices.choose_device(arguments.device)
    dataset = open_dataset(arguments.dataset)
    refuse_nothing_held_out(dataset, "test")
    models = tuple(open_finished(directory) for directory in arguments.model)
    for model in models:
        finished.check_dataset(model, dataset)
    finished.check_seeds(models)
    case = Case(
        arguments=arguments,
        console=ProgressConsole(),
        dataset=dataset,
        vocabulary=Vocabulary(dataset.tokenizer),
        models=models,
        device=device,
        precision=devices.choose_precision("auto", device),
    )
    for model in models:
        _refuse_untrained(case, model)
    return case


def _refuse_untrained(case: Case, model: Finished) -> None:
    start = finished.load_start(model, case.dataset, case.device)
    if model.num_steps == 0 or not finished.has_learnt(case.load(model.directory), start):
        raise UserError(
            f"{model.directory}: the weights are those from before the training ({model.num_steps} steps, best at "
            f"{model.best_step}), so it bought nothing; train longer or with a lower optimization.learning_rate",
            exit_code=1,
        )


def overlap_card(case: Case) -> dict:
    """Verbatim overlap of what is held out with train, counted again, and as the build counted it."""
    held_out = ("val", "test", *([LATER] if case.dataset.has_later else []))
    train = whole_files(open_rows(case.dataset, "train"))
    texts = {split: open_rows(case.dataset, split) for split in held_out}
    found = {s: overlap(train, scored_stretches(rows), rows.files) for s, rows in texts.items()}
    recorded = case.dataset.metadata.get("leak_report", {}).get("held_out", {})
    known = next(filter(None, (model.facts.get(KNOWN_BEFORE) for model in case.models)), "")
    return {
        "counted": {split: of_split.as_dict() for split, of_split in found.items()},
        "recorded": {split: recorded.get(split, {}).get("share") for split in found},
        "leak": leak_line(found["test"]) or (known and f"LEAK: {known}; train from scratch for a claim"),
        "is_hopeless": is_hopeless(found["test"]) or bool(known),
        "leaked": frozenset(found["val"].leaked + found["test"].leaked),
    }


# --- the control -----------------------------------------------------------------------------------------


def find_controls(case: Case) -> list[Control]:
    """One for each seed of the model; or the one that was named."""
    arguments = case.arguments
    if arguments.control is not None:
        refuse_unless_finished(arguments.control, "--control ", "leave it out to train one")
        finished.check_tokenizer(arguments.control, case.dataset)
        data = arguments.control.parent / "data"
        words = f"{arguments.control}, as given"
        return [Control(model=arguments.control, dataset=data if data.is_dir() else None, words=words)]
    files = [part for split in SPLITS for part in whole_files(open_rows(case.dataset, split))]
    num_bytes = sum(int(case.vocabulary.num_bytes[part.tokens].sum()) for part in files)

    @cache  # the seeds of one model share it
    def selection(target_bytes: int) -> UnrelatedFiles:
        return select_unrelated(
            Repository(files, case.vocabulary),
            given=arguments.control_repository,
            suffix=_main_suffix(case.dataset),
            target_bytes=target_bytes,
            seed=arguments.seed,
        )

    key = {"repository": str(arguments.control_repository), "seed": arguments.seed}
    settings = {"repository_bytes": num_bytes, "device": arguments.device, "key": key}
    return [make_control(m, case.dataset, selection, case.console.say, **settings) for m in case.models]


def _main_suffix(dataset: Dataset) -> str:
    """Of the files that most training rows are from."""
    rows = open_rows(dataset, "train")
    counts: Counter[str] = Counter()
    for file in rows.table["file"].tolist():
        counts[Path(rows.files[file]).suffix] += 1
    return min(counts, key=lambda suffix: (-counts[suffix], suffix)) if counts else ".py"


def _foreign_words(case: Case, eval_set: EvalSet, control: Control) -> frozenset[bytes] | None:
    if control.dataset is None:
        return None
    data = open_dataset(control.dataset)
    vocabulary = Vocabulary(data.tokenizer)
    texts = (t for split in SPLITS for t in texts_of(whole_files(open_rows(data, split)), vocabulary))
    return foreign_words(texts, list(texts_of(eval_set.train_files, case.vocabulary)))


# --- the card --------------------------------------------------------------------------------------------


def make_card(case: Case, controls: list[Control], found: dict) -> dict:
    """Everything measured, as JSON values."""
    arguments, model = case.arguments, case.models[0]
    start = case.load_start()
    eval_set = draw_eval_set(
        case.dataset,
        case.vocabulary,
        start,
        max_windows=arguments.max_windows or None,
        num_prompts=arguments.prompts,
        can_fill=bool(model.config.objectives.fim_rate) and case.vocabulary.control.can_fill,
        seed=arguments.seed,
        left_out=found["leaked"],
    )
    by_arm, mixture = _scores_by_arm(case, controls, eval_set, start)
    foreign = _foreign_words(case, eval_set, controls[0])
    card = {
        "format": 1,
        "leak": found["leak"],
        "is_hopeless": found["is_hopeless"],
        "dataset": _dataset_facts(case.dataset),
        "models": [_model_facts(m) for m in case.models],
        "controls": [{"model": str(c.model), "made of": c.words} for c in controls],
        "arms": {arm: cards.MEANINGS[arm] for arm in by_arm},
        "mixture": mixture,
        "overlap": {name: found[name] for name in ("counted", "recorded")},
        "sets": {s.name: cards.held_out_card(s, by_arm, foreign, eval_set) for s in eval_set.sets},
        "robustness": cards.robustness_card(eval_set, by_arm),
        "questions": cards.questions_card(eval_set, by_arm),
        "canaries": _canaries(case),
    }
    return card | {"headline": cards.headline(card)}


Loaders = dict[str, list[Callable[[], nn.Module]]]  # arm -> one for each seed


def _scores_by_arm(
    case: Case, controls: list[Control], eval_set: EvalSet, start: nn.Module
) -> tuple[cards.ScoresByArm, dict]:
    """What every arm made of the eval set, and how the mixtures came about."""
    say, remembered = case.console.say, remember(case.dataset, case.console.say)
    name = cards.START if case.models[0].started_from is None else cards.BASE
    loaders: Loaders = {
        cards.CONTROL: [partial(case.load, control.model) for control in controls],
        cards.TRAINED: [partial(case.load, model.directory) for model in case.models],
    }
    by_arm = {
        cards.UNIFORM: [uniform_scores(eval_set)],
        cards.NGRAM: [ngram_scores(eval_set)],
        cards.NGRAM_WINDOW: [window_ngram_scores(eval_set)],
    }
    say(f"measuring  {name}")
    by_arm[name] = [score_model(eval_set, start, case.device, case.precision)]
    for arm, of_arm in loaders.items():
        say(f"measuring  {arm}")
        by_arm[arm] = [_scores_of(case, eval_set, load(), is_first=i == 0) for i, load in enumerate(of_arm)]
    say(f"measuring  {cards.MEMORY}")
    by_arm[cards.MEMORY] = [memory_scores(eval_set, remembered)]
    mixture = _add_mixtures(eval_set, by_arm)
    if mixture["left_out"] is None:
        by_arm |= _with_memory(case, eval_set, remembered, loaders)
    return _in_order(by_arm), mixture


def _in_order(by_arm: cards.ScoresByArm) -> cards.ScoresByArm:
    return {arm: by_arm[arm] for arm in cards.MEANINGS if arm in by_arm}


def _with_memory(
    case: Case, eval_set: EvalSet, remembered: Remembered, loaders: Loaders
) -> cards.ScoresByArm:
    """Models and the memory token by token, the weights of each pair fitted on val files."""
    by_arm: cards.ScoresByArm = {}
    for both, arm in cards.MET.items():
        case.console.say(f"measuring  {both}")
        by_arm[both] = []
        for number, load in enumerate(loaders[arm]):
            met = meet(remembered, load(), case.vocabulary.control.begin, eval_set)
            by_arm[both].append(memory_scores(eval_set, met, with_questions=number == 0))
    return by_arm


def _scores_of(case: Case, eval_set: EvalSet, model: nn.Module, *, is_first: bool) -> ModelScores:
    """Further seeds are asked for bits per byte only."""
    if is_first:
        return score_model(eval_set, model, case.device, case.precision)
    return ModelScores(nats=score_windows(eval_set, scorer(model, case.device, case.precision)))


def _add_mixtures(eval_set: EvalSet, by_arm: cards.ScoresByArm) -> dict:
    """Add the arms that are a model and counts in fixed shares, each seed with one of its own; how they came about."""
    reason, shares = why_no_mixture(eval_set), {}
    if reason:
        return {"left_out": reason}
    for both, (arm, counts) in cards.MIXED.items():
        [counted] = by_arm[counts]
        mixed = [mix(eval_set, scores, counted) for scores in by_arm[arm]]
        by_arm[both] = [scores for scores, _ in mixed]
        shares[both] = [share for _, share in mixed]
    return {"left_out": None, "fitted_on": fitted_on(eval_set), "shares": shares}


def _dataset_facts(dataset: Dataset) -> dict:
    metadata = dataset.metadata
    keys = ("source_repo", "repository_commit", "tokenizer", "tokenizer_sha256", "max_tokens_per_sequence")
    return {"directory": str(dataset.directory)} | {key: metadata.get(key) for key in keys}


def _model_facts(model: Finished) -> dict:
    facts = {key: model.facts.get(key) for key in ("model", "num_parameters", "versions")}
    where = {"directory": str(model.directory), "seed": model.config.training.seed}
    return where | {"steps": model.num_steps, "best_step": model.best_step} | facts


def _canaries(case: Case) -> dict | None:
    """The result of `effectiveness canaries`, where it lies beside the card."""
    file = case.output / CANARIES_FILE
    if not file.is_file():
        return None
    way_out = f"run {typed('canaries')} again"
    found = read_json_object(file, max_bytes=MAX_CANARIES_BYTES, way_out=way_out)
    for name, key in product(("redacted", "kept"), ("asked", "greedy", "sampled", "extracted")):
        of_name = found.get(name)
        if not isinstance(of_name, dict) or type(of_name.get(key)) is not int:
            raise UserError(f"{display(file)}: {name}.{key} is no count; {way_out}")
    return found


def write_card(output: Path, card: dict) -> None:
    """proof.json and proof.html, each replaced whole."""
    note_made(output, {CARD_FILE: None, PAGE_FILE: None})
    write_atomically(output / CARD_FILE, json.dumps(card, indent=1, allow_nan=False).encode() + b"\n")
    write_page(output / PAGE_FILE, card)
