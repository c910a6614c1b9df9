"""What the runs of an ablation say: intervals, steps to the baseline's loss, verdicts, recommended settings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from effectiveness.ablation.arms import ARMS
from effectiveness.common.records import UserError
from effectiveness.common.stats import LN2, Interval, finite, paired_bootstrap, smallest_detectable, verdict

BOOTSTRAP_SEED = 0
COLUMNS = {  # heading -> how Markdown aligns it
    "arm": "---",
    "against": "---",
    "bits/byte": "---:",
    "difference": "---:",
    "95 % interval": "---:",
    "steps to baseline": "---:",
    "tokens/CPU s": "---:",
    "verdict": "---",
    "on core files": "---",
}
BASELINE_NAME, AGAIN, SABOTAGE = "baseline", "baseline-again", "sabotage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """All seeds of one arm over the same held-out files."""

    arm: str
    seeds: tuple[int, ...]
    nats: np.ndarray  # float64 [seeds, files]
    num_bytes: np.ndarray  # int64 [files]
    roles: tuple[str, ...]  # of the files
    curve: np.ndarray  # float64 [points, 2]: step, bits per byte, mean over seeds
    tokens_per_s: float  # training tokens a second of CPU time (of one thread)
    num_tokens: float  # of one run, mean over seeds

    @property
    def bits_per_byte(self) -> np.ndarray:
        """Of each seed, float64 [seeds]."""
        return self.nats.sum(1) / LN2 / self.num_bytes.sum()

    def of_role(self, role: str) -> Runs:
        """The same runs over the files of one role."""
        chosen = np.array([r == role for r in self.roles])
        roles = tuple(r for r in self.roles if r == role)
        return replace(self, nats=self.nats[:, chosen], num_bytes=self.num_bytes[chosen], roles=roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One arm beside the arm it is measured against; intervals are None for the baseline."""

    runs: Runs
    against: str | None
    difference: Interval | None  # bits per byte, arm minus reference
    relative: Interval | None
    on_core: Interval | None  # relative, over the core files only
    steps_to_baseline: float | None  # None: never reached, or no baseline

    @property
    def verdict(self) -> str:
        return verdict(self.relative, percent=True) if self.relative else ""

    def as_dict(self) -> dict:
        runs = self.runs
        return {
            "arm": runs.arm,
            "against": self.against,
            "seeds": runs.seeds,
            "bits_per_byte": runs.bits_per_byte.tolist(),
            "difference": self.difference and self.difference.as_dict(),
            "relative": self.relative and self.relative.as_dict(),
            "relative_on_core_files": self.on_core and self.on_core.as_dict(),
            "smallest_detectable": self.difference and finite(smallest_detectable(self.difference)),
            "steps_to_baseline": self.steps_to_baseline,
            "curve": runs.curve.tolist(),
            "tokens": runs.num_tokens,
            "tokens_per_cpu_second": runs.tokens_per_s,
            "verdict": self.verdict,
        }


def runs_by_arm(records: Iterable[dict]) -> dict[str, Runs]:
    """The records of one dataset and one set of settings, in the order of the table of arms."""
    groups: dict[str, list[dict]] = {}
    for record in records:
        groups.setdefault(record["arm"], []).append(record)
    return {arm: _runs(arm, groups[arm]) for arm in ARMS if arm in groups}


def _runs(arm: str, records: list[dict]) -> Runs:
    records = sorted(records, key=lambda record: record["seed"])
    first = records[0]
    if any((r["files"], r["num_bytes"]) != (first["files"], first["num_bytes"]) for r in records):
        raise UserError(f"the runs of {arm} were scored on different files; use another --results file")
    return Runs(
        arm=arm,
        seeds=tuple(r["seed"] for r in records),
        nats=np.array([r["nats"] for r in records], dtype=np.float64),
        num_bytes=np.array(first["num_bytes"], dtype=np.int64),
        roles=tuple(first["roles"]),
        curve=_mean_curve([np.array(r["curve"], dtype=np.float64) for r in records]),
        tokens_per_s=sum(r["tokens"] for r in records) / max(sum(r["cpu_seconds"] for r in records), 1e-9),
        num_tokens=float(np.mean([r["tokens"] for r in records])),
    )


def _mean_curve(curves: list[np.ndarray]) -> np.ndarray:
    """Point by point, as far as all of them go: runs of different lengths have nearly as many points."""
    shortest = min(map(len, curves))
    return np.mean([curve[:shortest] for curve in curves], axis=0)


def pooled(datasets: list[dict[str, Runs]]) -> dict[str, Runs]:
    """The files of several datasets side by side, for arms and seeds that all of them have."""
    common = [arm for arm in datasets[0] if all(arm in runs for runs in datasets)]
    found = {}
    for arm in common:
        parts = [runs[arm] for runs in datasets]
        seeds = sorted(set.intersection(*(set(part.seeds) for part in parts)))
        if not seeds:
            continue
        nats = [part.nats[[part.seeds.index(seed) for seed in seeds]] for part in parts]
        found[arm] = Runs(
            arm=arm,
            seeds=tuple(seeds),
            nats=np.concatenate(nats, axis=1),
            num_bytes=np.concatenate([part.num_bytes for part in parts]),
            roles=tuple(role for part in parts for role in part.roles),
            curve=_mean_curve([part.curve for part in parts]),
            tokens_per_s=float(np.mean([part.tokens_per_s for part in parts])),
            num_tokens=float(np.mean([part.num_tokens for part in parts])),
        )
    return found


