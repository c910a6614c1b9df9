"""A LoRA adapter as one GGUF file, which llama.cpp and Ollama lay over the GGUF file of its base."""

from __future__ import annotations

import math
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from effectiveness.common.boundary import printable, read_json_object, reading
from effectiveness.common.durable import replacing
from effectiveness.common.paths import path_of
from effectiveness.common.records import UserError
from effectiveness.gguf.layout import ARCHITECTURES, as_llama_cpp_rotates, tensor_name
from effectiveness.gguf.writing import Source, open_source
from effectiveness.trainer import model_files
from effectiveness.trainer.shapes import LlamaShape, parts_of

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MERGED = "write the merged model instead: effectiveness gguf with the directory that holds this one"
MAX_RANK, MAX_ALPHA = 1 << 20, 1e9
_FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
# What a config may ask for that llama.cpp does not compute.
NOT_WRITTEN = {
    "use_dora": "it has lengths of its own (DoRA)",
    "trainable_token_indices": "it has rows of new tokens",
    "modules_to_save": "it has whole layers",
    "rank_pattern": "its ranks differ by layer",
    "alpha_pattern": "its alphas differ by layer",
    "fan_in_fan_out": "its matrices stand the other way around",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter, opened: everything that can be wrong with it was said."""

    base: Source  # or the model it is merged into, which has the same shape and tokenizer
    base_name: str
    rank: int
    alpha: float  # llama.cpp multiplies by alpha / rank
    weights: Path


def is_adapter(directory: Path) -> bool:
    return (directory / CONFIG).is_file()


def open_adapter(directory: Path) -> Adapter:
    """Raises UserError, one line, for what has no form in GGUF, or whose base is not at hand."""
    name = str(directory)
    config = read_json_object(
        model_files.inside(name, directory, CONFIG), max_bytes=model_files.MAX_CONFIG_BYTES, way_out=MERGED
    )
    if config.get("peft_type") != "LORA":
        raise UserError(f"{name} is no LoRA adapter ({config.get('peft_type')}); {MERGED}")
    for key, why in NOT_WRITTEN.items():
        if config.get(key):
            raise UserError(f"{name} is not written as GGUF: {why}; {MERGED}")
    rank: Any = config.get("r")
    alpha: Any = config.get("lora_alpha")
    are_numbers = (
        isinstance(rank, int) and isinstance(alpha, int | float) and bool not in (type(rank), type(alpha))
    )
    if not are_numbers or not 1 <= rank <= MAX_RANK or not abs(alpha) <= MAX_ALPHA:
        raise UserError(
            f"{name}: r and lora_alpha of {CONFIG} are {rank!r} and {alpha!r}, no numbers; {MERGED}"
        )
    return Adapter(
        base=open_source(_shaped_like(directory, config)),
        base_name=printable(Path(str(config.get("base_model_name_or_path") or "base")).name),
        rank=rank,
        alpha=alpha * math.sqrt(rank) if config.get("use_rslora") else alpha,
        weights=model_files.inside(name, directory, WEIGHTS),
    )


def _shaped_like(directory: Path, config: dict) -> Path:
    """The model that the adapter was exported with, else its base, where that lies on this machine."""
    base = config.get("base_model_name_or_path")
    candidates = [directory.resolve().parent]
    with suppress(UserError):  # a name that no path can have is a name of the hub, if any
        is_text = isinstance(base, str) and base.isprintable()
        candidates += [path_of("its base", str(base))] if is_text else []
    for candidate in candidates:
        if (candidate / model_files.CONFIG).is_file():
            return candidate
    raise UserError(
        f"{directory}: its base {base!r} is not on this machine; give an adapter of a finished training"
    )


def write_adapter(adapter: Adapter, path: Path, kind: str, gguf: Any) -> int:
    """Replace `path` by the adapter in float32 or float16; returns its bytes. `gguf` is the package of that name."""
    from safetensors import safe_open

    number_type = np.float32 if kind == "f32" else np.float16
    with ExitStack() as stack:
        with reading(f"cannot read {adapter.weights}", MERGED):
            opened = stack.enter_context(safe_open(adapter.weights, framework="pt"))
            factors = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        named = {name: _name_of(name) for name in sorted(factors)}
        _, staged = stack.enter_context(replacing(path))
        writer = gguf.GGUFWriter(staged, ARCHITECTURES[adapter.base.shape.kind])
        stack.callback(writer.close)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(adapter.alpha))
        for name, (layer, factor) in named.items():
            with reading(f"cannot read {name}", MERGED):
                values = factors[name][:].float().numpy()
            written_name = f"{tensor_name(f'{layer}.weight')}.lora_{factor.lower()}"
            rows, *columns = size_of(layer, adapter.base.shape)
            expected = (adapter.rank, *columns) if factor == "A" else (rows, adapter.rank)
            _check_factor(name, factors[name].get_dtype(), values, expected)
            if factor == "B":  # its rows are those of the layer
                values = as_llama_cpp_rotates(f"{layer}.weight", values, adapter.base.shape)
            writer.add_tensor(written_name, np.ascontiguousarray(values, number_type))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.flush()
        return staged.stat().st_size


def size_of(layer: str, shape: LlamaShape) -> tuple[int, ...]:
    """Dimensions of a layer that has a name in GGUF: "model.layers.3.mlp.up_proj"."""
    return parts_of(shape).get(layer.split(".", 3)[-1], (shape.vocab_size, shape.hidden_size))


def _check_factor(name: str, dtype: str, values: np.ndarray, expected: tuple[int, ...]) -> None:
    """Raises UserError for what is no matrix of finite numbers as rank and layer ask for."""
    is_number = dtype in ("F32", "F16", "BF16", "F64")
    if values.shape != expected or not is_number or not np.isfinite(values).all():
        raise UserError(
            f"{name} is no matrix of {' x '.join(f'{n:,}' for n in expected)} finite numbers, as the adapter's rank "
            f"and its base ask for ({dtype}, {values.shape}); {MERGED}"
        )


def _name_of(name: str) -> tuple[str, str]:
    """(layer, "A" or "B") of a tensor of peft's."""
    found = _FACTOR.fullmatch(name)
    if not found:
        raise UserError(f"the adapter has a tensor {name}, which llama.cpp does not know; {MERGED}")
    return found[1], found[2]
