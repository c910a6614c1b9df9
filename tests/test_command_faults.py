"""The fault campaigns of test_faults.py on the whole dataset command, with its worker processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from campaign import Subject, make_subject, spread, try_faults, try_kills, try_signals
from faults import DISK_OF_A_SIZE, FAULTS, NO_SPACE, WHY_NOT, Fault, Injector, build_shim

# The command, with shards so small that a dozen small files keep several workers busy.
COMMAND = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # as the script does before its imports
sys.path.insert(0, {os.fspath(Path(__file__).parent.parent)!r})
from effectiveness.corpus import rows, scan
from create_training_dataset_effectiveness import main
assert rows.SHARD_BYTES == scan.SHARD_BYTES == 1 << 20
rows.SHARD_BYTES = scan.SHARD_BYTES = 1000
sys.exit(main())
"""
needs_shim = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


def write_repository(root: Path) -> None:
    """A dozen small files of two languages, different enough to be no near-duplicates."""
    (root / "src").mkdir(parents=True)
    (root / "tests").mkdir()
    for number in range(8):
        functions = "\n\n".join(_function(number, case) for case in range(3))
        (root / "src" / f"module_{number}.py").write_text(f'"""Module {number}."""\n\n{functions}')
        (root / "src" / f"part_{number}.rs").write_text(_implementation(number))
    (root / "tests" / "test_all.py").write_text("def test_one():\n    value = 1\n    assert value == 1\n")


def _function(number: int, case: int) -> str:
    return f"""def task_{number}_{case}(first, second):
    # case {case} of {number}
    total_{number} = first * {number + 3} + second - {case * 7}
    for step_{case} in range({number + 2}):
        total_{number} += step_{case} % {case + 2}
    return total_{number}
"""


def _implementation(number: int) -> str:
    return f"""impl Part{number} {{
    /// Grows by {number}.
    pub fn grow_{number}(&mut self, amount_{number}: u64) -> bool {{
        let before = self.size_{number};
        let after = before + amount_{number} * {number + 1}; // part {number}
        self.size_{number} = after;
        after > before
    }}
}}
"""


def command(repository: Path, output: Path, workers: int, seed: int) -> list[str]:
    options = {
        "--output": output,
        "--workers": workers,
        "--seed": seed,
        "--max-tokens": 64,
        "--tokenizer": "local",
    }
    flags = [str(part) for option in options.items() for part in option]
    return [sys.executable, "-c", COMMAND, str(repository), *flags]


@pytest.fixture
def dataset_command(tmp_path: Path, workers: int) -> Subject:
    """Variant 0 and 1 are the same repository with two seeds."""
    write_repository(tmp_path / "repository")
    output = tmp_path / "place" / "dataset"
    return make_subject(
        output, lambda variant: command(tmp_path / "repository", output, workers, seed=variant)
    )


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("workers", [2])
def test_kills_of_the_command_leave_the_old_or_the_new_dataset(dataset_command: Subject) -> None:
    assert try_kills(dataset_command, 3, seed=3) >= 1


@pytest.mark.parametrize("workers", [2])
def test_signals_to_the_command_are_told_truly_and_leave_nothing_behind(dataset_command: Subject) -> None:
    assert any(exit_code > 128 for exit_code in try_signals(dataset_command, 3, seed=5))


@needs_shim
@pytest.mark.parametrize("workers", [1])
@pytest.mark.parametrize("fault", [NO_SPACE], ids=str)
def test_a_fault_of_the_command_leaves_the_old_or_the_new_dataset(
    dataset_command: Subject, shim: Path, fault: Fault
) -> None:
    injector = Injector(shim, dataset_command.output.parent)
    try_faults(dataset_command, injector, fault, spread(injector.count(dataset_command.command(0), fault), 4))


@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2])
def test_200_signals_to_the_command_are_told_truly_and_leave_nothing_behind(dataset_command: Subject) -> None:
    seen = try_signals(dataset_command, 200, seed=6)
    assert sum(count for exit_code, count in seen.items() if exit_code > 128) >= 65, seen


@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2])
def test_150_kills_of_the_command_leave_the_old_or_the_new_dataset(dataset_command: Subject) -> None:
    assert try_kills(dataset_command, 150, seed=4) >= 90


@needs_shim
@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_faults_all_over_the_command_leave_the_old_or_the_new_dataset(
    dataset_command: Subject, shim: Path, fault: Fault
) -> None:
    injector = Injector(shim, dataset_command.output.parent)
    count = injector.count(dataset_command.command(0), fault)
    try_faults(dataset_command, injector, fault, spread(count, 40))


@needs_shim
@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_full_at_40_sizes_leaves_the_old_or_the_new_dataset(
    dataset_command: Subject, shim: Path
) -> None:
    injector = Injector(shim, dataset_command.output.parent)
    num_bytes = injector.count(dataset_command.command(0), DISK_OF_A_SIZE)
    assert num_bytes > 100_000
    sizes = [num_bytes * part // 41 for part in range(1, 41)]
    try_faults(dataset_command, injector, DISK_OF_A_SIZE, sizes)
