"""Every family of causal models: packed documents are scored as if each were alone, or they are not packed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from training_fixtures import command, open_trainer, small_files, use_tiny_models, write_dataset
from transformers import LlamaForCausalLM

from benchmarks.architecture_shapes import FAMILIES, config_of, known_families, model_of
from effectiveness.common.records import UserError
from effectiveness.trainer import foreign_model
from effectiveness.trainer.adapters import adapt, add_adapters
from effectiveness.trainer.attention import MASKED, NAME
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.export import merged_tensors
from effectiveness.trainer.lora import LoraLinear
from effectiveness.trainer.micro_batches import MicroBatch, collate
from effectiveness.trainer.models import check_causal
from effectiveness.trainer.objective import Objective
from training.model_trainer_unified import main

VOCAB_SIZE, WINDOW, SAME_NATS = 320, 64, 1e-4
LENGTHS = (17, 9, 30, 8, 25)
# How packed documents are kept apart, as seen; None: nothing may be packed.
SHORT = {
    **dict.fromkeys(("opt", "granite", "cohere2", "qwen2_moe", "deepseek_v3", "lfm2", "llama4_text"), NAME),
    **dict.fromkeys(("gemma2", "gptj", "stablelm"), MASKED),  # capped scores, own attention, cut heads
    **dict.fromkeys(("falcon", "bloom", "mamba", "gpt_oss"), None),
}
LONG = [family for family in FAMILIES if family not in SHORT]


def documents() -> list[tuple[int, np.ndarray, np.ndarray, float]]:
    rng = np.random.default_rng(0)
    texts = [rng.integers(3, VOCAB_SIZE, length) for length in LENGTHS]
    return [(row, text[:-1], text[1:], 1.0) for row, text in enumerate(texts)]


def line_of(pack: list) -> MicroBatch:
    return collate([pack], window=WINDOW, pad=0)


def scored(objective: Objective, pack: list) -> torch.Tensor:
    return objective(line_of(pack), per_token=True)[0, : sum(len(inputs) for _, inputs, _, _ in pack)]


@torch.no_grad()
def whole_models_nats(objective: Objective, document: tuple) -> torch.Tensor:
    _, inputs, targets, _ = document
    logits = objective.model(input_ids=torch.tensor(inputs)[None], use_cache=False).logits[0].float()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="none")


def check(family: str) -> str | None:
    model = model_of(family, vocab_size=VOCAB_SIZE)
    try:
        check_causal(family, model)
    except UserError:  # Doge reads ahead in transformers 5.17
        return "refused"
    objective = Objective(model).eval()
    apart = [scored(objective, [document]) for document in documents()]
    own = [whole_models_nats(objective, document) for document in documents()]
    assert torch.allclose(torch.cat(apart), torch.cat(own), atol=SAME_NATS), "the head is not the model's"
    if objective.attention is not None:
        together = [scored(objective, documents()[:3]), scored(objective, documents()[3:])]
        assert torch.allclose(torch.cat(together), torch.cat(apart), atol=SAME_NATS), (
            "documents see each other"
        )
    return objective.attention


@pytest.mark.parametrize("family", SHORT)
def test_packed_documents_are_scored_as_alone_or_not_packed(family):
    assert check(family) == SHORT[family]


@pytest.mark.torture
@pytest.mark.parametrize("family", LONG)
def test_packed_documents_are_scored_as_alone_or_not_packed_in_every_family(family):
    if family not in known_families():
        pytest.skip(f"this transformers does not know {family}")
    check(family)


def test_what_the_short_list_says_of_isolation_is_what_gradients_say():
    """A training step over packed documents has the gradients of the documents one by one."""
    model = model_of("gemma2", vocab_size=VOCAB_SIZE)
    objective = Objective(model).train()
    found = []
    for packs in ([documents()[:3]], [[document] for document in documents()[:3]]):
        model.zero_grad()
        for pack in packs:
            objective(line_of(pack)).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert float((found[0] - found[1]).norm()) < 1e-4 * float(found[1].norm())


def test_a_layer_whose_weight_is_read_instead_of_called_has_its_adapter_trained_and_merged():
    model = model_of("mamba", vocab_size=VOCAB_SIZE, strength=1.0).train()
    torch.manual_seed(0)
    add_adapters(model, rank=4, alpha=8, dropout=0.0, targets=["dt_proj", "in_proj"])
    for name, weight in model.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.normal_(weight, std=0.1)
    ids = torch.tensor(documents()[0][1])[None]
    adapted = model(input_ids=ids, use_cache=False).logits
    adapted.square().sum().backward()
    assert all(bool(p.grad.any()) for p in model.parameters() if p.requires_grad)
    plain = model_of("mamba", vocab_size=VOCAB_SIZE).eval()
    plain.load_state_dict(merged_tensors(model, torch.float32))
    assert torch.allclose(plain(input_ids=ids, use_cache=False).logits, adapted, atol=1e-4)


def check_adapted(family: str, settings: list[str]) -> None:
    """Adapters and rows of new tokens, merged into a plain model: it computes what they do."""
    model = model_of(family, vocab_size=VOCAB_SIZE, strength=1.0)
    config = load_config(None, ["quantization.lora_enabled=true", "model.pretrained_model=x", *settings])
    adapt(model, config.quantization, 1, new_ids=(3, 300, 319))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("lora_b", "rows")):
                torch.nn.init.normal_(weight, std=0.1)
    ids = torch.tensor([[5, 300, 7, 3, 3, 319, 8, 9]])
    adapted = model.eval()(input_ids=ids, use_cache=False).logits
    adapted.square().sum().backward()
    assert all(bool(p.grad.any()) for name, p in model.named_parameters() if name.endswith("rows"))
    plain = model_of(family, vocab_size=VOCAB_SIZE, strength=1.0).eval()
    plain.load_state_dict(merged_tensors(model, torch.float32))
    assert torch.allclose(plain(input_ids=ids, use_cache=False).logits, adapted, atol=1e-4, rtol=1e-4)


KINDS = {
    "plain": [],
    "lengths": ["quantization.lora_dora=true"],
    "4 bits": ["quantization.load_in_4bit=true"],
}


@pytest.mark.parametrize("family", ["gemma2", "falcon", "phi", "mamba", "ctrl"])
def test_adapters_and_new_tokens_are_merged_to_what_they_compute(family):
    check_adapted(family, KINDS["plain"])


@pytest.mark.torture
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_of_every_kind_are_merged_to_what_they_compute_in_every_family(family, kind):
    if family not in known_families():
        pytest.skip(f"this transformers does not know {family}")
    check_adapted(family, KINDS[kind])


@pytest.mark.parametrize(
    "family", ["falcon", "llama4_text"]
)  # linear layers and a router, both with a forward of their own
def test_layers_of_a_kind_of_their_own_get_adapters_where_they_give_what_a_linear_layer_gives(family):
    model = model_of(family, vocab_size=VOCAB_SIZE)
    add_adapters(model, rank=2, alpha=4, dropout=0.0, targets=["all-linear"])
    adapted = {name for name, module in model.named_modules() if isinstance(module, LoraLinear)}
    assert any("attention" in name or "self_attn" in name for name in adapted)
    assert not any(name.endswith("router") for name in adapted)
    model(input_ids=torch.arange(4)[None], use_cache=False).logits.sum().backward()


def test_an_infinite_limit_is_read_as_transformers_writes_it(tmp_path):
    model_of("mamba2", vocab_size=VOCAB_SIZE).save_pretrained(tmp_path)
    assert "__float__" in (tmp_path / "config.json").read_text()
    assert foreign_model.read_config("m", tmp_path).time_step_limit[1] == math.inf


def test_a_model_that_cannot_write_is_exported_without_completions(tmp_path, monkeypatch, capfd):
    """transformers' cache wants a layer of attention, which a model of linear ones does not have."""
    use_tiny_models(monkeypatch)
    sequences = write_dataset(tmp_path / "d", window=128)
    flags = ["--set", "training.max_steps=1", "--set", "evaluation.completions=1"]

    def cannot(*_arguments, **_settings):
        raise ValueError("`get_seq_length` can only be called on Attention layers")

    monkeypatch.setattr(LlamaForCausalLM, "generate", cannot)
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    assert (
        "completions of held-out files are left out: llama cannot write: ValueError" in capfd.readouterr().out
    )


def test_a_model_without_fused_attention_is_loaded_with_its_own_and_said_to_be_unpacked(
    tmp_path, monkeypatch, capfd
):
    use_tiny_models(monkeypatch)
    sequences = write_dataset(tmp_path / "d", files=small_files(per_split={"train": 3, "val": 1, "test": 1}))
    run, _ = open_trainer(sequences, tmp_path / "x")
    base = tmp_path / "base"
    model_of("bloom", vocab_size=run.dataset.vocab_size).save_pretrained(base)
    for file in run.dataset.tokenizer.iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    flags = ["--set", f"model.pretrained_model={base}", "--set", "training.max_steps=1"]
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    assert "packing off: bloom lets documents in one sequence see each other" in capfd.readouterr().out
    assert json.loads((tmp_path / "m" / "config.json").read_text())["model_type"] == "bloom"
    config = config_of("bloom", vocab_size=VOCAB_SIZE)
    assert foreign_model.attention_of(config) == "eager"
