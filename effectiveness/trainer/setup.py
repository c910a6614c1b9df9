"""Opens a run from its configuration: device, engine, dataset, tokenizer; its rows, and the batches made of them.

Everything a user can get wrong is found here, in the order of how cheap it is to find, before the first step.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from effectiveness.common.console import ProgressConsole
from effectiveness.common.jsonl import digest
from effectiveness.common.recipes import recipe_of
from effectiveness.common.records import UserError
from effectiveness.trainer import defaults, devices
from effectiveness.trainer.batches import Batches, WithReplay, num_replayed
from effectiveness.trainer.config import Config, filled, with_base
from effectiveness.trainer.defaults import with_fim_rate
from effectiveness.trainer.documents import ReadingOptions
from effectiveness.trainer.engines import SingleProcess, make_engine
from effectiveness.trainer.epochs import Pacing
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.recut import for_scoring, num_source_tokens, only, side_by_side
from effectiveness.trainer.rows import Dataset, Rows, open_dataset, open_rows
from effectiveness.trainer.run_directory import CHECKPOINTS
from effectiveness.trainer.vocabulary import Vocabulary, compare_tokenizers


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every command needs before there is a model."""

    config: Config
    console: ProgressConsole
    device: torch.device
    engine: SingleProcess
    precision: torch.dtype
    dataset: Dataset
    vocabulary: Vocabulary
    source: Path | None  # --checkpoint: where the weights come from

    @property
    def output(self) -> Path:
        return Path(self.config.output.directory)

    @property
    def checkpoints(self) -> Path:
        return self.output / CHECKPOINTS


