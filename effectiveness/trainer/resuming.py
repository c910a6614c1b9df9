"""What may differ between a run and its resume: one row for every setting, and nothing changes without a word.

HARMLESS     changes no weight: told
CHANGEABLE   what comes is made with the new value: told, old and new
PACED        as CHANGEABLE, but not in the middle of an epoch that a curriculum cuts by the length of the run
REFUSED      the place in the epoch, the weights or the best so far would mean something else: exit 2, nothing done
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.trainer import setup
from effectiveness.trainer.checkpoint import Checkpoint
from effectiveness.trainer.config import Config, filled
from effectiveness.trainer.loop import State, Trainer
from effectiveness.trainer.replay import num_replayed
from effectiveness.trainer.schedule import make_schedule

HARMLESS, CHANGEABLE, PACED, REFUSED = "harmless", "changeable", "paced", "refused"
RULES: dict[str, str] = {
    "recipe": HARMLESS,  # what it stands for has rows of its own
    "model.preset": REFUSED,
    "model.pretrained_model": REFUSED,
    "model.tokenizer_name": HARMLESS,  # it is checked against the dataset's
    "model.torch_dtype": HARMLESS,  # of the export
    "model.max_position_embeddings": REFUSED,
    "model.dropout": CHANGEABLE,
    "quantization.load_in_4bit": REFUSED,
    "quantization.load_in_8bit": REFUSED,
    "quantization.lora_enabled": REFUSED,
    "quantization.lora_rank": REFUSED,
    "quantization.lora_alpha": REFUSED,
    "quantization.lora_dropout": CHANGEABLE,
    "quantization.lora_target_modules": REFUSED,
    "quantization.lora_rslora": REFUSED,
    "quantization.lora_dora": REFUSED,
    "quantization.lora_choose_scale": HARMLESS,  # of the export
    "data.weighting": REFUSED,
    "data.curriculum": REFUSED,
    "data.curriculum_fraction": REFUSED,
    "data.fresh_cuts": REFUSED,
    "data.window_growth": CHANGEABLE,
    "data.overlap": REFUSED,
    "data.variants": REFUSED,
    "data.packing": REFUSED,
    "data.replay": REFUSED,
    "data.replay_share": REFUSED,
    "data.repository_context": REFUSED,  # the plan of an epoch follows from it
    "objectives.fim_rate": REFUSED,
    "objectives.mask_rate": CHANGEABLE,
    "optimization.batch_size": CHANGEABLE,  # the place in the epoch is kept in packs
    "optimization.gradient_accumulation_steps": CHANGEABLE,
    "optimization.learning_rate": CHANGEABLE,
    "optimization.lr_scheduler": CHANGEABLE,
    "optimization.warmup_steps": CHANGEABLE,
    "optimization.warmup_ratio": CHANGEABLE,
    "optimization.cooldown_fraction": CHANGEABLE,
    "optimization.min_lr_ratio": CHANGEABLE,
    "optimization.optimizer": REFUSED,
    "optimization.weight_decay": CHANGEABLE,
    "optimization.embedding_weight_decay": CHANGEABLE,
    "optimization.beta1": CHANGEABLE,
    "optimization.beta2": CHANGEABLE,
    "optimization.max_grad_norm": CHANGEABLE,
    "optimization.mixed_precision": CHANGEABLE,
    "optimization.gradient_checkpointing": HARMLESS,
    "optimization.ema_decay": REFUSED,
    "training.num_epochs": PACED,
    "training.max_steps": PACED,
    "training.save_steps": HARMLESS,
    "training.save_total_limit": HARMLESS,
    "training.eval_steps": CHANGEABLE,
    "training.logging_steps": HARMLESS,
    "training.seed": REFUSED,
    "training.patience": CHANGEABLE,
    "training.max_bad_steps": HARMLESS,
    "evaluation.max_windows": REFUSED,  # the best so far was chosen on others
    "evaluation.completions": HARMLESS,
    "inference.max_new_tokens": HARMLESS,
    "inference.do_sample": HARMLESS,
    "inference.temperature": HARMLESS,
    "inference.top_p": HARMLESS,
    "inference.top_k": HARMLESS,
    "inference.repetition_penalty": HARMLESS,
    "device_backend.device": CHANGEABLE,  # other bits, the same training
    "device_backend.compile": CHANGEABLE,
    "device_backend.memory_gib": HARMLESS,  # smaller pieces of the same steps
    "device_backend.distributed": CHANGEABLE,
    "device_backend.deterministic": CHANGEABLE,
    "output.directory": HARMLESS,
    "output.tensorboard": HARMLESS,
    "output.report": HARMLESS,
}
# Where each flag of the command is decided: settings have a row above.
FLAGS: dict[str, str] = {
    "--config": "settings",
    "--set": "settings",
    "--epochs": "training.num_epochs",
    "--seed": "training.seed",
    "--device": "device_backend.device",
    "--deterministic": "device_backend.deterministic",
    "--output": "output.directory",
    "--sequences": "refused for other rows",
    "--checkpoint": "refused with --resume",
    "--overwrite": "refused with --resume",
    "--resume": "this",
    "--eval_only": "another command",
    "--dry-run": "another command",
    "--complete": "another command",
    "--prompt": "another command",
    "--suffix": "another command",
}


def changes(found: Checkpoint, run: setup.Run) -> list[str]:
    """A line for each setting that differs from the run's. Raises UserError for those that must not."""
    _refuse_other_rows(found, run)
    before, now = _flat(found.facts["config"]), _flat(asdict(run.config))
    now["optimization.optimizer"] = setup.optimizer_kind(run.config, run.source)  # what "auto" stands for
    before["optimization.optimizer"] = found.facts.get("optimizer", now["optimization.optimizer"])
    before["processes"], now["processes"] = found.facts.get("num_processes"), run.engine.world_size
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
    rule = CHANGEABLE if key == "processes" else RULES[key]
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
    ours, theirs = (_rows(facts) for facts in (setup.dataset_facts(run), found.facts["dataset"]))
    if ours != theirs:
        raise UserError(
            f"{found.path} was trained on another dataset, where its place in the epoch means nothing; "
            f"start a new run from its weights: --checkpoint {run.output} --output ANOTHER"
        )


