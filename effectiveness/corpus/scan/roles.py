"""The role of a file: "core", "test" or "util", by whole path components and never by substrings.

`latest.rs`, `attestation.rs` and `chain_spec.rs` are not tests, `score/` is not core.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from effectiveness.corpus.scan.globs import compile_glob, covers

# Of path components, in any case: Swift and C# write Sources/, Tests/, Src/.
CORE_COMPONENTS = frozenset({b"src", b"crates", b"lib", b"pkg", b"internal", b"core"})
TEST_COMPONENTS = frozenset({b"test", b"tests", b"spec", b"specs", b"__tests__", b"testdata"})
SOURCES = frozenset({b"Source", b"Sources"})  # source/ in small letters is often documentation's
# Projects of C#, Swift and Kotlin that hold tests: Dapper.Tests, ParsingTests, androidTest.
_TEST_PROJECT = re.compile(rb".*[a-z0-9.]Tests?", re.DOTALL)
_TEST_NAME = re.compile(
    rb"test_.*\.py|tests\.py|conftest\.py|.*_test\.(?:py|go|rs|rb|exs|dart)|.*_spec\.rb|.*\.(?:test|spec)\.[^.]+"
    rb"|.*Tests?\.(?:java|kt|scala|groovy|swift|cs|fs|vb|php)|.*Spec\.(?:hs|scala|groovy)",
    re.DOTALL,
)


def _is_test(directories: list[bytes], name: bytes) -> bool:
    return (
        any(part.lower() in TEST_COMPONENTS or _TEST_PROJECT.fullmatch(part) for part in directories)
        or _TEST_NAME.fullmatch(name) is not None
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
        if _is_test(directories, name):
            return "test"
        if is_documentation:
            return "util"
        if any(part.lower() in CORE_COMPONENTS or part in SOURCES for part in directories):
            return "core"
        if directories and directories[0] in self._packages:
            return "core"
        return "util"
