"""Renaming changes every name it may, none it must not, and never what a file means."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import ModuleType

import pytest

from effectiveness.corpus.augment import Refusal, Variant
from effectiveness.corpus.augment.renaming import local_names, macro_names
from tests import augment_trees
from tests.augment_renaming_cases import NAMES, after_of, befores, language_of_case, rename

STANDARD_LIBRARY = Path(random.__file__).parent


def judge_of(language: str) -> ModuleType:
    judge = augment_trees.judge_of(language)
    if judge.MISSING:
        pytest.skip(judge.MISSING)
    return judge


def words(text: bytes, start: str) -> list[str]:
    return re.findall(rf"\b{start}\w*", re.sub(r"moves(?:_\*|\.\.\.)|stay(?:_\*|\.\.\.)", "", text.decode()))


def case_name(before: Path) -> str:
    return f"{language_of_case(before)}-{before.name}"


@pytest.mark.parametrize("before", befores(), ids=case_name)
def test_the_case_file_comes_out_as_written_down(before: Path) -> None:
    result = rename(before.read_bytes(), language_of_case(before))
    if after_of(before).exists():
        assert isinstance(result, Variant), result
        assert result.text == after_of(before).read_bytes()
    else:
        assert isinstance(result, Refusal)


@pytest.mark.parametrize("before", [b for b in befores() if after_of(b).exists()], ids=case_name)
def test_what_may_move_moves_and_what_must_stay_stays(before: Path) -> None:
    after = after_of(before).read_bytes()
    assert words(before.read_bytes(), "moves")
    assert words(after, "moves") == []
    assert words(after, "stay") == words(before.read_bytes(), "stay")


@pytest.mark.parametrize("before", [b for b in befores() if after_of(b).exists()], ids=case_name)
def test_a_compiler_sees_no_difference(before: Path) -> None:
    judge = judge_of(language_of_case(before))
    path = str(before.with_name(before.name.replace(".before", "")))
    assert judge.equal(before.read_bytes(), after_of(before).read_bytes(), path, mode="rename") is True


# One use of a variable gets another name, or a variable the name of another one: every judge must object.
WRONG = {
    "Python": (b"def f(a):\n    x = a\n    y = 1\n    return x\n", (b"return x", b"return y")),
    "Rust": (b"pub fn f(a: u32, b: u32) -> u32 { let x = a; x + b }", (b"x + b", b"b + x * b")),
    "Go": (b"package p\nfunc f(a, b int) int {\n\treturn a - b\n}\n", (b"a - b", b"b - b")),
    "JavaScript": (b"function f(a, b) { return a - b }", (b"a - b", b"b - b")),
    "TypeScript": (b"function f(a: number, b: number) { return a - b }", (b"a - b", b"c - b")),
    "Java": (b"class A { int f(int a, int b) { return a - b; } }", (b"a - b", b"b - b")),
    "C": (b"int f(int a, int b) { return a - b; }", (b"a - b", b"b - b")),
    "C++": (b"int f(int a, int b) { auto g = [=] { return a - b; }; return g(); }", (b"a - b", b"b - a")),
    "Bash": (b"f() { local a=1; echo $a; }\n", (b"$a", b"$b")),
    "PHP": (b"<?php function f($a) { $b = $a; $c = 1; return $b - $c; }", (b"$b - $c", b"$c - $c")),
    "C#": (b"class A { int f(int a, int b) { return a - b; } }", (b"a - b", b"b - b")),
    "Ruby": (b"def f(a, b) a - b end", (b"a - b", b"b - b")),
    "Lua": (b"function f(a, b) return a - b end\n", (b"a - b", b"b - b")),
}
SUFFIX = {"TypeScript": ".ts", "C++": ".cpp", "C": ".c", "Java": ".java", "JavaScript": ".js"}


@pytest.mark.parametrize("language", WRONG)
def test_the_judges_catch_a_wrong_renaming(language: str) -> None:
    judge = judge_of(language)
    source, (old, new) = WRONG[language]
    path = "A" + SUFFIX.get(language, "")
    assert judge.equal(source, source, path, mode="rename") is True
    assert judge.equal(source, source.replace(old, new), path, mode="rename") is False


def test_a_function_that_takes_its_name_from_a_variable_is_told_apart_by_the_judge() -> None:
    judge = judge_of("JavaScript")
    source = b"function f() { const a = () => 1; return a.name }"
    assert judge.equal(source, source.replace(b"a", b"b", 1).replace(b"a", b"b"), "f.js") is False
    assert judge.equal(source, re.sub(rb"\ba\b", b"b", source), "f.js") is False


def test_new_names_come_from_the_repository_and_are_new_to_the_file() -> None:
    source = b"def f(rows):\n    total = 0  # anchor\n    for row in rows:\n        total += row\n    return total\n"
    result = rename(source, "Python")
    assert isinstance(result, Variant)
    new = set(re.findall(rb"\w+", result.text)) - set(re.findall(rb"\w+", source))
    assert len(new) == 2
    assert new < {name.encode() for name in NAMES if name != "anchor"}


def test_where_the_repository_has_no_names_they_are_built_from_the_old_ones() -> None:
    from effectiveness.corpus.augment import NO_FACTS, vary
    from effectiveness.languages.syntax import parse, table_of

    source = b"func f() int {\n\tcount := 1\n\treturn count\n}\n"
    source = b"package p\n" + source
    table = table_of(parse("Go", source))
    (result,) = vary(source, "Go", table, path="f.go", seed=1, kinds=("variable_renaming",), facts=NO_FACTS)
    assert isinstance(result, Variant)
    assert re.search(rb"return count[A-Z][a-z]+\n", result.text)


def test_the_same_file_and_seed_give_the_same_bytes_and_another_seed_other_ones() -> None:
    source = (STANDARD_LIBRARY / "textwrap.py").read_bytes()
    assert rename(source, "Python", seed=1) == rename(source, "Python", seed=1)
    assert rename(source, "Python", seed=1) != rename(source, "Python", seed=2)


def test_names_of_functions_and_imports_are_not_handed_out_as_names_of_variables() -> None:
    samples = [("Python", b"import os\ndef helper():\n    count = os.sep\n    return count\n")]
    assert local_names(samples) == {"Python": ("count",)}


def test_names_in_more_files_come_first_whatever_the_order_of_files() -> None:
    one = ("Python", b"def f():\n    rare = 1\n    common = rare\n    return common\n")
    two = ("Python", b"def f():\n    common = 1\n    return common\n")
    assert local_names([one, two]) == local_names([two, one]) == {"Python": ("common", "rare")}


def test_a_macro_of_another_file_of_the_repository_poisons_the_function_that_uses_it() -> None:
    from effectiveness.corpus.augment import RepositoryFacts, vary
    from effectiveness.languages.syntax import parse, table_of

    source = b"int f(int a) { int b = a + current; return b; }\n"
    table = table_of(parse("C", source))

    def results(macros: set[str]) -> type:
        facts = RepositoryFacts(macros=frozenset(macros))
        return type(
            next(vary(source, "C", table, path="f.c", seed=1, kinds=("variable_renaming",), facts=facts))
        )

    assert results(macro_names(b"#define current (b + 1)\n")) is Refusal
    assert results(macro_names(b"#define current 12\n")) is Variant


def test_a_function_that_calls_what_may_be_a_macro_of_a_foreign_header_is_left_alone() -> None:
    """`Py_VISIT(x)` uses the caller's `visit` and `arg`: renaming `arg` no longer compiled."""
    source = b"int g(int);\nint f(int arg) { Py_VISIT(1); return 0; }\n"
    assert isinstance(rename(source, "C"), Refusal)
    assert isinstance(rename(source.replace(b"Py_VISIT", b"g"), "C"), Variant)


