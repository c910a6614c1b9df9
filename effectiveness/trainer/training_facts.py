"""training_facts.json of an exported model: what its weights are (digests), what they were trained on, how, how long.

Checkpoints beside a model may be of another run by now, or gone; these facts are of the weights they name, or of none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.jsonl import digest, read_metadata, write_metadata
from effectiveness.common.paths import spell
from effectiveness.common.records import UserError
from effectiveness.trainer.run_directory import FACTS_FILE

FORMAT = 1
WEIGHTS = "model*.safetensors"  # a large model has several


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """Of exported weights."""

    facts: dict  # of setup.facts
    num_steps: int  # made by the whole training
    best_step: int  # after which the weights were as exported
    is_finite: bool  # whether the last losses on held-out files were


def write_training_facts(directory: Path, trained: TrainingFacts) -> None:
    """Beside the weights in `directory`."""
    weights = {file.name: digest(file).sha256 for file in sorted(directory.glob(WEIGHTS))}
    described = {"format": FORMAT, "sha256": weights, "is_finite": trained.is_finite, "facts": trained.facts}
    described |= {"steps": trained.num_steps, "best_step": trained.best_step}
    write_metadata(directory / FACTS_FILE, described)


def read_training_facts(directory: Path) -> TrainingFacts:
    """Raises UserError, one line, where there are none, or other weights beside them."""
    file = directory / FACTS_FILE
    if not file.is_file():
        raise UserError(
            f"{spell(file)} is missing: without it nobody knows what the weights were trained on; give the --output of "
            "a finished training by training/model_trainer_unified.py (--resume writes what is missing)"
        )
    try:
        described = read_metadata(file)
        trained = TrainingFacts(
            facts=described["facts"],
            num_steps=described["steps"],
            best_step=described["best_step"],
            is_finite=described["is_finite"],
        )
        weights = dict(described["sha256"])
    except (UserError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{spell(file)} is not as it was written; finish the training with --resume"
        ) from error
    found = {path.name: digest(path).sha256 for path in sorted(directory.glob(WEIGHTS)) if path.is_file()}
    if found != weights:
        raise UserError(
            f"{spell(directory)}: the weights are not those that {FACTS_FILE} describes (another training wrote there, "
            "or was stopped while exporting); finish it with --resume, or train again"
        )
    return trained
