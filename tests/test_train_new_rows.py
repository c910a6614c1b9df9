"""Tokens that a base lacks, learnt beside its adapters: their rows alone are trained, kept and handed on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from training_fixtures import command, llama, model_of

from effectiveness.common.records import UserError
from effectiveness.trainer import adapters, models
from effectiveness.trainer.adapters import train_rows
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.export import merged_tensors
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.objective import Objective
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

NEW = (3, 90, 96)
LORA = ["quantization.lora_enabled=true", "model.pretrained_model=x"]
ADAPTED = ["--set", "quantization.lora_enabled=true", "--set", "objectives.fim_rate=0.5"]
ADAPTED += ["--set", "quantization.lora_dropout=0.1", "--set", "training.save_steps=2"]


@pytest.fixture
def base(sequences, tmp_path) -> Path:
    """A foreign model whose tokenizer has no fill-in-the-middle, though its table has room for it."""
    directory = llama(tmp_path / "base", sequences.parent / "tokenizer")
    parsed = json.loads((directory / "tokenizer.json").read_text())
    parsed["added_tokens"] = [t for t in parsed["added_tokens"] if "fim" not in t["content"]]
    (directory / "tokenizer.json").write_text(json.dumps(parsed))
    return directory


def fim_ids(sequences: Path) -> list[int]:
    parsed = json.loads((sequences.parent / "tokenizer" / "tokenizer.json").read_text())
    return sorted(t["id"] for t in parsed["added_tokens"] if "fim" in t["content"])


def adapted(architecture: str, *, tied: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    model = model_of(architecture)
    config = model.config
    config.tie_word_embeddings = tied
    model = type(model)(config)
    settings = load_config(None, [*LORA, "quantization.lora_dropout=0"])
    adapters.adapt(model, settings.quantization, 1, NEW)
    return model.eval()


def loss_of(objective: Objective) -> torch.Tensor:
    ids = np.array([5, 90, 7, 3, 3, 96, 8, 9])
    return objective(collate([[(0, ids[:-1], ids[1:], 1.0)]], window=8, pad=1))


# --- the command -----------------------------------------------------------------------------------------------


def test_a_base_without_the_tokens_of_gaps_learns_their_rows_alone_and_exports_them(
    sequences, base, tmp_path, capsys
):
    from transformers import AutoModelForCausalLM

    flags = [*ADAPTED, "--set", f"model.pretrained_model={base}"]
    whole = tmp_path / "whole"
    assert main(command(sequences, whole, *flags, "--set", "training.max_steps=4")) == 0
    new = fim_ids(sequences)
    assert f"and {len(new)} new tokens" in capsys.readouterr().out
    before, after = (load_file(place / "model.safetensors") for place in (base, whole))
    for table in ("model.embed_tokens.weight", "lm_head.weight"):
        same = (before[table] == after[table]).all(1)
        assert sorted((~same).nonzero()[:, 0].tolist()) == new
        assert torch.pdist(after[table][new]).min() > 0
    saved = load_file(whole / "checkpoints" / "step-00000004" / "model.safetensors")
    assert {n.rpartition(".")[2] for n in saved} == {"lora_a", "lora_b", "rows"}
    assert {t.shape[0] for n, t in saved.items() if n.endswith("rows")} == {len(new)}
    kept = load_file(whole / "adapter" / "adapter_model.safetensors")
    rows = kept["base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"]
    assert torch.equal(rows, after["model.embed_tokens.weight"][new])
    described = json.loads((whole / "adapter" / "adapter_config.json").read_text())
    assert described["trainable_token_indices"] == {"embed_tokens": new, "lm_head": new}
    assert (whole / "adapter" / "tokenizer.json").is_file()
    AutoModelForCausalLM.from_pretrained(whole)


def test_rows_of_new_tokens_resume_bit_for_bit(sequences, base, tmp_path):
    flags = [*ADAPTED, "--set", f"model.pretrained_model={base}", "--set", "training.max_steps=4"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(command(sequences, whole, *flags)) == 0
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints" / "step-00000004")
    assert main(command(sequences, stopped, *flags, "--resume")) == 0
    one, two = (
        load_file(place / "checkpoints" / "step-00000004" / "model.safetensors") for place in (whole, stopped)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert load_file(whole / "model.safetensors").keys() == load_file(stopped / "model.safetensors").keys()


# --- what is computed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma"])  # the last scales what it looks up
def test_rows_have_the_gradients_they_have_in_a_whole_table(architecture, tied):
    model = adapted(architecture, tied=tied)
    loss_of(Objective(model)).backward()
    found = {
        name: p.grad for name, p in model.named_parameters() if p.grad is not None and name.endswith("rows")
    }
    assert len(found) == (1 if tied else 2)
    plain = type(model)(model.config).eval()
    plain.load_state_dict(merged_tensors(model, torch.float32))
    ids = torch.tensor([[5, 90, 7, 3, 3, 96, 8, 9]])
    logits = plain(input_ids=ids[:, :-1], use_cache=False).logits[0]
    assert torch.allclose(logits, model(input_ids=ids[:, :-1], use_cache=False).logits[0], atol=1e-5)
    F.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
    tables = [plain.get_input_embeddings().weight] + ([] if tied else [plain.get_output_embeddings().weight])
    for grad, table in zip(found.values(), tables, strict=True):
        assert torch.allclose(grad, table.grad[list(NEW)], atol=1e-5)
        assert grad.abs().max() > 0


def test_only_these_rows_are_counted_and_have_optimizer_state():
    model, without = adapted("llama", tied=True), model_of("llama")
    settings = load_config(None, LORA)
    adapters.adapt(without, settings.quantization, 1)
    more = models.num_parameters(model, trainable_only=True) - models.num_parameters(
        without, trainable_only=True
    )
    assert more == len(NEW) * 32


def test_rows_that_a_release_left_alike_are_drawn_apart():
    model = model_of("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[list(NEW)] = 0.0
    others = model.get_input_embeddings().weight[10:20].clone()
    models.draw_rows(model, NEW, seed=1)
    rows = model.get_input_embeddings().weight[list(NEW)]
    assert torch.pdist(rows).min() > 0 and torch.equal(model.get_input_embeddings().weight[10:20], others)


def test_a_model_that_reads_its_embedding_apart_is_refused_in_a_line():
    model = model_of("llama")
    plain = type(model.lm_head)
    table = model.model.embed_tokens.weight

    class Reader(plain):
        def forward(self, x):
            return F.linear(x, table)

    model.lm_head = Reader(32, 97, bias=False)
    with pytest.raises(UserError, match="of a kind of its own"):
        train_rows(model, NEW)
    model.lm_head = plain(32, 97, bias=False)
    model.lm_head.register_forward_hook(lambda _m, inputs, _o: F.linear(inputs[0], table))
    with pytest.raises(UserError, match="reads its embedding apart"):
        train_rows(model, NEW)


def test_tokens_that_the_task_does_not_need_are_not_trained(sequences, base, tmp_path, capsys):
    flags = [
        "--set",
        "quantization.lora_enabled=true",
        "--set",
        f"model.pretrained_model={base}",
        "--dry-run",
    ]
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    assert "new tokens" not in capsys.readouterr().out
