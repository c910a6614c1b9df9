"""Roles come from whole path components; flags override names; test wins over core."""

from __future__ import annotations

import pytest

from effectiveness.corpus.scan.roles import Roles

PLAIN = Roles((), (), frozenset({b"engine"}))


@pytest.mark.parametrize(
    "path",
    [
        *("src/main.rs", "crates/core-api/build.rs", "a/lib/x.py", "pkg/x.go", "internal/x.go", "x/core/y.c"),
        *(
            "engine/__init__.py",
            "engine/deep/er.py",
            "src/latest.rs",
            "src/attestation.rs",
            "src/chain_spec.rs",
        ),
        *(
            "SRC/x.c",
            "Src/Serializer.cs",
            "Sources/Parsing/Parser.swift",
            "Source/Latest.swift",
            "src/Attest.cs",
        ),
        *("src/contest.py", "src/testing.py", "src/inspect.rs", "src/test_data.rs", "src/greatest_test.c"),
    ],
)
def test_code_directories_and_top_level_packages_are_core(path):
    assert PLAIN.role_of(path.encode()) == "core"


@pytest.mark.parametrize(
    "path",
    [
        *("tests/x.py", "test/x.py", "spec/x.rb", "specs/x.rb", "src/__tests__/x.js", "pkg/testdata/x.txt"),
        *(
            "src/test_x.py",
            "src/x_test.py",
            "src/x_test.go",
            "src/x_test.rs",
            "src/x.test.ts",
            "src/x.spec.tsx",
        ),
        *("src/FooTest.java", "src/conftest.py", "engine/tests/x.py", "crates/a/tests/src/x.rs"),
        *(
            "Tests/ParsingTests/IntTests.swift",
            "ParsingTests/Helper.swift",
            "src/Dapper.Tests/Helper.cs",
            "app/tests.py",
        ),
        *(
            "app/src/androidTest/java/Rule.kt",
            "src/PlantDaoTest.kt",
            "src/OwnerTests.java",
            "app/UserTest.php",
        ),
        *("lib/a_spec.rb", "lib/a_test.rb", "lib/a_test.exs", "lib/a_test.dart", "src/ParserSpec.hs"),
    ],
)
def test_tests_are_tests_even_in_code_directories(path):
    assert PLAIN.role_of(path.encode()) == "test"


@pytest.mark.parametrize(
    "path",
    [
        *("latest.rs", "attestation.rs", "chain_spec.rs", "score/x.py", "srcs/x.py", "library/x.py", "src"),
        *("contests/x.py", "x.py", "tools/engine/x.py", "testing/x.py", "test.py", "testFoo.java", "core.py"),
        *("x_test.c", "test_x.rs", "spec.md", "Test.javac", "source/conf.py", "Latest/x.cs"),
        *(
            "Attest.cs",
            "KeySpec.java",
            "chain_spec/x.rs",
            "hosts/drupal.test.conf.j2",
            "Contest.kt",
            "TESTING.md",
        ),
    ],
)
def test_everything_else_is_util_and_substrings_mean_nothing(path):
    assert PLAIN.role_of(path.encode()) == "util"


def test_flags_override_names_and_the_test_flag_wins():
    roles = Roles(
        ("tests/harness/", "*.sql", "both.py"), ("/src/checks/**", "*_check.py", "both.py"), frozenset()
    )
    expected = {
        "tests/harness/deep/x.py": "core",
        "a/b/x.sql": "core",
        "both.py": "test",
        "src/checks/x.rs": "test",
        "src/a_check.py": "test",
        "src/x.rs": "core",
        "other/src/checks.rs": "core",
        "tests/x.py": "test",
    }
    assert {path: roles.role_of(path.encode()) for path in expected} == expected


def test_a_file_name_that_is_no_text_has_a_role():
    assert PLAIN.role_of(b"src/\xff\n.rs") == "core"


RAILS = [
    *("app/models/user.rb", "app/views/users/show.html.erb", "app/assets/logo.png", "lib/tasks/import.rake"),
    *(
        "config/routes.rb",
        "config/application.yml",
        "db/migrate/1_users.rb",
        "db/schema.json",
        "docs/conf.py",
    ),
    *("spec/models/user_spec.rb", "README.md", "Rakefile", "bin/rails", ".github/release.rb", "server.rb"),
]


def roles_in(paths: list[str], core: tuple[str, ...] = ()) -> dict[str, str]:
    roles = Roles(core, (), frozenset(), [path.encode() for path in paths])
    return {path: roles.role_of(path.encode()) for path in paths}


def of_role(role: str, found: dict[str, str]) -> list[str]:
    return [path for path, its in found.items() if its == role]


def test_where_library_names_reach_little_the_application_s_own_code_is_core():
    assert of_role("core", roles_in(RAILS)) == [*RAILS[:2], RAILS[3]]
    nextjs = ["app/page.tsx", "components/ui/button.tsx", "pages/api/a.ts", "lib/db.ts", "public/a.json"]
    assert of_role("core", roles_in(nextjs)) == nextjs[:4]
    go = ["promql/engine.go", "tsdb/head.go", "cmd/prometheus/main.go", "internal/a.go", "tsdb/head_test.go"]
    assert of_role("core", roles_in(go)) == go[:4]


def test_where_library_names_reach_the_code_they_alone_say_what_is_core():
    paths = ["src/a.rs", "src/b.rs", "macros/c.rs", "benches/a.rs", "benches/b.rs", "examples/a.rs"]
    assert of_role("core", roles_in(paths)) == ["src/a.rs", "src/b.rs"]


def test_what_the_user_calls_core_is_all_that_is_core_besides_the_names():
    found = roles_in(RAILS, ("app/models/",))
    assert of_role("core", found) == ["app/models/user.rb", "lib/tasks/import.rake"]
