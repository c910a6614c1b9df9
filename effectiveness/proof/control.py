"""The control: the same model trained the same way on code that has nothing to do with the repository.

Of the points a model gains from a repository's code, most may come from learning what code looks like at all. So
what a training bought is the trained model minus this one. Unrelated code is found where every machine has some:
Python's standard library, else the packages of this environment, in the repository's main language where they hold
enough of it. A file that shares a span of 50 tokens with the repository, or half of its spans of 8, is dropped.

    MODEL/control/data/    its dataset, made by the dataset command with the dataset's own tokenizer
                  model/   trained with the model's recorded settings and number of steps
                  control.json   what both were made from; while that is the same, they are used again
                                 (for another dataset, setting or seed there is a control-2 beside it)
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from effectiveness.common import programs
from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import write_atomically
from effectiveness.common.endings import scratch_directory
from effectiveness.common.ownership import CONTROL, claim, note_made
from effectiveness.common.recipes import recipe_of
from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.proof.finished import Finished
from effectiveness.proof.overlap import UnrelatedFiles
from effectiveness.trainer import models
from effectiveness.trainer.config import Config, Output
from effectiveness.trainer.rows import Dataset
from effectiveness.trainer.run_directory import CHECKPOINTS

ROOT = Path(__file__).resolve().parent.parent.parent
MIN_BYTES = 300_000  # of unrelated text, however short the training was
BYTES_PER_TOKEN = 4
DESCRIPTION = "control.json"
MAX_WINDOWS = 64  # that choose its best weights, where the model used all
SAYS = Callable[[str], None]


# --- building and training -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control that stands: its model, its dataset (None where only a model was given) and what it is, in words."""

    model: Path
    dataset: Path | None
    words: str


def make_control(
    finished: Finished,
    dataset: Dataset,
    selection: Callable[[int], UnrelatedFiles],
    say: SAYS,
    *,
    repository_bytes: int,
    device: str = "auto",
    key: dict | None = None,
) -> Control:
    """The control of a model: found beside it, or built and trained now. `selection` is given the bytes wanted.

    `key` holds what else an earlier control must have been made from, JSON values.
    """
    key = _key(finished, dataset) | (key or {})
    root, described = _place(finished.directory, key)
    if described is not None and described["is_finished"]:
        return Control(model=root / "model", dataset=root / "data", words=described["words"])
    chosen = selection(wanted_bytes(finished, dataset, repository_bytes))
    say(f"control  building it once: {chosen.in_words()}")
    claim(root, CONTROL)
    described = {"key": key, "words": chosen.in_words(), "selection": asdict(chosen)}
    _describe(root, described | {"is_finished": False})
    build_dataset(chosen, dataset, root / "data")
    train(finished, root / "data", root / "model", device)
    _describe(root, described | {"is_finished": True})
    return Control(model=root / "model", dataset=root / "data", words=described["words"])


def _place(directory: Path, key: dict) -> tuple[Path, dict | None]:
    """Where the control of `key` lies or goes, and what is written of it. One of another key cost time, and stays."""
    names = itertools.chain(["control"], (f"control-{number}" for number in itertools.count(2)))
    places = ((directory / name, _described(directory / name)) for name in names)
    return next((root, found) for root, found in places if found is None or found["key"] == key)


def _describe(root: Path, described: dict) -> None:
    note_made(root, {DESCRIPTION: None})
    write_atomically(root / DESCRIPTION, json.dumps(described, indent=1).encode() + b"\n")


def _key(finished: Finished, dataset: Dataset) -> dict:
    """JSON values that are equal exactly when an earlier control is the one wanted now."""
    return {
        "dataset": dataset.metadata.get("files", {}).get(DATASET_FILES["train"], {}).get("sha256"),
        "config": json.loads(json.dumps(finished.facts["config"])),
        "steps": finished.num_steps,
        "version": 1,
    }


