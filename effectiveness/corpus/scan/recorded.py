"""What programs under test have written and their tests compare with: told by the input that it belongs to.

A directory of the name alone says little: compilers and accounting programs keep whole tests in `test/baseline/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from effectiveness.corpus.scan.roles import TEST_COMPONENTS

RECORDED = "recorded output"

_EXPECTED = frozenset(b"expected expect golden goldens baseline baselines".split())
_SNAPSHOTS = frozenset(b"snapshots __snapshots__ _snaps".split())  # tools name theirs so
_INPUTS = frozenset(b"input inputs in given source sources original originals actual cases".split())
_STEM = re.compile(rb"(?:test[-_])?([^.]*?)(?:[-_]test)?(?:\..*)?", re.DOTALL | re.IGNORECASE)


def recorded(paths: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the paths that are output: in a directory of snapshots, or of what is expected of an input.

    The input is a file of the same stem elsewhere below the tests, or lies in a directory beside that is named for it.

    >>> tests = [b"test/in/a.c", b"test/expected/a.s", b"test/expected/b.s"]
    >>> sorted(recorded(tests)), sorted(recorded([b"test/baseline/a.test", b"test/regress/b.test"]))
    ([b'test/expected/a.s', b'test/expected/b.s'], [])
    """
    parts = [(path, path.split(b"/")) for path in paths]
    tests = [(path, names) for path, names in parts if not TEST_COMPONENTS.isdisjoint(names[:-1])]
    stems = {_stem(names[-1]) for _, names in tests if _EXPECTED.isdisjoint(names[:-1])}
    directories = {b"/".join(names[:n]) for _, names in tests for n in range(1, len(names))}
    return frozenset(
        path
        for path, names in tests
        if not _SNAPSHOTS.isdisjoint(names[:-1])
        or (not _EXPECTED.isdisjoint(names[:-1]) and _has_input(names, stems, directories))
    )


def _has_input(names: list[bytes], stems: set[bytes], directories: set[bytes]) -> bool:
    if _stem(names[-1]) in stems:
        return True
    at = next(n for n, name in enumerate(names) if name in _EXPECTED)
    return any(b"/".join((*names[:at], name)) in directories for name in _INPUTS)


def _stem(name: bytes) -> bytes:
    found = _STEM.fullmatch(name)
    return found[1].lower() if found else name
