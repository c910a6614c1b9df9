"""The batches of a run, from its configuration: its own rows, and those of another dataset that is replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effectiveness.common.records import UserError
from effectiveness.trainer.batches import Batches, Pacing
from effectiveness.trainer.config import Config, can_cut_anew, filled
from effectiveness.trainer.context_record import name_of
from effectiveness.trainer.context_rows import ContextRows, context_of
from effectiveness.trainer.documents import Reading
from effectiveness.trainer.recut import only, side_by_side
from effectiveness.trainer.replay import WithReplay, num_replayed
from effectiveness.trainer.rows import Dataset, Rows, open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary

if TYPE_CHECKING:
    from effectiveness.trainer.setup import Run


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
    num_packs = optimization.batch_size * optimization.gradient_accumulation_steps
    common: dict[str, Any] = {
        "control": run.vocabulary.control,
        "pacing": Pacing(curriculum="none", fraction=0.0, num_epochs=filled(config.training.num_epochs)),
        "seed": config.training.seed,
        "packing": config.data.packing,
    }
    reading = Reading(
        fim_rate=config.objectives.fim_rate or 0.0,
        mask_rate=config.objectives.mask_rate,
        window_growth=filled(config.data.window_growth),
        spelling=run.vocabulary,
    )
    own: dict[str, Any] = common | {
        "weighting": filled(config.data.weighting),
        "reading": reading,
        "context": _context_rows(run, rows) if config.data.repository_context else None,
        "context_rate": config.data.repository_context,
        "fresh_cuts": can_cut_anew(config.data) and config.data.fresh_cuts is not False,
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
    rows = side_by_side(only(rows_of_split(run, dataset, "train"), ()))
    if len(rows) == 0:
        raise UserError(f"data.replay: {rows.path} has no rows; build it from a larger repository")
    return rows


def _context_rows(run: Run, rows: Rows) -> ContextRows:
    """The training split's own files before each other. Raises UserError where the tokenizer cannot say so."""
    if run.vocabulary.control.context is None:
        raise UserError(
            "data.repository_context needs <|repo_name|> and <|file_sep|> in the tokenizer; set it to 0"
        )
    context = context_of(rows, run.vocabulary, name_of(run.dataset))
    return ContextRows.of(rows, context, run.vocabulary)


def _num_epochs(config: Config, batches: Batches) -> float:
    """Epochs the run will really have: max_steps may end it earlier."""
    if config.training.max_steps is None:
        return filled(config.training.num_epochs)
    return min(
        filled(config.training.num_epochs), config.training.max_steps / max(batches.epoch(0).num_steps, 1)
    )


def rows_of_split(run: Run, dataset: Dataset, split: str, *, write_cache: bool = True) -> Rows:
    if run.engine.rank == 0:
        rows = open_rows(dataset, split, write_cache=write_cache)
    run.engine.barrier()
    if run.engine.rank != 0:
        rows = open_rows(dataset, split, write_cache=False)
    return rows
