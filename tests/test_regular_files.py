"""A pipe, a socket, a device or a directory in the place of a file is told at once, never waited for."""

from __future__ import annotations

import ast
import os
import socket
from pathlib import Path

import pytest

from effectiveness.ablation.results import read_results
from effectiveness.common import jsonl
from effectiveness.common.boundary import open_regular, read_bytes, read_regular
from effectiveness.common.records import UserError
from effectiveness.corpus.tokenization.reader import read_tokenizer
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.metrics import read_metrics

ROOT = Path(__file__).resolve().parent.parent


def in_place_of_a_file(kind: str, path: Path) -> Path:
    match kind:
        case "a FIFO":
            os.mkfifo(path)
        case "a socket":
            socket.socket(socket.AF_UNIX).bind(os.fspath(path))
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to a FIFO":
            os.mkfifo(path.with_name("pipe"))
            path.symlink_to("pipe")
        case "a directory":
            path.mkdir()
    return path


KINDS = ("a FIFO", "a socket", "a device", "a link to a FIFO", "a directory")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_not_opened(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with pytest.raises(OSError):
        open_regular(in_place_of_a_file(kind, Path("file")))


def test_a_link_to_a_regular_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link") == b"here"


READERS = {
    "--config": lambda path: load_config(path, []),
    "dataset_metadata.json": jsonl.read_metadata,
    "training_data_train.jsonl": lambda path: list(jsonl.read_rows(path)),
    "training_metrics.jsonl": read_metrics,
    "--results": lambda path: read_results(path, print),
    "config.json": lambda path: read_regular(path, max_bytes=9, way_out="give another"),
}


@pytest.mark.parametrize("kind", KINDS[2:])
@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_it_in_one_line(tmp_path, name, kind):
    path = in_place_of_a_file(kind, tmp_path / name)
    with pytest.raises(UserError) as refused:
        READERS[name](path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value) and ";" in str(refused.value)


def test_a_tokenizer_that_is_a_pipe_is_not_waited_for(tmp_path):
    in_place_of_a_file("a FIFO", tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match="a FIFO, not a regular file"):
        read_tokenizer(tmp_path, "give another")


# What a build has written into its own scratch directory, or is about to write; nobody else's files.
OWN_FILES = {
    *(
        "effectiveness/common/records.py",
        "effectiveness/corpus/history/fresh.py",
        "effectiveness/corpus/history/clean_room.py",
        "effectiveness/common/html.py",
    ),
    *(
        "effectiveness/corpus/rows/__init__.py",
        "effectiveness/corpus/leaks/spans.py",
        "effectiveness/corpus/scan/__init__.py",
        "effectiveness/corpus/build.py",
    ),
    *(
        "effectiveness/corpus/secrets/places.py",
        "effectiveness/corpus/secrets/rules.py",
        "effectiveness/corpus/secrets/words.py",
        "effectiveness/languages/record.py",
        "effectiveness/languages/renew.py",
        "effectiveness/serve/command.py",
        "effectiveness/serve/repository.py",
        "effectiveness/trainer/export.py",
        "effectiveness/proof/canaries.py",
    ),
}


def reads_of(path: Path) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    methods = [c.func.attr for c in calls if isinstance(c.func, ast.Attribute)]
    found = [name for name in methods if name in ("read_bytes", "read_text")]
    opened = [c for c in calls if ast.unparse(c.func).rpartition(".")[2] == "open"]
    return found + [
        ast.unparse(c) for c in opened if {"rb", "r"} & {getattr(a, "value", None) for a in c.args}
    ]


def test_files_that_others_wrote_are_opened_in_one_place():
    """`beneath` opens the files of a scanned tree."""
    readers = {
        str(path.relative_to(ROOT)) for path in (ROOT / "effectiveness").rglob("*.py") if reads_of(path)
    }
    assert readers <= OWN_FILES