def open_run(config: Config, arguments: argparse.Namespace) -> Run:
    """Device, engine and dataset. Raises UserError for a missing device, dataset or tokenizer."""
    source, finished = arguments.checkpoint, finished_model(arguments.checkpoint)
    config = with_base(config, finished)
    device = devices.choose_device(config.device_backend.device)
    devices.limit_memory(device, config.device_backend.memory_gib)
    precision = devices.choose_precision(config.optimization.mixed_precision, device)
    if config.device_backend.deterministic:
        devices.be_deterministic()
    torch.set_float32_matmul_precision("high")
    dataset = open_dataset(arguments.sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    _check_tokenizer(config, dataset, vocabulary, source)
    config = with_fim_rate(config, vocabulary)
    engine = make_engine(device, config.device_backend.distributed)
    return Run(
        config=config,
        console=ProgressConsole(is_speaker=engine.rank == 0),
        device=device,
        engine=engine,
        precision=precision,
        dataset=dataset,
        vocabulary=vocabulary,
        # Under adapters --checkpoint is the frozen base (model.pretrained_model), not where weights come from.
        source=None if finished and config.quantization.lora_enabled else source,
    )


def finished_model(source: Path | None) -> str | None:
    """`source` where it is a finished model, as from_pretrained loads it."""
    if source is None:
        return None
    if not source.is_dir():
        raise UserError(f"--checkpoint {source}: no such directory; give the --output of an earlier run")
    return str(source) if (source / "config.json").is_file() else None


def _check_tokenizer(config: Config, dataset: Dataset, vocabulary: Vocabulary, source: Path | None) -> None:
    expected = dataset.metadata.get("tokenizer_sha256")
    if expected is not None and vocabulary.sha256 != expected:
        raise UserError(
            f"{vocabulary.file} is not the tokenizer the dataset was built with (sha256 {vocabulary.sha256[:12]}, "
            f"expected {expected[:12]}); build the dataset again"
        )
    if vocabulary.num_bytes.shape[0] > dataset.vocab_size:
        raise UserError(f"{vocabulary.file} has ids beyond the dataset's vocab_size; build the dataset again")
    asked = config.model.tokenizer_name
    if asked not in (None, dataset.metadata.get("tokenizer")):
        compare_tokenizers(f"model.tokenizer_name: {asked}", asked, vocabulary)
    if source is not None and (source / "config.json").is_file():
        if not (source / "tokenizer.json").is_file():
            raise UserError(
                f"--checkpoint {source} holds no tokenizer.json; give the --output of an earlier run"
            )
        found = digest(source / "tokenizer.json").sha256
        if found != vocabulary.sha256:
            raise UserError(
                f"--checkpoint {source} was trained with another tokenizer (sha256 {found[:12]}) than the dataset's "
                f"({vocabulary.sha256[:12]}); build the dataset with --tokenizer {source}"
            )


# --- data ------------------------------------------------------------------------------------------------


def open_split(run: Run, split: str, *, dataset: Dataset | None = None, write_cache: bool = True) -> Rows:
    """Rows of a split; the first process parses, the others find its cache."""
    dataset = dataset or run.dataset
    if run.engine.rank == 0:
        rows = open_rows(dataset, split, write_cache=write_cache)
    run.engine.barrier()
    if run.engine.rank != 0:
        rows = open_rows(dataset, split, write_cache=False)
    return rows


def open_training_rows(run: Run) -> Rows:
    """Rows of the training split that are trained on; without `data.overlap` each token of a text is in one of them.

    Raises UserError for windows or variants that were asked for and never built.
    """
    _refuse_what_was_not_built(run)
    rows, data = open_split(run, "train"), run.config.data
    rows = rows if data.variants else only(rows, ())
    return rows if data.overlap else side_by_side(rows)


def with_defaults(run: Run, rows: Rows) -> Run:
    """The run with what its configuration leaves to the corpus, `rows` being those that are trained on."""
    config, optimization = run.config, run.config.optimization
    chosen = defaults.with_defaults(
        config,
        device=run.device.type,
        num_tokens=num_source_tokens(rows),
        tokens_per_step=optimization.packs_per_step * run.dataset.window,
        from_scratch=defaults.is_from_scratch(config, run.source),
    )
    return replace(run, config=chosen)


def _refuse_what_was_not_built(run: Run) -> None:
    metadata, data = run.dataset.metadata, run.config.data
    missing = {
        "data.overlap": ("windows that overlap", data.overlap and metadata.get("overlap_tokens") == 0),
        "data.variants": ("variants", data.variants and metadata.get("augmentation_techniques") == []),
    }
    for setting, (what, is_missing) in missing.items():
        if is_missing:
            raise UserError(
                f"{setting}: true asks for {what}, {run.dataset.directory} was built without (recipe "
                f"{recipe_of(metadata)}); build it with --recipe founding, or train with --set recipe=measured"
            )


def make_held_out(
    run: Run, rows: Rows, *, variants: bool = False, fixed_shape: bool = False, max_windows: int | None = None
) -> HeldOut:
    """What is scored of a split, in windows that overlap by three quarters.

    `max_windows` of them, else as many as configured, where `auto` means all here.
    """
    return HeldOut(
        for_scoring(rows),
        run.vocabulary.control,
        run.vocabulary.num_bytes,
        batch_size=run.config.optimization.batch_size,
        max_windows=run.config.evaluation.max_windows if max_windows is None else max_windows,
        variants=variants,
        fixed_shape=fixed_shape,
        say=run.console.say,
        seed=run.config.training.seed,
    )


def num_updates_of_run(config: Config, batches: Batches) -> int:
    expected = batches.expected_steps(filled(config.training.num_epochs))
    return min(expected, config.training.max_steps or expected)


# --- batches --------------------------------------------------------------------------------------------------


def make_batches(run: Run, rows: Rows) -> Batches:
    """Batches of the training rows. Raises UserError for fill-in-the-middle without its control tokens."""
    config, control = run.config, run.vocabulary.control
    if len(rows) == 0:
        raise UserError(f"{rows.path} has no rows; build the dataset from a larger repository")
    if config.objectives.fim_rate and not control.can_fill:
        raise UserError(
            "objectives.fim_rate needs <|fim_prefix|>, <|fim_middle|>, <|fim_suffix|> in the tokenizer"
        )
    if config.objectives.mask_rate and control.mask is None:
        raise UserError("objectives.mask_rate needs a mask_token in the tokenizer; set it to 0")
    batches = _batches(run, rows)
    batches.pace(
        Pacing(
            curriculum=filled(config.data.curriculum),
            fraction=config.data.curriculum_fraction,
            num_epochs=_num_epochs(config, batches),
        )
    )
    return batches


def _batches(run: Run, rows: Rows) -> Batches:
    config, optimization = run.config, run.config.optimization
    num_packs = optimization.packs_per_step
    common: dict[str, Any] = {
        "control": run.vocabulary.control,
        "pacing": Pacing(curriculum="none", fraction=0.0, num_epochs=filled(config.training.num_epochs)),
        "seed": config.training.seed,
        "packing": config.data.packing,
    }
    reading = ReadingOptions(
        fim_rate=config.objectives.fim_rate or 0.0,
        mask_rate=config.objectives.mask_rate,
        window_growth=filled(config.data.window_growth),
        spelling=run.vocabulary,
    )
    own: dict[str, Any] = common | {
        "weighting": filled(config.data.weighting),
        "reading": reading,
        "fresh_cuts": config.data.cuts_anew,
    }
    if config.data.replay is None:
        return Batches(rows, packs_per_step=num_packs, **own)
    few = num_replayed(num_packs, config.data.replay_share)
    if few >= num_packs:
        raise UserError(
            "data.replay needs steps of two sequences at least; set a larger optimization.batch_size"
        )
    again = replace(reading, window_growth=0.0)
    replayed = Batches(_replay_rows(run), packs_per_step=few, weighting="none", reading=again, **common)
    run.console.say(f"replay  {few} of {num_packs} sequences of each step are of {config.data.replay}")
    return WithReplay(rows, packs_per_step=num_packs - few, replay=replayed, num_replayed=few, **own)


def _replay_rows(run: Run) -> Rows:
    """Originals of the dataset that is replayed. Raises UserError where it has other tokens or longer windows."""
    dataset = open_dataset(Path(filled(run.config.data.replay)))
    vocabulary = Vocabulary(dataset.tokenizer)
    if vocabulary.sha256 != run.vocabulary.sha256 or dataset.window > run.dataset.window:
        raise UserError(
            f"data.replay: {dataset.directory} has another tokenizer or longer windows than {run.dataset.directory}; "
            f"build it with --tokenizer {run.dataset.tokenizer} --max-tokens {run.dataset.window}"
        )
    rows = side_by_side(only(open_split(run, "train", dataset=dataset), ()))
    if len(rows) == 0:
        raise UserError(f"data.replay: {rows.path} has no rows; build it from a larger repository")
    return rows


def _num_epochs(config: Config, batches: Batches) -> float:
    """Epochs the run will really have: max_steps may end it earlier."""
    if config.training.max_steps is None:
        return filled(config.training.num_epochs)
    return min(
        filled(config.training.num_epochs), config.training.max_steps / max(batches.epoch(0).num_steps, 1)
    )
