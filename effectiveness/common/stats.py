"""Whether a difference between two models is one: intervals by file and seed, exact tests, what could be seen at all.

Tokens of one file depend on each other, so files are what is drawn again, never tokens; and two runs that differ
in nothing but their seed differ, too, so runs are drawn again where there are several. Everything is paired: both
models are scored on the same files.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from effectiveness.common.seeding import generator_for

LN2 = math.log(2)
RESAMPLES = 10_000
CHUNK = 1000  # resamples at a time: a matrix of CHUNK x files is held
MIN_FILES = 6  # in five files even the same sign in all is chance in 6 of 100 cases
Z_TWO_SIDED = 1.959964  # 5 %, two-sided
Z_POWER = 0.841621  # 80 %
T_TWO_SIDED = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # 1 .. 10 degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval. Infinite limits: too few files to say anything."""

    estimate: float
    low: float
    high: float
    standard_error: float = math.nan

    @property
    def touches_zero(self) -> bool:
        return not (self.low > 0 or self.high < 0)

    def as_dict(self) -> dict:
        """For JSON: what is not finite becomes None."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two models on the same yes-or-no questions; only those they answer differently count."""

    only_a: int  # right with a, wrong with b
    only_b: int
    num_pairs: int
    odds_ratio: float  # only_a / only_b: inf without an only_b, nan without either
    p_value: float  # exact, two-sided

    def as_dict(self) -> dict:
        ratio = self.odds_ratio if math.isfinite(self.odds_ratio) else None
        return asdict(self) | {"odds_ratio": ratio}


# --- bits per byte ---------------------------------------------------------------------------------------


def paired_bootstrap(
    nats_a, nats_b, bytes_, *, seed: int, resamples: int = RESAMPLES, relative: bool = False
) -> Interval:
    """a minus b in bits per UTF-8 byte (`relative`: as a share of b), with its 95 % percentile interval.

    nats_a, nats_b: [files] or [seeds, files], their numbers of seeds may differ; bytes_: [files] of the same files.
    The estimate is a ratio of sums, mean nats over seeds / bytes, so that a long file counts more than a short one.

    Each resample draws as many files as there are, with replacement, the same ones for a and b. Where a model has
    several seeds it draws as many of its seeds, a's and b's apart: their runs are independent. Few seeds vary
    among themselves less than all seeds do - n of them by (n - 1) / n, and that is itself uncertain - so their
    deviations from their mean are widened by sqrt(n / (n - 1)) x t / z. With one seed the interval speaks for
    these two runs on other files, not for other runs.

    Fewer than MIN_FILES files give an infinite interval. Raises ValueError for shapes that do not match.
    """
    a, b, num_bytes = _checked(nats_a, nats_b, bytes_)
    estimate = _effect(a.mean(0).sum(), b.mean(0).sum(), num_bytes.sum(), relative)
    if len(num_bytes) < MIN_FILES:
        return Interval(estimate=float(estimate), low=-math.inf, high=math.inf, standard_error=math.inf)
    degrees = len(a) + len(b) - 2
    a, b = _widened(a, degrees), _widened(b, degrees)
    drawn = _resampled(a, b, num_bytes, seed, resamples, relative)
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Interval(estimate=float(estimate), low=low, high=high, standard_error=float(drawn.std(ddof=1)))


def _checked(nats_a, nats_b, bytes_) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """float64 [seeds, files], [seeds, files], [files]."""
    a, b = (np.atleast_2d(np.asarray(nats, dtype=np.float64)) for nats in (nats_a, nats_b))
    num_bytes = np.asarray(bytes_, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1:] != num_bytes.shape or b.shape[1:] != num_bytes.shape:
        raise ValueError(f"nats {a.shape} and {b.shape} do not fit {num_bytes.shape} files")
    if not (num_bytes > 0).all():
        raise ValueError("every file needs at least one byte")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("nats must be finite")
    return a, b, num_bytes


def _effect(nats_a, nats_b, num_bytes, relative: bool):
    return (nats_a - nats_b) / (nats_b if relative else LN2 * num_bytes)


def _widened(nats: np.ndarray, degrees: int) -> np.ndarray:
    """Seeds further from their mean, so that drawing them again varies as drawing new seeds would."""
    num_seeds = len(nats)
    if num_seeds == 1:
        return nats
    factor = math.sqrt(num_seeds / (num_seeds - 1)) * _t_quantile(degrees) / Z_TWO_SIDED
    mean = nats.mean(0)
    return mean + factor * (nats - mean)


def _t_quantile(degrees: int) -> float:
    """97.5 % of Student's t; beyond the table by the Cornish-Fisher expansion (to 0.1 %)."""
    if degrees <= len(T_TWO_SIDED):
        return T_TWO_SIDED[degrees - 1]
    z = Z_TWO_SIDED
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def _resampled(a, b, num_bytes, seed: int, resamples: int, relative: bool) -> np.ndarray:
    """The effect in each resample, float64 [resamples]."""
    rng = generator_for(seed, "bootstrap")
    parts = []
    for first in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - first)
        files = _counts(rng, len(num_bytes), size)
        of_a, of_b = (
            ((files @ nats.T) * _counts(rng, len(nats), size)).sum(1) / len(nats) for nats in (a, b)
        )
        parts.append(_effect(of_a, of_b, files @ num_bytes, relative))
    return np.concatenate(parts)


def _counts(rng: np.random.Generator, num_choices: int, size: int) -> np.ndarray:
    """How often each choice is drawn in `num_choices` draws with replacement, float64 [size, choices]."""
    return rng.multinomial(num_choices, np.full(num_choices, 1 / num_choices), size).astype(np.float64)


def smallest_detectable(interval: Interval) -> float:
    """The smallest true effect this test would have shown in 80 of 100 cases, at 5 % two-sided."""
    return (Z_TWO_SIDED + Z_POWER) * interval.standard_error


def finite(value: float) -> float | None:
    """For JSON, which has no other numbers."""
    return value if math.isfinite(value) else None


def verdict(interval: Interval, *, percent: bool = False) -> str:
    """ "lower by 0.12 (0.10 to 0.14)", "higher by ...", or "no gain shown" where the interval touches 0."""
    if interval.touches_zero:
        return "no gain shown"
    ends = sorted((abs(interval.low), abs(interval.high)))
    size, low, high = (_shown(value, percent) for value in (abs(interval.estimate), *ends))
    return f"{'lower' if interval.high < 0 else 'higher'} by {size} ({low} to {high})"


def _shown(value: float, percent: bool) -> str:
    return f"{100 * value:.1f} %" if percent else f"{value:.4f}"


# --- exact match -----------------------------------------------------------------------------------------


def mcnemar(a_right, b_right) -> McNemar:
    """McNemar's exact test on two boolean arrays [questions]. Raises ValueError when they are of unequal length."""
    a, b = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"answers {a.shape} and {b.shape} are not to the same questions")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    ratio = only_a / only_b if only_b else math.inf if only_a else math.nan
    return McNemar(
        only_a=only_a,
        only_b=only_b,
        num_pairs=len(a),
        odds_ratio=ratio,
        p_value=_binomial_p(min(only_a, only_b), only_a + only_b),
    )


def _binomial_p(fewer: int, num: int) -> float:
    """Chance of a split of `num` fair coins at least as uneven as `fewer` against the rest."""
    if 2 * fewer >= num:
        return 1.0
    tail = sum(math.comb(num, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << num))
