"""Git's glob patterns: one matcher for .gitignore (where there is no git), .gitattributes and the role flags.

A pattern is matched component by component and star by star, so the time is at most pattern x path; the usual
translation into one backtracking regex needs minutes for `*a*a*a*a*a*a*b` against a name of 250 "a".
Semantics: gitignore(5), gitattributes(5) and git's wildmatch.c; held against `git check-ignore` by a test.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

DOUBLE_STAR = None  # "**" standing alone between slashes: any number of directories
NEVER = b"(?!)"
_CLASSES = {
    b"alpha": b"a-zA-Z",
    b"digit": b"0-9",
    b"alnum": b"a-zA-Z0-9",
    b"upper": b"A-Z",
    b"lower": b"a-z",
    b"space": rb"\s",
    b"xdigit": b"0-9a-fA-F",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"graph": rb"!-~",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
}


class Glob(NamedTuple):
    """One compiled pattern. `components` are regexes for whole path components, or DOUBLE_STAR."""

    components: tuple[re.Pattern[bytes] | None, ...]
    anchored: bool  # to the directory of its file; else it matches the last component of a path
    only_directories: bool


def compile_glob(pattern: bytes) -> Glob:
    r"""Compile one line of a .gitignore, without its "!".

    >>> glob_matches(compile_glob(b"/src/**/gen_*.rs"), b"src/a/b/gen_x.rs", is_directory=False)
    True
    """
    only_directories = pattern.endswith(b"/")
    body = pattern.rstrip(b"/") if only_directories else pattern
    anchored = b"/" in body
    parts = _split(body.removeprefix(b"/")) if anchored else [body]
    components = tuple(DOUBLE_STAR if anchored and part == b"**" else _component(part) for part in parts)
    return Glob(components, anchored, only_directories)


def _split(body: bytes) -> list[bytes]:
    """The components of an anchored pattern: a slash in brackets parts nothing, an escaped one does."""
    parts, position = [b""], 0
    while position < len(body):
        char = body[position : position + 1]
        end = _bracket(body, position)[1] if char == b"[" else position + (2 if char == b"\\" else 1)
        if body[position:end] in (b"/", b"\\/"):
            parts.append(b"")
        else:
            parts[-1] += body[position:end]
        position = end
    return parts


def glob_matches(glob: Glob, path: bytes, *, is_directory: bool) -> bool:
    """Whether the path (relative to the pattern's directory) itself matches; not what lies beneath it."""
    if glob.only_directories and not is_directory:
        return False
    if not glob.anchored:
        last = glob.components[0]  # never "**" alone: that is anchored
        return last is not None and last.fullmatch(path.rpartition(b"/")[2]) is not None
    return _match_components(glob.components, path.split(b"/"))


def covers(globs: list[Glob], path: bytes, *, is_directory: bool = False) -> bool:
    """Whether a pattern matches the path or one of the directories it lies in."""
    if not globs:
        return False
    ends = [position for position, byte in enumerate(path) if byte == 0x2F]
    return any(
        glob_matches(glob, path, is_directory=is_directory)
        or any(glob_matches(glob, path[:end], is_directory=True) for end in ends)
        for glob in globs
    )


def _match_components(pattern: tuple[re.Pattern[bytes] | None, ...], parts: list[bytes]) -> bool:
    """Greedy match with one step back to the latest "**": it can take over from all earlier ones."""
    at = part = 0
    star, star_part = -1, 0
    while part < len(parts):
        if at < len(pattern) and pattern[at] is DOUBLE_STAR:
            star, star_part, at = at, part, at + 1
            if at == len(pattern):  # a trailing "/**" is everything inside
                return True
        elif at < len(pattern) and (one := pattern[at]) is not None and one.fullmatch(parts[part]):
            at, part = at + 1, part + 1
        elif star >= 0:
            star_part += 1
            at, part = star + 1, star_part
        else:
            return False
    return at == len(pattern)


@lru_cache(maxsize=4096)
def _component(pattern: bytes) -> re.Pattern[bytes]:
    """A regex for one component. Stretches between stars have a fixed length, so the leftmost match of each
    is as good as any other: atomic groups never come back to it."""
    first, *rest = _stretches(pattern)
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = b"".join(b"(?>.*?" + stretch + b")" for stretch in rest[:-1] if stretch)
    return re.compile(first + middle + b".*" + rest[-1], re.DOTALL)


def _stretches(pattern: bytes) -> list[bytes]:
    """The regexes between the stars of one component."""
    stretches, position = [b""], 0
    while position < len(pattern):
        char = pattern[position : position + 1]
        if char == b"*":
            stretches.append(b"")
            position += 1
            continue
        if char == b"[":
            regex, position = _bracket(pattern, position)
        elif char == b"\\":
            escaped = pattern[position + 1 : position + 2]
            regex, position = re.escape(escaped) if escaped else NEVER, position + 2
        else:
            regex, position = (b"." if char == b"?" else re.escape(char)), position + 1
        stretches[-1] += regex
    return stretches


def _bracket(pattern: bytes, start: int) -> tuple[bytes, int]:
    """The regex of the bracket expression at `start` and where it ends. Never closed, it matches nothing."""
    position = start + 1
    negated = pattern[position : position + 1] in (b"!", b"^")
    position += negated
    first, body = position, b""
    while position < len(pattern):
        if pattern[position : position + 1] == b"]" and position > first:
            if not body:  # an unknown class alone
                return b"." if negated else NEVER, position + 1
            return b"[" + (b"^" if negated else b"") + body + b"]", position + 1
        member, position = _member(pattern, position)
        body += member
    return NEVER, len(pattern)


def _member(pattern: bytes, position: int) -> tuple[bytes, int]:
    """One member of a bracket expression: a class, a range or a character."""
    if pattern.startswith(b"[:", position):
        end = pattern.find(b":]", position)
        if end >= 0:
            return _CLASSES.get(pattern[position + 2 : end], b""), end + 2
    low, position = _literal(pattern, position)
    if pattern[position : position + 1] == b"-" and pattern[position + 1 : position + 2] not in (b"", b"]"):
        high, position = _literal(pattern, position + 1)
        return re.escape(low) + (
            b"-" + re.escape(high) if low <= high else b""
        ), position  # git: `[b-a]` is b
    return re.escape(low), position


def _literal(pattern: bytes, position: int) -> tuple[bytes, int]:
    if pattern[position : position + 1] == b"\\" and position + 1 < len(pattern):
        position += 1
    return pattern[position : position + 1], position + 1
