"""The shapes of models: a table of those from scratch, and that of a Llama-like model as its config.json has it.

Nothing but these hyperparameters decides what such a model computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A Llama shape. Head dimension 64 suits fused attention; `tiny` has 32 to learn anything at all on a CPU."""

    hidden_size: int
    num_layers: int
    num_heads: int
    feed_forward: int


PRESETS = {
    "nano": Preset(hidden_size=128, num_layers=3, num_heads=2, feed_forward=384),  # 0.6M + embeddings
    "tiny": Preset(hidden_size=192, num_layers=4, num_heads=6, feed_forward=512),  # 1.8M + embeddings
    "small": Preset(hidden_size=512, num_layers=8, num_heads=8, feed_forward=1408),  # 26M + embeddings
    "base": Preset(hidden_size=768, num_layers=12, num_heads=12, feed_forward=2048),  # 85M + embeddings
}

KINDS = ("llama", "mistral", "qwen2", "qwen3")


class OtherShape(Exception):
    """Why a model is not one of these, in words that follow its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaShape:
    """Hyperparameters as config.json has them."""

    kind: str  # of KINDS
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


def read_llama_shape(config: dict) -> LlamaShape:
    """Raises OtherShape for a model that is computed otherwise, or a configuration that is none."""
    kind = config.get("model_type")
    if kind not in KINDS:
        raise OtherShape(f"it is a {kind} model, none of {', '.join(KINDS)}")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _refuse_where(not isinstance(rope, dict), "its rope_parameters are no object")
    scaled = rope.get("rope_type", "default") != "default" or any(isinstance(v, dict) for v in rope.values())
    _refuse_where(scaled or "partial_rotary_factor" in rope, "its positions are scaled (rope_type)")
    _refuse_where(config.get("hidden_act", "silu") != "silu", "its hidden_act is not silu")
    is_sliding = config.get("sliding_window") and config.get("use_sliding_window", kind == "mistral")
    _refuse_where(bool(is_sliding), "its attention has a sliding window")
    heads = _whole(config, "num_attention_heads")
    hidden = _whole(config, "hidden_size")
    return LlamaShape(
        kind=kind,
        context_tokens=_whole(config, "max_position_embeddings"),
        hidden_size=hidden,
        num_layers=_whole(config, "num_hidden_layers"),
        feed_forward=_whole(config, "intermediate_size"),
        num_heads=heads,
        num_key_value_heads=_whole(config, "num_key_value_heads", heads),
        head_size=_whole(config, "head_dim", hidden // heads),
        norm_epsilon=_number(config, "rms_norm_eps"),
        rope_base=_number(rope, "rope_theta", config.get("rope_theta") or 10_000.0),
        vocab_size=_whole(config, "vocab_size"),
    )


def _number(config: dict, key: str, otherwise: float | None = None):
    found = config.get(key)
    found = otherwise if found is None else found
    if not isinstance(found, int | float) or isinstance(found, bool) or found <= 0:
        raise OtherShape(f"{key} in config.json is {found!r}, no number above 0")
    return found


def _whole(config: dict, key: str, otherwise: int | None = None) -> int:
    found = _number(config, key, otherwise)
    _refuse_where(not isinstance(found, int), f"{key} in config.json is {found!r}, no whole number")
    return found


def _refuse_where(is_so: bool, why: str) -> None:
    if is_so:
        raise OtherShape(why)


# --- the weights of such a model ------------------------------------------------------------------------------

EMBEDDING, NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


def parts_of(shape: LlamaShape) -> dict[str, tuple[int, ...]]:
    """Dimensions of the weights of one layer, by their names within it."""
    hidden, heads, feed_forward = shape.hidden_size, shape.head_size * shape.num_heads, shape.feed_forward
    keys, head_norm = shape.head_size * shape.num_key_value_heads, (shape.head_size,)
    return {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (heads, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, heads),
        "mlp.gate_proj": (feed_forward, hidden),
        "mlp.up_proj": (feed_forward, hidden),
        "mlp.down_proj": (hidden, feed_forward),
        **({"self_attn.q_norm": head_norm, "self_attn.k_norm": head_norm} if shape.kind == "qwen3" else {}),
    }


def tensors_of(shape: LlamaShape, config: dict) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and dimensions of every tensor that config.json asks for."""
    parts = parts_of(shape)
    biased = [part for part in parts if part.startswith("self_attn.") and part.endswith("_proj")]
    if shape.kind == "qwen2":
        biased.remove("self_attn.o_proj")
    elif shape.kind == "mistral" or not config.get("attention_bias"):
        biased = []
    if shape.kind == "llama" and config.get("mlp_bias"):
        biased += [part for part in parts if part.startswith("mlp.")]
    yield EMBEDDING, (shape.vocab_size, shape.hidden_size)
    yield NORM, (shape.hidden_size,)
    if not config.get("tie_word_embeddings", False):
        yield HEAD, (shape.vocab_size, shape.hidden_size)
    for layer in range(shape.num_layers):
        yield from ((f"model.layers.{layer}.{part}.weight", size) for part, size in parts.items())
        yield from ((f"model.layers.{layer}.{part}.bias", parts[part][:1]) for part in biased)


def check_tensors(found: Mapping[str, Sequence[int]], shape: LlamaShape, config: dict) -> None:
    """Raises OtherShape unless `found`, name -> dimensions, are the tensors that config.json asks for."""
    asked: dict[str, tuple[int, ...]] = {
        HEAD: (shape.vocab_size, shape.hidden_size)
    }  # a tied one may be there all the same
    for name, size in tensors_of(shape, config):  # up to one that is missing, however many layers are claimed
        _refuse_where(name not in found, f"its weights lack {name}, which config.json asks for")
        asked[name] = size
    for name, dimensions in found.items():
        _refuse_where(name not in asked, f"config.json asks for no {name}, which its weights have")
        if tuple(dimensions) != asked[name]:
            theirs, ours = (
                " x ".join(f"{n:,}" for n in one) or "one number" for one in (dimensions, asked[name])
            )
            raise OtherShape(f"{name} is {theirs} in its weights and {ours} by config.json: of two models")
