"""How weights are updated: the rate of each update, AdamW or Muon for the matrices inside the blocks beside AdamW for
the rest.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from effectiveness.common.records import UserError
from effectiveness.trainer.devices import has_bfloat16

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MIN_DEFAULT_WARMUP = 100
DEFAULT_WARMUP_SHARE = 0.02
MAX_DEFAULT_WARMUP_SHARE = 0.1  # of a short run


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Warm-up, then one of four shapes over `num_updates` updates."""

    shape: str  # "flat_cooldown" | "cosine" | "linear" | "constant"
    num_updates: int
    warmup_updates: int
    cooldown_updates: int = 0
    min_ratio: float = 0.0

    def factor(self, update: int) -> float:
        """Of the peak learning rate for the update that follows `update` updates; in (0, 1] before the end."""
        if update < self.warmup_updates:
            return (update + 1) / (self.warmup_updates + 1)
        return self.min_ratio + (1 - self.min_ratio) * self._decay(update)

    def _decay(self, update: int) -> float:
        left = self.num_updates - update
        if self.shape == "flat_cooldown":
            return min(1.0, max(0, left) / (self.cooldown_updates + 1))
        if self.shape == "constant":
            return 1.0
        share = min(1.0, (update - self.warmup_updates) / max(1, self.num_updates - self.warmup_updates))
        return 1 - share if self.shape == "linear" else 0.5 * (1 + math.cos(math.pi * share))


def make_schedule(optimization, num_updates: int) -> Schedule:
    """The schedule for a run of `num_updates`; `optimization` is that section of the configuration.

    Raises UserError when a warm-up was asked for that does not fit into the run.
    """
    warmup = _warmup_updates(optimization, num_updates)
    cooldown = round(optimization.cooldown_fraction * num_updates)
    return Schedule(
        shape=optimization.lr_scheduler,
        num_updates=num_updates,
        warmup_updates=warmup,
        cooldown_updates=min(cooldown, num_updates - warmup),
        min_ratio=optimization.min_lr_ratio,
    )


def _warmup_updates(optimization, num_updates: int) -> int:
    if optimization.warmup_steps is not None:
        if optimization.warmup_steps >= num_updates and optimization.warmup_steps > 0:
            raise UserError(
                f"optimization.warmup_steps is {optimization.warmup_steps}, but the whole run has "
                f"{num_updates} updates; lower it or train for more epochs"
            )
        return optimization.warmup_steps
    if optimization.warmup_ratio is not None:
        return round(optimization.warmup_ratio * num_updates)
    default = max(MIN_DEFAULT_WARMUP, round(DEFAULT_WARMUP_SHARE * num_updates))
    return min(default, round(MAX_DEFAULT_WARMUP_SHARE * num_updates))


# --- AdamW and Muon -------------------------------------------------------------------------------------------


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


# --- Muon -----------------------------------------------------------------------------------------------------


COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration: steep at zero, near 1 after five rounds
NUM_ROUNDS = 5
EPSILON = 1e-7
MAX_BATCH_ELEMENTS = 1 << 26  # of matrices that go through the iteration together: 128 MB in bfloat16


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): momentum whose singular values are brought near 1, for the matrices inside the blocks.

    Matrices of one shape go through the iteration together, as one batched product: 84 matrices of a 12-layer model
    are three batches instead of 1,260 small products. `lr` scales the update; `decay_share` of it times `weight_decay`
    is the share of the weights that each step takes away.

    Where `found_inf` is a tensor that holds 1, a step changes nothing: the device decides, the host need not know.
    """

    found_inf: torch.Tensor | None = None

    def __init__(
        self, params, *, lr: float, weight_decay: float, momentum: float, decay_share: float
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "decay_share": decay_share}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # nobody gives one
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[p.shape].append(p)
            for shape, matrices in by_shape.items():
                size = max(1, MAX_BATCH_ELEMENTS // shape.numel())
                for first in range(0, len(matrices), size):
                    self._step_together(matrices[first : first + size], group)

    def _step_together(self, matrices: list[torch.Tensor], group: dict) -> None:
        """One step of matrices of one shape."""
        grads = [p.grad for p in matrices if p.grad is not None]
        buffers = [self._buffer(p) for p in matrices]
        if self.found_inf is not None:
            is_bad = self.found_inf.bool()
            grads = [torch.where(is_bad, b, g) for b, g in zip(buffers, grads, strict=True)]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        towards = torch._foreach_lerp(grads, buffers, group["momentum"])  # Nesterov: a look ahead
        dtype = torch.bfloat16 if has_bfloat16(matrices[0].device) else torch.float32
        updates = orthogonalised(torch.stack([t.to(dtype) for t in towards]))
        rows, columns = matrices[0].shape
        lr = group["lr"] * math.sqrt(max(1, rows / columns))
        kept = 1 - group["lr"] * group["decay_share"] * group["weight_decay"]
        if self.found_inf is not None:
            updates = torch.where(is_bad, torch.zeros_like(updates), updates)
            kept = torch.where(is_bad, 1.0, kept)
        torch._foreach_mul_(matrices, kept)
        torch._foreach_add_(matrices, list(updates.to(matrices[0].dtype).unbind()), alpha=-lr)

    def _buffer(self, p: torch.Tensor) -> torch.Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]


def orthogonalised(matrices_NRC: torch.Tensor) -> torch.Tensor:
    """Each matrix of a batch with its singular values near 1, in its own dtype; the Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    is_tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    x = matrices_NRC.mT if is_tall else matrices_NRC
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPSILON)
    for _ in range(NUM_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x
