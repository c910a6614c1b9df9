"""The model: a Llama-shape one from scratch over the dataset's tokenizer, or any causal model by name or path.

Weights are always float32 masters; autocast gives the products a lower precision. transformers is imported
where it is used: only what a run needs costs start-up time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from effectiveness.common.boundary import reading
from effectiveness.common.records import UserError
from effectiveness.common.seeding import key_for
from effectiveness.trainer import foreign_model, model_files
from effectiveness.trainer.devices import GIB
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.lora import num_quantized
from effectiveness.trainer.shapes import PRESETS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# "auto": the largest preset whose corpus and memory are there. About 20 tokens a parameter would be ideal
# (2203.15556); a repository is visited several times, and up to 4 visits count nearly like fresh tokens.
AUTO_NEEDS = (("base", 50_000_000, 24 * GIB), ("small", 3_000_000, 8 * GIB))

ENCODERS = {
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "longformer",
}
ENCODERS |= {"modernbert", "mpnet", "roberta", "xlm-roberta"}
A_CAUSAL_MODEL = "train from scratch (model.preset) or name a causal model such as Qwen/Qwen2.5-Coder-0.5B"


FILES_OF_A_MODEL = (model_files.CONFIG, "model*.safetensors*", *model_files.PROMPT_FILES)


def choose_preset(asked: str, num_tokens: int, device: torch.device, memory_bytes: int) -> str:
    """`asked`, or for "auto" what `num_tokens` distinct tokens of the corpus and the device's memory allow."""
    if asked != "auto":
        return asked
    if device.type == "cpu":
        return "tiny"
    for name, needed_tokens, needed_bytes in AUTO_NEEDS:
        if num_tokens >= needed_tokens and memory_bytes >= 0.9 * needed_bytes:
            return name
    return "tiny"


def build_preset(
    preset: str,
    *,
    vocab_size: int,
    max_positions: int,
    control: ControlTokens,
    seed: int,
    dropout: float = 0.0,
) -> nn.Module:
    """A freshly initialised LlamaForCausalLM; the same seed gives the same weights on every machine."""
    from transformers.models.llama import LlamaConfig, LlamaForCausalLM

    shape = PRESETS[preset]
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        bos_token_id=control.begin,
        eos_token_id=control.end,
        pad_token_id=control.pad,
        attn_implementation="sdpa",
    )
    torch.manual_seed(key_for(seed, "weights"))
    model = LlamaForCausalLM(config)
    if dropout:
        add_dropout(model, dropout)
    return model


def fresh_like(directory: Path, seed: int) -> nn.Module:
    """A model of the exported one's shape with the weights it had before its training from scratch."""
    config = foreign_model.read_config(str(directory), directory)
    torch.manual_seed(key_for(seed, "weights"))
    return foreign_model.build(str(directory), config)


def preset_of(directory: Path) -> str | None:
    """The name of the preset that has the exported model's shape, None for any other model."""
    described = model_files.read_config(str(directory), directory)
    keys = ("hidden_size", "num_hidden_layers", "intermediate_size")
    shape = tuple(described.get(key) for key in keys)
    known = {name: (p.hidden_size, p.num_layers, p.feed_forward) for name, p in PRESETS.items()}
    return next((name for name, of_preset in known.items() if of_preset == shape), None)


