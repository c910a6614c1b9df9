"""Scanning: what is listed, ignored, read, counted - and that nothing in a repository is ever executed."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from corpus import beneath, gitfiles, scan
from corpus.globs import compile_glob, glob_matches
from corpus.listing import list_repository
from corpus.records import ScanResult, UserError
from corpus.scan import ScanOptions, scan_repository
from tests.hostile_tree import hostile_config, remove_tree, run_git


def analyse(text: bytes, language: str) -> tuple[np.ndarray, set[str]]:
    macros = {"MACRO"} if language == "C" else set()
    return np.array([len(text), text.count(b"\n")], dtype=np.uint64), macros


def redact(text: bytes) -> tuple[bytes, dict[str, int]]:
    count = text.count(b"hunter2")
    return text.replace(b"hunter2", b"xxxxxxx"), {"password": count} if count else {}


def write(root: Path, **files: str | bytes) -> Path:
    """Files by name; "__" in a keyword stands for "/" and "_DOT_" for "."."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def scan_tree(
    root: Path, spool: Path, workers: int = 1, **options
) -> tuple[ScanResult, np.ndarray, frozenset[str]]:
    return scan_repository(
        ScanOptions(root=root, workers=workers, **options), spool, analyse=analyse, redact=redact
    )


def paths(result: ScanResult) -> list[str]:
    return [file.path for file in result.files]


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
    assert signatures.tolist() == [[16, 1], [15, 1], [10, 1]]
    assert macros == {"MACRO"}
    assert (
        result.files[1].sha256 == __import__("hashlib").sha256((root / "src/a.py").read_bytes()).hexdigest()
    )


def test_keep_secrets_keeps_them(root, spool):
    result, _, _ = scan_tree(write(root, a_DOT_py="x = 'hunter2'\n"), spool, keep_secrets=True)
    assert b"hunter2" in spool.read_bytes()
    assert result.secrets == {}


def test_an_empty_directory_gives_no_files_and_an_empty_matrix(root, spool):
    result, signatures, macros = scan_tree(root, spool)
    assert (result.files, result.num_entries, signatures.shape, macros) == ((), 0, (0, 2), frozenset())
    assert spool.read_bytes() == b""


def test_a_root_that_is_no_directory_is_one_line(tmp_path, spool):
    for missing in (tmp_path / "nowhere", write(tmp_path, file_DOT_py="x\n") / "file.py"):
        with pytest.raises(UserError, match="cannot be read as a directory") as raised:
            scan_tree(missing, spool)
        assert "\n" not in str(raised.value)


def test_a_script_is_known_by_its_first_line(root, spool):
    write(root, tool="#!/usr/bin/env python3\nx = 1\n", notes="words\n", image=b"\x89PNG\0\0")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["tool"]
    assert result.skipped == {"binary (NUL in the first 8 kB)": 1, "unknown file type": 1}
    assert result.skipped_paths["unknown file type"] == ("notes",)


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
        outcomes.append((fields, signatures.tolist(), macros, (tmp_path / "spool").read_bytes()))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert paths(result) == sorted(paths(result), key=str.encode)


def killed_in_a_worker(text: bytes, language: str) -> tuple[np.ndarray, set[str]]:
    if b"value_7 " in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return analyse(text, language)


