"""A model with the n-gram gains exactly when it knows what counts do not, and val files alone decide its share."""

import dataclasses

import numpy as np
import pytest
import torch
from training_fixtures import small_files, write_dataset

from effectiveness.proof import mixtures
from effectiveness.proof.eval_set import (
    ModelScores,
    draw_eval_set,
    ngram_scores,
    uniform_scores,
    window_ngram_scores,
)
from effectiveness.proof.mixtures import fit_share, fitted_on, mix, mixed_nats, why_no_mixture
from effectiveness.trainer.rows import open_dataset
from effectiveness.trainer.vocabulary import Vocabulary

SETTINGS = {"num_prompts": 0, "can_fill": False, "seed": 0}


@pytest.fixture(scope="module")
def make_exam(tmp_path_factory):
    files = small_files(per_split={"train": 9, "val": 12, "test": 6})
    dataset = open_dataset(write_dataset(tmp_path_factory.mktemp("mixture") / "d", files=files))
    vocabulary = Vocabulary(dataset.tokenizer)

    def make(max_windows=None, **others):
        return draw_eval_set(
            dataset, vocabulary, torch.nn.Identity(), max_windows=max_windows, **SETTINGS, **others
        )

    return make


def better_on(ngram: ModelScores, name: str, rng: np.random.Generator) -> np.ndarray:
    """Nats of something that knows half of the tokens, others than the n-gram does, and is lost at the rest."""
    return np.where(rng.random(len(ngram.nats[name])) < 0.5, 0.1, 9.0)


def test_the_share_that_is_found_is_the_one_found_by_hand():
    knows, not_ = -np.log(0.9), -np.log(0.1)
    assert fit_share(np.array([knows, not_]), np.array([not_, knows])) == pytest.approx(0.5)
    # 3 of 4 known to the model: 0.8 s + 0.1 for three, 0.9 - 0.8 s for one; 3 (0.9 - 0.8 s) = 0.8 s + 0.1
    assert fit_share(np.array([knows] * 3 + [not_]), np.array([not_] * 3 + [knows])) == pytest.approx(26 / 32)


def test_a_token_that_counts_for_half_decides_as_much_as_half_of_one():
    rng = np.random.default_rng(3)
    model, ngram = rng.exponential(3, 50), rng.exponential(2, 50)
    twice = np.r_[model, model[:20]], np.r_[ngram, ngram[:20]]
    counts = np.r_[np.ones(20), np.full(30, 0.5)]
    assert fit_share(model, ngram, counts) == pytest.approx(fit_share(*twice), abs=1e-6)
    assert fit_share(model, ngram, counts) != pytest.approx(fit_share(model, ngram), abs=1e-3)


def test_no_share_on_a_grid_makes_the_tokens_likelier_than_the_one_that_is_found():
    rng = np.random.default_rng(0)
    model, ngram = rng.exponential(3, 400), rng.exponential(2, 400)
    found = mixed_nats(fit_share(model, ngram), model, ngram).sum()
    assert found <= min(mixed_nats(share, model, ngram).sum() for share in np.linspace(0.001, 0.999, 200))
    assert found < min(model.sum(), ngram.sum())


def test_impossible_and_certain_tokens_leave_the_share_finite():
    model, ngram = np.array([800.0, 0.0, 1.0]), np.array([1.0, 700.0, 900.0])
    share = fit_share(model, ngram)
    assert 0 < share < 1 and np.isfinite(mixed_nats(share, model, ngram)).all()


def test_a_uniform_model_gets_no_share_and_gains_nothing(make_exam):
    eval_set = make_exam()
    ngram = ngram_scores(eval_set)
    both, share = mix(eval_set, uniform_scores(eval_set), ngram)
    assert share < 0.01
    assert both.nats["test"].sum() >= 0.999 * ngram.nats["test"].sum()
    worse = ModelScores(nats={name: nats + 1 for name, nats in ngram.nats.items()})
    both, share = mix(eval_set, worse, ngram)
    assert share == 0 and both.nats["test"].tolist() == ngram.nats["test"].tolist()


def test_a_model_that_knows_what_counts_do_not_gains(make_exam):
    eval_set, rng = make_exam(), np.random.default_rng(1)
    ngram = ngram_scores(eval_set)
    model = ModelScores(nats={name: better_on(ngram, name, rng) for name in ngram.nats})
    both, share = mix(eval_set, model, ngram)
    assert 0.05 < share < 1
    assert both.nats["test"].sum() < 0.95 * min(ngram.nats["test"].sum(), model.nats["test"].sum())


def test_the_share_is_the_same_whatever_the_test_files_say(make_exam):
    eval_set, rng = make_exam(), np.random.default_rng(2)
    ngram = ngram_scores(eval_set)
    model = ModelScores(nats={name: better_on(ngram, name, rng) for name in ngram.nats})
    other = ModelScores(nats=model.nats | {"test": np.full_like(model.nats["test"], 0.01)})
    shares = [mix(eval_set, scores, ngram)[1] for scores in (model, other)]
    assert shares[0] == shares[1]
    of_val = {eval_set.val.rows.files[file] for file in eval_set.val.places.file.tolist()}
    assert of_val and all(name.startswith("val/") for name in of_val)
    assert list(mix(eval_set, model, ngram)[0].nats) == ["test"]


def test_val_files_that_stand_in_train_are_not_fitted_on(make_exam):
    eval_set = make_exam(left_out=frozenset({"val/core_0.py"}))
    assert fitted_on(eval_set)["files"] == 11 and fitted_on(make_exam())["files"] == 12
    everything = frozenset(make_exam().val.rows.files)
    assert "0 tokens" in why_no_mixture(make_exam(left_out=everything))


def test_too_little_val_text_is_said_and_enough_is_not(make_exam, monkeypatch):
    eval_set = make_exam()
    assert why_no_mixture(eval_set) == ""
    monkeypatch.setattr(mixtures, "MIN_TOKENS", len(eval_set.val.places) + 1)
    assert f"{len(eval_set.val.places):,} tokens" in why_no_mixture(eval_set)


def test_where_a_window_holds_a_whole_file_both_ngrams_say_the_same(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d", window=512))
    eval_set = draw_eval_set(
        dataset, Vocabulary(dataset.tokenizer), torch.nn.Identity(), max_windows=None, **SETTINGS
    )
    whole, window = ngram_scores(eval_set).nats["test"], window_ngram_scores(eval_set).nats["test"]
    assert len(whole) and whole.tolist() == window.tolist()


def test_the_ngram_of_one_window_has_not_read_what_stands_before_it(make_exam):
    eval_set = make_exam()
    [test] = eval_set.sets
    before = window_ngram_scores(eval_set).nats["test"]
    tokens = np.array(test.rows.tokens)
    row = next(r for r in np.unique(test.places.row) if test.rows.table[r]["start_token"] > 0)
    own = test.rows.table[row]
    tokens[: own["offset"]] = 7  # every other row's tokens, those of the windows before it among them
    tokens[own["offset"] + own["length"] :] = 7
    other = dataclasses.replace(test, rows=dataclasses.replace(test.rows, tokens=tokens))
    after = window_ngram_scores(dataclasses.replace(eval_set, sets=(other,))).nats["test"]
    mine = test.places.row == row
    assert mine.any() and before[mine].tolist() == after[mine].tolist()
    assert before[~mine].tolist() != after[~mine].tolist()
