"""A Llama-like model in numpy: an editor is waited for, and torch with transformers takes seconds to import.

What is computed is Touvron et al. 2023 (2302.13971), with grouped queries, Qwen2's biases and Qwen3's norms of heads.
Shapes: T tokens read, S known with them, H heads, K heads of keys, d their size, D the hidden size, V the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.trainer import model_files
from effectiveness.trainer.shapes import (
    EMBEDDING,
    HEAD,
    NORM,
    LlamaShape,
    OtherShape,
    check_tensors,
    read_llama_shape,
)

if TYPE_CHECKING:
    from effectiveness.completion.lines import Hypothesis

QUERY_BLOCK = 256  # rows of attention scores made at a time: 12 heads x 256 x 4,096 are 50 MB
MAX_BYTES = 256 << 20  # of weights: what is larger is worth torch's threads
MASKED = np.float32(-1e30)


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


# --- what was read: a cache from one prompt to the next, hypotheses side by side behind the prompt ---------------

MAX_ROWS = 256  # distributions made at a time: 256 x 151,936 float32 are 156 MB
READ_TOKENS = 256  # of a prompt read at a time: then it is asked whether there is time for more


def num_shared(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many ids both begin with; the last of `others` does not count, for what follows it is asked for.

    >>> num_shared([1, 2, 3], [1, 2, 4]), num_shared([1, 2, 3], [1, 2])
    (2, 1)
    """
    shared = 0
    for ours, theirs in zip(ids, others[:-1], strict=False):
        if ours != theirs:
            break
        shared += 1
    return shared


@dataclass(slots=True)
class NumpyStates:
    """See `network.States`."""

    decoder: Decoder
    ids: list[int] = field(default_factory=list)
    _cache: Cache = field(init=False)
    _places: dict[Hypothesis, list[int]] = field(
        default_factory=dict
    )  # of each hypothesis' tokens in the cache

    def __post_init__(self) -> None:
        self._cache = self.decoder.new_cache()

    def over(self, ids: np.ndarray, first: int, vocab_size: int) -> Iterator[np.ndarray]:
        hidden = self.decoder.read(ids, self.decoder.new_cache(len(ids)), first=first)
        for place in range(0, len(hidden), MAX_ROWS):
            yield self.decoder.shares(hidden[place : place + MAX_ROWS], vocab_size)

    def read(
        self, ids: list[int], vocab_size: int, must_stop: Callable[[], bool] = bool
    ) -> np.ndarray | None:
        known = num_shared(self.ids, ids)
        self._places = {}
        for first in range(known, len(ids), READ_TOKENS):
            self._cache.length = first
            if first > known and must_stop():
                self.ids = ids[:first]
                return None
            new = np.array(ids[first : first + READ_TOKENS], np.int64)
            hidden = self.decoder.read(new, self._cache, first=len(new) - 1)
        self.ids = ids
        return self.decoder.shares(hidden, vocab_size)

    def grow(self, hypotheses: Sequence[Hypothesis], vocab_size: int) -> np.ndarray:
        known, place = len(self.ids), self._cache.length
        seen = np.zeros((len(hypotheses), place + len(hypotheses)), bool)
        seen[:, :known] = True
        places = {}
        for row, ids in enumerate(hypotheses):
            places[ids] = [*self._places.get(ids[:-1], []), place + row]
            seen[row, places[ids]] = True
        self._places = places
        positions = np.full(len(hypotheses), known + len(hypotheses[0]) - 1)
        new = np.array([ids[-1] for ids in hypotheses], np.int64)
        hidden = self.decoder.read(new, self._cache, positions=positions, seen=seen)
        return self.decoder.shares(hidden, vocab_size)


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
    """Takes the tensors. Raises OtherShape where others are asked for, KeyError where one is of no use here."""
    check_tensors({name: tensor.shape for name, tensor in tensors.items()}, shape, config)
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise KeyError("not all numbers are finite")
    embedding = tensors.pop(EMBEDDING)
    decoder = Decoder(
        shape=shape,
        embedding=embedding,
        layers=[_layer(tensors, f"model.layers.{number}.") for number in range(shape.num_layers)],
        norm=tensors.pop(NORM),
        head=embedding if config.get("tie_word_embeddings") else tensors.pop(HEAD),
    )
    if tensors:
        raise KeyError(f"{next(iter(tensors))} belongs to no part of it")
    return decoder


def _layer(tensors: dict[str, np.ndarray], prefix: str) -> Layer:
    def joined(*parts: str, of: str = "weight") -> np.ndarray:
        """Above each other: [all rows, columns]."""
        return np.concatenate([tensors.pop(f"{prefix}{part}.{of}") for part in parts])

    queries_keys_values = "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"
    has_bias = f"{prefix}self_attn.q_proj.bias" in tensors
    return Layer(
        attention_norm=joined("input_layernorm"),
        qkv=joined(*queries_keys_values),
        qkv_bias=joined(*queries_keys_values, of="bias") if has_bias else None,
        query_norm=tensors.pop(f"{prefix}self_attn.q_norm.weight", None),
        key_norm=tensors.pop(f"{prefix}self_attn.k_norm.weight", None),
        output=joined("self_attn.o_proj"),
        feed_forward_norm=joined("post_attention_layernorm"),
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
    )