def add_dropout(model: PreTrainedModel, rate: float) -> None:
    """Drop what attention and feed-forward add to the residual stream; parameter names stay as they are."""
    drop = nn.Dropout(rate)

    def hook(module: nn.Module, _inputs, output: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(output, drop.p, module.training)

    for layer in model.model.layers:
        layer.self_attn.o_proj.register_forward_hook(hook)
        layer.mlp.down_proj.register_forward_hook(hook)


def load_pretrained(name: str, *, window: int, vocab_size: int, seed: int = 0) -> nn.Module:
    """A causal model by hub name or local directory, in float32, with room for the dataset's vocabulary.

    Raises UserError for what is not there, is not whole, is not causal, or has fewer positions than the dataset's
    window. `seed` decides the rows that are added for entries that the model's vocabulary lacks.
    """
    _refuse_codebert(name)
    silence_transformers()
    directory = model_files.find_directory(name)
    config = foreign_model.read_config(name, directory)
    _refuse_encoders(name, config)
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    check_positions(name, positions, window)
    if not Path(name).expanduser().is_dir():  # on the hub: large weights are fetched once all else fits
        directory = model_files.find_directory(name, FILES_OF_A_MODEL)
    model = foreign_model.load(name, directory, config)
    setattr(model, foreign_model.CHAT_TEMPLATE, model_files.read_chat_template(name, directory))
    check_causal(name, model)
    num_before = model.get_input_embeddings().weight.shape[0]
    if num_before < vocab_size:
        model.resize_token_embeddings(vocab_size, mean_resizing=False)
        draw_rows(model, range(num_before, vocab_size), seed)
    return model


@torch.no_grad()
def draw_rows(model: PreTrainedModel, ids: Collection[int], seed: int) -> None:
    """Rows of the embedding (and the head) for entries that the model never saw, drawn by the seed.

    The mean of the others plus a tenth of their spread: no new entry is likelier than a usual one, no two are equal.
    Without it they would be what a release has left in them: zeros, or one row many times.
    """
    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    weights = {
        id(t.weight): t.weight for t in tables if t is not None and len(t.weight) > max(ids, default=0)
    }
    for number, weight in enumerate(weights.values()):
        known = torch.ones(len(weight), dtype=torch.bool)
        known[list(ids)] = False
        mean, spread = weight[known].mean(0), weight[known].std(0)
        for index in ids:
            generator = torch.Generator().manual_seed(key_for(seed, "rows", number, index) % 2**63)
            weight[index] = mean + 0.1 * spread * torch.randn(len(mean), generator=generator)


def _refuse_codebert(name: str) -> None:
    if "codebert" in name.lower() and not Path(name).exists():
        raise UserError(
            f"model.pretrained_model: {name} is not a causal model (it reads both ways) and has 514 positions; "
            f"{A_CAUSAL_MODEL}"
        )


def silence_transformers() -> None:
    """No progress bars and no reports of its own: logs are plain lines."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _refuse_encoders(name: str, config) -> None:
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False) or (
        kind in ENCODERS and not getattr(config, "is_decoder", False)
    ):
        positions = getattr(config, "max_position_embeddings", "few")
        raise UserError(
            f"model.pretrained_model: {name} is not a causal model ({kind} reads both ways, {positions} "
            f"positions); {A_CAUSAL_MODEL}"
        )


def check_positions(name: str, positions: int | None, window: int) -> None:
    """Raises UserError when the dataset's windows are longer than what the model can read."""
    if positions is not None and positions < window:
        raise UserError(
            f"the dataset's windows have {window} tokens, but {name} has {positions} positions; "
            f"build the dataset with --max-tokens {positions} or choose another model"
        )


@torch.no_grad()
def check_causal(name: str, model: PreTrainedModel) -> None:
    """Raises UserError when a later token changes an earlier logit: such a loss would mean nothing."""
    was_training = model.training
    model.eval()
    ids = torch.arange(1, 9)[None].repeat(2, 1) % model.get_input_embeddings().weight.shape[0]
    ids[1, -1] = 0
    with reading(f"cannot use {name}", A_CAUSAL_MODEL):
        logits = model(input_ids=ids.to(next(model.parameters()).device), use_cache=False).logits
    model.train(was_training)
    if not bool(torch.isfinite(logits).all()):
        raise UserError(f"cannot use {name}: its logits are not finite; {A_CAUSAL_MODEL}")
    if not torch.allclose(logits[0, :-1], logits[1, :-1], atol=1e-4):
        raise UserError(
            f"{name} is not a causal model: a later token changes earlier logits; {A_CAUSAL_MODEL}"
        )


def num_parameters(model: PreTrainedModel, *, trainable_only: bool = False) -> int:
    quantized = 0 if trainable_only else num_quantized(model)
    return quantized + sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


# --- the arithmetic it needs ----------------------------------------------------------------------------------


TRAINED, FROZEN = 6, 4
ATTENTION = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Operations of one training step, by the token and by the pair of tokens that attention joins: for MFU, the share
    of a device's peak that training uses (2204.02311, appendix B).

    A weight multiplies and adds once in the forward pass and twice in the backward pass: 6 operations a token, 4 where
    it is frozen. Attention of a token over the n tokens up to it: 12 x layers x width x n. Only what documents need
    counts: no padding, no pair of tokens in different documents, nothing that is computed again.
    """

    per_token: float
    per_pair: float

    def of_documents(self, lengths: np.ndarray) -> float:
        """Of documents with so many tokens each; a causal pass joins half of all pairs."""
        lengths = lengths.astype(np.float64)
        return float(self.per_token * lengths.sum() + self.per_pair * (lengths**2).sum() / 2)


def flops_of(model: PreTrainedModel) -> Flops:
    """Of a causal transformer. Input embeddings are looked up, not multiplied, unless they are the head as well."""
    from effectiveness.trainer.lora import num_quantized  # which needs the devices, and they this table

    head, embedded = model.get_output_embeddings(), model.get_input_embeddings()
    is_tied = head is not None and head.weight is embedded.weight
    multiplied = [p for p in model.parameters() if p is not embedded.weight or is_tied]
    config = model.config.get_text_config()
    num_heads = getattr(config, "num_attention_heads", None) or 0
    width = num_heads * (getattr(config, "head_dim", None) or config.hidden_size // max(num_heads, 1))
    return Flops(
        per_token=float(FROZEN * num_quantized(model))
        + float(sum(p.numel() * (TRAINED if p.requires_grad else FROZEN) for p in multiplied)),
        per_pair=float(ATTENTION * config.num_hidden_layers * width),
    )
