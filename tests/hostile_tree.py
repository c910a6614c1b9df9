"""A seeded generator of hostile trees that knows what a scan must find in them.

A tree is composed of pieces. Each piece plants something and says how many entries it added (a directory that must
not be walked is one), which files must be kept, and which reasons must be counted. So the tests need no second
walker to compare with.
"""

from __future__ import annotations

import os
import random
import stat
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MARKER = b"MARKER-FROM-OUTSIDE"  # stands in every file outside the root; must never be in a spool
LINK = "symbolic link"
SPECIAL = "FIFO, socket or device"
NOT_TEXT = "not UTF-8 text"
BINARY = "binary (NUL in the first 8 kB)"
IGNORED = "ignored by .gitignore"


@dataclass
class Plan:
    """What was planted so far, and what a scan must report."""

    root: bytes
    outside: Path
    rng: random.Random
    kept: set[bytes] = field(default_factory=set)
    reasons: Counter = field(default_factory=Counter)
    on_listed: list[Callable[[], None]] = field(default_factory=list)  # to do between listing and reading

    @property
    def num_entries(self) -> int:
        return len(self.kept) + sum(self.reasons.values())

    def path(self, relative: bytes) -> bytes:
        return os.path.join(self.root, relative)

    def keep(self, relative: bytes, data: bytes | None = None) -> None:
        """Plant a file that must be read."""
        words = " ".join(f"name_{self.rng.randrange(1000)}" for _ in range(5))
        self._write(relative, f"# {words}\nvalue = 1\n".encode() if data is None else data)
        self.kept.add(relative)

    def leave(self, relative: bytes, data: bytes, reason: str) -> None:
        """Plant a file that must be left out for `reason`."""
        self._write(relative, data)
        self.reasons[reason] += 1

    def hide(self, relative: bytes, data: bytes = b"value = 1\n") -> None:
        """Plant a file in a directory that must not be walked."""
        self._write(relative, data)

    def _write(self, relative: bytes, data: bytes) -> None:
        os.makedirs(os.path.dirname(self.path(relative)), exist_ok=True)
        with open(self.path(relative), "wb") as file:
            file.write(data)


def plant_links(plan: Plan, at: bytes) -> None:
    os.makedirs(plan.path(at))
    outside = os.fsencode(plan.outside)
    targets = (
        outside + b"/secret.py",
        outside,
        b"/etc/passwd",
        b".",
        b"..",
        b"nowhere.py",
        b"self.py",
        b"/proc/self/mem",
    )
    for number, target in enumerate(targets):
        name = b"self.py" if target == b"self.py" else b"link%d.py" % number
        os.symlink(target, plan.path(at + b"/" + name))
        plan.reasons[LINK] += 1


