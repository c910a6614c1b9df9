"""Which parts of a frozen model are trained: adapters on its linear layers, and rows of tokens that are new to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from effectiveness.common.records import UserError
from effectiveness.trainer.lora import LoraLinear
from effectiveness.trainer.new_rows import NewRows
from effectiveness.trainer.quantized import quantize

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ALL_LINEAR = "all-linear"  # every linear layer but the head, as the paper's successors recommend


def adapted_parts(model: nn.Module) -> dict[str, LoraLinear | NewRows]:
    """By name: what is trained around something frozen, its `base`; `merged_weight` has both in one."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoraLinear | NewRows)}


def take_share(model: nn.Module, share: float) -> None:
    """Let adapters add so much of what was trained."""
    for part in adapted_parts(model).values():
        if isinstance(part, LoraLinear):
            part.share = share


def share_of(model: nn.Module) -> float:
    """What `take_share` was given last; 1 without adapters."""
    shares = [part.share for part in adapted_parts(model).values() if isinstance(part, LoraLinear)]
    return next(iter(shares), 1.0)


def quantize_base(model: PreTrainedModel, bits: int) -> None:
    """Put every linear layer but the head into `bits` bits; adapters stay around them."""
    head = model.get_output_embeddings()
    quantize(model, {n: m for n, m in model.named_modules() if _is_linear(m) and m is not head}, bits)


def add_adapters(
    model: PreTrainedModel,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: Sequence[str],
    by_root: bool = False,
    has_magnitude: bool = False,
) -> int:
    """Freeze `model` and wrap the linear layers that `targets` name, as peft reads them; returns how many were.

    Raises UserError when a target names no linear layer, or the head: the loss reads its weight, part by part, and
    mostly it is the embedding as well, which an adapter around one of them would part.
    """
    head = model.get_output_embeddings()
    linear = {name: module for name, module in model.named_modules() if _is_linear(module)}
    found = {name: module for name, module in linear.items() if module is not head}
    _refuse_head(targets, [name for name, module in linear.items() if module is head])
    _refuse_unknown(targets, found)
    chosen = [name for name in found if ALL_LINEAR in targets or any(_names(t, name) for t in targets)]
    if not chosen:
        raise UserError("quantization.lora_enabled: the model has no linear layer that an adapter fits")
    model.requires_grad_(False)
    for name in chosen:
        parent, _, last = name.rpartition(".")
        layer = LoraLinear(found[name], rank, alpha, dropout, by_root=by_root, has_magnitude=has_magnitude)
        setattr(model.get_submodule(parent), last, layer)
    return len(chosen)


def _names(target: str, name: str) -> bool:
    """Whether `target` is the end of the layer's name, by whole parts, or a regular expression for all of it."""
    if name == target or name.endswith(f".{target}"):
        return True
    try:
        return re.escape(target).replace(r"\.", ".") != target and re.fullmatch(target, name) is not None
    except re.error as error:
        raise UserError(
            f"quantization.lora_target_modules: {target} is no regular expression ({error}); name layers such as q_proj"
        ) from error


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
    named = [target for target in targets if any(_names(target, name) for name in heads)]
    if named:
        raise UserError(
            f"quantization.lora_target_modules: {named[0]} is the model's head, which gets no adapter; leave it out "
            f"(or write {ALL_LINEAR}: every linear layer but the head)"
        )


def _refuse_unknown(targets: Sequence[str], found: dict[str, nn.Module]) -> None:
    names = sorted({name.rpartition(".")[2] for name in found})
    unknown = [t for t in targets if t != ALL_LINEAR and not any(_names(t, name) for name in found)]
    if unknown:
        raise UserError(
            f"quantization.lora_target_modules: the model has no linear layer {', '.join(unknown)}; "
            f"it has {', '.join(names)} (or write {ALL_LINEAR})"
        )
