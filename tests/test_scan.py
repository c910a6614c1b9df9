"""Scanning: what is read, what cannot be read, what is left out - each entry once."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from effectiveness.common.records import UserError
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus import scan
from effectiveness.corpus.scan import SECRET_IN_NAME, ScanOptions, beneath, scan_repository
from effectiveness.corpus.scan.listing import list_repository
from tests.hostile_tree import remove_tree
from tests.scanning import analyse, code, paths, redact, scan_tree, write


@pytest.fixture
def root(tmp_path):
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


# What is read


def test_a_file_is_where_its_record_says(root, spool):
    write(
        root,
        src__a_DOT_py=b"\xef\xbb\xbfx = 'hunter2'\r\n",
        b_DOT_c="#define MACRO 1\n",
        tests__t_DOT_rs="fn t() {}\n",
    )
    result, signatures, macros = scan_tree(root, spool)
    texts = spool.read_bytes()
    found = {file.path: texts[file.offset : file.offset + file.num_bytes] for file in result.files}
    assert found == {
        "b.c": b"#define MACRO 1\n",
        "src/a.py": b"x = 'xxxxxxx'\r\n",
        "tests/t.rs": b"fn t() {}\n",
    }
    assert [file.crlf for file in result.files] == [False, True, False]
    assert [file.role for file in result.files] == ["util", "core", "test"]
    assert [file.language for file in result.files] == ["C", "Python", "Rust"]
    assert result.secrets == {"password": 1}
    assert result.notes == {"CRLF line ends": 1, "byte order mark removed": 1}
    assert [signature.tolist() for signature in signatures] == [[16, 1], [15, 1], [10, 1]]
    assert macros == {"MACRO"}
    assert result.files[1].sha256 == hashlib.sha256((root / "src/a.py").read_bytes()).hexdigest()


def test_a_file_whose_path_holds_a_secret_is_left_out_and_the_path_is_not_shown(root, spool):
    """A name of another file would be no help, and every row names its file."""
    write(root, a_DOT_py="x = 1\n", hunter2__b_DOT_py="y = 2\n", c_hunter2_DOT_png=b"\0\1")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py"]
    assert result.skipped[SECRET_IN_NAME] == 2 and result.num_entries == 3
    assert "hunter2" not in repr(result)
    kept, _, _ = scan_tree(root, spool, keep_secrets=True)
    assert "hunter2/b.py" in paths(kept)


def test_the_places_of_secrets_are_told_where_that_is_asked_for(root, spool):
    write(root, a_DOT_py="x = 1\ny = 'hunter2'\n", b__c_DOT_py="z = 'hunter2'\n")
    result, _, _ = scan_tree(root, spool, locate_secrets=True)
    assert result.secret_places == (("a.py", 2, "password"), ("b/c.py", 1, "password"))
    result, _, _ = scan_tree(root, spool)
    assert result.secret_places == ()


def test_keep_secrets_keeps_them(root, spool):
    result, _, _ = scan_tree(write(root, a_DOT_py="x = 'hunter2'\n"), spool, keep_secrets=True)
    assert b"hunter2" in spool.read_bytes()
    assert result.secrets == {}


def test_an_empty_directory_gives_no_files_and_no_signatures(root, spool):
    result, signatures, macros = scan_tree(root, spool)
    assert (result.files, result.num_entries, signatures, macros) == ((), 0, [], frozenset())
    assert spool.read_bytes() == b""


def test_a_root_that_is_no_directory_is_one_line(tmp_path, spool):
    for missing in (tmp_path / "nowhere", write(tmp_path, file_DOT_py="x\n") / "file.py"):
        with pytest.raises(UserError, match="cannot be read as a directory") as raised:
            scan_tree(missing, spool)
        assert "\n" not in str(raised.value)


def test_a_script_is_known_by_its_first_line(root, spool):
    write(root, tool="#!/usr/bin/env python3\nx = 1\n", notes="words\n", image=b"\x89PNG\0\0")
    result, _, _ = scan_tree(root, spool)
    assert [(file.path, file.language) for file in result.files] == [("notes", "Text"), ("tool", "Python")]
    assert result.skipped == {"binary (NUL in the first 8 kB)": 1}
    assert result.notes == {"text of no known language": 1}


def mixed_tree(root: Path, names: list[int]) -> Path:
    for number in names:
        suffix = ("py", "c", "rs", "bin", "lock")[number % 5]
        path = root / f"d{number % 7}" / f"{number}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"value_{number} = 'hunter2'\r\n" * (number % 50 + 1))
    return root


def test_the_result_is_the_same_for_any_number_of_workers_and_creation_order(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "SHARD_BYTES", 8 << 10)
    outcomes = []
    for workers, seed in ((1, 0), (2, 1), (5, 2)):
        names = random.Random(seed).sample(range(300), 300)
        (tmp_path / f"r{workers}").mkdir()
        result, signatures, macros = scan_tree(
            mixed_tree(tmp_path / f"r{workers}", names), tmp_path / "spool", workers
        )
        fields = {
            name: getattr(result, name) for name in ("files", "skipped", "skipped_paths", "notes", "secrets")
        }
        outcomes.append((fields, [s.tolist() for s in signatures], macros, (tmp_path / "spool").read_bytes()))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert paths(result) == sorted(paths(result), key=str.encode)


def killed_in_a_worker(texts: list[bytes], languages: list[str]) -> tuple[list[np.ndarray], set[str]]:
    if any(b"value_7 " in text for text in texts):
        os.kill(os.getpid(), signal.SIGKILL)
    return analyse(texts, languages)


def test_a_killed_worker_is_one_line_and_no_hang(root, spool, monkeypatch):
    monkeypatch.setattr(scan, "SHARD_BYTES", 8 << 10)
    mixed_tree(root, list(range(100)))
    with pytest.raises(UserError) as raised, WorkerPool(2) as pool:
        scan_repository(ScanOptions(root=root), spool, pool, analyse=killed_in_a_worker, redact=redact)
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)


# What cannot be read


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
def test_a_file_or_directory_that_cannot_be_opened_is_counted_and_named(root, spool, monkeypatch, error):
    write(root, a_DOT_py="x = 1\n", locked_DOT_py="x = 1\n", closed__b_DOT_py="x = 1\n")
    really_open = os.open

    def refusing_open(path, *args, **kwargs):
        if path in (b"locked.py", b"closed"):
            raise OSError(error, os.strerror(error))
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(beneath.os, "open", refusing_open)
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py"]
    assert result.skipped == {f"unreadable: {errno.errorcode[error]}": 2}
    assert result.unreadable == ("closed", "locked.py")


def test_a_file_that_changes_while_it_is_read_is_not_taken(root, spool, monkeypatch):
    write(root, a_DOT_py="x = 1\n", still_DOT_py="x = 2\n")
    really_read = beneath.read_up_to

    def read_and_write(descriptor, num_bytes):
        data = really_read(descriptor, num_bytes)
        if data == b"x = 1\n":
            (root / "a.py").write_text("y = 3\n")
        return data

    monkeypatch.setattr(beneath, "read_up_to", read_and_write)
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["still.py"]
    assert result.skipped == {"changed while read": 1}
    assert result.unreadable == ("a.py",)


def test_a_deep_tree_needs_few_descriptors(root, spool):
    deep = root / "/".join(["d"] * 300)
    deep.mkdir(parents=True)
    for directory in (deep, deep.parents[100], deep.parents[200]):
        write(directory, a_DOT_py="x = 1\n", z_DOT_py="x = 1\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 32
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + beneath.MAX_OPEN_DIRECTORIES + 8, hard))
    try:
        result, _, _ = scan_tree(root, spool)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(result.files) == 6
    assert result.skipped == {}
    remove_tree(root)


# What is left out by place or name


def test_our_own_output_inside_the_repository_is_not_read(root, spool):
    write(root, a_DOT_py="x = 1\n", out__training_DOT_json="{}\n", other__out__b_DOT_py="x = 1\n")
    result, _, _ = scan_tree(root, spool, own_output=(root / "out", root / "nowhere", root.parent))
    assert paths(result) == ["a.py", "other/out/b.py"]
    assert result.skipped == {"own output": 1}


def test_gitattributes_mark_vendored_and_generated_and_take_back(root, spool):
    write(
        root,
        _DOT_gitattributes=(
            "# comment linguist-generated\n*.gen.py linguist-generated\nextern/** linguist-vendored=true\n"
            "third_party/** -linguist-vendored\n*.hand.py linguist-generated=false\n"
        ),
        a_DOT_gen_DOT_py="x = 1\n",
        extern__deep__b_DOT_py="x = 1\n",
        third_party__ours_DOT_py="x = 1\n",
        sub__c_DOT_gen_DOT_py="x = 1\n",
        sub___DOT_gitattributes="c.gen.py !linguist-generated\n",
        d_DOT_hand_DOT_py="# @generated\nx = 1\n",
        e_DOT_py="# @generated\nx = 1\n",
    )
    result, _, _ = scan_tree(root, spool)
    assert code(result) == ["d.hand.py", "sub/c.gen.py", "third_party/ours.py"]
    assert result.skipped == {
        "generated: .gitattributes": 1,
        "generated: @generated": 1,
        "vendored: .gitattributes": 1,
    }


def test_a_directory_that_only_sounds_vendored_is_kept(root, spool):
    write(root, app__vendor__views_DOT_py="x = 1\n", app__cache__a_DOT_py="x = 1\n", dist__b_DOT_py="x = 1\n")
    write(
        root,
        vendor__c_DOT_go="package c\n",
        app2__vendor__modules_DOT_txt="x\n",
        app2__vendor__d_DOT_go="package d\n",
    )
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["app/cache/a.py", "app/vendor/views.py", "dist/b.py"]
    assert result.skipped == {"vendored (vendor/)": 2}


def test_a_build_directory_marked_as_cache_is_left_out(root, spool):
    write(
        root,
        target__CACHEDIR_DOT_TAG="Signature: 8a477f597d28d172789f06886806bc55\n",
        target__a_DOT_rs="fn a() {}\n",
        other__CACHEDIR_DOT_TAG="no signature\n",
        other__b_DOT_rs="fn b() {}\n",
    )
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["other/CACHEDIR.TAG", "other/b.rs"]
    assert result.skipped["tool cache"] == 1


def test_datasets_models_and_what_killed_runs_left_are_no_sources(tmp_path):
    """A file that only has the name of a marker hides nothing."""
    files = {
        "a.py": "x = 1\n",
        "data/dataset_metadata.json": '{\n  "metadata_sha256": "0"\n}\n',
        "data/made.py": "x = 2\n",
        "models/mine/.effectiveness.json": '{"kind": "model", "made": {}}',
        "models/mine/made.py": "x = 3\n",
        ".data.staging-12-0123abcd/made.py": "x = 4\n",
        "named/dataset_metadata.json": '{"ours": false}\n',
        "named/.effectiveness.json": "[]",
        "named/kept.py": "x = 5\n",
    }
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    listing = list_repository(tmp_path / "root")
    kept = [candidate.path for candidate in listing.candidates]
    assert b"a.py" in kept and b"named/kept.py" in kept
    assert not [path for path in kept if path.endswith(b"made.py")]
    assert listing.tally.counts["own output"] == 3
