"""The tables beside a results file, NAME.md and NAME.json: what others wrote there, or edited, is not replaced."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from effectiveness.common.boundary import read_bytes
from effectiveness.common.durable import BAD_PLACE, WRITE_FAILED, one_line_for, write_atomically
from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.paths import spell
from effectiveness.common.records import UserError

MARKDOWN, JSON = ".md", ".json"
_SIGNED = re.compile(
    rb"<!-- tables of (?:training\.ablate|effectiveness ablate), sha256 ([0-9a-f]{64}) -->\n"
)


def refuse_foreign(results: Path) -> None:
    """Raises UserError, exit code 2, where the tables beside `results` would replace what is not as we wrote it."""
    if not results.name or results.suffix in (MARKDOWN, JSON):
        raise UserError(
            f"--results {spell(results)}: the tables go to NAME.md and NAME.json; name it NAME.jsonl"
        )
    for path, is_ours in (
        (results.with_suffix(MARKDOWN), _is_our_markdown),
        (results.with_suffix(JSON), _is_our_json),
    ):
        if os.path.lexists(path) and (path.is_symlink() or not is_ours(path)):
            raise UserError(
                f"{spell(path)} is not as we wrote it, and would be replaced by tables; move it away or name another "
                "--results"
            )


def write(results: Path, lines: list[str], as_dicts: dict) -> None:
    """Each file is replaced whole. Raises UserError as `refuse_foreign`, and for a disk that fails."""
    refuse_foreign(results)
    with one_line_for(results, BAD_PLACE | WRITE_FAILED):
        text = ("\n".join(lines) + "\n").encode()
        signature = (
            f"<!-- tables of effectiveness ablate, sha256 {hashlib.sha256(text).hexdigest()} -->\n".encode()
        )
        write_atomically(results.with_suffix(MARKDOWN), signature + text)
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
