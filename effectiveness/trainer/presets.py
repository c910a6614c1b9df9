"""The shapes of models from scratch: a table, one entry a preset."""

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
