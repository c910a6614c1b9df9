"""Adapters on frozen layers: right gradients, the same dropout in both passes, and little kept between them."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.pytorch_utils import Conv1D
from varlen_on_cpu import use_kernel_on_cpu

from effectiveness.common.records import UserError
from effectiveness.trainer import attention
from effectiveness.trainer.adapters import adapted_parts, add_adapters, lower_frozen
from effectiveness.trainer.export import _targets
from effectiveness.trainer.lora import LoraLinear, _drop, _hashes, _LowRank, _mask
from effectiveness.trainer.memory import measure_kept
from effectiveness.trainer.micro_batches import MicroBatch, collate
from effectiveness.trainer.objective import Objective

CPU, HALF = torch.device("cpu"), torch.bfloat16


def adapted(
    *, dropout: float, num_layers: int = 2, targets: Sequence[str] = ("all-linear",)
) -> Qwen2ForCausalLM:
    """A Qwen2 with the ratios of the smallest released one, frozen and adapted; B is not zero."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=96,
        hidden_size=56,
        intermediate_size=304,
        num_hidden_layers=num_layers,
        num_attention_heads=7,
        num_key_value_heads=1,
        attn_implementation="sdpa",
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config)
    for p in model.parameters():
        p.data = p.data.bfloat16().float()
    add_adapters(model, rank=2, alpha=4.0, dropout=dropout, targets=targets)
    for module in model.modules():
        if isinstance(module, LoraLinear):
            nn.init.normal_(module.lora_b, std=0.1)
    lower_frozen(model)
    return model.train()


def batch_of(num_tokens: int) -> MicroBatch:
    ids = np.arange(num_tokens) % 96
    return collate([[(0, ids, ids, 1.0)]], window=num_tokens, pad=0)


def gradients(objective: Objective) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    objective.zero_grad()
    with torch.autocast("cpu", HALF):
        objective(batch_of(24)).backward()
    return {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}


def apart(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> float:
    assert some.keys() == others.keys()
    both = [torch.cat([grads[name].flatten() for name in some]) for grads in (some, others)]
    return float((both[0] - both[1]).norm() / both[1].norm())


@pytest.mark.parametrize("seed", [None, torch.tensor(7, dtype=torch.int32)], ids=["eager", "in a graph"])
def test_the_gradients_of_an_adapter_are_those_of_its_formula_with_the_same_mask(seed):
    torch.manual_seed(0)
    x, a, b = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 5, 6), (3, 6), (4, 3))
    )

    def adapter(x, a, b):
        torch.manual_seed(3)
        return _LowRank.apply(x, a, b, 1.7, 0.4, seed)

    assert torch.autograd.gradcheck(adapter, (x, a, b))
    torch.manual_seed(3)
    dropped, mask = _drop(x, 0.4, seed)
    assert torch.allclose(dropped, x * mask / 0.6) and 0 < int(mask.sum()) < mask.numel()
    assert torch.allclose(adapter(x, a, b), 1.7 * (dropped @ a.T) @ b.T)


def test_the_mask_of_a_graph_drops_the_share_it_should_anywhere_and_others_by_another_seed():
    seeds = torch.tensor([0, 1, -(2**31)], dtype=torch.int32)
    kept = torch.stack([_mask(torch.Size([400, 700]), 0.05, seed) for seed in seeds]).double()
    dropped = 1 - kept
    assert torch.allclose(dropped.mean((1, 2)), torch.tensor(0.05).double(), atol=4 * (0.05 / 280_000) ** 0.5)
    for axis in (1, 2):  # no row and no column is another share than chance makes it
        spread = dropped.mean(axis).std() / (0.05 * 0.95 / dropped.shape[axis]) ** 0.5
        assert 0.9 < float(spread) < 1.1
    for one, other in ((0, 1), (0, 2)):
        assert float((dropped[one] * dropped[other]).mean()) == pytest.approx(0.0025, abs=0.0005)
    beside = dropped[:, :, 1:] * dropped[:, :, :-1]
    assert float(beside.mean()) == pytest.approx(0.0025, abs=0.0005)
    assert _hashes(torch.Size([3, 2]), seeds[0]).min() >= 0


def test_blocks_that_are_computed_twice_drop_the_same_both_times():
    once, twice = (Objective(adapted(dropout=0.3), HALF) for _ in range(2))
    twice.checkpoint_blocks()
    assert apart(gradients(twice), gradients(once)) == 0
    without = Objective(adapted(dropout=0.0), HALF)
    assert apart(gradients(without), gradients(once)) > 0.1  # it does drop


def test_frozen_weights_get_no_gradient_and_evaluation_drops_nothing():
    model = adapted(dropout=0.9)
    gradients(Objective(model, HALF))
    assert {name.rpartition(".")[2] for name, p in model.named_parameters() if p.grad is not None} == {
        "lora_a",
        "lora_b",
    }
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", HALF):
        inputs = batch_of(8).input_ids
        assert torch.equal(model(inputs).logits, model(inputs).logits)


# --- as peft has them -------------------------------------------------------------------------------------------

