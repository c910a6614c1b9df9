"""Scans of seeded hostile trees: every entry is read or counted, nothing raises, nothing outside is reached."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from effectiveness.common.paths import escape_path
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus import scan
from effectiveness.corpus.scan import ScanOptions, scan_repository
from tests.hostile_tree import KINDS, MARKER, PIECES, Plan, pieces_of, plant_tree, remove_tree

SHORT_SLICE = range(2 * len(KINDS))  # every kind of repository twice, with one worker and with two


def no_analysis(texts: list[bytes], languages: list[str]) -> tuple[list[np.ndarray], set[str]]:
    return [np.array([len(text)], dtype=np.uint64) for text in texts], set()


def no_redaction(texts: list[bytes], **_) -> tuple[list[bytes], dict[str, int]]:
    return texts, {}


@pytest.fixture
def place():
    """A directory in memory where there is one: taking down 1,500 directories costs a disk seconds."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="hostile-", dir=memory if os.access(memory, os.W_OK) else None))
    yield directory
    remove_tree(directory)


def check_seed(place: Path, seed: int, workers: int) -> None:
    plan = plant_tree(place / f"root{seed}", place / f"outside{seed}", seed)
    spool = place / f"spool{seed}"
    with WorkerPool(workers) as pool:
        result, signatures, _ = scan_repository(
            ScanOptions(root=place / f"root{seed}"),
            spool,
            pool,
            analyse=no_analysis,
            redact=no_redaction,
            on_listed=lambda: [happen() for happen in plan.on_listed],
        )
    check_result(plan, result, spool)
    assert len(signatures) == len(result.files)
    assert not (plan.outside / "RAN").exists(), "something in the tree was executed"
    for directory in (f"root{seed}", f"outside{seed}"):
        remove_tree(place / directory)


def check_result(plan: Plan, result, spool: Path) -> None:
    assert {file.path for file in result.files} == {escape_path(path) for path in plan.kept}
    assert result.skipped == dict(plan.reasons)
    assert result.num_entries == plan.num_entries == len(result.files) + sum(result.skipped.values())
    assert MARKER not in spool.read_bytes(), "bytes from outside the root"
    assert sum(file.num_bytes for file in result.files) == spool.stat().st_size
    assert [file.offset for file in result.files] == list(
        np.cumsum([0] + [file.num_bytes for file in result.files])[:-1]
    )
    assert not [name for name in os.listdir(spool.parent) if name.startswith(spool.name + ".")], (
        "shard files left"
    )


@pytest.mark.parametrize("seed", SHORT_SLICE)
def test_every_entry_of_a_hostile_tree_is_read_or_counted(place, seed, monkeypatch):
    monkeypatch.setattr(scan, "SHARD_BYTES", 64 << 10)
    check_seed(place, seed, workers=1 + seed // len(KINDS))


def test_the_short_slice_of_seeds_plants_every_piece():
    assert {piece for seed in SHORT_SLICE for piece in pieces_of(seed)} == set(PIECES)


@pytest.mark.torture
def test_three_hundred_hostile_trees(place, monkeypatch):
    monkeypatch.setattr(scan, "SHARD_BYTES", 64 << 10)
    for seed in range(100, 400):
        check_seed(place, seed, workers=1 + seed % 3)
