"""What a Llama-like model is called in GGUF: hyperparameters and tensors, as llama.cpp's loader reads them.

Names after llama.cpp's `gguf-py/gguf/constants.py` and its `convert_hf_to_gguf.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.trainer.shapes import LlamaShape, OtherShape, read_llama_shape

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}  # by model_type
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


# --- what a config asks of its weights ------------------------------------------------------------------------

NORMS = ("input_layernorm", "post_attention_layernorm")
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
FEED_FORWARD = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")  # of qwen3
HEAD = "lm_head.weight"


def check_weights(model: str, found: Mapping[str, Sequence[int]], shape: LlamaShape, config: dict) -> None:
    """Raises UserError, one line, unless `found`, name -> dimensions, are the tensors that config.json asks for."""
    asked = set()
    for name in _asked(
        shape, config
    ):  # ends at the first one that is missing, however many layers are claimed
        if name not in found:
            raise UserError(f"{model}: its weights lack {name}, which config.json asks for; {WAY_OUT}")
        asked.add(name)
    for name, dimensions in found.items():
        tensor_name(name)
        if name not in asked and name != HEAD:  # a tied one may be there all the same
            raise UserError(f"{model}: config.json asks for no {name}, which its weights have; {WAY_OUT}")
        if tuple(dimensions) != (expected := dimensions_of(name, shape)):
            raise UserError(
                f"{model}: {name} is {_spell(dimensions)} in its weights and {_spell(expected)} by config.json: "
                "these are of two models; give the --output of one training"
            )


def _asked(shape: LlamaShape, config: dict) -> Iterator[str]:
    yield from (name for name in WHOLE if name != HEAD)
    if not config.get("tie_word_embeddings", False):
        yield HEAD
    biases: tuple[str, ...] = ATTENTION[:3] if shape.kind == "qwen2" else ()
    if shape.kind in ("llama", "qwen3") and config.get("attention_bias"):
        biases = ATTENTION
    if shape.kind == "llama" and config.get("mlp_bias"):
        biases += FEED_FORWARD
    weights = (*NORMS, *ATTENTION, *FEED_FORWARD, *(HEAD_NORMS if shape.kind == "qwen3" else ()))
    for layer in range(shape.num_layers):
        yield from (f"model.layers.{layer}.{part}.weight" for part in weights)
        yield from (f"model.layers.{layer}.{part}.bias" for part in biases)


def dimensions_of(name: str, shape: LlamaShape) -> tuple[int, ...]:
    """Of a tensor that `tensor_name` knows."""
    hidden, heads = shape.hidden_size, shape.head_size * shape.num_heads
    keys = shape.head_size * shape.num_key_value_heads
    if name in WHOLE:
        return (hidden,) if name == "model.norm.weight" else (shape.vocab_size, hidden)
    part, _, kind = name.split(".", 3)[3].rpartition(".")
    matrices = dict(
        zip(ATTENTION, ((heads, hidden), (keys, hidden), (keys, hidden), (hidden, heads)), strict=True)
    )
    matrices |= dict.fromkeys(FEED_FORWARD[:2], (shape.feed_forward, hidden))
    matrices[FEED_FORWARD[2]] = (hidden, shape.feed_forward)
    if part in matrices:
        return matrices[part] if kind == "weight" else matrices[part][:1]
    return (shape.head_size,) if part in HEAD_NORMS else (hidden,)


def _spell(dimensions: Sequence[int]) -> str:
    return " x ".join(f"{size:,}" for size in dimensions) or "one number"


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
