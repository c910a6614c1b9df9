"""Layout changes white space between tokens, and only where no language gives it a meaning."""

from __future__ import annotations

import ast
import random
import time
from pathlib import Path

import pytest

from effectiveness.corpus.augment import layout, verify
from effectiveness.corpus.augment.edits import Edit, apply
from effectiveness.corpus.augment.gaps import PREPROCESSED
from effectiveness.corpus.augment.layout_view import STYLES
from effectiveness.corpus.augment.marks import LANGUAGES
from effectiveness.corpus.augment.verify import Baseline
from effectiveness.languages.syntax import parse, table_of
from tests.augment_cases import BOLD, Case, cases, variant
from tests.test_augment_comments import HOSTILE, oracle

KIND = "format_variation"
STANDARD_LIBRARY = Path(random.__file__).parent
BEFORE = {case.before: case.language for case in cases(KIND)}


def edits_of(source: bytes, language: str, style: str | None = None, seed: int = 0) -> list[Edit]:
    edits = layout.propose(source, language, table_of(parse(language, source)), random.Random(seed), style)
    return [] if isinstance(edits, str) else edits


def compact(source: bytes, language: str) -> bytes | str:
    return variant(KIND, "compact", source, language)


def verbose(source: bytes, language: str) -> bytes | str:
    return variant(KIND, "verbose", source, language)


@pytest.mark.parametrize("case", cases(KIND), ids=lambda case: case.name)
def test_the_case_file_comes_out_as_written_down(case: Case) -> None:
    assert variant(KIND, case.what, case.before.read_bytes(), case.language) == case.after.read_bytes()


@pytest.mark.parametrize("case", cases(KIND), ids=lambda case: case.name)
def test_an_independent_tool_reads_the_same_code(case: Case) -> None:
    verdict = oracle(case.language).equal(
        case.before.read_bytes(), case.after.read_bytes(), case.before.name, mode="layout"
    )
    if verdict is None:
        pytest.skip("the tool does not take the case on its own")
    assert verdict


def test_every_language_has_a_case() -> None:
    assert set(BEFORE.values()) == LANGUAGES


