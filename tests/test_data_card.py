"""The dataset's README.md is a data card that loaders read."""

from __future__ import annotations

import ast
import re

import yaml
from report_sample import sample_metadata, sample_rows

from effectiveness.corpus.data_card import ROW_METADATA, data_card, write_data_card


def card_of(**changes) -> tuple[dict, str]:
    """Front matter and body of the card of a small dataset, with `changes` to its metadata."""
    text = data_card(sample_metadata(sample_rows(500)) | changes)
    empty, front, body = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def test_the_front_matter_names_the_file_of_every_split():
    front, _ = card_of()
    (config,) = front["configs"]
    assert config["data_files"] == [
        {"split": "train", "path": "training_data_train.jsonl"},
        {"split": "validation", "path": "training_data_val.jsonl"},
        {"split": "test", "path": "training_data_test.jsonl"},
    ]


def test_other_rows_are_another_version_because_loaders_keep_what_they_have_read_of_a_directory():
    files = sample_metadata(sample_rows(500))["files"]
    train = "training_data_train.jsonl"
    changed = files | {train: files[train] | {"sha256": "0" * 64}}
    versions = [card_of(files=f)[0]["configs"][0]["version"] for f in (files, files, changed)]
    assert versions[0] == versions[1] != versions[2]
    assert all(re.fullmatch(r"0\.0\.[0-9]{1,9}", version) for version in versions)


def test_a_split_without_rows_is_not_offered_to_loaders():
    front, body = card_of(val_sequences=0)
    assert [entry["split"] for entry in front["configs"][0]["data_files"]] == ["train", "test"]
    assert "| val | `training_data_val.jsonl` | 0 |" in body


def test_labels_are_declared_because_they_may_first_appear_deep_in_a_file():
    features = {feature["name"]: feature for feature in card_of()[0]["dataset_info"]["features"]}
    assert features["labels"]["sequence"] == features["tokens"]["sequence"] == "int32"
    assert {field["name"]: field["dtype"] for field in features["metadata"]["struct"]} == ROW_METADATA


def test_size_category_and_languages_follow_the_rows():
    front, _ = card_of(total_sequences=22_500, rows_per_language={"Rust": 9, "C++": 1, "YAML": 0})
    assert front["size_categories"] == ["10K<n<100K"]
    assert front["tags"] == ["code", "c++", "rust"]
    assert card_of(total_sequences=10**8)[0]["size_categories"] == ["n>10M"]


def test_a_hostile_repository_name_can_neither_add_yaml_nor_html():
    name = 'x"\n---\nlicense: mit\n<script>alert(1)</script> [a](javascript:b) `{repo}` \x85\u2028\U0001f600'
    front, body = card_of(source_repo=name)
    assert "license" not in front
    assert front["pretty_name"].startswith("Training windows of x")
    assert "<script" not in body and "](" not in body.replace("`](", "")
    assert "{" not in body


def test_the_same_metadata_give_the_same_bytes(tmp_path):
    metadata = sample_metadata(sample_rows(500))
    for name in ("a", "b"):
        write_data_card(tmp_path / name, metadata)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != b""


def test_the_card_says_how_many_rows_and_variants_there_are():
    _, body = card_of(total_sequences=1_234, base_sequences=1_000, augmented_sequences=234)
    assert "1,234 rows" in body and "1,000 rows of original text and 234 variants of it" in body


def test_the_python_in_the_card_is_python():
    blocks = re.findall(r"```python\n(.*?)```", card_of()[1], re.DOTALL)
    assert len(blocks) == 1
    assert "load_dataset" in ast.unparse(ast.parse(blocks[0]))


def test_the_columns_of_the_card_are_those_of_a_row():
    from effectiveness.common.records import SourceFile
    from effectiveness.corpus.rows.writing import file_metadata  # the part of a row that its file decides

    file = SourceFile(path="src/a.rs", language="Rust", role="core", sha256="", num_bytes=1, offset=0)
    of_row = {
        "seq_id",
        "chunk_index",
        "total_chunks",
        "start_token",
        "length",
        "complexity",
        "augmentation_type",
    }
    assert {*file_metadata(file), *of_row} == set(ROW_METADATA)
