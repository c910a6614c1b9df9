"""Attention over packed documents on a CPU: document by document, instead of one large mask that hides the others.

A mask costs a CPU 24 % of a step of the tiny model and reads every pair of tokens, also those it hides. Where
positions restart, a document begins: each is attended causally by itself, which is the same sum.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

NAME = "by_document"


def attend_by_document(model: nn.Module) -> bool:
    """Let a Llama on a CPU attend document by document where it is given positions and no mask; whether it does."""
    if model.config.model_type != "llama" or model.device.type != "cpu":
        return False
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)
    model.set_attn_implementation(NAME)
    if not _isolates(model):  # a version of transformers that keeps positions from its attention
        model.set_attn_implementation("sdpa")
        return False
    return True


@torch.no_grad()
def _isolates(model: nn.Module) -> bool:
    """Whether two documents in one sequence get the logits of each alone. Measured on eight tokens."""
    was_training = model.training
    model.eval()
    ids = torch.arange(8)[None] % model.config.vocab_size
    packed = model(input_ids=ids, position_ids=torch.arange(8)[None] % 4, use_cache=False).logits
    alone = model(input_ids=ids.view(2, 4), use_cache=False).logits
    model.train(was_training)
    return torch.allclose(packed.view(alone.shape).float(), alone.float(), rtol=1e-3, atol=1e-3)


def _mask(batch_size: int, q_length: int, kv_length: int, *, attention_mask=None, **others):
    """No mask for whole sequences, whose documents stand in their positions; otherwise that of sdpa."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None and q_length == kv_length and not torch.compiler.is_compiling():
        return None
    return sdpa_mask(batch_size, q_length, kv_length, attention_mask=attention_mask, **others)


def _attention(
    module: nn.Module,
    query_BHTD: torch.Tensor,
    key_BHSD: torch.Tensor,
    value_BHSD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    **others,
) -> tuple[torch.Tensor, None]:
    """[B, T, H, D]. A document is a run of positions from one 0 to the next, in one line of the batch."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    states = query_BHTD, key_BHSD, value_BHSD
    is_whole = query_BHTD.shape[2] == key_BHSD.shape[2] and position_ids is not None
    if attention_mask is not None or not is_whole:
        return sdpa_attention_forward(module, *states, attention_mask, **others)
    lines = []
    for line, positions in enumerate(position_ids.expand(len(query_BHTD), -1)):
        lengths = _lengths(positions)
        parts = zip(*(states_[line : line + 1].split(lengths, dim=2) for states_ in states), strict=True)
        found = [sdpa_attention_forward(module, *part, None, **others)[0] for part in parts]
        lines.append(found[0] if len(found) == 1 else torch.cat(found, dim=1))
    return torch.cat(lines), None


def _lengths(positions_T: torch.Tensor) -> list[int]:
    """Of the documents that a line of positions holds."""
    starts = [0, *(positions_T[1:] == 0).nonzero()[:, 0].add(1).tolist(), len(positions_T)]
    return [end - start for start, end in itertools.pairwise(starts)]
