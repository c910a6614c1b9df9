"""What a Llama-like model is called in GGUF: hyperparameters and tensors, as llama.cpp's loader reads them.

Names after llama.cpp's `gguf-py/gguf/constants.py` and its `convert_hf_to_gguf.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.trainer.shapes import (
    EMBEDDING,
    HEAD,
    NORM,
    LlamaShape,
    OtherShape,
    check_tensors,
    read_llama_shape,
)

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}  # by model_type
WHOLE = {EMBEDDING: "token_embd.weight", NORM: "output_norm.weight", HEAD: "output.weight"}
IN_A_BLOCK = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_BLOCK = re.compile(r"model\.layers\.(\d+)\.([a-z_.]+)\.(weight|bias)")
WAY_OUT = "llama.cpp's own convert_hf_to_gguf.py may know it"


def read_shape(name: str, config: dict) -> LlamaShape:
    """Raises UserError, one line, for a model that llama.cpp would compute differently under these names."""
    try:
        return read_llama_shape(config)
    except OtherShape as why:
        raise UserError(f"{name} is not written as GGUF: {why}; {WAY_OUT}") from None


def tensor_name(name: str) -> str:
    """GGUF's name of a tensor of the checkpoint. Raises UserError for one that has none.

    >>> tensor_name("model.layers.3.mlp.up_proj.weight")
    'blk.3.ffn_up.weight'
    """
    if name in WHOLE:
        return WHOLE[name]
    found = _BLOCK.fullmatch(name)
    if found and found[2] in IN_A_BLOCK:
        return f"blk.{found[1]}.{IN_A_BLOCK[found[2]]}.{found[3]}"
    raise UserError(f"the model has a tensor {name}, which has no name in GGUF; {WAY_OUT}")


def check_weights(model: str, found: Mapping[str, Sequence[int]], shape: LlamaShape, config: dict) -> None:
    """Raises UserError, one line, unless `found`, name -> dimensions, are the tensors that config.json asks for."""
    try:
        check_tensors(found, shape, config)
    except OtherShape as why:
        raise UserError(f"{model}: {why}; give the --output of one training, or {WAY_OUT}") from None


def as_llama_cpp_rotates(name: str, tensor: np.ndarray, shape: LlamaShape) -> np.ndarray:
    """A tensor of the checkpoint, its rows in GGUF's order.

    transformers rotates the halves of a head against each other, llama.cpp's `llama` neighbouring rows.
    """
    if ARCHITECTURES[shape.kind] != "llama" or ".self_attn." not in name:
        return tensor
    heads = {"q_proj": shape.num_heads, "k_proj": shape.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return tensor
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)
