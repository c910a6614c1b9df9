"""What held-out files cost: sums over scored tokens, and the headline that no single file decides.

A held-out split is a draw of files, and its pooled loss is that of its largest: one change log was a third of the
bytes of a split of 35 files, and with it went the choice of the best weights. So the headline is the mean over files,
each weighted by its bytes up to a cap. Where no file is that large - the dataset command keeps such files in train - it
is the pooled figure to the last digit. A mean over languages would do as well where each has many files, but two short
Makefiles would weigh as much there as all of the code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

LN2 = math.log(2)
MAX_FILE_SHARE = 0.1  # of a split
MAX_FAIR_SHARES = 2  # but where files are few each may count twice its even share


def file_factors(num_bytes: np.ndarray) -> np.ndarray:
    """What each file's sums are multiplied with, float64 [files]: 1, and less for a file above its cap.

    `num_bytes` are the scored bytes of each. Afterwards no file holds more than a tenth of all bytes, or than two even
    shares where that is more.
    """
    sizes = np.sort(num_bytes[num_bytes > 0])[::-1].astype(np.float64)
    share = max(MAX_FILE_SHARE, MAX_FAIR_SHARES / max(1, len(sizes)))
    if share >= 1 or not len(sizes):
        return np.ones(len(num_bytes))
    rest = np.append(np.cumsum(sizes[::-1])[::-1], 0.0)  # bytes of all but the k largest
    cap, capped = sizes[0], 0
    while capped < len(sizes) and sizes[capped] > (cap := share * rest[capped] / (1 - share * capped)):
        capped += 1
    return np.minimum(1.0, cap / np.maximum(num_bytes, 1)) if capped else np.ones(len(num_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Sums over scored tokens. Their ratios are of `counted`, where files above their cap count for less."""

    nats: float
    num_tokens: int
    num_bytes: int
    counted: tuple[float, float, float] | None = None  # nats, tokens, bytes; None: every file as it is

    @property
    def nats_per_token(self) -> float:
        nats, num_tokens, _ = self._counted
        return nats / num_tokens if num_tokens else math.nan

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nats_per_token, 700.0)) if self.num_tokens else math.nan

    @property
    def bits_per_byte(self) -> float:
        nats, _, num_bytes = self._counted
        return nats / LN2 / num_bytes if num_bytes else math.nan

    @property
    def pooled_bits_per_byte(self) -> float:
        """Every byte counts the same, as in comparisons with what was measured before there was a cap."""
        return self.nats / LN2 / self.num_bytes if self.num_bytes else math.nan

    @property
    def _counted(self) -> tuple[float, float, float]:
        return self.counted or (self.nats, self.num_tokens, self.num_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of a split: `headline` is originals only, and so are the parts by role and language."""

    headline: Score
    by_role: dict[str, Score] = field(default_factory=dict)
    by_language: dict[str, Score] = field(default_factory=dict)
    by_variant: dict[str, Score] = field(default_factory=dict)
    num_windows: int = 0  # of originals, that were scored
    num_windows_in_all: int = 0
    largest: tuple[str, float] | None = (
        None  # the file above its cap with the most bytes, and its share of them
    )

    @property
    def is_finite(self) -> bool:
        """Whether its loss is a number; nothing held out is no reason to doubt a model."""
        return self.headline.num_tokens == 0 or math.isfinite(self.headline.nats)

    @property
    def is_whole(self) -> bool:
        return self.num_windows == self.num_windows_in_all

    @property
    def windows(self) -> str:
        """ "96 of 1,128 windows", "all 560 windows"."""
        if not self.is_whole:
            return f"{self.num_windows:,} of {self.num_windows_in_all:,} windows"
        return f"all {self.num_windows_in_all:,} windows"
