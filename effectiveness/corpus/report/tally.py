"""Everything the page says about rows, counted from the rows themselves in a few vectorised passes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import ROLES, SHARES, SPLITS, VARIANTS

LENGTH_BINS = 24  # of windows that are not full
CURVE_POINTS = 240  # a page is about 700 pixels wide
ORDER_STEPS = 20  # slices of train.jsonl for "what comes when"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Complexity along one file: per slice of rows, in file order."""

    low: np.ndarray  # float64[points], the 10th percentile
    middle: np.ndarray  # float64[points], the median
    high: np.ndarray  # float64[points], the 90th percentile
    num_rows: int
    num_descents: int  # rows that are simpler than the row before them


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    by_split_role: np.ndarray  # int64[splits, roles]
    by_language_variant: np.ndarray  # int64[languages, variants]
    tokens_by_language: (
        np.ndarray
    )  # int64[languages], without padding; overlap counts as often as it is stored
    lengths: np.ndarray  # int64[LENGTH_BINS]: rows shorter than the window, by length
    num_full: int  # rows without padding
    tokens_by_split: np.ndarray  # int64[splits]
    language_order: np.ndarray  # int64[ORDER_STEPS, languages] rows of train, in file order
    curves: dict[str, Curve]  # by split
    window: int
    num_rows: int

    @property
    def rows_by_split(self) -> np.ndarray:
        return self.by_split_role.sum(axis=1)

    @property
    def shares(self) -> np.ndarray:
        """Of all rows, in each split: float64[splits]."""
        return self.rows_by_split / max(self.num_rows, 1)

    @property
    def off_shares(self) -> float:
        """How far the split farthest from its share of the rows is from it."""
        return float(np.abs(self.shares - list(SHARES.values())).max())


def tally(rows: np.ndarray, *, num_languages: int, window: int) -> RowCounts:
    """Count `rows`, a structured array in the order of the files (train, val, test) with the fields split, role,
    variant, language (u1; indices into SPLITS, ROLES, VARIANTS and `num_languages` languages), length (u4, tokens
    without padding) and complexity (f4). Takes under a second for a million rows.
    """
    length = rows["length"].astype(np.int64)
    split = rows["split"].astype(np.int64)
    language = rows["language"].astype(np.int64)
    return RowCounts(
        by_split_role=_count2(split, rows["role"], len(SPLITS), len(ROLES)),
        by_language_variant=_count2(language, rows["variant"], num_languages, len(VARIANTS)),
        tokens_by_language=_sums(language, length, num_languages),
        lengths=np.bincount(length[length < window] * LENGTH_BINS // window, minlength=LENGTH_BINS),
        num_full=int(np.count_nonzero(length >= window)),
        tokens_by_split=_sums(split, length, len(SPLITS)),
        language_order=_order(language[split == 0], num_languages),
        curves={name: _curve(rows["complexity"][split == index]) for index, name in enumerate(SPLITS)},
        window=window,
        num_rows=len(rows),
    )


def _count2(first: np.ndarray, second: np.ndarray, num_first: int, num_second: int) -> np.ndarray:
    keys = first.astype(np.int64) * num_second + second
    return np.bincount(keys, minlength=num_first * num_second).reshape(num_first, num_second)


def _sums(keys: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(keys, weights=values, minlength=size).astype(np.int64)  # exact below 2**53


def _order(language: np.ndarray, num_languages: int) -> np.ndarray:
    steps = np.arange(len(language)) * ORDER_STEPS // max(len(language), 1)
    return _count2(steps, language, ORDER_STEPS, num_languages)


def _curve(complexity: np.ndarray) -> Curve:
    points = min(len(complexity), CURVE_POINTS)
    edges = np.linspace(0, len(complexity), points + 1).astype(np.int64)
    slices = [complexity[start:end] for start, end in itertools.pairwise(edges)]
    quantiles = np.array([np.percentile(part, (10, 50, 90)) for part in slices], np.float64).reshape(
        points, 3
    )
    low, middle, high = quantiles.T
    descents = int(np.count_nonzero(np.diff(complexity) < 0))
    return Curve(low=low, middle=middle, high=high, num_rows=len(complexity), num_descents=descents)
