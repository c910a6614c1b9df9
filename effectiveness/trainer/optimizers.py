"""AdamW, or Muon for the matrices inside the blocks beside AdamW for the rest; and the moving average of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from effectiveness.trainer.muon import Muon

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS_FOR_BETA2 = 524_288  # a step of so many tokens has beta2 0.95; smaller steps average over more of them
MUON_LR_SCALE = 20.0  # Muon's updates have norm ~1: its rate is 0.02 where AdamW's is 1e-3
# Shares of the weights that a step takes away, in units of the learning rate that is configured.
ADAMW_WEIGHT_DECAY = 0.1
MUON_WEIGHT_DECAY = 2.0


def default_learning_rate(num_parameters: int, *, adapters: bool, pretrained: bool) -> float:
    """Peak rate when none is given: 2e-4 for LoRA, 5e-5 for a pretrained model, 2e-3 to 6e-4 from scratch."""
    if adapters:
        return 2e-4
    if pretrained:
        return 5e-5
    for limit, rate in ((10_000_000, 2e-3), (40_000_000, 1e-3)):
        if num_parameters <= limit:
            return rate
    return 6e-4


def default_beta2(tokens_per_step: int) -> float:
    """0.95 ** (tokens / 524288), at most 0.999: the same memory in tokens whatever the step's size."""
    return min(0.999, 0.95 ** (tokens_per_step / TOKENS_FOR_BETA2))


def make_optimizers(
    model: PreTrainedModel, optimization, *, kind: str, learning_rate: float, beta2: float
) -> list:
    """Optimizers over the trainable parameters, `kind` "adamw" or "muon"; each group keeps its peak as "peak_lr"."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = _hidden_matrices(model, named) if kind == "muon" else []
    taken = {id(p) for _, p in matrices}
    rest = [(name, p) for name, p in named if id(p) not in taken]
    optimizers: list[torch.optim.Optimizer] = (
        [_adamw(rest, _decay_of_rest(optimization, kind), optimization.beta1, learning_rate, beta2)]
        if rest
        else []
    )
    if matrices:
        optimizers.append(_muon(matrices, optimization, learning_rate))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _hidden_matrices(model: PreTrainedModel, named) -> list:
    """Two-dimensional weights that are neither embedding nor head: what Muon is made for."""
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    ends = {id(p) for table in tables if table is not None for p in table.parameters()}
    return [(name, p) for name, p in named if p.ndim == 2 and id(p) not in ends]


def _decay_of_rest(optimization, kind: str) -> float:
    """Of what AdamW takes care of: under Muon embeddings and head, whose rows are seldom updated, lose less."""
    if kind == "muon" and optimization.embedding_weight_decay is not None:
        return optimization.embedding_weight_decay
    if optimization.weight_decay is None:
        return ADAMW_WEIGHT_DECAY
    ratio = ADAMW_WEIGHT_DECAY / MUON_WEIGHT_DECAY if kind == "muon" else 1.0
    return ratio * optimization.weight_decay


def _adamw(named, decay: float, beta1: float, learning_rate: float, beta2: float) -> torch.optim.AdamW:
    groups: list[dict[str, Any]] = [
        {"params": [(n, p) for n, p in named if p.ndim >= 2], "weight_decay": decay},
        {"params": [(n, p) for n, p in named if p.ndim < 2], "weight_decay": 0.0},  # norms and biases
    ]
    groups = [group for group in groups if group["params"]]
    device = groups[0]["params"][0][1].device
    fused = device.type in ("cuda", "cpu")
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(beta1, beta2), fused=fused)


def _muon(named, optimization, learning_rate: float) -> Muon:
    decay = MUON_WEIGHT_DECAY if optimization.weight_decay is None else optimization.weight_decay
    return Muon(
        named,
        lr=MUON_LR_SCALE * learning_rate,
        weight_decay=decay,
        momentum=0.95,
        decay_share=1 / MUON_LR_SCALE,
    )


def make_states(optimizers: list) -> None:
    """Make all optimizer state now, as the first step would: its memory is there before the first batch, or never."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if isinstance(optimizer, Muon):
                    optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
                    continue
                where = p.device if group["fused"] else "cpu"
                optimizer.state[p]["step"] = torch.zeros((), dtype=torch.float32, device=where)
                for name in ("exp_avg", "exp_avg_sq"):
                    optimizer.state[p][name] = torch.zeros_like(p, memory_format=torch.preserve_format)


def set_learning_rate(optimizers: list, factor: float) -> None:
    """Give every group `factor` times its peak rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor


class MovingAverage:
    """Exponential moving average of the trainable weights, warmed up so that the first steps do not linger."""

    def __init__(self, model: PreTrainedModel, decay: float) -> None:
        self.decay = decay
        self.weights = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: PreTrainedModel, num_updates: int) -> None:
        """Move towards `model` after its `num_updates`-th update."""
        decay = min(self.decay, (1 + num_updates) / (10 + num_updates))
        current = dict(model.named_parameters())
        averages = list(self.weights.values())
        torch._foreach_lerp_(averages, [current[name].detach() for name in self.weights], 1 - decay)

    @torch.no_grad()
    def swap(self, model: PreTrainedModel) -> None:
        """Exchange the average with the model's weights; a second call undoes it bit for bit."""
        current = dict(model.named_parameters())
        for name, average in self.weights.items():
            kept = current[name].detach().clone()
            current[name].copy_(average)
            average.copy_(kept)
