"""Whole groups, shares within two points, and the nearest possible where that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from effectiveness.corpus.split import MAX_SHARE, assign_splits, split_notes


def shares(split: np.ndarray, sizes: np.ndarray) -> list[float]:
    return [float(sizes[split == index].sum() / sizes.sum()) for index in range(3)]


def paths(count: int) -> list[str]:
    return [f"src/{index}.py" for index in range(count)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [300, 3000])
def test_heavy_tailed_files_split_85_10_5_within_two_points(seed, count):
    sizes = np.random.default_rng(seed).pareto(1.2, count) * 10 + 1
    split = assign_splits(np.arange(count), sizes, paths(count), seed)
    assert shares(split, sizes) == pytest.approx([0.85, 0.10, 0.05], abs=0.02)


def test_no_group_lies_in_two_splits():
    rng = np.random.default_rng(3)
    groups, sizes = rng.integers(0, 200, 1000), rng.random(1000) + 0.1
    split = assign_splits(groups, sizes, paths(1000), 42)
    assert all(len(set(split[groups == group])) == 1 for group in set(groups.tolist()))


def test_one_huge_file_goes_to_train_whatever_the_seed():
    sizes = np.array([1000.0, *[1.0] * 400])
    assert all(assign_splits(np.arange(401), sizes, paths(401), seed)[0] == 0 for seed in range(20))


def test_another_seed_holds_out_other_files():
    sizes = np.ones(200)
    one, two = (assign_splits(np.arange(200), sizes, paths(200), seed) for seed in (1, 2))
    assert (one != two).any()


@pytest.mark.parametrize(("count", "used"), [(1, {0}), (2, {0, 1}), (3, {0, 1, 2}), (4, {0, 1, 2})])
def test_few_files_fill_as_many_splits_as_they_can(count, used):
    split = assign_splits(np.arange(count), np.ones(count), paths(count), 42)
    assert set(split.tolist()) == used


def test_a_missed_share_is_said_and_a_met_one_is_not():
    assert split_notes({}, {"train": 850, "val": 100, "test": 50}, 90) == []
    assert "100/0/0" in split_notes({}, {"train": 7, "val": 0, "test": 0}, 1)[0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("largest", [0.004, 0.012, 0.05, 0.3])
def test_no_group_is_more_than_a_tenth_of_a_held_out_split(seed, largest):
    """A change log was a third of the bytes of a validation split, and every choice followed it."""
    sizes = np.random.default_rng(seed).pareto(2.0, 400) + 1
    sizes[:3] = largest * sizes.sum() * np.array([1.0, 0.9, 0.8])
    split = assign_splits(np.arange(400), sizes, paths(400), seed)
    for index in (1, 2):
        assert sizes[split == index].max() <= MAX_SHARE * sizes[split == index].sum()
    assert shares(split, sizes)[1:] == pytest.approx([0.10, 0.05], abs=0.02)


def test_where_all_files_are_large_they_are_held_out_all_the_same_and_a_line_says_so():
    sizes = np.full(12, 50.0)
    split = assign_splits(np.arange(12), sizes, paths(12), 42)
    assert [(split == index).sum() for index in (1, 2)] == [1, 1]
    notes = split_notes({"val": {"a.py": 50}, "test": {"b.py": 50}}, {"train": 85, "val": 10, "test": 5}, 12)
    assert [note.partition(": ")[0] for note in notes] == ["val", "test"]
    assert "a.py is 100 % of its 50 rows" in notes[0]


def test_only_a_file_above_a_tenth_is_worth_a_line():
    even = {f"{i}.py": 10 for i in range(10)}
    met = {"train": 850, "val": 100, "test": 50}
    assert split_notes({"val": even}, met, 90) == []
    assert "0.py is 11 %" in split_notes({"val": even | {"0.py": 11}}, met, 90)[0]
