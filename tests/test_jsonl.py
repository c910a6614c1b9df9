"""JSON lines and metadata: what is written reads back equal, and what was changed is noticed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from effectiveness.common import jsonl
from effectiveness.common.jsonl import (
    JsonLinesWriter,
    digest,
    read_metadata,
    read_rows,
    spell_ids,
    write_metadata,
)
from effectiveness.common.records import UserError

METADATA = {"seq_id": "a-0", "source_file": "src/é.rs", "complexity": 1.25, "is_core": True}
GOOD_ROW = b'{"tokens":[1,2],"metadata":{}}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def write(path: Path, *rows: tuple) -> JsonLinesWriter:
    with JsonLinesWriter(path) as writer:
        for row in rows:
            writer.write_row(*row)
    return writer


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32, np.int64])
def test_a_row_reads_back_equal_whatever_the_width_of_its_integers(path: Path, dtype: type) -> None:
    tokens = np.array([0, 1, np.iinfo(dtype).max], dtype)
    write(path, (tokens, METADATA), (tokens, METADATA, np.array([-100, 5, -100], np.int32)))
    top = int(np.iinfo(dtype).max)
    assert list(read_rows(path)) == [
        {"tokens": [0, 1, top], "metadata": METADATA},
        {"tokens": [0, 1, top], "metadata": METADATA, "labels": [-100, 5, -100]},
    ]


def test_a_row_can_be_a_slice_of_a_memory_mapped_file(path: Path, tmp_path: Path) -> None:
    np.arange(100, dtype=np.uint16).tofile(tmp_path / "ids")
    ids = np.memmap(tmp_path / "ids", np.uint16, "r")
    write(path, (ids[10:14], METADATA))
    assert next(read_rows(path))["tokens"] == [10, 11, 12, 13]


def test_every_line_is_strict_json_in_the_order_of_writing(path: Path) -> None:
    write(path, *((np.arange(2000) + row, {"row": row}) for row in range(500)))  # several blocks
    lines = path.read_bytes().decode("utf-8", "strict").split("\n")
    assert lines.pop() == "" and len(lines) == 500
    assert [json.loads(line)["metadata"]["row"] for line in lines] == list(range(500))


def test_the_digest_taken_while_writing_is_that_of_the_file(path: Path) -> None:
    writer = write(path, *((np.arange(2000), METADATA) for _ in range(500)))
    raw = path.read_bytes()
    assert writer.digest == digest(path) and len(raw) > 3 * jsonl._BLOCK_BYTES
    assert writer.digest.sha256 == hashlib.sha256(raw).hexdigest()
    assert (writer.digest.num_bytes, writer.digest.num_lines) == (len(raw), 500)


def test_no_rows_make_an_empty_file_with_its_digest(path: Path) -> None:
    assert write(path).digest.num_lines == 0 and path.read_bytes() == b"" and list(read_rows(path)) == []


def test_short_writes_lose_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[: max(1, len(data) // 3)]))
    writer = write(path, *((np.arange(2000), METADATA) for _ in range(300)))
    assert writer.digest == digest(path) and len(list(read_rows(path))) == 300


def test_a_full_disk_in_the_background_reaches_the_caller(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError) as raised:
        write(path, *((np.arange(2000), METADATA) for _ in range(3000)))
    assert raised.value.errno == errno.ENOSPC


def test_an_existing_file_is_never_appended_to_or_replaced(path: Path) -> None:
    path.write_bytes(GOOD_ROW)
    with pytest.raises(FileExistsError):
        write(path, (np.arange(3), METADATA))
    assert path.read_bytes() == GOOD_ROW


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"tokens":[1,2],"metadata":{}', "no newline"),
        (b'{"tokens":[1,2],"metadata":{}}', "no newline"),
        (b"\n", "not JSON"),
        (b'{"tokens":[1,2],"metadata":{}}{}\n', "not JSON"),
        (b'{"tokens":[1,2],"metadata":{"a":NaN}}\n', "not JSON"),
        (b'{"tokens":[1,2],"metadata":{"a":"\xff"}}\n', "not JSON"),
        (b'{"tokens":' + b"[" * 100_000 + b"\n", "not JSON"),
        (b"[1,2]\n", "expected an object"),
        (b'{"tokens":[1,2]}\n', "expected an object"),
        (b'{"tokens":[1,2],"metadata":7}\n', "expected an object"),
        (b'{"tokens":[1,2],"metadata":{},"weight":3}\n', "expected an object"),
        (b'{"tokens":[1,2.0],"metadata":{}}\n', "lists of integers"),
        (b'{"tokens":[1,true],"metadata":{}}\n', "lists of integers"),
        (b'{"tokens":[],"metadata":{}}\n', "lists of integers"),
        (b'{"tokens":"12","metadata":{}}\n', "lists of integers"),
        (b'{"tokens":[1,2],"metadata":{},"labels":[1,null]}\n', "lists of integers"),
        (b'{"tokens":[1,2],"metadata":{},"labels":[1]}\n', '2 "tokens" but 1 "labels"'),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(path: Path, line: bytes, problem: str) -> None:
    path.write_bytes(GOOD_ROW * 2 + line)
    rows = read_rows(path)
    assert next(rows) == next(rows)
    with pytest.raises(UserError) as raised:
        next(rows)
    assert f"{path}:3: " in str(raised.value) and problem in str(raised.value)
    assert "\n" not in str(raised.value)


# --- metadata --------------------------------------------------------------------------------------------


def test_metadata_reads_back_equal_and_is_canonical(tmp_path: Path) -> None:
    metadata = {"z": [1, 2.5, None, True], "a": {"ü": "\x00\u2028", "b": -0.0}}
    write_metadata(tmp_path / "one", metadata)
    write_metadata(tmp_path / "two", dict(reversed(metadata.items())))
    raw = (tmp_path / "one").read_bytes()
    assert read_metadata(tmp_path / "one") == metadata and raw == (tmp_path / "two").read_bytes()
    assert raw.startswith(b'{\n  "a": {\n    "b": -0.0,\n') and raw.endswith(b"}\n")


def test_numpy_numbers_in_metadata_become_plain_ones(tmp_path: Path) -> None:
    write_metadata(tmp_path / "m", {"rows": np.int64(3), "share": np.float64(0.5), "ok": np.bool_(True)})
    assert read_metadata(tmp_path / "m") == {"rows": 3, "share": 0.5, "ok": True}


def test_metadata_written_again_after_reading_has_the_same_bytes(tmp_path: Path) -> None:
    write_metadata(tmp_path / "one", {"a": 1})
    write_metadata(tmp_path / "two", read_metadata(tmp_path / "one"))
    write_metadata(tmp_path / "two", json.loads((tmp_path / "one").read_bytes()))  # with its digest
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "metadata", [{"a": float("nan")}, {"a": float("inf")}, {"a": {1: 2}}, {"a": {1, 2}}, {"a": "\ud800"}]
)
def test_metadata_that_would_not_read_back_is_an_error_of_ours(tmp_path: Path, metadata: dict) -> None:
    with pytest.raises((TypeError, ValueError)):
        write_metadata(tmp_path / "m", metadata)


def test_any_changed_byte_of_the_metadata_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    write_metadata(path, {"rows": 100, "ok": True, "file": "é"})
    raw = path.read_bytes()
    for at in range(len(raw)):
        for changed in (raw[at] ^ 1, raw[at] ^ 0x20, 0x20):
            if changed != raw[at]:
                path.write_bytes(raw[:at] + bytes([changed]) + raw[at + 1 :])
                with pytest.raises(UserError, match="not as it was written"):
                    read_metadata(path)


@pytest.mark.parametrize(
    "raw", [b"", b"[]\n", b"{}\n", b"[" * 100_000, b'{"a": NaN}\n', b'"\\ud800"', b"\xff"]
)
def test_what_is_not_metadata_is_one_line(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "m").write_bytes(raw)
    with pytest.raises(UserError) as raised:
        read_metadata(tmp_path / "m")
    assert str(tmp_path / "m") in str(raised.value) and "\n" not in str(raised.value)


def test_missing_metadata_means_an_incomplete_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a complete dataset"):
        read_metadata(tmp_path / "m")


def test_ids_are_spelled_as_they_are_also_where_all_have_one_digit() -> None:
    """A file of nothing but brackets stopped the build."""
    for ids in ([7, 7, 0], [], [9, 10, 99, 100, 65535], [4294967295, 1]):
        text, edges = spell_ids(np.array(ids, np.uint32))
        assert [int(text[begin : end - 1]) for begin, end in pairwise(edges.tolist())] == ids
