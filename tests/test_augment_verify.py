"""The check that every variant passes: whatever a proposer does wrong, nothing wrong comes out."""

from __future__ import annotations

import random
import re

import pytest

from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Refusal, vary
from effectiveness.corpus.augment.edits import Edit, apply
from effectiveness.corpus.augment.verify import Baseline
from effectiveness.languages.syntax import gave_up, parse, table_of

RENAMING, COMMENTS, LAYOUT = "variable_renaming", "comment_toggle", "format_variation"


def objection(kind: str, source: bytes, language: str, edits: list[Edit]) -> str:
    baseline = Baseline(source, language, table_of(parse(language, source)))
    text = apply(source, edits)
    return baseline.objection(AUGMENTATIONS[kind].allowed, edits, text, parse(language, text))


def replacing(source: bytes, old: bytes, new: bytes) -> list[Edit]:
    return [Edit(match.start(), match.end(), new) for match in re.finditer(re.escape(old), source)]


# (kind, language, source, what is replaced, by what): each changes what the text means.
WRONG = [
    (RENAMING, "Python", b"def f():\n    a = 1\n    return a\n", b"return a", b"return b"),
    (RENAMING, "Python", b"def f():\n    aa = 1\n    return a\n", b"aa", b"a"),
    (RENAMING, "Python", b"def f(a):\n    return a\n", b"a", b"b"),
    (RENAMING, "Python", b"def f():\n    xx = 1\n    return xx\n", b"xx", b"if"),
    (RENAMING, "Rust", b"fn f() { let x = 1; }", b"x", b"Y::Z"),
    (RENAMING, "Rust", b"fn f() { let x = 1; }", b"x", b"match"),
    (RENAMING, "Go", b"package p\nfunc f() { x := 1 }", b"x", b"func"),
    (RENAMING, "JavaScript", b"function f(x) { return { x } }", b"{ x }", b"{ x: 1, y }"),
    (COMMENTS, "C", b"int a; /* b */ int c;", b"/* b", b" "),
    (COMMENTS, "C", b"int a; /* b */ int c;", b"/* b */ int c;", b""),
    (COMMENTS, "Go", b"package p\nfunc f() {\n\tg() /* a\n b */ ; h()\n}", b"/* a\n b */ ;", b" "),
    (COMMENTS, "Python", b"def f():\n    a = 1  # one\n    return a\n", b"  # one\n    ", b"  "),
    (COMMENTS, "Rust", b"fn f() { a /**/- /**/-b; }", b"a", b" "),
    (LAYOUT, "Python", b"if a:\n    b\nc\n", b"\nc", b"\n    c"),
    (LAYOUT, "Python", b"a = 'x  y'\n", b"  ", b" "),
    (LAYOUT, "JavaScript", b"function f() { return 1 }", b"return ", b"return\n"),
    (LAYOUT, "C", b"int f(int a, int b) { return a - -b; }", b"- -", b"--"),
    (LAYOUT, "Go", b"package p\nfunc f() { g()\nh() }", b"\nh", b" h"),
    (LAYOUT, "Java", b"class A { int f(int a) { return a + +a; } }", b"+ +", b"++"),
]


@pytest.mark.parametrize(("kind", "language", "source", "old", "new"), WRONG)
def test_a_wrong_edit_is_objected_to(kind: str, language: str, source: bytes, old: bytes, new: bytes) -> None:
    edits = replacing(source, old, new)
    assert edits
    assert objection(kind, source, language, edits)


RIGHT = [
    (RENAMING, "Python", b"def f():\n    xx = 1\n    return xx\n", b"xx", b"count"),
    (RENAMING, "Rust", b"fn f() { let xx = 1; g(xx); }", b"xx", b"count"),
    (COMMENTS, "C", b"int a; /* b */ int c;", b"/* b */", b""),
    (COMMENTS, "Python", b"def f():\n    return 1  # one\n", b"  # one", b""),
    (COMMENTS, "Rust", b"fn f() { /* a */ g(); // b\n}", b"// b", b""),
    (LAYOUT, "Python", b"if a:\n    b\nc\n", b"    ", b"  "),
    (LAYOUT, "Java", b"class A {  int f(int a) {  return a; } }", b"  ", b"\n"),
]


@pytest.mark.parametrize(("kind", "language", "source", "old", "new"), RIGHT)
def test_a_right_edit_passes(kind: str, language: str, source: bytes, old: bytes, new: bytes) -> None:
    assert objection(kind, source, language, replacing(source, old, new)) == ""


def test_shorthand_may_be_written_out() -> None:
    source = b"fn f(x: u32) -> P { P { x } }"
    assert objection(RENAMING, source, "Rust", [Edit(5, 6, b"new"), Edit(24, 25, b"x: new")]) == ""


def test_random_edits_of_a_python_file_are_objected_to_or_harmless() -> None:
    """A renaming that touches one leaf at random must never pass when the judge sees a difference."""
    from tests.oracles import python as judge

    source = (b"def f(a, b):\n    c = a + b\n    d = [c for c in b if c]\n    return lambda: (c, d, a)\n") * 3
    rng = random.Random(5)
    names = [match.span() for match in re.finditer(rb"\b[a-d]\b", source)]
    for _ in range(300):
        start, end = rng.choice(names)
        edits = [Edit(start, end, rng.choice((b"a", b"b", b"c", b"d", b"e")))]
        if not objection(RENAMING, source, "Python", edits):
            assert judge.equal(source, apply(source, edits)) is True


def test_edits_that_overlap_are_a_bug_of_their_proposer() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        apply(b"abc", [Edit(0, 2, b"x"), Edit(1, 3, b"y")])


def test_a_text_nested_too_deeply_is_refused_before_anything_recurses() -> None:
    """Printing such a tree overflowed the C stack and killed the process. (40,000 are given up by the parser.)"""
    source = b"x = " + b"(" * 20_000 + b")" * 20_000
    table = table_of(parse("Python", source))
    results = vary(source, "Python", table, path="a.py", seed=1, kinds=list(AUGMENTATIONS), facts=NO_FACTS)
    assert list(results) == [Refusal(kind, "nested too deeply") for kind in AUGMENTATIONS]


def test_a_text_the_grammar_chokes_on_is_given_up_and_refused() -> None:
    """300 KB of punctuation kept the Go grammar busy for an hour."""
    source = b"+-*/<>=!&|^~" * 7_000
    table = table_of(parse("Go", source))
    assert gave_up(source, table)
    (result,) = vary(source, "Go", table, path="a.go", seed=1, kinds=(RENAMING,), facts=NO_FACTS)
    assert result == Refusal(RENAMING, "takes too long to parse")


def test_a_python_file_of_another_version_is_refused() -> None:
    source = b"def f():\n    x = 1\n    print x\n"
    table = table_of(parse("Python", source))
    (result,) = vary(source, "Python", table, path="a.py", seed=1, kinds=(RENAMING,), facts=NO_FACTS)
    assert isinstance(result, Refusal)


@pytest.mark.parametrize("language", ["Python", "Go", "C"])
def test_the_nodes_of_some_kinds_are_those_that_a_look_at_every_node_finds(language: str) -> None:
    """Also of kinds to which the grammar gives several numbers, and of syntax errors."""
    table = table_of(parse(language, b"type a struct { b int } // c\n# d\nx = {[ %% y\n"))
    for kinds in ({"identifier", "comment"}, {"ERROR"}, set(table.kind), {"no such kind"}):
        expected = [node for node, kind in enumerate(table.kind) if kind in kinds]
        assert table.nodes_of(frozenset(kinds)) == expected