@pytest.mark.parametrize("before", BEFORE, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
@pytest.mark.parametrize("style", STYLES)
def test_only_white_space_is_replaced_by_white_space(before: Path, style: str) -> None:
    source = before.read_bytes()
    for seed in range(8):
        for start, end, text in edits_of(source, BEFORE[before], style, seed):
            assert not source[start:end].strip(b" \t\r\n")
            assert not text.strip(b" \t\r\n")


@pytest.mark.parametrize(
    "before",
    [path for path, language in BEFORE.items() if language in (*PREPROCESSED, "Bash")],
    ids=lambda path: f"{path.parent.parent.name}/{path.name}",
)
@pytest.mark.parametrize("style", STYLES)
def test_no_gap_appears_or_vanishes_in_c_or_bash(before: Path, style: str) -> None:
    source = before.read_bytes()
    for seed in range(8):
        for start, end, text in edits_of(source, BEFORE[before], style, seed):
            owned = source[start - 1 : start] == b"\n"
            assert bool(text) == (end > start) or owned


@pytest.mark.parametrize("before", BEFORE, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_a_line_end_goes_only_between_brackets(before: Path) -> None:
    source = before.read_bytes()
    for start, end, text in edits_of(source, BEFORE[before], "compact"):
        if b"\n" in source[start:end] and b"\n" not in text and source[start - 1 : start] != b"\n":
            assert source[start - 1] in b"([{," or source[end] in b")]}"


def test_the_same_draw_gives_the_same_layout() -> None:
    source = (STANDARD_LIBRARY / "heapq.py").read_bytes()
    assert edits_of(source, "Python", seed=3) == edits_of(source, "Python", seed=3)
    assert len({tuple(edits_of(source, "Python", seed=seed)) for seed in range(12)}) > 6


def test_both_styles_are_drawn() -> None:
    source = b"def f(a):\n    x = 1\n\n    return a\n"
    sizes = {len(apply(source, edits_of(source, "Python", seed=seed))) > len(source) for seed in range(20)}
    assert sizes == {True, False}


def test_verbose_has_more_lines_and_compact_fewer() -> None:
    source = (STANDARD_LIBRARY / "heapq.py").read_bytes()
    lines = source.count(b"\n")
    assert compact(source, "Python").count(b"\n") < lines < verbose(source, "Python").count(b"\n")


def test_operators_that_would_grow_together_keep_their_space() -> None:
    assert compact(b"fn f() {\n\n    let t: Vec<u8> = b;\n}\n", "Rust") == (
        b"fn f() {\n  let t: Vec<u8> = b;\n}\n"
    )
    assert b"a - -b" in compact(b"class A {\n\n  int x = a - -b;\n}\n", "Java")
    assert b"= !x" in compact(b"\n\nlet y = !x\n\nf()\n", "JavaScript")


def test_statements_without_semicolon_keep_their_line_ends() -> None:
    source = b"function f() {\n    return\n    1\n}\nlet a = b\n(c)\nlet d = e\n++d\n"
    for text in (compact(source, "JavaScript"), verbose(source, "JavaScript")):
        assert [line.strip() for line in text.split(b"\n") if line.strip()] == [
            line.strip().replace(b" = ", b"=") if text == compact(source, "JavaScript") else line.strip()
            for line in source.split(b"\n")
            if line.strip()
        ]


def test_a_build_constraint_keeps_its_blank_line() -> None:
    assert compact(b"// +build linux\n\n\n\npackage p\n\nvar x = 1\n", "Go").startswith(
        b"// +build linux\n\npackage p\n"
    )


def test_no_blank_line_comes_between_a_comment_and_what_it_documents() -> None:
    source = b'package p\n\n// int f(void);\nimport "C"\n\nvar x = 1\nvar y = 2\n'
    assert b'(void);\nimport "C"' in verbose(source, "Go")


def test_a_line_that_a_comment_speaks_of_is_not_split() -> None:
    call = b"function_name(first_argument, second_argument, third_argument);\n"
    for source in (
        b"f();\n// @ts-expect-error\n" + call,
        b"f();\n" + call[:-1] + b" // eslint-disable-line\n",
    ):
        assert call[:-1] in verbose(source + b"g();\n", "TypeScript")
    assert call[:-1] not in verbose(b"f();\n" + call, "TypeScript")


def test_macro_arguments_stay_as_they_are() -> None:
    source = b"fn f() {\n\n    m!(a+b, c   , d);\n    g(a+b);\n}\n"
    assert b"m!(a+b, c   , d);" in compact(source, "Rust")
    assert b"m!(a+b, c   , d);" in verbose(source, "Rust")
    assert b"a + b" in verbose(source, "Rust")


def test_windows_line_ends_stay() -> None:
    source = b"def f(a, b):\r\n    x = 1\r\n\r\n    return x\r\n"
    for text in (compact(source, "Python"), verbose(source, "Python")):
        assert text.count(b"\n") == text.count(b"\r\n")


def test_tabs_and_spaces_mixed_in_python_are_not_indented_anew() -> None:
    source = b"if a:\n\tx = 1\nif b:\n        y = 2\n\n        z = 3\n"
    assert compact(source, "Python") == source.replace(b"\n\n", b"\n").replace(b" = ", b"=")


def test_a_form_feed_is_left_alone() -> None:
    source = b"x = 1\n\x0c\ny = 2\n\n\nz = 3\n"
    assert b"1\n\x0c\ny" in compact(source, "Python").replace(b"=", b" = ").replace(b"  ", b" ")


def test_a_match_statement_is_indented_whole() -> None:
    source = b"match a:\n    case 1:\n        x\n    case 2:\n        y\n"
    assert compact(source, "Python") == b"match a:\n  case 1:\n    x\n  case 2:\n    y\n"


def test_a_comment_that_ends_with_a_backslash_continues_nothing() -> None:
    source = b"def f():\n    # ends with \\\n    x = 1\n    return x\n"
    assert compact(source, "Python") == b"def f():\n  # ends with \\\n  x=1\n  return x\n"


def test_in_scala_only_blank_lines_above_declarations_change() -> None:
    source = b"class A {\n  foo(a)\n\n  { b }\n  c postfix\n\n  d\n\n  def e = 1\n  val f =\n    2\n}\n"
    assert compact(source, "Scala") == source.replace(b"\n\n  def", b"\n  def")
    assert verbose(source, "Scala") == source.replace(b"\n  val", b"\n\n  val")


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("Kotlin", b"fun f(a: Int) {\n    when (a)\n    {\n        1 -> b()\n    }\n}\n"),
        ("Swift", b"struct A\n{\n    var b: Int\n    {\n        1\n    }\n}\n"),
    ],
)
def test_no_blank_line_comes_above_a_bracket_on_a_line_of_its_own(language: str, source: bytes) -> None:
    text = verbose(source, language)
    assert isinstance(text, bytes) and b"\n\n" not in text


