"""The shapes of models: a table of those from scratch, and that of a Llama-like model as its config.json has it.

Nothing but these hyperparameters decides what such a model computes.
"""

from __future__ import annotations

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
