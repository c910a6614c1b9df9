"""The loss: weighted nats of next-token prediction over packed documents, and per-token nats for evaluation.

Logits of a whole batch never exist (16 sequences of 1024 tokens over 50,000 entries would be 3.3 GB in fp32,
and as much again for their gradient): the head is applied chunk by chunk, and the gradient of each chunk is
made at once, while its logits are there.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from effectiveness.trainer.adapters import NewRowsOfHead
from effectiveness.trainer.attention import MASKED, NAME, choose_attention, has_kernel, model_inputs
from effectiveness.trainer.devices import autocast, compute_dtype, drawing_alike
from effectiveness.trainer.engines import blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DOCUMENTS = {"attention_mask": None, "use_cache": False}  # with restarted positions: documents are isolated
CHUNK_ELEMENTS = {"cpu": 1 << 23, "default": 1 << 27}  # logits held at a time: 32 MB, 512 MB in fp32
LARGE_LOGIT = 100.0  # models that cap logits do at 30 to 50
COLUMNS_OF_A_TILE = 64  # matrix units want the vocabulary as a multiple of it


class Objective(nn.Module):
    """A causal language model and its loss as one module, so that wrappers see one `forward`.

    `attention` is how packed documents are kept apart: None where this model cannot, and nothing may be packed.
    """

    def __init__(self, model: PreTrainedModel, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model = model
        self.attention = choose_attention(model, precision)
        self.is_compiled = False
        self.has_plain_head = _has_plain_head(model, precision)

    @property
    def is_graph(self) -> bool:
        """Whether blocks can be compiled as they are: a loop over documents is no graph."""
        return self.attention != NAME or has_kernel(self.model.device)

    def checkpoint_blocks(self) -> None:
        """Keep only what goes into each block, and compute the rest of it again in the backward pass."""
        for block in blocks(self.model):
            block.forward = _checkpointed(block, block.forward)

    def compile_blocks(self) -> None:
        """Compile the repeated blocks, each kind once, and the loss of a chunk; shapes must not change from now on."""
        if not self.is_graph:
            self.model.set_attn_implementation("sdpa")
            self.attention = MASKED
        for block in blocks(self.model):
            block.forward = compiled(block.forward)
        self.is_compiled = True

    def forward(self, batch, *, per_token: bool = False) -> torch.Tensor:
        """Sum of weight x nats over a MicroBatch, a float32 scalar; or nats of every target, [B, T] float32."""
        if per_token:
            return self._token_nats(batch)
        labels, weights = batch.labels.flatten(), batch.weights.flatten()
        if self.has_plain_head:
            hidden, head = self._hidden(batch), self.model.get_output_embeddings()
            new = (head.rows, head.ids) if isinstance(head, NewRowsOfHead) else (None, None)
            return _WeightedNats.apply(
                hidden.flatten(0, 1), head.weight, head.bias, labels, weights, self.is_compiled, *new
            )
        return (F.cross_entropy(self._logits(batch), labels, reduction="none") * weights).sum()

    @torch.no_grad()
    def _token_nats(self, batch) -> torch.Tensor:
        labels = batch.labels.flatten()
        if not self.has_plain_head:
            return F.cross_entropy(self._logits(batch), labels, reduction="none").view(batch.labels.shape)
        hidden, head = self._hidden(batch).flatten(0, 1), self.model.get_output_embeddings()
        size = _chunk_size(hidden.device.type, len(head.weight))
        nats = [
            F.cross_entropy(head(h).float(), y, reduction="none")
            for h, y in zip(hidden.split(size), labels.split(size), strict=True)
        ]
        return torch.cat(nats).view(batch.labels.shape)

    def _hidden(self, batch) -> torch.Tensor:
        if self.is_compiled and batch.bounds is not None:
            torch._dynamo.maybe_mark_dynamic(batch.bounds, 0)  # more documents are no new shape
        return self.model.base_model(**model_inputs(batch, self.attention)).last_hidden_state

    def _logits(self, batch) -> torch.Tensor:
        return self.model(**model_inputs(batch, self.attention)).logits.float().flatten(0, 1)


def weighted_nats(
    hidden_ND, weight_VD, bias_V, labels_N, weights_N, *, is_compiled: bool = False
) -> torch.Tensor:
    """sum_n weights_n * cross_entropy(hidden_n @ weight.T + bias, labels_n), float32, chunk by chunk."""
    return _WeightedNats.apply(hidden_ND, weight_VD, bias_V, labels_N, weights_N, is_compiled, None, None)


class _WeightedNats(torch.autograd.Function):
    """Makes the gradients in the forward pass, scaled by the incoming gradient in the backward pass.

    `rows_KD` are those of the entries `ids_K`, which are zero in the table (NewRows).
    """

    @staticmethod
    def forward(ctx, hidden_ND, weight_VD, bias_V, labels_N, weights_N, is_compiled, rows_KD, ids_K):
        dtype = compute_dtype(hidden_ND)
        hidden, weight, bias = _tiled(hidden_ND.to(dtype), weight_VD.to(dtype), bias_V)
        needs_weight, vocab_size = ctx.needs_input_grad[1], weight_VD.shape[0]
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight_VD) if needs_weight else None
        grad_bias = torch.zeros_like(bias_V) if bias_V is not None else None
        rows = None if rows_KD is None else rows_KD.to(dtype)
        grad_rows = None if rows_KD is None else torch.zeros_like(rows_KD)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = _chunk_size(hidden.device.type, len(weight))
        nats_and_gradient = _compiled_nats_and_gradient() if is_compiled else _nats_and_gradient
        with torch.autocast(hidden.device.type, enabled=False):
            for first in range(0, len(hidden), size):
                part = slice(first, first + size)
                logits = F.linear(hidden[part], weight, bias)
                if rows is not None:
                    logits.index_add_(1, ids_K, F.linear(hidden[part], rows))
                nats, grad_logits = nats_and_gradient(logits, labels_N[part], vocab_size)
                scale = weights_N[part, None]  # applied to [n, D], not to [n, V]
                total += (nats * weights_N[part]).sum()
                grad_hidden[part] = (grad_logits @ weight) * scale
                if rows is not None:
                    grad_new = grad_logits[:, ids_K]
                    grad_hidden[part] += (grad_new @ rows) * scale
                    grad_rows += grad_new.T @ (hidden[part] * scale).to(dtype)
                if needs_weight:
                    grad_weight += (grad_logits.T @ (hidden[part] * scale).to(dtype))[:vocab_size]
                if grad_bias is not None:
                    grad_bias += (grad_logits * scale).sum(0)[:vocab_size]
        ctx.save_for_backward(grad_hidden.to(hidden_ND.dtype), grad_weight, grad_bias, grad_rows)
        return total

    @staticmethod
    def backward(ctx, grad_output):
        *grads, grad_rows = (None if grad is None else grad * grad_output for grad in ctx.saved_tensors)
        return (*grads, None, None, None, grad_rows, None)


def _tiled(hidden_ND, weight_VD, bias_V):
    """The product's operands; on a GPU with a vocabulary of whole tiles, the added entries of which never win."""
    missing = -len(weight_VD) % COLUMNS_OF_A_TILE if hidden_ND.device.type == "cuda" else 0
    if bias_V is not None:
        bias_V = F.pad(bias_V.to(hidden_ND.dtype), (0, missing))
    return hidden_ND, F.pad(weight_VD, (0, 0, 0, missing)) if missing else weight_VD, bias_V


