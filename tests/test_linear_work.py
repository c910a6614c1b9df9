"""The work on one file grows with its size and no faster, whatever it holds; past a budget it keeps its rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from effectiveness.common import budget
from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Refusal, Variant, vary
from effectiveness.corpus.augment.edits import Edit, Edits, apply
from effectiveness.corpus.augment.python_code import compiled, cuts_of, moved, same
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import gave_up, has_grammar, parse, table_of
from tests.linear_shapes import all_shapes, shapes_of
from tests.linear_work import KIB, MAX_RATIO, FilePath, growth_of

SMALL, LARGE = 8 * KIB, 64 * KIB
# For a doubling: a machine that is busy with other things must pass, a square (4.0) must not.
MAX_SLICE_RATIO = 3.0
# What was not linear once: a parser that looks for an end at every token, one that completes an unfinished chain, a
# query that looks at all that follows, a pattern that crosses lines, a compiler that compares what has one hash.
ONCE_QUADRATIC = [
    *[("Go", name) for name in ("func( lines", "blank lines", "[ in rows", "- in rows", "/* on lines")],
    *[("Python", name) for name in ("/* on lines", "\\ on lines", "[ in rows")],
    *[("Python", name) for name in ("arguments", "equal methods", "numbers of one hash")],
    *[("Bash", name) for name in ("pipe open", "operators", "extglob", "heredoc expansions")],
    *[("Rust", "raw strings"), ("TypeScript", "generic open"), ("C++", "attributes"), ("Scala", "no tokens")],
]
SLICE = random.Random(12).sample([(language, name) for language, name, _ in all_shapes()], 8)


def varied(
    source: bytes, language: str, kinds: Sequence[str] = tuple(AUGMENTATIONS)
) -> list[Variant | Refusal]:
    table = table_of(parse(language, source))
    return list(vary(source, language, table, path="x", seed=1, kinds=kinds, facts=NO_FACTS))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    return FilePath(tmp_path_factory.mktemp("linear"))


@pytest.mark.parametrize(("language", "name"), [*ONCE_QUADRATIC, *SLICE])
def test_eight_times_the_text_takes_no_more_than_some_eight_times_the_time(
    language: str, name: str, path: FilePath
) -> None:
    for scale in (1, 2, 4):
        sizes = scale * SMALL, scale * LARGE
        growth = growth_of(path, shapes_of(language)[name], language, sizes, limit_s=60)
        if growth.is_comparable:
            break
    assert growth.is_comparable and growth.ratio < MAX_SLICE_RATIO, growth.line()


@pytest.mark.torture
@pytest.mark.parametrize(("language", "name"), [(language, name) for language, name, _ in all_shapes()])
def test_twice_the_text_takes_twice_the_time(language: str, name: str, path: FilePath) -> None:
    growth = growth_of(path, shapes_of(language)[name], language, (128 * KIB, 256 * KIB, 512 * KIB))
    assert growth.ratio < MAX_RATIO, growth.line()


@pytest.mark.parametrize("language", [name for name in LANGUAGES if has_grammar(name)])
def test_a_text_of_too_many_tokens_is_not_varied_and_says_so(language: str) -> None:
    source = b"x = 1\n" * 40_000
    assert varied(source, language) == [Refusal(kind, budget.TOO_DENSE) for kind in AUGMENTATIONS]


@pytest.mark.parametrize("units", [(32, 0), (8, 24), (0, 32)])
def test_edits_take_16_bytes_each_and_say_what_a_list_says(units: tuple[int, int]) -> None:
    changed, put_in = units
    edits = [Edit(at, at + 1, b"x") for at in range(changed)] + [
        Edit(at, at, b" ") for at in range(40, 40 + put_in)
    ]
    assert list(Edits(reversed(edits))) == edits
    assert len(Edits(edits)) == 32


@pytest.mark.parametrize(
    ("language", "name"),
    [("Ruby", "password lines"), ("Ruby", "when"), ("C#", "one method")],
)
def test_a_tree_of_which_most_is_hidden_is_not_kept_and_says_so(language: str, name: str) -> None:
    """Names on lines are 0.1 nodes a byte to who looks at them, and took Ruby's parser 106 bytes a byte."""
    source = shapes_of(language)[name](256 * KIB)
    assert {result.reason for result in varied(source, language)} == {budget.TOO_LONG}


