"""The loss: weighted nats of next-token prediction over packed documents, and per-token nats for evaluation.

Logits of a whole batch never exist (16 sequences of 1024 tokens over 50,000 entries would be 3.3 GB in fp32,
and as much again for their gradient): the head is applied chunk by chunk, and the gradient of each chunk is
made at once, while its logits are there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from training.attention import attend_by_document

CHUNK_ELEMENTS = {"cpu": 1 << 23, "default": 1 << 27}  # logits held at a time: 32 MB, 512 MB in fp32
DOCUMENTS = {"attention_mask": None, "use_cache": False}  # with restarted positions: documents are isolated


class Objective(nn.Module):
    """A causal language model and its loss as one module, so that wrappers see one `forward`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        attend_by_document(model)
        self.run_backbone = model.base_model  # replaced by its compiled form; shares all parameters
        self.has_plain_head = _has_plain_head(model)

    def forward(self, batch, *, per_token: bool = False) -> torch.Tensor:
        """Sum of weight x nats over a MicroBatch, a float32 scalar; or nats of every target, [B, T] float32."""
        if per_token:
            return self._token_nats(batch)
        labels, weights = batch.labels.flatten(), batch.weights.flatten()
        if self.has_plain_head:
            hidden, head = self._hidden(batch), self.model.get_output_embeddings()
            return weighted_nats(hidden.flatten(0, 1), head.weight, head.bias, labels, weights)
        return (F.cross_entropy(self._logits(batch), labels, reduction="none") * weights).sum()

    @torch.no_grad()
    def _token_nats(self, batch) -> torch.Tensor:
        labels = batch.labels.flatten()
        if not self.has_plain_head:
            return F.cross_entropy(self._logits(batch), labels, reduction="none").view(batch.labels.shape)
        hidden, head = self._hidden(batch).flatten(0, 1), self.model.get_output_embeddings()
        size = _chunk_size(hidden, head.weight)
        nats = [
            F.cross_entropy(F.linear(h, head.weight, head.bias).float(), y, reduction="none")
            for h, y in zip(hidden.split(size), labels.split(size), strict=True)
        ]
        return torch.cat(nats).view(batch.labels.shape)

    def _hidden(self, batch) -> torch.Tensor:
        outputs = self.run_backbone(input_ids=batch.input_ids, position_ids=batch.position_ids, **DOCUMENTS)
        return outputs.last_hidden_state

    def _logits(self, batch) -> torch.Tensor:
        outputs = self.model(input_ids=batch.input_ids, position_ids=batch.position_ids, **DOCUMENTS)
        return outputs.logits.float().flatten(0, 1)


def weighted_nats(hidden_ND, weight_VD, bias_V, labels_N, weights_N) -> torch.Tensor:
    """sum_n weights_n * cross_entropy(hidden_n @ weight.T + bias, labels_n), float32, chunk by chunk."""
    return _WeightedNats.apply(hidden_ND, weight_VD, bias_V, labels_N, weights_N)


class _WeightedNats(torch.autograd.Function):
    """Makes the gradients in the forward pass, scaled by the incoming gradient in the backward pass."""

    @staticmethod
    def forward(ctx, hidden_ND, weight_VD, bias_V, labels_N, weights_N):
        dtype = _product_dtype(hidden_ND)
        hidden, weight = hidden_ND.to(dtype), weight_VD.to(dtype)
        bias = None if bias_V is None else bias_V.to(dtype)
        needs_weight = ctx.needs_input_grad[1]
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight_VD) if needs_weight else None
        grad_bias = torch.zeros_like(bias_V) if bias_V is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = _chunk_size(hidden, weight)
        with torch.autocast(hidden.device.type, enabled=False):
            for first in range(0, len(hidden), size):
                part = slice(first, first + size)
                nats, grad_logits = _nats_and_gradient(F.linear(hidden[part], weight, bias), labels_N[part])
                scale = weights_N[part, None]  # applied to [n, D], not to [n, V]
                total += (nats * weights_N[part]).sum()
                grad_hidden[part] = (grad_logits @ weight) * scale
                if needs_weight:
                    grad_weight += grad_logits.T @ (hidden[part] * scale).to(dtype)
                if grad_bias is not None:
                    grad_bias += (grad_logits * scale).sum(0)
        ctx.save_for_backward(grad_hidden.to(hidden_ND.dtype), grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx, grad_output):
        grads = (None if grad is None else grad * grad_output for grad in ctx.saved_tensors)
        return (*grads, None, None)


def _nats_and_gradient(logits_NV, labels_N) -> tuple[torch.Tensor, torch.Tensor]:
    """Nats of each token, and the gradient of each by its own logits in the logits' dtype."""
    log_probs = F.log_softmax(logits_NV.float(), dim=-1)
    nats = -log_probs.gather(1, labels_N[:, None])[:, 0]
    grad = log_probs.exp_()
    grad.scatter_add_(1, labels_N[:, None], torch.full_like(nats, -1.0)[:, None])
    return nats, grad.to(logits_NV.dtype)


def _product_dtype(hidden: torch.Tensor) -> torch.dtype:
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def _chunk_size(hidden_ND: torch.Tensor, weight_VD: torch.Tensor) -> int:
    elements = CHUNK_ELEMENTS.get(hidden_ND.device.type, CHUNK_ELEMENTS["default"])
    return max(1, elements // weight_VD.shape[0])


@torch.no_grad()
def _has_plain_head(model: nn.Module) -> bool:
    """Whether logits are just head(backbone): some models scale or cap them. Measured on eight tokens."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        return False
    was_training = model.training
    model.eval()
    ids = torch.arange(8, device=head.weight.device)[None] % head.weight.shape[0]
    expected = model(input_ids=ids, use_cache=False).logits
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    model.train(was_training)
    return torch.allclose(head(hidden).float(), expected.float(), rtol=1e-3, atol=1e-3)