def test_a_value_in_css_keeps_its_white_space() -> None:
    source = b"a {\n    --b: c\n        d;\n\n    e: f\n        g;\n}\n"
    assert compact(source, "CSS") == b"a {\n  --b: c\n        d;\n  e: f\n        g;\n}\n"


def test_what_its_reader_refuses_is_not_varied() -> None:
    assert compact(b"a = 1\n\nb = 2\n", "TOML") == b"a=1\nb=2\n"
    assert compact(b"a = 1\n\na = 2\n", "TOML") == "its reader refuses the source"


def test_preprocessor_conditions_are_not_split() -> None:
    source = b"#if F(aaaaaaaaaaaaaa, bbbbbbbbbbbbbb, ccccccccccccccc)\nint a;\nint b;\n#endif\n"
    assert b"#if F(aaaaaaaaaaaaaa, bbbbbbbbbbbbbb, ccccccccccccccc)\n" in verbose(source, "C")


def test_a_broken_declaration_is_left_alone_and_the_others_are_not() -> None:
    source = b"int f() {\n    return 1;\n\n}\nint g( {\n    return 2;\n\n}}\nint h() {\n    return 3;\n\n}\n"
    text = compact(source, "C")
    assert b"int f() {\n  return 1;\n}" in text


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("source", [b"", b"\n", b" \n\t\n", b"\xef\xbb\xbf", b"x", b"\r", b"\x00\n\x00"])
def test_next_to_nothing_is_refused_or_proven(language: str, source: bytes) -> None:
    table = table_of(parse(language, source))
    for style in BOLD.values():
        edits = layout.propose(source, language, table, random.Random(0), style)
        if not isinstance(edits, str):
            text = apply(source, edits)
            tree = parse(language, text)
            assert not Baseline(source, language, table).objection(verify.WHITE_SPACE, edits, text, tree)


@pytest.mark.parametrize("name", ["heapq", "textwrap", "shlex", "dataclasses", "ast", "enum", "zipfile"])
@pytest.mark.parametrize("style", STYLES)
def test_the_standard_library_means_the_same_in_another_layout(name: str, style: str) -> None:
    source = (STANDARD_LIBRARY / f"{name}.py").read_bytes()
    edits = edits_of(source, "Python", style)
    assert edits
    assert ast.dump(ast.parse(apply(source, edits))) == ast.dump(ast.parse(source))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered_in_seconds(language: str, name: str) -> None:
    source = HOSTILE[name]
    table = table_of(parse(language, source))
    started_s = time.process_time()
    for style in BOLD.values():
        edits = layout.propose(source, language, table, random.Random(0), style)
        if not isinstance(edits, str):
            apply(source, edits)
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize("before", BEFORE, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_truncated_files_are_answered(before: Path) -> None:
    source, language = before.read_bytes(), BEFORE[before]
    for end in range(0, len(source), 61):
        table = table_of(parse(language, source[:end]))
        for style in BOLD.values():
            edits = layout.propose(source[:end], language, table, random.Random(0), style)
            if not isinstance(edits, str):
                apply(source[:end], edits)
