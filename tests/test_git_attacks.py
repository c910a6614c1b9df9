"""What a repository may ask of git, and what the environment may ask of git on its behalf: nothing of it happens.

Each row plants one trick. Whatever it is, the scan lists this tree's own files, history comes from this tree's own
objects or is refused in one line, and no program is started but the git that we found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dated_repository import commit, git
from test_clones import add_submodule, bare_clone, canary, repository

from effectiveness.common.records import UserError
from effectiveness.corpus.history import read_past
from effectiveness.corpus.scan.gitplace import is_bare
from tests.hostile_tree import hostile_config
from tests.scanning import code, scan_tree, write

Trick = Callable[[Path, Path], object]  # tree (or bare clone), somebody else's repository
OWN = ["a.py", "sub/b.py"]


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Another repository, whose exclude file would leave our files out and whose files must not be read."""
    root = repository(tmp_path / "private", secret_DOT_py="SECRET = 1\n")
    return write(root, _DOT_git__info__exclude="*.py\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path / "tree", a_DOT_py="a = 1\n", sub__b_DOT_py="b = 1\n")


@pytest.fixture
def outer(tree: Path, tmp_path: Path) -> Path:
    """The tree with a submodule at `lib/inner`, which has one of its own at `deep`."""
    deepest = repository(tmp_path / "deepest", z_DOT_py="z = 1\n")
    inner = repository(tmp_path / "inner", x_DOT_py="x = 1\n")
    add_submodule(inner, deepest, "deep")
    commit(inner, "2024-01-02T12:00:00Z")
    add_submodule(tree, inner, "lib/inner")
    git(tree, "submodule", "--quiet", "update", "--init", "--recursive")
    commit(tree, "2024-01-03T12:00:00Z")
    return tree


def assert_nothing_ran(tmp_path: Path) -> None:
    assert not [path for path in tmp_path.rglob("RAN*") if "hooks" not in path.parts]


# --- submodules ------------------------------------------------------------------------------------------


def gitfile(text: str, place: str = "lib/inner") -> Trick:
    def plant(outer: Path, private: Path) -> None:
        (outer / place / ".git").write_text(text.format(outer=outer, private=private))

    return plant


def module_of(outer: Path) -> Path:
    return outer / ".git/modules/lib/inner"


def settings(text: str) -> Trick:
    def plant(outer: Path, private: Path) -> None:
        config = module_of(outer) / "config"
        program = canary(outer.parent)
        config.write_text(config.read_text() + text.format(program=program, private=private))

    return plant


def part_of_the_other(name: str) -> Trick:
    """A part of the submodule's repository is a link to the other's."""

    def plant(outer: Path, private: Path) -> None:
        path = module_of(outer) / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(private / ".git" / name)

    return plant


def linked_modules(outer: Path, private: Path) -> None:
    """All that is below .git/modules lies in the other repository, and its configuration names no tree of ours."""
    shutil.rmtree(outer / ".git/modules")
    (private / "lib").mkdir()
    (private / "lib" / "inner").symlink_to(private / ".git")
    (outer / ".git/modules").symlink_to(private)


def linked_module(outer: Path, private: Path) -> None:
    shutil.rmtree(module_of(outer))
    module_of(outer).symlink_to(private / ".git")


def alternates(outer: Path, private: Path) -> None:
    write(module_of(outer), objects__info__alternates=f"{private}/.git/objects\n")


def crafted_in_the_tree(outer: Path, private: Path) -> None:
    """A directory of the tree that says it is the submodule's repository, made of the other's parts."""
    shutil.copytree(module_of(outer), outer / "evil")
    (outer / "evil" / "index").unlink()
    (outer / "evil" / "index").symlink_to(private / ".git/index")
    write(
        outer / "evil", config="[core]\n\tworktree = ../lib/inner\n", objects__info__alternates=str(private)
    )
    (outer / "lib/inner/.git").write_text("gitdir: ../../evil\n")


def names_another_path(path: str) -> Trick:
    def plant(outer: Path, private: Path) -> None:
        settings = outer / ".gitmodules"
        settings.write_text(settings.read_text().replace("path = lib/inner", f"path = {path}"))

    return plant


def runs_on_update(outer: Path, private: Path) -> None:
    program = canary(outer.parent)
    extra = f"\tupdate = !{program}\n\turl = ext::{program}\n\tbranch = --upload-pack={program}\n"
    settings = outer / ".gitmodules"
    settings.write_text(settings.read_text() + extra)


PROGRAMS = """
[core]
\tfsmonitor = {program}
\tsshCommand = {program}
\thooksPath = {private}
\tgitProxy = {program}
\talternateRefsCommand = {program}
[filter "lfs"]
\tclean = {program}
\tsmudge = {program}
\tprocess = {program}
\trequired = true
[diff]
\texternal = {program}
[include]
\tpath = {private}/.git/config
[includeIf "gitdir:**"]
\tpath = {private}/.git/config
[extensions]
\tworktreeConfig = true
"""
SUBMODULE_TRICKS: dict[str, tuple[Trick, bool]] = {  # and whether the submodule is read all the same
    "gitfile out of the tree": (gitfile("gitdir: {private}/.git\n"), False),
    "gitfile out of the tree, relative": (gitfile("gitdir: ../../../private/.git\n"), False),
    "gitfile with a NUL": (gitfile("gitdir: {private}/.git\0x\n"), False),
    "gitfile that names itself": (gitfile("gitdir: .git\n"), False),
    "gitfile that names the tree around": (gitfile("gitdir: ../../.git\n"), False),
    "gitfile that is an option": (gitfile("gitdir: --upload-pack=x\n"), False),
    "gitfile of 1 MB": (gitfile("gitdir: " + "a/" * 500_000), False),
    "gitfile in a submodule's submodule": (gitfile("gitdir: {private}/.git\n", "lib/inner/deep"), True),
    "modules are a link": (linked_modules, False),
    "module is a link": (linked_module, False),
    "objects are a link": (part_of_the_other("objects"), False),
    "index is a link": (part_of_the_other("index"), False),
    "refs are a link": (part_of_the_other("refs"), False),
    "info is a link": (part_of_the_other("info"), False),
    "HEAD is a link": (part_of_the_other("HEAD"), False),
    "alternates": (alternates, True),
    "crafted in the tree": (crafted_in_the_tree, False),
    "programs in its configuration": (settings(PROGRAMS), True),
    "a second work tree": (settings("[core]\n\tworktree = {private}\n"), True),
    ".gitmodules: path outside": (names_another_path("../private"), True),
    ".gitmodules: path is an option": (names_another_path("--help"), True),
    ".gitmodules: path absolute": (names_another_path("/etc"), True),
    ".gitmodules: programs": (runs_on_update, True),
}


@pytest.mark.parametrize("trick", SUBMODULE_TRICKS)
def test_no_submodule_is_read_that_is_not_its_own_and_none_starts_a_program(outer, private, tmp_path, trick):
    plant, is_read = SUBMODULE_TRICKS[trick]
    plant(outer, private)
    result, _, _ = scan_tree(outer, tmp_path / "spool", submodules=True)
    found = code(result)
    assert found[:1] == ["a.py"] and "sub/b.py" in found and not [path for path in found if "secret" in path]
    assert ("lib/inner/x.py" in found) == is_read, (found, dict(result.skipped))
    if "submodule's submodule" in trick:
        assert "lib/inner/deep/z.py" not in found
    assert result.num_entries == len(result.files) + sum(result.skipped.values())
    assert_nothing_ran(tmp_path)


@pytest.mark.parametrize(
    "name", ["-rf", "--help", "$(touch RAN)", "a\nb", ";touch RAN", "\\x41", "caf\udce9"]
)
def test_a_submodule_may_have_any_name(tree, tmp_path, name):
    inner = repository(tmp_path / "inner", x_DOT_py="x = 1\n")
    path = os.fsencode(name)
    shutil.copytree(os.fsencode(inner), os.path.join(os.fsencode(tree), path))
    git(tree, "add", "--", path)
    result, _, _ = scan_tree(tree, tmp_path / "spool", submodules=True)
    assert len(code(result)) == 3 and len(result.submodules) == 1
    assert_nothing_ran(tmp_path)


def index_of(*paths: bytes) -> bytes:
    """An index of version 2 with entries that git itself would not write."""
    entries = b""
    for path in sorted(paths):
        fixed = struct.pack(">10L20sH", *(0,) * 6, 0o100644, 0, 0, 0, bytes(20), len(path))
        padding = 8 - (len(fixed) + len(path)) % 8
        entries += fixed + path + bytes(padding)
    raw = b"DIRC" + struct.pack(">LL", 2, len(paths)) + entries
    return raw + hashlib.sha1(raw).digest()


@pytest.mark.parametrize(
    "path", [b"../private/secret.py", b".git/config", b"/etc/passwd", b"a/../../x", b"./a.py"]
)
def test_an_index_that_names_what_lies_outside_brings_none_of_it(tree, private, tmp_path, path):
    (tree / ".git/index").write_bytes(index_of(path, b"a.py"))
    found = code(scan_tree(tree, tmp_path / "spool")[0])
    assert found in (OWN, ["a.py"])


# --- bare and mirror clones ------------------------------------------------------------------------------


def head(text: str) -> Trick:
    def plant(clone: Path, private: Path) -> None:
        (clone / "HEAD").write_text(text.format(private=private))

    return plant


def head_is_a_link(target: str) -> Trick:
    def plant(clone: Path, private: Path) -> None:
        (clone / "HEAD").unlink()
        (clone / "HEAD").symlink_to(target.format(private=private))

    return plant


def ref_is_a_link(clone: Path, private: Path) -> None:
    """The commit of the other repository, whose objects are not here."""
    (clone / "packed-refs").unlink(missing_ok=True)
    ref = clone / "refs/heads/main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.unlink(missing_ok=True)
    ref.symlink_to(private / ".git/refs/heads/main")


def odd_refs(clone: Path, private: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    for name in (
        "-x",
        "--upload-pack=touch RAN",
        "$(touch RAN)",
        ";touch RAN",
        "@{-1}",
        "a b",
        "x.lock",
        "HEAD",
    ):
        (clone / "refs/heads" / name).write_text(commit + "\n")
    write(clone, refs__heads__bad="not a commit\n")


def huge_packed_refs(clone: Path, private: Path) -> None:
    """17 MB before the line that counts, of which the first 16 are read."""
    commit = git(clone, "rev-parse", "HEAD")
    lines = b"".join(b"%s refs/tags/%09d\n" % (commit.encode(), n) for n in range(280_000))
    (clone / "packed-refs").write_bytes(lines + f"{commit} refs/heads/main\n".encode())


def included(clone: Path, private: Path) -> None:
    os.mkfifo(clone.parent / "endless")
    config = clone / "config"
    config.write_text(f"{config.read_text()}[include]\n\tpath = {clone.parent}/endless\n")


def other_parts(name: str, text: str) -> Trick:
    def plant(clone: Path, private: Path) -> None:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(private=private))

    return plant


def linked(name: str) -> Trick:
    def plant(clone: Path, private: Path) -> None:
        path = clone / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(private / ".git" / name)

    return plant


def replaced(clone: Path, private: Path) -> None:
    """A replacement of the commit: git would show another tree."""
    commit = git(clone, "rev-parse", "HEAD")
    blob = git(clone, "hash-object", "-w", "--stdin", stdin=b"SECRET = 1\n")
    other = git(clone, "mktree", stdin=f"100644 blob {blob}\tsecret.py\n".encode())
    again = git(clone, "commit-tree", other, "-m", "another")
    git(clone, "replace", commit, again)


def with_programs(clone: Path, private: Path) -> None:
    text = hostile_config(canary(clone.parent), clone.parent).replace("bare = false", "bare = true")
    (clone / "config").write_text("\n".join(line for line in text.split("\n") if "worktree" not in line))
    for name in (
        "post-checkout",
        "reference-transaction",
        "proc-receive",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ):
        write(clone, **{f"hooks__{name}": f"#!/bin/sh\ntouch {clone.parent}/RAN\n"})
        (clone / "hooks" / name).chmod(0o755)


READ, REFUSED, NO_REPOSITORY = "read", "refused", "no repository"
BARE_TRICKS: dict[str, tuple[Trick, str]] = {
    "HEAD names a file outside": (head("ref: refs/../../private/secret.py\n"), REFUSED),
    "HEAD names another's ref": (head("ref: refs/heads/../../../private/.git/refs/heads/main\n"), REFUSED),
    "HEAD names no ref": (head("ref: ../private/.git/HEAD\n"), NO_REPOSITORY),
    "HEAD is an option": (head("ref: refs/heads/--upload-pack=x\n"), REFUSED),
    "HEAD has a NUL": (head("ref: refs/heads/main\0x\n"), REFUSED),
    "HEAD is a link to another's": (head_is_a_link("{private}/.git/HEAD"), REFUSED),
    "HEAD is a link to a file": (head_is_a_link("/etc/passwd"), NO_REPOSITORY),
    "HEAD is a link to a device": (head_is_a_link("/dev/zero"), NO_REPOSITORY),
    "ref is a link to another's": (ref_is_a_link, REFUSED),
    "refs with odd names": (odd_refs, READ),
    "packed-refs of 17 MB": (huge_packed_refs, REFUSED),
    "configuration includes a pipe": (included, READ),
    "configuration, hooks and filters are programs": (with_programs, READ),
    "attributes ask for filters": (
        other_parts("info/attributes", "* filter=lfs diff=evil text eol=crlf\n"),
        READ,
    ),
    "grafts": (other_parts("info/grafts", "{private}\n"), READ),
    "shallow names nothing": (other_parts("shallow", "0" * 40 + "\n"), READ),
    "alternates": (other_parts("objects/info/alternates", "{private}/.git/objects\n"), REFUSED),
    "alternates, relative": (other_parts("objects/info/alternates", "../../private/.git/objects\n"), REFUSED),
    "http-alternates": (other_parts("objects/info/http-alternates", "https://x.invalid/\n"), REFUSED),
    "commondir": (other_parts("commondir", "{private}/.git\n"), READ),  # of a bare one it is not followed
    "gitdir": (other_parts("gitdir", "{private}/.git\n"), READ),
    "objects are a link": (linked("objects"), REFUSED),
    "refs are a link": (linked("refs"), REFUSED),
    "replacement of a commit": (replaced, READ),
}


@pytest.mark.parametrize("trick", BARE_TRICKS)
def test_a_bare_clone_is_read_from_its_own_objects_or_refused_in_a_line(tree, private, tmp_path, trick):
    plant, expected = BARE_TRICKS[trick]
    clone = bare_clone(tree, "clone.git", "--bare")
    plant(clone, private)
    (tmp_path / "scratch").mkdir()
    if expected == NO_REPOSITORY:
        assert not is_bare(clone)
        return
    assert is_bare(clone)
    try:
        past = read_past(clone, "", tmp_path / "scratch")
    except UserError as why:
        assert expected == REFUSED, why
        assert "\n" not in str(why) and ";" in str(why) and why.exit_code == 2
    else:
        assert expected == READ
        read = sorted(str(path.relative_to(past.then.root)) for path in past.then.root.rglob("*.py"))
        assert read == OWN and (past.then.root / "a.py").read_text() == "a = 1\n"
    assert_nothing_ran(tmp_path)


# --- the environment -------------------------------------------------------------------------------------

# {program}: one that leaves a trace; {private}: another repository; {trace}: a file that git would write.
VARIABLES = {
    "GIT_DIR": "{private}/.git",
    "GIT_WORK_TREE": "{private}",
    "GIT_COMMON_DIR": "{private}/.git",
    "GIT_INDEX_FILE": "{private}/.git/index",
    "GIT_OBJECT_DIRECTORY": "{private}/.git/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{private}/.git/objects",
    "GIT_NAMESPACE": "x",
    "GIT_CEILING_DIRECTORIES": "/",
    "GIT_PREFIX": "sub/",
    "GIT_EXEC_PATH": "{private}",
    "GIT_TEMPLATE_DIR": "{private}",
    "GIT_CONFIG": "{private}/config",
    "GIT_CONFIG_GLOBAL": "{private}/config",
    "GIT_CONFIG_SYSTEM": "{private}/config",
    "GIT_CONFIG_NOSYSTEM": "0",
    "GIT_CONFIG_PARAMETERS": "'core.fsmonitor={program}'",
    "GIT_ATTR_SOURCE": "HEAD",
    "GIT_GRAFT_FILE": "{private}/grafts",
    "GIT_SHALLOW_FILE": "{private}/shallow",
    "GIT_REPLACE_REF_BASE": "refs/x/",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ICASE_PATHSPECS": "1",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_OPTIONAL_LOCKS": "1",
    "GIT_TRACE": "{trace}",
    "GIT_TRACE_SETUP": "{trace}",
    "GIT_TRACE2": "{trace}",
    "GIT_TRACE2_EVENT": "{trace}",
    "GIT_REDIRECT_STDERR": "{trace}",
    "GIT_TEST_FSMONITOR": "{program}",
    **dict.fromkeys(
        ("GIT_EXTERNAL_DIFF", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_PAGER", "PAGER", "GIT_EDITOR", "GIT_ASKPASS",
         "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_HTTP_USER_AGENT", "SSH_ASKPASS", "EDITOR"),
        "{program}",
    ),
}  # fmt: skip
COUNTED = {
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "core.fsmonitor",
    "GIT_CONFIG_VALUE_0": "{program}",
    "GIT_CONFIG_KEY_1": "core.excludesFile",
    "GIT_CONFIG_VALUE_1": "{private}/.git/info/exclude",
    "GIT_CONFIG_KEY_2": "core.worktree",
    "GIT_CONFIG_VALUE_2": "{private}",
}


GROUPS = [list(VARIABLES)[first : first + 8] for first in range(0, len(VARIABLES), 8)] + [list(COUNTED)]


def seen(tree: Path, tmp_path: Path, number: int) -> tuple:
    """What a scan and a look at history find."""
    scratch = tmp_path / f"scratch-{number}"
    scratch.mkdir()
    result, _, _ = scan_tree(tree, scratch / "spool")
    past = read_past(tree, "2999-01-01T00:00:00Z", scratch)
    then = sorted(str(path.relative_to(past.then.root)) for path in past.then.root.rglob("*.py"))
    return code(result), result.listed_by, result.commit, past.head_commit, then


@pytest.mark.parametrize("names", GROUPS)
def test_no_variable_of_the_environment_changes_what_git_says_or_has_it_start_a_program(
    tree, private, tmp_path, monkeypatch, names
):
    program = canary(tmp_path)
    write(private, config=f"[core]\n\tfsmonitor = {program}\n\texcludesFile = {private}/.git/info/exclude\n")
    for name in ("git-ls-files", "git-cat-file", "git-check-ignore", "git-rev-list", "git"):
        shutil.copy(program, private / name)
    places = {"program": program, "private": private, "trace": tmp_path / "trace"}
    for name in names:
        monkeypatch.setenv(name, (VARIABLES | COUNTED)[name].format(**places))
    found = seen(tree, tmp_path, 1)
    assert found[0] == found[4] == OWN and found[1] == "git" and found[2] == found[3] != ""
    assert not (tmp_path / "trace").exists()
    assert_nothing_ran(tmp_path)


_LFS_PROGRAMS = "".join(f"\t{name} = {{0}}\n" for name in ("clean", "smudge", "process"))
LFS = f'[filter "lfs"]\n\trequired = true\n{_LFS_PROGRAMS}[diff "lfs"]\n\ttextconv = {{0}}\n'


@pytest.mark.parametrize("place", ["config", "home", "attributes of the index", "worktree encoding"])
def test_filters_of_large_files_are_neither_run_nor_needed(tree, tmp_path, monkeypatch, place):
    program, attributes = canary(tmp_path), "*.py filter=lfs diff=lfs merge=lfs -text\n"
    if place == "worktree encoding":
        attributes = "*.py working-tree-encoding=UTF-16 ident eol=crlf\n"
    write(tree, _DOT_gitattributes=attributes)
    git(tree, "add", ".gitattributes")
    git(tree, "commit", "-qm", "second")
    if place == "attributes of the index":
        (tree / ".gitattributes").unlink()
    home = write(tmp_path / "home", _DOT_gitconfig=LFS.format(program))
    monkeypatch.setenv("HOME", str(home))
    if place != "home":
        config = tree / ".git/config"
        config.write_text(config.read_text() + LFS.format(program))
    (tree / "a.py").touch()  # whose content git would look at
    found = seen(tree, tmp_path, 1)
    assert found[0] == found[4] == OWN and found[1] == "git"
    assert_nothing_ran(tmp_path)


# --- whose repository it is ------------------------------------------------------------------------------


@pytest.fixture
def open_to_all():
    """A directory that every user may reach and write, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("reader", [0, 12345])
@pytest.mark.parametrize("owner", [0, 12345, 54321])
def test_a_repository_is_read_the_same_whoever_owns_it_and_whoever_reads(open_to_all, owner, reader):
    tree = repository(open_to_all / "tree", a_DOT_py="a = 1\n", sub__b_DOT_py="b = 1\n")
    subprocess.run(["chown", "-R", str(owner), str(tree)], check=True)
    answer = open_to_all / "answer"
    child = os.fork()
    if child == 0:
        try:
            os.setgid(reader)
            os.setuid(reader)
            answer.write_text(repr(seen(tree, open_to_all, reader)[:2]))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert answer.read_text() == repr((OWN, "git"))