# (by the rank's root?, lengths?) -> what peft 0.21.2 gave: an output, and gradients of A, B and the lengths
OF_PEFT = {
    (False, False): (
        [-0.67857546, 2.1630960, -1.1846495, 0.88446760],
        [-0.31519932, -0.34916443, -0.06210937],
        [-2.0313108, 2.0440001],
    ),
    (True, False): (
        [-0.66691142, 2.0319724, -1.0871801, 0.93446803],
        [-0.44575912, -0.49379304, -0.08783592],
        [-2.8727067, 2.8906527],
    ),
    (False, True): (
        [-0.49891329, 2.2763653, -1.1064880, 0.36032298],
        [-0.22039424, -0.23531193, -0.03388491],
        [-1.3826054, 1.3912425],
        [2.2343948, -1.4727069, -0.64162099, 2.0637629],
    ),
    (True, True): (
        [-0.49617684, 2.2763357, -1.0988227, 0.36045074],
        [-0.34532461, -0.36826849, -0.05262802],
        [-1.8977101, 1.9095650],
        [2.2315474, -1.4721997, -0.63839310, 2.0640543],
    ),
}


def wave(*shape: int) -> torch.Tensor:
    return torch.sin(torch.arange(1, math.prod(shape) + 1, dtype=torch.float32)).view(shape)


@pytest.mark.parametrize("kind", [nn.Linear, Conv1D])
@pytest.mark.parametrize(("by_root", "has_magnitude"), OF_PEFT)
def test_an_adapter_of_each_kind_gives_what_peft_gives(kind, by_root, has_magnitude):
    base = kind(3, 4) if kind is nn.Linear else kind(4, 3)
    with torch.no_grad():
        base.weight.copy_(wave(4, 3) if kind is nn.Linear else wave(4, 3).T)
        base.bias.copy_(wave(4))
    base.requires_grad_(False)
    layer = LoraLinear(base, 2, 3.0, 0.0, by_root=by_root, has_magnitude=has_magnitude)
    assert torch.equal(layer(wave(2, 3)), base(wave(2, 3)))  # training starts at the base
    with torch.no_grad():
        layer.lora_a.copy_(0.5 * wave(2, 3))
        layer.lora_b.copy_(0.3 * wave(4, 2))
        if has_magnitude:
            layer.magnitude.copy_(1 + 0.1 * wave(4))
    output = layer(wave(2, 3))
    (output * wave(2, 4)).sum().backward()
    found = [output[1], layer.lora_a.grad[1], layer.lora_b.grad[3]]
    found += [layer.magnitude.grad] if has_magnitude else []
    for ours, theirs in zip(found, OF_PEFT[by_root, has_magnitude], strict=True):
        assert torch.allclose(ours, torch.tensor(theirs), atol=1e-6, rtol=1e-5)
    for weight in (layer.merged_weight(), layer.weight.detach()):
        assert torch.allclose(wave(2, 3) @ layer._rows(weight).T + base.bias, output, atol=1e-5)


@pytest.mark.parametrize(
    ("targets", "expected", "written"),
    [
        (["q_proj"], ["layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj"], ["q_proj"]),
        (["1.self_attn.q_proj"], ["layers.1.self_attn.q_proj"], None),
        ([r".*\.1\..*(gate|up)_proj"], ["layers.1.mlp.gate_proj", "layers.1.mlp.up_proj"], None),
        (["0.mlp.up_proj", ".*1.mlp.u.*"], ["layers.0.mlp.up_proj", "layers.1.mlp.up_proj"], ["up_proj"]),
    ],
)
def test_targets_are_ends_of_names_or_regular_expressions_and_the_adapter_says_which(
    targets, expected, written
):
    model = adapted(dropout=0.0, targets=targets)
    layers = adapted_parts(model)
    assert list(layers) == [f"model.{name}" for name in expected]
    assert _targets(model, layers) == (written or list(layers))


@pytest.mark.parametrize("target", ["lm_head", "lm_h.*", "[q_proj", "q_proj.*"])
def test_a_target_that_is_the_head_or_no_expression_or_nothing_is_refused(target):
    with pytest.raises(UserError, match=r"quantization.lora_target_modules: .*" + re.escape(target)):
        adapted(dropout=0.0, targets=[target])


# --- what is kept for the backward pass -------------------------------------------------------------------------


def test_dropout_keeps_a_byte_for_each_input_and_layers_that_read_the_same_keep_it_once():
    kept = {
        rate: measure_kept(Objective(adapted(dropout=rate), HALF), CPU, HALF).of_token_in_a_block
        for rate in (0.0, 0.3)
    }
    hidden, wide, rank = 56, 304, 2
    assert kept[0.3] == kept[0.0] + 6 * hidden + wide
    # into q, k, v; into o; into gate and up; of the gate its input, its result and both factors' products
    halves = 3 * hidden + 4 * wide + 7 * rank
    of_attention = 4 * 3 * hidden  # in float32 on a CPU; keys and values have fewer heads
    of_norms = 2 * 3 * hidden + 64
    assert kept[0.0] <= 2 * halves + of_attention + of_norms


def test_compiled_blocks_keep_little_more_than_half_and_the_plan_knows(monkeypatch):
    use_kernel_on_cpu(monkeypatch)
    monkeypatch.setattr(attention, "_shares_keys", lambda: False)
    objective = Objective(adapted(dropout=0.05), HALF)
    before = gradients(objective)
    eager, compiled = (measure_kept(objective, CPU, HALF, is_compiled=way) for way in (False, True))
    assert compiled.of_token_in_a_block < 0.6 * eager.of_token_in_a_block
    assert compiled.of_token_outside == eager.of_token_outside
    assert apart(gradients(objective), before) == 0  # and nothing of the model has changed
