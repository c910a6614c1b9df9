"""The leak report: against a slow twin that compares token tuples, and against planted leaks."""

from __future__ import annotations

import copy
import json
import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_repository import make_repository

from create_training_dataset_effectiveness import main
from effectiveness.common.jsonl import read_rows
from effectiveness.common.records import DATASET_FILES, VARIANTS, UserError
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus import leaks, save
from effectiveness.corpus.leaks import find_leaks, format_leaks, spans
from effectiveness.corpus.leaks.spans import WrittenRows
from effectiveness.corpus.rows.writing import write_rows

WINDOW = 128
STRIDE = 32
PAD = 1


def rows_of(name: str, ids: list[int], variant: str = "original") -> list[dict]:
    """The windows of one text as rows, padded, with a last window that ends with the text."""
    length = min(len(ids), WINDOW)
    starts = sorted({*range(0, len(ids) - length + 1, STRIDE), len(ids) - length})
    return [row_of(name, ids[start : start + length], variant, start=start) for start in starts]


def row_of(
    name: str, ids: list[int], variant: str = "original", labels: list[int] | None = None, start: int = 0
) -> dict:
    padding = [PAD] * (WINDOW - len(ids))
    metadata = {
        "source_file": name,
        "start_token": start,
        "length": len(ids),
        "augmentation_type": variant,
    }
    row = {"tokens": ids + padding, "metadata": metadata}
    return row if labels is None else row | {"labels": labels + padding}


def write(directory: Path, rows: dict[str, list[dict]], **dumps) -> Path:
    dumps = {"separators": (",", ":")} | dumps
    for split, name in DATASET_FILES.items():
        lines = [json.dumps(row, **dumps) + "\n" for row in rows.get(split, [])]
        (directory / name).write_text("".join(lines))
    return directory


def written(path: Path) -> WrittenRows:
    """What a writer knows of a file."""
    return WrittenRows(path, np.array([*map(len, path.read_bytes().splitlines(keepends=True))], np.uint32))


def leak_report(directory: Path, pool: WorkerPool) -> dict:
    """Compare the three files of a dataset."""
    return find_leaks({split: written(directory / name) for split, name in DATASET_FILES.items()}, pool)


def random_ids(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(5, 3000) for _ in range(count)]


