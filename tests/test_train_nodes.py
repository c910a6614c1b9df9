"""Gaps that are whole syntax nodes, found by brackets and indentation, compared with what a parser says."""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import write_dataset

from effectiveness.languages.syntax import parse
from effectiveness.trainer import gaps
from effectiveness.trainer.gaps import draw_node, in_brackets, statement
from effectiveness.trainer.vocabulary import Vocabulary

RUST = b"""\
fn add(a: u32, b: u32) -> u32 {
    if a > b {
        return sum(&[a, b]);
    } else {
        log(b);
    }
    a + b
}
"""
PYTHON = b"""\
def add(
    a, b
):
    total = a

    return total + b
last = 1
"""


@pytest.mark.parametrize(
    ("text", "place", "node"),
    [
        (RUST, b"return", b"return sum(&[a, b]);"),
        (RUST, b"if a", RUST[RUST.index(b"if a") : RUST.index(b"\n    a + b")]),
        (RUST, b"fn add", RUST.rstrip()),
        (PYTHON, b"def add", PYTHON[: PYTHON.index(b"\nlast")]),
        (PYTHON, b"last", b"last = 1"),
    ],
)
def test_a_statement_is_its_line_what_is_indented_under_it_and_what_closes_it(text, place, node):
    first, last = statement(text, text.index(place))
    assert text[first:last] == node


@pytest.mark.parametrize(
    ("place", "held"),
    [(b"a, b]", b"a, b"), (b"&[", b"&[a, b]"), (b"log", b"log(b);"), (b": u32, b", b"a: u32, b: u32")],
)
def test_what_the_innermost_brackets_around_a_place_hold_is_one_node(place, held):
    first, last = in_brackets(RUST, RUST.index(place))
    assert RUST[first:last] == held


def test_where_nothing_is_found_there_is_no_node():
    assert (
        in_brackets(b"a = b", 2) is None
        and in_brackets(b"(a]", 1) is None
        and in_brackets(b"(  )", 2) is None
    )
    assert statement(b"a\n\nb", 2) is None and draw_node(b"", random.Random(1)) is None


def _bounds(tree) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """The parents of the nodes that begin at a byte, and of those that end there."""
    starts: dict[int, set[int]] = {}
    ends: dict[int, set[int]] = {}
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        for child in node.children:
            starts.setdefault(child.start_byte, set()).add(node.id)
            ends.setdefault(child.end_byte, set()).add(node.id)
            stack.append(child)
    return starts, ends


def _is_code(tree, place: int) -> bool:
    node = tree.root_node.descendant_for_byte_range(place, place + 1)
    while node is not None and "string" not in node.type and "comment" not in node.type:
        node = node.parent
    return node is None


@pytest.mark.parametrize("language", ["Python", "Rust", "Go", "JavaScript"])
def test_six_of_seven_are_whole_nodes_or_runs_of_them_to_a_parser_too(language):
    suffix = {"Python": "py", "Rust": "rs", "Go": "go", "JavaScript": "js"}[language]
    cases = sorted((Path(__file__).parent / "cases" / language).rglob(f"*.before.{suffix}"))
    texts = [case.read_bytes() for case in cases]
    texts += [Path(textwrap.__file__).read_bytes()] if language == "Python" else []
    whole = count = 0
    for number, text in enumerate(texts):
        tree, rng = parse(language, text), random.Random(number)
        starts, ends = _bounds(tree)
        for place in (rng.randrange(len(text)) for _ in range(40)):
            for node in (in_brackets(text, place), statement(text, place)):
                if node is not None and _is_code(tree, place):
                    count += 1
                    whole += bool(starts.get(node[0], set()) & ends.get(node[1], set()))
    assert count > 100 and 7 * whole > 6 * count, (whole, count)


def test_a_gap_at_a_node_is_that_node(tmp_path, monkeypatch):
    vocabulary = Vocabulary(write_dataset(tmp_path / "d").parent / "tokenizer")
    monkeypatch.setattr(gaps, "CUTS", {gaps.NODES: 1.0})
    tokens, text = np.array(vocabulary.encode(RUST.decode())), RUST
    found = set()
    for attempt in range(200):
        _, middle = gaps.cut_a_gap(tokens, vocabulary.control, 10_000, random.Random(attempt), vocabulary)
        found.add(vocabulary.decode(middle).encode())
    nodes = {
        text[a:b] for seed in range(500) if (node := draw_node(text, random.Random(seed))) for a, b in [node]
    }
    assert len(found) > 5 and found <= nodes
