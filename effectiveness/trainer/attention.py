"""Attention inside documents: packed rows never see each other, and no mask of T x T is made to hide them.

A batch says where its documents begin (`MicroBatch.bounds`, made once on the host). On a GPU one kernel walks over
them; on a CPU and on Apple Metal each document is attended causally by itself, which is the same sum. A mask would
read every pair of tokens, also those it hides: 24 % of a step of the tiny model on a CPU, a third of one on an H200.
Whether documents are isolated is measured for every model before it is trained, never assumed.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effectiveness.common.boundary import is_out_of_memory
from effectiveness.trainer.devices import autocast, compute_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "by_document"  # attention by the bounds of documents
MASKED = "masked"  # the model's own attention, which hides other documents by a mask
REFUSALS = (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError, NotImplementedError)
LEAST_CAPABILITY = (8, 0)  # of a GPU for the kernel of variable lengths
LARGEST_HEAD = 256
PROBE_TOKENS = 8


def choose_attention(model: PreTrainedModel, precision: torch.dtype = torch.float32) -> str | None:
    """How `model` attends to packed documents: NAME, MASKED, or None where it lets them see each other.

    What is chosen gave two packed documents the logits of each alone, under autocast to `precision`.
    """
    own = model.config._attn_implementation
    alone = _alone(model, precision)
    if attend_by_document(model) and _isolates(model, precision, NAME, alone):
        return NAME
    model.set_attn_implementation(own)
    return MASKED if _isolates(model, precision, MASKED, alone) else None


def attend_by_document(model: PreTrainedModel) -> bool:
    """Let `model` attend by the bounds it is given as transformers' `cu_seq_lens_q`; whether it takes them at all."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, AttributeError):  # older models have attention of their own
        return False
    return True


def model_inputs(batch, name: str | None) -> dict:
    """Arguments of a model's forward for a MicroBatch whose model attends as `name` says."""
    inputs = {"input_ids": batch.input_ids, "position_ids": batch.position_ids, "use_cache": False}
    if name != NAME:
        return inputs | {"attention_mask": None}
    bounds, longest = batch.bounds, batch.longest
    if bounds is None:
        bounds, longest = bounds_of(batch.position_ids)
    return inputs | {
        "attention_mask": _no_mask(batch.input_ids.device),
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def bounds_of(position_ids: torch.Tensor) -> tuple[torch.Tensor, int]:
    """(first token of each document and the end, int32; longest document) of positions [B, T] that restart."""
    starts = (position_ids.flatten() == 0).nonzero()[:, 0]
    bounds = torch.cat((starts, starts.new_tensor([position_ids.numel()]))).to(torch.int32)
    return bounds, int(bounds.diff().max())


@functools.cache
def _no_mask(device: torch.device) -> torch.Tensor:
    """A mask that hides nothing: transformers takes one of four dimensions as it is, and asks the device nothing."""
    return torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)


# --- is anything seen across documents? ------------------------------------------------------------------------


def _isolates(model: PreTrainedModel, precision: torch.dtype, name: str, alone: torch.Tensor) -> bool:
    """Whether two documents in one line get the logits of each alone, and the second is blind to the first."""
    try:
        packed, changed = (_packed(model, precision, name, first_token) for first_token in (2, 5))
    except REFUSALS as error:
        if is_out_of_memory(error):
            raise
        return False  # it does not take what this attention needs
    rounding = 1e-3 if precision == torch.float32 else 3e-2
    return _is_close(packed, alone, rounding) and _is_close(changed[1], packed[1], 1e-5)


def _is_close(found: torch.Tensor, expected: torch.Tensor, relative: float) -> bool:
    return float((found - expected).norm()) <= relative * float(expected.norm())


def _alone(model: PreTrainedModel, precision: torch.dtype) -> torch.Tensor:
    """Logits [2, T, V] of two documents, one to a line."""
    return _logits(model, precision, {"input_ids": _probe_ids(model, 2), "use_cache": False})


