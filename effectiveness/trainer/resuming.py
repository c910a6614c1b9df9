"""How a run goes on: from which checkpoint, with what changed - nothing without a word - and at which place."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch

from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.trainer import checkpoint, defaults, run_directory, setup
from effectiveness.trainer.batches import num_replayed
from effectiveness.trainer.checkpoint import Checkpoint
from effectiveness.trainer.config import (
    CHANGEABLE,
    HARMLESS,
    PACED,
    REFUSED,
    SECTIONS,
    Config,
    filled,
    without_gone,
)
from effectiveness.trainer.loop import Trainer
from effectiveness.trainer.optimizers import make_schedule
from effectiveness.trainer.steps import State

RULES: dict[str, str] = {
    "recipe": HARMLESS,  # what it stands for has rows of its own
    "processes": CHANGEABLE,
    "gaps": CHANGEABLE,  # no setting: another version of this program may draw others
}
RULES |= {
    f"{name}.{setting.name}": setting.metadata["on_resume"]
    for name, section in SECTIONS.items()
    for setting in fields(section)
}


def from_the_same_start(found: Checkpoint, run: setup.Run) -> setup.Run:
    """The run with the --checkpoint that it began with: shape, optimizer and learning rate follow from it.

    What was begun in float32 on a CPU goes on so: another CPU, or an earlier version, multiplies no bfloat16.
    """
    is_free = run.config.optimization.mixed_precision == "auto" and run.device.type == "cpu"
    if is_free and found.facts.get("precision") == "float32":
        run = replace(run, precision=torch.float32)
    source = found.facts.get("source")
    if run.source is None and source and Path(source).is_dir():
        return replace(run, source=Path(source))
    return run


def newest_checkpoint(run: setup.Run) -> Checkpoint | None:
    """The one to go on from. Raises UserError where there is a run, but none that can be gone on with."""
    found = checkpoint.newest(run.checkpoints, run.console.say)
    if found is not None:
        return found
    held = run_directory.what_it_holds(run.output)
    if held and held != "best weights":  # those of before the first step
        raise UserError(
            f"{run.output} holds {held}, but no whole checkpoint to resume from; --overwrite deletes it, or start a "
            f"new run from its weights: --checkpoint {run.output} --output ANOTHER"
        )
    run.console.say(f"no checkpoint in {run.checkpoints}: starting from the beginning")
    return None


def changes(found: Checkpoint, run: setup.Run) -> list[str]:
    """A line for each setting that differs from the run's. Raises UserError for those that must not."""
    _refuse_other_rows(found, run)
    before, now = _flat(without_gone(found.facts["config"])), _flat(asdict(run.config))
    now["optimization.optimizer"] = defaults.optimizer_kind(run.config, run.source)  # what "auto" stands for
    before["optimization.optimizer"] = found.facts.get("optimizer", now["optimization.optimizer"])
    before["processes"], now["processes"] = found.facts.get("num_processes"), run.engine.world_size
    now["gaps"] = run_directory.shares_of_gaps(run.config)
    before["gaps"] = found.facts.get("gaps", now["gaps"] and "of an earlier version")
    differing = {key: (before[key], value) for key, value in now.items() if before.get(key, value) != value}
    refused = [key for key in differing if _rule(key, found, run.config) == REFUSED]
    if refused:
        raise UserError(
            f"cannot resume with other settings: {_told(refused[0], *differing[refused[0]])}"
            f"{_and_more(refused)}; give what the run has, or start a new run: --checkpoint {run.output} "
            "--output ANOTHER"
        )
    notes = {HARMLESS: " (changes no weight)"}
    return [
        f"changed  {_told(key, *values)}{notes.get(_rule(key, found, run.config), '')}"
        for key, values in differing.items()
    ]


def _rule(key: str, found: Checkpoint, config: Config) -> str:
    rule = RULES[key]
    if rule != PACED:
        return rule
    is_within = found.state["step_in_epoch"] > 0 and not found.state["evaluation_is_due"]
    return REFUSED if is_within and config.data.curriculum != "none" else CHANGEABLE


def _told(key: str, before, now) -> str:
    return f"{key} is {json.dumps(now)}, the run has {json.dumps(before)}"


def _and_more(refused: list[str]) -> str:
    return f" (and so with {', '.join(refused[1:])})" if refused[1:] else ""


