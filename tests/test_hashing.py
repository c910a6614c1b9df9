"""The 64-bit hashes: a stretch has one hash, wherever it stands and however it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from effectiveness.common.hashing import BASE, mix, sliding_hashes, stretch_hashes

MODULUS = 1 << 64


def slow_hash(values: list[int]) -> int:
    total = sum(value * pow(BASE, i, MODULUS) for i, value in enumerate(values)) % MODULUS
    return int(mix(np.array([total], np.uint64))[0])


@pytest.mark.parametrize(("count", "width"), [(0, 5), (4, 5), (5, 5), (6, 5), (300, 1), (300, 50)])
def test_every_stretch_of_a_width_has_the_hash_of_its_values(count, width):
    values = np.random.default_rng(count).integers(1, 50_000, count).astype(np.uint64)
    starts = np.arange(max(0, count - width + 1))
    expected = [slow_hash(values[start : start + width].tolist()) for start in starts.tolist()]
    assert sliding_hashes(values, width).tolist() == expected
    assert stretch_hashes(values, starts, starts + width).tolist() == expected


def test_mixing_leaves_what_it_is_given_as_it_was():
    values = np.array([0, 1, MODULUS - 1], np.uint64)
    mixed = mix(values)
    assert values.tolist() == [0, 1, MODULUS - 1] and len({*mixed.tolist()}) == 3
