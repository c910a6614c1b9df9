"""The sections of benchmarks/gpu.py that ask whether a run fits, as it was planned: every run in its own process."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.gpu_bench import Bench
from benchmarks.gpu_cases import Case, run_cases

COMPILED, EAGER = "device_backend.compile=on", "device_backend.compile=off"
CARD = "device_backend.memory_gib=23.5"  # what a card of 24 GB has
TOGETHER = 3  # on one device, so that they compile at one time
AGAIN = "optimization.gradient_checkpointing=true"
IN_4_BITS = "quantization.load_in_4bit=true"


def _batch(size: int) -> str:
    return f"optimization.batch_size={size}"


def _half_billion(label: str, *settings: str, steps: int = 4, adapters: bool = True) -> Case:
    return Case(label=f"0.5B {label}", qwen2="0.5B", adapters=adapters, settings=settings, steps=steps)


def _larger(label: str, *settings: str, steps: int = 2) -> Case:
    return Case(label=f"1.5B {label}", qwen2="1.5B", adapters=True, settings=settings, steps=steps)


def lora(bench: Bench, note) -> None:
    """Qwen2 shapes with adapters, as on a card of 24 GB (23.5 GiB), with default settings."""
    if bench.is_small:
        run_cases(bench, note, [_half_billion("LoRA", EAGER, _batch(2))])
        return
    cases = [
        _half_billion("LoRA, 8 x 4096, 23.5 GiB, compiled", _batch(8), CARD, COMPILED),
        _half_billion("LoRA, 8 x 4096, 23.5 GiB, eager", _batch(8), CARD, EAGER),
        _larger("LoRA, defaults, 23.5 GiB, compiled", CARD, COMPILED),
        _larger("LoRA, defaults, 23.5 GiB, eager", CARD, EAGER),
    ]
    run_cases(bench, note, cases, together=TOGETHER)


def candidates(bench: Bench, note) -> None:
    """What else adapters could do, and blocks of a preset: the same steps, one change each."""
    eight = _half_billion("LoRA, 8 x 4096, 23.5 GiB, compiled", _batch(8), CARD, COMPILED)
    names = "as_autograd_keeps", "keeps_more", "larger_chunks", "shared_keys"
    cases = [replace(eight, label=f"{eight.label}, {name}", candidate=name) for name in names]
    dropped = (*eight.settings, "quantization.lora_dropout=0")
    cases.append(replace(eight, label=f"{eight.label}, no dropout", settings=dropped))
    cases.append(_larger("LoRA, 23.5 GiB, compiled, blocks computed twice", CARD, COMPILED, AGAIN))
    base = Case(label="base, 16, compiled", preset="base", settings=(_batch(16), COMPILED), steps=10)
    of_base = "keeps_more", "flash_attention_3"
    cases += [base, *(replace(base, label=f"{base.label}, {name}", candidate=name) for name in of_base)]
    if bench.is_small:
        cases = [replace(cases[0], settings=(_batch(2), EAGER))]
    run_cases(bench, note, cases, together=TOGETHER)
    if not bench.is_small:
        note("keys shared in the kernel against keys repeated", **_shared_against_repeated(bench))


def _shared_against_repeated(bench: Bench) -> dict[str, object]:
    """How far output and gradients of 14 heads over 2 keys are apart, relative to their norms."""
    from torch.nn.attention.varlen import varlen_attn

    lengths = [0, 700, 1500, 4096]
    bounds = torch.tensor(lengths, dtype=torch.int32, device=bench.device)
    states = [
        torch.randn(4096, heads, 64, device=bench.device, dtype=torch.bfloat16, requires_grad=True)
        for heads in (14, 2, 2)
    ]
    grad, found = torch.randn_like(states[0]), []
    try:
        for repeats in (1, 7):
            query, *keys = states
            keys = [key.repeat_interleave(repeats, 1) for key in keys] if repeats > 1 else keys
            out = varlen_attn(query, *keys, bounds, bounds, 2596, 2596, window_size=(-1, 0))
            found.append((out, *torch.autograd.grad(out, states, grad)))
    except (RuntimeError, TypeError, ValueError) as error:
        return {"not_available": str(error).splitlines()[0][:200]}
    return {
        name: float((a - b).float().norm() / b.float().norm())
        for name, a, b in zip(("output", "query", "key", "value"), *found, strict=True)
    }


def lora_profile(bench: Bench, note) -> None:
    """Where the time and the memory of adapters go: kernels, parts of a step, what is held."""
    cases = [
        _half_billion("LoRA, 4, compiled", _batch(4), COMPILED),
        _half_billion("LoRA, 4, eager", _batch(4), EAGER),
        _half_billion("LoRA, 2, compiled", _batch(2), COMPILED),
    ]
    profiled = [replace(case, is_profiled=True) for case in cases]
    if bench.is_small:
        profiled = [replace(profiled[1], settings=(_batch(2), EAGER), steps=1)]
    run_cases(bench, note, profiled, together=TOGETHER)


def estimate(bench: Bench, note) -> None:
    """Planned against seen in thirteen runs; each plan is made before its first step."""
    muon = (_batch(4), "model.dropout=0.2")
    cases = [
        Case(label="small, Muon, 4, dropout 0.2", preset="small", settings=(EAGER, *muon)),
        Case(
            label="small, AdamW, 8",
            preset="small",
            settings=(EAGER, _batch(8), "optimization.optimizer=adamw"),
        ),
        Case(
            label="tiny, fp32, 4",
            preset="tiny",
            settings=(EAGER, _batch(4), "optimization.mixed_precision=fp32"),
        ),
        Case(label="base, 4, checkpointing", preset="base", settings=(EAGER, _batch(4), AGAIN)),
        Case(
            label="base, 2 x 2",
            preset="base",
            settings=(EAGER, _batch(2), "optimization.gradient_accumulation_steps=2"),
        ),
        Case(label="base, 8, compiled", preset="base", settings=(COMPILED, _batch(8))),
        _half_billion("full, 2, AdamW", _batch(2), EAGER, adapters=False),
        _half_billion("full, 23.5 GiB, defaults", CARD, EAGER, adapters=False),
        _half_billion("LoRA, 2", _batch(2), EAGER),
        _half_billion("LoRA, 4, compiled", _batch(4), COMPILED),
        _larger("LoRA, 2, checkpointing", _batch(2), AGAIN, EAGER),
        _larger("LoRA over 4 bits, 2, checkpointing", _batch(2), AGAIN, EAGER, IN_4_BITS),
        _larger("LoRA, 4, compiled, checkpointing", _batch(4), AGAIN, COMPILED),
    ]
    cases = [replace(case, steps=1) for case in cases]
    run_cases(bench, note, cases[:1] if bench.is_small else cases, together=TOGETHER, is_timed=False)