def test_a_local_named_like_an_import_keeps_its_name() -> None:
    """The compiler chose LOAD_ATTR for it and LOAD_METHOD for any other name: code objects differed."""
    result = rename(b"import thread\ndef f():\n    thread = g()\n    thread.start()\n", "Python")
    assert isinstance(result, Refusal)


def test_cells_may_change_places_when_their_names_do() -> None:
    """Cells are numbered by name; comparing raw bytecode refused every function with two renamed cells."""
    source = b"def f():\n    " + b"".join(b"z%d = %d; " % (i, i) for i in range(6))
    source += b"\n    return lambda: (z0, z1, z2, z3, z4, z5)\n"
    assert isinstance(rename(source, "Python"), Variant)


def test_constant_sets_in_another_order_are_still_equal() -> None:
    """A frozenset prints in the order of its hashes, which differed between two compilations."""
    names = b", ".join(b"'%d'" % i for i in range(40))
    source = b"def f(a):\n    b = a in {" + names + b"}\n    return b\n"
    assert isinstance(rename(source, "Python"), Variant)


def test_an_attribute_between_brace_and_shorthand_keeps_the_field_as_it_is() -> None:
    """`P { #[cfg(x)] a }` became a tree the check did not know."""
    source = b"fn f(a: u32) -> P { P { #[cfg(x)] a } }\nfn g(b: u32) -> u32 { b }\n"
    result = rename(source, "Rust")
    assert isinstance(result, Variant)
    assert result.text.startswith(b"fn f(a: u32) -> P { P { #[cfg(x)] a } }\n")


