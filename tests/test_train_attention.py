"""Attention document by document on a CPU: the sums of the mask, and the mask wherever documents are no matter."""

import json

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from effectiveness.trainer.attention import (
    MASKED,
    NAME,
    _lengths,
    attend_by_document,
    bounds_of,
    choose_attention,
    model_inputs,
)
from effectiveness.trainer.micro_batches import MicroBatch, collate

SIZES = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
POSITIONS = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 0, 0, 1, 2, 3]])  # one document, and three


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=4, num_key_value_heads=2)).eval()


def logits_and_gradients(model, **inputs) -> list[torch.Tensor]:
    model.zero_grad()
    logits = model(**(inputs | {"use_cache": False})).logits
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad.clone() for p in model.parameters())]


def test_document_by_document_gives_the_logits_and_gradients_of_the_mask(model):
    inputs = {"input_ids": torch.randint(50, POSITIONS.shape), "position_ids": POSITIONS}
    masked = logits_and_gradients(model, **inputs)
    assert choose_attention(model) == NAME == model.config._attn_implementation
    batch = MicroBatch(labels=None, weights=None, rows=(), **inputs)
    for ours, theirs in zip(logits_and_gradients(model, **model_inputs(batch, NAME)), masked, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_in_half_precision_a_cpu_attends_to_each_document_in_float32(model, monkeypatch):
    """Its bfloat16 attention makes a kernel for every length of a document and keeps them all."""
    assert choose_attention(model, torch.bfloat16) == NAME
    seen, attend = [], torch.nn.functional.scaled_dot_product_attention

    def spy(query, key, value, **settings):
        found = attend(query, key, value, **settings)
        seen.append({states.dtype for states in (query, key, value, found)})
        return found

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    inputs = {"input_ids": torch.randint(50, POSITIONS.shape), "position_ids": POSITIONS}
    batch = MicroBatch(labels=None, weights=None, rows=(), **inputs)
    with torch.autocast("cpu", torch.bfloat16):
        logits_and_gradients(model, **model_inputs(batch, NAME))
    assert seen == [{torch.float32}] * 4 * SIZES["num_hidden_layers"]  # four documents


def test_bounds_of_positions_cut_lines_and_documents():
    bounds, longest = bounds_of(POSITIONS)
    assert bounds.tolist() == [0, 8, 11, 12, 16] and longest == 8
    assert _lengths(bounds.tolist(), 2, 8) == [[8], [3, 1, 4]]


def test_collate_gives_the_bounds_that_the_positions_have():
    documents = [(i, np.arange(n), np.arange(n), 1.0) for i, n in enumerate((5, 7, 40))]
    for packs in ([documents[:2], documents[2:]], [[documents[0]]], []):
        batch = collate(packs, window=64, pad=1)
        bounds, longest = bounds_of(batch.position_ids)
        assert batch.bounds.tolist() == bounds.tolist() and batch.longest == longest
        fixed = collate(packs, window=64, pad=1, num_lines=3)
        assert fixed.input_ids.shape == (3, 64) and fixed.longest == 64
        assert fixed.bounds.unique().tolist() == bounds_of(fixed.position_ids)[0].tolist()
        assert len(fixed.bounds) == 256


def test_a_padding_mask_and_a_cache_are_honoured(model):
    prompt = {
        "input_ids": torch.randint(2, 50, (2, 6)),
        "attention_mask": torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6]),
    }
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    expected = model.generate(**prompt, **settings)
    assert attend_by_document(model)
    assert torch.equal(model.generate(**prompt, **settings), expected)


def test_an_attention_that_lets_documents_see_each_other_is_not_used(model, monkeypatch):
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    monkeypatch.setattr("effectiveness.trainer.attention._attention", sdpa_attention_forward)
    assert choose_attention(model) == MASKED and model.config._attn_implementation == "sdpa"


def test_a_model_that_always_sees_other_documents_is_found_out(model):
    real = model.forward
    model.forward = lambda input_ids, **others: real(input_ids, use_cache=False)
    assert choose_attention(model) is None


def test_a_model_that_ignores_where_positions_restart_is_found_out():
    """Its second document is blind to the first one, but it is not what it is alone."""
    other = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2))
    real = other.forward
    other.forward = lambda position_ids=None, **others: real(**others)
    assert choose_attention(other) is None


def test_documents_longer_than_a_sliding_window_are_attended_within_it():
    torch.manual_seed(0)
    config = MistralConfig(**SIZES, num_attention_heads=4, num_key_value_heads=2, sliding_window=3)
    model = MistralForCausalLM(config).eval()
    inputs = {"input_ids": torch.randint(50, POSITIONS.shape), "position_ids": POSITIONS}
    masked = logits_and_gradients(model, **inputs)
    assert choose_attention(model) == NAME
    batch = MicroBatch(labels=None, weights=None, rows=(), **inputs)
    for ours, theirs in zip(logits_and_gradients(model, **model_inputs(batch, NAME)), masked, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_saved_model_does_not_ask_for_our_attention(model, tmp_path):
    assert attend_by_document(model)
    model.save_pretrained(tmp_path)
    assert NAME not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
