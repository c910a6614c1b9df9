"""The finished model as a directory that `from_pretrained` loads: weights, tokenizer, generation settings, card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import nn

from effectiveness.common.durable import umask, write_atomically
from effectiveness.common.ownership import note_made
from effectiveness.common.records import UserError
from effectiveness.trainer.adapters import NewRows, adapted_parts, share_of
from effectiveness.trainer.complete import num_positions
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.foreign_model import CHAT_TEMPLATE, RELEASED_DTYPE
from effectiveness.trainer.lora import LoraLinear, QuantizedLinear
from effectiveness.trainer.model_files import model_settings, tokenizer_settings
from effectiveness.trainer.models import silence_transformers
from effectiveness.trainer.run_directory import STAGING, TrainingFacts, remove_staging, write_training_facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def export_model(
    output: Path,
    model: PreTrainedModel,
    *,
    tokenizer: Path,
    control: ControlTokens,
    config,
    card: str,
    trained: TrainingFacts,
) -> None:
    """Write `model` (on any device; left as it is) so that it loads from `output`. Each file is replaced whole.

    `config` is the configuration: `model.torch_dtype` is the dtype written, `inference` the generation settings.
    Raises UserError (exit code 1), and replaces nothing, where a weight is not finite.
    """
    output.mkdir(parents=True, exist_ok=True)
    if adapted_parts(model):
        write_adapter(output, model, config, tokenizer)
    with _staging(output) as staging:
        _save_model(staging, model, config, control)
        _copy_tokenizer(tokenizer, staging, model)
        (staging / "README.md").write_text(card, encoding="utf-8")
        write_training_facts(staging, trained)
        _move_into(staging, output)


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """An empty directory in `output`; what a kill left of an earlier one is removed."""
    staging = output / STAGING
    remove_staging(output)
    staging.mkdir(mode=0o700)
    try:
        yield staging
    finally:
        remove_staging(output)


def _save_model(staging: Path, model: PreTrainedModel, config, control: ControlTokens) -> None:
    from transformers import GenerationConfig

    silence_transformers()
    dtype = exported_dtype(config.model.torch_dtype, model)
    model.save_pretrained(staging, state_dict=merged_tensors(model, dtype))
    described = json.loads((staging / "config.json").read_text())
    described["dtype"] = str(dtype).removeprefix("torch.")
    described["use_cache"] = True
    (staging / "config.json").write_text(json.dumps(model_settings(described), indent=2) + "\n")
    GenerationConfig(**generation_settings(config.inference, control)).save_pretrained(staging)


def exported_dtype(asked: str, model: nn.Module) -> torch.dtype:
    """As configured; "auto" is what the base was released in, float32 from scratch."""
    return getattr(model, RELEASED_DTYPE, torch.float32) if asked == "auto" else getattr(torch, asked)


@torch.no_grad()
def merged_tensors(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The state of `model` with its adapters merged, on the CPU, one tensor after the other: nothing is made on a GPU.

    Floating point is `dtype`; tensors that share memory in the model share it here.
    """
    parts = adapted_parts(model)
    quantized = {n: m for n, m in model.named_modules() if isinstance(m, QuantizedLinear)}
    parts |= {n: m for n, m in quantized.items() if n.removesuffix(".base") not in parts}
    made: dict[object, torch.Tensor] = {}

    def exported(name: str, key: object, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        if key not in made:
            whole = make()
            made[key] = whole.to(dtype) if whole.is_floating_point() else whole
            _refuse_unless_finite(name, made[key], dtype)
        return made[key]

    tensors = {}
    for name, tensor in model.state_dict().items():
        owner, _, last = name.rpartition(".")
        frozen = owner.removesuffix(".base")
        if frozen in parts or owner.removesuffix(".looks_up") in parts:
            if last != "bias":
                continue  # merged below
            name = f"{frozen}.bias"
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        tensors[name] = exported(name, place, tensor.detach().cpu)
    for name, part in parts.items():
        key = id(part.rows) if isinstance(part, NewRows) else name
        tensors[f"{name}.weight"] = exported(name, key, part.merged_weight)
    return tensors


def _refuse_unless_finite(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> None:
    if not torch.isfinite(tensor).all():
        kind = str(dtype).removeprefix("torch.")
        raise UserError(
            f"{name} is not finite in {kind}, so the model is not exported; its checkpoints stay: --resume with "
            "another model.torch_dtype, or train again with a lower optimization.learning_rate",
            exit_code=1,
        )


def generation_settings(inference, control: ControlTokens) -> dict:
    """Arguments of transformers' GenerationConfig; sampling ones only where it samples."""
    settings = {
        "max_new_tokens": inference.max_new_tokens,
        "do_sample": inference.do_sample,
        "repetition_penalty": inference.repetition_penalty,
        "bos_token_id": control.begin,
        "eos_token_id": control.end,
        "pad_token_id": control.pad,
    }
    if inference.do_sample:
        settings |= {
            "temperature": inference.temperature,
            "top_p": inference.top_p,
            "top_k": inference.top_k,
        }
    return settings


def _copy_tokenizer(tokenizer: Path, staging: Path, model: PreTrainedModel) -> None:
    for file in sorted(tokenizer.iterdir()):
        if file.is_file():
            shutil.copyfile(file, staging / file.name)
    names = staging / "tokenizer_config.json"
    settings = tokenizer_settings(json.loads(names.read_text("utf-8")), num_positions(model))
    if template := getattr(model, CHAT_TEMPLATE, None):
        settings["chat_template"] = template
    names.write_text(json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def _move_into(staging: Path, output: Path) -> None:
    """Weights last: until they are there, the old ones are, and both fit the same configuration or neither is."""
    files = sorted(staging.iterdir(), key=lambda file: (file.suffix == ".safetensors", file.name))
    readable = 0o666 & ~umask()  # safetensors writes files that only their owner can read
    note_made(output, {file.name: None if file.suffix == ".safetensors" else file for file in files})
    for file in files:
        file.chmod(readable)
        with file.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(file, output / file.name)


# --- the adapter alone, as peft reads it ----------------------------------------------------------------------


DIRECTORY = "adapter"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def write_adapter(output: Path, model: PreTrainedModel, config, tokenizer: Path) -> None:
    """Write `output`/adapter. Where it has rows of new tokens the tokenizer lies beside it: peft makes room by that."""
    parts = adapted_parts(model)
    layers = {name: part for name, part in parts.items() if isinstance(part, LoraLinear)}
    tables = {name: part for name, part in parts.items() if isinstance(part, NewRows)}
    described = _described(config, _targets(model, layers), share_of(model))
    if tables:
        ids = {name.rpartition(".")[2]: part.ids.tolist() for name, part in tables.items()}
        described["trainable_token_indices"] = ids
    directory = output / DIRECTORY
    directory.mkdir(exist_ok=True)
    beside = [file for file in sorted(tokenizer.iterdir()) if file.is_file()] if tables else []
    names = [CONFIG, WEIGHTS, *(file.name for file in beside)]
    note_made(output, {f"{DIRECTORY}/{name}": None for name in names})
    for file in beside:
        shutil.copyfile(file, directory / file.name)
    save_file(_tensors(layers, tables), directory / WEIGHTS)
    write_atomically(directory / CONFIG, json.dumps(described, indent=2).encode() + b"\n")


def _tensors(layers: dict[str, LoraLinear], tables: dict[str, NewRows]) -> dict[str, torch.Tensor]:
    named = {
        f"{name}.{key}": value
        for name, layer in layers.items()
        for key, value in layer.named_for_peft().items()
    }
    rows: dict[int, str] = {}  # a head that reads the embedding's is not written
    for name, table in tables.items():
        if rows.setdefault(id(table.rows), name) == name:
            named[f"{name}.token_adapter.trainable_tokens_delta"] = table.rows
    return {f"base_model.model.{name}": tensor.detach().cpu().contiguous() for name, tensor in named.items()}


def _targets(model: PreTrainedModel, layers: dict[str, LoraLinear]) -> list[str]:
    """Last names of the layers; whole ones where a last name stands for other modules, too."""
    last = {name.rpartition(".")[2] for name in layers}
    others = [
        name for name, _ in model.named_modules() if name.rpartition(".")[2] in last and name not in layers
    ]
    return sorted(layers if others else last)


def _described(config, targets: list[str], share: float) -> dict:
    quantization = config.quantization
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": config.model.pretrained_model,
        "r": quantization.lora_rank,
        "lora_alpha": share * quantization.lora_alpha,
        "lora_dropout": quantization.lora_dropout,
        "target_modules": targets,
        "use_rslora": quantization.lora_rslora,
        "use_dora": quantization.lora_dora,
        "bias": "none",
    }