def _nats_and_gradient(logits_NV, labels_N, vocab_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nats of each token, and the gradient of each by its own logits in the logits' dtype."""
    logits_NV[:, vocab_size:] = -math.inf
    log_probs = F.log_softmax(logits_NV.float(), dim=-1)
    nats = -log_probs.gather(1, labels_N[:, None])[:, 0]
    grad = log_probs.exp_()
    grad.scatter_add_(1, labels_N[:, None], torch.full_like(nats, -1.0)[:, None])
    return nats, grad.to(logits_NV.dtype)


@functools.cache
def _compiled_nats_and_gradient():
    """The same as two kernels: one reads the logits for their sum, one for their gradient."""
    return torch.compile(_nats_and_gradient_in_one, dynamic=False)


def _nats_and_gradient_in_one(logits_NV, labels_N, vocab_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    columns = torch.arange(logits_NV.shape[1], device=logits_NV.device)
    logits = torch.where(columns < vocab_size, logits_NV.float(), -math.inf)
    log_sum = torch.logsumexp(logits, dim=-1, keepdim=True)
    is_label = columns == labels_N[:, None]
    nats = log_sum[:, 0] - logits_NV.gather(1, labels_N[:, None])[:, 0].float()
    return nats, (torch.exp(logits - log_sum) - is_label.float()).to(logits_NV.dtype)


def _chunk_size(kind: str, vocab_size: int) -> int:
    """Rows whose logits are held at a time; on a GPU a power of two: equal chunks share compiled code."""
    size = max(1, CHUNK_ELEMENTS.get(kind, CHUNK_ELEMENTS["default"]) // vocab_size)
    return size if kind == "cpu" else 1 << (size.bit_length() - 1)


def loss_bytes(objective: Objective, num_tokens: int, precision: torch.dtype, *, is_compiled: bool) -> int:
    """Bytes that the loss of `num_tokens` holds beside the hidden states it is given."""
    weight, half = objective.model.get_output_embeddings().weight, precision != torch.float32
    vocab_size, size = weight.shape[0], 2 if half else 4
    rows = num_tokens
    if objective.has_plain_head:
        rows = min(num_tokens, _chunk_size(weight.device.type, vocab_size))
    # Logits, their gradient and that of the chunk before; in float32 once more for the softmax and its result, unless
    # one kernel does it all.
    of_logits = 3 * size if is_compiled else 12
    lowered = weight.numel() * 2 if half and weight.dtype == torch.float32 else 0
    gradients = weight.numel() * (4 + size) if weight.requires_grad else 0
    return rows * vocab_size * of_logits + lowered + gradients + num_tokens * weight.shape[1] * size


# The compiler would keep what cheap kernels make for products far away, in fear of making it twice: of a layer with
# adapters as much again as it must keep. Made twice it costs next to nothing, within the kernels around it.
MAKE_TWICE = {
    "ban_recompute_used_far_apart": False,
    "ban_recompute_long_fusible_chains": False,
    "ban_recompute_materialized_backward": False,
}


def compiled(forward, backend: str = "inductor"):
    """`forward` compiled for fixed shapes; it keeps little for its backward pass."""
    import torch._functorch.config as how

    return how.patch(MAKE_TWICE)(torch.compile(forward, dynamic=False, backend=backend))


def _checkpointed(block: nn.Module, forward):
    def run(*args, **kwargs):
        if not (block.training and torch.is_grad_enabled()):
            return forward(*args, **kwargs)
        device = next(block.parameters()).device
        return checkpoint(forward, *args, use_reentrant=False, **drawing_alike(device), **kwargs)

    return run


@torch.no_grad()
def _has_plain_head(model: PreTrainedModel, precision: torch.dtype) -> bool:
    """Whether the logits are just what the head makes of the backbone's last hidden states.

    Some models scale or cap either. Small logits would hide a cap, so the head is made to give large ones.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear | NewRowsOfHead):
        return False
    was_training = model.training
    seen: list[torch.Tensor] = []

    def replaced(_head: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        seen.extend(
            (inputs[0], torch.linspace(-LARGE_LOGIT, LARGE_LOGIT, output.numel()).to(output).view_as(output))
        )
        return seen[-1]

    model.eval()
    ids = torch.arange(8, device=head.weight.device)[None] % head.weight.shape[0]
    handle = head.register_forward_hook(replaced)
    try:
        with autocast(ids.device, precision):
            logits = model(input_ids=ids, use_cache=False).logits
            hidden = getattr(model.base_model(input_ids=ids, use_cache=False), "last_hidden_state", None)
    finally:
        handle.remove()
        model.train(was_training)
    if len(seen) != 2 or hidden is None or hidden.shape != seen[0].shape:
        return False
    given_hidden, given_logits = (found.float() for found in seen)
    is_same = torch.allclose(hidden.float(), given_hidden, rtol=1e-3, atol=1e-3)
    return is_same and torch.equal(logits.float(), given_logits)
