"""Objects of a foreign repository, read by a git that never sees that repository.

Almost every git command that reads history can be made to run programs by the repository's configuration or
attributes (textconv, filters, external diffs, fetching missing objects ...). So it is read through an empty bare
repository of our own that borrows the object store, by one command, `git cat-file --batch`, asked for objects by
their full names. No configuration, ref, hook, graft, replacement, attribute or commit-graph file of the foreign
repository is in sight; what is missing there is missing, and never fetched.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from effectiveness.common import programs
from effectiveness.common.durable import write_all
from effectiveness.common.programs import find_program
from effectiveness.common.records import UserError
from effectiveness.corpus.scan.gitfiles import NO_GIT, SWITCHED_OFF, environment, furnish
from effectiveness.corpus.scan.gitplace import GitPlace

TIMEOUT_S = 20  # without a byte of an answer: an object that is a FIFO makes git wait for ever
MAX_OBJECT_BYTES = 64 << 20  # of a commit or a directory; git itself suffers long before
OBJECT_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_BATCH = 128  # requests in flight: 8 KB at most, which every pipe holds while git waits for us to read
_READ_BYTES = 1 << 20
_NOT_USED = ("core.commitGraph=false", "core.multiPackIndex=false", "pack.useBitmaps=false")


class Found(NamedTuple):
    """An object. `content` is None where it is longer than was asked for."""

    kind: str  # "commit" | "tree" | "blob" | "tag"
    num_bytes: int
    content: bytes | None


class CleanRoom:
    """An empty repository at `directory` with the objects of `place`; git runs as long as the `with` block.

    `hash_length` is that of its object names: 40, or 64 in a repository of SHA-256. Leave the block before other
    processes are forked: they would hold git's pipes open.
    """

    def __init__(self, place: GitPlace, directory: Path, hash_length: int):
        self._place, self._directory, self._hash_length = place, directory, hash_length
        self._buffer = bytearray()
        self._git: subprocess.Popen[bytes]  # these three while the block runs
        self._requests: IO[bytes]
        self._answers: IO[bytes]

    def __enter__(self) -> CleanRoom:
        git = find_program("git", self._place.top)
        if git is None:
            raise UserError(
                f"{self._place.top}: commits are read with git, and there is {NO_GIT}; install it"
            )
        furnish(self._directory, self._place.common_dir / "objects", self._hash_length)
        options = [part for setting in (*SWITCHED_OFF, *_NOT_USED) for part in ("-c", setting)]
        env = environment(self._directory, self._place.top)
        with open(self._directory / "stderr", "wb") as stderr:
            self._git = programs.start(
                [git, "--no-pager", *options, "cat-file", "--batch"],
                cwd=self._directory, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0,
            )  # fmt: skip
        assert self._git.stdin is not None and self._git.stdout is not None
        self._requests, self._answers = self._git.stdin, self._git.stdout
        return self

    def __exit__(self, *_: object) -> None:
        self._git.kill()  # it owns nothing: there is nothing to finish
        self._requests.close()
        self._answers.close()
        self._git.wait()

    def read(self, name: str, kind: str) -> bytes | None:
        """The content of one commit or tree, None where the repository lacks it. Raises UserError."""
        [found] = self.read_each([name], MAX_OBJECT_BYTES)
        if found is not None and (found.kind != kind or found.content is None):
            raise self._damaged(f"object {name} should be a {kind} of sensible size, but is a {found.kind}")
        return found and found.content

    def read_each(self, names: Iterable[str], max_bytes: int) -> Iterator[Found | None]:
        """The objects in order, None for what is missing. Raises UserError when git fails or stops answering."""
        names = list(names)
        for first in range(0, len(names), _BATCH):
            batch = names[first : first + _BATCH]
            self._ask(batch)
            for _ in batch:
                yield self._answer(max_bytes)

    def _ask(self, names: list[str]) -> None:
        if wrong := [name for name in names if not OBJECT_NAME.fullmatch(name)]:
            raise self._damaged(f"{wrong[0]!r:.80} is no object name")
        try:
            write_all(self._requests.fileno(), "".join(f"{name}\n" for name in names).encode())
        except BrokenPipeError:
            raise self._damaged(self._last_words()) from None

    def _answer(self, max_bytes: int) -> Found | None:
        words = self._line().split(b" ")
        if words[-1] == b"missing":
            return None
        if len(words) != 3 or not words[2].isdigit():
            raise self._damaged(self._last_words())
        num_bytes = int(words[2])
        content = None
        if num_bytes <= max_bytes:
            content = self._take(num_bytes)
        else:
            self._skip(num_bytes)
        self._skip(1)  # the newline after the content
        return Found(words[1].decode(), num_bytes, content)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _take(self, num_bytes: int) -> bytes:
        while len(self._buffer) < num_bytes:
            self._fill()
        content = bytes(self._buffer[:num_bytes])
        del self._buffer[:num_bytes]
        return content

    def _skip(self, num_bytes: int) -> None:
        while num_bytes > len(self._buffer):
            num_bytes -= len(self._buffer)
            self._buffer.clear()
            self._fill()
        del self._buffer[:num_bytes]

    def _fill(self) -> None:
        descriptor = self._answers.fileno()
        ready, _, _ = select.select([descriptor], [], [], TIMEOUT_S)
        if not ready:
            raise self._damaged(f"git did not answer within {TIMEOUT_S} s")
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            raise self._damaged(self._last_words())
        self._buffer += data

    def _last_words(self) -> str:
        lines = (self._directory / "stderr").read_text("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "git ended without a word")[:300]

    def _damaged(self, what: str) -> UserError:
        top = self._place.top
        return UserError(f"{top}: its history cannot be read ({what}); look with: git -C {top} fsck")
