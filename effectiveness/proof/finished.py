"""A finished training, read back: the exported model, what it was trained on and how, and where it started from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from effectiveness.common.jsonl import digest
from effectiveness.common.records import DATASET_FILES, UserError
from effectiveness.trainer import models
from effectiveness.trainer.config import SECTIONS, Config, without_gone
from effectiveness.trainer.model_files import refuse_unless_finished
from effectiveness.trainer.rows import Dataset
from effectiveness.trainer.run_directory import read_training_facts

NOT_TRAINED_WITH = ("output", "device_backend", "inference")  # sections that change no weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The output directory of a training, and what is written of its weights."""

    directory: Path
    facts: dict  # of run_directory.facts_of_run
    num_steps: int  # made by the whole training
    best_step: int  # whose weights were exported

    @property
    def config(self) -> Config:
        return config_of(self.facts["config"])

    @property
    def started_from(self) -> str | None:
        """Name or directory of the weights it was tuned from; None: from scratch."""
        return self.facts.get("source") or self.facts["config"]["model"]["pretrained_model"]


def open_finished(directory: Path) -> Finished:
    """Raises UserError, one line, where there is no finished training, or one of other weights."""
    refuse_unless_finished(directory, "--model ")
    trained = read_training_facts(directory)
    if not trained.is_finite:
        raise UserError(
            f"{directory}: its held-out loss was not finite; train again with a lower learning rate"
        )
    found = Finished(
        directory=directory, facts=trained.facts, num_steps=trained.num_steps, best_step=trained.best_step
    )
    _check_facts(found)
    return found


def _check_facts(found: Finished) -> None:
    """Raises UserError where what was recorded is not what a run of this version records."""
    config_of(found.facts.get("config"))
    if not isinstance(found.facts.get("dataset"), dict):
        raise UserError(f"{found.directory}: its training_facts.json names no dataset; train it again")


def config_of(values: object) -> Config:
    """The configuration a run recorded. Raises UserError for one of another version."""
    try:
        if not isinstance(values, dict) or not values.keys() >= SECTIONS.keys():
            raise KeyError("a section of its configuration is missing")
        return Config(**{name: _setting(name, value) for name, value in without_gone(values).items()})
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the model was trained by another version of the trainer ({error}); train it again"
        ) from error


def _setting(name: str, value):
    """A section as its dataclass, lists as the tuples they were; what is no section as it is."""
    if name not in SECTIONS:
        return value
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no section")
    return SECTIONS[name](**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})


def check_dataset(finished: Finished, dataset: Dataset) -> None:
    """Raises UserError unless the model was trained on this very dataset, with its tokenizer."""
    check_tokenizer(finished.directory, dataset)
    trained_on, given = finished.facts["dataset"].get("files") or {}, dataset.metadata.get("files") or {}
    for name in DATASET_FILES.values():
        expected, found = (files.get(name, {}).get("sha256") for files in (trained_on, given))
        if expected != found:
            raise UserError(
                f"{finished.directory} was trained on another dataset: {name} had sha256 {str(expected)[:12]}, in "
                f"{dataset.directory} it has {str(found)[:12]}; give that dataset or train again"
            )


def check_seeds(models: Sequence[Finished]) -> None:
    """Raises UserError unless these are runs of one training that differ in their seed, each with another."""
    first, *others = models
    for other in others:
        differing = sorted(_settings(first).items() ^ _settings(other).items())
        if differing:
            raise UserError(
                f"{first.directory} and {other.directory} were trained with another {differing[0][0]}; --model may be "
                "repeated for runs that differ in their seed alone - make one card for each"
            )
    seeds = [model.config.training.seed for model in models]
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"the models' seeds are {', '.join(map(str, seeds))}: the same run twice would make the interval too "
            "narrow; name runs of different seeds"
        )


def _settings(model: Finished) -> dict[str, str]:
    """What a run was trained with, but for its seed, and where it ran and wrote."""
    recorded = without_gone(model.facts["config"]).items()
    sections = {name: s for name, s in recorded if name not in NOT_TRAINED_WITH}
    settings = {
        f"{name}.{key}": repr(value)
        for name, section in sections.items()
        for key, value in (section if isinstance(section, dict) else {"": section}).items()
    }
    return {key.removesuffix("."): value for key, value in settings.items() if key != "training.seed"}


def check_tokenizer(directory: Path, dataset: Dataset) -> None:
    """Raises UserError where ids would mean other texts."""
    theirs, ours = directory / "tokenizer.json", dataset.tokenizer / "tokenizer.json"
    if not theirs.is_file() or digest(theirs).sha256 != digest(ours).sha256:
        raise UserError(
            f"{directory} has another tokenizer than {dataset.directory}; bits per byte would compare nothing - "
            "give the dataset the model was trained on"
        )


def load(directory: Path, dataset: Dataset, device: torch.device) -> nn.Module:
    """The exported model in float32."""
    model = models.load_pretrained(str(directory), window=dataset.window, vocab_size=dataset.vocab_size)
    return model.to(device).eval()


def load_start(finished: Finished, dataset: Dataset, device: torch.device) -> nn.Module:
    """The same model before its training: the weights it was tuned from, else fresh ones of its shape and seed."""
    if finished.started_from is not None:
        name, seed = finished.started_from, finished.config.training.seed
        model = models.load_pretrained(name, window=dataset.window, vocab_size=dataset.vocab_size, seed=seed)
    else:
        model = models.fresh_like(finished.directory, finished.config.training.seed)
    return model.to(device).eval()


def has_learnt(model: nn.Module, start: nn.Module) -> bool:
    """Whether any weight differs between a model and where it started."""
    before = start.state_dict()
    return any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
