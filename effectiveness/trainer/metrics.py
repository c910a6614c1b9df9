"""What a run measures, under names that carry their unit, and the file it is written to.

Every metric is a function of the sums over the period it names; padding is never part of them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import write_atomically
from effectiveness.common.records import UserError


@dataclass(slots=True, kw_only=True)
class Period:
    """Sums since the last report. What `exact` gives survives a resume; the rest is of this process."""

    nats: float = 0.0  # weighted
    weight: float = 0.0
    num_steps: int = 0
    num_tokens: int = 0
    flops: float = 0.0
    elapsed_s: float = 0.0
    data_wait_s: float = 0.0

    def add(self, *, nats: float, weight: float, num_tokens: int, flops: float = 0.0) -> None:
        self.nats += nats
        self.weight += weight
        self.num_tokens += num_tokens
        self.flops += flops
        self.num_steps += 1

    def exact(self) -> dict:
        return {
            "nats": self.nats,
            "weight": self.weight,
            "num_steps": self.num_steps,
            "num_tokens": self.num_tokens,
        }


def train_loss_nats(period: Period) -> float:
    """Weighted mean nats per target token."""
    return period.nats / period.weight if period.weight else math.nan


def perplexity(period: Period) -> float:
    return math.exp(min(train_loss_nats(period), 700.0))


def tokens_per_s(period: Period) -> float:
    """Target tokens, all processes."""
    return period.num_tokens / period.elapsed_s if period.elapsed_s else math.nan


def data_wait_share(period: Period) -> float:
    """Share of the wall-clock time spent making batches."""
    return period.data_wait_s / period.elapsed_s if period.elapsed_s else math.nan


def step_s(period: Period) -> float:
    """Mean wall-clock seconds of a step."""
    return period.elapsed_s / period.num_steps if period.num_steps else math.nan


def flops_per_s(period: Period) -> float:
    """Operations the model needs, all processes."""
    return period.flops / period.elapsed_s if period.elapsed_s else math.nan


METRICS: dict[str, Callable[[Period], float]] = {
    "train_loss_nats": train_loss_nats,
    "perplexity": perplexity,
    "tokens_per_s": tokens_per_s,
    "data_wait_share": data_wait_share,
    "step_s": step_s,
    "flops_per_s": flops_per_s,
}
# What differs between equal runs.
WALL_CLOCK = ("step_s", "flops_per_s", "mfu", "tokens_per_s", "data_wait_share", "memory_bytes", "elapsed_s")


class MetricsFile:
    """training_metrics.jsonl: one object a line, flushed line by line."""

    def __init__(self, path: Path, *, keep: Callable[[dict], bool]) -> None:
        """Go on after the records that `keep` is true for; the others, and one that a kill tore, are dropped."""
        self.path = path
        kept = [record for record in read_metrics(path) if keep(record)]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "".join(_line(record) for record in kept).encode())
        self._file = path.open("a", encoding="utf-8")

    def write(self, record: dict) -> None:
        """Append one record; it has "event" and "step"."""
        self._file.write(_line(record))
        self._file.flush()

    def sync(self) -> None:
        """What was written survives a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def read_metrics(path: Path) -> list[dict]:
    """All whole records of a metrics file; none when it is not there. Raises UserError naming a line that is none."""
    if not path.exists():
        return []
    try:
        raw = read_bytes(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; move it away") from None
    *whole, _torn = raw.split(b"\n")  # what follows the last end of line was torn by a kill
    return [_record(path, number, line) for number, line in enumerate(whole, 1)]


def _record(path: Path, number: int, line: bytes) -> dict:
    try:
        record = json.loads(line)
        if isinstance(record["step"], int) and isinstance(record["event"], str):
            return record
    except (ValueError, TypeError, KeyError):
        pass
    raise UserError(f"{path}:{number}: not a record of a training; move the file away")


def _line(record: dict) -> str:
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    return json.dumps(finite, allow_nan=False) + "\n"
