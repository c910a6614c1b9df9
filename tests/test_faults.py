"""Whatever fails or is killed, whenever: the output is the old dataset or the new one.

Every trial runs a real process with one fault, looks at the output, then runs once more without a fault: that
must succeed and leave nothing beside the output. `make torture` tries every operation and 200 kills; the slice
that always runs tries a few of each, spread over the run.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import publish_victim
import pytest
from campaign import Subject, make_subject, spread, try_faults, try_kills
from faults import (
    FAULTS,
    KILLED,
    NO_EXCHANGE,
    WHY_NOT,
    Fault,
    Injector,
    build_shim,
    fingerprint,
)

KILLED_AT_RENAME = Fault("killed at a rename", -1, calls=("rename",))
FAILING_RENAME = Fault("EIO at a rename", errno.EIO, calls=("rename",))
FAILING = 2  # the variant whose run fails while it writes
VICTIM = Path(publish_victim.__file__)
needs_shim = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture
def victim(tmp_path: Path) -> Subject:
    output = tmp_path / "place" / "dataset"
    return make_subject(
        output,
        lambda variant: [sys.executable, str(VICTIM), str(output), str(variant)],
        lambda variant: publish_victim.main(str(output), str(variant)),  # here: no interpreter to start
    )


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


@needs_shim
def test_the_campaign_notices_a_run_that_writes_in_place(tmp_path: Path, shim: Path) -> None:
    output = tmp_path / "place" / "dataset"
    careless = make_subject(
        output, lambda variant: [sys.executable, str(VICTIM), str(output), str(variant), "in-place"]
    )
    injector = Injector(shim, output.parent)
    with pytest.raises(AssertionError, match="a mixture"):
        try_faults(careless, injector, KILLED, spread(injector.count(careless.command(0), KILLED), 6))


@needs_shim
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_leaves_the_old_or_the_new_dataset(victim: Subject, shim: Path, fault: Fault) -> None:
    injector = Injector(shim, victim.output.parent)
    count = injector.count(victim.command(0), fault)
    assert count >= 10
    try_faults(victim, injector, fault, spread(count, 4))


@needs_shim
def test_where_names_cannot_be_swapped_a_kill_in_between_is_mended(victim: Subject, shim: Path) -> None:
    """Then the output is missing for a moment. The next run puts the old one back, even if it fails itself.

    The first of four renames is that of the metadata in the staging directory.
    """
    injector = Injector(shim, victim.output.parent, NO_EXCHANGE)
    missing_after = []
    for at in (1, 2, 3, 4):
        victim.run(0)
        assert injector.run(victim.command(1), KILLED_AT_RENAME, at).exit_code == -signal.SIGKILL
        if not victim.output.exists():
            missing_after.append(at)
        assert victim.undisturbed(FAILING) == 1
        assert fingerprint(victim.output) == victim.whole[0 if at < 4 else 1]
    assert missing_after == [3]


@needs_shim
def test_where_names_cannot_be_swapped_a_failing_rename_is_undone(victim: Subject, shim: Path) -> None:
    injector = Injector(shim, victim.output.parent, NO_EXCHANGE)
    try_faults(victim, injector, FAILING_RENAME, (1, 2, 3, 4))


def test_kills_at_random_moments_leave_the_old_or_the_new_dataset(victim: Subject) -> None:
    assert try_kills(victim, 8, seed=1) >= 3


def test_of_two_runs_one_wins_and_the_other_says_who_holds_the_output(victim: Subject) -> None:
    with subprocess.Popen(
        [*victim.command(0), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as winner:
        assert winner.stdout.readline() == "READY\n"
        loser = subprocess.run(victim.command(1), capture_output=True, text=True)
        winner.stdin.close()
        assert winner.wait() == 0
    assert loser.returncode == 1 and len(loser.stderr.splitlines()) == 1
    assert f"another run (pid {winner.pid}, started " in loser.stderr and str(victim.output) in loser.stderr
    assert fingerprint(victim.output) == victim.whole[0]
    assert os.listdir(victim.output.parent) == [victim.output.name]


@pytest.mark.torture
def test_200_kills_at_random_moments_leave_the_old_or_the_new_dataset(victim: Subject) -> None:
    assert try_kills(victim, 200, seed=2) >= 100


@needs_shim
@pytest.mark.torture
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_at_every_operation_leaves_the_old_or_the_new_dataset(
    victim: Subject, shim: Path, fault: Fault
) -> None:
    injector = Injector(shim, victim.output.parent)
    try_faults(victim, injector, fault, range(1, injector.count(victim.command(0), fault) + 1))
