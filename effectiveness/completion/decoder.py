"""A Llama-like model in numpy: an editor is waited for, and torch with transformers takes seconds to import.

What is computed is Touvron et al. 2023 (2302.13971), with grouped queries, Qwen2's biases and Qwen3's norms of heads.
Shapes: T tokens read, S known with them, H heads, K heads of keys, d their size, D the hidden size, V the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.trainer import model_files
from effectiveness.trainer.shapes import LlamaShape, OtherShape, read_llama_shape

QUERY_BLOCK = 256  # rows of attention scores made at a time: 12 heads x 256 x 4,096 are 50 MB
MAX_BYTES = 256 << 20  # of weights: what is larger is worth torch's threads
MASKED = np.float32(-1e30)
EMBEDDING, NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Weights as they lie in the file; what has the same input is one matrix."""

    attention_norm: np.ndarray  # [D]
    qkv: np.ndarray  # [(H + 2 K) d, D]
    qkv_bias: np.ndarray | None
    query_norm: np.ndarray | None  # [d]
    key_norm: np.ndarray | None  # [d]
    output: np.ndarray  # [D, H d]
    feed_forward_norm: np.ndarray  # [D]
    gate_up: np.ndarray  # [2 F, D]
    down: np.ndarray  # [D, F]


@dataclass(slots=True)
class Cache:
    """Keys and values of the tokens that were read, for each layer; `length` of them are valid."""

    layers: list[tuple[np.ndarray, np.ndarray]]  # [K, room, d] each
    length: int = 0

    def with_room(self, length: int) -> None:
        """Have room for `length` tokens."""
        room = self.layers[0][0].shape[1]
        if length > room:
            pad = [(0, 0), (0, max(length, 2 * room) - room), (0, 0)]
            self.layers = [(np.pad(keys, pad), np.pad(values, pad)) for keys, values in self.layers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The model; everything in float32."""

    shape: LlamaShape
    embedding: np.ndarray  # [V, D]
    layers: list[Layer]
    norm: np.ndarray  # [D]
    head: np.ndarray  # [V, D]
    _angles: np.ndarray = field(init=False)  # of a position: [d / 2]

    def __post_init__(self) -> None:
        powers = np.arange(0, self.shape.head_size, 2, dtype=np.float32) / self.shape.head_size
        object.__setattr__(self, "_angles", (1.0 / self.shape.rope_base**powers).astype(np.float32))

    def new_cache(self, room: int = 64) -> Cache:
        size = (self.shape.num_key_value_heads, room, self.shape.head_size)
        return Cache([(np.zeros(size, np.float32), np.zeros(size, np.float32)) for _ in self.layers])

    def read(
        self,
        ids: np.ndarray,
        cache: Cache,
        *,
        first: int = 0,
        positions: np.ndarray | None = None,
        seen: np.ndarray | None = None,
    ) -> np.ndarray:
        """Hidden states [T - first, D] after `ids[first]` and each token behind it; the cache knows all of `ids` then.

        `positions`, and which tokens each of `ids` sees (`seen`, bool [T, S]): of a text that goes on unless given.
        """
        ids = np.asarray(ids, np.int64)
        start, cache.length = cache.length, cache.length + len(ids)
        cache.with_room(cache.length)
        places = np.arange(start, cache.length) if positions is None else positions
        rotation = self._rotation(places)
        hidden = self.embedding[ids]
        for layer, (keys, values) in zip(self.layers, cache.layers, strict=True):
            normed = self._normed(hidden, layer.attention_norm)
            queries = self._attend_to(layer, normed, keys, values, rotation, start)
            read = _attention(queries, keys[:, : cache.length], values[:, : cache.length], start, seen)
            hidden = hidden + read @ layer.output.T
            hidden = hidden + _feed_forward(layer, self._normed(hidden, layer.feed_forward_norm))
        return self._normed(hidden[first:], self.norm)

    def shares(self, hidden: np.ndarray, vocab_size: int) -> np.ndarray:
        """Float32 [T, vocab_size]: distributions over the first ids."""
        logits = hidden @ self.head[:vocab_size].T
        logits -= logits.max(axis=-1, keepdims=True)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=-1, keepdims=True)

    def _rotation(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """cos and sin [T, 1, d] of places."""
        angles = places.astype(np.float32)[:, None] * self._angles
        both = np.concatenate((angles, angles), axis=1)[:, None]
        return np.cos(both), np.sin(both)

    def _normed(self, hidden: np.ndarray, weight: np.ndarray) -> np.ndarray:
        mean = np.mean(hidden * hidden, axis=-1, keepdims=True)
        return hidden / np.sqrt(mean + np.float32(self.shape.norm_epsilon)) * weight

    def _attend_to(self, layer: Layer, normed, keys, values, rotation, start: int) -> np.ndarray:
        """Queries [T, H, d]; keys and values of these tokens are put into the cache."""
        shape = self.shape
        made = normed @ layer.qkv.T
        if layer.qkv_bias is not None:
            made += layer.qkv_bias
        made = made.reshape(len(normed), -1, shape.head_size)
        last = shape.num_heads + shape.num_key_value_heads
        queries, new_keys = made[:, : shape.num_heads], made[:, shape.num_heads : last]
        if layer.query_norm is not None and layer.key_norm is not None:
            queries, new_keys = (
                self._normed(queries, layer.query_norm),
                self._normed(new_keys, layer.key_norm),
            )
        end = start + len(normed)
        keys[:, start:end] = _rotated(new_keys, rotation).swapaxes(0, 1)
        values[:, start:end] = made[:, last:].swapaxes(0, 1)
        return _rotated(queries, rotation)


def _rotated(heads: np.ndarray, rotation: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    half = heads.shape[-1] // 2
    turned = np.concatenate((-heads[..., half:], heads[..., :half]), axis=-1)
    return heads * rotation[0] + turned * rotation[1]


def _attention(queries, keys, values, start: int, seen: np.ndarray | None) -> np.ndarray:
    """[T, H d]: what each query [T, H, d] reads of keys and values [K, S, d] at places up to its own, or `seen`."""
    num_tokens, num_heads, size = queries.shape
    num_keys = len(keys)
    queries = queries * np.float32(size**-0.5)
    grouped = queries.reshape(num_tokens, num_keys, -1, size).transpose(1, 2, 0, 3)  # [K, H / K, T, d]
    out = np.empty((num_keys, num_heads // num_keys, num_tokens, size), np.float32)
    for first in range(0, num_tokens, QUERY_BLOCK):
        last = min(num_tokens, first + QUERY_BLOCK)
        known = keys.shape[1] if seen is not None else start + last
        scores = grouped[:, :, first:last] @ keys[:, None, :known].swapaxes(-1, -2)  # [K, H / K, t, known]
        if seen is not None:
            scores += np.where(seen[first:last, :known], np.float32(0), MASKED)
        else:  # only within the block is anything ahead
            scores[..., start + first :] += np.triu(np.full((last - first, last - first), MASKED), 1)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        out[:, :, first:last] = scores @ values[:, None, :known] / scores.sum(axis=-1, keepdims=True)
    return out.transpose(2, 0, 1, 3).reshape(num_tokens, num_heads * size)


def _feed_forward(layer: Layer, normed: np.ndarray) -> np.ndarray:
    gate, up = np.split(normed @ layer.gate_up.T, 2, axis=-1)
    return (gate / (1 + np.exp(-gate)) * up) @ layer.down.T


# --- from a directory -------------------------------------------------------------------------------------


def open_decoder(directory: Path) -> Decoder | None:
    """The finished model in `directory`; None where it is another kind or not whole: torch's loader says why."""
    name = str(directory)
    try:
        config = model_files.read_config(name, directory)
        shape = read_llama_shape(config)
        files = model_files.find_weights(name, directory)
        if sum(file.stat().st_size for file in files) > MAX_BYTES:
            return None
        return _decoder(shape, config, _tensors(files))
    except (OtherShape, UserError, KeyError, OSError):
        return None


def _tensors(files: list[Path]) -> dict[str, np.ndarray]:
    """Float32 arrays by name. Raises KeyError where a tensor has another kind of numbers."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, np.ndarray] = {}
    try:
        for file in files:
            with safe_open(file, framework="numpy") as opened:
                for name in opened.keys():  # noqa: SIM118 - no mapping
                    found[name] = opened.get_tensor(name).astype(np.float32)
    except (SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:  # bfloat16, or damaged
        raise KeyError(str(error)) from error
    return found


def _decoder(shape: LlamaShape, config: dict, tensors: dict[str, np.ndarray]) -> Decoder:
    """Raises KeyError where a tensor is missing, too many, of another shape, or not finite."""
    taken = _Taking(shape, config, tensors)
    embedding = taken.take(EMBEDDING, shape.vocab_size, shape.hidden_size)
    head = embedding if config.get("tie_word_embeddings") else taken.take(HEAD, *embedding.shape)
    decoder = Decoder(
        shape=shape,
        embedding=embedding,
        layers=[_layer(taken, f"model.layers.{number}.") for number in range(shape.num_layers)],
        norm=taken.take(NORM, shape.hidden_size),
        head=head,
    )
    if taken.tensors:
        raise KeyError(f"{next(iter(taken.tensors))} belongs to no part of it")
    return decoder


@dataclass(slots=True)
class _Taking:
    shape: LlamaShape
    config: dict
    tensors: dict[str, np.ndarray]

    def take(self, name: str, *shape: int) -> np.ndarray:
        tensor = self.tensors.pop(name)
        if tensor.shape != shape or not np.isfinite(tensor).all():
            raise KeyError(f"{name} is {tensor.shape}, expected {shape}, all of it finite")
        return tensor

    def joined(self, *parts: tuple[str, int], columns: int) -> np.ndarray:
        """Matrices of (name, rows) above each other: [all rows, columns]."""
        return np.concatenate([self.take(f"{name}.weight", rows, columns) for name, rows in parts])


def _layer(taken: _Taking, prefix: str) -> Layer:
    shape = taken.shape
    hidden, size, attention = shape.hidden_size, shape.head_size, f"{prefix}self_attn."
    rows = {
        "q_proj": shape.num_heads * size,
        **dict.fromkeys(("k_proj", "v_proj"), shape.num_key_value_heads * size),
    }
    has_bias = shape.kind == "qwen2" or taken.config.get("attention_bias", False)
    has_norms = shape.kind == "qwen3"
    if has_bias and shape.kind != "qwen2":
        raise KeyError("o_proj has a bias, too")
    biases = (
        [taken.take(f"{attention}{name}.bias", number) for name, number in rows.items()] if has_bias else []
    )
    return Layer(
        attention_norm=taken.take(f"{prefix}input_layernorm.weight", hidden),
        qkv=taken.joined(*((attention + name, number) for name, number in rows.items()), columns=hidden),
        qkv_bias=np.concatenate(biases) if has_bias else None,
        query_norm=taken.take(f"{attention}q_norm.weight", size) if has_norms else None,
        key_norm=taken.take(f"{attention}k_norm.weight", size) if has_norms else None,
        output=taken.joined((f"{attention}o_proj", hidden), columns=shape.num_heads * size),
        feed_forward_norm=taken.take(f"{prefix}post_attention_layernorm.weight", hidden),
        gate_up=taken.joined(
            (f"{prefix}mlp.gate_proj", shape.feed_forward),
            (f"{prefix}mlp.up_proj", shape.feed_forward),
            columns=hidden,
        ),
        down=taken.joined((f"{prefix}mlp.down_proj", hidden), columns=shape.feed_forward),
    )
