"""What must hold of the order of the rows, and of the scores it follows. All of it is exact."""

from __future__ import annotations

import re

import numpy as np
from dataset_facts import Facts, named, path_ids
from dataset_rows import MASKED

from effectiveness.common.records import SPLITS


def rows_are_ordered(facts: Facts) -> list[str]:
    """In each file simple rows come first, equal ones in the order of their seq_ids."""
    told = []
    for split in range(len(SPLITS)):
        rows = facts.rows[facts.rows["split"] == split]
        rise, ids = np.diff(rows["complexity"]), np.diff(rows["seq_id"])
        wrong = np.flatnonzero((rise < 0) | ((rise == 0) & (ids <= 0)))
        before = dict(zip(rows["line"][wrong + 1].tolist(), rows[wrong], strict=True))
        told += named(
            facts, rows[wrong + 1], lambda row, before=before: _comes_after(row, before[int(row["line"])])
        )
    return told


def _comes_after(row: np.void, before: np.void) -> str:
    a, b = ((float(one["complexity"]), int(one["seq_id"])) for one in (before, row))
    return f"complexity and seq_id {b} after {a}, expected to rise"


def seq_ids_are_canonical(facts: Facts) -> list[str]:
    """They count the rows by file (in the order of the bytes of their names), variant and window."""
    raw = [_raw(values[0]) for values in facts.files]
    place = {name: number for number, name in enumerate(sorted(set(raw)))}
    rows = facts.rows[np.argsort(facts.rows["seq_id"], kind="stable")]
    keys = [np.array([place[name] for name in raw])[rows["file"]], rows["variant"], rows["chunk"]]
    falls, is_equal = np.zeros(max(0, len(rows) - 1), bool), np.ones(max(0, len(rows) - 1), bool)
    for key in keys:
        step = np.diff(key.astype(np.int64))
        falls |= is_equal & (step < 0)
        is_equal &= step == 0
    return named(facts, rows[1:][falls], lambda row: f"seq_id {row['seq_id']} comes behind a later row's")


def _raw(spelled: str) -> bytes:
    """The bytes of a name, by its spelling in the rows."""
    return re.sub(rb"\\\\x([0-9a-f]{2})", lambda byte: bytes([int(byte[1], 16)]), spelled.encode())


def complexity_is_a_property_of_the_window(facts: Facts) -> list[str]:
    """Finite, not negative; and a masked row has that of the window it masks."""
    rows = facts.rows
    odd = rows[~(np.isfinite(rows["complexity"]) & (rows["complexity"] >= 0))]
    told = named(facts, odd, lambda row: f"complexity must be a finite number >= 0, got {row['complexity']}")
    originals, masked = rows[rows["variant"] == 0], rows[rows["variant"] == MASKED]
    score = dict(zip(_windows(facts, originals), originals["complexity"].tolist(), strict=True))
    pairs = zip(_windows(facts, masked), masked["complexity"].tolist(), strict=True)
    wrong = [index for index, (window, got) in enumerate(pairs) if score.get(window, got) != got]
    return told + named(facts, masked[wrong], lambda row: "its complexity is not that of the window it masks")


def _windows(facts: Facts, rows: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(path_ids(facts)[rows["file"]].tolist(), rows["chunk"].tolist(), strict=True))