def test_a_variable_named_like_a_type_operator_of_the_grammar_stays() -> None:
    """`new(t)` parses as a type conversion of its own in Go, `other(t)` does not."""
    result = rename(b"package p\nfunc f(t int) {\n\tnew := func(int) {}\n\tnew(t)\n}\n", "Go")
    assert not isinstance(result, Variant) or b"new(" in result.text


def test_below_an_attribute_macro_nothing_is_renamed() -> None:
    source = b"#[async_trait]\nimpl A for B {\n    fn f(x: u32) -> u32 { let y = x; y }\n}\n"
    assert isinstance(rename(source, "Rust"), Refusal)
    assert isinstance(rename(source.replace(b"async_trait", b"cfg(test)"), "Rust"), Variant)


def test_a_plain_macro_that_the_file_imports_from_elsewhere_is_not_plain() -> None:
    source = b'use other::format;\nfn f(x: u32) -> String { let y = x + 1; format!("{}", y) }\n'
    result = rename(source, "Rust")
    assert isinstance(result, Variant)
    assert b"y)" in result.text


@pytest.mark.parametrize(
    "language", ["Python", "Rust", "Go", "JavaScript", "TypeScript", "C", "C++", "Java", "Bash"]
)
@pytest.mark.parametrize(
    "source",
    [
        b"(" * 100_000 + b")" * 100_000,
        b"+-*/<>=!&|^~" * 25_000,
        b"fn f() { def f(: function( {{{",
        b"",
        b"\x00\xff",
    ],
    ids=["brackets", "punctuation", "truncated", "empty", "no text"],
)
def test_hostile_texts_are_refused_in_time(source: bytes, language: str) -> None:
    assert isinstance(rename(source, language), Refusal)


def sample_of_standard_library(number: int) -> list[Path]:
    paths = sorted(path for path in STANDARD_LIBRARY.rglob("*.py") if "site-packages" not in path.parts)
    return random.Random(4).sample(paths, number)


def judged(paths: list[Path]) -> int:
    """Renames each file, asks the judge about each variant; how many there were."""
    judge = judge_of("Python")
    num_variants = 0
    for path in paths:
        source = path.read_bytes()
        try:
            source.decode()
        except UnicodeDecodeError:
            continue
        result = rename(source, "Python", path=path.name)
        if isinstance(result, Variant):
            num_variants += 1
            assert judge.equal(source, result.text, str(path)) is True, path
    return num_variants


def test_renamed_files_of_the_standard_library_have_equal_code_objects() -> None:
    assert judged(sample_of_standard_library(60)) >= 30


@pytest.mark.torture
def test_all_renamed_files_of_the_standard_library_have_equal_code_objects() -> None:
    assert judged(sample_of_standard_library(1500)) >= 900


def mutants(source: bytes, number: int, rng: random.Random) -> list[bytes]:
    """Copies of a text with one token deleted or doubled."""
    tokens = re.findall(rb"\w+|\s+|[^\w\s]", source)
    found = []
    for _ in range(number):
        at = rng.randrange(len(tokens))
        found.append(b"".join([*tokens[:at], *tokens[at : at + 1] * rng.choice((0, 2)), *tokens[at + 1 :]]))
    return found


def judged_mutants(number_of_each: int, seed: int) -> int:
    """Renames mutants of all case files; how many variants there were. Every one must satisfy its judge."""
    rng = random.Random(seed)
    num_variants = 0
    for before in befores():
        language = language_of_case(before)
        judge = judge_of(language) if language in ("Python", "JavaScript", "TypeScript", "TSX") else None
        for source in mutants(before.read_bytes(), number_of_each, rng):
            result = rename(source, language)
            if isinstance(result, Variant) and judge is not None:
                num_variants += 1
                verdict = judge.equal(source, result.text, before.name.replace(".before", ""))
                assert verdict is not False, f"{source!r}\n{result.text!r}"
    return num_variants


def test_mutants_of_the_cases_never_come_out_wrong() -> None:
    judge_of("JavaScript")
    assert judged_mutants(40, seed=1) > 20


@pytest.mark.torture
def test_twenty_thousand_mutants_never_come_out_wrong() -> None:
    judge_of("JavaScript")
    assert judged_mutants(2_000, seed=2) > 1_000
