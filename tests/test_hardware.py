"""Memory decides the window; a card counts for its name when it reports nine tenths of it."""

from __future__ import annotations

import pytest

from effectiveness.common import hardware
from effectiveness.common.hardware import GIB, plan_context
from effectiveness.common.records import UserError


@pytest.mark.parametrize(
    ("gib", "tier", "tokens"),
    [
        (80.0, "Elite", 4096),
        (23.7, "Elite", 4096),
        (22.5, "Elite", 4096),
        (21.0, "High-end", 2048),
        (14.6, "High-end", 2048),
        (11.7, "Mid-range", 1536),
        (7.6, "Entry", 1024),
        (6.0, "Limited", 512),
    ],
)
def test_a_card_that_reports_less_than_its_name_gets_its_tier(gib, tier, tokens, monkeypatch):
    monkeypatch.setattr(hardware, "_nvidia", lambda: ("a card", int(gib * GIB)))
    plan = plan_context("auto", None, 0.75)
    assert (plan.device, plan.tier, plan.context_tokens) == ("cuda", tier, tokens)
    assert plan.overlap_tokens == 3 * tokens // 4


def no_accelerator(monkeypatch):
    monkeypatch.setattr(hardware, "_nvidia", lambda: None)
    monkeypatch.setattr(hardware, "_apple", lambda: None)


def test_no_gpu_gets_1024_tokens_and_says_so(monkeypatch):
    no_accelerator(monkeypatch)
    plan = plan_context("auto", None, 0.75)
    assert (plan.device, plan.context_tokens, plan.overlap_tokens, plan.reason) == (
        "cpu",
        1024,
        768,
        "no GPU",
    )


def test_apple_memory_is_the_cards_memory(monkeypatch):
    no_accelerator(monkeypatch)
    monkeypatch.setattr(hardware, "_apple", lambda: ("Apple M2", 16 * GIB))
    assert plan_context("mps", None, 0.75).context_tokens == 2048


def test_max_tokens_goes_before_the_hardware(monkeypatch):
    no_accelerator(monkeypatch)
    assert plan_context("cpu", 512, 0.5).overlap_tokens == 256


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_missing_is_refused_in_one_line(device, monkeypatch):
    no_accelerator(monkeypatch)
    with pytest.raises(UserError, match="use --device cpu"):
        plan_context(device, None, 0.75)


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_hidden_gpus_are_not_looked_at(visible, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware._nvidia() is None
