"""A fair trial: every arm at several points - lengths and settings -, each file read at a point it did not choose.

A technique that fights overfitting shows nothing in a run that ends before its first epoch, and one that is tuned
shows more than it has beside one that is not. So each arm is read on the test files at the point that its validation
files like best, and on the validation files at the point that its test files like best (cross-fitting).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.common.stats import LN2

READ_WHERE = {"test": "val", "val": "test"}  # files of the one at the point chosen on the other

PER_FILE = ("files", "roles", "nats", "num_tokens", "num_bytes", "splits")


class Point(NamedTuple):
    """One length and one set of settings that every arm is tried at."""

    epochs: float | None  # passes over as many tokens as the originals have; None: --steps
    settings: tuple[str, ...]  # section.key=value, over the arm's


def points(epochs: str | None, settings: list[str]) -> list[Point]:
    """All lengths with all sets of settings. Raises UserError for a length that is none."""
    sets = [tuple(words.split()) for words in settings] or [()]
    return [
        Point(epochs=length, settings=words) for words, length in itertools.product(sets, _lengths(epochs))
    ]


def _lengths(epochs: str | None) -> list[float | None]:
    if epochs is None:
        return [None]
    try:
        lengths = [float(word) for word in epochs.split(",")]
    except ValueError:
        lengths = []
    if not lengths or not all(0 < length < 1e6 for length in lengths):
        raise UserError(f"--epochs {epochs}: expected numbers over 0, e.g. --epochs 12,24,48")
    return [*lengths]


def point_of(record: dict) -> Point:
    return Point(record.get("epochs"), tuple(record.get("point", ())))


def in_words(point: Point) -> str:
    length = [f"{point.epochs:g} epochs"] if point.epochs else []
    return ", ".join([*length, *point.settings]) or "as it is"


def score(record: dict, split: str) -> float:
    """Bits per byte of one split, a mean over its files: none counts for more than another."""
    chosen = np.array([s == split for s in record["splits"]])
    nats, num_bytes = np.array(record["nats"])[chosen], np.array(record["num_bytes"])[chosen]
    return float((nats / num_bytes).mean() / LN2) if chosen.any() else float("inf")


def best_points(records: Iterable[dict], split: str, keep: int = 1) -> dict[str, list[Point]]:
    """Of each arm the `keep` points with the lowest mean over seeds on the files of `split`, best first.

    A point with fewer seeds than another of its arm was left behind by an earlier choice.
    """
    found: dict[str, dict[Point, dict[int, float]]] = {}
    for record in records:
        of_arm = found.setdefault(record["arm"], {})
        of_arm.setdefault(point_of(record), {})[record["seed"]] = score(record, split)
    return {arm: _best(of_arm)[:keep] for arm, of_arm in found.items()}


def _best(scores: dict[Point, dict[int, float]]) -> list[Point]:
    most = max(map(len, scores.values()))
    running = {name: float(np.mean(list(s.values()))) for name, s in scores.items() if len(s) == most}
    return sorted(running, key=lambda name: (running[name], in_words(name)))


def going_on(records: list[dict], keep: int) -> dict[str, set[Point]]:
    """Of each arm the points that either half of the held-out files likes best."""
    chosen = [best_points(records, split, keep) for split in READ_WHERE.values()]
    return {arm: {name for best in chosen for name in best[arm]} for arm in chosen[0]}


def crossed(records: list[dict]) -> list[dict]:
    """One record for each arm and seed: every held-out file at the point that the other half of them likes best."""
    halves = []
    for read, chooses in READ_WHERE.items():
        best = best_points(records, chooses)
        halves.append({_run(r): _only(r, read) for r in records if point_of(r) == best[r["arm"]][0]})
    first, second = halves
    return [_joined(first[run], second[run]) for run in first if run in second]


def _run(record: dict) -> tuple[str, int]:
    return record["arm"], record["seed"]


def _only(record: dict, split: str) -> dict:
    chosen = [s == split for s in record["splits"]]
    return record | {name: list(itertools.compress(record[name], chosen)) for name in PER_FILE}


def _joined(one: dict, other: dict) -> dict:
    return one | {name: one[name] + other[name] for name in PER_FILE}


def table(records: list[dict]) -> list[str]:
    """A table, one line an arm and point, in the order of the validation files; what was left behind comes last."""
    lines = ["| arm | point | seeds | val | test |", "|---|---|---:|---:|---:|"]
    in_order = best_points(records, "val", keep=len(records))
    liked = {split: best_points(records, split) for split in READ_WHERE}
    for arm, order in in_order.items():
        mine = [record for record in records if record["arm"] == arm]
        behind = sorted({point_of(r) for r in mine} - set(order), key=in_words)
        for name in [*order, *behind]:
            runs = [r for r in mine if point_of(r) == name]
            cells = [
                f"{np.mean([score(r, split) for r in runs]):.4f}{' *' if liked[split][arm] == [name] else ''}"
                for split in ("val", "test")
            ]
            lines.append(f"| {arm} | {in_words(name)} | {len(runs)} | {' | '.join(cells)} |")
    return [*lines, "", "\\* the lowest of its arm: where the other half of the held-out files is read"]