def compare(runs: dict[str, Runs]) -> list[Comparison]:
    """Each arm beside its reference, where both have been run."""
    baseline = runs.get(BASELINE_NAME)
    target = float(baseline.curve[-1, 1]) if baseline else math.nan
    return [_compare(arm, runs.get(ARMS[name].against or ""), target) for name, arm in runs.items()]


def _compare(arm: Runs, reference: Runs | None, target: float) -> Comparison:
    return Comparison(
        runs=arm,
        against=ARMS[arm.arm].against,
        difference=_difference(arm, reference, relative=False),
        relative=_difference(arm, reference, relative=True),
        on_core=_difference(arm.of_role("core"), reference and reference.of_role("core"), relative=True),
        steps_to_baseline=steps_to(arm.curve, target),
    )


def _difference(arm: Runs, reference: Runs | None, *, relative: bool) -> Interval | None:
    if reference is None or not len(arm.num_bytes):
        return None
    if not np.array_equal(arm.num_bytes, reference.num_bytes):
        raise UserError(f"{arm.arm} and {reference.arm} were scored on different files")
    return paired_bootstrap(arm.nats, reference.nats, arm.num_bytes, seed=BOOTSTRAP_SEED, relative=relative)


def steps_to(curve: np.ndarray, target: float) -> float | None:
    """The step at which the curve first comes down to `target`, between its points by a straight line."""
    for (step, bits), (next_step, next_bits) in itertools.pairwise(curve):
        if next_bits <= target:
            share = 0.0 if bits <= target else (bits - target) / (bits - next_bits)
            return float(step + share * (next_step - step))
    return None


# --- in words --------------------------------------------------------------------------------------------


def markdown(comparisons: list[Comparison]) -> list[str]:
    """A table, one line an arm."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'|'.join(COLUMNS.values())}|"]
    return lines + [f"| {' | '.join(_cells(c))} |" for c in comparisons]


def _cells(comparison: Comparison) -> list[str]:
    runs, difference = comparison.runs, comparison.difference
    reached = comparison.steps_to_baseline
    return [
        runs.arm,
        comparison.against or "",
        f"{runs.bits_per_byte.mean():.4f}",
        f"{difference.estimate:+.4f}" if difference else "",
        f"{difference.low:+.4f} to {difference.high:+.4f}" if difference else "",
        f"{reached:.0f}" if reached is not None else "not reached",
        f"{runs.tokens_per_s:,.0f}",
        comparison.verdict,
        verdict(comparison.on_core, percent=True) if comparison.on_core else "",
    ]


def checks(comparisons: list[Comparison]) -> list[str]:
    """What must hold before anything else is believed."""
    found = {c.runs.arm: (c, c.difference, c.relative) for c in comparisons if c.difference and c.relative}
    lines = []
    if AGAIN in found:
        _, difference, relative = found[AGAIN]
        same = difference.touches_zero
        said = "no gain shown, as it must be" if same else "DIFFERS: these intervals are too narrow"
        smallest = 100 * smallest_detectable(relative)
        lines.append(
            f"baseline against itself with other seeds: {said}; {smallest:.1f} % would have been seen"
        )
    if SABOTAGE in found:
        comparison, difference, _ = found[SABOTAGE]
        said = "rejected" if difference.low > 0 else "NOT REJECTED: this comparison cannot see harm"
        lines.append(f"sabotage (labels shifted by one): {said}, {comparison.verdict}")
    return [
        *lines,
        f"{len(found)} comparisons: about {len(found) / 20:.1f} of them would leave 0 by chance alone",
    ]


def recommendations(comparisons: list[Comparison]) -> list[str]:
    """One line for each technique that was switched off or added, by its interval."""
    return [line for c in comparisons if c.difference and (line := _recommendation(c, c.difference))]


def _recommendation(comparison: Comparison, difference: Interval) -> str:
    base, found, technique = comparison.runs.arm.partition("-without-")
    if found:
        return f"{technique} (in {base}): {_worth(difference, comparison.verdict, switched_off=True)}"
    base, found, technique = comparison.runs.arm.partition("-with-")
    if found:
        settings = ", ".join(ARMS[comparison.runs.arm].settings[len(ARMS[base].settings) :])
        worth = _worth(difference, comparison.verdict)
        return f"{technique}{f' [{settings}]' if settings else ''} (beside {base}): {worth}"
    return ""


def _worth(difference: Interval, verdict: str, *, switched_off: bool = False) -> str:
    if difference.touches_zero:
        return "no gain shown - leave it off"
    helps = (difference.estimate > 0) == switched_off
    what = "without it" if switched_off else "with it"
    return f"{'use it' if helps else 'it costs - leave it off'}: {what} bits/byte are {verdict}"
