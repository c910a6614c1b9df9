"""What auto stands for: passes by the corpus and the device, and what is held back by the passes."""

from __future__ import annotations

import dataclasses

import pytest

from effectiveness.trainer.config import Config, Training
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.defaults import DROPOUT, MOST_EPOCHS, WEIGHT_DECAY, with_defaults


def chosen(config: Config | None = None, *, num_tokens=100_000, device="cpu", from_scratch=True) -> Config:
    return with_defaults(
        config or load_config(None, []),
        device=device,
        num_tokens=num_tokens,
        tokens_per_step=4096,
        from_scratch=from_scratch,
    )


@pytest.mark.parametrize(
    ("num_tokens", "device", "epochs"),
    [
        (100, "cpu", 24),
        (100_000, "cpu", 24),
        (300_000, "cpu", 10),
        (5_000_000, "cpu", 3),
        (5_000_000, "cuda", 24),
    ],
)
def test_a_small_corpus_is_read_often_and_a_large_one_as_often_as_the_device_can(num_tokens, device, epochs):
    assert chosen(num_tokens=num_tokens, device=device).training.num_epochs == epochs


def test_a_long_run_is_held_back_and_a_short_one_is_not():
    long, short = chosen(), chosen(num_tokens=5_000_000)
    assert long.model.dropout == DROPOUT > 0 == short.model.dropout
    assert long.optimization.weight_decay == WEIGHT_DECAY and short.optimization.weight_decay is None
    assert long.training.patience and short.training.patience == 0


def test_a_run_that_max_steps_ends_early_is_a_short_one():
    config = load_config(None, ["training.max_steps=60"])
    assert chosen(config).model.dropout == 0
    assert chosen(config, num_tokens=10_000).model.dropout > 0


def test_what_is_given_stays():
    given = ["model.dropout=0.3", "training.num_epochs=30", "training.patience=0", "data.window_growth=0"]
    config = chosen(load_config(None, [*given, "optimization.weight_decay=1", "objectives.mask_rate=0.2"]))
    found = config.model.dropout, config.training.num_epochs, config.training.patience
    assert found == (0.3, 30, 0)
    assert (config.data.window_growth, config.optimization.weight_decay, config.objectives.mask_rate) == (
        0,
        1,
        0.2,
    )


@pytest.mark.parametrize(
    "changes", [{"from_scratch": False}, {"config": load_config(None, ["recipe=founding"])}]
)
def test_finished_weights_and_the_founding_recipe_are_trained_as_ever(changes):
    config = chosen(**changes)
    assert config.training.num_epochs == 3 and config.training.patience == 0
    assert (config.model.dropout, config.data.window_growth, config.objectives.mask_rate) == (0, 0, 0)
    assert config.optimization.weight_decay is None


def test_nothing_is_left_open_that_only_the_corpus_decides():
    config = chosen(Config(training=Training(num_epochs=MOST_EPOCHS)))
    values = dataclasses.asdict(config)
    for section, name in (("model", "dropout"), ("data", "window_growth"), ("objectives", "mask_rate")):
        assert values[section][name] is not None
