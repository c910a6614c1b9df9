"""The arithmetic a model needs, for MFU: the share of a device's peak that training uses (2204.02311, appendix B).

A weight multiplies and adds once in the forward pass and twice in the backward pass: 6 operations a token, 4 where it
is frozen. Attention of a token over the n tokens up to it: 12 x layers x width x n. Only what documents need counts:
no padding, no pair of tokens in different documents, nothing that is computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRAINED, FROZEN = 6, 4
ATTENTION = 12

PEAK_FLOPS = {  # dense, with float32 sums, from the data sheets: bf16 or fp16, in operations a second
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Operations of one training step, by the token and by the pair of tokens that attention joins."""

    per_token: float
    per_pair: float

    def of_documents(self, lengths: np.ndarray) -> float:
        """Of documents with so many tokens each; a causal pass joins half of all pairs."""
        lengths = lengths.astype(np.float64)
        return float(self.per_token * lengths.sum() + self.per_pair * (lengths**2).sum() / 2)


def flops_of(model: PreTrainedModel) -> Flops:
    """Of a causal transformer. Input embeddings are looked up, not multiplied, unless they are the head as well."""
    from effectiveness.trainer.quantized import num_quantized  # which needs the devices, and they this table

    head, embedded = model.get_output_embeddings(), model.get_input_embeddings()
    is_tied = head is not None and head.weight is embedded.weight
    multiplied = [p for p in model.parameters() if p is not embedded.weight or is_tied]
    config = model.config.get_text_config()
    num_heads = getattr(config, "num_attention_heads", None) or 0
    width = num_heads * (getattr(config, "head_dim", None) or config.hidden_size // max(num_heads, 1))
    return Flops(
        per_token=float(FROZEN * num_quantized(model))
        + float(sum(p.numel() * (TRAINED if p.requires_grad else FROZEN) for p in multiplied)),
        per_pair=float(ATTENTION * config.num_hidden_layers * width),
    )


def peak_flops(device_name: str) -> float | None:
    """Of a GPU by its name; None for one that is not listed."""
    return next((flops for part, flops in PEAK_FLOPS.items() if part in device_name), None)
