"""The directory of one run: what is written there, whether it holds a run, and how one is deleted when asked for.

training_facts.json says of an exported model what its weights are (digests), what they were trained on, how, how long.
Checkpoints beside a model may have been replaced since; the facts hold for the weights whose digests they name alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.durable import remove_tree
from effectiveness.common.invocation import typed
from effectiveness.common.jsonl import digest, read_metadata, write_metadata
from effectiveness.common.ownership import LOCK, MODEL, check, claim, foreign_in, is_as_noted, made_in
from effectiveness.common.paths import display
from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.trainer import checkpoint, defaults, devices, gaps, models
from effectiveness.trainer.metrics import FILE_NAME
from effectiveness.trainer.rows import open_dataset

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from effectiveness.trainer.config import Config
    from effectiveness.trainer.setup import Run

CHECKPOINTS, BEST = "checkpoints", "best"
METRICS_FILE, REPORT_FILE, FACTS_FILE = (
    "training_metrics.jsonl",
    "training_report.html",
    "training_facts.json",
)
KNOWN_BEFORE = "known_before"  # in the facts
EVENTS_FILE = f"tensorboard/{FILE_NAME}"
WEIGHTS_FILE = "model.safetensors"
STAGING = ".export-staging"  # the next export while it is written
WRITTEN = (
    *(
        "config.json",
        "generation_config.json",
        WEIGHTS_FILE,
        "README.md",
        FACTS_FILE,
        METRICS_FILE,
        REPORT_FILE,
    ),
    *(EVENTS_FILE, "adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
)


def refuse_unless_free(output: Path, tokenizer: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises UserError, exit code 2: a directory that is not ours, and a run that nobody asked to go on or delete."""
    check(output, MODEL, _names(tokenizer))
    _refuse_foreign_checkpoints(output)
    if not (resume or overwrite) and (held := what_it_holds(output)):
        raise UserError(
            f"{display(output)} holds a run ({held}); --resume goes on with it, --overwrite deletes it, or choose "
            "another --output"
        )


def take(output: Path, tokenizer: Path) -> None:
    """Mark the directory as ours. Raises UserError as `refuse_unless_free` does."""
    claim(output, MODEL, _names(tokenizer))
    remove_staging(output)
    checkpoint.recover(output / CHECKPOINTS)


def remove_staging(output: Path) -> None:
    """What a kill left of an export."""
    staging = output / STAGING
    if staging.is_dir() and not staging.is_symlink():
        remove_tree(staging)


def what_it_holds(output: Path) -> str:
    """What would be lost with the directory, in words; "" for a place where no run has got anywhere."""
    steps = checkpoint.step_directories(output / CHECKPOINTS)
    found = [f"checkpoints up to step {int(steps[-1].name.partition('-')[2])}"] if steps else []
    if not steps and (output / CHECKPOINTS / BEST).is_dir():
        found.append("best weights")
    if (output / WEIGHTS_FILE).exists():
        found.append("a finished model")
    return ", ".join(found)


def is_whole(output: Path) -> bool:
    """Whether everything that was written there is there, and as it was written."""
    return is_as_noted(output) and not (output / STAGING).exists()


def delete_run(output: Path, say: Callable[[str], None]) -> None:
    """Delete what we wrote of a run, and nothing else; say what."""
    held, files = what_it_holds(output), made_in(output)
    if held:
        say(f"--overwrite: deleting the run in {display(output)} ({held})")
    checkpoints = output / CHECKPOINTS
    checkpoint.remove([*checkpoint.step_directories(checkpoints), checkpoints / BEST])
    for name in files:
        (output / name).unlink(missing_ok=True)


def _names(tokenizer: Path) -> tuple[str, ...]:
    files = [file.name for file in sorted(tokenizer.iterdir()) if file.is_file()]
    return (*WRITTEN, *files, *(f"adapter/{name}" for name in files))


def _refuse_foreign_checkpoints(output: Path) -> None:
    """A checkpoint is removed when newer ones are there: it must hold nothing but what we wrote."""
    for name in (CHECKPOINTS, "tensorboard", "adapter"):
        if (output / name).is_symlink():
            raise UserError(f"{display(output / name)} is a link; name the directory it leads to as --output")
    checkpoints = output / CHECKPOINTS
    for directory in (*checkpoint.step_directories(checkpoints), checkpoints / BEST):
        if foreign := foreign_in(directory, checkpoint.OWNED):
            raise UserError(f"{display(directory / foreign[0])} is not a file we wrote; move it away")


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Hold `output` for one training run. Raises UserError (exit code 1) when another run has it, and when
    nothing can be written there (exit code 2)."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        fd = os.open(output / LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise UserError(
            f"cannot write to --output {display(output)} ({error.strerror}); choose another one"
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another run is training into {display(output)}; wait for it or choose another --output",
                exit_code=1,
            ) from None
        yield
    finally:
        os.close(fd)


# --- training_facts.json --------------------------------------------------------------------------------------


def known_to_its_start(run: Run) -> str:
    """What is to be said of held-out figures where the run's first weights may have learnt such files; else ""."""
    base = run.config.model.pretrained_model
    return known_before(run.source or (base and Path(base)) or None, run.dataset.metadata)


