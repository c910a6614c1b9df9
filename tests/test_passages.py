"""Files that share long passages are one group; files that share idioms and licences are not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from effectiveness.common.hashing import running_hash
from effectiveness.corpus.duplicates import _words_of, group, signature
from effectiveness.corpus.duplicates.passages import (
    MAX_FILES,
    PASSAGE_WORDS,
    SAMPLING,
    passages_of,
    sharing_pairs,
)


def words(rng: random.Random, count: int) -> list[str]:
    return [f"name{rng.randrange(5000)}" for _ in range(count)]


def groups_of(texts: list[str]) -> list[int]:
    return group([signature(text.encode()) for text in texts], lambda i: texts[i].encode()).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_a_long_copied_passage_joins_two_files_that_differ_otherwise(seed):
    rng = random.Random(seed)
    copied = words(rng, 600)
    one = " ".join(words(rng, 2000) + copied + words(rng, 500))
    two = " ".join(words(rng, 3000) + copied)
    assert groups_of([one, two]) == [0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_is_a_part_of_another_is_joined_to_it(seed):
    rng = random.Random(seed)
    whole = words(rng, 4000)
    assert groups_of([" ".join(whole), " ".join(whole[1000:1300])]) == [0, 0]


def test_a_few_shared_lines_join_nobody():
    for seed in range(20):
        rng = random.Random(seed)
        shared = words(rng, PASSAGE_WORDS + 20)
        texts = [" ".join(words(rng, 1500) + shared + words(rng, 1500)) for _ in range(2)]
        assert groups_of(texts) == [0, 1]


def test_a_licence_in_many_files_joins_nobody():
    rng = random.Random(3)
    licence = words(rng, 400)
    texts = [" ".join(licence + words(rng, 800)) for _ in range(MAX_FILES + 1)]
    assert groups_of(texts) == list(range(MAX_FILES + 1))


def test_many_tables_of_the_same_shape_are_one_group():
    """Character maps: more than half of each stands in all, the rest is its own."""
    rng = random.Random(4)
    common = words(rng, 1200)
    texts = [" ".join(common + words(rng, 900)) for _ in range(MAX_FILES + 4)]
    assert groups_of(texts) == [0] * len(texts)


def test_rare_and_common_passages_count_together():
    """Two files share a tenth that is theirs alone, and a third that stands everywhere."""
    rng = random.Random(6)
    common, theirs = words(rng, 1000), words(rng, 300)
    two = [" ".join(common + theirs + words(rng, 1500)) for _ in range(2)]
    others = [" ".join(common + words(rng, 3000)) for _ in range(MAX_FILES)]
    assert groups_of(two + others) == [0, 0, *range(2, 2 + MAX_FILES)]


@pytest.mark.parametrize("seed", range(10))
def test_a_text_without_spaces_is_joined_to_the_longer_one_that_holds_it(seed):
    """test/cjkencodings of the standard library: each line was one word, and too few words were left to compare."""
    rng = random.Random(seed)
    lines = ["".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(40)) for _ in range(12)]
    assert groups_of(["\n".join(lines), "\n".join(lines[:8]), "\n".join(lines[8:])])[:2] == [0, 0]


def kept_of(text: bytes) -> np.ndarray:
    hashes = _words_of([text])[0]
    [kept] = passages_of(running_hash(hashes), np.array([0, len(hashes)]))
    return kept


def test_one_passage_in_sampling_is_kept_and_the_choice_is_the_contents():
    rng = random.Random(5)
    text = " ".join(words(rng, 50_000)).encode()
    kept = kept_of(text)
    assert 0.9 < len(kept) * SAMPLING / 50_000 < 1.1
    tail = kept_of(text[len(text) // 2 :])
    assert len(set(tail.tolist()) - set(kept.tolist())) <= 1  # the first word may be cut


def test_no_files_share_nothing():
    assert list(sharing_pairs([])) == []
