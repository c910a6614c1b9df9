"""Paths against each other: attention of one layer, the loss, Muon. What the trainer takes was the fastest here."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import gpu_cudnn
from benchmarks.gpu_bench import Bench
from effectiveness.trainer import devices, objective
from effectiveness.trainer.optimizers import Muon


def attention(bench: Bench, note) -> None:
    """Forward and backward of one layer's attention over 16 x 4096 tokens in documents, path against path."""
    lines, window = (2, 128) if bench.is_small else (16, 4096)
    tokens = lines * window
    lengths = [window] * (lines // 2) + [window // 3, window - window // 3] * (lines - lines // 2)
    bounds = torch.tensor(
        [0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device=bench.device
    )
    pairs = sum(n * n / 2 for n in lengths)
    for heads, size in ((12, 64), (6, 128)):
        q, k, v = (
            torch.randn(tokens, heads, size, device=bench.device, dtype=torch.bfloat16, requires_grad=True)
            for _ in range(3)
        )
        flops = 3.5 * 4 * pairs * heads * size
        for name, path in attention_paths(bench, q, k, v, bounds, lines, window).items():
            try:
                ms = bench.time_ms(lambda path=path: path().sum().backward())
                note(f"{heads} heads of {size}: {name}", ms=ms, TFLOP_per_s=flops / ms / 1e9)
            except (RuntimeError, ImportError, AttributeError, TypeError) as error:
                note(f"{heads} heads of {size}: {name}", not_available=str(error).splitlines()[0][:160])

        if not bench.is_small:
            note(f"{heads} heads of {size}: cuDNN against flash", **_apart(q, k, v, bounds, window))


def _apart(q, k, v, bounds, window: int) -> dict[str, float]:
    """How far outputs and gradients of both kernels are from each other, relative to their norms."""
    from torch.nn.attention.varlen import varlen_attn as flash

    states, grad = (q, k, v), torch.randn_like(q)
    found = []
    for path in (flash, gpu_cudnn.varlen_attn):
        out = path(*states, bounds, bounds, window, window, window_size=(-1, 0))
        found.append((out, *torch.autograd.grad(out, states, grad)))
    return {
        name: float((a - b).float().norm() / a.float().norm())
        for name, a, b in zip(("output", "query", "key", "value"), *found, strict=True)
    }


def attention_paths(bench: Bench, q, k, v, bounds, lines: int, window: int) -> dict:
    def batched(x):
        return x.view(lines, window, *x.shape[1:]).transpose(1, 2)

    places = torch.arange(len(q), device=bench.device)
    document = torch.bucketize(places, bounds.long(), right=True).view(lines, window)
    mask = document[:, None, :, None] == document[:, None, None, :]
    mask &= torch.ones(window, window, dtype=torch.bool, device=bench.device).tril()

    def varlen():
        from torch.nn.attention.varlen import varlen_attn

        return varlen_attn(q, k, v, bounds, bounds, window, window, window_size=(-1, 0))

    def sdpa(backend, **options):
        from torch.nn.attention import sdpa_kernel

        def attend():
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(batched(q), batched(k), batched(v), **options)

        return attend

    from torch.nn.attention import SDPBackend

    paths = (
        {}
        if bench.is_small
        else {
            "by bounds (flash)": varlen,
            "by bounds (cuDNN)": lambda: gpu_cudnn.varlen_attn(q, k, v, bounds, bounds, window, window),
        }
    )
    paths["causal, whole lines, flash"] = sdpa(
        SDPBackend.MATH if bench.is_small else SDPBackend.FLASH_ATTENTION, is_causal=True
    )
    if not bench.is_small:
        paths["causal, whole lines, cuDNN"] = sdpa(SDPBackend.CUDNN_ATTENTION, is_causal=True)
        paths["a dense mask, cuDNN"] = sdpa(SDPBackend.CUDNN_ATTENTION, attn_mask=mask)
    return paths


def loss(bench: Bench, note) -> None:
    """The loss of 65,536 tokens over two vocabularies, and Muon over the matrices of `base`, path against path."""
    tokens = 256 if bench.is_small else 65_536
    for vocab, width in ((700, 64),) if bench.is_small else ((9_557, 768), (151_936, 896)):
        hidden = torch.randn(tokens, width, device=bench.device, dtype=torch.bfloat16, requires_grad=True)
        weight = nn.Parameter(torch.randn(vocab, width, device=bench.device) * 0.02)
        labels = torch.randint(vocab, (tokens,), device=bench.device)
        weights = torch.ones(tokens, device=bench.device)
        paths = {
            "chunks": lambda h=hidden, w=weight, y=labels, s=weights: objective.weighted_nats(
                h, w, None, y, s
            )
        }
        if not bench.is_small:
            paths["chunks, compiled"] = lambda h=hidden, w=weight, y=labels, s=weights: (
                objective.weighted_nats(h, w, None, y, s, is_compiled=True)
            )
        if hasattr(F, "linear_cross_entropy"):
            paths["F.linear_cross_entropy"] = lambda h=hidden, w=weight, y=labels: F.linear_cross_entropy(
                h.to(w.dtype), w, y, reduction="sum"
            )
        for name, path in paths.items():
            if bench.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()

            def both(path=path):
                with devices.autocast(bench.device, torch.bfloat16):
                    path().backward()

            note(
                f"{vocab:,} entries: {name}",
                ms=bench.time_ms(both, 5),
                peak_GiB=devices.peak_memory_bytes(bench.device) / devices.GIB,
            )
        bench.clean()
    sizes = [(64, 64)] * 4 if bench.is_small else [(768, 768)] * 48 + [(2048, 768)] * 24 + [(768, 2048)] * 12
    matrices = [nn.Parameter(torch.randn(s, device=bench.device)) for s in sizes]
    for p in matrices:
        p.grad = torch.randn_like(p)
    ours = Muon(matrices, lr=1e-4, weight_decay=0.1, momentum=0.95, decay_share=0.05)
    note("Muon, in batches", ms=bench.time_ms(ours.step, 5))
    theirs = torch.optim.Muon(matrices, lr=1e-4, weight_decay=0.1, momentum=0.95)
    note("Muon, torch's", ms=bench.time_ms(theirs.step, 5))
