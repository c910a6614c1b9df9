"""Intervals and exact tests: by hand where a hand can, by seeded simulation where it cannot."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from effectiveness.common.stats import (
    LN2,
    MIN_FILES,
    Interval,
    mcnemar,
    paired_bootstrap,
    smallest_detectable,
    verdict,
)

BYTES = np.array([100, 200, 300, 400, 500, 600, 700, 800])


def simulated(rng, *, num_seeds: int, num_files: int, effect=0.0, file_sd=0.0, seed_sd=0.0, noise_sd=0.02):
    """Nats of two arms, [seeds, files] each, and bytes: effects vary by file, runs by seed."""
    num_bytes = rng.lognormal(8, 1, num_files)
    base, by_file = rng.normal(0.9, 0.2, num_files), rng.normal(effect, file_sd, num_files)

    def arm(shift):
        runs = rng.normal(0, seed_sd, (num_seeds, 1)) + rng.normal(0, noise_sd, (num_seeds, num_files))
        return (base + shift + runs) * num_bytes

    return arm(by_file), arm(0.0), num_bytes


def coverage(num_trials: int, **setting) -> float:
    """Share of trials without a true effect whose interval holds 0."""
    rng, held = np.random.default_rng(7), 0
    for trial in range(num_trials):
        a, b, num_bytes = simulated(rng, **setting)
        held += paired_bootstrap(a, b, num_bytes, seed=trial, resamples=600).touches_zero
    return held / num_trials


# --- the bootstrap ---------------------------------------------------------------------------------------


def test_the_estimate_is_a_ratio_of_sums_not_a_mean_of_ratios():
    nats_a, nats_b = LN2 * BYTES * 1.0, LN2 * BYTES * 1.0
    nats_a = nats_a - np.eye(8)[7] * LN2 * 360  # only the longest file gained, 360 bits of 3,600 bytes
    found = paired_bootstrap(nats_a, nats_b, BYTES, seed=1)
    assert found.estimate == pytest.approx(-0.1)  # the mean of the files' own ratios would be -0.05625
    assert paired_bootstrap(nats_a, nats_b, BYTES, seed=1, relative=True).estimate == pytest.approx(-0.1)


def test_a_constant_difference_per_byte_has_an_interval_of_one_point():
    found = paired_bootstrap(LN2 * BYTES * 1.5, LN2 * BYTES * 2.0, BYTES, seed=1)
    assert (found.estimate, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    relative = paired_bootstrap(LN2 * BYTES * 1.5, LN2 * BYTES * 2.0, BYTES, seed=1, relative=True)
    assert (relative.low, relative.high) == pytest.approx((-0.25, -0.25))


def test_the_standard_error_of_equally_long_files_is_that_of_a_mean():
    gains = np.array([0.0, 1.0] * 8)
    found = paired_bootstrap(-LN2 * gains, np.zeros(16), np.ones(16), seed=3)
    assert found.estimate == pytest.approx(-0.5)
    assert found.standard_error == pytest.approx(0.5 / math.sqrt(16), rel=0.05)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    a, b, num_bytes = simulated(np.random.default_rng(0), num_seeds=3, num_files=20, file_sd=0.05)
    one, again, other = (paired_bootstrap(a, b, num_bytes, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one != other and one.low == pytest.approx(other.low, rel=0.2)


def test_seeds_are_averaged_by_file_in_the_estimate():
    a = np.stack((BYTES * 1.0, BYTES * 3.0))
    assert paired_bootstrap(a, BYTES * 2.0, BYTES, seed=1).estimate == pytest.approx(0.0)


def test_runs_that_differ_by_their_seed_only_widen_the_interval():
    steady = np.stack((BYTES, BYTES, BYTES)) * 1.0
    shaken = steady * np.array([[0.9], [1.0], [1.1]])
    narrow = paired_bootstrap(steady, steady * 1.05, BYTES, seed=1)
    wide = paired_bootstrap(shaken, steady * 1.05, BYTES, seed=1)
    assert not narrow.touches_zero
    assert wide.touches_zero


@pytest.mark.parametrize(
    "setting",
    [
        {"num_seeds": 1, "num_files": 40, "file_sd": 0.05},
        {"num_seeds": 3, "num_files": 40, "file_sd": 0.05, "seed_sd": 0.02},
        {"num_seeds": 3, "num_files": 12, "file_sd": 0.0, "seed_sd": 0.02},
        {"num_seeds": 2, "num_files": 40, "file_sd": 0.0, "seed_sd": 0.02},
    ],
)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(setting):
    assert coverage(200, **setting) >= 0.89


def test_files_alone_would_call_seeds_a_gain():
    rng, fooled = np.random.default_rng(5), 0
    for trial in range(60):  # one run of each, its seed worth 0.02: what a single-seed comparison sees
        a, b, num_bytes = simulated(rng, num_seeds=1, num_files=40, seed_sd=0.02)
        fooled += not paired_bootstrap(a, b, num_bytes, seed=trial, resamples=300).touches_zero
    assert fooled > 20  # the reason why the seeds are drawn again


def test_an_effect_twice_the_smallest_detectable_is_found():
    rng = np.random.default_rng(11)
    a, b, num_bytes = simulated(rng, num_seeds=3, num_files=40, file_sd=0.03, seed_sd=0.005)
    smallest = smallest_detectable(paired_bootstrap(a, b, num_bytes, seed=1))
    found = 0
    for trial in range(50):
        setting = {"num_seeds": 3, "num_files": 40, "file_sd": 0.03, "seed_sd": 0.005}
        a, b, num_bytes = simulated(rng, effect=-2 * smallest * LN2, **setting)
        found += paired_bootstrap(a, b, num_bytes, seed=trial, resamples=300).high < 0
    assert found >= 48


def test_smallest_detectable_is_2_8_standard_errors():
    interval = Interval(estimate=0.0, low=-1.0, high=1.0, standard_error=0.5)
    assert smallest_detectable(interval) == pytest.approx(1.4008, abs=1e-4)


def test_too_few_files_say_nothing_however_large_the_gain():
    few = BYTES[: MIN_FILES - 1]
    found = paired_bootstrap(few * 0.1, few * 1.0, few, seed=1)
    assert verdict(found) == "no gain shown"
    assert json.loads(json.dumps(found.as_dict()))["low"] is None
    enough = BYTES[:MIN_FILES]
    assert verdict(paired_bootstrap(enough * 0.1, enough * 1.0, enough, seed=1)) != "no gain shown"


@pytest.mark.parametrize(
    ("a", "b", "num_bytes"),
    [
        (BYTES[1:], BYTES, BYTES),
        (np.ones((2, 7)), BYTES, BYTES),
        (BYTES, BYTES, BYTES * 0),
        (BYTES * math.nan, BYTES, BYTES),
        (np.ones((1, 2, 8)), BYTES, BYTES),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(a, b, num_bytes):
    with pytest.raises(ValueError):
        paired_bootstrap(a, b, num_bytes, seed=1)


# --- the verdict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.3, -0.1, "lower by 0.2000 (0.1000 to 0.3000)"),
        (0.1, 0.3, "higher by 0.2000 (0.1000 to 0.3000)"),
        (-0.3, 0.0, "no gain shown"),
        (0.0, 0.3, "no gain shown"),
        (-0.3, 0.3, "no gain shown"),
        (math.nan, math.nan, "no gain shown"),
    ],
)
def test_an_interval_that_touches_zero_shows_no_gain(low, high, expected):
    estimate = -0.2 if high < 0 else 0.2
    assert verdict(Interval(estimate=estimate, low=low, high=high)) == expected


def test_a_relative_interval_is_told_in_percent():
    interval = Interval(estimate=-0.178, low=-0.2, high=-0.15)
    assert verdict(interval, percent=True) == "lower by 17.8 % (15.0 % to 20.0 %)"


# --- McNemar ---------------------------------------------------------------------------------------------


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array(a), np.array(b)


@pytest.mark.parametrize(
    ("only_a", "only_b", "odds_ratio", "p_value"),
    [
        (5, 0, math.inf, 2 / 2**5),
        (9, 1, 9.0, 2 * (1 + 10) / 2**10),
        (2, 6, 1 / 3, 2 * (1 + 8 + 28) / 2**8),
        (4, 4, 1.0, 1.0),
        (0, 3, 0.0, 2 / 2**3),
    ],
)
def test_mcnemar_by_hand(only_a, only_b, odds_ratio, p_value):
    found = mcnemar(*answers(7, only_a, only_b, 11))
    assert (found.only_a, found.only_b, found.num_pairs) == (only_a, only_b, 18 + only_a + only_b)
    assert found.odds_ratio == pytest.approx(odds_ratio)
    assert found.p_value == pytest.approx(p_value)


def test_equal_answers_have_no_odds_ratio_and_p_of_one():
    found = mcnemar(*answers(3, 0, 0, 4))
    assert found.p_value == 1.0 and math.isnan(found.odds_ratio)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["odds_ratio"] is None


def test_thousands_of_answers_neither_overflow_nor_vanish():
    found = mcnemar(*answers(0, 1500, 1380, 0))
    assert found.p_value == pytest.approx(math.erfc((120 - 1) / math.sqrt(2880) / math.sqrt(2)), rel=0.01)


def test_mcnemar_rejects_by_chance_at_most_as_often_as_it_says():
    rng = np.random.default_rng(3)
    p_values = [mcnemar(rng.random(60) < 0.5, rng.random(60) < 0.5).p_value for _ in range(500)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.06


def test_answers_to_different_questions_are_refused():
    with pytest.raises(ValueError):
        mcnemar([True], [True, False])
