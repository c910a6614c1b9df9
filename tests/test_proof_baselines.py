"""The n-gram every model has to beat is the textbook one, however it is counted."""

import dataclasses
import math

import numpy as np
import pytest
from training_fixtures import small_files, write_dataset

from effectiveness.proof import baselines
from effectiveness.proof.baselines import ORDER, Counts, ngram_nats, probability, together, uniform_nats
from effectiveness.trainer.recut import scored_stretches, whole_files
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary


def test_windows_are_put_together_to_the_files_they_were_cut_from(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    vocabulary = Vocabulary(dataset.tokenizer)
    rows = open_rows(dataset, "train")
    texts = {rows.files[part.file]: vocabulary.decode(part.tokens) for part in whole_files(rows)}
    assert texts == {file.path: file.text for file in small_files() if file.split == "train"}


def test_scored_stretches_are_what_counts_and_whole_files_where_all_does(tmp_path):
    rows = open_rows(open_dataset(write_dataset(tmp_path / "d")), "test")
    files = whole_files(rows)
    assert [p.tokens.tolist() for p in scored_stretches(rows)] == [p.tokens.tolist() for p in files]
    scored = np.ones(len(rows.tokens), dtype=np.bool_)
    for row in rows.table:  # tokens 5 to 7 of each file
        place = row["start_token"] + np.arange(row["length"])
        scored[row["offset"] : row["offset"] + row["length"]] = (place < 5) | (place > 7)
    found = scored_stretches(dataclasses.replace(rows, scored=scored))
    expected = [(p.file, a, p.tokens[a:b].tolist()) for p in files for a, b in ((0, 5), (8, len(p.tokens)))]
    assert [(p.file, p.start, p.tokens.tolist()) for p in found] == expected


def test_the_ngram_gives_a_distribution_and_the_hand_computed_probability():
    counts = Counts()
    for token in (1, 1, 2):
        counts.add((), token)
    probabilities = [probability([counts.seen((), token)], 4) for token in range(4)]
    assert sum(probabilities) == pytest.approx(1.0)
    assert probabilities[1] == pytest.approx((2 + 2 / 4) / (3 + 2))
    counts.add((1,), 3)
    over = [probability([counts.seen((), t), counts.seen((1,), t)], 4) for t in range(4)]
    assert sum(over) == pytest.approx(1.0)


def test_counts_of_the_file_weigh_more_than_the_same_counts_of_the_training_files():
    once, never = [(1, 2, 2)], [(0, 2, 2)]
    assert together(never, once, 4) > together(once, never, 4)
    every = [
        together([counts], [of_file], 4)
        for counts, of_file in zip(
            [(1, 2, 2)] * 2 + [(0, 2, 2)] * 2, [(2, 2, 1)] + [(0, 2, 1)] * 3, strict=True
        )
    ]
    assert sum(every) == pytest.approx(1)


def test_the_ngram_learns_a_repetition_and_nothing_from_noise():
    noise = np.random.default_rng(0).integers(0, 64, 400)
    pattern = np.array([1, 2, 3, 4] * 100)
    assert ngram_nats([pattern], [pattern], 64)[0].sum() < 5
    assert ngram_nats([pattern], [noise], 64)[0].sum() > 0.9 * 400 * math.log(64)


def counted_one_by_one(train, tokens, vocab_size: int) -> list[float]:
    """The same by dictionaries alone: training files and the file so far, added up."""
    trained, cache, nats = Counts(), Counts(), []
    for file in train:
        for place, token in enumerate(file):
            trained.add(tuple(file[max(0, place - ORDER) : place]), token)
    for place, token in enumerate(tokens):
        context = tuple(tokens[max(0, place - ORDER) : place])
        in_train, in_file = (
            [counts.seen(context[len(context) - n :], token) for n in range(len(context) + 1)]
            for counts in (trained, cache)
        )
        nats.append(-math.log(together(in_train, in_file, vocab_size)))
        cache.add(context, token)
    return nats


@pytest.mark.parametrize("chunk_tokens", [50, 2_000_000])
def test_looking_up_by_hash_counts_what_dictionaries_count(monkeypatch, chunk_tokens):
    monkeypatch.setattr(baselines, "CHUNK_TOKENS", chunk_tokens)
    rng = np.random.default_rng(1)
    train = [rng.integers(0, 5, size) for size in (1, 40, 300)]
    held_out = [rng.integers(0, 5, size) for size in (1, 120)]
    for file, nats in zip(held_out, ngram_nats(train, held_out, 5), strict=True):
        expected = counted_one_by_one([f.tolist() for f in train], file.tolist(), 5)
        assert nats.tolist() == pytest.approx(expected)


def test_places_that_are_asked_for_cost_what_they_cost_among_all():
    rng = np.random.default_rng(2)
    train, held_out = [rng.integers(0, 9, 200)], [rng.integers(0, 9, 50), rng.integers(0, 9, 30)]
    asked = [np.array([0, 7, 49]), np.array([], dtype=np.int64)]
    some, every = ngram_nats(train, held_out, 9, asked), ngram_nats(train, held_out, 9)
    assert some[0].tolist() == every[0][asked[0]].tolist() and len(some[1]) == 0


def test_without_training_files_only_the_cache_knows_anything():
    pattern = np.array([3, 1] * 40)
    nats = ngram_nats([], [pattern], 8)[0]
    assert nats[0] == pytest.approx(math.log(8)) and nats[-1] < 0.3


def test_a_uniform_guess_costs_the_logarithm_of_the_vocabulary():
    assert uniform_nats(3, 8).tolist() == pytest.approx([math.log(8)] * 3)
