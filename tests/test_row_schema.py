"""Every row has the same keys with values of the same types, whichever rows a reader sees first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import build_dataset
from training_fixtures import write_dataset

from effectiveness.common.jsonl import JsonLinesWriter, read_rows
from effectiveness.common.paths import escape_path
from effectiveness.common.records import DATASET_FILES, VARIANTS
from effectiveness.trainer.rows import open_dataset, open_rows

# What Arrow's reader of JSON takes for a time: one column of such texts, and the next text is an error.
LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


def inferred(value: object) -> object:
    """The type that a reader infers from one value alone."""
    if isinstance(value, dict):
        return {key: inferred(item) for key, item in value.items()}
    if isinstance(value, list):
        kinds = {json.dumps(inferred(item)) for item in value}
        return ["null"] if not kinds else [json.loads(kinds.pop())] if len(kinds) == 1 else "mixed"
    if isinstance(value, str):
        return "time" if LIKE_A_TIME.fullmatch(value) else "str"
    return type(value).__name__


def schemas_of(directory: Path) -> dict[str, set[str]]:
    """variant -> what is inferred from each of its rows."""
    found: dict[str, set[str]] = {}
    for name in DATASET_FILES.values():
        for line in (directory / name).read_bytes().splitlines():
            row = json.loads(line)
            kind = row["metadata"]["augmentation_type"]
            found.setdefault(kind, set()).add(json.dumps(inferred(row)))
    return found


def test_any_one_row_tells_the_keys_and_types_of_all(small_dataset):
    found = schemas_of(small_dataset)
    assert set(found) == set(VARIANTS)
    assert len(set.union(*found.values())) == 1
    [schema] = found["original"]
    assert not {"null", "mixed", "time", "NoneType"} & set(re.findall(r"\w+", schema))


def test_a_name_that_reads_like_a_time_stays_a_text(tmp_path):
    """Folders and files of a diary."""
    for place in ("2024-01-31/a.py", "2024-02-01", "2024-02-01T10", "2024-02-01 10:20/b.py", "src/c.py"):
        (tmp_path / "r" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "r" / place).write_text(
            "#!/usr/bin/env python3\ntotal = 1\nprint(total + 41)\n" * 9 + place
        )
    found = schemas_of(build_dataset(tmp_path / "r", tmp_path / "d", "--augmentations", "none"))
    assert len(found["original"]) == 1 and "time" not in str(found)


@pytest.mark.parametrize(
    "raw", [b"2024-01-31", b"2024-01-31 10:20", b"2024-01-31T10:20:30,123Z", b"0000-00-00"]
)
def test_the_spelling_of_a_name_like_a_time_leads_back_to_it(raw):
    spelled = escape_path(raw)
    assert not LIKE_A_TIME.fullmatch(spelled)
    assert re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), spelled).encode() == raw


def test_a_row_that_masks_nothing_reads_back_without_labels(tmp_path):
    with JsonLinesWriter(tmp_path / "rows") as writer:
        writer.write_row(np.arange(3), {})
        writer.write_spelled_row(b"0,1,2", {})
    assert (tmp_path / "rows").read_bytes() == b'{"tokens":[0,1,2],"metadata":{},"labels":[-100]}\n' * 2
    assert list(read_rows(tmp_path / "rows")) == [{"tokens": [0, 1, 2], "metadata": {}}] * 2


def test_a_dataset_of_format_1_is_trained_on_as_ever(tmp_path):
    """Its rows have labels only where something is masked."""
    train = write_dataset(tmp_path / "d")
    rows = open_rows(open_dataset(train), "train", write_cache=False)
    raw = train.read_bytes()
    old = open_dataset(write_dataset(tmp_path / "old"))
    old.train.write_bytes(raw.replace(b',"labels":[-100]}', b"}"))
    assert old.train.stat().st_size < len(raw)
    del old.metadata["files"]
    read = open_rows(old, "train", write_cache=False)
    assert all(
        np.array_equal(getattr(rows, name), getattr(read, name)) for name in ("tokens", "labels", "table")
    )