def _described(root: Path) -> dict | None:
    """What is written of a control that stands or was begun; None where there is none."""
    try:
        described = json.loads(read_bytes(root / DESCRIPTION))
    except FileNotFoundError:
        return None
    except ValueError:  # not ours
        described = None
    if not isinstance(described, dict) or not {"key", "words"} <= described.keys():
        raise UserError(
            f"{root / DESCRIPTION} is not as it was written; move {root} away, or name a --control"
        )
    described.setdefault("is_finished", True)  # of before a control could be begun and gone on with
    described["is_finished"] &= (root / "model" / "config.json").is_file()
    return described


def wanted_bytes(finished: Finished, dataset: Dataset, repository_bytes: int) -> int:
    """As much text as the repository has, but no more than twice what the training can have seen."""
    optimization = finished.config.optimization
    packs = optimization.batch_size * optimization.gradient_accumulation_steps
    seen = finished.num_steps * packs * dataset.window * BYTES_PER_TOKEN
    return max(MIN_BYTES, min(2 * seen, repository_bytes))


def build_dataset(selection: UnrelatedFiles, dataset: Dataset, output: Path) -> None:
    """Run the dataset command on a copy of the chosen files, with the options of `dataset` and its tokenizer."""
    with scratch_directory("control-") as temporary:
        repository = temporary / "unrelated"
        for name in selection.files:
            target = repository / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read_bytes(Path(selection.root) / name))
        run_dataset_command(repository, output, [*_flags_of(dataset), "--tokenizer", str(dataset.tokenizer)])


def _flags_of(dataset: Dataset) -> list[str]:
    """Those that give another repository's dataset the window, overlap, augmentations and seed of this one."""
    options, window = dataset.metadata.get("options", {}), dataset.window
    overlap = options.get("overlap", dataset.metadata.get("overlap_tokens", 0) / window)
    return [
        *("--max-tokens", str(window), "--overlap", str(overlap), "--recipe", recipe_of(dataset.metadata)),
        *("--augmentations", options.get("augmentations") or "none", "--seed", str(options.get("seed", 42))),
    ]


def run_dataset_command(repository: Path, output: Path, flags: Sequence[str]) -> None:
    """Raises UserError with the command's last line where it fails."""
    script = ROOT / "create_training_dataset_effectiveness.py"
    command = [*programs.python(script, repository), "--quiet", "--output", str(output), *flags]
    output.parent.mkdir(parents=True, exist_ok=True)
    done = programs.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in (0, 3):  # 3: done, some inputs could not be read
        lines = [line for line in done.stderr.splitlines() if line and line != "FAILED"]
        raise UserError(
            f"cannot build a dataset of {repository}: {lines[-1] if lines else done.returncode}", 1
        )


def train(finished: Finished, data: Path, output: Path, device: str) -> None:
    """Train as `finished` was, for as many steps, from the same start, on the dataset in `data`."""
    from effectiveness.trainer import training

    source = finished.facts.get("source")
    arguments = Namespace(
        sequences=data / DATASET_FILES["train"],
        checkpoint=Path(source) if source else None,
        resume=(output / CHECKPOINTS).is_dir(),
    )
    exit_code = training.train(config_like(finished, output, device), arguments)
    if exit_code:
        raise UserError(
            f"the control's training was stopped (exit code {exit_code}); start the proof again", exit_code
        )


def config_like(finished: Finished, output: Path, device: str) -> Config:
    """The recorded configuration, for the same number of steps whatever an epoch of the other dataset has."""
    config, steps = finished.config, max(1, finished.num_steps)
    model = config.model
    if finished.started_from is None:
        model = dataclasses.replace(model, preset=models.preset_of(finished.directory) or model.preset)
    evaluation = config.evaluation
    return dataclasses.replace(
        config,
        model=model,
        training=dataclasses.replace(config.training, num_epochs=steps, max_steps=steps, patience=None),
        evaluation=dataclasses.replace(
            evaluation, completions=0, max_windows=evaluation.max_windows or MAX_WINDOWS
        ),
        device_backend=dataclasses.replace(config.device_backend, device=device),
        output=Output(directory=str(output), tensorboard=False, report=False),
    )
