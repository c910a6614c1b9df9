"""LoRA (2106.09685): a frozen linear layer plus a trained product of two thin matrices.

`y = W x + (alpha / rank) B A dropout(x)`. A starts random and B at zero, so training starts at the base model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from effectiveness.common.records import UserError

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
        low_rank = nn.functional.linear(self.dropout(x), self.lora_a)
        return self.base(x) + self.scale * nn.functional.linear(low_rank, self.lora_b)

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


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


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
