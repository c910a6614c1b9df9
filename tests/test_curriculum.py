"""The score orders hand-made examples as a reader would, and reads the window, not the file."""

from __future__ import annotations

import numpy as np
import pytest

from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Variant, vary
from effectiveness.corpus.curriculum import COUNTED, _query, features_of, order_by_complexity
from effectiveness.corpus.rows.variants import features_of_variant
from effectiveness.languages import LANGUAGES, syntax
from effectiveness.languages.syntax import words_of

# For each language: assignments and loops < types, error handling, generics < modules working together.
EXAMPLES = {
    "Rust": (
        b"fn f() { let mut a = 1; let b = 2; for i in 0..b { a = a + i; } }\n",
        b"struct P<T> { x: T }\ntrait Tr { fn f(&self) -> Result<u8, E>; }\n"
        b"impl<T> Tr for P<T> { fn f(&self) -> Result<u8, E> { let y = g()?; Ok(y) } }\n",
        b"use a::b::C;\nuse crate::d::{E, F};\nmod x;\nstruct P<T> { x: T }\n"
        b"impl<T> P<T> { fn f(&self) -> Result<u8, E> { let y = x::g(C::new()?)?; Ok(F::h(y)) } }\n",
    ),
    "Python": (
        b"a = 1\nb = 2\nfor i in range(b):\n    a = a + i\n",
        b"class P(Generic[T]):\n    def f(self) -> dict[str, int]:\n        try:\n            return g()\n"
        b"        except ValueError as e:\n            raise E from e\n",
        b"import a\nfrom b.c import D\nfrom .e import F\nclass P(D):\n    def f(self) -> dict[str, int]:\n"
        b"        try:\n            return a.g(F())\n        except ValueError as e:\n            raise E from e\n",
    ),
    "Go": (
        b"package p\nfunc f() int { a := 1; for i := 0; i < 3; i++ { a += i }; return a }\n",
        b"package p\ntype P[T any] struct { x T }\ntype I interface { F() error }\n"
        b"func (p P[T]) F() error { if err := g(); err != nil { return err }; return nil }\n",
        b'package p\nimport (\n"a/b"\n"c"\n"d/e"\n)\ntype P[T any] struct { x b.T }\n'
        b"func (p P[T]) F() error { if err := c.G(p.x); err != nil { return e.Wrap(err) }; return nil }\n",
    ),
    "TypeScript": (
        b"let a = 1; for (let i = 0; i < 3; i++) { a += i; }\n",
        b"interface I<T> { f(x: T): void }\n"
        b"class P<T> implements I<T> { f(x: T) { try { g(x) } catch (e) { throw e } } }\n",
        b"import { a } from './a';\nimport b from 'b';\nexport * from './c';\nexport class P<T> implements I<T> "
        b"{ f(x: T) { try { a(b(x)) } catch (e) { throw e } } }\n",
    ),
    "Java": (
        b"class A { int f() { int a = 1; for (int i = 0; i < 3; i++) { a += i; } return a; } }\n",
        b"interface I<T> { T f() throws E; }\nclass P<T> implements I<T> { public T f() throws E { try { return g(); } "
        b"catch (X e) { throw new E(e); } } }\n",
        b"package p.q;\nimport a.b.C;\nimport d.E;\nclass P<T> implements a.I<T> { public T f() throws E { try { "
        b"return C.g(); } catch (X e) { throw new E(e); } } }\n",
    ),
    "C++": (
        b"int f() { int a = 1; for (int i = 0; i < 3; i++) { a += i; } return a; }\n",
        b"template <typename T> struct P { T x; };\n"
        b"class Q { int f() { try { return g(); } catch (int e) { throw; } } };\n",
        b'#include <a.h>\n#include "b.h"\nnamespace n { using a::C;\ntemplate <typename T> struct P : a::B { T x; '
        b"int f() { try { return b::g(x); } catch (a::E e) { throw; } } }; }\n",
    ),
}


def score(language: str, source: bytes) -> float:
    tree = syntax.parse(language, source) if syntax.has_grammar(language) else None
    names = len(set(source.split()))
    whole = np.array([0]), np.array([len(source)])
    return float(features_of(source, language, tree).score(*whole, np.array([names]), np.array([0.1]))[0])


