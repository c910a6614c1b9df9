"""LoRA (2106.09685): a frozen linear layer plus a trained product of two thin matrices.

`y = W x + (alpha / rank) B A dropout(x)`. A starts random and B at zero, so training starts at the base model.

The frozen weights may be kept in 8 or 4 bits, made whole again, in half precision, for each product that needs them.
8 bits: every output's row as whole numbers up to 127, times one of its own. 4 bits: each number of a block of 64 as the
nearest of 16 quantiles of a normal distribution, times the block's largest: NF4 of QLoRA (2305.14314), bit for bit what
bitsandbytes makes of it without a second rounding, of the blocks' largest. Alike on a CPU, on Metal and on CUDA.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.trainer.devices import compute_dtype

if TYPE_CHECKING:
    from transformers.pytorch_utils import Conv1D


class LoraLinear(nn.Module):
    """Wraps `base`, an nn.Linear or GPT-2's Conv1D (whose weight is transposed).

    `by_root` divides alpha by the rank's root (rsLoRA, 2312.03732). With `has_magnitude` each output's row of weights
    has a trained length of its own (DoRA, 2402.09353): `y = m / |W'| W' x`, W' being W with the adapter.
    """

    base: nn.Linear | Conv1D | QuantizedLinear
    lengths: torch.Tensor

    def __init__(
        self,
        base: nn.Linear | Conv1D,
        rank: int,
        alpha: float,
        dropout: float,
        *,
        by_root: bool = False,
        has_magnitude: bool = False,
    ) -> None:
        super().__init__()
        self.base, self.dropout = base, nn.Dropout(dropout)
        self.is_transposed = not isinstance(base, nn.Linear)
        self.share = 1.0  # of what was trained
        self._per_alpha = 1 / (math.sqrt(rank) if by_root else rank)
        self._trained_alpha = alpha
        num_outputs, num_inputs = self._rows(base.weight).shape
        self.lora_a = nn.Parameter(torch.empty(rank, num_inputs))
        self.lora_b = nn.Parameter(torch.zeros(num_outputs, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
        self.magnitude: nn.Parameter | None = None
        if has_magnitude:
            lengths = self._rows(base.weight.detach()).float().norm(dim=1)
            self.magnitude = nn.Parameter(lengths)
            self.register_buffer("lengths", lengths.clone(), persistent=False)  # of W, whatever is trained

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = _lowered(x)
        rate = self.dropout.p if self.training else 0.0
        a, b = self.lora_a.to(x.dtype), self.lora_b.to(x.dtype)
        known = self.base(x)
        added = _LowRank.apply(x, a, b, self.scale, rate, _draw_seed(x) if rate else None)
        if self.magnitude is None:
            return known + added
        gain = self._gain(self.magnitude).to(x.dtype)
        without_bias = known if self.bias is None else known - self.bias
        return known + (gain - 1) * without_bias + gain * added

    @property
    def alpha(self) -> float:
        return self.share * self._trained_alpha

    @property
    def scale(self) -> float:
        return self.alpha * self._per_alpha

    def _rows(self, weight: torch.Tensor) -> torch.Tensor:
        """A row for each output."""
        return weight.T if self.is_transposed else weight

    def _gain(self, magnitude: torch.Tensor) -> torch.Tensor:
        """m / |W'| for each output; |W'| is taken for a constant, as the paper does, and W' is never made."""
        with torch.no_grad():
            a, b = self.lora_a, self.lora_b
            crossed = b * (self._rows(self.base.weight) @ a.T.to(self.base.weight.dtype)).to(b.dtype)
            squares = self.lengths**2 + 2 * self.scale * crossed.sum(1)
            squares += self.scale**2 * ((b @ (a @ a.T)) * b).sum(1)
        return magnitude / squares.clamp(min=1e-12).sqrt()

    @property
    def weight(self) -> torch.Tensor:
        """With the adapter, for models that read a layer's weight instead of calling it (Mamba); nothing is dropped."""
        whole = self.base.weight + self._rows(self.scale * (self.lora_b @ self.lora_a))
        return (
            whole
            if self.magnitude is None
            else self._rows(self._gain(self.magnitude)[:, None] * self._rows(whole))
        )

    @property
    def bias(self) -> torch.Tensor | None:
        return self.base.bias

    def named_for_peft(self) -> dict[str, torch.Tensor]:
        named: dict[str, torch.Tensor] = {"lora_A.weight": self.lora_a, "lora_B.weight": self.lora_b}
        return named if self.magnitude is None else named | {"lora_magnitude_vector": self.magnitude}

    @torch.no_grad()
    def merged_weight(self) -> torch.Tensor:
        """The weight of `base` with the adapter in it, float32 on the CPU."""
        delta = self.scale * (self.lora_b.detach().cpu() @ self.lora_a.detach().cpu())
        whole = self._rows(self.base.weight.detach().cpu().float()) + delta
        if self.magnitude is not None:
            whole *= (self.magnitude.detach().cpu() / whole.norm(dim=1))[:, None]
        return self._rows(whole)


