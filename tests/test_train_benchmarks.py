"""The trainer's benchmarks measure what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.ngram_baseline import xz_bits

ROOT = Path(__file__).parent.parent


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
