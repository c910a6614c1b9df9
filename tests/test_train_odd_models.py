"""Model directories that others wrote: each is refused in one line, or loads and means what it meant."""

from __future__ import annotations

import random
import shutil
import signal
import socket
from pathlib import Path

import pytest
import torch
from odd_models import KINDS, make_odd
from training_fixtures import use_tiny_models

from effectiveness.common.records import UserError
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.models import build_preset, load_pretrained

SHORT, WHOLE = 60, 200
LIMIT_S = 60  # of one load: a hang, not a measure
IDS = torch.arange(3, 19)[None]
# What a configuration may say otherwise and still be a whole one: of another model, which nobody can tell.
ANOTHER_MODEL = ("config rms_norm_eps=", "config rope_parameters.rope_theta=", "config hidden_act=")


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A model directory as anybody may have made it, of some 20,000 parameters."""
    directory = tmp_path_factory.mktemp("good") / "m"
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        control = ControlTokens(begin=0, end=0, pad=1)
        build_preset("tiny", vocab_size=300, max_positions=64, control=control, seed=1).save_pretrained(
            directory
        )
    return directory


@torch.no_grad()
def logits_of(directory: Path) -> torch.Tensor:
    model = load_pretrained(str(directory), window=16, vocab_size=300)
    return model.eval()(input_ids=IDS, use_cache=False).logits


def too_long(_number, _frame):
    raise AssertionError("hangs")


def outcome(good: Path, place: Path, seed: int) -> str:
    """ "refused", "same", "another", or what is wrong with it."""
    shutil.copytree(good, place / "m")
    done = make_odd(place / "m", random.Random(seed))
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT_S)
    try:
        found = logits_of(place / "m")
    except UserError as error:
        return "refused" if "\n" not in str(error) and error.exit_code == 2 else f"{seed} {done}: {error!r}"
    except BaseException as error:  # noqa: BLE001 (a traceback for the user: what this test is about)
        return f"{seed} {done}: {type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
    if torch.equal(found, logits_of(good)):
        return "same"
    return "another" if done.startswith(ANOTHER_MODEL) else f"{seed} {done}: loads and means something else"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_arguments, **_named):
        raise AssertionError("asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    "seeds",
    [range(SHORT), pytest.param(range(SHORT, WHOLE), marks=pytest.mark.torture)],
    ids=["short", "whole"],
)
def test_an_odd_model_directory_is_refused_in_one_line_or_means_what_it_meant(
    good, tmp_path, no_network, seeds, capfd
):
    outcomes = []
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        outcomes.append(outcome(good, tmp_path / str(seed), seed))
    wrong = [found for found in outcomes if found not in ("refused", "same", "another")]
    assert not wrong, "\n".join(wrong)
    assert outcomes.count("refused") > len(outcomes) / 2 and "same" in outcomes
    assert "panicked" not in capfd.readouterr().err
    assert not list(tmp_path.rglob("ran")) and not Path("ran").exists()


def test_every_kind_of_odd_model_is_among_the_short_ones():
    assert {random.Random(seed).choice(KINDS) for seed in range(SHORT)} == set(KINDS)
