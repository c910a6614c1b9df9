"""In transformers' `generate` the memory and a model are the distribution that they are together elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from memory_sample import VOCAB_SIZE, encode, sample_memory, source
from transformers import LlamaConfig, LlamaForCausalLM

from effectiveness.completion.generation import MemoryLogits
from effectiveness.completion.lines import Predictor
from effectiveness.completion.network import Network

PAD = VOCAB_SIZE - 1


@pytest.fixture(scope="module")
def memory():
    return sample_memory()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=VOCAB_SIZE + 6, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=256, eos_token_id=None, pad_token_id=PAD,
    )  # fmt: skip
    return LlamaForCausalLM(shape).eval()


@pytest.fixture(scope="module")
def prompt() -> list[int]:
    return encode(source(99))[:90].tolist()


@pytest.mark.parametrize("share", [None, 0.0, 0.3, 1.0])
def test_the_scores_are_log_probabilities_of_the_memorys_tokens_and_of_no_other(memory, model, prompt, share):
    processor = MemoryLogits(memory.reader(), share)
    scores = torch.randn(2, VOCAB_SIZE + 6)
    ids = torch.tensor([prompt, [PAD] * 40 + prompt[:50]])
    joined = processor(ids, scores)
    assert joined.shape == scores.shape
    assert torch.exp(joined).sum(-1).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert torch.isinf(joined[:, VOCAB_SIZE:]).all()
    if share == 1.0:
        assert torch.allclose(
            joined[:, :VOCAB_SIZE], torch.log_softmax(scores[:, :VOCAB_SIZE], -1), atol=1e-4
        )


def test_a_row_is_read_by_itself_and_padding_is_not_read(memory, prompt):
    processor = MemoryLogits(memory.reader(), control=[PAD])
    scores = torch.zeros(2, VOCAB_SIZE)
    both = processor(torch.tensor([prompt, [PAD] * 40 + prompt[:50]]), scores)
    alone = processor(torch.tensor([prompt[:50]]), scores[:1])
    assert torch.equal(both[1], alone[0]) and not torch.equal(both[0], both[1])


def test_greedy_generation_is_the_joined_predictors_likeliest_token_at_each_step(memory, model, prompt):
    ids = torch.tensor([prompt])
    settings = {"do_sample": False, "max_new_tokens": 12, "attention_mask": torch.ones_like(ids)}
    generated = model.generate(ids, logits_processor=[MemoryLogits(memory.reader())], **settings)
    network = Network(model=model, vocab_size=VOCAB_SIZE, begin=prompt[0], window=256)
    reader = memory.reader()
    reader.skim(prompt)
    before = reader.probabilities()
    predictor, written = Predictor(reader, network.after(prompt[1:])), ()
    for _ in range(12):
        [(tokens, _)] = predictor.top([written], 1)
        written = (*written, int(tokens[0]))
    assert generated[0, len(prompt) :].tolist() == list(written)
    assert np.array_equal(reader.probabilities(), before)


def test_a_share_outside_of_0_to_1_is_refused(memory):
    with pytest.raises(ValueError, match="share must be in"):
        MemoryLogits(memory.reader(), 1.5)


def test_skimming_counts_what_feeding_counts_and_moves_no_weight(memory, prompt):
    fed, skimmed = memory.reader(), memory.reader()
    with fed.trial(frozen=True):
        fed.feed(prompt)
        expected = fed.probabilities()
    before = skimmed.learned()
    skimmed.skim(prompt)
    assert np.array_equal(skimmed.probabilities(), expected)
    assert skimmed.learned() == before
