"""cuDNN's attention over documents behind the signature of torch's `varlen_attn`, to measure one against the other.

torch's own function has a switch for it that is always off: what it declares of the log-sums is another shape.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

NAME = "benchmarks::cudnn_by_bounds"


@torch.library.custom_op(NAME, mutates_args=())
def _forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """[tokens, heads, size] and the log-sums [tokens, heads, 1] float32."""
    states = query.contiguous(), key.contiguous(), value.contiguous()
    out, log_sums, *_ = torch.ops.aten._cudnn_attention_forward(
        *states, None, bounds, bounds, longest, longest, True, 0.0, True, False, scale=scale
    )
    return out.contiguous(), log_sums.reshape(*query.shape[:2], 1)


@_forward.register_fake
def _(query, key, value, bounds, longest, scale):
    return query.new_empty(query.shape), query.new_empty((*query.shape[:2], 1), dtype=torch.float32)


@torch.library.custom_op(NAME + "_backward", mutates_args=())
def _backward(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    log_sums: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    states = query.contiguous(), key.contiguous(), value.contiguous(), out, log_sums
    seed = torch.zeros((), dtype=torch.int64, device=grad.device)  # of a dropout there is none of
    lengths = bounds, bounds, longest, longest
    grads = torch.ops.aten._cudnn_attention_backward(
        grad.contiguous(), *states, seed, seed, None, *lengths, 0.0, True, scale=scale
    )
    return tuple(g.contiguous() for g in grads)


@_backward.register_fake
def _(grad, query, key, value, out, log_sums, bounds, longest, scale):
    return tuple(states.new_empty(states.shape) for states in (query, key, value))


def _keep(ctx, inputs, output) -> None:
    query, key, value, bounds, ctx.longest, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, *output, bounds)
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx, grad, _):
    grads = torch.ops.benchmarks.cudnn_by_bounds_backward(grad, *ctx.saved_tensors, ctx.longest, ctx.scale)
    return (*grads, None, None, None)


_forward.register_autograd(_differentiate, setup_context=_keep)


def varlen_attn(
    query, key, value, bounds, _bounds, longest: int, _longest: int, *, scale=None, window_size=(-1, 0)
):
    """As torch.nn.attention.varlen.varlen_attn, causal, without a sliding window."""
    assert tuple(window_size) == (-1, 0), "causal attention over whole documents only"
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return torch.ops.benchmarks.cudnn_by_bounds(query, key, value, bounds, longest, scale)[0]


@contextlib.contextmanager
def in_place_of_flash() -> Iterator[None]:
    """The trainer's models attend with it while this is open."""
    from torch.nn.attention import varlen

    theirs, varlen.varlen_attn = varlen.varlen_attn, varlen_attn
    try:
        yield
    finally:
        varlen.varlen_attn = theirs