def plant_specials(plan: Plan, at: bytes) -> None:
    os.makedirs(plan.path(at))
    os.mkfifo(plan.path(at + b"/fifo.py"))
    os.mknod(plan.path(at + b"/socket.py"), stat.S_IFSOCK | 0o600)
    plan.reasons[SPECIAL] += 2
    try:
        os.mknod(plan.path(at + b"/zero.py"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        return  # devices need privileges; the other two stand for them
    plan.reasons[SPECIAL] += 1


def plant_huge(plan: Plan, at: bytes) -> None:
    plan.leave(at + b"/sparse.py", b"", "too large (over 16 MB)")
    os.truncate(plan.path(at + b"/sparse.py"), 1 << 40)
    plan.leave(at + b"/zeros.c", b"", BINARY)
    os.truncate(plan.path(at + b"/zeros.c"), 1 << 20)
    plan.leave(at + b"/minified.js", b"var a=1;" * (1 << 17), "minified: lines over 1000 characters")
    plan.leave(at + b"/nothing.py", b"", "empty")
    plan.leave(at + b"/blank.py", b" \n\t\n", "empty (white space only)")


def plant_deep(plan: Plan, at: bytes) -> None:
    """1,500 directories, made step by step: the path is too long for one call in some places."""
    os.makedirs(plan.path(at))
    here = os.open(plan.path(at), os.O_DIRECTORY)
    relative = at
    for level in range(1500):
        os.mkdir(b"d", dir_fd=here)
        below = os.open(b"d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here, relative = below, relative + b"/d"
        if level % 400 == 399 or level == 1499:
            file = os.open(b"deep.py", os.O_WRONLY | os.O_CREAT, dir_fd=here)
            os.write(file, b"value = %d\n" % level)
            os.close(file)
            plan.kept.add(relative + b"/deep.py")
    os.close(here)


def plant_names(plan: Plan, at: bytes) -> None:
    names = (
        *(b"new\nline.py", b"escape\x1b[31m.py", b"byte\xff.py", b"-rf.py", b"--version.py", b"back\\slash.py"),
        *(b"back\\x0a.py", b"a b.py", b" .py", b"quote\".py", b"star*.py", b"caf\xc3\xa9.py", b"cafe\xcc\x81.py"),
        *(b"<|endoftext|>.py", b"$(touch x).py", b"x" * 252 + b".py", b"\xe2\x80\xae.py", b"#.py", b"!.py", b"[a].py"),
    )  # fmt: skip
    for name in names:
        plan.keep(at + b"/" + name)
        plan.keep(at + b"/dir_" + name[:200] + b"/" + name)


def plant_encodings(plan: Plan, at: bytes) -> None:
    latin = "größe = 'é'\n".encode("latin-1")
    plan.keep(at + b"/mark.py", b"\xef\xbb\xbfvalue = 1\n")
    plan.keep(at + b"/wide.py", "größe = 1\n".encode("utf-16"))
    plan.keep(at + b"/wider.py", "größe = 1\n".encode("utf-32"))
    plan.keep(at + b"/cookie.py", b"# -*- coding: latin-1 -*-\n" + latin)
    plan.keep(at + b"/crlf.py", b"a = 1\r\nb = 2\r\n")
    plan.keep(at + b"/cr.py", b"a = 1\rb = 2\r")
    plan.keep(at + b"/late_nul.py", b"a = 1\n" * 2000 + b"\0\n")
    plan.leave(at + b"/latin.py", latin, NOT_TEXT)
    plan.leave(at + b"/cut.py", "é".encode()[:1], NOT_TEXT)
    plan.leave(at + b"/surrogate.py", b"a = '\xed\xa0\x80'\n", NOT_TEXT)
    plan.leave(at + b"/overlong.py", b"a = '\xc0\xaf'\n", NOT_TEXT)
    plan.leave(at + b"/strange.py", b"# coding: unicode_escape\n\xff\n", NOT_TEXT)
    plan.leave(at + b"/unknown.py", b"# coding: klingon\n\xff\n", NOT_TEXT)
    plan.leave(at + b"/lies.py", b"# coding: euc-jp\n\xff\xff\n", "not EUC_JP text, though it says so")
    plan.leave(at + b"/nul.py", b"a\0b\n", BINARY)
    plan.leave(at + b"/half_wide.py", b"\xff\xfea", "not UTF-16 text, though it says so")
    plan.leave(at + b"/data.bin", bytes(range(256)), BINARY)
    plan.keep(at + b"/README", b"words\n")
    plan.leave(at + b"/sheet.csv", b"a,b\n1,2\n", "data table")


def plant_left_out_directories(plan: Plan, at: bytes) -> None:
    for name, reason in (
        (b"node_modules", "installed packages (node_modules)"),
        (b"third_party", "vendored (third_party/)"),
        (b"__pycache__", "tool cache"),
        (b".hg", "hg metadata"),
    ):
        plan.hide(at + b"/" + name + b"/sub/hidden.py")
        plan.reasons[reason] += 1
    plan.hide(at + b"/env/pyvenv.cfg")
    plan.hide(at + b"/env/lib/hidden.py")
    plan.reasons["virtual environment"] += 1
    plan.keep(at + b"/vendor/own.py")  # a directory that only sounds like it
    plan.leave(at + b"/Cargo.lock", b"[[package]]\n", "lock file")


def plant_ignored(plan: Plan, at: bytes) -> None:
    rules = b"*.log.py\nbuild/\n!build/keep.py\n!kept.log.py\n/only_here.py\n\\#odd.py\ntrail.py   \n"
    plan.keep(at + b"/.gitignore", rules)
    for name in (b"a.log.py", b"sub/b.log.py", b"only_here.py", b"#odd.py", b"trail.py"):
        plan.leave(at + b"/" + name, b"value = 1\n", IGNORED)
    plan.keep(at + b"/kept.log.py")
    plan.keep(at + b"/sub/only_here.py")
    plan.hide(at + b"/build/keep.py")
    plan.reasons[IGNORED] += 1


def plant_nested_repository(plan: Plan, at: bytes) -> None:
    plan.hide(at + b"/nested/inside.py")
    run_git(plan.path(at + b"/nested"), "init", "-q")
    plan.hide(at + b"/linked/inside.py")
    plan.hide(at + b"/linked/.git", b"gitdir: " + plan.path(at + b"/nested/.git") + b"\n")
    plan.reasons["nested git repository"] += 2
    plan.keep(at + b"/not_nested/inside.py")
    os.mkdir(plan.path(at + b"/not_nested/.git"))  # without a HEAD it is no repository
    plan.reasons["git metadata"] += 1


def plant_races(plan: Plan, at: bytes) -> None:
    """Files that are there when the tree is listed and something else when they are read."""
    outside = os.fsencode(plan.outside)

    def plant(name: bytes, reason: str, happen: Callable[[bytes], None]) -> None:
        plan.leave(at + b"/" + name, b"value = 1\n", reason)
        plan.on_listed.append(lambda: happen(plan.path(at + b"/" + name)))

    def become_link(path: bytes) -> None:
        os.unlink(path)
        os.symlink(outside + b"/secret.py", path)

    def parent_becomes_link(path: bytes) -> None:
        parent = os.path.dirname(path)
        os.rename(parent, parent + b".away")
        os.symlink(outside, parent)

    def become_fifo(path: bytes) -> None:
        os.unlink(path)
        os.mkfifo(path)

    plant(b"vanishes.py", "vanished while scanning", os.unlink)
    plant(b"links.py", "replaced while scanning", become_link)
    plant(b"parent/secret.py", "replaced while scanning", parent_becomes_link)
    plant(b"fifo.py", SPECIAL, become_fifo)
    plant(b"directory.py", SPECIAL, lambda path: (os.unlink(path), os.mkdir(path)))
    plant(b"grows.py", "changed while read", lambda path: os.truncate(path, 17 << 20))
    plan.keep(at + b"/mended.py")
    plan.on_listed.append(
        lambda: Path(os.fsdecode(plan.path(at + b"/mended.py"))).write_bytes(b"value = 22\n")
    )


PIECES = (
    plant_links,
    plant_specials,
    plant_huge,
    plant_deep,
    plant_names,
    plant_encodings,
    plant_left_out_directories,
    plant_ignored,
    plant_nested_repository,
    plant_races,
)
KINDS = ("plain", "git", "hostile git", "work tree")


def pieces_of(seed: int) -> list[Callable[[Plan, bytes], None]]:
    """Which pieces the tree of a seed is made of, in planting order."""
    rng = random.Random(f"pieces of {seed}")
    return rng.sample(PIECES, k=rng.randint(4, 7))


def plant_tree(root: Path, outside: Path, seed: int) -> Plan:
    """Make a tree at `root` and things it must not reach at `outside`."""
    rng = random.Random(seed)
    root.mkdir(parents=True)
    outside.mkdir(parents=True)
    (outside / "secret.py").write_bytes(b"# " + MARKER + b"\n")
    plan = Plan(os.fsencode(root), outside, rng)
    for number, piece in enumerate(pieces_of(seed)):
        piece(plan, rng.choice((b"p%d", b"src/p%d", b"a/b/c/p%d", b"tests/p%d")) % number)
    for number in range(rng.randrange(20)):
        plan.keep(b"plain/%d.py" % number)
    KIND_MAKERS[KINDS[seed % len(KINDS)]](plan)
    return plan


def make_git(plan: Plan) -> None:
    run_git(plan.root, "init", "-q")
    plan.reasons["git metadata"] += 1


def make_work_tree(plan: Plan) -> None:
    """The root becomes a linked work tree of a repository outside."""
    main = plan.outside / "main"
    run_git(plan.outside, "init", "-q", "main")
    (main / "secret.py").write_bytes(MARKER)
    run_git(main, "add", "secret.py")
    run_git(main, "commit", "-q", "-m", "first")
    run_git(main, "worktree", "add", "-q", "--detach", "--no-checkout", plan.outside / "linked")
    os.rename(plan.outside / "linked" / ".git", plan.path(b".git"))
    plan.reasons["git metadata"] += 1


def make_hostile_git(plan: Plan) -> None:
    """A repository whose configuration, hooks and index ask git to run things and to look elsewhere."""
    make_git(plan)
    canary = plan.outside / "canary.sh"
    canary.write_text(f"#!/bin/sh\ntouch {plan.outside}/RAN\necho x\n")
    canary.chmod(0o755)
    git = Path(os.fsdecode(plan.path(b".git")))
    (plan.outside / "included").write_text(f"[core]\n\tfsmonitor = {canary}\n")
    (git / "config").write_text(hostile_config(canary, plan.outside))
    (git / "hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc", "reference-transaction"):
        (git / "hooks" / hook).write_bytes(canary.read_bytes())
        (git / "hooks" / hook).chmod(0o755)
    (git / "objects" / "info" / "alternates").write_text(f"{plan.outside}\n/dev/zero\n")
    plan.keep(b".gitattributes", b"* filter=evil diff=evil merge=evil text ident export-subst\n")


def hostile_config(canary: Path, outside: Path) -> str:
    """Every setting that names a program, and some that name other places."""
    programs = (
        *("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.gitProxy"),
        *("core.alternateRefsCommand", "diff.external", "diff.evil.textconv", "diff.evil.command"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "merge.evil.driver"),
        *("credential.helper", "gpg.program", "pager.ls-files", "alias.ls-files", "alias.check-ignore"),
        *("remote.origin.uploadpack", "uploadpack.packObjectsHook", "trace2.eventTarget", "sequence.editor"),
    )
    lines = ["[core]\n\trepositoryformatversion = 1\n\tbare = false"]
    for setting in programs:
        section, _, key = setting.rpartition(".")
        head, _, sub = section.partition(".")
        lines.append(f'[{head} "{sub}"]' if sub else f"[{head}]")
        lines.append(f"\t{key} = {'!' if head in ('alias', 'credential') else ''}{canary}")
    lines.append(
        f"[core]\n\tworktree = {outside}\n\thooksPath = {outside}\n\texcludesFile = {outside}/secret.py"
    )
    lines.append(f"\tattributesFile = {outside}/secret.py\n\tuntrackedCache = true\n\tsplitIndex = true")
    lines.append(
        '[remote "origin"]\n\turl = ext::sh -c "touch RAN"\n\tpromisor = true\n\tpartialclonefilter = x'
    )
    lines.append('[protocol "ext"]\n\tallow = always\n[extensions]\n\tpartialClone = origin')
    lines.append(f"[include]\n\tpath = {outside}/included\n")
    return "\n".join(lines)


KIND_MAKERS: dict[str, Callable[[Plan], None]] = {
    "plain": lambda plan: None,
    "git": make_git,
    "hostile git": make_hostile_git,
    "work tree": make_work_tree,
}


def run_git(directory: bytes | Path, *arguments: str | Path) -> None:
    """Git for the tests' own repositories, deaf to the machine's configuration."""
    subprocess.run(
        [
            "git",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
            *arguments,
        ],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        check=True,
        capture_output=True,
    )


def remove_tree(directory: Path) -> None:
    """`shutil.rmtree` hits the recursion limit in a deep tree."""
    subprocess.run(["rm", "-rf", "--", directory], check=True)
