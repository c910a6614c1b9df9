"""What git knows about a tree, asked without letting anything in that tree run.

A repository's own configuration can name programs (fsmonitor, hooks, filters, ssh, credential helpers ...). Only
`ls-files` and `check-ignore` are called, which run none of them, and whatever could is switched off besides. Git
gives names only: files are opened by our own walk, beneath the root, so a `core.worktree` or `.git` file that
points elsewhere brings nothing in. The commit is read from the files, not by git.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus.paths import escape_path
from corpus.scan.beneath import read_up_to

TIMEOUT_S = 60  # a million files need seconds
_MAX_REF_FILE_BYTES = 16 << 20
SWITCHED_OFF = (
    *("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "core.pager=cat"),
    *("core.excludesFile=/dev/null", "core.attributesFile=/dev/null", "core.sshCommand=false"),
    *("core.alternateRefsCommand=false", "core.askPass=false", "credential.helper=", "protocol.allow=never"),
    *("submodule.recurse=false", "gc.auto=0", "maintenance.auto=false", "trace2.normalTarget=0"),
    *("trace2.perfTarget=0", "trace2.eventTarget=0"),
)
_SHA = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitUnavailable(Exception):
    """Git cannot list this tree; the message says why, for the user."""


class DirectoryIgnored(GitUnavailable):
    """The root is no part of the repository it lies in (a `.venv`, a cloned tree under an ignored directory)."""


class GitPlace(NamedTuple):
    """Where a root lies in a repository."""

    top: Path  # the work tree
    git_dir: Path  # its .git, with a `gitdir:` file followed
    common_dir: Path  # where the refs are; differs in linked work trees


class GitNames(NamedTuple):
    """What git said, relative to the root, without trailing slashes."""

    listed: frozenset[bytes]  # tracked, or untracked and not ignored; submodules too
    nested: frozenset[bytes]  # untracked directories that are repositories of their own
    ignored: frozenset[bytes]  # files, and directories with nothing but ignored files in them
    parents: frozenset[bytes]  # every directory above a listed path


def find_git(root: Path) -> GitPlace | None:
    """The work tree the root lies in, as git would find it; None where there is none."""
    for top in (root, *root.parents):
        if git_dir := _git_dir(top / ".git"):
            return GitPlace(top, git_dir, _common_dir(git_dir))
    return None


def _git_dir(dot_git: Path) -> Path | None:
    if os.path.isdir(dot_git):  # unlike Path.is_dir, False where we may not look
        return dot_git if os.path.isfile(dot_git / "HEAD") else None
    link = _read_small(dot_git)
    if not link.startswith(b"gitdir: "):
        return None
    target = dot_git.parent / os.fsdecode(link[len(b"gitdir: ") :].rstrip(b"\r\n"))
    return target if os.path.isfile(target / "HEAD") else None


def _common_dir(git_dir: Path) -> Path:
    common = _read_small(git_dir / "commondir").rstrip(b"\r\n")
    return git_dir / os.fsdecode(common) if common else git_dir


def _read_small(path: Path) -> bytes:
    """The beginning of a regular file; b"" for anything else, a name that is none included."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return read_up_to(descriptor, _MAX_REF_FILE_BYTES) if regular else b""
    finally:
        os.close(descriptor)


def head_commit(place: GitPlace) -> str:
    """The commit HEAD stands on, read from HEAD, the ref file or packed-refs; "" when there is none yet."""
    head = _read_small(place.git_dir / "HEAD").strip()
    if head.startswith(b"ref: "):
        head = _resolve_ref(place, head[len(b"ref: ") :].strip())
    return head.decode("ascii") if _SHA.fullmatch(head) else ""


def shallow_commits(place: GitPlace) -> frozenset[str]:
    """The commits below which a shallow clone has no history."""
    words = _read_small(place.common_dir / "shallow").split()
    return frozenset(word.decode("ascii") for word in words if _SHA.fullmatch(word))


def _resolve_ref(place: GitPlace, ref: bytes) -> bytes:
    if not ref.startswith(b"refs/") or b".." in ref:
        return b""
    for directory in (place.git_dir, place.common_dir):
        if loose := _read_small(directory / os.fsdecode(ref)).strip():
            return loose
    packed = _read_small(place.common_dir / "packed-refs")
    return next((line[: -len(ref)].strip() for line in packed.split(b"\n") if line.endswith(b" " + ref)), b"")


def git_names(root: Path, place: GitPlace) -> GitNames:
    """Ask git which files are sources and which are ignored. Raises GitUnavailable."""
    if shutil.which("git") is None:
        raise GitUnavailable("git is not installed")
    if blocking := next(_blocking_files(root, place), None):
        raise GitUnavailable(
            f"git would wait for ever on {escape_path(os.fsencode(os.path.relpath(blocking, root)))}"
        )
    if (
        root != place.top
        and _git(root, place, "check-ignore", "-q", "--", ".", expected=(0, 1)).returncode == 0
    ):
        raise DirectoryIgnored("the repository around it ignores this directory")
    listed = _git(root, place, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    ignored = _git(
        root, place, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"
    ).stdout
    return _names(listed.split(b"\0"), ignored.split(b"\0"))


def _blocking_files(root: Path, place: GitPlace) -> Iterator[Path]:
    """Files that `ls-files` would open and never see the end of, though nobody writes to them."""
    above = (top / ".gitignore" for top in (root, *root.parents) if top.is_relative_to(place.top))
    of_git = (place.git_dir / "index", place.common_dir / "config", place.common_dir / "info" / "exclude")
    yield from filter(_is_endless, itertools.chain(of_git, above))
    waiting = [os.fspath(root)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name == ".gitignore" and _is_endless(entry):
                        yield Path(entry.path)
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
    root: Path, place: GitPlace, *arguments: str, expected: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """Run git on this tree with nothing but what is said here. Raises GitUnavailable."""
    options = [part for setting in SWITCHED_OFF for part in ("-c", setting)]
    command = ["git", "--no-pager", "--no-optional-locks", *options, *arguments]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment(place), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise GitUnavailable(f"git did not answer within {TIMEOUT_S} s") from error
    except OSError as error:
        raise GitUnavailable(f"git cannot be started: {error.strerror}") from error
    if done.returncode not in expected:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitUnavailable(f"git failed: {said[-1] if said else f'exit code {done.returncode}'}")
    return done


def environment(place: GitPlace) -> dict[str, str]:
    """Nothing is inherited but PATH. An explicit GIT_DIR needs no safe.directory, and GIT_WORK_TREE overrides
    `core.worktree`."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_DIR": str(place.git_dir.absolute()),
        "GIT_WORK_TREE": str(place.top.absolute()),
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