@pytest.mark.parametrize("language", EXAMPLES)
def test_loops_are_simpler_than_types_and_errors_and_those_than_modules(language):
    simple, typed, modular = (score(language, source) for source in EXAMPLES[language])
    assert simple < typed < modular


@pytest.mark.parametrize("language", [name for name, known in LANGUAGES.items() if known.complexity])
def test_every_node_kind_of_the_table_exists_in_its_grammar(language):
    assert _query(language).capture_count == len(LANGUAGES[language].complexity)


def test_every_language_with_a_grammar_is_in_the_table():
    assert {name for name in LANGUAGES if syntax.has_grammar(name)} == {
        name for name, known in LANGUAGES.items() if known.complexity
    }


def test_a_window_is_scored_by_what_it_holds():
    simple, _, modular = EXAMPLES["Rust"]
    source = simple + modular
    features = features_of(source, "Rust", syntax.parse("Rust", source))
    starts, ends = np.array([0, len(simple)]), np.array([len(simple), len(source)])
    first, second = features.score(starts, ends, np.array([9, 9]), np.array([0.1, 0.1]))
    assert first < second


def test_deeper_indentation_is_harder_where_there_is_no_grammar():
    assert score("YAML", b"a: 1\nb: 2\nc: 3\n") < score("YAML", b"a:\n  b:\n    c: 3\n")


OUTLINED = {
    "Perl": (
        b"my $a = 1;\nfor my $i (1 .. 3) {\n  $a += $i;\n}\n",
        b"sub f {\n  my $x = shift;\n  if ($x) {\n    die 'no' unless $x > 1;\n  }\n  return eval { g($x) };\n}\n",
        b"package P;\nuse strict;\nuse A::B;\nuse C;\nrequire D;\n"
        b"sub f {\n  if (A::B::g()) {\n    die C->new;\n  }\n}\n",
    ),
    "Ruby": (
        b"a = 1\n3.times do |i|\n  a += i\nend\n",
        b"class P\n  def f(x)\n    begin\n      g(x)\n    rescue E => e\n      raise F\n    end\n  end\nend\n",
        b"require 'a'\nrequire 'b'\nmodule M\n  include B\n  class P\n    def f(x)\n      raise A::E unless x\n"
        b"    end\n  end\nend\n",
    ),
    "Kotlin": (
        b"var a = 1\na += 2\na += 3\n",
        b"class P<T> {\n  override fun f(): Int {\n    try {\n      return g()\n    } catch (e: X) {\n"
        b"      throw e\n    }\n  }\n}\n",
        b"package p.q\nimport a.b.C\nimport d.E\nclass P<T> : I {\n  override fun f(): Int {\n    try {\n"
        b"      return g()\n"
        b"    } catch (e: X) {\n      throw e\n    }\n  }\n}\n",
    ),
}


@pytest.mark.parametrize("language", OUTLINED)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_same_holds_without_a_grammar_whatever_ends_a_line(language, end):
    simple, typed, modular = (score(language, source.replace(b"\n", end)) for source in OUTLINED[language])
    assert simple < typed < modular


@pytest.mark.parametrize(
    "prose",
    [
        b"the case for it: if we use a class\n",
        b"'if' is quoted, if-like\n",
        b"use = 1\nif.x()\nimport, export\n",
    ],
)
def test_a_word_within_a_line_or_of_another_meaning_is_no_structure(prose):
    assert [len(found) for found in words_of(prose, COUNTED)] == [0] * len(COUNTED)


@pytest.mark.parametrize("language", ["Rust", "Python", "YAML", "Bash"])
@pytest.mark.parametrize("source", [b"", b"\n", b"(" * 100_000, b"x" * 300_000, b"\xef\xbf\xbd" * 10])
def test_hostile_text_is_scored_without_recursion(language, source):
    assert np.isfinite(score(language, source))


def test_equal_scores_keep_the_canonical_order():
    order = order_by_complexity(np.array([2.0, 1.0, 2.0, 1.0]), np.array([0, 1, 2, 3]))
    assert order.tolist() == [1, 3, 0, 2]