def test_a_killed_worker_is_one_line_and_no_hang(root, spool, monkeypatch):
    monkeypatch.setattr(scan, "SHARD_BYTES", 8 << 10)
    mixed_tree(root, list(range(100)))
    with pytest.raises(UserError) as raised:
        scan_repository(ScanOptions(root=root, workers=2), spool, analyse=killed_in_a_worker, redact=redact)
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
    result, _, _ = scan_tree(root, spool, exclude=(root / "out", root / "nowhere", root.parent))
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
    assert paths(result) == ["d.hand.py", "sub/c.gen.py", "third_party/ours.py"]
    assert result.skipped == {
        "generated: .gitattributes": 1,
        "generated: @generated": 1,
        "unknown file type": 2,
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
    assert paths(result) == ["other/b.rs"]
    assert result.skipped["tool cache"] == 1


# Git


def test_git_lists_tracked_and_untracked_files_and_names_the_rest(root, spool):
    write(root, _DOT_gitignore="*.log.py\nout/\n", a_DOT_py="x = 1\n", b_DOT_log_DOT_py="x = 1\n")
    write(
        root,
        tracked_DOT_log_DOT_py="x = 1\n",
        out__c_DOT_py="x = 1\n",
        sub__d_DOT_py="x = 1\n",
        sm__e_DOT_py="x\n",
    )
    os.mkfifo(root / "fifo.py")
    run_git(root, "init", "-q")
    run_git(root, "add", "-f", "tracked.log.py", ".gitignore")
    run_git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sm")
    run_git(root, "commit", "-q", "-m", "first")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py", "sub/d.py", "tracked.log.py"]
    assert result.skipped == {
        "FIFO, socket or device": 1,
        "git metadata": 1,
        "ignored by .gitignore": 2,
        "submodule": 1,
        "unknown file type": 1,
    }
    assert result.listed_by == "git"
    assert result.num_entries == 9


def test_a_tracked_file_that_became_a_directory_is_walked(root, spool):
    write(root, a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    (root / "a.py").unlink()
    write(root, a_DOT_py__b_DOT_py="x = 1\n")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py/b.py"]


def test_paths_too_long_for_git_are_counted(root, spool):
    run_git(root, "init", "-q")
    here = os.open(root, os.O_DIRECTORY)
    for level in range(60):  # 60 x 101 bytes: more than a path may have in one call
        name = "d" * 100
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
        if level in (0, 59):
            os.close(os.open("empty.py", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    result, _, _ = scan_tree(root, spool)
    remove_tree(root)
    assert result.num_entries == 3
    assert result.skipped == {"empty": 1, "git metadata": 1, "not listed by git": 1}


def head_of(root: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_found_loose_packed_detached_and_from_a_subdirectory(root, spool):
    write(root, sub__a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    assert scan_tree(root, spool)[0].commit == ""
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    commit = head_of(root)
    assert scan_tree(root, spool)[0].commit == commit
    assert scan_tree(root / "sub", spool)[0].commit == commit
    run_git(root, "pack-refs", "--all")
    assert not list((root / ".git/refs/heads").iterdir())
    assert scan_tree(root, spool)[0].commit == commit
    run_git(root, "worktree", "add", "-q", str(root.parent / "linked"))
    assert scan_tree(root.parent / "linked", spool)[0].commit == commit
    run_git(root, "checkout", "-q", "--detach")
    assert scan_tree(root, spool)[0].commit == commit


def test_a_ref_does_not_lead_out_of_the_repository(root, spool):
    run_git(root, "init", "-q")
    write(root.parent, outside="1" * 40)
    for head in (
        "ref: refs/../../../outside\n",
        "ref: ../../outside\n",
        f"ref: {root.parent}/outside\n",
        "\0",
        "x" * 99,
    ):
        (root / ".git/HEAD").write_text(head)
        assert scan_tree(root, spool)[0].commit == ""


def test_a_subdirectory_of_a_repository_is_listed_relative_to_itself(root, spool):
    write(root, _DOT_gitignore="/sub/no.py\nany.py\n", sub__no_DOT_py="x = 1\n", sub__yes_DOT_py="x = 1\n")
    write(root, sub__deep__any_DOT_py="x = 1\n", sub__deep__z_DOT_py="x = 1\n", other_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    result, _, _ = scan_tree(root / "sub", spool)
    assert paths(result) == ["deep/z.py", "yes.py"]
    assert result.skipped == {"ignored by .gitignore": 2}


@pytest.mark.parametrize("place", ["ignored", "ignored/deep/er"])
def test_a_directory_the_repository_around_it_ignores_is_read_on_its_own(root, spool, place):
    write(root, _DOT_gitignore="ignored/\n")
    write(root / place, a_DOT_py="x = 1\n", b_DOT_py="x = 1\n", _DOT_gitignore="b.py\n")
    run_git(root, "init", "-q")
    result, _, _ = scan_tree(root / place, spool)
    assert paths(result) == ["a.py"]
    assert "ignores this directory" in result.listed_by
    assert result.commit == ""


def test_without_git_the_ignore_files_are_read_and_it_is_said(root, spool, monkeypatch):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    result, _, _ = scan_tree(root, spool)
    assert (paths(result), result.listed_by) == (["a.py"], "the .gitignore files (not a git repository)")
    run_git(root, "init", "-q")
    monkeypatch.setenv("PATH", "/nowhere")
    result, _, _ = scan_tree(root, spool)
    assert (paths(result), result.listed_by) == (["a.py"], "the .gitignore files (git is not installed)")


def test_a_fifo_named_gitignore_does_not_hang_the_scan(root, spool, monkeypatch):
    monkeypatch.setattr(gitfiles, "TIMEOUT_S", 0.5)
    write(root, a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    os.mkfifo(root / ".gitignore")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py"]
    assert "did not answer" in result.listed_by


@pytest.mark.parametrize("broken", ["config", "index", "HEAD"])
def test_a_broken_repository_is_still_scanned(root, spool, broken):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    (root / ".git" / broken).write_bytes(b"\xff[[nonsense\0")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py"]
    assert "git failed" in result.listed_by


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a tree away")
def test_a_repository_of_somebody_else_is_listed_by_git_all_the_same(root, spool):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    subprocess.run(["chown", "-R", "12345", str(root)], check=True)
    refused = subprocess.run(
        ["git", "status"], cwd=root, capture_output=True, check=False, env=os.environ | {"HOME": "/x"}
    )
    assert b"dubious ownership" in refused.stderr
    assert scan_tree(root, spool)[0].listed_by == "git"


def hostile_repository(root: Path) -> Path:
    """A committed repository whose settings all name one program; returns the file that program leaves behind."""
    canary = root.parent / "canary.sh"
    write(
        root.parent,
        canary_DOT_sh=f"#!/bin/sh\ntouch {root.parent}/RAN\ncat\n",
        included=f"[core]\nfsmonitor={canary}\n",
    )
    canary.chmod(0o755)
    write(root, a_DOT_py="x = 1\n", sub__b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    write(root, a_DOT_py="x = 22\n", _DOT_gitattributes="* filter=evil diff=evil\n")
    (root / ".git/config").write_text(hostile_config(canary, root.parent))
    for hook in ("post-index-change", "fsmonitor-watchman"):
        path = root / ".git/hooks" / hook
        path.write_bytes(canary.read_bytes())
        path.chmod(0o755)
    return root.parent / "RAN"


def test_nothing_a_repository_configures_is_executed(root, spool, monkeypatch):
    ran = hostile_repository(root)
    for name in ("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_PAGER", "GIT_ASKPASS"):
        monkeypatch.setenv(name, str(root.parent / "canary.sh"))
    for directory in (root, root / "sub"):
        scan_tree(directory, spool)
        assert not ran.exists()
    result, _, _ = scan_tree(root, spool)
    assert (paths(result), result.listed_by) == (["a.py", "sub/b.py"], "git")


def test_the_canary_would_have_been_noticed(root):
    ran = hostile_repository(root)
    environment = {"PATH": os.environ["PATH"], "GIT_WORK_TREE": str(root), "GIT_DIR": str(root / ".git")}
    subprocess.run(["git", "status"], cwd=root, env=environment, capture_output=True, check=False)
    assert ran.exists()


def test_settings_of_the_environment_and_the_user_do_not_change_the_list(root, spool, monkeypatch):
    write(root, a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "config", "core.excludesFile", str(root.parent / "home" / "ignore"))
    home = write(root.parent / "home", _DOT_gitconfig="[core]\nexcludesFile = ~/ignore\n", ignore="a.py\n")
    write(home, _DOT_config__git__ignore="b.py\n")
    for name, value in {
        "HOME": str(home),
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_WORK_TREE": "/",
    }.items():
        monkeypatch.setenv(name, value)
    result, _, _ = scan_tree(root, spool)
    assert (paths(result), result.listed_by) == (["a.py", "b.py"], "git")


# Patterns


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "deep/a.py", True),
        ("/*.py", "deep/a.py", False),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/b/c", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("**/c", "c", True),
        ("**/b/**/c/*", "a/b/x/c/x/c/d", True),
        ("a**b", "axxb", True),
        ("[!a-c]x", "dx", True),
        ("[!a-c]x", "bx", False),
        ("[]x]", "]", True),
        ("[[:digit:]]?", "7z", True),
        ("[a", "[a", False),
        (r"\*", "*", True),
        (r"\*", "a", False),
    ],
)
def test_patterns_mean_what_git_says(pattern, path, matches):
    assert glob_matches(compile_glob(pattern.encode()), path.encode(), is_directory=False) is matches


def test_hostile_patterns_take_no_time():
    start_s = time.process_time()
    for pattern in (
        b"*a" * 60 + b"b",
        b"**/" * 60 + b"b",
        b"/" + b"**/*a/" * 30 + b"b",
        b"[a-" * 80,
        b"?*" * 60 + b"b",
    ):
        assert not glob_matches(compile_glob(pattern), b"/".join([b"a" * 250] * 100), is_directory=False)
    assert time.process_time() - start_s < 1.0


def random_pattern(rng: random.Random) -> str:
    parts = [
        "a",
        "b",
        "ab",
        "*",
        "**",
        "?",
        "[ab]",
        "[!a]",
        "a*",
        "*b",
        "a*b*",
        r"\a",
        "a.b",
        "[a-b]*",
        "a.py",
        "*.py",
    ]
    parts += ["[ab", "a\\", "[b-a]*", "[!b-a]b*", "[[:alpha:]]*", "[]-a]*", "**a", "?*?", "[^b]*.p[xyz]"]
    pattern = "/".join(rng.choice(parts) for _ in range(rng.randint(1, 4)))
    return rng.choice(("", "", "!")) + rng.choice(("", "", "/")) + pattern + rng.choice(("", "", "/", "  "))


@pytest.mark.parametrize("seed", range(25))
def test_without_git_the_same_files_are_ignored_as_with_git(root, seed):
    rng = random.Random(seed)
    names = ("a", "b", "ab", "a.b", "ba", "abb")
    for _ in range(60):
        directory = root.joinpath(*rng.choices(names, k=rng.randint(0, 3)))
        if all(not parent.is_file() for parent in (directory, *directory.parents)):
            directory.mkdir(parents=True, exist_ok=True)
            if not (directory / rng.choice(names)).exists():
                (directory / rng.choice(names)).with_suffix(".py").write_text("x = 1\n")
    directories = [path for path in root.rglob("*") if path.is_dir()]
    for directory in (root, *rng.sample(directories, min(3, len(directories)))):
        lines = [random_pattern(rng) for _ in range(rng.randint(1, 5))]
        (directory / ".gitignore").write_bytes("\n".join(lines).encode() + rng.choice((b"\n", b"\r\n", b"")))
    without = [file.path for file in list_repository(root).candidates]
    run_git(root, "init", "-q")
    listing = list_repository(root)
    assert listing.listed_by == "git"
    assert without == [file.path for file in listing.candidates]
