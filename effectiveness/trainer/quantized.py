"""Frozen weights of 8 or 4 bits under adapters: made whole again, in half precision, for each product that needs them.

8 bits: every output's row as whole numbers up to 127, times one of its own. 4 bits: each number of a block of 64 as the
nearest of 16 quantiles of a normal distribution, times the block's largest: NF4 of QLoRA (2305.14314), bit for bit what
bitsandbytes makes of it without a second rounding, of the blocks' largest. Alike on a CPU, on Metal and on CUDA.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.trainer.devices import compute_dtype

if TYPE_CHECKING:
    from transformers.pytorch_utils import Conv1D

BLOCK = 64
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


class QuantizedLinear(nn.Module):
    """Stands for an nn.Linear or GPT-2's Conv1D (whose weight is transposed), its weight in `bits` bits, frozen."""

    codes: torch.Tensor
    scales: torch.Tensor

    @torch.no_grad()
    def __init__(self, layer: nn.Linear | Conv1D, bits: int) -> None:
        super().__init__()
        self.is_transposed = not isinstance(layer, nn.Linear)
        weight = layer.weight.T if self.is_transposed else layer.weight
        self.shape = weight.shape
        codes, scales = (_to_8_bits if bits == 8 else _to_4_bits)(weight.float())
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.bias = layer.bias

    @property
    def weight(self) -> torch.Tensor:
        """As the layer had it, rounded, float32."""
        whole = _whole(self.codes, self.scales, self.shape, torch.float32)
        return whole.T if self.is_transposed else whole

    @torch.no_grad()
    def merged_weight(self) -> torch.Tensor:
        return self.weight.cpu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product = _Product.apply(x.to(compute_dtype(x)), self.codes, self.scales, self.shape)
        return product if self.bias is None else product + self.bias.to(product.dtype)


class _Product(torch.autograd.Function):
    """x @ W.T, of which nothing is kept: W is made again for the gradient."""

    @staticmethod
    def forward(ctx, x, codes, scales, shape: torch.Size):
        ctx.save_for_backward(codes, scales)
        ctx.shape = shape
        return F.linear(x, _whole(codes, scales, shape, x.dtype))

    @staticmethod
    def backward(ctx, grad):
        codes, scales = ctx.saved_tensors
        return grad @ _whole(codes, scales, ctx.shape, grad.dtype), None, None, None


def quantize(model: nn.Module, layers: dict[str, nn.Module], bits: int) -> None:
    """Put the weights of `layers`, by name in `model`, into `bits` bits, in place."""
    for name, layer in layers.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, QuantizedLinear(layer, bits))


def quantized_layers(model: nn.Module) -> list[QuantizedLinear]:
    return [module for module in model.modules() if isinstance(module, QuantizedLinear)]


def num_quantized(model: nn.Module) -> int:
    """Numbers that stand in no parameter any more."""
    return sum(layer.shape.numel() for layer in quantized_layers(model))


# --- numbers and codes -----------------------------------------------------------------------------------------


def _to_8_bits(weight_OI: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 [O, I], float32 [O, 1])."""
    scales = weight_OI.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
    return (weight_OI / scales).round().to(torch.int8), scales


def _to_4_bits(weight_OI: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(two codes a byte, the first in its upper half; float32 [blocks, 1]); the last block is filled up with zeros."""
    flat = weight_OI.flatten()
    blocks = F.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scales = blocks.abs().amax(1, keepdim=True)
    levels = torch.tensor(NF4, device=flat.device)
    nearest = torch.bucketize(blocks / scales.clamp(min=1e-30), (levels[1:] + levels[:-1]) / 2).to(
        torch.uint8
    )
    pairs = nearest.view(-1, 2)
    return pairs[:, 0] << 4 | pairs[:, 1], scales


def _whole(codes: torch.Tensor, scales: torch.Tensor, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    if codes.dtype == torch.int8:
        return (codes * scales).to(dtype)
    pairs = F.embedding(codes.int(), _pairs(codes.device))  # a byte is two numbers
    return (pairs.view(-1, BLOCK) * scales).to(dtype).flatten()[: shape.numel()].view(shape)


@functools.cache
def _pairs(device: torch.device) -> torch.Tensor:
    """What each byte of two codes stands for, float32 [256, 2]."""
    levels = torch.tensor(NF4, device=device)
    return torch.stack((levels.repeat_interleave(16), levels.repeat(16)), dim=1)
