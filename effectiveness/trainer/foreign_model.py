"""The one loader of models: config.json and safetensors that somebody else may have written, to a module.

transformers is given tensors, never a path: it opens no file, follows no name and runs no code. What attention
and which kernels compute is chosen here, whatever a configuration says. Every tensor of the model must be in the
files with its shape, finite, and every tensor of the files in the model; transformers fills up with random numbers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from effectiveness.common.boundary import reading
from effectiveness.common.records import UserError
from effectiveness.trainer import model_files
from effectiveness.trainer.model_files import A_MODEL, WEIGHTS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_INTEGER = 1 << 31
MAX_PARTS = 4096  # layers, heads, experts: more are a damaged file, and would be made one by one
PARTS = re.compile(r"(num|n)_\w*(layer|head|expert|block)s?")
# Settings of a configuration that ask for something that is never done.
REFUSED = {
    "auto_map": "asks for code of its own (auto_map), which is never run",
    "quantization_config": "has quantized weights, which are not trained",
    "compression_config": "has compressed weights, which are not trained",
    "per_layer_config": "has layers of several shapes (per_layer_config)",
}
# Settings that decide how something is computed or told, not what: ours stand in their place.
OURS = re.compile(
    r"_(?!sliding_window_pattern$).*|.*(implementation|kernel|fusion|distributed|_plan).*|(torch_)?dtype"
    r"|return_dict|output_\w+|use_cache|transformers_weights|name_or_path|id2label|label2id|num_labels"
)
# Tensors that old files hold and that follow from the configuration: masks and rotation tables.
DERIVED = re.compile(r".*\.(rotary_emb\.inv_freq|attn\.(masked_)?bias|attention\.(masked_)?bias)")
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
MISFITS = ("missing_keys", "mismatched_keys", "unexpected_keys", "error_msgs")  # transformers' names
SHOWN = 3
# Attributes of a model that was loaded: how its weights and prompts were released.
RELEASED_DTYPE, CHAT_TEMPLATE = "released_dtype", "chat_template"


def read_config(name: str, directory: Path):
    """The configuration of the model in `directory` as transformers' object, of known kind. Raises UserError."""
    described = model_files.read_config(name, directory)
    for key, why in REFUSED.items():
        if described.get(key):
            raise UserError(f"cannot load {name}: it {why}; name another model")
    kept = _kept(described)
    _check_integers(name, kept)
    if not isinstance(kind := kept.pop("model_type", None), str):
        raise UserError(f"cannot load {name}: config.json names no model_type; {A_MODEL}")
    with reading(f"cannot load {name}: config.json", A_MODEL):
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

        return CONFIG_MAPPING[kind].from_dict(kept)


def _kept(described: dict) -> dict:
    """Without what we decide, and without what names a place: "somebody/kernels", "../weights"."""
    kept = {key: value for key, value in described.items() if not OURS.fullmatch(key)}
    kept = {key: _decoded(value) for key, value in kept.items()}
    kept = {key: _kept(value) if isinstance(value, dict) else value for key, value in kept.items()}
    return {key: value for key, value in kept.items() if not _names_a_place(value)}


def _decoded(value: object) -> object:
    """JSON has no infinity; this is how transformers writes that of a limit."""
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    return math.inf if value == {"__float__": "Infinity"} else value


def _names_a_place(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_names_a_place, value))
    return isinstance(value, str) and ("/" in value or "\\" in value)


def _check_integers(name: str, described: dict) -> None:
    for key, value in described.items():
        if isinstance(value, dict):
            _check_integers(name, value)
        limit = MAX_PARTS if PARTS.fullmatch(key) else MAX_INTEGER
        if isinstance(value, int | float) and abs(value) > limit:
            raise UserError(f"cannot load {name}: config.json: {key} is {value}, at most {limit}; {A_MODEL}")


def build(name: str, config) -> PreTrainedModel:
    """A model of this configuration with fresh weights, float32."""
    with reading(f"cannot build {name}", A_MODEL):
        return _class_of(config)._from_config(
            config, attn_implementation=attention_of(config), dtype=torch.float32
        )


def _class_of(config) -> Any:  # the class of a causal model
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]


def attention_of(config) -> str:
    """torch's fused attention where the model has it, else its own: old ones, and those with capped scores or sinks."""
    return "sdpa" if getattr(_class_of(config), "_supports_sdpa", False) else "eager"


def load(name: str, directory: Path, config) -> PreTrainedModel:
    """The model with its weights, float32 on the CPU, in evaluation mode. Raises UserError where they do not fit."""
    tensors, released_dtype = read_tensors(name, model_files.find_weights(name, directory))
    _check_size(name, config, tensors)
    with reading(f"cannot load {name}", A_MODEL):
        model, found = _class_of(config).from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=torch.float32,
            attn_implementation=attention_of(config),
            ignore_mismatched_sizes=True,  # they are told below
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    _check_fit(name, found)
    _check_ties(name, model, tensors)
    check_finite(f"cannot load {name}", dict(model.named_parameters()))
    setattr(model, RELEASED_DTYPE, released_dtype)
    return model


