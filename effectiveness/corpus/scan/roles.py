"""The role of a file: "core", "test" or "util", by whole path components and never by substrings.

`latest.rs`, `attestation.rs` and `chain_spec.rs` are not tests, `score/` is not core.

An application often has its code in directories that its framework named (app/, pages/, components/), or in one for
each thing it does. Where those names that libraries use hold less than half of the code, the rest of it is core, too,
but for what lies beside an application: docs, examples, scripts, settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from effectiveness.corpus.scan.globs import compile_glob, covers
from effectiveness.languages import OFTEN_DATA, UNKNOWN, language_of
from effectiveness.languages.record import SHARED

# Of path components, in any case: Swift and C# write Sources/, Tests/, Src/.
CORE_COMPONENTS = frozenset({b"src", b"crates", b"lib", b"pkg", b"internal", b"core"})
TEST_COMPONENTS = frozenset({b"test", b"tests", b"spec", b"specs", b"__tests__", b"testdata"})
SOURCES = frozenset({b"Source", b"Sources"})  # source/ in small letters is often documentation's
# What tells of a program, shows, tries, builds, configures or fills it: never its own code by its place alone.
BESIDE = frozenset(
    b"doc docs documentation example examples sample samples demo demos tutorial tutorials script scripts tool tools "
    b"bin build ci config configs contrib website migrations migrate seeders seeds fixtures mocks __mocks__ stubs e2e "
    b"cypress bench benches benchmark benchmarks".split()
)
FEW_CORE = 0.5  # of the files of code in directories
CORE_BY_PLACE = "core: application code outside src/, lib/ and the like"
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
    paths: of all files; whoever names core globs has said what is core.
    """

    def __init__(
        self,
        core_globs: Iterable[str],
        test_globs: Iterable[str],
        packages: frozenset[bytes],
        paths: Iterable[bytes] = (),
    ):
        self._core = [compile_glob(glob.encode("utf-8", "surrogateescape")) for glob in core_globs]
        self._test = [compile_glob(glob.encode("utf-8", "surrogateescape")) for glob in test_globs]
        self._packages = packages
        self._core_by_place = not self._core and self._names_reach_little(paths)

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
        if self._is_core_by_name(directories):
            return "core"
        return "core" if self.is_core_by_place(path) else "util"

    def is_core_by_place(self, path: bytes) -> bool:
        """Whether a file that is no test and no documentation is core though no name says so.

        >>> paths = (b"app/models/user.rb", b"lib/tasks/a.rake", b"app/a.rb", b"config/routes.rb")
        >>> [path for path in paths if Roles((), (), frozenset(), paths).is_core_by_place(path)]
        [b'app/models/user.rb', b'app/a.rb']
        """
        directories = path.split(b"/")[:-1]
        return self._core_by_place and _is_own_code(path) and not self._is_core_by_name(directories)

    def _is_core_by_name(self, directories: list[bytes]) -> bool:
        return any(part.lower() in CORE_COMPONENTS or part in SOURCES for part in directories) or (
            bool(directories) and directories[0] in self._packages
        )

    def _names_reach_little(self, paths: Iterable[bytes]) -> bool:
        own = [path.split(b"/") for path in paths if _is_own_code(path)]
        code = [directories for *directories, name in own if not _is_test(directories, name)]
        return sum(map(self._is_core_by_name, code)) < FEW_CORE * len(code)


def _is_own_code(path: bytes) -> bool:
    """Code in a directory that may hold an application's own."""
    *directories, name = path.split(b"/")
    is_beside = any(part.lower() in BESIDE or part.startswith(b".") for part in directories)
    return bool(directories) and not is_beside and _is_code(b"".join(name.rpartition(b".")[1:]))


@cache
def _is_code(suffix: bytes) -> bool:
    """Whether what ends so is written in a programming language, or is a template; where only texts tell, it is."""
    language = language_of("name" + suffix.decode("utf-8", "replace"))
    if language is None:
        return suffix.decode("utf-8", "replace").lower() in SHARED
    is_data = language.is_data or language.long_lines or language.name in OFTEN_DATA
    return not is_data and language is not UNKNOWN
