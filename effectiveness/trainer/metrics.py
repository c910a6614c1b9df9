"""What a run measures, under names that carry their unit, and the files it is written to.

Every metric is a function of the sums over the period it names; padding is never part of them.
"""

from __future__ import annotations

import json
import math
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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


# --- TensorBoard ----------------------------------------------------------------------------------------------


FILE_NAME = "events.out.tfevents.0000000000.training"
CRC32C_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
MASK_DELTA = 0xA282EAD8


class EventFile:
    """Appends scalars to a new event file; the one that an earlier run left in `directory` is replaced.

    It is written directly: a scalar a record needs no package of 5 MB. A file is a row of TFRecords (length, its
    checksum, data, its checksum); the data is a protobuf `Event` (tensorflow/core/util/event.proto): wall_time = 1,
    step = 2, file_version = 3, summary = 5 with value = 1 of tag = 1 and simple_value = 2.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE_NAME).unlink(missing_ok=True)
        self._file = (directory / FILE_NAME).open("xb")
        self._append(_field(3, b"brain.Event:2"))

    def add(self, record: dict) -> None:
        """Every number of a metrics record under "event/name", at its step."""
        values = b"".join(
            _field(1, _field(1, f"{record['event']}/{name}".encode()) + b"\x15" + struct.pack("<f", value))
            for name, value in record.items()
            if isinstance(value, int | float) and name not in ("step", "epoch")
        )
        self._append(b"\x10" + _varint(record["step"]) + _field(5, values))

    def _append(self, event: bytes) -> None:
        data = b"\x09" + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked_checksum(length) + data + _masked_checksum(data))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _masked_checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _crc_table()[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF)


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (CRC32C_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
