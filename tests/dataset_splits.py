"""The table of splits by file: what the rows say, whole groups, and an older dataset's splits where they are kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from dataset_facts import Facts, first_few
from dataset_rows import Bad, no_key_twice

from effectiveness.common.boundary import open_binary
from effectiveness.common.records import METADATA_FILE, SPLITS, SPLITS_FILE

KEYS = {"path": str, "split": str, "was": str, "is_gone": bool, "sketch": str}
SKETCH_BYTES = 26 * 8  # at least
KEPT_COUNTS = ("new", "held_out_then", "held_out_still")


def file_splits_hold(facts: Facts) -> list[str]:
    """Each file once with the split of its rows; each group in one; with `splits_of`, none back towards test."""
    file = facts.directory / SPLITS_FILE
    if not file.is_file():
        return []  # told where digests are compared
    entries, told = _read(file)
    table = {entry["path"]: entry for entry in entries if not entry["is_gone"]}
    told += _not_as_the_rows(facts, table)
    num_files = sum(not entry["is_gone"] for entry in entries)
    scanned = facts.metadata.get("source_files_scanned", num_files)
    if not len(table) == num_files == scanned:
        told.append(f"{SPLITS_FILE}: {len(table)} files on {num_files} lines, {METADATA_FILE} says {scanned}")
    if "splits_of" in facts.metadata:
        told += _counts_told_wrong(facts, table)
    else:
        told += [
            f"{SPLITS_FILE}: {entry['path']} tells of an older dataset, {METADATA_FILE} of none"
            for entry in entries
            if entry["is_gone"] or entry["was"]
        ]
    told += [line for group in _groups(facts, table) for line in _not_in_its_place(group)]
    return first_few(told)


def _read(file: Path) -> tuple[list[dict], list[str]]:
    """The entries that are what they must be, and what is wrong with the others."""
    entries, told = [], []
    with open_binary(file) as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line, object_pairs_hook=no_key_twice)
                is_good = _is_an_entry(entry) and line.endswith(b"\n")
            except (ValueError, RecursionError, Bad):  # not JSON, or a key twice
                is_good = False
            if is_good:
                entries.append(entry)
            else:
                told.append(f"{SPLITS_FILE}:{number}: no entry")
    return entries, told


def _is_an_entry(entry: object) -> bool:
    return (
        type(entry) is dict
        and entry.keys() == KEYS.keys()
        and all(type(entry[key]) is kind for key, kind in KEYS.items())
        and entry["split"] in SPLITS
        and entry["was"] in ("", *SPLITS)
        and (not entry["is_gone"] or entry["was"] == entry["split"])
        and len(sketch := base64.b64decode(entry["sketch"], validate=True)) >= SKETCH_BYTES
        and len(sketch) % 8 == 0
    )


def _not_as_the_rows(facts: Facts, table: dict[str, dict]) -> list[str]:
    pairs = np.unique(np.stack([facts.rows["file"], facts.rows["split"]], axis=1), axis=0)
    told = []
    for file, split in pairs.tolist():
        path = facts.files[file][0]
        said = table.get(path, {}).get("split")
        if said != SPLITS[split]:
            told.append(f"{path}: has rows in {SPLITS[split]}, {SPLITS_FILE} says {said}")
    return told


def _groups(facts: Facts, table: dict[str, dict]) -> list[list[dict]]:
    grouped = [
        [table[path] for path in group if path in table] for group in facts.metadata.get("file_groups", [])
    ]
    among = {entry["path"] for group in grouped for entry in group}
    return [*filter(None, grouped), *([entry] for path, entry in table.items() if path not in among)]


def _not_in_its_place(group: list[dict]) -> list[str]:
    found = {entry["split"] for entry in group}
    named = ", ".join(entry["path"] for entry in group[:4])
    if len(found) > 1:
        return [f"{SPLITS_FILE}: near-duplicates in {' and '.join(sorted(found))}: {named}"]
    asked = [SPLITS.index(entry["was"]) for entry in group if entry["was"]]
    if asked and found != {SPLITS[min(asked)]}:
        return [f"{named}: in {found.pop()}, and {SPLITS[min(asked)]} is the split to keep"]
    return []


def _counts_told_wrong(facts: Facts, table: dict[str, dict]) -> list[str]:
    kept = facts.metadata["splits_of"]
    held_out = [entry for entry in table.values() if entry["was"] in SPLITS[1:]]
    counted = (
        sum(not entry["was"] for entry in table.values()),
        len(held_out),
        sum(entry["split"] in SPLITS[1:] for entry in held_out),
    )
    if type(kept) is not dict:
        return [f"{METADATA_FILE}: splits_of must be an object"]
    told = [
        f"{METADATA_FILE}: splits_of.{name} must be {count}, got {kept.get(name)!r}"
        for name, count in zip(KEPT_COUNTS, counted, strict=True)
        if kept.get(name) != count
    ]
    known = [kept.get(name) for name in ("known_by_path", "known_by_text")]
    if not all(type(count) is int for count in known) or sum(known) + counted[0] != len(table):
        told.append(
            f"{METADATA_FILE}: splits_of: of {len(table)} files {known} are known and {counted[0]} new"
        )
    return told
