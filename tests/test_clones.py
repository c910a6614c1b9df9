"""What people clone: submodules, bare and mirror clones, sparse, partial and empty checkouts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, build_dataset
from dated_repository import commit, git

from create_training_dataset_effectiveness import arguments, find_repository, options_from
from effectiveness.common.records import UserError
from effectiveness.corpus.history import read_past
from effectiveness.corpus.scan.gitplace import is_bare
from effectiveness.corpus.scan.selecting import SUBMODULE, CommitTree
from effectiveness.corpus.scan.submodules import FOREIGN, NOT_CHECKED_OUT
from tests.hostile_tree import hostile_config, run_git
from tests.scanning import paths, scan_tree, write


def repository(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    for name, text in files.items():
        write(root, **{name: text})
    commit(root, "2024-01-01T12:00:00Z", "first")
    return root


def add_submodule(root: Path, inner: Path, path: str) -> None:
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), path)


@pytest.fixture
def outer(tmp_path) -> Path:
    """A tree with a submodule at lib/inner, which has one of its own at deep."""
    deepest = repository(tmp_path / "deepest", z_DOT_py="z = 1\n")
    inner = repository(tmp_path / "inner", src__x_DOT_py="x = 1\n", _DOT_gitignore="*.tmp.py\n/out/\n")
    add_submodule(inner, deepest, "deep")
    commit(inner, "2024-01-02T12:00:00Z", "second")
    outer = repository(tmp_path / "outer", a_DOT_py="a = 1\n", _DOT_gitignore="y.py\n")
    add_submodule(outer, inner, "lib/inner")
    git(
        outer,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "update",
        "--init",
        "--recursive",
    )
    commit(outer, "2024-01-03T12:00:00Z", "second")
    return outer


def python(result) -> list[str]:
    return [path for path in paths(result) if path.endswith(".py")]


@pytest.fixture
def spool(tmp_path) -> Path:
    return tmp_path / "spool"


# --- submodules ------------------------------------------------------------------------------------------


def test_submodules_are_parts_of_the_tree_and_listed_by_their_own_rules(outer, spool):
    write(outer / "lib/inner", y_DOT_py="y = 1\n", a_DOT_tmp_DOT_py="t = 1\n", out__o_DOT_py="o = 1\n")
    (outer / "lib/inner/link.py").symlink_to(outer / "a.py")
    result, _, _ = scan_tree(outer, spool)
    assert (python(result), result.skipped[SUBMODULE], result.submodules) == (["a.py"], 1, {})
    result, _, _ = scan_tree(outer, spool, submodules=True)
    # y.py is ignored by the tree around it only, whose rules git does not apply in a submodule.
    assert python(result) == ["a.py", "lib/inner/deep/z.py", "lib/inner/src/x.py", "lib/inner/y.py"]
    assert {file.path: file.role for file in result.files}["lib/inner/src/x.py"] == "core"
    assert result.skipped == {"git metadata": 3, "ignored by .gitignore": 2, "symbolic link": 1}
    assert result.num_entries == len(result.files) + sum(result.skipped.values())
    assert result.submodules == {
        path: git(outer / path, "rev-parse", "HEAD") for path in ("lib/inner", "lib/inner/deep")
    }


def test_excluded_and_vendored_submodules_stay_out_and_untracked_repositories_too(outer, spool):
    add_submodule(outer, outer.parent / "deepest", "third_party/z")
    repository(outer / "other", q_DOT_py="q = 1\n")
    result, _, _ = scan_tree(outer, spool, submodules=True, exclude=("deep/",))
    assert python(result) == ["a.py", "lib/inner/src/x.py"]
    assert result.skipped["nested git repository"] == result.skipped["excluded by --exclude"] == 1
    assert result.skipped["vendored (third_party/)"] == 1


def test_a_submodule_that_is_not_checked_out_is_named_with_the_command_that_does(outer, spool):
    git(outer, "submodule", "--quiet", "deinit", "lib/inner")
    result, _, _ = scan_tree(outer, spool, submodules=True)
    assert (python(result), result.skipped[NOT_CHECKED_OUT]) == (["a.py"], 1)


def lead_elsewhere(outer: Path, private: Path) -> None:
    (outer / "lib/inner/.git").write_text(f"gitdir: {private}/.git\n")


def be_a_link(outer: Path, private: Path) -> None:
    shutil.rmtree(outer / "lib/inner")
    (outer / "lib/inner").symlink_to(private)


def lie_below_a_link(outer: Path, private: Path) -> None:
    (outer / "lib").rename(outer / "gone")
    private.rename(private.parent / "inner2")
    (outer / "lib").symlink_to(private.parent)


def be_named_outside(outer: Path, private: Path) -> None:
    settings = outer / ".gitmodules"
    settings.write_text(settings.read_text().replace("path = lib/inner", f"path = ../{private.name}"))
    git(outer, "update-index", "--force-remove", "lib/inner")


@pytest.mark.parametrize("trick", [lead_elsewhere, be_a_link, lie_below_a_link, be_named_outside])
def test_no_trick_makes_a_submodule_of_what_lies_outside(outer, tmp_path, spool, trick):
    private = repository(tmp_path / "private", secret_DOT_py="SECRET = 1\n", _DOT_gitignore="x.py\n")
    trick(outer, private)
    result, _, _ = scan_tree(outer, spool, submodules=True)
    assert not [path for path in paths(result) if "secret" in path]
    assert "lib/inner" not in result.submodules
    if trick is lead_elsewhere:
        assert result.skipped[FOREIGN] == 1


def canary(place: Path) -> Path:
    """A program that leaves a file named RAN."""
    write(place, canary=f"#!/bin/sh\ntouch '{place}/RAN'\n")
    (place / "canary").chmod(0o755)
    return place / "canary"


def test_nothing_of_a_submodule_is_executed(outer, spool, tmp_path, monkeypatch):
    inner = outer / ".git/modules/lib/inner"
    (inner / "config").write_text(
        (inner / "config").read_text() + "\n" + hostile_config(canary(tmp_path), tmp_path)
    )
    write(outer, bin__git="#!/bin/sh\ntouch RAN; touch ../RAN; touch ../../RAN\n")
    (outer / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{outer / 'bin'}{os.pathsep}{os.environ['PATH']}")
    result, _, _ = scan_tree(outer, spool, submodules=True)
    assert "lib/inner" in result.submodules
    assert not list(tmp_path.rglob("RAN"))


def test_submodules_that_nobody_lists_are_refused_in_a_line(outer, spool, tmp_path):
    shutil.rmtree(outer / ".git")
    with pytest.raises(UserError, match=r"not a git repository.*; leave the flag out"):
        scan_tree(outer, spool, submodules=True)


def test_a_dataset_with_submodules_is_made_again_byte_for_byte_and_says_what_it_read(outer, tmp_path):
    write(
        outer / "lib/inner", **{f"src__m{n}_DOT_py": f"def f{n}(a):\n    return a + {n}\n" for n in range(20)}
    )
    shutil.copytree(outer, tmp_path / "copy" / "outer", symlinks=True)
    flags = ["--submodules", "--augmentations", "none"]
    one, two = (
        build_dataset(place, place.parent / "d", *flags) for place in (outer, tmp_path / "copy/outer")
    )
    read = {path.name: path.read_bytes() for path in one.iterdir() if path.is_file()}
    assert read == {path.name: path.read_bytes() for path in two.iterdir() if path.is_file()}
    metadata = json.loads(read["dataset_metadata.json"])
    assert metadata["options"]["submodules"] is True
    assert list(metadata["submodules"]) == ["lib/inner", "lib/inner/deep"]


def test_submodules_of_a_commit_are_refused_in_a_line(outer, tmp_path):
    with pytest.raises(UserError, match="drop one of them"):
        options_from(arguments().parse_args([str(outer), "--submodules", "--until", "2024-01-01"]))
    tree = CommitTree("0" * 40, {}, {})
    with pytest.raises(UserError, match="leave the flag out"):
        scan_tree(outer, tmp_path / "spool", submodules=True, tree=tree)


# --- bare and mirror clones ------------------------------------------------------------------------------


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


@pytest.fixture
def source(tmp_path) -> Path:
    texts = {f"src__m{n}_DOT_py": f"def f{n}(a, b):\n    return a * {n} + b\n" for n in range(12)}
    return repository(tmp_path / "source", **texts)


def bare_clone(source: Path, name: str, *flags: str) -> Path:
    git(source.parent, "clone", "-q", *flags, source if "--shared" in flags else f"file://{source}", name)
    clone = source.parent / name
    write(clone, hooks__pre_commit_DOT_sample="#!/bin/sh\nexec git diff --check\n")
    return clone


@pytest.mark.parametrize("name", ["clone.git", "clone", ".git"])
@pytest.mark.parametrize("flag", ["--bare", "--mirror"])
def test_a_bare_or_mirror_clone_is_read_from_its_objects_whatever_its_name(source, tmp_path, name, flag):
    clone = bare_clone(source, name, flag)
    assert is_bare(clone) and not is_bare(source) and not is_bare(source / ".git")
    (tmp_path / "scratch").mkdir()
    past = read_past(clone, "", tmp_path / "scratch")
    assert (past.bare_head, past.head_commit, past.head) == ("main", git(source, "rev-parse", "HEAD"), None)
    result, _, _ = scan_tree(past.then.root, tmp_path / "spool", tree=past.then.tree)
    assert paths(result) == sorted(f"src/m{n}.py" for n in range(12))


def test_the_rows_of_a_bare_clone_are_those_of_the_tree_it_was_cloned_from(source, tmp_path):
    clone = bare_clone(source, "clone", "--bare")
    done = run(clone, "--output", tmp_path / "a", "--tokenizer", "local", "--max-tokens", 64)
    head = git(source, "rev-parse", "HEAD")
    assert done.returncode == 0, done.stderr
    assert (
        f"note: a bare repository, read from its objects: main, commit {head[:12]} of 2024-01-01"
        in done.stdout
    )
    run(source, "--output", tmp_path / "b", "--tokenizer", "local", "--max-tokens", 64)
    for split in ("train", "val", "test"):
        name = f"training_data_{split}.jsonl"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_repository_that_has_no_commit_to_read_says_how_to_choose_one(source, tmp_path):
    clone = bare_clone(source, "clone.git", "--bare")
    git(clone, "symbolic-ref", "HEAD", "refs/heads/master")
    for until in ("", "2099-01-01T00:00:00Z"):
        with pytest.raises(UserError) as refused:
            read_past(clone, until, tmp_path)
        way_out = f"choose a branch: git -C {clone} symbolic-ref HEAD refs/heads/BRANCH"
        assert str(refused.value).endswith(f"its HEAD, master, has no commit; {way_out}")


def test_a_bare_clone_that_lacks_objects_says_what_fetches_them_and_that_does(source, tmp_path):
    git(source, "config", "uploadpack.allowFilter", "true")
    for number, kind in enumerate(("blob:none", "tree:0")):
        clone = bare_clone(source, f"clone{number}.git", "--bare", f"--filter={kind}")
        (tmp_path / f"scratch{number}").mkdir()
        with pytest.raises(UserError, match=r"a partial clone.*fetch --refetch --no-filter"):
            read_past(clone, "", tmp_path / f"scratch{number}")
        git(clone, "fetch", "-q", "--refetch", "--no-filter")
        (tmp_path / f"again{number}").mkdir()
        assert read_past(clone, "", tmp_path / f"again{number}").then.root.is_dir()


def test_a_bare_repository_made_of_parts_of_another_is_refused(source, tmp_path):
    (tmp_path / "scratch").mkdir()
    clone = bare_clone(source, "borrowing.git", "--bare", "--shared")
    with pytest.raises(UserError, match="a list of other repositories' objects"):
        read_past(clone, "", tmp_path / "scratch")
    clone = bare_clone(source, "linked.git", "--bare")
    (clone / "commondir").write_text(f"{source}/.git\n")
    (clone / "objects").rename(clone / "own")
    (clone / "objects").symlink_to(source / ".git/objects")
    with pytest.raises(UserError, match="nothing outside of"):
        read_past(clone, "", tmp_path / "scratch")


def test_nothing_of_a_bare_repository_is_executed(source, tmp_path):
    clone = bare_clone(source, "hostile.git", "--bare")
    settings = hostile_config(canary(tmp_path), tmp_path).replace("bare = false", "bare = true")
    (clone / "config").write_text("\n".join(line for line in settings.split("\n") if "worktree" not in line))
    (tmp_path / "scratch").mkdir()
    for name in ("post-checkout", "post-index-change", "pre-commit"):
        write(clone, **{f"hooks__{name}": "#!/bin/sh\ntouch RAN\n"})
        (clone / "hooks" / name).chmod(0o755)
    assert is_bare(clone)
    assert len(list(read_past(clone, "", tmp_path / "scratch").then.root.rglob("*.py"))) == 12
    assert not list(tmp_path.rglob("RAN"))


def test_the_git_directory_of_a_work_tree_is_refused_with_the_name_of_its_tree(outer, tmp_path):
    for git_directory, tree in ((".git", outer), (".git/modules/lib/inner", outer / "lib/inner")):
        with pytest.raises(UserError) as refused:
            find_repository(str(outer / git_directory))
        assert str(refused.value).endswith(f"name the work tree itself: {tree}")


def test_a_tree_that_holds_names_of_git_is_no_bare_repository(tmp_path):
    write(tmp_path, HEAD="# Notes\n", objects__a_DOT_py="a = 1\n", refs__b_DOT_py="b = 1\n")
    assert not is_bare(tmp_path)


# --- what is tracked and not there -----------------------------------------------------------------------


def test_a_sparse_checkout_says_how_many_files_are_not_there_and_what_brings_them(tmp_path, spool):
    root = repository(tmp_path / "r", a__x_DOT_py="x = 1\n", b__y_DOT_py="y = 1\n", b__z_DOT_py="z = 1\n")
    git(root, "sparse-checkout", "set", "a")
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a/x.py"]
    why = "a sparse checkout: git sparse-checkout disable"
    assert result.absent == f"2 of 3 tracked files that are not there: {why}"
    git(root, *why.partition(": git ")[2].split())
    assert scan_tree(root, spool)[0].absent == ""


def test_a_clone_without_a_checkout_says_so_where_it_finds_nothing(source, tmp_path):
    git(tmp_path, "clone", "-q", "--no-checkout", f"file://{source}", "empty")
    done = run(tmp_path / "empty", "--output", tmp_path / "d")
    head = git(source, "rev-parse", "HEAD")[:12]
    assert done.returncode == 2 and f"nothing of commit {head} is checked out: git checkout;" in done.stderr
    git(tmp_path / "empty", "checkout", "-q")
    assert scan_tree(tmp_path / "empty", tmp_path / "spool")[0].absent == ""


def test_a_checkout_that_was_broken_off_is_not_taken_for_the_whole_repository(source, tmp_path, spool):
    place = tmp_path / "half"
    git(tmp_path, "clone", "-q", "--no-checkout", f"file://{source}", "half")
    (place / "src").mkdir()
    (place / "src/m1.py").write_text("mine = 1\n")  # what a full disk left, or what was edited since
    result, _, _ = scan_tree(place, spool)
    head = git(source, "rev-parse", "HEAD")[:12]
    commands = "git reset --quiet; git checkout-index --all --quiet"
    assert result.absent == f"files may be missing, the checkout of commit {head} was broken off: {commands}"
    for command in commands.split("; "):
        subprocess.run(
            ["git", "-C", place, *command.split()[1:]], check=False
        )  # 1 where a file stands already
    result, _, _ = scan_tree(place, tmp_path / "again")
    assert result.absent == "" and len(paths(result)) == 12
    assert (place / "src/m1.py").read_text() == "mine = 1\n"


def test_a_partial_clone_whose_files_are_gone_says_what_fetches_them(source, tmp_path, spool):
    git(source, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{source}", "partial")
    place = tmp_path / "partial"
    assert scan_tree(place, spool)[0].absent == ""
    for number in range(11):
        (place / f"src/m{number}.py").unlink()
    absent = scan_tree(place, spool)[0].absent
    assert absent == (
        "11 of 12 tracked files that are not there: a partial clone, deleted or never checked out: "
        "git checkout-index --all"
    )
    run_git(place, "checkout-index", "--all", "--quiet")
    assert len(scan_tree(place, spool)[0].files) == 12


def test_a_few_deleted_files_are_in_the_metadata_alone(source, spool):
    (source / "src/m1.py").unlink()
    result, _, _ = scan_tree(source, spool)
    assert result.absent == "" and list(result.notes.values()) == [1]
