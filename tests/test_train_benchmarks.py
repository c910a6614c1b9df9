"""The trainer's benchmarks measure what they say."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import small_files, write_dataset

from benchmarks.ngram_baseline import Counts, nats_of, ngram_nats, whole_files, xz_bits
from training.rows import open_dataset, open_rows
from training.vocabulary import Vocabulary

ROOT = Path(__file__).parent.parent


def test_windows_are_put_together_to_the_files_they_were_cut_from(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    vocabulary = Vocabulary(dataset.tokenizer)
    texts = sorted(vocabulary.decode(tokens) for tokens in whole_files(open_rows(dataset, "train")))
    assert texts == sorted(file.text for file in small_files() if file.split == "train")


def test_the_ngram_gives_a_distribution_and_the_hand_computed_probability():
    trained, cache = Counts(), Counts()
    for token in (1, 1, 2):
        trained.add((), token)
    probabilities = [math.exp(-nats_of(token, (), trained, cache, 4)) for token in range(4)]
    assert sum(probabilities) == pytest.approx(1.0)
    assert probabilities[1] == pytest.approx((2 + 2 / 4) / (3 + 2))
    trained.add((1,), 3)
    over = [math.exp(-nats_of(token, (1,), trained, Counts(), 4)) for token in range(4)]
    assert sum(over) == pytest.approx(1.0)


def test_the_ngram_learns_a_repetition_and_nothing_from_noise():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 64, 400).tolist()
    pattern = [1, 2, 3, 4] * 100
    assert ngram_nats([pattern], [pattern], 64) < 5
    assert ngram_nats([pattern], [noise], 64) > 0.9 * 400 * math.log(64)


def test_xz_is_cheap_on_a_copy_and_dear_on_noise():
    noise, other = (np.random.default_rng(seed).bytes(20_000) for seed in (0, 1))
    assert xz_bits(noise, noise) < 0.05 * 8 * 20_000 < 0.9 * 8 * 20_000 < xz_bits(noise, other)


def test_the_step_benchmark_runs_and_prints_every_contestant():
    command = [
        sys.executable,
        ROOT / "benchmarks" / "train_step.py",
        "--synthetic",
        "200,64",
        "--batch-size",
        "2",
    ]
    command += ["--steps", "1", "--rounds", "1", "--threads", "1", "--contestants", "ours,bare"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "tokens/s" in done.stdout and "\nours " in done.stdout and "\nbare " in done.stdout
