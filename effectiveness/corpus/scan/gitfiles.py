"""What git knows about a tree, asked without letting anything in that tree run.

A repository's own configuration can name programs (fsmonitor, hooks, filters, ssh, credential helpers ...). Only
`ls-files` and `check-ignore` are called, which run none of them, in a repository of our own that has the index and the
exclude file of this one and none of its configuration, so that nothing of it is read, included files neither, and
whatever could run is switched off besides. Git gives names only: files are opened by our own walk, beneath the root.
The commit is read from the files, not by git.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from effectiveness.common import programs
from effectiveness.common.boundary import open_regular
from effectiveness.common.endings import scratch_directory
from effectiveness.common.paths import escape_path
from effectiveness.common.programs import find_program
from effectiveness.corpus.scan.gitplace import SHA, ForeignGit, GitPlace, check_objects, read_small

TIMEOUT_S = 20  # a million files need seconds
NO_GIT = "no git on PATH outside of the repository"
_READ_OF_NESTED = ("HEAD", "config", "commondir", "config.worktree", "gitdir", "packed-refs")
_SHA256 = re.compile(rb"^\s*objectformat\s*=\s*\"?sha256", re.IGNORECASE | re.MULTILINE)
SWITCHED_OFF = (
    *("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "core.pager=cat"),
    *("core.excludesFile=/dev/null", "core.attributesFile=/dev/null", "core.sshCommand=false"),
    *("core.alternateRefsCommand=false", "core.askPass=false", "credential.helper=", "protocol.allow=never"),
    *("submodule.recurse=false", "gc.auto=0", "maintenance.auto=false", "trace2.normalTarget=0"),
    *("trace2.perfTarget=0", "trace2.eventTarget=0"),
)


class GitUnavailable(Exception):
    """Git cannot list this tree; the message says why, for the user."""


class DirectoryIgnored(GitUnavailable):
    """The root is no part of the repository it lies in (a `.venv`, a cloned tree under an ignored directory)."""


class GitNames(NamedTuple):
    """What git said, relative to the root, without trailing slashes."""

    listed: frozenset[bytes]  # tracked, or untracked and not ignored; submodules too
    nested: frozenset[bytes]  # untracked directories that are repositories of their own
    ignored: frozenset[bytes]  # files, and directories with nothing but ignored files in them
    parents: frozenset[bytes]  # every directory above a listed path


def head_commit(place: GitPlace) -> str:
    """The commit HEAD stands on, read from HEAD, the ref file or packed-refs; "" when there is none yet."""
    head = read_small(place.git_dir / "HEAD").strip()
    if head.startswith(b"ref: "):
        head = _resolve_ref(place, head[len(b"ref: ") :].strip())
    return head.decode("ascii") if SHA.fullmatch(head) else ""


def head_name(place: GitPlace) -> str:
    """The branch that HEAD names, "HEAD" where it stands on a commit of none."""
    head = read_small(place.git_dir / "HEAD").strip()
    return escape_path(head.removeprefix(b"ref: refs/heads/")) if head.startswith(b"ref: ") else "HEAD"


def shallow_commits(place: GitPlace) -> frozenset[str]:
    """The commits below which a shallow clone has no history."""
    words = read_small(place.common_dir / "shallow").split()
    return frozenset(word.decode("ascii") for word in words if SHA.fullmatch(word))


def _resolve_ref(place: GitPlace, ref: bytes) -> bytes:
    if not ref.startswith(b"refs/") or b".." in ref:
        return b""
    for directory in (place.git_dir, place.common_dir):
        if loose := read_small(directory / os.fsdecode(ref)).strip():
            return loose
    packed = read_small(place.common_dir / "packed-refs")
    return next((line[: -len(ref)].strip() for line in packed.split(b"\n") if line.endswith(b" " + ref)), b"")


def git_names(root: Path, place: GitPlace, *around: Path) -> GitNames:
    """Ask git which files are sources and which are ignored. `around`: what else is scanned, where no program is
    looked for. Raises GitUnavailable."""
    scanned = (root, place.top, *around)
    git = find_program("git", *scanned)
    if git is None:
        raise GitUnavailable(NO_GIT)
    if blocking := next(_blocking_files(root, place), None):
        raise GitUnavailable(
            f"git would wait for ever on {escape_path(os.fsencode(os.path.relpath(blocking, root)))}"
        )
    try:
        with scratch_directory("listing-") as room:
            return _ask(_Question(git, root, place, _furnish_for_listing(room, place), scanned))
    except OSError as error:
        raise GitUnavailable(f"git cannot be asked: {error.strerror}") from error


class _Question(NamedTuple):
    git: str  # the program
    root: Path
    place: GitPlace
    room: Path  # the repository that git sees
    scanned: tuple[Path, ...]


def _ask(question: _Question) -> GitNames:
    if (
        question.root != question.place.top
        and _git(question, "check-ignore", "-q", "--", ".", expected=(0, 1)).returncode == 0
    ):
        raise DirectoryIgnored("the repository around it ignores this directory")
    listed = _git(question, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    ignored = _git(
        question, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"
    ).stdout
    return _names(listed.split(b"\0"), ignored.split(b"\0"))


def _furnish_for_listing(room: Path, place: GitPlace) -> Path:
    """The index by a link, for it may be large; the exclude file; objects for what is not checked out."""
    try:
        check_objects(place)
        objects = place.common_dir / "objects"
    except ForeignGit:
        objects = None
    furnish(room, objects, 64 if _SHA256.search(read_small(place.common_dir / "config")) else 40)
    with os.scandir(place.git_dir) as entries:
        parts = [entry for entry in entries if entry.name == "index" or entry.name.startswith("sharedindex.")]
    for part in parts:
        os.close(open_regular(part.path))
        (room / part.name).symlink_to(os.path.abspath(part.path))
    (room / "info").mkdir()
    (room / "info" / "exclude").write_bytes(read_small(place.common_dir / "info" / "exclude"))
    return room


def furnish(directory: Path, objects: Path | None, hash_length: int) -> None:
    """What makes a directory a bare repository; written by hand, because `git init` copies templates."""
    for part in ("objects/info", "objects/pack", "refs"):
        (directory / part).mkdir(parents=True)
    (directory / "HEAD").write_bytes(b"ref: refs/heads/none\n")
    settings = b"[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
    if hash_length == 64:
        settings += b"[extensions]\n\tobjectFormat = sha256\n"
    (directory / "config").write_bytes(settings)
    if objects is not None:
        line = _quoted(os.fsencode(objects.absolute())) + b"\n"
        (directory / "objects" / "info" / "alternates").write_bytes(line)


def _quoted(path: bytes) -> bytes:
    """As C strings are, which git understands where a path would end at a newline or begin like a comment."""
    plain = b"/" + bytes(range(0x30, 0x3A)) + bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B)) + b"._-"
    return b'"' + b"".join(bytes([byte]) if byte in plain else b"\\%03o" % byte for byte in path) + b'"'


def _blocking_files(root: Path, place: GitPlace) -> Iterator[Path]:
    """Files that `ls-files` would open and never see the end of, though nobody writes to them."""
    above = (top / ".gitignore" for top in (root, *root.parents) if top.is_relative_to(place.top))
    of_git = (place.git_dir / "index", place.common_dir / "info" / "exclude")
    yield from filter(_is_endless, itertools.chain(of_git, above))
    waiting, own = [os.fspath(root)], os.fspath(place.top / ".git")  # which git does not read here
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name == ".gitignore" and _is_endless(entry):
                        yield Path(entry.path)
                    elif entry.name == ".git" and entry.path != own:
                        yield from filter(_is_endless, (Path(entry.path) / name for name in _READ_OF_NESTED))
                    elif entry.name != ".git" and entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # git does not get in either
            continue


def _is_endless(path: Path | os.DirEntry[str]) -> bool:
    """Whether it is, or leads to, a FIFO or a device."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _names(listed: list[bytes], ignored: list[bytes]) -> GitNames:
    nested = frozenset(path[:-1] for path in listed if path.endswith(b"/"))
    plain = frozenset(path for path in listed if path and not path.endswith(b"/"))
    parents: set[bytes] = set()
    for path in plain | nested:
        while (path := path.rpartition(b"/")[0]) and path not in parents:
            parents.add(path)
    return GitNames(
        plain, nested, frozenset(path.rstrip(b"/") for path in ignored if path), frozenset(parents)
    )


def _git(
    question: _Question, *arguments: str, expected: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """Run git on this tree with nothing but what is said here. Raises GitUnavailable."""
    options = [part for setting in SWITCHED_OFF for part in ("-c", setting)]
    command = [question.git, "--no-pager", "--no-optional-locks", *options, *arguments]
    env = environment(question.room, *question.scanned)
    env |= {"GIT_WORK_TREE": str(question.place.top.absolute())}
    try:
        done = programs.run(
            command,
            cwd=question.root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise GitUnavailable(f"git did not answer within {TIMEOUT_S} s") from error
    if done.returncode not in expected:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitUnavailable(f"git failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done


def environment(git_dir: Path, *outside: Path) -> dict[str, str]:
    """Nothing is inherited but the parts of PATH outside of these directories. An explicit GIT_DIR needs no
    safe.directory, and keeps git from looking for another."""
    return {
        "PATH": programs.path_variable(*outside),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_DIR": str(git_dir.absolute()),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_SSH_COMMAND": "false",
        "GIT_ASKPASS": "false",
        "GIT_TRACE2": "0",
    }
