"""The results file of an ablation and the tables beside it, NAME.md and NAME.json.

One line a finished run, appended; what a kill tore is dropped, and said. Of the tables, what others wrote there, or
edited, is not replaced.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import BAD_PLACE, WRITE_FAILED, one_line_for, write_atomically
from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.paths import display
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


# --- the tables --------------------------------------------------------------------------------------------

MARKDOWN, JSON = ".md", ".json"
_SIGNED = re.compile(
    rb"<!-- tables of (?:training\.ablate|effectiveness ablate), sha256 ([0-9a-f]{64}) -->\n"
)


def refuse_foreign_tables(results: Path) -> None:
    """Raises UserError, exit code 2, where the tables beside `results` would replace what is not as we wrote it."""
    if not results.name or results.suffix in (MARKDOWN, JSON):
        raise UserError(
            f"--results {display(results)}: the tables go to NAME.md and NAME.json; name it NAME.jsonl"
        )
    for suffix, is_ours in ((MARKDOWN, _is_our_markdown), (JSON, _is_our_json)):
        path = results.with_suffix(suffix)
        if os.path.lexists(path) and (path.is_symlink() or not is_ours(path)):
            raise UserError(
                f"{display(path)} is not as we wrote it, and would be replaced by tables; move it away or name another "
                "--results"
            )


def write_tables(results: Path, lines: list[str], as_dicts: dict) -> None:
    """Each file is replaced whole. Raises UserError as `refuse_foreign_tables`, and for a disk that fails."""
    refuse_foreign_tables(results)
    with one_line_for(results, BAD_PLACE | WRITE_FAILED):
        text = ("\n".join(lines) + "\n").encode()
        signature = f"<!-- tables of effectiveness ablate, sha256 {hashlib.sha256(text).hexdigest()} -->\n"
        write_atomically(results.with_suffix(MARKDOWN), signature.encode() + text)
        write_metadata(results.with_suffix(JSON), as_dicts)


def _is_our_markdown(path: Path) -> bool:
    try:
        raw = read_bytes(path)
    except OSError:  # no file, a pipe
        return False
    signed = _SIGNED.match(raw)
    return signed is not None and hashlib.sha256(raw[signed.end() :]).hexdigest().encode() == signed[1]


def _is_our_json(path: Path) -> bool:
    try:
        read_metadata(path)
    except UserError:  # no file, not JSON, another digest
        return False
    return True
