"""What a run will need of the device's memory, known before its first step, and the micro-batch that fits.

Weights, gradients and optimizer state are counted. What a forward pass keeps for its backward pass depends on the
architecture, the attention, the precision, on adapters and dropout: it is measured on two short sequences of the very
model, and grows with the number of tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

from effectiveness.trainer import devices
from effectiveness.trainer.attention import MASKED
from effectiveness.trainer.engines import blocks
from effectiveness.trainer.lora import quantized_layers
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.objective import Objective, compiled, loss_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE_TOKENS = (64, 192)
USABLE_SHARE = 0.9  # of the device: the rest is for fragments, and for what is not the allocator's
# In a micro-batch: more hardly use a GPU better, so blocks are not computed twice for them.
ENOUGH_TOKENS = 8192
# Workspaces of a GPU's libraries, and what they keep: on an H200 0.2 to 0.6 GiB more than all else, whatever the model.
LIBRARIES_BYTES = int(0.4 * devices.GIB)
PARTED = "aot_eager_decomp_partition"  # the compiler's graphs, run as they are
# Beside what is kept, the backward pass of a block holds gradients and what it makes again: so much of what an
# uncompiled block keeps, (with adapters?, compiled?). Measured on blocks of 4 shapes, allocation by allocation.
BACKWARD_SHARE = {
    (False, False): 0.6,
    (False, True): 0.3,
    (True, False): 0.65,
    (True, True): 0.86,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBytes:
    """What one forward pass keeps, in bytes: of each token, outside and in each block, and whatever their number."""

    of_token_outside: float
    of_token_in_a_block: float
    of_token_in_its_backward: float  # gradients, and what was not kept
    fixed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Bytes of one optimizer step with micro-batches of `micro_batch` sequences."""

    micro_batch: int
    checkpointing: bool
    weights: int
    gradients: int
    optimizer: int
    activations: int
    libraries: int
    work: int  # of the loss or of one block's backward pass, whichever is more
    usable: int

    @property
    def peak(self) -> int:
        """The most that is held at one time."""
        passing = self.activations + self.work
        always = self.weights + self.optimizer + self.libraries
        return always + max(passing, self.work // 4) + self.gradients

    @property
    def fits(self) -> bool:
        return self.peak <= self.usable

    def lines(self) -> list[str]:
        """A table for people, in GiB."""
        parts = ("weights", "gradients", "optimizer", "activations", "work", "libraries")
        held = [f"{name} {getattr(self, name) / devices.GIB:.2f}" for name in parts if getattr(self, name)]
        how = ", each block computed twice" if self.checkpointing else ""
        lines = [
            f"{self.peak / devices.GIB:.2f} GiB of {self.usable / devices.GIB:.1f} usable: {', '.join(held)}",
            f"micro-batches of {self.micro_batch} sequences{how}",
        ]
        return lines if self.fits else [*lines, self._what_would_fit()]

    def _what_would_fit(self) -> str:
        """A trained weight takes 4 bytes, 4 its gradient, 8 both averages of AdamW; in 8 bits these would take 2."""
        of_trained, saved = 2 * self.gradients + self.optimizer, self.optimizer * 3 // 4
        enough = "enough" if self.peak - saved <= self.usable else "not enough"
        gib = [f"{num_bytes / devices.GIB:.2f}" for num_bytes in (of_trained, saved)]
        return (
            f"it does not fit: {gib[0]} GiB are of what is trained ({gib[1]} less, {enough}, with averages in 8 bits, "
            "which are not supported); take recipe: adapter, which trains few weights, a dataset of shorter windows, "
            "or a smaller model"
        )


def plan_memory(
    objective: Objective,
    optimization,
    *,
    device: torch.device,
    precision: torch.dtype,
    optimizer: str,
    micro_batch: int,
    window: int,
    is_compiled: bool = False,
) -> MemoryPlan:
    """The plan a run follows: the configured micro-batch, or less, with blocks computed twice where memory asks for it.

    What fits with enough tokens in a micro-batch and no block computed twice comes first. Where nothing fits, the
    smallest plan is returned: it says what it needs.
    """
    kept = measure_kept(objective, device, precision, is_compiled=is_compiled)
    asked = optimization.gradient_checkpointing
    choices = (False, True) if asked is None else (asked,)
    base = _persistent(objective.model, optimization, optimizer, device)
    plans = [
        _plan(objective, base, kept, size, window, checkpointing, precision, is_compiled)
        for checkpointing in choices
        for size in _halves(micro_batch)
    ]
    fitting = [plan for plan in plans if plan.fits]
    enough = [p for p in fitting if p.micro_batch == micro_batch or p.micro_batch * window >= ENOUGH_TOKENS]
    return next(iter(enough or sorted(fitting, key=lambda p: -p.micro_batch) or plans[-1:]))


def _halves(size: int) -> list[int]:
    sizes = [size]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


def _persistent(model: PreTrainedModel, optimization, optimizer: str, device: torch.device) -> MemoryPlan:
    """What is there whatever the batch."""
    trained = [p for p in model.parameters() if p.requires_grad]
    gradients = sum(_bytes(p) for p in trained)
    matrices = sum(_bytes(p) for p in trained if p.ndim == 2) if optimizer == "muon" else 0
    embedded = model.get_input_embeddings().weight
    if optimizer == "muon" and embedded.requires_grad:
        matrices -= _bytes(embedded)
    return MemoryPlan(
        micro_batch=0,
        checkpointing=False,
        weights=sum(_bytes(t) for t in (*model.parameters(), *model.buffers())),
        gradients=gradients,
        optimizer=2 * gradients - matrices,
        activations=0,
        work=0,
        libraries=LIBRARIES_BYTES if device.type == "cuda" else 0,
        usable=int(USABLE_SHARE * devices.memory_bytes(device)),
    )


def _plan(
    objective,
    base: MemoryPlan,
    kept: KeptBytes,
    size: int,
    window: int,
    checkpointing: bool,
    precision,
    is_compiled: bool,
) -> MemoryPlan:
    tokens, num_blocks = size * window, max(1, len(blocks(objective.model)))
    hidden = objective.model.config.get_text_config().hidden_size
    of_a_block = kept.of_token_in_a_block * tokens
    on_gpu = objective.model.get_input_embeddings().weight.device.type != "cpu"
    if objective.attention == MASKED and base.usable and on_gpu:
        of_a_block += size * window**2 * (4 if precision == torch.float32 else 2)
    in_blocks = num_blocks * (4 * hidden * tokens if checkpointing else of_a_block)
    backward = kept.of_token_in_its_backward * tokens + of_a_block * checkpointing
    backward += 6 * max((layer.shape.numel() for layer in quantized_layers(objective.model)), default=0)
    return replace(
        base,
        micro_batch=size,
        checkpointing=checkpointing,
        activations=int(kept.fixed + kept.of_token_outside * tokens + in_blocks),
        work=int(max(backward, loss_bytes(objective, tokens, precision, is_compiled=is_compiled))),
    )


def measure_kept(
    objective: Objective, device: torch.device, precision: torch.dtype, *, is_compiled: bool = False
) -> KeptBytes:
    """Forward passes over two short sequences, all their kept tensors counted; nothing of the model changes."""
    num_blocks = max(1, len(blocks(objective.model)))
    (few, few_blocks), (many, many_blocks) = (
        _kept_bytes(objective, device, precision, count) for count in PROBE_TOKENS
    )
    is_frozen = not objective.model.get_input_embeddings().weight.requires_grad
    more = PROBE_TOKENS[1] - PROBE_TOKENS[0]
    of_token, in_blocks = (many - few) / more, (many_blocks - few_blocks) / more
    found = KeptBytes(
        of_token_outside=of_token - in_blocks,
        of_token_in_a_block=in_blocks / num_blocks,
        of_token_in_its_backward=BACKWARD_SHARE[is_frozen, is_compiled] * in_blocks / num_blocks,
        fixed=max(0.0, few - of_token * PROBE_TOKENS[0]),
    )
    if not (is_compiled and objective.is_graph):
        return found
    with _parted_by_compiler(objective):
        in_blocks = _kept_bytes(objective, device, precision, PROBE_TOKENS[1])[1] / PROBE_TOKENS[1]
    return replace(found, of_token_in_a_block=in_blocks / num_blocks)


@contextlib.contextmanager
def _parted_by_compiler(objective: Objective) -> Iterator[None]:
    """Blocks as the compiler parts them into forward and backward pass: it decides what is kept. Nothing is built."""
    own = {block: vars(block).get("forward") for block in blocks(objective.model)}
    for block in own:
        block.forward = compiled(block.forward, PARTED)
    try:
        yield
    finally:
        for block, forward in own.items():
            del block.forward  # that of its class is back, or its own
            if forward is not None:
                block.forward = forward
        torch._dynamo.reset()


def _kept_bytes(objective: Objective, device, precision, num_tokens: int) -> tuple[int, int]:
    """(bytes kept by a forward pass over one document, those of the blocks alone)."""
    counter = _Counter(objective.model)
    was_training = objective.training
    objective.train()
    states = torch.get_rng_state()
    ids = np.arange(num_tokens) % objective.model.get_input_embeddings().weight.shape[0]
    batch = collate([[(0, ids, ids, 1.0)]], window=num_tokens, pad=0)
    try:
        with counter, devices.autocast(device, precision):
            objective(batch.to(device))
    finally:
        torch.set_rng_state(states)
        objective.train(was_training)
    return counter.num_bytes, counter.num_bytes_in_blocks


class _Counter:
    """Counts the storage of tensors kept for a backward pass, once each, without that of the weights."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._known = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
        self._blocks, self._depth = blocks(model), 0
        self._handles: list[RemovableHandle] = []
        self._alive: list[torch.Tensor] = []  # a freed tensor's address would be met again
        self.num_bytes = self.num_bytes_in_blocks = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept)

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._known.add(storage.data_ptr())
            self._alive.append(tensor.detach())
            self.num_bytes += storage.nbytes()
            self.num_bytes_in_blocks += storage.nbytes() if self._depth else 0
        return tensor

    def __enter__(self) -> _Counter:
        for block in self._blocks:
            self._handles.append(block.register_forward_pre_hook(self._go_in))
            self._handles.append(block.register_forward_hook(self._go_out))
        self._hooks.__enter__()
        return self

    def _go_in(self, *_) -> None:
        self._depth += 1

    def _go_out(self, *_) -> None:
        self._depth -= 1

    def __exit__(self, *error) -> None:
        self._hooks.__exit__(*error)
        for handle in self._handles:
            handle.remove()
        self._alive.clear()


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
