"""The role of a file: "core", "test" or "util", by whole path components and never by substrings.

`latest.rs`, `attestation.rs` and `chain_spec.rs` are not tests, `score/` is not core.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from effectiveness.corpus.scan.globs import compile_glob, covers

CORE_COMPONENTS = frozenset({b"src", b"crates", b"lib", b"pkg", b"internal", b"core"})
TEST_COMPONENTS = frozenset({b"test", b"tests", b"spec", b"specs", b"__tests__", b"testdata"})
_TEST_NAME = re.compile(
    rb"test_.*\.py|.*_test\.(?:py|go|rs)|.*\.(?:test|spec)\.[^.]+|.*Test\.java|conftest\.py", re.DOTALL
)


class Roles:
    """Decides roles for one repository.

    core_globs, test_globs: patterns as in a .gitignore; a pattern that matches a directory covers what is in it.
    packages: names of the directories at the root that hold an `__init__.py`.
    """

    def __init__(self, core_globs: Iterable[str], test_globs: Iterable[str], packages: frozenset[bytes]):
        self._core = [compile_glob(glob.encode("utf-8", "surrogateescape")) for glob in core_globs]
        self._test = [compile_glob(glob.encode("utf-8", "surrogateescape")) for glob in test_globs]
        self._packages = packages

    def role_of(self, path: bytes, *, is_documentation: bool = False) -> str:
        """The role; the flags win over the names, and test wins over core, which documentation never is by its name.

        >>> roles = Roles((), (), frozenset())
        >>> [roles.role_of(path) for path in (b"src/latest.rs", b"src/tests/a.rs", b"score/a.rs")]
        ['core', 'test', 'util']
        """
        if covers(self._test, path):
            return "test"
        if covers(self._core, path):
            return "core"
        *directories, name = path.split(b"/")
        if not TEST_COMPONENTS.isdisjoint(directories) or _TEST_NAME.fullmatch(name):
            return "test"
        if is_documentation:
            return "util"
        if not CORE_COMPONENTS.isdisjoint(directories) or (directories and directories[0] in self._packages):
            return "core"
        return "util"
