"""LoRA (2106.09685): a frozen linear layer plus a trained product of two thin matrices.

`y = W x + (alpha / rank) B A dropout(x)`. A starts random and B at zero, so training starts at the base model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.common.records import UserError
from effectiveness.trainer.devices import compute_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.pytorch_utils import Conv1D

ALL_LINEAR = "all-linear"  # every linear layer but the head, as the paper's successors recommend


class LoraLinear(nn.Module):
    """Wraps `base`, an nn.Linear or GPT-2's Conv1D (whose weight is transposed)."""

    base: nn.Linear | Conv1D

    def __init__(self, base: nn.Linear | Conv1D, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base, self.scale, self.dropout = base, alpha / rank, nn.Dropout(dropout)
        num_outputs, num_inputs = (
            base.weight.shape if isinstance(base, nn.Linear) else base.weight.shape[::-1]
        )
        self.lora_a = nn.Parameter(torch.empty(rank, num_inputs))
        self.lora_b = nn.Parameter(torch.zeros(num_outputs, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = _lowered(x)
        rate = self.dropout.p if self.training else 0.0
        a, b = self.lora_a.to(x.dtype), self.lora_b.to(x.dtype)
        return self.base(x) + _LowRank.apply(x, a, b, self.scale, rate, _draw_seed(x) if rate else None)

    @property
    def weight(self) -> torch.Tensor:
        """With the adapter, for models that read a layer's weight instead of calling it (Mamba); nothing is dropped."""
        delta = self.scale * (self.lora_b @ self.lora_a)
        return self.base.weight + (delta if isinstance(self.base, nn.Linear) else delta.T)

    @property
    def bias(self) -> torch.Tensor | None:
        return self.base.bias

    @torch.no_grad()
    def merged_weight(self) -> torch.Tensor:
        """The weight of `base` with the adapter added, float32 on the CPU."""
        delta = self.scale * (self.lora_b.detach().cpu() @ self.lora_a.detach().cpu())
        return self.base.weight.detach().cpu().float() + (
            delta if isinstance(self.base, nn.Linear) else delta.T
        )

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """`base` with the adapter added to its weight."""
        self.base.weight.data = self.merged_weight().to(self.base.weight.device)
        return self.base


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


def add_adapters(
    model: PreTrainedModel, *, rank: int, alpha: float, dropout: float, targets: Sequence[str]
) -> int:
    """Freeze `model` and wrap its linear layers whose last name is in `targets`; returns how many were.

    Raises UserError when a target names no linear layer, or the head: its weight is read apart from its layer (and
    mostly is the embedding), so an adapter around it would be left out.
    """
    head = model.get_output_embeddings()
    linear = {name: module for name, module in model.named_modules() if _is_linear(module)}
    found = {name: module for name, module in linear.items() if module is not head}
    _refuse_head(targets, [name for name, module in linear.items() if module is head])
    _refuse_unknown(targets, found)
    chosen = [name for name in found if ALL_LINEAR in targets or name.rpartition(".")[2] in targets]
    if not chosen:
        raise UserError("quantization.lora_enabled: the model has no linear layer that an adapter fits")
    model.requires_grad_(False)
    for name in chosen:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, LoraLinear(found[name], rank, alpha, dropout))
    return len(chosen)


def merge_adapters(model: PreTrainedModel) -> None:
    """Replace every adapter by its merged layer, in place; without adapters nothing happens."""
    wrapped = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear)]
    for name, module in wrapped:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, module.merged())


@torch.no_grad()
def lower_frozen(model: PreTrainedModel) -> None:
    """Keep frozen matrices in bfloat16 where that loses no bit, as in a checkpoint that was released so.

    Autocast rounds them to bfloat16 for every product anyway: loss and gradients are equal, bit for bit.
    """
    for module in model.modules():
        if not (_is_linear(module) or isinstance(module, nn.Embedding)) or module.weight.requires_grad:
            continue
        lowered = module.weight.bfloat16()
        if not torch.equal(lowered.to(module.weight.dtype), module.weight):
            continue
        module.weight.data = lowered
        if isinstance(module, nn.Embedding):  # what is added up along the blocks stays float32
            module.register_forward_hook(lambda _module, _inputs, output: output.float())


@torch.no_grad()
def _is_linear(module: nn.Module) -> bool:
    """One that gives what its name says: the routers of Llama 4 and Phi MoE are subclasses that return more."""
    if not isinstance(module, nn.Linear):
        return type(module).__name__ == "Conv1D"
    if type(module).forward is nn.Linear.forward:
        return True
    found = module(torch.ones(1, module.in_features).to(module.weight))
    return isinstance(found, torch.Tensor) and found.shape == (1, module.out_features)


def _refuse_head(targets: Sequence[str], heads: list[str]) -> None:
    named = sorted({name.rpartition(".")[2] for name in heads} & set(targets))
    if named:
        raise UserError(
            f"quantization.lora_target_modules: {named[0]} is the model's head, which gets no adapter; leave it out "
            f"(or write {ALL_LINEAR}: every linear layer but the head)"
        )


def _refuse_unknown(targets: Sequence[str], found: dict[str, nn.Module]) -> None:
    names = sorted({name.rpartition(".")[2] for name in found})
    unknown = [target for target in targets if target != ALL_LINEAR and target not in names]
    if unknown:
        raise UserError(
            f"quantization.lora_target_modules: the model has no linear layer {', '.join(unknown)}; "
            f"it has {', '.join(names)} (or write {ALL_LINEAR})"
        )
