"""Which parts of a frozen model are trained: adapters on its linear layers, and rows of tokens that are new to it.

New tokens: gradients and optimizer state exist for their rows only, of the embedding and of the head. A head that is
the embedding reads the same ones. In the frozen table they are zero, so that what it gives and what the rows give is
added up. peft calls it trainable tokens.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.common.boundary import reading
from effectiveness.common.records import UserError
from effectiveness.common.seeding import key_for
from effectiveness.trainer.lora import LoraLinear, quantize

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Some models read the weight of a layer instead of calling it.
NO_ADAPTERS = (
    "this model does without adapters in one of these layers: name others, or set lora_enabled: false"
)


def adapt(model: PreTrainedModel, quantization, seed: int, new_ids: Collection[int] = ()) -> int:
    """Freeze `model` and add LoRA adapters to the layers named in the configuration; returns how many.

    Rows of `new_ids`, which the model never saw, are trained beside them.
    """
    torch.manual_seed(key_for(seed, "adapters"))
    count = add_adapters(
        model,
        rank=quantization.lora_rank,
        alpha=quantization.lora_alpha,
        dropout=quantization.lora_dropout,
        targets=quantization.lora_target_modules,
        by_root=quantization.lora_rslora,
        has_magnitude=quantization.lora_dora,
    )
    if bits := quantization.bits:
        quantize_base(model, bits)
    train_rows(model, new_ids)
    with reading("quantization.lora_target_modules", NO_ADAPTERS), torch.no_grad():
        model(input_ids=torch.arange(2, device=model.device)[None], use_cache=False)
    return count


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
        layer = LoraLinear(found[name], rank, alpha, dropout, by_root=by_root, has_magnitude=has_magnitude)
        model.set_submodule(name, layer)
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


# --- rows of new tokens ---------------------------------------------------------------------------------------


class NewRows(nn.Module):
    """A frozen table `base` [V, D], of which the rows `ids` [K] are the parameter `rows` [K, D]."""

    base: nn.Embedding | nn.Linear
    rows: nn.Parameter
    ids: torch.Tensor

    def __init__(self, base: nn.Embedding | nn.Linear, ids: torch.Tensor, rows: nn.Parameter) -> None:
        super().__init__()
        self.base, self.rows = base, rows
        self.register_buffer("ids", ids, persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """The frozen table, where new rows are zero."""
        return self.base.weight

    @torch.no_grad()
    def merged_weight(self) -> torch.Tensor:
        """[V, D] with the new rows, float32 on the CPU."""
        whole = self.base.weight.detach().float().cpu().clone()
        return whole.index_copy_(0, self.ids.cpu(), self.rows.detach().float().cpu())


class NewRowsOfEmbedding(NewRows):
    """Looks up known tokens in `base`, new ones in a table of its class: some scale what they look up."""

    slots: torch.Tensor

    def __init__(self, base: nn.Embedding, ids: torch.Tensor, rows: nn.Parameter) -> None:
        super().__init__(base, ids, rows)
        slots = torch.full((base.num_embeddings,), -1, device=ids.device)
        slots[ids] = torch.arange(len(ids), device=ids.device)
        self.register_buffer("slots", slots, persistent=False)
        self.looks_up = _of_the_same_class(base, rows)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        slots, known = self.slots[input_ids], self.base(input_ids)
        return torch.where((slots < 0)[..., None], known, self.looks_up(slots.clamp(min=0)).to(known.dtype))


class NewRowsOfHead(NewRows):
    base: nn.Linear

    @property
    def bias(self) -> torch.Tensor | None:
        return self.base.bias

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.base(hidden)
        return logits.index_add(-1, self.ids, F.linear(hidden, self.rows).to(logits.dtype))


def _of_the_same_class(base: nn.Embedding, rows: nn.Parameter) -> nn.Embedding:
    """`base` with other rows, and without what others hooked onto it."""
    table = copy.copy(base)
    table.__dict__.update(nn.Module().__dict__)
    table._buffers = dict(base._buffers)
    table.num_embeddings, table.padding_idx = len(rows), None
    table.weight = rows
    return table


@torch.no_grad()
def train_rows(model: PreTrainedModel, ids: Collection[int]) -> None:
    """Make the rows of `ids` trained ones; the model computes what it did. Raises UserError where it would not."""
    if not ids:
        return
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    _refuse_unless_tables(model, embedding, head)
    indices = torch.tensor(sorted(ids), device=model.device)
    probe = torch.cat([torch.arange(2, device=model.device), indices[:6]])[None]
    before = model(input_ids=probe, use_cache=False).logits
    rows = _taken(embedding, indices)
    of_head = rows if head.weight is embedding.weight else _taken(head, indices)
    _replace(model, embedding, NewRowsOfEmbedding(embedding, indices, rows))
    _replace(model, head, NewRowsOfHead(head, indices, of_head))
    if not torch.allclose(model(input_ids=probe, use_cache=False).logits, before, rtol=1e-3, atol=1e-4):
        raise UserError(f"{_no_rows(model)}: it reads its embedding apart; {WAY_OUT}")


WAY_OUT = "set objectives.fim_rate: 0, or lora_enabled: false"


def _no_rows(model: PreTrainedModel) -> str:
    return (
        f"quantization.lora_enabled: {model.config.model_type} cannot learn tokens it lacks beside adapters"
    )


def _refuse_unless_tables(model: PreTrainedModel, embedding: nn.Module, head: nn.Module | None) -> None:
    is_plain = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward
    if not (isinstance(embedding, nn.Embedding) and is_plain):
        raise UserError(f"{_no_rows(model)}: its embedding or head is of a kind of its own; {WAY_OUT}")


def _taken(table: nn.Embedding | nn.Linear, indices: torch.Tensor) -> nn.Parameter:
    """The rows as a parameter, float32; in the table they are zero from now on."""
    rows = nn.Parameter(table.weight[indices].float())
    table.weight[indices] = 0.0
    return rows


def _replace(model: PreTrainedModel, old: nn.Module, new: nn.Module) -> None:
    model.set_submodule(next(name for name, module in model.named_modules() if module is old), new)
