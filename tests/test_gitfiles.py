"""What git is asked: names and a commit, and nothing of a repository is ever executed."""

from __future__ import annotations

import os
import subprocess
import zlib
from pathlib import Path

import pytest

from effectiveness.common.records import UserError
from effectiveness.corpus.history import read_past
from effectiveness.corpus.scan import gitfiles
from effectiveness.corpus.scan.selecting import SUBMODULE
from tests.hostile_tree import hostile_config, remove_tree, run_git
from tests.scanning import code, paths, scan_tree, write


@pytest.fixture
def root(tmp_path):
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


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
    assert paths(result) == [".gitignore", "a.py", "sub/d.py", "tracked.log.py"]
    assert result.skipped == {
        "FIFO, socket or device": 1,
        "git metadata": 1,
        "ignored by .gitignore": 2,
        SUBMODULE: 1,
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
    assert code(result) == ["a.py"]
    assert "ignores this directory" in result.listed_by
    assert result.commit == ""


def test_tracked_files_that_are_not_there_are_counted_and_a_link_is_there(root, spool):
    write(root, **{f"{name}_DOT_py": f"{name} = 1\n" for name in "abc"}, third_party__d_DOT_py="d = 1\n")
    (root / "link.py").symlink_to("nowhere")
    run_git(root, "init", "-q")
    run_git(root, "add", "-A")
    (root / "b.py").unlink()
    (root / "c.py").unlink()
    result, _, _ = scan_tree(root, spool)
    assert paths(result) == ["a.py"]
    why = "deleted or never checked out: git checkout-index --all"
    assert result.notes == {f"tracked files that are not there: {why}": 2}
    assert result.absent == f"2 of 5 tracked files that are not there: {why}"
    run_git(root, "checkout-index", "--all", "--quiet")
    assert (scan_tree(root, spool)[0].notes, scan_tree(root, spool)[0].absent) == ({}, "")


def test_a_submodule_is_read_where_it_is_included(root, spool):
    inner = write(root / "sub", x_DOT_py="x = 1\n", y_DOT_bin=b"\0")
    run_git(inner, "init", "-q")
    run_git(inner, "add", "-A")
    run_git(inner, "commit", "-q", "-m", "inner")
    write(root, a_DOT_py="a = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", "-A")
    result, _, _ = scan_tree(root, spool)
    assert (paths(result), result.skipped[SUBMODULE]) == (["a.py"], 1)
    result, _, _ = scan_tree(root, spool, include=("/sub/",))
    assert paths(result) == ["a.py", "sub/x.py"]
    assert result.num_entries == len(result.files) + sum(result.skipped.values())


def test_without_git_the_ignore_files_are_read_and_it_is_said(root, spool, monkeypatch):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    result, _, _ = scan_tree(root, spool)
    assert (code(result), result.listed_by) == (["a.py"], "the .gitignore files (not a git repository)")
    run_git(root, "init", "-q")
    monkeypatch.setenv("PATH", "/nowhere")
    result, _, _ = scan_tree(root, spool)
    assert (code(result), result.listed_by) == (
        ["a.py"],
        "the .gitignore files (no git on PATH outside of the repository)",
    )


@pytest.mark.parametrize(
    "place", [".gitignore", "deep/er/.gitignore", ".git/index", ".git/info/exclude", "deep/er/.git/HEAD"]
)
def test_git_is_not_asked_where_a_fifo_would_hold_it_for_ever(root, spool, monkeypatch, place):
    write(root, a_DOT_py="x = 1\n", deep__er__b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    (root / place).unlink(missing_ok=True)
    (root / place).parent.mkdir(exist_ok=True)
    os.mkfifo(root / place)
    monkeypatch.setattr(gitfiles, "_git", lambda *_, **__: pytest.fail("git was started"))
    result, _, _ = scan_tree(root, spool)
    assert code(result) == ["a.py", *(["deep/er/b.py"] if "er/.git/" not in place else [])]
    assert f"git would wait for ever on {place}" in result.listed_by


def test_a_fifo_in_the_gitignore_above_the_root_is_met_before_git_meets_it(root, spool, monkeypatch):
    write(root, inner__a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    os.mkfifo(root / ".gitignore")
    monkeypatch.setattr(gitfiles, "_git", lambda *_, **__: pytest.fail("git was started"))
    result, _, _ = scan_tree(root / "inner", spool)
    assert code(result) == ["a.py"] and "would wait for ever on ../.gitignore" in result.listed_by


def test_a_git_that_does_not_answer_is_given_up(root, spool, monkeypatch):
    monkeypatch.setattr(gitfiles, "TIMEOUT_S", 0.5)
    write(root, a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    monkeypatch.setattr(gitfiles, "_blocking_files", lambda *_: iter(()))
    os.mkfifo(root / ".gitignore")
    result, _, _ = scan_tree(root, spool)
    assert code(result) == ["a.py"]
    assert "did not answer" in result.listed_by


def test_a_gitignore_that_leads_nowhere_is_no_reason_to_do_without_git(root, spool):
    write(root, a_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    (root / ".gitignore").symlink_to("nowhere")
    assert scan_tree(root, spool)[0].listed_by == "git"


@pytest.mark.parametrize("name", ["config", "config.worktree", "commondir", "packed-refs", "info/attributes"])
@pytest.mark.parametrize("how", ["fifo", "include", "includeIf", "nonsense"])
def test_the_configuration_of_a_repository_is_not_read(root, spool, name, how):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    path = root / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(root.parent / "endless")
    endless = f"path = {root.parent}/endless\n"
    match how:
        case "fifo":
            os.mkfifo(path)
        case "include":
            path.write_text(f"[include]\n{endless}")
        case "includeIf":
            path.write_text(f'[includeIf "gitdir:/"]\n{endless}[extensions]\nworktreeConfig = true\n')
        case "nonsense":
            path.write_bytes(b"\xff[[\0")
    result, _, _ = scan_tree(root, spool)
    assert code(result) == ["a.py"]
    if name != "commondir":
        assert result.listed_by == "git"


@pytest.mark.parametrize("broken", ["index"])
def test_a_broken_repository_is_still_scanned(root, spool, broken):
    write(root, _DOT_gitignore="b.py\n", a_DOT_py="x = 1\n", b_DOT_py="x = 1\n")
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    (root / ".git" / broken).write_bytes(b"\xff[[nonsense\0")
    result, _, _ = scan_tree(root, spool)
    assert code(result) == ["a.py"]
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
    assert (code(result), result.listed_by) == (["a.py", "sub/b.py"], "git")


def with_hostile_history(root: Path) -> Path:
    """A hostile repository of two commits with hooks, and objects it promises to fetch; returns its canary's trace."""
    ran = hostile_repository(root)
    canary = root.parent / "canary.sh"
    for hook in ("post-checkout", "pre-auto-gc", "reference-transaction", "post-rewrite", "proc-receive"):
        (root / ".git/hooks" / hook).write_bytes(canary.read_bytes())
        (root / ".git/hooks" / hook).chmod(0o755)
    settings = (root / ".git/config").read_text()
    (root / ".git/config").unlink()
    write(
        root, c_DOT_py="x = 3\n", _DOT_gitattributes="* filter=evil diff=evil merge=evil ident export-subst\n"
    )
    run_git(root, "-c", "core.hooksPath=/dev/null", "add", "c.py", ".gitattributes")
    run_git(root, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "second", "--date=2000-01-01")
    (root / ".git/config").write_text(settings.replace('ext::sh -c "touch RAN"', f"ext::{canary}"))
    canary.write_text(
        f"#!/bin/sh\ntouch {ran}\nexit 1\n"
    )  # one that waits for input would keep git waiting, too
    assert not ran.exists()
    return ran


def test_reading_history_executes_nothing_a_repository_configures(root, tmp_path, monkeypatch):
    ran = with_hostile_history(root)
    for name in ("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_PAGER", "GIT_ASKPASS", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(root.parent / "canary.sh"))
    for number, directory in enumerate((root, root / "sub")):
        (tmp_path / f"scratch-{number}").mkdir()
        past = read_past(directory, "2999-01-01T00:00:00Z", tmp_path / f"scratch-{number}")
        names = {path.name for path in past.then.root.iterdir()}
        assert names == ({".gitattributes", "a.py", "c.py", "sub"} if directory == root else {"b.py"})
        assert not ran.exists()


def test_reading_history_fetches_nothing_that_is_missing(root, tmp_path):
    """The promised blob would be fetched through a program the repository names."""
    ran = with_hostile_history(root)
    for objects in (root / ".git/objects").iterdir():
        for path in objects.iterdir() if len(objects.name) == 2 else ():
            if zlib.decompress(path.read_bytes()).endswith(b"x = 3\n"):
                path.unlink()
    (tmp_path / "scratch").mkdir()
    with pytest.raises(UserError, match="are missing"):
        read_past(root, "2999-01-01T00:00:00Z", tmp_path / "scratch")
    assert not ran.exists()


@pytest.mark.parametrize("command", [("cat-file", "-p", "1" * 40), ("diff", "HEAD~1", "HEAD")])
def test_the_canary_would_have_noticed_a_look_at_history(root, command):
    """The control of the two tests above: git in the repository itself, asked for history."""
    ran = with_hostile_history(root)
    environment = {"PATH": os.environ["PATH"], "GIT_DIR": str(root / ".git"), "HOME": str(root.parent)}
    subprocess.run(["git", *command], cwd=root, env=environment, capture_output=True, check=False)
    assert ran.exists()


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
    assert (code(result), result.listed_by) == (["a.py", "b.py"], "git")


# --- whose repository it is --------------------------------------------------------------------------------


def committed(root: Path, text: str) -> Path:
    write(root, a_DOT_py=text)
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    return root


def borrowed_gitfile(root: Path, private: Path) -> None:
    (root / ".git").write_text("gitdir: ../private/.git\n")


def borrowed_chain(root: Path, private: Path) -> None:
    """A .git file that names a directory of ours, which is made of the other's parts."""
    (root / ".git").write_text("gitdir: real\n")
    write(
        root / "real", HEAD="ref: refs/heads/master\n", commondir=f"{private}/.git\n", gitdir=f"{root}/.git\n"
    )


def borrowed_commondir(root: Path, private: Path) -> None:
    committed(root, "x = 1\n")
    (root / ".git/commondir").write_text(f"{private}/.git\n")


def borrowed_link(name: str):
    def borrow(root: Path, private: Path) -> None:
        if name:
            committed(root, "x = 1\n")
            run_git(root, "gc", "-q")
            run_git(private, "gc", "-q")
            remove_tree(root / ".git" / name) if (root / ".git" / name).is_dir() else None
            (root / ".git" / name).unlink(missing_ok=True)
        (root / ".git" / name).symlink_to(private / ".git" / name)

    return borrow


def borrowed_pack(root: Path, private: Path) -> None:
    committed(root, "x = 1\n")
    run_git(private, "gc", "-q")
    (root / ".git/objects/pack").mkdir(exist_ok=True)
    for path in (private / ".git/objects/pack").iterdir():
        (root / ".git/objects/pack" / path.name).symlink_to(path)


def borrowed_alternates(name: str):
    def borrow(root: Path, private: Path) -> None:
        committed(root, "x = 1\n")
        (root / ".git/objects/info").mkdir(exist_ok=True)
        (root / ".git/objects/info" / name).write_text(f"\n{private}/.git/objects\n")

    return borrow


BORROWED = {
    "gitfile": borrowed_gitfile,
    "gitfile that names one that borrows": borrowed_chain,
    "commondir": borrowed_commondir,
    ".git": borrowed_link(""),
    "refs": borrowed_link("refs"),
    "HEAD": borrowed_link("HEAD"),
    "objects": borrowed_link("objects"),
    "objects/pack": borrowed_link("objects/pack"),
    "objects/info": borrowed_link("objects/info"),
    "a pack": borrowed_pack,
    "alternates": borrowed_alternates("alternates"),
    "http-alternates": borrowed_alternates("http-alternates"),
}


@pytest.mark.parametrize("part", BORROWED)
def test_history_is_not_read_from_a_repository_that_is_made_of_another_ones_parts(
    root, tmp_path, spool, part
):
    private = committed(tmp_path / "private", "PRIVATE = 1\n")
    write(root, q_DOT_py="q = 1\n")
    BORROWED[part](root, private)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(UserError, match=r"nothing outside of .*/repo is read; ") as refused:
        read_past(root, "2999-01-01T00:00:00Z", tmp_path / "scratch")
    assert refused.value.exit_code == 2 and "\n" not in str(refused.value)
    assert "q.py" in paths(scan_tree(root, spool)[0])


@pytest.mark.parametrize("part", ["gitfile", "commondir", ".git", "HEAD"])
def test_a_tree_is_not_listed_by_the_index_of_another_repository(root, tmp_path, spool, part):
    """Its names would leave files out, and its commit would be recorded."""
    private = committed(tmp_path / "private", "PRIVATE = 1\n")
    write(private, _DOT_git__info__exclude="q.py\n")
    write(root, q_DOT_py="q = 1\n")
    BORROWED[part](root, private)
    result, _, _ = scan_tree(root, spool)
    assert "q.py" in paths(result) and result.commit == ""
    assert "nothing outside of" in result.listed_by


def test_a_linked_work_tree_and_a_submodule_are_read_and_it_is_said_where_their_objects_lie(root, tmp_path):
    inner = committed(tmp_path / "inner", "x = 1\n")
    committed(root, "y = 1\n")
    run_git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    run_git(root, "worktree", "add", "-q", str(tmp_path / "linked"))
    for number, (place, objects) in enumerate(
        {"repo/sub": "repo/.git/modules/sub", "linked": "repo/.git"}.items()
    ):
        (tmp_path / f"scratch-{number}").mkdir()
        past = read_past(tmp_path / place, "2999-01-01T00:00:00Z", tmp_path / f"scratch-{number}")
        assert past.objects_elsewhere == str(tmp_path / objects)
    (tmp_path / "scratch").mkdir()
    assert read_past(root, "2999-01-01T00:00:00Z", tmp_path / "scratch").objects_elsewhere == ""
