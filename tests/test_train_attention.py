"""Attention document by document on a CPU: the sums of the mask, and the mask wherever documents are no matter."""

import json

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from training.attention import NAME, _lengths, attend_by_document

SIZES = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
POSITIONS = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 0, 0, 1, 2, 3]])  # one document, and three


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=4, num_key_value_heads=2)).eval()


def logits_and_gradients(model, **inputs) -> list[torch.Tensor]:
    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad.clone() for p in model.parameters())]


def test_document_by_document_gives_the_logits_and_gradients_of_the_mask(model):
    inputs = {"input_ids": torch.randint(50, POSITIONS.shape), "position_ids": POSITIONS}
    masked = logits_and_gradients(model, **inputs)
    assert attend_by_document(model) and model.config._attn_implementation == NAME
    for ours, theirs in zip(logits_and_gradients(model, **inputs), masked, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_positions_are_cut_where_they_restart():
    assert [_lengths(line) for line in POSITIONS] == [[8], [3, 1, 4]]


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

    monkeypatch.setattr("training.attention._attention", sdpa_attention_forward)
    assert not attend_by_document(model) and model.config._attn_implementation == "sdpa"


def test_other_models_keep_their_attention():
    other = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2))
    assert not attend_by_document(other) and other.config._attn_implementation != NAME


def test_a_saved_model_does_not_ask_for_our_attention(model, tmp_path):
    assert attend_by_document(model)
    model.save_pretrained(tmp_path)
    assert NAME not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
