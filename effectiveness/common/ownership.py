"""Whose directory is it: an output is new, empty, or ours by a marker, and of ours only what we made is replaced.

    OUTPUT/.effectiveness.json   {"kind": "model", "made": {"README.md": [sha256, ...], "training_metrics.jsonl": []}}

`made` names what we wrote there, with digests of what a user may edit: before a file is replaced, of the old one
and the new one, because a kill may fall between. A dataset needs no marker beside it: its metadata, which no other
program writes and every rebuild replaces with the whole directory, is one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from effectiveness.common.boundary import open_binary
from effectiveness.common.durable import (
    BAD_PLACE,
    DEVICE_FAILED,
    is_temporary_of,
    one_line_for,
    write_atomically,
)
from effectiveness.common.paths import display
from effectiveness.common.records import METADATA_FILE, UserError

MARKER = ".effectiveness.json"
DATASET, MODEL, PROOF, CONTROL = "dataset", "model", "proof", "control"
LOCK = ".training.lock"
ADOPTED_MANIFEST = "checkpoint.json"  # by which a run of before there was a marker is known
SIGNATURE = b'"metadata_sha256"'  # in every file that jsonl.write_metadata writes
WAYS_OUT = "choose a new or empty directory"


def output_directory(text: str) -> Path:
    """The type of every --output flag: '' would mean the working directory."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected the name of a directory, got ''")
    return Path(text)


def claim(directory: Path, kind: str, names: Iterable[str] = ()) -> None:
    """Make `directory` ours: create it where it is missing, mark it. Raises UserError, exit code 2, as `check` does."""
    check(directory, kind, names)
    with one_line_for(directory, BAD_PLACE | DEVICE_FAILED):
        directory.mkdir(parents=True, exist_ok=True)
        if _marker(directory) is None:
            # Of a run that is older than the marker.
            adopted = [name for name in names if os.path.lexists(directory / name)]
            made: dict[str, list] = {name: [] for name in adopted}
            _write_marker(directory, kind, made)


def check(directory: Path, kind: str, names: Iterable[str] = ()) -> None:
    """Raises UserError (exit code 2, nothing touched) unless `directory` is new, empty, or ours and of this kind.

    `names` are relative paths that will be written there: one of them that stands there must be as we wrote it.
    """
    with one_line_for(directory, BAD_PLACE | DEVICE_FAILED):
        _refuse_a_place_in_a_dataset(directory)
        if not os.path.lexists(directory):
            return
        if not directory.is_dir():
            raise UserError(f"{display(directory)} is not a directory; {WAYS_OUT}")
        found = kind_of(directory)
        if found == kind:
            _refuse_foreign_files(directory, names)
        elif found is not None:
            raise UserError(
                f"{display(directory)} is the directory of a {found}, not of a {kind}; {WAYS_OUT}"
            )
        elif foreign := [name for name in sorted(os.listdir(directory)) if not _is_litter(name)]:
            raise UserError(
                f"{display(directory)} holds files we did not write ({_some(foreign)}); nothing was touched: {WAYS_OUT}"
            )


def kind_of(directory: Path) -> str | None:
    """What directory of ours it is; None for a foreign one. Nothing is believed of a link."""
    if is_dataset(directory):
        return DATASET
    marker = _marker(directory)
    if marker is not None:
        return marker["kind"]
    return MODEL if _is_a_run_without_marker(directory) else None


def is_dataset(directory: Path) -> bool:
    """Whether its metadata is a file that we wrote, whole or damaged."""
    return SIGNATURE in (_regular_bytes(directory / METADATA_FILE) or b"")


def is_marker(raw: bytes) -> bool:
    """Whether a file called MARKER holds what we write there."""
    return _parsed(raw) is not None


def note_made(directory: Path, files: dict[str, Path | None]) -> None:
    """Before files are moved to `directory`: note their names and the digests of what they hold (None: not known).

    Raises UserError, exit code 1, where a file of one of these names is not ours.
    """
    marker = _marker(directory) or {"kind": MODEL, "made": {}}
    try:
        _refuse_foreign_files(directory, files)
    except UserError as error:
        raise UserError(str(error), exit_code=1) from error
    made = dict(marker["made"])
    for name, file in files.items():
        now = [directory / name] if os.path.lexists(directory / name) else []
        made[name] = [] if file is None else sorted({_sha256(path) for path in (*now, file)})
    if made != marker["made"]:
        _write_marker(directory, marker["kind"], made)


