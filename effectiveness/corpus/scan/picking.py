"""What the flags `--include` and `--exclude` say of a path: patterns as in a .gitignore, the last that matches decides.

A pattern that matches a directory covers what is in it. Of a directory that a rule leaves out only what is asked for
is read: `vendor/` and `/vendor/mine/*.c` open it, `*.c` does not.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from typing import NamedTuple

from effectiveness.common.boundary import printable
from effectiveness.corpus.scan.globs import DOUBLE_STAR, Glob, compile_glob, covers


class Pattern(NamedTuple):
    """One flag's value."""

    words: str  # flag and value, as a shell reads them
    glob: Glob
    takes_back: bool  # it began with "!"


class Picks:
    """Decides for one repository."""

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()):
        self._include = _compile("--include", include)
        self._exclude = _compile("--exclude", exclude)
        self._met: set[str] = set()

    def excludes(self, path: bytes, *, is_directory: bool) -> bool:
        """Whether `--exclude` leaves the path out, or a directory that it lies in."""
        return self._last_says(self._exclude, path, is_directory)

    def includes(self, path: bytes, *, is_directory: bool = False) -> bool:
        """Whether `--include` asks for the path, or for a directory that it lies in.

        >>> picks = Picks(["*.csv", "!big.csv", "/data/"])
        >>> [picks.includes(path) for path in (b"a/x.csv", b"a/big.csv", b"data/x.bin", b"x.py")]
        [True, False, True, False]
        """
        return self._last_says(self._include, path, is_directory)

    def lead_into(self, directory: bytes) -> bool:
        """Whether `--include` names the directory, or by its whole way something in it."""
        parts = directory.split(b"/")
        return self.includes(directory, is_directory=True) or any(
            _leads_into(pattern.glob, parts) for pattern in self._include if not pattern.takes_back
        )

    def unmet(self) -> tuple[str, ...]:
        """The flags whose pattern matched none of the paths that were asked for, as they were typed.

        >>> picks = Picks(["*.csv", "./data/"], ["docs/"])
        >>> picks.includes(b"data/x.csv"), picks.unmet()
        (True, ('--include ./data/', '--exclude docs/'))
        """
        return tuple(one.words for one in (*self._include, *self._exclude) if one.words not in self._met)

    def _last_says(self, patterns: list[Pattern], path: bytes, is_directory: bool) -> bool:
        matching = [one for one in patterns if covers([one.glob], path, is_directory=is_directory)]
        self._met.update(one.words for one in matching)
        return bool(matching) and not matching[-1].takes_back


def _compile(flag: str, globs: Iterable[str]) -> list[Pattern]:
    patterns = []
    for glob in globs:
        encoded = glob.encode("utf-8", "surrogateescape")
        takes_back = encoded.startswith(b"!")
        words = printable(shlex.join((flag, glob)))
        patterns.append(Pattern(words, compile_glob(encoded[1:] if takes_back else encoded), takes_back))
    return patterns


def unmet(flag: str, globs: Iterable[str], paths: Collection[bytes]) -> tuple[str, ...]:
    """The flags whose pattern covers none of these files, as they were typed."""
    patterns = _compile(flag, globs)
    return tuple(one.words for one in patterns if not any(covers([one.glob], path) for path in paths))


def _leads_into(glob: Glob, parts: list[bytes]) -> bool:
    """Whether the pattern's first components are those of the directory, and more follow."""
    ways = glob.components[: len(parts)]
    return (
        glob.anchored
        and len(glob.components) > len(parts)
        and all(
            way is not DOUBLE_STAR and way.fullmatch(part) is not None
            for way, part in zip(ways, parts, strict=True)
        )
    )
