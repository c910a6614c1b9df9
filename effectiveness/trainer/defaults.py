"""What `auto` stands for where it follows from the corpus and the run's length: epochs, and how much is held back.

A small corpus read often is soon known by heart: from ten passes on, dropout and decay of the weights are worth more
than anything else that was tried (EFFECTIVENESS_OPTIMIZATION.md, "What a small corpus wants").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from effectiveness.trainer.config import MEASURED, Config, filled

# A run of a model from scratch reads this many tokens, in as many passes as fit in between:
TOKENS_OF_A_RUN = {"cpu": 3_000_000, "mps": 30_000_000, "cuda": 1_000_000_000}
FEWEST_EPOCHS, MOST_EPOCHS = 3, 24
WINDOW_GROWTH = 0.67
PATIENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Settings against overfitting for runs of at least so many passes."""

    epochs: float
    dropout: float
    weight_decay: float | None  # None: as the optimizer has it


HELD_BACK = (
    HeldBack(epochs=0, dropout=0.0, weight_decay=None),
    HeldBack(epochs=10, dropout=0.1, weight_decay=10.0),
)


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
    held_back = [h for h in HELD_BACK if h.epochs <= passes][-1] if is_measured else HELD_BACK[0]
    growth = WINDOW_GROWTH if is_measured else 0.0
    patience = PATIENCE if held_back.epochs else 0
    return replace(
        config,
        training=replace(training, num_epochs=num_epochs, patience=_given(training.patience, patience)),
        model=replace(config.model, dropout=_given(config.model.dropout, held_back.dropout)),
        data=replace(config.data, window_growth=_given(config.data.window_growth, growth)),
        optimization=replace(
            config.optimization, weight_decay=_given(config.optimization.weight_decay, held_back.weight_decay)
        ),
    )


def in_words(config: Config) -> str:
    """What a run holds back, and how its rows are read, in one line."""
    decay = config.optimization.weight_decay
    patience = config.training.patience
    return ", ".join(
        [
            f"{config.recipe}, up to {filled(config.training.num_epochs):,} epochs",
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