def _packed(model: PreTrainedModel, precision: torch.dtype, name: str, first_token: int) -> torch.Tensor:
    """Logits [2, T, V] of two documents in one line, the first of which begins with `first_token`."""
    from effectiveness.trainer.micro_batches import MicroBatch

    ids = _probe_ids(model, first_token).view(1, -1)
    positions = torch.arange(PROBE_TOKENS, device=ids.device)[None] % (PROBE_TOKENS // 2)
    batch = MicroBatch(input_ids=ids, labels=ids, position_ids=positions, weights=positions, rows=())
    return _logits(model, precision, model_inputs(batch, name))


@torch.no_grad()
def _logits(model: PreTrainedModel, precision: torch.dtype, inputs: dict) -> torch.Tensor:
    was_training = model.training
    model.eval()
    try:
        with autocast(inputs["input_ids"].device, precision):
            return model(**inputs).logits.float().view(2, PROBE_TOKENS // 2, -1)
    finally:
        model.train(was_training)


def _probe_ids(model: PreTrainedModel, first_token: int) -> torch.Tensor:
    weight = model.get_input_embeddings().weight
    ids = torch.arange(PROBE_TOKENS, device=weight.device) * 7 + 2
    ids[0] = first_token
    return ids.view(2, -1) % weight.shape[0]


# --- what transformers calls -----------------------------------------------------------------------------------


def _mask(batch_size: int, q_length: int, kv_length: int, *, attention_mask=None, **others):
    """The mask of sdpa, for whoever gives no bounds: generation with a cache, padded prompts."""
    from transformers.masking_utils import sdpa_mask

    return sdpa_mask(batch_size, q_length, kv_length, attention_mask=attention_mask, **others)


def _attention(
    module: nn.Module,
    query_BHTD: torch.Tensor,
    key_BGSD: torch.Tensor,
    value_BGSD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    sliding_window: int | None = None,
    **others,
) -> tuple[torch.Tensor, None]:
    """[B, T, H, D], each document of the batch by itself; without bounds what sdpa does with the mask."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    states = query_BHTD, key_BGSD, value_BGSD
    settings = {"scaling": scaling, "dropout": dropout}
    if cu_seq_lens_q is None:
        return sdpa_attention_forward(module, *states, attention_mask, **settings, **others)
    if others.get("softcap") is not None or others.get("s_aux") is not None:
        raise TypeError("capped scores and sinks need the model's own attention")
    if takes_kernel(query_BHTD, value_BGSD, dropout):
        return _by_kernel(*states, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    return _one_by_one(module, states, cu_seq_lens_q.tolist(), settings, sliding_window), None


def _one_by_one(module, states, bounds: list[int], settings: dict, sliding_window: int | None):
    """Every document by itself. A document never crosses lines."""
    if not torch.is_autocast_enabled("cpu"):
        return _in_lines(module, states, bounds, settings, sliding_window)
    # A CPU is hardly faster at it in half precision, and keeps a kernel for every length: 15 MB more at each step.
    with torch.autocast("cpu", enabled=False):
        return _in_lines(module, [part.float() for part in states], bounds, settings, sliding_window)


def _in_lines(module, states, bounds: list[int], settings: dict, sliding_window: int | None):
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    num_lines, length = states[0].shape[0], states[0].shape[2]
    lines = []
    for line, lengths in enumerate(_lengths(bounds, num_lines, length)):
        parts = zip(*(states_[line : line + 1].split(lengths, dim=2) for states_ in states), strict=True)
        found = [
            sdpa_attention_forward(module, *part, _band(part[0], sliding_window), **settings)[0]
            for part in parts
        ]
        lines.append(found[0] if len(found) == 1 else torch.cat(found, dim=1))
    return torch.cat(lines)


def _lengths(bounds: list[int], num_lines: int, length: int) -> list[list[int]]:
    """Of the documents of each line; bounds that repeat hold nothing."""
    lines: list[list[int]] = [[] for _ in range(num_lines)]
    for start, end in itertools.pairwise(bounds):
        if end > start:
            lines[start // length].append(end - start)
    return lines


def _band(query_BHTD: torch.Tensor, sliding_window: int | None) -> torch.Tensor | None:
    """The mask of a document longer than the model's sliding window, bool [1, 1, T, T]; None where none is needed."""
    length = query_BHTD.shape[2]
    if sliding_window is None or length <= sliding_window:
        return None
    places = torch.arange(length, device=query_BHTD.device)
    behind = places[:, None] - places[None]
    return ((behind >= 0) & (behind < sliding_window))[None, None]


# --- one kernel for all documents ------------------------------------------------------------------------------


@torch.compiler.assume_constant_result
def has_kernel(device: torch.device) -> bool:
    """Whether this torch and this device have attention over variable lengths."""
    return _has_kernel(device)


@functools.cache
def _has_kernel(device: torch.device) -> bool:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < LEAST_CAPABILITY:
        return False
    try:
        from torch.nn.attention import varlen  # noqa: F401
    except ImportError:
        return False
    return True


def takes_kernel(query_BHTD: torch.Tensor, value_BGSD: torch.Tensor, dropout: float) -> bool:
    """Whether the kernel can do this layer: half precision, equal heads of a size it knows, no dropout."""
    head_size = query_BHTD.shape[-1]
    fits = head_size == value_BGSD.shape[-1] and head_size <= LARGEST_HEAD and head_size % 8 == 0
    is_half = compute_dtype(query_BHTD) in (torch.bfloat16, torch.float16)
    return fits and is_half and not dropout and has_kernel(query_BHTD.device)


def _by_kernel(query_BHTD, key_BGSD, value_BGSD, bounds, longest: int, scaling, sliding_window):
    from torch.nn.attention.varlen import varlen_attn

    dtype = compute_dtype(query_BHTD)
    num_lines, num_heads, length, head_size = query_BHTD.shape
    groups = num_heads // key_BGSD.shape[1]
    options: dict[str, Any] = {"enable_gqa": True} if groups > 1 and _shares_keys() else {}
    if groups > 1 and not options:
        key_BGSD, value_BGSD = (_repeat(states, groups) for states in (key_BGSD, value_BGSD))
    query, key, value = (
        states.transpose(1, 2).flatten(0, 1).to(dtype) for states in (query_BHTD, key_BGSD, value_BGSD)
    )
    left = -1 if sliding_window is None else sliding_window - 1
    out: Any = varlen_attn(
        query, key, value, bounds, bounds, longest, longest, scale=scaling, window_size=(left, 0), **options
    )
    return out.view(num_lines, length, num_heads, head_size)


@torch.compiler.assume_constant_result
def _shares_keys() -> bool:
    """Whether the kernel lets queries share keys; that of torch 2.11 does not say so, and keys are repeated."""
    from torch.nn.attention.varlen import varlen_attn

    return "enable_gqa" in inspect.signature(varlen_attn).parameters


def _repeat(states_BGSD: torch.Tensor, groups: int) -> torch.Tensor:
    num_lines, num_keys, length, size = states_BGSD.shape
    expanded = states_BGSD[:, :, None].expand(num_lines, num_keys, groups, length, size)
    return expanded.reshape(num_lines, num_keys * groups, length, size)