def read_tensors(name: str, files: list[Path]) -> tuple[dict[str, torch.Tensor], torch.dtype]:
    """All tensors of the files in float32, and what float most of them were. Raises UserError for other kinds."""
    tensors: dict[str, torch.Tensor] = {}
    sizes: Counter[torch.dtype] = Counter()
    for file in files:
        for key, tensor in _tensors_of(name, file).items():
            if DERIVED.fullmatch(key):
                continue
            if key in tensors:
                raise UserError(f"cannot load {name}: {key} is in two of its files; {A_MODEL}")
            if tensor.dtype not in FLOATS:
                kind = str(tensor.dtype).removeprefix("torch.")
                raise UserError(f"cannot load {name}: {key} is {kind}, expected floats; {A_MODEL}")
            tensors[key] = tensor.to(torch.float32, copy=True)  # not the file's pages: it may be replaced
            sizes[tensor.dtype] += tensor.numel()
    return tensors, max(sizes, key=lambda kind: sizes[kind], default=torch.float32)


def _tensors_of(name: str, file: Path) -> dict[str, torch.Tensor]:
    with reading(f"cannot load {name}: {file.name}", A_MODEL):
        from safetensors import safe_open

        with safe_open(file, framework="pt", device="cpu") as opened:
            layout = (opened.metadata() or {}).get("format", "pt")
            tensors = {key: opened.get_tensor(key) for key in opened.offset_keys()}
    if layout != "pt":
        raise UserError(f"cannot load {name}: {file.name} has the layout of {layout}, expected pt; {A_MODEL}")
    return tensors


def _check_size(name: str, config, tensors: dict[str, torch.Tensor]) -> None:
    """Measured on a model without memory: what the configuration asks for must be there before it is allocated."""
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > len(tensors):
        raise UserError(f"cannot load {name}: {layers} layers, but {len(tensors)} tensors; {A_MODEL}")
    with reading(f"cannot load {name}", A_MODEL), torch.device("meta"):
        sketch = _class_of(config)._from_config(
            config, attn_implementation=attention_of(config), dtype=torch.float32
        )
        needed = sum(p.numel() for p in {id(p): p for p in sketch.parameters()}.values())
        tables = sum(buffer.numel() for buffer in sketch.buffers())
    there = sum(tensor.numel() for tensor in tensors.values())
    if needed > there:
        expected = {key: p.shape for key, p in sketch.named_parameters()}
        missing = sorted(expected.keys() - tensors.keys())
        other = [(key, tensors[key].shape, expected[key]) for key in sorted(expected.keys() & tensors.keys())]
        other = [found for found in other if found[1] != found[2]]
        _check_fit(name, dict.fromkeys(MISFITS, ()) | {"missing_keys": missing, "mismatched_keys": other})
    if needed > there or tables > max(there, 1 << 26):
        raise UserError(
            f"cannot load {name}: config.json describes {max(needed, tables):,} numbers, its weights hold {there:,}; "
            f"{A_MODEL}"
        )


def _check_fit(name: str, found: dict) -> None:
    misfits = [
        *(f"{key} is missing" for key in sorted(found["missing_keys"])),
        *(f"{key} is {_shape(it)}, expected {_shape(ours)}" for key, it, ours in sorted(found["mismatched_keys"])),
        *(f"{key} belongs to no part of it" for key in sorted(found["unexpected_keys"])),
        *map(str, found["error_msgs"]),
    ]  # fmt: skip
    if misfits:
        more = f" and {len(misfits) - SHOWN} more" if len(misfits) > SHOWN else ""
        raise UserError(
            f"cannot load {name}: its weights do not fit its config.json: {', '.join(misfits[:SHOWN])}{more}; {A_MODEL}"
        )


def _shape(shape) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _check_ties(name: str, model: PreTrainedModel, tensors: dict[str, torch.Tensor]) -> None:
    """A head that is said to be the embedding and is stored as something else."""
    inner, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not getattr(model.config, "tie_word_embeddings", False) or head is None or head.weight is inner.weight:
        return
    stored = {key for key, module in model.named_modules() if module in (inner, head)}
    if all(f"{key}.weight" in tensors for key in stored):
        raise UserError(
            f"cannot load {name}: config.json ties the head to the embedding, but {WEIGHTS} holds two that differ; set "
            "tie_word_embeddings: false in it"
        )


def check_finite(what: str, tensors: dict[str, torch.Tensor]) -> None:
    """Raises UserError naming the first tensor that holds NaN or infinity."""
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UserError(
                f"{what}: {key} holds numbers that are not finite; train it again or fetch it again"
            )