@pytest.mark.parametrize("kib", [256, 1024])
def test_marks_behind_letters_are_tokens_and_too_many_are_not_parsed(kib: int) -> None:
    assert budget.is_dense(shapes_of("Scala")["combining"](kib * KIB))


def test_a_text_that_is_read_again_and_again_is_given_up_before_that_shows(path: FilePath) -> None:
    growth = growth_of(path, shapes_of("Lua")["a long name a line"], "Lua", (256 * KIB, 1024 * KIB))
    assert growth.ratio < MAX_SLICE_RATIO, growth.line()


def test_as_many_tokens_in_a_larger_text_are_parsed() -> None:
    source = b"a_name_as_people_write_them = 1\n" * 30_000
    assert not budget.is_dense(source)


def test_a_statement_that_is_too_large_for_the_compiler_is_not_varied_and_says_so() -> None:
    source = b"x = [\n" + (b"a_nam, " * 10 + b"\n") * 5_000 + b"]\n"
    assert {result.reason for result in varied(source, "Python")} == {budget.TOO_LARGE_TO_COMPILE}


def test_a_large_module_is_compiled_in_pieces_and_varied_like_a_small_one() -> None:
    unit = b"def a_name(first, second):\n    # why\n    total = first+second\n    return total\n\n\n"
    for times in (10, 4_000):
        source = b'"""What for."""\n\nfrom __future__ import annotations\n\n' + unit * times
        cuts, largest = cuts_of(source, table_of(parse("Python", source)))
        assert (len(cuts) > 2) == (times > 10)
        assert largest < 2 * budget.PIECE_NODES
        assert all(isinstance(result, Variant) for result in varied(source, "Python"))


@pytest.mark.parametrize(
    ("edits", "is_same"),
    [
        ([Edit(0, 0, b"# why\n")], True),
        ([Edit(8, 8, b"# why\n")], True),  # at a cut
        ([Edit(4, 5, b"2")], False),  # before a cut
        ([Edit(8, 9, b"y")], False),  # behind one
        ([Edit(7, 8, b"; ")], False),  # the line end before a cut
        ([Edit(8, 8, b"  ")], False),  # indented
        ([Edit(7, 8, b"\\\n")], False),  # the line before goes on
        ([Edit(0, 16, b"")], False),  # over cuts
        ([Edit(4, 24, b"")], False),
        ([Edit(2, 20, b"x")], False),
    ],
)
def test_pieces_are_as_strict_as_the_whole(edits: list[Edit], is_same: bool) -> None:
    source, cuts = b"x = (1)\nx = (1)\nx = (1)\n", [8, 16]
    changed = compiled(apply(source, edits), moved(cuts, edits))
    assert (changed is not None and same(compiled(source, cuts), changed, {})) == is_same


@pytest.mark.parametrize(
    "unit",
    [
        "x = lambda: 1\n",
        "def f(): pass\n",
        "class A:\n    def f(self): return 1\n",
        "x = [a for a in b]\n",
        "f(@=1)\n",
        "x = 0xFEDCBA98@\n",
    ],
)
def test_parts_that_the_compiler_compares_each_with_each_are_refused_only_where_they_are_many(
    unit: str,
) -> None:
    for times, is_refused in ((1000, False), (4000, "@" not in unit)):
        source = "".join(unit.replace("@", f"a{number:08}") for number in range(times)).encode()
        refusal = Refusal("comment_toggle", budget.TOO_ALIKE)
        assert (refusal in varied(source, "Python", ["comment_toggle"])) == is_refused


def test_a_parser_reads_every_text_as_it_stands_whatever_its_length(tmp_path: Path) -> None:
    """It is handed pieces of 64 to 4,096 bytes; no character may be lost where two meet."""
    for length in (0, 1, 63, 64, 65, 127, 128, 4095, 4096, 4097, 9001):
        source = ("é中😀" * length)[:length].encode()
        source = b"x = '" + source + b"'\n"
        tree = parse("Python", source)
        assert not tree.root_node.has_error, length
        assert tree.root_node.end_byte == len(source)


@pytest.mark.parametrize("character", ["é", "中", "😀"])
def test_a_parser_that_is_stopped_within_a_character_stops(character: str) -> None:
    """Handed nothing where the rest of a character was due, it read from a null pointer and took the process along."""
    source = ((character * 80 + "\n") * 2_000).encode()[:131_000].decode("utf-8", "ignore").encode()
    assert gave_up(source, table_of(parse("Lua", source)))
