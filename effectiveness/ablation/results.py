"""The results file of an ablation: one line a finished run, appended; what a kill tore is dropped, and said."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

from effectiveness.common.boundary import read_bytes
from effectiveness.common.records import UserError

Key = tuple[str, int, str, str]
NEEDED = (
    *("arm", "seed", "dataset", "config", "steps", "tokens", "cpu_seconds", "curve"),
    *("files", "roles", "nats", "num_bytes"),
)


def key_of(record: dict) -> Key:
    """What makes a run this run: arm, seed, dataset, and everything that decides it."""
    return record["arm"], record["seed"], record["dataset"], record["config"]


def read_results(path: Path, say: Callable[[str], None]) -> list[dict]:
    """All finished runs. Raises UserError naming a line that is no result."""
    if not path.exists():
        return []
    try:
        raw = read_bytes(path)
    except OSError as error:
        raise UserError(f"--results {path}: {error.strerror}; name a file of results, or a new one") from None
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        say(f"{path}: the last line is torn (a run was stopped while writing it); it is ignored")
    return [_record(path, number, line) for number, line in enumerate(whole.splitlines(), 1)]


def _record(path: Path, number: int, line: bytes) -> dict:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or any(name not in record for name in NEEDED):
        raise UserError(f"{path}:{number}: not the record of a run; move the file away or remove the line")
    return record


def is_finite(record: dict) -> bool:
    """Whether every loss of a run is a number: one that diverged is no result."""
    losses = (*record["nats"], *(bits for _, bits in record["curve"]))
    return all(math.isfinite(loss) for loss in losses)


def append_result(path: Path, record: dict) -> None:
    """Add one line, whole or not at all, after cutting off a torn one. Several processes may append."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.truncate(file.fileno(), _whole_bytes(file))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _whole_bytes(file) -> int:
    """Bytes up to the end of the last whole line."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1
