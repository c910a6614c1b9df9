"""Frozen weights of 8 and 4 bits: as bitsandbytes rounds them, the model they make, and what they cost."""

from __future__ import annotations

import copy
import dataclasses
import shutil

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from test_train_export import export, load, logits_of
from test_train_new_rows import LORA, loss_of
from torch import nn
from training_fixtures import command, model_of, open_trainer, use_tiny_models, write_dataset

from effectiveness.trainer import adapters, models
from effectiveness.trainer.adapters import lower_frozen
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.lora import QuantizedLinear, quantized_layers
from effectiveness.trainer.memory import MemoryPlan, measure_kept, plan_memory
from effectiveness.trainer.models import flops_of
from effectiveness.trainer.objective import Objective
from training.model_trainer_unified import main

CPU, HALF = torch.device("cpu"), torch.bfloat16
OF_BITSANDBYTES = (
    "ef9104efc202cfe4019fe7106efa103dfd301bfe501788766788766688876678777777777777777777777717ef8104ef"
    "b202cfd4019fe7006efa103dfc201bfe0777777777777777777777777777777777777777777777777777777777777777"
)
LARGEST = (0.99999022, 2.9976206, 0.58042020)


def wave(*shape: int) -> torch.Tensor:
    return torch.sin(torch.arange(1, shape[0] * shape[1] + 1, dtype=torch.float32)).view(shape)


def adapted(architecture: str, *settings: str) -> torch.nn.Module:
    model = model_of(architecture)
    config = load_config(None, [*LORA, "quantization.lora_dropout=0", *settings])
    adapters.adapt(model, config.quantization, 1)
    torch.manual_seed(3)
    for name, p in model.named_parameters():
        if name.endswith("lora_b"):
            nn.init.normal_(p, std=0.05)
    return model.eval()


def in_bits(bits: int) -> str:
    return f"quantization.load_in_{bits}bit=true"


def _with_whole(layer: QuantizedLinear):
    """A forward over the same numbers, held whole."""
    weight = layer.weight.T if layer.is_transposed else layer.weight
    return lambda x: F.linear(x, weight, layer.bias)


def test_four_bits_are_those_of_bitsandbytes_over_rows_of_any_length():
    """Version 0.50.2, blocksize 64, nf4, no compressed statistics; the last block is filled up with zeros."""
    weight = wave(3, 43) * torch.tensor([[1.0], [0.1], [3.0]])
    layer = nn.Linear(43, 3, bias=False)
    layer.weight = nn.Parameter(weight)
    made = QuantizedLinear(layer, 4)
    assert bytes(made.codes.tolist()).hex() == OF_BITSANDBYTES
    assert torch.allclose(made.scales[:, 0], weight.new_tensor(LARGEST))
    assert float((made.weight - weight).norm() / weight.norm()) < 0.12


def test_eight_bits_are_off_by_half_a_step_of_their_row_at_most():
    layer = nn.Linear(40, 30)
    made = QuantizedLinear(layer, 8)
    steps = layer.weight.abs().amax(1, keepdim=True) / 127
    assert float(((made.weight - layer.weight).abs() / steps).detach().max()) <= 0.5001
    assert made.codes.dtype == torch.int8


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])  # the second keeps its weights transposed
def test_loss_and_gradients_are_those_of_the_rounded_weights_and_the_export_is_what_was_trained(
    tmp_path, monkeypatch, architecture, bits
):
    model = adapted(architecture, in_bits(bits))
    rounded = copy.deepcopy(model)
    for layer in quantized_layers(rounded):
        layer.forward = _with_whole(layer)
    found = []
    for each in (model, rounded):
        loss = loss_of(Objective(each))
        loss.backward()
        found.append((loss.detach(), *(p.grad for p in each.parameters() if p.grad is not None)))
    assert len(found[0]) > 8
    for ours, whole in zip(*found, strict=True):
        assert torch.allclose(ours, whole, atol=1e-5, rtol=1e-4)
    use_tiny_models(monkeypatch)
    run, _ = open_trainer(write_dataset(tmp_path / "d"), tmp_path / "run")
    export(run, model, tmp_path / "m", load_config(None, LORA))
    assert torch.allclose(logits_of(load(tmp_path / "m")[0]), logits_of(model), atol=1e-4)


def test_the_count_of_parameters_the_arithmetic_and_the_plan_know_of_weights_in_few_bits():
    plain, few = adapted("llama"), adapted("llama", in_bits(4))
    assert models.num_parameters(few) == models.num_parameters(plain)
    assert flops_of(few) == flops_of(plain)
    optimization = load_config(None, []).optimization
    for model in (plain, few):
        lower_frozen(model)
    kept = [measure_kept(Objective(model, HALF), CPU, HALF) for model in (plain, few)]
    assert kept[1].of_token_in_a_block <= kept[0].of_token_in_a_block
    settings = {"device": CPU, "precision": HALF, "optimizer": "adamw", "micro_batch": 1, "window": 8}
    before, after = (plan_memory(Objective(model, HALF), optimization, **settings) for model in (plain, few))
    numbers = sum(layer.shape.numel() for layer in quantized_layers(few))
    assert before.weights - after.weights == 4 * numbers - numbers // 2 - 4 * numbers // 64
    assert after.work > before.work


def test_a_run_over_four_bits_resumes_bit_for_bit(tmp_path, monkeypatch, capsys):
    use_tiny_models(monkeypatch)
    sequences = write_dataset(tmp_path / "d")
    base, whole, stopped = (tmp_path / name for name in ("base", "whole", "stopped"))
    assert main(command(sequences, base, "--set", "training.max_steps=1")) == 0
    settings = (
        f"model.pretrained_model={base}",
        LORA[0],
        in_bits(4),
        "training.max_steps=4",
        "training.save_steps=2",
    )
    flags = [word for setting in settings for word in ("--set", setting)]
    assert main(command(sequences, whole, *flags)) == 0
    assert "its weights in 4 bits" in capsys.readouterr().out
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints" / "step-00000004")
    assert main(command(sequences, stopped, *flags, "--resume")) == 0
    one, two = (load_file(place / "model.safetensors") for place in (whole, stopped))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("size", "said"), [(1.5, "8.38 less, enough, with"), (3.0, "16.76 less, not enough, with")]
)
def test_a_plan_that_does_not_fit_says_what_is_trained_and_what_8_bits_would_save(size, said):
    weight = int(4e9 * size)  # bytes, float32
    plan = MemoryPlan(
        micro_batch=1, checkpointing=True, weights=weight, gradients=weight, optimizer=2 * weight,
        activations=1 << 30, libraries=0, work=2 << 30, usable=int(0.9 * 23.5 * (1 << 30)),
    )  # fmt: skip
    assert f"{16e9 * size / (1 << 30):.2f} GiB are of what is trained ({said}" in plan.lines()[-1]
    assert len(dataclasses.replace(plan, usable=1 << 40).lines()) == 2
