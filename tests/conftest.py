"""What several test files need: one small dataset, built once by the command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataset_facts import Facts, read_facts
from dated_repository import make_dated_repository
from small_repository import make_repository

from effectiveness.common.endings import STOPPING

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / "create_training_dataset_effectiveness.py"

# A shell script's background jobs ignore Ctrl-C, and so does all they start: tests that send it failed there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A command that is called, not started, takes over what Python does at a signal."""
    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGALRM)}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of some hundred rows with every augmentation; read it, never write to it."""
    base = tmp_path_factory.mktemp("small")
    make_repository(base / "repository")
    return build_dataset(base / "repository", base / "dataset")


@pytest.fixture(scope="session")
def dated_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of an earlier state with what was committed later; read it, never write to it."""
    base = tmp_path_factory.mktemp("dated")
    make_dated_repository(base / "repository")
    return build_dataset(base / "repository", base / "dataset", "--until", "2024-03-01")


def build_dataset(repository: Path, output: Path, *flags: str) -> Path:
    """Run the dataset command for all it can build, with windows of 128 tokens and a tokenizer trained here."""
    command = [sys.executable, str(COMMAND), str(repository), "--output", str(output)]
    command += ["--tokenizer", "local", "--max-tokens", "128", "--workers", "2", "--quiet"]
    command += ["--recipe", "founding", *flags]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return output


@pytest.fixture(scope="session")
def facts(small_dataset: Path) -> Facts:
    return read_facts(small_dataset)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    from training_fixtures import use_tiny_models  # with torch, which other tests need not

    use_tiny_models(monkeypatch)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training rows of a dataset of fifteen small files."""
    from training_fixtures import write_dataset

    return write_dataset(tmp_path_factory.mktemp("data") / "d")
