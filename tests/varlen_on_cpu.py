"""The kernel of a GPU for documents of several lengths, spelled out on a CPU: what takes it can be tested here."""

from __future__ import annotations

import functools
import itertools

import torch

from effectiveness.trainer import attention


def use_kernel_on_cpu(monkeypatch) -> None:
    """Let the trainer believe that a CPU has the kernel."""
    _register()
    monkeypatch.setattr(attention, "_has_kernel", lambda device: True)


@functools.cache
def _register() -> None:
    from torch.nn.attention import varlen

    @varlen._varlen_attn.register_kernel("cpu")
    def forward(
        query,
        key,
        value,
        bounds,
        _bounds_k,
        max_q,
        max_k,
        is_causal=False,
        scale=None,
        window_size=None,
        *rest,
    ):
        out, log_sums = torch.zeros_like(query), torch.zeros(query.shape[1], query.shape[0])
        for place, probabilities, _keys, values in _documents(query, key, value, bounds, scale, window_size):
            out[place] = (probabilities @ values).transpose(0, 1).to(query.dtype)
        return out, log_sums, torch.zeros(2, dtype=torch.uint64)

    @varlen._varlen_attn_backward.register_kernel("cpu")
    def backward(
        grad,
        query,
        key,
        value,
        out,
        _sums,
        bounds,
        _k,
        max_q,
        max_k,
        is_causal,
        _rng,
        scale=None,
        window_size=None,
    ):
        grads = [torch.zeros_like(states) for states in (query, key, value)]
        scale = scale or query.shape[-1] ** -0.5
        for place, p, keys, values in _documents(query, key, value, bounds, scale, window_size):
            grad_out, queries = grad[place].transpose(0, 1).float(), query[place].transpose(0, 1).float()
            grad_p = grad_out @ values.mT
            grad_scores = p * (grad_p - (grad_p * p).sum(-1, keepdim=True)) * scale
            found = (grad_scores @ keys, grad_scores.mT @ queries, p.mT @ grad_out)
            for whole, part in zip(grads, found, strict=True):
                grouped = part.view(whole.shape[1], -1, *part.shape[1:]).sum(1)  # queries that share a key
                whole[place] = grouped.transpose(0, 1).to(whole.dtype)
        return tuple(grads)


def _documents(query, key, value, bounds, scale, window_size):
    """(its place, probabilities [H, T, T], keys and values [H, T, D] in float32) of each document."""
    groups = query.shape[1] // key.shape[1]
    for start, end in itertools.pairwise(bounds.tolist()):
        if start == end:
            continue
        place = slice(start, end)
        queries = query[place].transpose(0, 1).float()
        keys, values = (x[place].transpose(0, 1).float().repeat_interleave(groups, 0) for x in (key, value))
        behind = torch.arange(end - start)[:, None] - torch.arange(end - start)[None]
        is_seen = (behind >= 0) & ((behind <= window_size[0]) if window_size[0] >= 0 else True)
        scores = (queries @ keys.mT) * (scale or query.shape[-1] ** -0.5)
        yield place, torch.softmax(scores.masked_fill(~is_seen, -torch.inf), -1), keys, values