def _flat(config: dict) -> dict:
    """Settings by "section.name", as they read back from JSON."""
    plain = json.loads(json.dumps(config))
    sections = {name: s for name, s in plain.items() if isinstance(s, dict)}
    return {"recipe": plain.get("recipe")} | {
        f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()
    }


def _refuse_other_rows(found: Checkpoint, run: setup.Run) -> None:
    ours, theirs = (_rows(facts) for facts in (run_directory.dataset_facts(run), found.facts["dataset"]))
    if ours != theirs:
        has_its_tokenizer = found.facts["tokenizer"]["sha256"] == run.vocabulary.sha256
        build = "" if has_its_tokenizer else f"build the dataset with --tokenizer {run.output}, and "
        raise UserError(
            f"{found.path} was trained on another dataset, where its place in the epoch means nothing; "
            f"{build}start a new run from its weights: --checkpoint {run.output} --output ANOTHER"
        )


def _rows(dataset: dict) -> dict:
    """What makes rows these rows, wherever the dataset lies and whatever else its metadata says."""
    files = dataset.get("files") or {}
    digests = {name: files.get(name) for name in DATASET_FILES.values()}
    asked = {key: dataset.get(key) for key in ("window", "train_sha256", "replay")}
    return asked | digests


# --- the place in the epoch ------------------------------------------------------------------------------


def state_of(found: Checkpoint, config: Config) -> State:
    """The loop's state, `step_in_epoch` converted where a step now holds more or fewer sequences."""
    before = found.facts["config"]
    at_first = {
        "max_windows": before["evaluation"]["max_windows"] or 0
    }  # of a run from before there was `auto`
    state = State(**(at_first | found.state))
    sizes = [before["optimization"][key] for key in ("batch_size", "gradient_accumulation_steps")]
    if config.optimization.batch_size != sizes[0]:
        state.micro_batch_size = config.optimization.batch_size
    if config.optimization.packs_per_step != sizes[0] * sizes[1]:
        state.first_pack += state.step_in_epoch * _own(sizes[0] * sizes[1], config)
        state.step_in_epoch = 0
        state.schedule_is_due = True
    if config.training.patience != before["training"]["patience"]:
        state.last_update, state.num_evaluations_without_gain = None, 0
    return state


def _own(num_packs: int, config: Config) -> int:
    """Of the sequences of a step those that are not replayed."""
    share = config.data.replay_share
    return num_packs - (num_replayed(num_packs, share) if config.data.replay else 0)


def restore(run: setup.Run, trainer: Trainer, found: Checkpoint) -> None:
    """Weights and optimizers as they were saved, and the place in the epoch."""
    try:
        checkpoint.load_model_tensors(trainer.model, found.tensors["model"])
        checkpoint.load_optimizer_tensors(trainer.optimizers, trainer.model, found.tensors["optimizer"])
    except (checkpoint.DamagedCheckpoint, KeyError) as error:
        raise UserError(
            f"cannot resume from {found.path} ({error}); use the configuration it was made with"
        ) from error
    place(trainer, run.config)
    trainer.shorten_schedule()


def place(trainer: Trainer, config: Config) -> None:
    """Have the batches go on where the state says, and the schedule end where they do."""
    state, batches = trainer.state, trainer.batches
    batches.begin_at(state.epoch, state.first_pack)
    planned = setup.num_updates_of_run(config, batches)
    if state.schedule_is_due:
        state.num_updates_shift = _num_updates_at_the_end(trainer, config) - planned
        state.schedule_is_due = False
    if state.num_updates_shift:
        num_updates = max(state.num_updates + 1, planned + state.num_updates_shift)
        trainer.schedule = make_schedule(_with_warmup_over(config, num_updates), num_updates)


def _num_updates_at_the_end(trainer: Trainer, config: Config) -> int:
    """Updates made, and those that the rest of the epoch and the epochs after it will take."""
    state, batches, num_epochs = trainer.state, trainer.batches, filled(config.training.num_epochs)
    left = max(0, num_epochs - state.epoch)
    steps = batches.epoch(state.epoch).num_steps if left else 0
    steps += round(batches.expected_steps(num_epochs) / num_epochs * max(0, left - 1))
    most = config.training.max_steps
    return state.num_updates + (steps if most is None else max(0, min(steps, most - state.step)))


def _with_warmup_over(config: Config, num_updates: int):
    """A warm-up that was over long ago does not stop a run that has become shorter."""
    optimization = config.optimization
    if optimization.warmup_steps is None:
        return optimization
    return replace(optimization, warmup_steps=min(optimization.warmup_steps, num_updates - 1))