def _rows(dataset: dict) -> dict:
    """What makes rows these rows, wherever the dataset lies and whatever else its metadata says."""
    files = dataset.get("files") or {}
    digests = {name: files.get(name) for name in DATASET_FILES.values()}
    asked = {key: dataset.get(key) for key in ("window", "train_sha256", "replay")}
    return asked | digests


# --- the place in the epoch ------------------------------------------------------------------------------


def state_of(found: Checkpoint, config: Config) -> State:
    """The loop's state, its place in the epoch in steps of this run's size."""
    before = found.facts["config"]
    at_first = {
        "max_windows": before["evaluation"]["max_windows"] or 0
    }  # of a run from before there was `auto`
    state = State(**(at_first | found.state))
    sizes = [before["optimization"][key] for key in ("batch_size", "gradient_accumulation_steps")]
    if config.optimization.batch_size != sizes[0]:
        state.micro_batch_size = config.optimization.batch_size
    if packs_per_step(config) != sizes[0] * sizes[1]:
        state.first_pack += state.step_in_epoch * _own(sizes[0] * sizes[1], config)
        state.step_in_epoch = 0
        state.schedule_is_due = True
    if config.training.patience != before["training"]["patience"]:
        state.last_update, state.num_evaluations_without_gain = None, 0
    return state


def packs_per_step(config: Config) -> int:
    return config.optimization.batch_size * config.optimization.gradient_accumulation_steps


def _own(num_packs: int, config: Config) -> int:
    """Of the sequences of a step those that are not replayed."""
    share = config.data.replay_share
    return num_packs - (num_replayed(num_packs, share) if config.data.replay else 0)


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
