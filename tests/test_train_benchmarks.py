"""The trainer's benchmarks measure what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import command, small_files, use_tiny_models, write_dataset

from benchmarks import held_out, train_step
from benchmarks.held_out import xz_bits
from benchmarks.step_outcome import Steps, bars
from effectiveness.trainer.rows import open_dataset
from training.model_trainer_unified import main

ROOT = Path(__file__).parent.parent


def test_xz_is_cheap_on_a_copy_and_dear_on_noise():
    noise, other = (np.random.default_rng(seed).bytes(20_000) for seed in (0, 1))
    assert xz_bits(noise, noise) < 0.05 * 8 * 20_000 < 0.9 * 8 * 20_000 < xz_bits(noise, other)


def test_the_step_benchmark_keeps_a_table_of_every_contestant_and_a_verdict_of_every_bar(tmp_path):
    sequences = write_dataset(tmp_path / "d", window=64)
    flags = ["--sequences", str(sequences), "--batch-size", "2", "--threads", "1", "--only", "steps"]
    flags += ["--steps", "1", "--rounds", "1", "--contestants", "ours,bare", "--results", str(tmp_path)]
    command = [sys.executable, ROOT / "benchmarks" / "train_step.py", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode in (0, 1), done.stderr  # 1: a bar was missed
    (kept,) = tmp_path.glob("train-step-*.md")
    assert "\n| ours | " in kept.read_text() and "\n| bare | " in kept.read_text()
    result = json.loads(kept.with_suffix(".json").read_text())
    assert str(tmp_path) not in result["command"]
    verdicts = {bar["promise"]: bar["verdict"] for bar in result["bars"]}
    assert verdicts["tokens/s, ours / bare loop"] in ("met", "MISSED")
    assert verdicts["later loads, s"] == "not measured"


def test_a_missing_accelerate_is_told_with_the_command_that_installs_it():
    flags = train_step.arguments().parse_args(["--baseline-python", "false"])
    names, left_out = train_step.contestants(flags)
    assert "hf_trainer" not in names
    assert left_out["hf_trainer"].endswith(f"-m pip install {train_step.EXTRA}")


def round_of(tokens: int, wall_s: float, peak_bytes: int) -> dict:
    return {"tokens": tokens, "wall_s": wall_s, "cpu_s": wall_s, "wait_s": 0.02, "peak_bytes": peak_bytes}


def test_bars_compare_medians_and_the_largest_peaks():
    ours = [round_of(100, 1.0, 3_000_000), round_of(100, 2.0, 1_000_000), round_of(100, 9.0, 1_000_000)]
    found = Steps(steps={"ours": ours, "hf_trainer": [round_of(100, 4.0, 0)]}, load=[])
    found.memory = {"ours": ours, "hf_trainer": [round_of(1, 1.0, 6_000_000)]}
    judged = {bar.what: bar for bar in bars(found)}
    assert judged["useful tokens/s, ours / HF Trainer"].value == pytest.approx(2.0)
    assert judged["memory, chunked cross-entropy / HF Trainer"].value == pytest.approx(0.5)
    assert judged["data wait, % of the step"].value == pytest.approx(100 * 0.06 / 12)
    assert judged["first load, million tokens/s"].verdict == "not measured"


def test_the_held_out_table_has_a_line_for_each_model_and_baseline(tmp_path, capsys):
    sequences = write_dataset(tmp_path / "d")
    (tmp_path / "m").mkdir()
    scored = [("evaluation", 0, 4.0), ("evaluation", 5, 2.0), ("evaluation", 9, 2.5), ("test", 9, 2.25)]
    records = [{"event": event, "step": step, "bits_per_byte": bits} for event, step, bits in scored]
    (tmp_path / "m" / held_out.METRICS_FILE).write_text("".join(json.dumps(r) + "\n" for r in records))
    assert held_out.main(["--sequences", str(sequences), "--model", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    lines = [line for line in said.split("\n\n")[1].splitlines() if line.startswith("|")]
    assert lines[2] == "| m | its window of 32 | 4.000 | 2.000 (step 5) | 2.500 (step 9) | 2.250 |"
    assert [line.split(" | ")[:2] for line in lines[3:]] == [
        ["| cache 6-gram", "all of its file"],
        ["| cache 6-gram, one window", "the same window"],
        ["| xz after the training text", "all of its file and of those before"],
    ]
    assert "language python:" in said and "language rust:" in said
    assert held_out.main(["--sequences", str(sequences), "--model", str(tmp_path)]) == 2


def test_the_n_gram_reads_the_very_windows_that_a_sampled_run_was_scored_on(tmp_path, monkeypatch, capsys):
    use_tiny_models(monkeypatch)
    files = small_files(per_split={"train": 9, "val": 8, "test": 8})
    sequences, model = write_dataset(tmp_path / "d", files=files), tmp_path / "m"
    sampled = ("--set", "evaluation.max_windows=9", "--set", "training.max_steps=2", "--seed", "3")
    assert main(command(sequences, model, *sampled)) == 0
    capsys.readouterr()
    run = held_out.read_run(model)
    found = held_out.baselines(open_dataset(sequences), held_out.sample_of(run))
    scored = {split: len(of_split.places) for split, of_split in found.sets.items()}
    assert scored == {"val": run.best["num_held_out_tokens"], "test": run.test["num_held_out_tokens"]}
    assert found.ngram["val"]["all"] < found.ngram_window["val"]["all"]
    assert held_out.main(["--sequences", str(sequences), "--model", str(model)]) == 0
    assert capsys.readouterr().out.startswith("val: 9 of ")
