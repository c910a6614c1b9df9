"""Tokens that are new to a frozen model: of its embedding, and of its head, their rows alone are trained.

Gradients and optimizer state exist for these rows only. A head that is the embedding reads the same ones. In the
frozen table they are zero, so that what it gives and what the rows give is added up. peft calls it trainable tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from effectiveness.common.records import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    name = next(name for name, module in model.named_modules() if module is old)
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)