def made_in(directory: Path) -> list[str]:
    """Relative paths of the files we wrote that stand there unchanged."""
    made = (_marker(directory) or {"made": {}})["made"]
    ours = (name for name in sorted(made) if _is_in(directory / name, directory))
    return [name for name in ours if _is_as_made(directory / name, made[name])]


def is_as_noted(directory: Path) -> bool:
    """Whether every file we noted stands there unchanged."""
    marker = _marker(directory)
    return marker is not None and made_in(directory) == sorted(marker["made"])


def changed_in(directory: Path, names: Iterable[str]) -> list[str]:
    """Those of `names` that we wrote there and that hold something else now; none in a directory that is not ours."""
    made = (_marker(directory) or {"made": {}})["made"]
    there = (name for name in names if name in made and os.path.lexists(directory / name))
    return [name for name in there if not _is_as_made(directory / name, made[name])]


def foreign_in(directory: Path, owned: Iterable[str]) -> list[str]:
    """Names in `directory` that are neither in `owned` nor litter of a kill; none where there is no directory."""
    if not directory.is_dir():
        return []
    return sorted(set(os.listdir(directory)) - set(owned))


# --- the marker ------------------------------------------------------------------------------------------


def _marker(directory: Path) -> dict | None:
    raw = _regular_bytes(directory / MARKER)
    return None if raw is None else _parsed(raw)


def _parsed(raw: bytes) -> dict | None:
    try:
        marker = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(marker, dict) and marker.get("kind") in (MODEL, PROOF, CONTROL)
    made = marker.get("made") if whole else None
    return marker if isinstance(made, dict) and all(_is_entry(*entry) for entry in made.items()) else None


def _is_entry(name: str, digests: object) -> bool:
    """Whether we could have written it: a name below the directory, and what its file held."""
    is_below = not os.path.isabs(name) and not {"", "..", "."} & set(name.split("/"))
    return (
        is_below
        and name.isprintable()
        and isinstance(digests, list)
        and all(isinstance(d, str) for d in digests)
    )


def _write_marker(directory: Path, kind: str, made: dict) -> None:
    text = json.dumps({"kind": kind, "made": made}, indent=1, sort_keys=True)
    write_atomically(directory / MARKER, text.encode() + b"\n")


def _is_a_run_without_marker(directory: Path) -> bool:
    found = sorted(directory.glob(f"checkpoints/*/{ADOPTED_MANIFEST}"))
    return bool(found) and all(SIGNATURE in (_regular_bytes(file) or b"") for file in found)


def _is_litter(name: str) -> bool:
    """What a kill before the marker stood may have left."""
    return name == LOCK or is_temporary_of(MARKER, name)


# --- what stands there -----------------------------------------------------------------------------------


def _refuse_a_place_in_a_dataset(directory: Path) -> None:
    for parent in Path(os.path.realpath(directory)).parents:
        if is_dataset(parent):
            raise UserError(
                f"{display(directory)} lies in the dataset {display(parent)}, whose next build would delete it; "
                f"{WAYS_OUT}"
            )


def _refuse_foreign_files(directory: Path, names: Iterable[str]) -> None:
    marker = _marker(directory)
    if marker is None:  # adopted: nobody knows what was edited since
        return
    for name in names:
        if not os.path.lexists(directory / name):
            continue
        if name not in marker["made"]:
            raise UserError(
                f"{display(directory / name)} is not a file we wrote, and would be replaced; move it away"
            )
        if not _is_as_made(directory / name, marker["made"][name]):
            raise UserError(
                f"{display(directory / name)} was changed since we wrote it, and would be replaced; move it away"
            )


def _is_as_made(file: Path, digests: list[str]) -> bool:
    if not _is_regular(file):
        return False
    return not digests or _sha256(file) in digests


def _is_in(file: Path, directory: Path) -> bool:
    """Whether no link on the way leads out of the directory."""
    return Path(os.path.realpath(file.parent)).is_relative_to(os.path.realpath(directory))


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def _regular_bytes(file: Path) -> bytes | None:
    """What a regular file holds; None for a missing one, a link, a pipe, and what cannot be read."""
    try:
        if not _is_regular(file):
            return None
        with open_binary(file) as opened:
            return opened.read()
    except OSError:
        return None


def _sha256(file: Path) -> str:
    with open_binary(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _some(names: list[str]) -> str:
    shown = ", ".join(display(Path(name)) for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")
