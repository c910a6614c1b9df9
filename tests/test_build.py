"""The whole build: the same bytes whatever the surroundings, and a clear outcome for odd repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND, build_dataset
from small_repository import make_repository

from effectiveness.common.jsonl import digest, read_metadata, read_rows
from effectiveness.common.records import DATASET_FILES, SPLITS
from effectiveness.corpus.tokenization import CONTROL_TOKENS


def digests(dataset: Path) -> dict[str, str]:
    """sha256 of every file of a dataset, pages and cards included."""
    files = sorted(path for path in dataset.rglob("*") if path.is_file())
    return {str(path.relative_to(dataset)): digest(path).sha256 for path in files}


def run(
    *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess:
    command = [sys.executable, str(COMMAND), *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env, cwd=cwd
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("origin") / "repository"
    make_repository(root)
    return root


@pytest.fixture(scope="module")
def expected(repository, tmp_path_factory) -> dict[str, str]:
    return digests(build_dataset(repository, tmp_path_factory.mktemp("expected") / "dataset"))


@pytest.mark.parametrize("workers", ["1", "5"])
def test_any_number_of_workers_gives_the_same_bytes(workers, repository, expected, tmp_path):
    assert digests(build_dataset(repository, tmp_path / "dataset", "--workers", workers)) == expected


def test_hash_seed_locale_time_zone_and_directory_change_nothing(repository, expected, tmp_path):
    env = os.environ | {"PYTHONHASHSEED": "77", "LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kathmandu"}
    flags = ("--tokenizer", "local", "--max-tokens", "128", "--recipe", "founding")
    done = run(repository, "--output", "there/dataset", *flags, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "there" / "dataset") == expected


def test_another_place_and_another_order_of_creation_change_nothing(repository, expected, tmp_path):
    copy = tmp_path / "elsewhere" / "deep" / "repository"
    for path in sorted(repository.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(repository)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    assert digests(build_dataset(copy, tmp_path / "dataset")) == expected


def test_building_twice_into_one_directory_gives_the_same_bytes(repository, expected, tmp_path):
    for _ in range(2):
        build_dataset(repository, tmp_path / "dataset")
    assert digests(tmp_path / "dataset") == expected
    assert [path.name for path in tmp_path.iterdir() if "staging" in path.name] == []


def test_an_output_inside_the_repository_is_not_read_the_second_time(repository, tmp_path):
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    first = digests(build_dataset(copy, copy / "training_data_effectiveness"))
    metadata = read_metadata(
        build_dataset(copy, copy / "training_data_effectiveness") / "dataset_metadata.json"
    )
    again = digests(copy / "training_data_effectiveness")
    assert {name: again[name] for name in DATASET_FILES.values()} == {
        n: first[n] for n in DATASET_FILES.values()
    }
    assert metadata["source_files_scanned"] > 10


def test_another_seed_gives_other_rows(repository, expected, tmp_path):
    assert digests(build_dataset(repository, tmp_path / "dataset", "--seed", "7")) != expected


def test_exposure_of_core_util_and_test_is_the_weights(small_dataset):
    weights: dict[str, set[float]] = {}
    for split in SPLITS:
        for row in read_rows(small_dataset / DATASET_FILES[split]):
            weights.setdefault(row["metadata"]["priority"], set()).add(row["metadata"]["weight"])
    assert weights == {"high": {3.0}, "medium": {1.0}, "low": {0.3}}


def test_every_source_token_stands_in_a_row_of_its_file_or_in_an_equal_one(small_dataset):
    metadata = read_metadata(small_dataset / "dataset_metadata.json")
    covered: dict[str, set[int]] = {}
    lengths: dict[str, int] = {}
    for split in SPLITS:
        for row in read_rows(small_dataset / DATASET_FILES[split]):
            about = row["metadata"]
            if about["augmentation_type"] == "original":
                end = about["start_token"] + about["length"]
                covered.setdefault(about["source_file"], set()).update(range(about["start_token"], end))
                lengths[about["source_file"]] = max(lengths.get(about["source_file"], 0), end)
    holes = [path for path, tokens in covered.items() if tokens != set(range(lengths[path]))]
    assert len(holes) <= metadata["duplicate_rows_dropped"].get("original", 0)


@pytest.mark.parametrize("text", [*CONTROL_TOKENS, "</s>"])
def test_control_texts_in_a_file_and_in_its_name_are_ordinary(text, tmp_path):
    name = text.replace("/", "_") + ".py"
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / name).write_text(f"mark = '{text}'\n" * 8, "utf-8")
    dataset = build_dataset(tmp_path / "repository", tmp_path / "dataset", "--augmentations", "none")
    parsed = json.loads((dataset / "tokenizer" / "tokenizer.json").read_text("utf-8"))
    controls = {token["id"] for token in parsed["added_tokens"]}
    [row] = read_rows(dataset / DATASET_FILES["train"])
    assert row["metadata"]["source_file"] == name
    assert not controls & set(row["tokens"][: row["metadata"]["length"]])


# --- odd repositories ------------------------------------------------------------------------------------


def test_an_empty_repository_is_one_line_and_exit_2(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty", "--output", tmp_path / "dataset")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "FAILED"
    assert "no source file to read among 0 entries" in done.stderr
    assert not (tmp_path / "dataset").exists()


def test_only_binary_files_are_named_as_the_reason(tmp_path):
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.py").write_bytes(b"\x00\x01" * 100)
    done = run(tmp_path / "binary", "--output", tmp_path / "dataset")
    assert done.returncode == 2
    assert "binary" in done.stderr


@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_files_give_a_dataset_that_says_what_it_lacks(count, tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(count):
        body = "\n".join(f"value_{number}_{line} = {line * number}" for line in range(40))
        (tmp_path / "few" / f"module_{number}.py").write_text(body + "\n", "utf-8")
    done = run(
        tmp_path / "few", "--output", tmp_path / "dataset", "--tokenizer", "local", "--max-tokens", "128"
    )
    assert done.returncode == 0, done.stderr
    assert "instead of 85/10/5" in done.stdout
    assert read_metadata(tmp_path / "dataset" / "dataset_metadata.json")["split_notes"]


def test_a_repository_of_tests_alone_is_built(tmp_path):
    (tmp_path / "checks" / "tests").mkdir(parents=True)
    for number in range(12):
        body = "\n".join(
            f"def test_{number}_{i}():\n    assert {i} + {number} == {i + number}" for i in range(20)
        )
        (tmp_path / "checks" / "tests" / f"test_{number}.py").write_text(body + "\n", "utf-8")
    done = run(
        tmp_path / "checks", "--output", tmp_path / "dataset", "--tokenizer", "local", "--max-tokens", "128"
    )
    assert done.returncode == 0, done.stderr
    assert read_metadata(tmp_path / "dataset" / "dataset_metadata.json")["files_per_role"]["test"] == 12


def test_rows_have_the_complexity_they_are_sorted_by(small_dataset):
    scores = [row["metadata"]["complexity"] for row in read_rows(small_dataset / DATASET_FILES["train"])]
    assert (np.diff(scores) >= 0).all()
    assert len(set(scores)) > len(scores) // 8
