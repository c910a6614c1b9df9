"""What `auto` stands for where it follows from the corpus and the run's length: epochs, how much is held
back, the optimizer and its rate.

A small corpus read often is soon known by heart: from ten passes on, dropout and decay of the weights are worth more
than anything else that was tried (EFFECTIVENESS_OPTIMIZATION.md, "What a small corpus wants").
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from effectiveness.common.console import count
from effectiveness.common.records import UserError
from effectiveness.trainer import models
from effectiveness.trainer.config import MEASURED, Config, filled
from effectiveness.trainer.optimizers import default_learning_rate
from effectiveness.trainer.vocabulary import Vocabulary, compare_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# A run of a model from scratch reads this many tokens, in as many passes as fit in between:
TOKENS_OF_A_RUN = {"cpu": 3_000_000, "mps": 30_000_000, "cuda": 1_000_000_000}
FEWEST_EPOCHS, MOST_EPOCHS = 3, 24
WINDOW_GROWTH = 0.67
# Against overfitting, in runs of at least so many passes:
HELD_BACK_FROM = 10
DROPOUT, WEIGHT_DECAY, PATIENCE = 0.1, 10.0, 3


def with_defaults(
    config: Config, *, device: str, num_tokens: int, tokens_per_step: int, from_scratch: bool
) -> Config:
    """`config` without a setting left `auto` that follows from `num_tokens`, those of the originals.

    Finished weights, and the founding recipe, are trained for three passes and not held back.
    """
    is_measured = from_scratch and config.recipe == MEASURED
    most = MOST_EPOCHS if is_measured else FEWEST_EPOCHS
    fitting = TOKENS_OF_A_RUN.get(device, TOKENS_OF_A_RUN["cpu"]) // max(num_tokens, 1)
    training = config.training
    num_epochs = training.num_epochs or min(max(fitting, FEWEST_EPOCHS), most)
    passes = float(num_epochs)
    if training.max_steps is not None:
        passes = min(passes, training.max_steps * tokens_per_step / max(num_tokens, 1))
    dropout, weight_decay, patience = 0.0, None, 0  # None: as the optimizer has it
    if is_measured and passes >= HELD_BACK_FROM:
        dropout, weight_decay, patience = DROPOUT, WEIGHT_DECAY, PATIENCE
    growth = WINDOW_GROWTH if is_measured else 0.0
    return replace(
        config,
        training=replace(training, num_epochs=num_epochs, patience=_given(training.patience, patience)),
        model=replace(config.model, dropout=_given(config.model.dropout, dropout)),
        data=replace(config.data, window_growth=_given(config.data.window_growth, growth)),
        optimization=replace(
            config.optimization, weight_decay=_given(config.optimization.weight_decay, weight_decay)
        ),
    )


def in_words(config: Config) -> str:
    """What a run holds back, and how its rows are read, in one line."""
    decay = config.optimization.weight_decay
    patience = config.training.patience
    return ", ".join(
        [
            f"{config.recipe}, up to {count(filled(config.training.num_epochs), 'epoch')}",
            f"dropout {config.model.dropout:g}",
            "decay as the optimizer has it" if decay is None else f"decay {decay:g}",
            *(
                [f"windows growing over {config.data.window_growth:.0%} of it"]
                if config.data.window_growth
                else []
            ),
            *([f"{config.objectives.mask_rate:.0%} of rows masked"] if config.objectives.mask_rate else []),
            *([f"ending after {patience} evaluations without gain"] if patience else []),
        ]
    )


def _given(value, otherwise):
    return otherwise if value is None else value


# --- the optimizer --------------------------------------------------------------------------------------------


def is_from_scratch(config: Config, source: Path | None) -> bool:
    """Whether a run starts from no finished weights; `source` is --checkpoint."""
    return source is None and config.model.pretrained_model is None


def optimizer_kind(config: Config, source: Path | None) -> str:
    """As configured; "auto" is Muon from scratch - after 250 steps of a tiny model held-out loss was 4.31 with it
    and 5.32 with AdamW - and AdamW for finished weights and where no process holds whole matrices."""
    asked = filled(config.optimization.optimizer)
    if asked != "auto":
        return asked
    return (
        "muon" if is_from_scratch(config, source) and config.device_backend.distributed != "fsdp" else "adamw"
    )


def learning_rate(config: Config, model: PreTrainedModel, source: Path | None) -> float:
    """The peak: as configured, else by size and kind of the model."""
    return config.optimization.learning_rate or default_learning_rate(
        models.num_parameters(model),
        adapters=filled(config.quantization.lora_enabled),
        pretrained=not is_from_scratch(config, source),
    )


# --- gaps -----------------------------------------------------------------------------------------------------


DEFAULT_FIM_RATE = 0.5  # costs no left-to-right quality (2207.14255); LOG.md has what it cost here


def with_fim_rate(config: Config, vocabulary: Vocabulary) -> Config:
    """`config` with what `objectives.fim_rate: auto` stands for: gaps, wherever the model has tokens for them.

    A base that lacks them would have to learn new tokens for a task that was not asked for.
    """
    if config.objectives.fim_rate is not None:
        return config
    can_learn = vocabulary.control.can_fill and _has_own_fim_tokens(config.model.pretrained_model, vocabulary)
    objectives = replace(config.objectives, fim_rate=DEFAULT_FIM_RATE if can_learn else 0.0)
    return replace(config, objectives=objectives)


def _has_own_fim_tokens(name: str | None, vocabulary: Vocabulary) -> bool:
    if name is None:
        return True
    try:
        return vocabulary.control.fim_middle not in compare_tokenizers(name, name, vocabulary)
    except UserError:  # it is refused when it is loaded, which says why
        return False
