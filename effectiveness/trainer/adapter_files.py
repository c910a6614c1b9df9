"""The adapter alone, in the layout that peft reads; its AutoPeftModelForCausalLM loads it with the base it names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from effectiveness.common.durable import write_atomically
from effectiveness.common.ownership import note_made
from effectiveness.trainer.adapters import adapted_parts, share_of
from effectiveness.trainer.lora import LoraLinear
from effectiveness.trainer.new_rows import NewRows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
