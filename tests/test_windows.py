"""Windows of many texts are cut and scored together as each text's would be alone."""

from __future__ import annotations

import numpy as np
import pytest

from effectiveness.common.records import ContextPlan
from effectiveness.corpus.curriculum import Features, features_of
from effectiveness.corpus.rows.shard import Text, num_names, scores, windows_of
from effectiveness.languages import syntax

PLAN = ContextPlan(
    device="cpu", device_name="", memory_bytes=0, tier="", reason="", context_tokens=16, overlap_tokens=12
)
SOURCES = [
    ("YAML", b"a:\n  b:\n    c: 3\n    d: 4\n"),  # two levels are open at its end
    ("Python", b"import a\n\nclass A:\n    def f(self):\n        return [x for x in a.b(1) if x]\n" * 2),
    ("Python", b""),
    ("Rust", b"fn f<T>(x: T) -> T { match x { y => { g::h(y)? } } }\nstruct"),
    ("Rust", b"use a::b;\n"),
    ("Python", b"def f(:\n  x\nclass A"),
    ("Text", b"x"),
]
BEGINS_NAME = np.arange(256) >= ord("A")


def text_of(source: bytes) -> Text:
    """Each byte is a token."""
    ids = np.frombuffer(source, np.uint8).astype(np.uint32)
    return Text(source, ids, np.ones(len(ids), np.int32))


def scored(sources: list[tuple[str, bytes]]) -> list[tuple[int, float]]:
    """(start, score) of each window."""
    texts = [text_of(source) for _, source in sources]
    trees = [
        syntax.parse(language, source) if syntax.has_grammar(language) else None
        for language, source in sources
    ]
    features = [
        features_of(source, language, tree) for (language, source), tree in zip(sources, trees, strict=True)
    ]
    windows = windows_of(texts, PLAN)
    ids = np.concatenate([text.ids for text in texts])
    complexity = scores(texts, features, windows, ids, BEGINS_NAME, PLAN)
    return list(zip(windows.start.tolist(), complexity.tolist(), strict=True))


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_a_text_is_scored_as_if_no_other_stood_beside_it(first):
    together = SOURCES[first:] + SOURCES[:first]
    assert scored(together) == [window for source in together for window in scored([source])]


def test_an_empty_node_at_the_end_of_a_text_is_not_the_next_ones():
    texts = [text_of(b"abc"), text_of(b"abc")]
    none = np.empty(0, np.int64)
    plain = Features(none, [0, 0, 0, 0, 0], none, none)
    with_node = Features(np.array([3]), [1, 0, 0, 0, 0], none, none)
    windows = windows_of(texts, PLAN)
    ids = np.concatenate([text.ids for text in texts])
    first, second = scores(texts, [with_node, plain], windows, ids, BEGINS_NAME, PLAN)
    assert first == second


def test_windows_lie_in_their_text_and_reach_its_end():
    texts = [text_of(b"x" * length) for length in (3, 0, 16, 17, 40)]
    windows = windows_of(texts, PLAN)
    assert windows.text.tolist() == [0, 2, 3, 3, *[4] * 7]
    assert windows.start.tolist() == [0, 0, 0, 1, 0, 4, 8, 12, 16, 20, 24]
    assert windows.first.tolist() == [0, 3, 19, 20, 36, 40, 44, 48, 52, 56, 60]
    assert (windows.end - windows.first).tolist() == [3, *[16] * 10]


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("seed", range(4))
def test_names_of_a_window_are_counted_once_each(seed, dtype):
    rng = np.random.default_rng(seed)
    texts = [text_of(bytes(rng.integers(50, 90, length, np.uint8))) for length in (3, 0, 200, 16, 47, 1)]
    windows = windows_of(texts, PLAN)
    ids = np.concatenate([text.ids for text in texts]).astype(dtype)
    expected = [
        len(set(ids[first:end][BEGINS_NAME[ids[first:end]]].tolist()))
        for first, end in zip(windows.first, windows.end, strict=True)
    ]
    assert num_names(ids, BEGINS_NAME, windows.first, windows.end).tolist() == expected


def test_texts_without_tokens_have_no_windows():
    assert scored([("Text", b""), ("Rust", b"")]) == []
