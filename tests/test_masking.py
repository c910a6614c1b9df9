"""Masks replace whole tokens of the window, and mostly whole pieces of syntax."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest

from effectiveness.common.records import ContextPlan, SourceFile
from effectiveness.corpus.augment import NO_FACTS
from effectiveness.corpus.augment.masking import MASKED_SHARE, MIN_TOKENS, MaskableNodes, mask_window
from effectiveness.corpus.rows.shard import RowOptions, ShardWriter, Text
from effectiveness.corpus.rows.variants import MASKING, Variation
from effectiveness.corpus.tokenization import Encoder
from effectiveness.corpus.tokenization.source import train_bpe
from effectiveness.languages import syntax

SOURCE = Path(random.__file__).read_bytes()
MASK_ID = 60_000


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    path = tmp_path_factory.mktemp("masking") / "tokenizer.json"
    train_bpe(iter([SOURCE.decode()]), 1000, path)
    encoder = Encoder(path)
    ids = encoder.encode(SOURCE)
    return ids.astype(np.uint16), encoder.token_ends(SOURCE, ids)


@pytest.fixture(scope="module")
def nodes(encoded) -> MaskableNodes:
    return MaskableNodes(SOURCE, syntax.table_of(syntax.parse("Python", SOURCE)), encoded[1])


def test_spans_are_disjoint_lie_in_the_window_and_cover_about_their_share(nodes):
    for start in (0, 100, 1000):
        spans = nodes.spans(start, 256, random.Random(start))
        flat = [edge for span in spans for edge in span]
        assert flat == sorted(flat)
        assert flat[0] >= 0
        assert flat[-1] <= 256
        covered = sum(last - first for first, last in spans)
        assert MASKED_SHARE * 256 - 1 <= covered <= MASKED_SHARE * 256 + 48


def test_most_spans_are_whole_syntax_nodes(nodes):
    ranges = {(int(a), int(b)) for a, b in zip(nodes.first, nodes.last, strict=True)}
    spans = [span for seed in range(40) for span in nodes.spans(0, 512, random.Random(seed))]
    assert sum(span in ranges for span in spans) / len(spans) > 0.8


def test_a_node_of_the_table_is_whole_text_of_its_syntax(nodes, encoded):
    _, ends = encoded
    starts = np.concatenate(([0], ends[:-1]))
    table = syntax.table_of(syntax.parse("Python", SOURCE))
    texts = {SOURCE[a:b] for a, b in zip(table.start, table.end, strict=True)}
    for first, last in zip(nodes.first[::50], nodes.last[::50], strict=True):
        covered = SOURCE[starts[first] : ends[last - 1]]
        assert covered in texts or covered.removeprefix(b" ") in texts


def test_masking_changes_nothing_but_masked_places_and_is_a_function_of_the_seed(nodes, encoded):
    ids, _ = encoded
    one, two = (mask_window(ids, 64, 128, nodes, MASK_ID, random.Random(5)) for _ in range(2))
    assert np.array_equal(one, two)
    changed = one != ids[64:192]
    assert (one[changed] == MASK_ID).all()
    assert 0 < changed.sum() < 128


def test_a_short_window_keeps_most_of_its_tokens(nodes, encoded):
    for start in range(0, 2000, 7):
        masked = mask_window(encoded[0], start, MIN_TOKENS, nodes, MASK_ID, random.Random(start))
        assert 1 <= (masked == MASK_ID).sum() <= MIN_TOKENS // 2


def test_a_text_that_is_too_short_is_left_alone_and_counted(encoded):
    plan = ContextPlan(
        device="cpu", device_name="", memory_bytes=0, tier="", context_tokens=64, overlap_tokens=0, reason=""
    )
    variation = Variation(kinds=(MASKING,), seed=0, facts=NO_FACTS, mask_id=MASK_ID)
    options = RowOptions(plan=plan, tokenizer_json=Path(), dtype="uint16", sample=(), variation=variation)
    file = SourceFile(path="a.py", language="Python", role="util", sha256="", num_bytes=7, offset=0)
    ids, spool = encoded[0][: MIN_TOKENS - 1], io.BytesIO()
    shard = ShardWriter(0, spool, options, np.zeros(1, bool))
    variation.add_masked(shard, 0, file, Text(b"x" * len(ids), ids, np.ones(len(ids), np.int32)), None)
    assert not spool.getvalue()
    assert shard.yields == {("token_masking", "Python", f"shorter than {MIN_TOKENS} tokens"): 1}


def test_text_without_a_grammar_is_masked_at_random(encoded):
    nodes = MaskableNodes(SOURCE, None, encoded[1])
    assert nodes.spans(0, 64, random.Random(1))