def leaky_dataset(seed: int) -> dict[str, list[dict]]:
    """Files of all lengths in three splits; some held-out ones hold a passage of train, one is a whole copy."""
    rng = random.Random(seed)
    rows: dict[str, list[dict]] = {split: [] for split in DATASET_FILES}
    train = [random_ids(rng, rng.randrange(1, 600)) for _ in range(30)]
    for number, ids in enumerate(train):
        rows["train"] += rows_of(f"train/{number}.py", ids)
        rows["train"] += rows_of(f"train/{number}.py", ids[::-1], "variable_renaming")
        for row in rows_of(f"train/{number}.py", ids, "token_masking"):
            row["labels"] = row["tokens"]
            row["tokens"] = [0 if token != PAD and rng.random() < 0.2 else token for token in row["labels"]]
            rows["train"].append(row)
    for split in ("val", "test"):
        for number in range(8):
            passage = rng.choice(train)[: rng.choice([0, 49, 50, 51, 200])]
            ids = random_ids(rng, rng.randrange(1, 400)) + passage + random_ids(rng, rng.randrange(60))
            rows[split] += rows_of(f"{split}/{number}.py", ids)
            rows[split] += rows_of(f"{split}/{number}.py", passage * 3 or ids[::-1], "comment_toggle")
    rows["val"] += rows_of("val/copy.py", max(train, key=len))
    rows["test"] += rows_of("val/copy.py", random_ids(rng, 300))  # a file in two splits
    rows["test"].append(copy.deepcopy(rows["val"][0]))  # a row in two splits
    rows["train"].append(copy.deepcopy(rows["train"][0]))
    for kept in rows.values():
        rng.shuffle(kept)
        del kept[: len(kept) // 20]
    return rows


def real_tokens(row: dict) -> tuple[int, ...]:
    return tuple(row.get("labels", row["tokens"])[: row["metadata"]["length"]])


def slow_spans(row: dict) -> list[tuple[int, ...]]:
    tokens = real_tokens(row)
    return [tokens[i : i + 50] for i in range(len(tokens) - 49)]


def slow_report(rows: dict[str, list[dict]]) -> dict:
    """The counts by their definitions, with tuples and sets."""
    originals = {
        split: [row for row in rows[split] if row["metadata"]["augmentation_type"] == "original"]
        for split in ("val", "test")
    }
    in_train = {span for row in rows["train"] for span in slow_spans(row)}
    held_out = {}
    for split, kept in originals.items():
        distinct = {span for row in kept for span in slow_spans(row)}
        shares = [[span in in_train for span in slow_spans(row)] for row in kept]
        held_out[split] = {
            "rows": len(kept),
            "rows_without_span": sum(not seen for seen in shares),
            "rows_half_shared": sum(bool(seen) and 2 * sum(seen) >= len(seen) for seen in shares),
            "spans": len(distinct),
            "shared": len(distinct & in_train),
            "share": round(len(distinct & in_train) / max(1, len(distinct)), 6),
            "share_of_rows": round(
                sum(2 * sum(seen) >= len(seen) for seen in shares if seen) / max(1, sum(map(bool, shares))), 6
            ),
        }
    spans_of = {
        split: {span for row in kept for span in slow_spans(row)} for split, kept in originals.items()
    }
    tokens = {split: [tuple(row["tokens"]) for row in kept] for split, kept in rows.items()}
    files = {split: {row["metadata"]["source_file"] for row in kept} for split, kept in rows.items()}
    in_splits = Counter(name for names in files.values() for name in names)
    return {
        "span_tokens": 50,
        "sampled_one_in": 1,
        "exact": True,
        "held_out": held_out,
        "spans_in_val_and_test": len(spans_of["val"] & spans_of["test"]),
        "equal_rows": sum(map(len, tokens.values())) - len(set().union(*tokens.values())),
        "equal_rows_across": {
            f"{a} and {b}": len(set(tokens[a]) & set(tokens[b]))
            for a, b in (("train", "val"), ("train", "test"), ("val", "test"))
        },
        "files_in_two_splits": sum(count > 1 for count in in_splits.values()),
    }


def without_examples(report: dict) -> dict:
    report = copy.deepcopy(report)
    del report["files_in_two_splits_examples"]
    for seen in report["held_out"].values():
        del seen["examples"]
    return report


@pytest.mark.parametrize("seed", range(6))
def test_the_report_equals_the_slow_twin(tmp_path, seed):
    rows = leaky_dataset(seed)
    report = without_examples(leak_report(write(tmp_path, rows), WorkerPool(1)))
    assert report == slow_report(rows)
    assert report["held_out"]["val"]["rows_half_shared"] > 0 and report["equal_rows"] > 1


@pytest.mark.parametrize("stride", [1, 32, 77, 78, 79, 80, 128])
def test_windows_that_share_more_or_less_than_a_span_count_the_same(tmp_path, monkeypatch, stride):
    monkeypatch.setattr(sys.modules[__name__], "STRIDE", stride)
    rng = random.Random(stride)
    ids = random_ids(rng, 400)
    rows = {"train": rows_of("a", ids) + rows_of("b", random_ids(rng, 300)), "val": rows_of("c", ids[99:333])}
    rows["test"] = rows_of("d", random_ids(rng, 300))
    assert without_examples(leak_report(write(tmp_path, rows), WorkerPool(1))) == slow_report(rows)


def test_of_the_windows_that_hold_a_span_the_first_in_the_file_counts(tmp_path):
    ids = random_ids(random.Random(19), 160)
    early, late = rows_of("a", ids)
    rows = {"train": [early, row_of("b", ids[40:90]), late], "val": rows_of("copy", ids[40:90])}
    seen = leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]
    assert seen["examples"] == [{"file": "copy", "train_file": "a"}]


@pytest.mark.parametrize("portion_bytes", [500, 5_000, 1 << 20])
def test_portions_and_workers_do_not_change_the_report(tmp_path, monkeypatch, portion_bytes):
    write(tmp_path, leaky_dataset(1))
    expected = leak_report(tmp_path, WorkerPool(1))
    monkeypatch.setattr(spans, "_PORTION_BYTES", portion_bytes)
    assert leak_report(tmp_path, WorkerPool(1)) == expected
    with WorkerPool(2 if portion_bytes > 500 else 1) as pool:
        assert leak_report(tmp_path, pool) == expected


def test_json_with_spaces_and_other_key_orders_reads_the_same(tmp_path):
    rows = leaky_dataset(2)
    expected = leak_report(write(tmp_path, rows), WorkerPool(1))
    assert leak_report(write(tmp_path, rows, separators=(", ", ": ")), WorkerPool(1)) == expected
    turned = {split: [dict(reversed(row.items())) for row in kept] for split, kept in rows.items()}
    assert leak_report(write(tmp_path, turned), WorkerPool(1)) == expected