class _LowRank(torch.autograd.Function):
    """scale * b @ a @ dropout(x), of which only `x`, a mask of bytes and the thin product are kept.

    autograd would keep a dropped copy of `x` for each layer as well. A graph keeps no mask either: it has a `seed`.
    """

    @staticmethod
    def forward(ctx, x, a_RI, b_OR, scale: float, rate: float, seed: torch.Tensor | None):
        dropped, mask = _drop(x, rate, seed)
        low = scale * F.linear(dropped, a_RI)
        ctx.save_for_backward(x, low, a_RI, b_OR, mask if seed is None else None, seed)
        ctx.scale, ctx.rate = scale, rate
        return F.linear(low, b_OR)

    @staticmethod
    def backward(ctx, grad):
        x, low, a_RI, b_OR, mask, seed = ctx.saved_tensors
        if seed is not None:
            mask = _mask(x.shape, ctx.rate, seed)
        grad_low = ctx.scale * (grad @ b_OR)
        grad_b = grad.flatten(0, -2).mT @ low.flatten(0, -2)
        grad_a = grad_low.flatten(0, -2).mT @ _masked(x, mask, ctx.rate).flatten(0, -2)
        return _masked(grad_low @ a_RI, mask, ctx.rate), grad_a, grad_b, None, None, None


def _lowered(x: torch.Tensor) -> torch.Tensor:
    """`x` in the dtype of products, made once for all layers that read it."""
    dtype = compute_dtype(x)
    if x.dtype == dtype or torch.compiler.is_compiling():  # a compiler sees that it is the same
        return x.to(dtype)
    version, lowered = vars(x).get("lowered", (None, x))
    if version != x._version or lowered.dtype != dtype:
        lowered = x.to(dtype)
        vars(x)["lowered"] = x._version, lowered
    return lowered


# --- dropout ---------------------------------------------------------------------------------------------------


def _draw_seed(x: torch.Tensor) -> torch.Tensor | None:
    """Of one mask, where a graph is traced: its compiler makes a mask of hashes again in the backward pass."""
    if not torch.compiler.is_compiling():
        return None
    return torch.randint(2**31 - 1, (), dtype=torch.int32, device=x.device)


def _drop(
    x: torch.Tensor, rate: float, seed: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """`x` with a share of `rate` set to 0 and the rest made larger; and what stays, bool."""
    if not rate:
        return x, None
    if seed is None:
        return torch.native_dropout(x, rate, True)  # one kernel
    mask = _mask(x.shape, rate, seed)
    return _masked(x, mask, rate), mask


def _masked(x: torch.Tensor, mask: torch.Tensor | None, rate: float) -> torch.Tensor:
    return x if mask is None else torch.ops.aten.native_dropout_backward(x, mask, 1 / (1 - rate))


def _mask(shape: torch.Size, rate: float, seed: torch.Tensor) -> torch.Tensor:
    """What stays, bool; the same for the same seed."""
    return _hashes(shape, seed) >= int(rate * 2**31)


def _hashes(shape: torch.Size, seed: torch.Tensor) -> torch.Tensor:
    """31 bits for each place, int32: its number and the seed, mixed. Some ten operations, where Philox takes a hundred.

    The mixer is `lowbias32` of C. Wellons' hash prospector.
    """
    rows = torch.arange(math.prod(shape[:-1]), dtype=torch.int32, device=seed.device).view(*shape[:-1], 1)
    h = rows * shape[-1] + torch.arange(shape[-1], dtype=torch.int32, device=seed.device) + seed
    h = (h ^ ((h >> 16) & 0xFFFF)) * 0x7FEB352D
    h = (h ^ ((h >> 15) & 0x1FFFF)) * (0x846CA68B - 2**32)
    return (h ^ ((h >> 16) & 0xFFFF)) & 0x7FFFFFFF


# --- frozen weights of 8 or 4 bits ----------------------------------------------------------------------------


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
        model.set_submodule(name, QuantizedLinear(layer, bits))


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
