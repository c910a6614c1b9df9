"""Objects of a foreign repository, read by a git that never sees that repository.

Almost every git command that reads history can be made to run programs by the repository's configuration or
attributes (textconv, filters, external diffs, fetching missing objects ...). So it is read through an empty bare
repository of our own that borrows the object store, by one command, `git cat-file --batch`, asked for objects by
their full names. No configuration, ref, hook, graft, replacement, attribute or commit-graph file of the foreign
repository is in sight; what is missing there is missing, and never fetched.
"""

from __future__ import annotations

import io
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


class _InTime(io.RawIOBase):
    """What git answers. Raises TimeoutError where nothing comes."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not select.select([self._answers], [], [], TIMEOUT_S)[0]:
            raise TimeoutError(f"git did not answer within {TIMEOUT_S} s")
        return os.readv(self._answers.fileno(), [buffer])

    def close(self) -> None:
        self._answers.close()
        super().close()


class CleanRoom:
    """An empty repository at `directory` with the objects of `place`; git runs as long as the `with` block.

    `hash_length` is that of its object names: 40, or 64 in a repository of SHA-256. Leave the block before other
    processes are forked: they would hold git's pipes open.
    """

    def __init__(self, place: GitPlace, directory: Path, hash_length: int):
        self._place, self._directory, self._hash_length = place, directory, hash_length
        self._git: subprocess.Popen[bytes]  # these three while the block runs
        self._requests: IO[bytes]
        self._answers: io.BufferedReader

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
        self._requests = self._git.stdin
        self._answers = io.BufferedReader(_InTime(self._git.stdout), _READ_BYTES)
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
                try:
                    answer = self._answer(max_bytes)
                except TimeoutError as error:
                    raise self._damaged(str(error)) from None
                yield answer

    def _ask(self, names: list[str]) -> None:
        if wrong := [name for name in names if not OBJECT_NAME.fullmatch(name)]:
            raise self._damaged(f"{wrong[0]!r:.80} is no object name")
        try:
            write_all(self._requests.fileno(), "".join(f"{name}\n" for name in names).encode())
        except BrokenPipeError:
            raise self._damaged(self._last_words()) from None

    def _answer(self, max_bytes: int) -> Found | None:
        words = self._answers.readline().removesuffix(b"\n").split(b" ")
        if words[-1] == b"missing":
            return None
        if len(words) != 3 or not words[2].isdigit():
            raise self._damaged(self._last_words())
        num_bytes = int(words[2])
        content = self._take(num_bytes) if num_bytes <= max_bytes else None
        left = 0 if content is not None else num_bytes
        while left:
            left -= len(self._take(min(left, _READ_BYTES)))
        self._take(1)  # the newline after the content
        return Found(words[1].decode(), num_bytes, content)

    def _take(self, num_bytes: int) -> bytes:
        data = self._answers.read(num_bytes)
        if len(data) < num_bytes:
            raise self._damaged(self._last_words())
        return data

    def _last_words(self) -> str:
        lines = (self._directory / "stderr").read_text("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "git ended without a word")[:300]

    def _damaged(self, what: str) -> UserError:
        top = self._place.top
        return UserError(f"{top}: its history cannot be read ({what}); look with: git -C {top} fsck")