def test_a_file_copied_into_test_is_named_with_the_train_file_it_copies(tmp_path):
    rng = random.Random(3)
    ids, others = random_ids(rng, 500), [random_ids(rng, 500) for _ in range(5)]
    rows = {
        "train": [row for i, other in enumerate(others) for row in rows_of(f"src/{i}.rs", other)]
        + rows_of("src/origin.rs", ids),
        "test": rows_of("tests/copy.rs", [7, *ids]) + rows_of("tests/own.rs", random_ids(rng, 300)),
    }
    seen = leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["test"]
    assert seen["examples"] == [{"file": "tests/copy.rs", "train_file": "src/origin.rs"}]
    assert seen["shared"] == 451 and seen["spans"] == 452 + 251
    assert seen["rows_half_shared"] == len(rows_of("", [7, *ids]))


def test_a_shared_passage_counts_from_50_tokens_on(tmp_path):
    rng = random.Random(4)
    passage = random_ids(rng, 50)
    rows = {"train": rows_of("a", [5, *passage, 6]), "val": rows_of("b", [7, *passage[1:], 8])}
    assert leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]["shared"] == 0
    rows["val"] = rows_of("b", [7, *passage, 8])
    assert leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]["shared"] == 1


@pytest.mark.parametrize(("num_shared", "rows_half_shared"), [(9, 0), (10, 1), (11, 1)])
def test_a_row_is_counted_from_exactly_half_of_its_spans_on(tmp_path, num_shared, rows_half_shared):
    ids = random_ids(random.Random(14), 69)  # 20 spans
    rows = {"train": rows_of("a", ids[: num_shared + 49]), "val": rows_of("b", ids)}
    seen = leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]
    assert (seen["shared"], seen["rows_half_shared"]) == (num_shared, rows_half_shared)


def test_the_first_train_file_with_a_span_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(spans, "_PORTION_BYTES", 1000)
    ids = random_ids(random.Random(15), 100)
    rows = {"train": [row for name in "abc" for row in rows_of(name, ids)], "val": rows_of("copy", ids)}
    seen = leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]
    assert seen["examples"] == [{"file": "copy", "train_file": "a"}]


def test_padding_is_no_text(tmp_path):
    """Short files end in the same padding: that is not a leak."""
    rows = {"train": rows_of("a", [5, 6]), "val": rows_of("b", [7, 8]), "test": rows_of("c", [9])}
    report = leak_report(write(tmp_path, rows), WorkerPool(1))
    assert [seen["spans"] for seen in report["held_out"].values()] == [0, 0]
    assert [seen["rows_without_span"] for seen in report["held_out"].values()] == [1, 1]


def test_what_a_masked_row_asks_for_counts_as_seen(tmp_path):
    ids = random_ids(random.Random(5), WINDOW)
    masked = row_of("a", [0] * WINDOW, "token_masking", labels=ids)
    rows = {"train": [masked], "test": rows_of("b", ids)}
    assert leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["test"]["share"] == 1.0


def test_a_variant_in_train_of_a_held_out_file_is_a_leak(tmp_path):
    ids = random_ids(random.Random(6), WINDOW)
    rows = {"train": rows_of("a", ids, "format_variation"), "test": rows_of("a", ids)}
    report = leak_report(write(tmp_path, rows), WorkerPool(1))
    assert report["held_out"]["test"]["share"] == 1.0
    assert (report["files_in_two_splits"], report["files_in_two_splits_examples"]) == (1, ["a"])
    assert report["equal_rows_across"] == {"train and val": 0, "train and test": 1, "val and test": 0}


def test_sampling_keeps_the_same_spans_on_both_sides_and_estimates_the_counts(tmp_path, monkeypatch):
    rng = random.Random(7)
    ids = random_ids(rng, 40_000)
    rows = {"train": rows_of("a", ids), "val": rows_of("b", ids[:10_000] + random_ids(rng, 30_000))}
    exact = leak_report(write(tmp_path, rows), WorkerPool(1))["held_out"]["val"]
    monkeypatch.setattr(leaks, "MAX_SPANS", 4_000)
    report = leak_report(tmp_path, WorkerPool(1))
    assert report["sampled_one_in"] >= 4 and not report["exact"]
    assert "estimated" in format_leaks(report)[0]
    estimate = report["held_out"]["val"]
    assert estimate["share"] == pytest.approx(exact["share"], abs=0.02)
    assert estimate["spans"] == pytest.approx(exact["spans"], rel=0.05)
    assert estimate["rows_half_shared"] == pytest.approx(exact["rows_half_shared"], abs=3)


