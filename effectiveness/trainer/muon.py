"""Muon (Jordan et al. 2024): momentum whose singular values are brought near 1, for the matrices inside the blocks.

Matrices of one shape go through the iteration together, as one batched product: 84 matrices of a 12-layer model are
three batches instead of 1,260 small products.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch

from effectiveness.trainer.devices import has_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration: steep at zero, near 1 after five rounds
NUM_ROUNDS = 5
EPSILON = 1e-7
MAX_BATCH_ELEMENTS = 1 << 26  # of matrices that go through the iteration together: 128 MB in bfloat16


class Muon(torch.optim.Optimizer):
    """`lr` scales the update, `decay_lr` times `weight_decay` is the share of the weights each step takes away.

    Where `found_inf` is a tensor that holds 1, a step changes nothing: the device decides, the host need not know.
    """

    found_inf: torch.Tensor | None = None

    def __init__(
        self, params, *, lr: float, weight_decay: float, momentum: float, decay_share: float
    ) -> None:
        """`decay_share` of the learning rate counts for weight decay."""
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "decay_share": decay_share,
        }
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
