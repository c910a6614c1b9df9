"""Is the trainer right on the device? Every path of attention and loss, and the update, against the CPU."""

from __future__ import annotations

import copy
import itertools
import math

import torch
from torch import nn

from benchmarks.gpu_bench import Bench
from effectiveness.trainer import devices
from effectiveness.trainer.attention import MASKED, bounds_of
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.models import build_preset
from effectiveness.trainer.objective import Objective
from effectiveness.trainer.optimizers import Muon


def packed_batch(window: int, vocab: int = 512, lines: int = 4) -> MicroBatch:
    """Random documents of random lengths, four to a line."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(2, vocab, (lines, window + 1), generator=draw)
    positions = torch.empty(lines, window, dtype=torch.long)
    for line in range(lines):
        cuts = sorted({0, window, *torch.randint(1, window, (3,), generator=draw).tolist()})
        for start, end in itertools.pairwise(cuts):
            positions[line, start:end] = torch.arange(end - start)
    bounds, longest = bounds_of(positions)
    return MicroBatch(
        input_ids=ids[:, :-1],
        labels=ids[:, 1:],
        position_ids=positions,
        weights=torch.rand(lines, window, generator=draw),
        rows=(),
        bounds=bounds,
        longest=longest,
    )


def small_models() -> dict[str, nn.Module]:
    from transformers import Qwen2Config, Qwen2ForCausalLM, Starcoder2Config, Starcoder2ForCausalLM

    shape = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096}
    shape |= {"bos_token_id": 0, "eos_token_id": 0}
    control = ControlTokens(begin=0, end=0, pad=1)
    torch.manual_seed(1)
    return {
        "llama": build_preset("nano", vocab_size=500, max_positions=4096, control=control, seed=1),
        "qwen2": Qwen2ForCausalLM(Qwen2Config(**shape)),
        "starcoder2": Starcoder2ForCausalLM(Starcoder2Config(**shape, sliding_window=100)),
    }


def loss_and_gradient(
    model, device, precision, window: int, *, attention=None, is_compiled=False
) -> tuple[float, torch.Tensor]:
    model = copy.deepcopy(model).to(device)
    of_model = Objective(model, precision)
    if attention == MASKED:
        model.set_attn_implementation("sdpa")
        of_model.attention = MASKED
    if is_compiled:
        of_model.compile_blocks()
    model.train()
    with devices.autocast(device, precision):
        nats = of_model(packed_batch(window, vocab=500).to(device))
    nats.backward()
    gradients = [p.grad.float().flatten().cpu() for p in model.parameters() if p.grad is not None]
    return float(nats.detach()), torch.cat(gradients)


def correctness(bench: Bench, note) -> None:
    """Loss and gradient of three architectures on the device against float32 on the CPU, by every path."""
    torch.set_float32_matmul_precision("highest")
    cpu, window = torch.device("cpu"), 64 if bench.is_small else 512
    paths = [
        ("fp32", torch.float32, {}),
        ("bf16", torch.bfloat16, {}),
        ("bf16 masked", torch.bfloat16, {"attention": MASKED}),
    ]
    paths.append(("bf16 compiled", torch.bfloat16, {"is_compiled": True}))
    if not bench.is_small:
        paths.append(("fp16", torch.float16, {}))
    for kind, model in small_models().items():
        expected, gradient = loss_and_gradient(model, cpu, torch.float32, window)
        chosen = Objective(copy.deepcopy(model).to(bench.device), torch.bfloat16).attention
        for label, precision, options in paths if not bench.is_small else paths[:3]:
            nats, found = loss_and_gradient(model, bench.device, precision, window, **options)
            note(
                f"{kind} {label}",
                loss_apart=abs(nats - expected) / expected,
                gradient_apart=float((found - gradient).norm() / gradient.norm()),
                attention=str(options.get("attention", chosen)),
            )
    torch.set_float32_matmul_precision("high")
    the_same_update(bench, note)


def the_same_update(bench: Bench, note) -> None:
    """Muon in batches against torch's, and a step that the device finds bad."""
    draw = torch.Generator().manual_seed(1)
    shapes = [(64, 64), (64, 64), (64, 160), (160, 64)]
    ours, theirs = (
        [
            nn.Parameter(torch.randn(s, generator=torch.Generator().manual_seed(2)).to(bench.device))
            for s in shapes
        ]
        for _ in range(2)
    )
    a = Muon(ours, lr=0.02, weight_decay=2.0, momentum=0.95, decay_share=1 / 20)
    b = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95)
    for _ in range(3):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=draw).to(bench.device)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    before = [p.detach().clone() for p in ours]
    ours[0].grad.fill_(math.nan)
    a.found_inf = torch.ones((), device=bench.device)
    a.step()
    kept = all(torch.equal(p, q) for p, q in zip(ours, before, strict=True))
    apart = max(float((p - q).detach().abs().max()) for p, q in zip(before, theirs, strict=True))
    note("Muon in batches against torch's", apart=apart, a_bad_step_leaves_no_trace=str(kept))