def test_a_clean_dataset_reports_nothing_and_says_so(tmp_path):
    rng = random.Random(8)
    rows = {split: rows_of(f"{split}.py", random_ids(rng, 700)) for split in DATASET_FILES}
    with WorkerPool(2) as pool:
        report = leak_report(write(tmp_path, rows), pool)
    lines = format_leaks(report)
    assert report["equal_rows"] == report["files_in_two_splits"] == report["spans_in_val_and_test"] == 0
    assert lines[0].startswith(
        "val: 0.00 % of 651 distinct 50-token spans also stand in train; rows that share"
    )
    assert lines[-1] == "equal rows: 0; source files in two splits: 0; spans in both val and test: 0"


def test_empty_files_have_a_report(tmp_path):
    with WorkerPool(2) as pool:
        report = leak_report(write(tmp_path, {}), pool)
    assert report["equal_rows"] == 0 and report["held_out"]["val"]["share"] == 0.0
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[",
        '{"tokens":[1,2',
        '{"tokens":[1,2.5,3],"metadata":{"source_file":"a","length":3,"augmentation_type":"original"}}',
        '{"tokens":[1,"x"],"metadata":{"source_file":"a","length":2,"augmentation_type":"original"}}',
        '{"tokens":[1,-2],"metadata":{"source_file":"a","length":2,"augmentation_type":"original"}}',
        '{"tokens": [1,-2],"metadata":{"source_file":"a","length":2,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":{"source_file":"a","length":3,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":{"source_file":"a","length":0,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":{"length":2,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":[]}',
        '{"tokens":[1,2],"metadata":{"source_file":7,"length":2,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":{"source_file":"a","length":1.5,"augmentation_type":"original"}}',
        '{"tokens":[1,2],"metadata":{"source_file":"a","length":2,"augmentation_type":"token_masking"},"labels":[1,x]}',
        '{"tokens":[1,x],"metadata":{"source_file":"a","length":2,"augmentation_type":"token_masking"},"labels":[1,2]}',
        '{"tokens":[1],"metadata":{"source_file":"a","length":2,"augmentation_type":"token_masking"},"labels":[1,2]}',
        '{"tokens":[1,2,x],"metadata":{"source_file":"a","length":2,"augmentation_type":"original"}}',
    ],
)
def test_a_broken_row_is_named_by_file_and_place(tmp_path, line):
    write(tmp_path, {"train": rows_of("a", [5, 6])})
    with open(tmp_path / DATASET_FILES["train"], "a") as file:
        offset = file.tell()
        file.write(line + "\n")
    with pytest.raises(UserError, match=rf"training_data_train\.jsonl, byte {offset}: not a row"):
        leak_report(tmp_path, WorkerPool(1))


@pytest.mark.parametrize(
    ("split", "change", "told"),
    [
        ("val", lambda path: path.unlink(), r"training_data_val\.jsonl is missing"),
        ("train", lambda path: path.unlink(), r"training_data_train\.jsonl is missing"),
        ("test", lambda path: path.open("a").write("{}"), r"test\.jsonl has 2 bytes, not 0 as written"),
    ],
)
def test_a_file_that_is_missing_or_has_changed_is_one_line(tmp_path, split, change, told):
    rows = {name: written(write(tmp_path, {}) / DATASET_FILES[name]) for name in DATASET_FILES}
    change(rows[split].path)
    with WorkerPool(1) as pool, pytest.raises(UserError, match=told):
        find_leaks(rows, pool)


def test_two_rows_named_as_one_line_are_no_row(tmp_path):
    write(tmp_path, {"val": rows_of("a", [5, 6]) + rows_of("b", [7, 8])})
    rows = {name: written(tmp_path / DATASET_FILES[name]) for name in DATASET_FILES}
    joined = WrittenRows(rows["val"].path, np.array([rows["val"].num_bytes], np.uint32))
    with pytest.raises(UserError, match=r"val\.jsonl, byte 0: not a row"):
        find_leaks(rows | {"val": joined}, WorkerPool(1))


def test_what_the_dataset_command_says_of_its_rows_is_true(tmp_path, monkeypatch):
    """It names the lines, of every kind of row."""

    def write_and_check(*arguments):
        file = write_rows(*arguments)
        assert [*map(len, file.rows.path.read_bytes().splitlines(keepends=True))] == file.rows.sizes.tolist()
        return file

    monkeypatch.setattr(save, "write_rows", write_and_check)
    make_repository(tmp_path / "repository")
    flags = ["--recipe", "founding", "--tokenizer", "local", "--max-tokens", "128", "--workers", "1"]
    assert main([str(tmp_path / "repository"), "--output", str(tmp_path / "dataset"), *flags, "--quiet"]) == 0
    rows = [*read_rows(tmp_path / "dataset" / DATASET_FILES["train"])]
    assert {row["metadata"]["augmentation_type"] for row in rows} == set(VARIANTS)
