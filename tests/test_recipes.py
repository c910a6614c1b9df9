"""One dial: what is built is what is read, and held-out files are measured alike whichever was built."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND, build_dataset
from small_repository import make_repository
from training_fixtures import command, use_tiny_models

from effectiveness.common.jsonl import read_metadata
from effectiveness.common.recipes import FOUNDING, MEASURED, RECIPES, recipe_of
from effectiveness.common.records import ORIGINAL, VARIANTS
from effectiveness.trainer import setup
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.recut import for_scoring
from effectiveness.trainer.rows import Rows, open_dataset, open_rows, recipe_of_dataset
from training.model_trainer_unified import main

ROOT = Path(__file__).resolve().parent.parent
CHECKER = ROOT / "tests" / "test_dataset_effectiveness.py"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """By recipe, of one repository."""
    base = tmp_path_factory.mktemp("recipes")
    make_repository(base / "repository")
    return {name: build_dataset(base / "repository", base / name, "--recipe", name) for name in RECIPES}


def training_rows(directory: Path, *settings: str) -> Rows:
    config = load_config(
        None, ["device_backend.device=cpu", *settings], built_for=recipe_of_dataset(directory)
    )
    run = setup.open_run(config, argparse.Namespace(sequences=directory, checkpoint=None))
    return setup.open_training_rows(run)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_default_training_reads_every_row_of_a_build(datasets, recipe):
    """Of an 18 MB repository 45,035 rows were written and 4,760 of them read."""
    metadata = read_metadata(datasets[recipe] / "dataset_metadata.json")
    assert recipe_of(metadata) == recipe
    assert len(training_rows(datasets[recipe])) == metadata["train_sequences"]


def test_the_measured_rows_of_a_founding_build_are_those_a_measured_build_writes(datasets):
    """But for the cut of the last window, which a build ends with the file."""
    there, here = training_rows(datasets[FOUNDING], "recipe=measured"), training_rows(datasets[MEASURED])

    def text(rows: Rows) -> dict[str, int]:
        lengths = np.bincount(rows.table["file"], rows.table["length"], len(rows.files))
        return dict(zip(rows.files, lengths.tolist(), strict=True))

    assert text(there) == text(here)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_checker_passes_what_either_recipe_builds(datasets, recipe):
    done = subprocess.run([sys.executable, CHECKER, datasets[recipe]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_held_out_files_are_scored_in_the_same_windows_whichever_was_built(datasets, split):
    def windows(name: str) -> dict[tuple[str, int], list[int]]:
        rows = for_scoring(open_rows(open_dataset(datasets[name]), split, write_cache=False))
        originals = np.flatnonzero(rows.table["variant"] == VARIANTS.index(ORIGINAL)).tolist()
        places = [(rows.files[rows.table[i]["file"]], int(rows.table[i]["start_token"])) for i in originals]
        return {place: rows.tokens_of(i).tolist() for place, i in zip(places, originals, strict=True)}

    founding, measured = windows(FOUNDING), windows(MEASURED)
    files = {file for file, _ in founding} & {file for file, _ in measured}
    assert files and (split != "train" or any(start for _, start in founding))
    assert {p: w for p, w in founding.items() if p[0] in files} == {
        p: w for p, w in measured.items() if p[0] in files
    }


def test_windows_that_were_built_to_overlap_are_scored_as_they_are(datasets):
    rows = open_rows(open_dataset(datasets[FOUNDING]), "val", write_cache=False)
    assert for_scoring(rows) is rows


@pytest.mark.parametrize(
    ("setting", "what"), [("recipe=founding", "overlap"), ("data.variants=true", "variants")]
)
def test_what_was_never_built_is_refused_with_the_way_out(datasets, tmp_path, capsys, setting, what):
    capsys.readouterr()
    sequences = datasets[MEASURED] / "training_data_train.jsonl"
    line = [word for word in command(sequences, tmp_path / "m") if not word.startswith("data.")]
    bare = [w for i, w in enumerate(line) if not (w == "--set" and line[i + 1 : i + 2] in ([], ["--set"]))]
    assert main([*bare, "--set", setting]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert what in said and "--recipe founding" in said and "--set recipe=measured" in said
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("recipe", RECIPES)
def test_both_commands_print_the_recipe(datasets, tmp_path, monkeypatch, capsys, recipe):
    use_tiny_models(monkeypatch)
    flags = ["--recipe", recipe, "--max-tokens", "128", "--tokenizer", "local", "--workers", "1"]
    make_repository(tmp_path / "repository", num_files=12)
    build = [sys.executable, COMMAND, tmp_path / "repository", "--output", tmp_path / "d", *flags]
    built = subprocess.run(build, capture_output=True, text=True, check=True).stdout
    assert built.startswith(f"recipe {recipe}: {RECIPES[recipe].words}\n")
    capsys.readouterr()
    flags = ["--set", "training.max_steps=1", "--set", "evaluation.completions=0", "--device", "cpu"]
    assert main(["--sequences", str(tmp_path / "d"), "--output", str(tmp_path / "m"), *flags]) == 0
    [(rows, in_all)] = re.findall(
        rf"recipe  {recipe}, .*; ([\d,]+) of the ([\d,]+) training rows", capsys.readouterr().out
    )
    assert rows == in_all


def test_a_flag_that_builds_what_the_recipe_does_not_read_is_told(tmp_path):
    make_repository(tmp_path / "repository", num_files=12)
    flags = [
        "--augmentations",
        "token_masking",
        "--max-tokens",
        "128",
        "--tokenizer",
        "local",
        "--workers",
        "1",
    ]
    build = [sys.executable, COMMAND, tmp_path / "repository", "--output", tmp_path / "d", *flags]
    built = subprocess.run(build, capture_output=True, text=True, check=True).stdout
    assert (
        "note: it does not read all that these flags have built; the trainer does with --set data.variants=true"
        in built
    )