def facts_of_run(run: Run, what: str, model: PreTrainedModel, before: dict | None = None) -> dict:
    """What a reader needs to know about a run: for checkpoints, the report and the model card.

    `before`: the facts of the checkpoint that is gone on with.
    """
    return {
        KNOWN_BEFORE: known_to_its_start(run) or (before or {}).get(KNOWN_BEFORE, ""),
        "model": what,
        "source": None if run.source is None else str(run.source),
        "num_parameters": models.num_parameters(model),
        "num_trainable_parameters": models.num_parameters(model, trainable_only=True),
        "device": devices.describe(run.device),
        "num_processes": run.engine.world_size,
        "precision": str(run.precision).removeprefix("torch."),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "safetensors", "tokenizers")},
        "dataset": dataset_facts(run),
        "optimizer": defaults.optimizer_kind(run.config, run.source),
        "gaps": shares_of_gaps(run.config),
        "tokenizer": {"name": run.dataset.metadata.get("tokenizer"), "sha256": run.vocabulary.sha256},
        "config": run.config.as_dict(),
    }


def shares_of_gaps(config: Config) -> dict[str, float] | None:
    """How gaps are drawn by this version of the program, which no setting says; None where there are none."""
    return gaps.CUTS | {"suffix first": gaps.SUFFIX_FIRST} if config.objectives.fim_rate else None


def dataset_facts(run: Run) -> dict:
    """Which rows a run trains on: a resumed one needs the same."""
    metadata, train, replay = run.dataset.metadata, run.dataset.train, run.config.data.replay
    return {
        "source_repo": metadata.get("source_repo"),
        "repository_commit": metadata.get("repository_commit"),
        "window": run.dataset.window,
        "train_sha256": None if train.name in (metadata.get("files") or {}) else digest(train).sha256,
        "files": metadata.get("files"),
        "replay": replay and digest(open_dataset(Path(replay)).train).sha256,
    }


FORMAT = 1
WEIGHTS = "model*.safetensors"  # a large model has several


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """Of exported weights."""

    facts: dict  # of `facts_of_run`
    num_steps: int  # made by the whole training
    best_step: int  # after which the weights were as exported
    is_finite: bool  # whether the last losses on held-out files were


def write_training_facts(directory: Path, trained: TrainingFacts) -> None:
    """Beside the weights in `directory`."""
    weights = {file.name: digest(file).sha256 for file in sorted(directory.glob(WEIGHTS))}
    described = {"format": FORMAT, "sha256": weights, "is_finite": trained.is_finite, "facts": trained.facts}
    described |= {"steps": trained.num_steps, "best_step": trained.best_step}
    write_metadata(directory / FACTS_FILE, described)


def _check_types(trained: TrainingFacts) -> None:
    """Raises TypeError."""
    is_counted = all(type(number) is int for number in (trained.num_steps, trained.best_step))
    if not (is_counted and type(trained.is_finite) is bool and isinstance(trained.facts, dict)):
        raise TypeError("a value is of another type than it was written with")


def read_training_facts(directory: Path) -> TrainingFacts:
    """Raises UserError, one line, where there are none, or other weights beside them."""
    file = directory / FACTS_FILE
    if not file.is_file():
        raise UserError(
            f"{display(file)} is missing: without it nobody knows what the weights were trained on; give the --output "
            f"of a finished {typed('train')} (--resume writes what is missing)"
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
        _check_types(trained)
    except UserError as error:
        raise UserError(
            f"{display(file)} is not as it was written; finish the training with --resume"
        ) from error
    except (KeyError, TypeError, ValueError) as error:  # though its digest is right
        raise UserError(
            f"{display(file)} was written by another version of this program ({error}); train again"
        ) from error
    found = {path.name: digest(path).sha256 for path in sorted(directory.glob(WEIGHTS)) if path.is_file()}
    if found != weights:
        raise UserError(
            f"{display(directory)}: the weights are not those that {FACTS_FILE} describes (another training wrote "
            "there, or was stopped while exporting); finish it with --resume, or train again"
        )
    return trained


def known_before(source: Path | None, metadata: dict) -> str:
    """What is to be said of held-out figures where the weights in `source` come from other training rows; else "".

    Each dataset draws its splits anew, and of the files it holds out some were trained on by a run on the one before,
    unless it kept the splits of that one. `metadata`: of this dataset. Weights that others trained say nothing of their
    rows.
    """
    described = (
        next((source / n for n in (FACTS_FILE, checkpoint.MANIFEST) if (source / n).is_file()), None)
        if source
        else None
    )
    if described is None:
        return ""
    train = DATASET_FILES["train"]
    try:
        facts = read_metadata(described)["facts"]
        theirs, earlier = (facts["dataset"]["files"] or {}).get(train), facts.get(KNOWN_BEFORE, "")
        commit = str(facts["dataset"]["repository_commit"] or "")[:12]
    except (UserError, KeyError, TypeError, AttributeError):
        return f"nobody knows what {display(described.parent)} was trained on: held-out files may be among it"
    if earlier or theirs == (metadata.get("files") or {}).get(train) or _kept_apart(theirs, metadata):
        return earlier
    return (
        f"{display(described.parent)} was trained on another dataset{commit and f' (commit {commit})'}: files that are "
        "held out here may have been trained on there, and what they cost flatters the model; built with "
        "--splits-of THE-OTHER-DATASET they would be none"
    )


def _kept_apart(theirs: object, metadata: dict) -> bool:
    """Whether this dataset holds out nothing of the rows `theirs`: it kept the splits that they were made with."""
    kept = metadata.get("splits_of")
    trained = kept.get("train_sha256") if isinstance(kept, dict) else None
    sha256 = theirs.get("sha256") if isinstance(theirs, dict) else None
    return isinstance(trained, list) and sha256 in trained
