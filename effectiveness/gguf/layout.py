"""What a Llama-like model is called in GGUF: hyperparameters and tensors, as llama.cpp's loader reads them.

Names after llama.cpp's `gguf-py/gguf/constants.py` and its `convert_hf_to_gguf.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import UserError

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Hyperparameters of a model as its config.json has them."""

    architecture: str  # GGUF's name
    context_tokens: int
    hidden_size: int
    num_layers: int
    feed_forward: int
    num_heads: int
    num_key_value_heads: int
    head_size: int
    norm_epsilon: float
    rope_base: float
    vocab_size: int


def read_shape(name: str, config: dict) -> Shape:
    """Raises UserError, one line, for a model that llama.cpp would compute differently under these names."""
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise UserError(
            f"{name}: a {kind} model is not written as GGUF, only {', '.join(ARCHITECTURES)}; {WAY_OUT}"
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _refuse_where(name, not isinstance(rope, dict), "its rope_parameters are no object")
    scaled = rope.get("rope_type", "default") != "default" or any(isinstance(v, dict) for v in rope.values())
    _refuse_where(name, scaled, "its positions are scaled (rope_type)")
    _refuse_where(name, config.get("hidden_act", "silu") != "silu", "its hidden_act is not silu")
    is_sliding = config.get("sliding_window") and config.get("use_sliding_window", kind == "mistral")
    _refuse_where(name, bool(is_sliding), "its attention has a sliding window")
    heads = _number(name, config, "num_attention_heads")
    hidden = _number(name, config, "hidden_size")
    return Shape(
        architecture=ARCHITECTURES[kind],
        context_tokens=_number(name, config, "max_position_embeddings"),
        hidden_size=hidden,
        num_layers=_number(name, config, "num_hidden_layers"),
        feed_forward=_number(name, config, "intermediate_size"),
        num_heads=heads,
        num_key_value_heads=_number(name, config, "num_key_value_heads", heads),
        head_size=_number(name, config, "head_dim", hidden // heads),
        norm_epsilon=_number(name, config, "rms_norm_eps"),
        rope_base=_number(name, rope, "rope_theta", config.get("rope_theta") or 10_000.0),
        vocab_size=_number(name, config, "vocab_size"),
    )


def _number(name: str, config: dict, key: str, otherwise: float | None = None):
    found = config.get(key)
    found = otherwise if found is None else found
    if not isinstance(found, int | float) or isinstance(found, bool) or found <= 0:
        raise UserError(
            f"{name}: {key} in config.json is {found!r}, no number above 0; give the --output of a training"
        )
    return found


def _refuse_where(name: str, is_so: bool, why: str) -> None:
    if is_so:
        raise UserError(f"{name}: {why}, which is not written as GGUF; {WAY_OUT}")


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


def as_llama_cpp_rotates(name: str, tensor: np.ndarray, shape: Shape) -> np.ndarray:
    """A tensor of the checkpoint, its rows in GGUF's order.

    transformers rotates the halves of a head against each other, llama.cpp's `llama` neighbouring rows.
    """
    if shape.architecture != "llama" or ".self_attn." not in name:
        return tensor
    heads = {"q_proj": shape.num_heads, "k_proj": shape.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return tensor
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)