VARIED = {
    "Python": b"""def total(values, limit):  # adds
    result = 0
    for value in values:
        # too much
        if value > limit and value != 3:
            raise ValueError([value, limit, {"a": value}])
        result += value
    return result
""",
    "Rust": b"""use std::fmt;
fn total(values: &[u32], limit: u32) -> Result<u32, String> {
    let mut result = 0; // adds
    for value in values.iter() {
        if *value > limit { return Err(format!("{}", value)); }
        result += vec![*value, 1, limit].iter().map(|one| one + 1).sum::<u32>();
    }
    Ok(result)
}
""",
    "Go": b"""package sums

import "fmt"

func total(values []int, limit int) (int, error) {
	result := 0 // adds
	for _, value := range values {
		if value > limit {
			return 0, fmt.Errorf("%d", value)
		}
		result += []int{value, 1, limit}[0]
	}
	return result, nil
}
""",
    "C": b"int total(int count, int *values) {\n    int sum = 0; /* adds */\n"
    b"    for (int i = 0; i < count; i++) { if (values[i]) { sum += values[i]; } }\n    return sum;\n}\n",
    "Bash": b'total() {\n  local sum=0 # adds\n  for value in "$@"; do\n    if [ $value ]; then\n'
    b"      sum=$((sum + value))\n    fi\n  done\n}\n",
}


def _variants(language, source, seed):
    tree = syntax.parse(language, source)
    results = vary(
        source,
        language,
        syntax.table_of(tree),
        path="total",
        seed=seed,
        kinds=tuple(AUGMENTATIONS),
        facts=NO_FACTS,
    )
    return tree, [result for result in results if isinstance(result, Variant)]


def _scores_everywhere(features, num_bytes):
    """Of the windows of 1, 9 and 60 bytes from every offset."""
    starts = np.tile(np.arange(num_bytes), 3)
    ends = np.minimum(starts + np.repeat((1, 9, 60), num_bytes), num_bytes)
    return features.score(starts, ends, np.zeros(len(starts)), np.zeros(len(starts)))


@pytest.mark.parametrize("language", VARIED)
@pytest.mark.parametrize("seed", range(6))
def test_a_variant_is_scored_as_its_text_would_be(language, seed):
    source = VARIED[language] * 3
    tree, variants = _variants(language, source, seed)
    assert len(variants) >= 2
    for variant in variants:
        moved = features_of_variant(
            features_of(source, language, tree), tree.root_node.has_error, language, variant
        )
        direct = features_of(variant.text, language, syntax.parse(language, variant.text))
        size = len(variant.text)
        assert np.array_equal(_scores_everywhere(moved, size), _scores_everywhere(direct, size)), variant


ENDS_WITH_A_COMMENT = b"""def total(values):
    if values:
        result = sum(values)
        return result

    # what is the sum of nothing?


#
# Means
#

def mean(values):
    return sum(values) / len(values)
"""


@pytest.mark.parametrize(
    ("language", "source", "searched"),
    [
        ("Go", VARIED["Go"], []),
        ("Python", VARIED["Python"], []),
        ("Python", ENDS_WITH_A_COMMENT, ["comment_toggle"]),
    ],
)
def test_a_variant_is_searched_again_only_where_a_block_ends_with_a_comment(
    monkeypatch, language, source, searched
):
    tree, variants = _variants(language, source, seed=1)
    features = features_of(source, language, tree)
    monkeypatch.setattr("effectiveness.corpus.rows.variants.features_of", lambda *args: "searched")
    found = {
        one.kind: features_of_variant(features, tree.root_node.has_error, language, one) for one in variants
    }
    assert len(found) == 3
    assert [kind for kind, result in found.items() if result == "searched"] == searched


def test_a_block_that_ends_with_a_comment_ends_elsewhere_without_it():
    tree, variants = _variants("Python", ENDS_WITH_A_COMMENT, seed=1)
    features = features_of(ENDS_WITH_A_COMMENT, "Python", tree)
    variant = next(one for one in variants if one.kind == "comment_toggle")
    read = features_of_variant(features, tree.root_node.has_error, "Python", variant)
    directly = features_of(variant.text, "Python", syntax.parse("Python", variant.text))
    assert sorted(read.closed) == sorted(directly.closed) != sorted(features.moved(variant.edits).closed)
