"""Several processes: two gloo processes on a CPU give the losses and weights of one."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_fixtures import command, exact_metrics, losses

from effectiveness.trainer.engines import SingleProcess, make_engine
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")


def settings(*pairs: str) -> tuple[str, ...]:
    return tuple(flag for pair in pairs for flag in ("--set", pair))


STEPS = settings(
    *("training.max_steps=4", "training.logging_steps=1", "training.save_steps=2"),
    *("optimization.optimizer=adamw", "optimization.learning_rate=0.001"),  # Muon rounds to bfloat16
)


def free_port() -> int:
    """Below those that a system gives to whoever asks for any: until it is bound, nobody else gets it."""
    for port in random.sample(range(10_000, 32_000), 100):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are in use")


def run_two(arguments: list[str], directory: Path) -> list[str]:
    """The command in two forked processes with the environment torchrun sets; what each printed."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    logs = [directory / f"rank{rank}.log" for rank in range(2)]
    children = [
        fork(arguments, shared | {"RANK": str(r), "LOCAL_RANK": str(r)}, log) for r, log in enumerate(logs)
    ]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    printed = [log.read_text() for log in logs]
    assert codes == [0, 0], printed
    return printed


def fork(arguments: list[str], environment: dict[str, str], log: Path) -> int:
    """Process id of a child that runs the command and prints to `log`."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.alarm(100)  # a process whose fellow died waits for it
        os.environ.update(environment)
        sys.stdout = sys.stderr = log.open("w")
        code = main(arguments)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        os._exit(code)


def close(a: float | int | None, b: float | int | None) -> bool:
    return a == b or abs(a - b) <= 1e-4 * max(1.0, abs(b))


@pytest.mark.parametrize("distributed", ["ddp", "fsdp"])
def test_two_processes_give_the_losses_and_weights_of_one(sequences, tmp_path, distributed):
    batches = (
        "optimization.batch_size=3",
        "optimization.gradient_accumulation_steps=3",
    )
    flags = (*STEPS, *settings(*batches, f"device_backend.distributed={distributed}"))
    assert main(command(sequences, tmp_path / "one", *flags)) == 0
    first, second = run_two(command(sequences, tmp_path / "two", *flags), tmp_path)
    assert "2 processes" in first and first.splitlines()[-1] == "COMPLETE" and "Loss" not in second
    one, two = exact_metrics(tmp_path / "one"), exact_metrics(tmp_path / "two")
    assert len(one) == len(two) > 4
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys() and a["event"] == b["event"]
        assert all(close(a[key], b[key]) for key in a if key != "event"), (a, b)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-4), name


def test_torchrun_gives_the_losses_of_one_process(sequences, tmp_path, monkeypatch):
    flags = (*STEPS, *settings("training.max_steps=2"))
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        f"--master_port={free_port()}",
    ]
    script = str(Path(__file__).parent.parent / "training" / "model_trainer_unified.py")
    done = subprocess.run(
        [*torchrun, script, *command(sequences, tmp_path / "two", *flags)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout and done.stdout.splitlines()[-1] == "COMPLETE"
    monkeypatch.undo()  # the processes above know nothing of smaller models
    assert main(command(sequences, tmp_path / "one", *flags)) == 0
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


def test_a_checkpoint_of_two_sharded_processes_is_resumed_by_one(sequences, tmp_path):
    flags = (*STEPS, "--set", "device_backend.distributed=fsdp", "--set", "data.curriculum=none")
    run_two(command(sequences, tmp_path / "m", *flags, "--set", "training.max_steps=2"), tmp_path)
    assert main(command(sequences, tmp_path / "m", *flags, "--resume")) == 0
    assert main(command(sequences, tmp_path / "one", *flags)) == 0
    resumed, whole = exact_metrics(tmp_path / "m"), exact_metrics(tmp_path / "one")
    losses = [[r["train_loss_nats"] for r in records if r["event"] == "step"] for records in (resumed, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and len(losses[0]) == 4


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    engine = make_engine(torch.device("cpu"), "fsdp")
    assert type(engine) is SingleProcess and engine.world_size == 1
