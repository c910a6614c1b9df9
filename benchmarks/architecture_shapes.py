"""Two-layer models of every family of causal models that transformers knows, with random weights."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

# By the names that configurations give them; what a configuration does not have is left out.
SIZES: dict[str, Any] = {
    "hidden_size": 32, "n_embd": 32, "d_model": 32, "word_embed_proj_dim": 32,
    "num_hidden_layers": 2, "n_layer": 2, "num_layers": 2, "n_layers": 2,
    "num_attention_heads": 4, "n_head": 4, "num_heads": 4, "n_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "n_inner": 64, "ffn_dim": 64, "moe_intermediate_size": 32,
    "max_position_embeddings": 128, "n_positions": 128, "n_ctx": 128, "head_dim": 8, "rotary_dim": 4,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "n_group": 1, "topk_group": 1, "state_size": 8,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 16, "kv_lora_rank": 16,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
NO_DROPOUT = (
    "attention_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "hidden_dropout", "residual_dropout", "dropout",
    "activation_dropout", "embed_dropout", "attention_probs_dropout_prob", "hidden_dropout_prob",
)  # fmt: skip
# The released shapes for code first.
FAMILIES = (
    "llama", "qwen2", "qwen3", "starcoder2", "gpt_bigcode", "mellum", "smollm3", "granite", "gemma", "gemma2",
    "gemma3_text", "mistral", "phi", "phi3", "deepseek_v2", "deepseek_v3", "codegen", "gptj", "gpt2", "gpt_neo",
    "gpt_neox", "opt", "qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_5_text", "mixtral", "olmoe", "gpt_oss",
    "granitemoe", "granitemoehybrid", "ernie4_5", "ernie4_5_moe", "glm", "glm4", "glm4_moe", "exaone4",
    "cohere", "cohere2", "olmo", "olmo2", "olmo3", "stablelm", "falcon", "persimmon", "nemotron", "bloom",
    "mpt", "xglm", "biogpt", "minicpm3", "seed_oss", "arcee", "ministral", "hunyuan_v1_dense", "apertus",
    "helium", "diffllama", "bitnet", "nanochat", "doge", "lfm2", "minimax", "jamba", "bamba", "recurrent_gemma",
    "mamba", "mamba2", "rwkv", "vaultgemma", "phimoe", "llama4_text", "modernbert-decoder", "ctrl",
)  # fmt: skip
_HYBRID = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}
SPECIAL: dict[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "deepseek_v2": {"num_key_value_heads": 4},
    "deepseek_v3": {"num_key_value_heads": 4},
    "minicpm3": {"num_key_value_heads": 4},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"]},
    "qwen3_5_text": {"layer_types": ["linear_attention", "full_attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1},
    "bamba": {**_HYBRID, "attn_layer_indices": [1]},
    "granitemoehybrid": {**_HYBRID, "layer_types": ["mamba", "attention"]},
}


def known_families() -> list[str]:
    """Those of FAMILIES that the installed transformers has."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return [name for name in FAMILIES if name in CONFIG_MAPPING]


def config_of(family: str, *, vocab_size: int) -> Any:
    """A small configuration of `family`, without dropout."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family]
    plain = kind()
    has = plain.to_dict().keys() | getattr(plain, "attribute_map", {}).keys()
    sizes = {key: value for key, value in SIZES.items() if key in has}
    config = kind(**{**sizes, "vocab_size": vocab_size, **SPECIAL.get(family, {})})
    for name in NO_DROPOUT:
        if isinstance(getattr(config, name, None), float):
            setattr(config, name, 0.0)
    return config


@torch.no_grad()
def model_of(family: str, *, vocab_size: int, strength: float = 4.0, seed: int = 0) -> Any:
    """A model of `family`, its matrices `strength` times as large as fresh ones: what leaks then shows."""
    from effectiveness.trainer import foreign_model

    torch.manual_seed(seed)
    with contextlib.redirect_stdout(None):
        model = foreign_model.build(family, config_of(family, vocab_size=vocab_size))
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.mul_(strength)
    return model
