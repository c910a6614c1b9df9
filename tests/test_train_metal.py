"""Apple Metal, on a fake of it that raises where Metal raises: nothing here says how fast the real one is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_metal import METAL, NO_FLOAT64, FakeMetal, fake_metal
from safetensors.torch import load_file
from training_fixtures import (
    command,
    model_of,
    open_trainer,
    quiet_hooks,
    small_files,
    weights_of,
    write_dataset,
)

from effectiveness.common.records import UserError
from effectiveness.trainer import devices
from effectiveness.trainer.engines import blocks, make_engine
from effectiveness.trainer.journal import METRICS_FILE
from effectiveness.trainer.metrics import read_metrics
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.models import add_dropout, load_pretrained
from effectiveness.trainer.objective import Objective
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

SHORT = ("training.max_steps=3", "training.save_steps=2", "optimization.learning_rate=0.01")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory) -> Path:
    files = small_files(per_split={"train": 4, "val": 2, "test": 2})
    return write_dataset(tmp_path_factory.mktemp("data") / "d", files=files)


def on(device: str, sequences: Path, output: Path, *flags: str, settings: tuple[str, ...] = ()) -> list[str]:
    pairs = [word for setting in (*SHORT, *settings) for word in ("--set", setting)]
    return [*command(sequences, output), *pairs, "--device", device, *flags]


def test_the_fake_raises_where_metal_raises():
    with fake_metal(macos=13):
        there, here = torch.ones(3, device="mps"), torch.ones(3)
        assert there.device == METAL and there.cpu().double().dtype == torch.float64
        with pytest.raises(TypeError, match=NO_FLOAT64):
            there.double()
        with pytest.raises(TypeError, match="BFloat16 is not supported"):
            there.bfloat16()
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="set the storage"):
            here.pin_memory()
        weight = torch.nn.Parameter(there)
        weight.sum().backward()
        with pytest.raises(RuntimeError, match="foreach"):
            torch.nn.utils.clip_grad_norm_([weight], 1.0, foreach=True)


def test_a_run_on_metal_trains_the_weights_that_a_cpu_trains(sequences, tmp_path):
    settings = ("optimization.optimizer=adamw", "objectives.fim_rate=0.5")
    assert main(on("cpu", sequences, tmp_path / "cpu", settings=settings)) == 0
    with fake_metal():
        assert main(on("mps", sequences, tmp_path / "mps", settings=settings)) == 0
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("cpu", "mps"))
    assert all(torch.allclose(found[name], tensor, atol=1e-4) for name, tensor in expected.items())


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_every_command_works_on_metal(sequences, tmp_path, capfd, precision):
    settings = (f"optimization.mixed_precision={precision}", "inference.max_new_tokens=4")
    base = f"model.pretrained_model={tmp_path / 'm'}"
    with fake_metal():
        assert main(on("mps", sequences, tmp_path / "m", settings=settings)) == 0
        if precision == "bf16":
            lora = (*settings, base, "quantization.lora_enabled=true")
            assert main(on("mps", sequences, tmp_path / "l", settings=lora)) == 0
            for flags in (("--dry-run",), ("--eval_only",), ("--complete", "def total(")):
                source = [] if flags == ("--dry-run",) else ["--checkpoint", str(tmp_path / "m")]
                assert main([*on("mps", sequences, tmp_path / "x", *flags, settings=settings), *source]) == 0
    assert "device  mps (Apple M0, shared memory, 8 GiB)" in capfd.readouterr().out


def test_a_base_that_was_loaded_holds_no_memory_that_was_never_written_to(tmp_path, monkeypatch):
    model_of("llama").save_pretrained(tmp_path)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # by NaN
    torch.use_deterministic_algorithms(True)
    try:
        with fake_metal():
            model = load_pretrained(str(tmp_path), window=16, vocab_size=32)
    finally:
        torch.use_deterministic_algorithms(False)
    held = [*model.named_parameters(), *model.named_buffers()]
    assert not [name for name, tensor in held if not tensor.isfinite().all()]


def test_a_metal_without_bfloat16_trains_in_float32_and_refuses_what_it_lacks(sequences, tmp_path, capfd):
    with fake_metal(macos=13):
        assert main(on("mps", sequences, tmp_path / "m")) == 0  # Muon's products are bfloat16 elsewhere
        assert (
            main(on("mps", sequences, tmp_path / "x", settings=("optimization.mixed_precision=bf16",))) == 2
        )
    assert "bf16 on Metal needs macOS 14; use fp16, fp32 or auto" in capfd.readouterr().err


def gradients(device: FakeMetal, *, checkpointed: bool) -> dict[str, torch.Tensor]:
    model = model_of("llama")
    add_dropout(model, 0.5)
    objective = Objective(model.to(METAL)).train()
    for block in blocks(model):
        block.forward = device.entering(block.forward)
    if checkpointed:
        objective.checkpoint_blocks()
    batch = collate([[(0, torch.arange(2, 12).numpy(), torch.arange(3, 13).numpy(), 1.0)]], window=16, pad=1)
    torch.manual_seed(3)
    objective(batch.to(METAL)).backward()
    return {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}


def test_blocks_that_are_computed_twice_on_metal_drop_out_the_same_both_times():
    with fake_metal() as device:
        once, twice = (gradients(device, checkpointed=choice) for choice in (False, True))
    assert all(torch.equal(gradient, twice[name]) for name, gradient in once.items())


def test_metal_without_memory_makes_the_step_in_smaller_pieces_and_remembers_its_peak(
    sequences, tmp_path, monkeypatch
):
    with fake_metal() as device:
        _, trainer = open_trainer(sequences, tmp_path, "device_backend.device=mps")
        whole, before = trainer.wrapped.forward, weights_of(trainer)

        def forward(batch, **options):
            if len(batch.input_ids) > 2:
                device.driver_bytes = 7 << 30
                raise RuntimeError("MPS backend out of memory (MPS allocated: 7.00 GB, max allowed: 7.20 GB)")
            return whole(batch, **options)

        trainer.wrapped.forward = forward
        monkeypatch.setattr(devices, "_peaks", {})
        trainer._one_step(quiet_hooks())
        assert trainer.state.micro_batch_size == 2 and device.log == {"empty_cache"}
        device.driver_bytes = 1 << 30
        assert devices.peak_memory_bytes(METAL) == 7 << 30
        assert any(not torch.equal(weight, before[name]) for name, weight in weights_of(trainer).items())


def test_several_processes_on_metal_are_refused(monkeypatch):
    place = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="needs --device cuda or cpu, not mps"):
        make_engine(METAL, "ddp")


def test_the_memory_that_is_written_down_is_the_device_s(sequences, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_peaks", {})
    with fake_metal() as device:
        device.driver_bytes = 3 << 30
        assert main(on("mps", sequences, tmp_path / "m")) == 0
    assert {record["memory_bytes"] for record in read_metrics(tmp_path / "m" / METRICS_FILE)} == {3 << 30}
