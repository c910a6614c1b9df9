"""A model behind the cursor: what is kept between keystrokes changes nothing, and it joins the memory."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_at_cursor import NAMES, source
from test_serve import write_repository
from transformers import AutoConfig, AutoModelForCausalLM

from effectiveness.common.records import UserError
from effectiveness.complete import main as complete
from effectiveness.completion import decoder as numpy_states
from effectiveness.completion import torch_states
from effectiveness.completion.at_cursor import Completer, Cursor
from effectiveness.completion.decoder import Decoder, NumpyStates, num_shared, open_decoder
from effectiveness.completion.network import CUT_STEP, NEW_TOKENS, Continuation, Network, nearest, open_model
from effectiveness.completion.torch_states import TorchStates
from effectiveness.corpus.tokenization.source import train_bpe
from effectiveness.serve.background import Background
from effectiveness.serve.knowledge import open_knowledge
from effectiveness.serve.repository import LiveRepository
from effectiveness.trainer import devices
from effectiveness.trainer.models import load_pretrained

WINDOW = 256
SETTINGS = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: False)


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory) -> Path:
    """Random weights: whatever it says, it has to say again."""
    from transformers import LlamaConfig, LlamaForCausalLM

    directory = tmp_path_factory.mktemp("model")
    train_bpe(iter([source(*NAMES)] * 3), 600, directory / "tokenizer.json")
    (directory / "tokenizer_config.json").write_text(json.dumps(SETTINGS))
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=600, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=WINDOW, fill_in_the_middle=True, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def by_torch(model_directory) -> Network:
    network = open_model(model_directory)[1]
    model = load_pretrained(str(model_directory), window=1, vocab_size=network.vocab_size).eval()
    return dataclasses.replace(network, model=model)


@pytest.fixture(scope="module", params=["numpy", "torch"])
def opened(model_directory, by_torch, request):
    coder, network = open_model(model_directory)
    assert isinstance(network.model, Decoder)
    return coder, network if request.param == "numpy" else by_torch


def fresh(network: Network) -> Network:
    return network.apart()


def test_a_prompt_whose_beginning_was_kept_says_what_it_says_when_read_anew(opened):
    coder, network = opened
    ids = coder.encode(source("apples", "plums"))[:150]
    network = fresh(network)
    for end in (100, 101, 103, 103, 60, 140):
        kept, anew = network.after(ids[:end]), fresh(network).after(ids[:end])
        for hypotheses in ([()], [(5,), (9,)], [(9, 7), (5, 1), (9, 2)]):
            rows = kept.probabilities(hypotheses)
            assert np.allclose(rows, anew.probabilities(hypotheses), atol=1e-5)
    assert num_shared(network.states.ids, network.states.ids) == len(network.states.ids) - 1


def test_a_prompt_is_read_as_far_as_there_is_time_and_on_from_there_the_next_time(opened, monkeypatch):
    for states in (numpy_states, torch_states):
        monkeypatch.setattr(states, "READ_TOKENS", 32)
    coder, network = opened
    ids = coder.encode(source(*NAMES))[:150]
    anew, network = fresh(network).after(ids).probabilities([()]), fresh(network)
    known = []
    for end in (148, 149, 149, 150, 150):
        was_read = network.after(ids[:end]).read_in_time(lambda: True)
        known.append(len(network.states.ids))
        assert was_read == (known[-1] == end + 1)
    assert known == [32, 64, 96, 128, 151]
    assert np.allclose(network.after(ids).probabilities([()]), anew, atol=1e-5)


def test_a_model_that_cannot_read_in_time_is_left_out_of_the_answer(model_directory, tmp_path, monkeypatch):
    coder, network = open_model(model_directory)
    repository = LiveRepository.open(write_repository(tmp_path / "repository"))
    known = open_knowledge(repository, None, lambda: network, 0.0, coder=coder)
    asked = []
    monkeypatch.setattr(Continuation, "read_in_time", lambda *_: asked.append(1) and False)
    cursor = Cursor(prefix="def load_figs(path, limit):\n    with op", suffix="\n")
    assert known.answer(cursor).text == 'en(path, encoding="utf-8") as source:' and asked
    alone = Completer(coder=coder, network=network, quiet_below=0.0)
    assert alone.answer(cursor).text == ""


def test_hypotheses_side_by_side_say_what_each_says_alone(opened, by_torch):
    coder, network = opened
    ids = coder.encode(source("apples"))[:80]
    continuation = fresh(network).after(ids)
    for hypotheses in (
        [()],
        [(5,), (9,), (40,)],
        [(9, 7), (5, 1), (9, 2)],
        [(9, 2, 3), (5, 1, 3), (9, 2, 4)],
    ):
        for row, hypothesis in zip(continuation.probabilities(hypotheses), hypotheses, strict=True):
            inputs = [network.begin, *ids, *hypothesis]
            [alone] = next(by_torch.rows(inputs, len(inputs) - 1))
            assert np.allclose(row, alone, atol=1e-5)


KINDS = {
    "llama": {"num_key_value_heads": 2, "head_dim": 8},
    "mistral": {"num_key_value_heads": 2, "sliding_window": None, "tie_word_embeddings": True},
    "qwen2": {"num_key_value_heads": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    "qwen3": {"num_key_value_heads": 4, "head_dim": 16, "tie_word_embeddings": True},
}


def write_model(directory: Path, kind: str, **settings) -> Path:
    shape = {"vocab_size": 70, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 400}  # fmt: skip
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape | settings))
    for parameter in model.parameters():  # as different from ones and zeros as those of a trained model
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(directory)
    return directory


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_computes_what_transformers_computes(kind, tmp_path):
    decoder = open_decoder(write_model(tmp_path, kind, **KINDS[kind]))
    assert decoder is not None
    model = load_pretrained(str(tmp_path), window=1, vocab_size=70).eval()
    ids = np.random.default_rng(1).integers(0, 70, 300)  # more than a block of queries
    expected = next(TorchStates(model).over(ids, 290, 60))
    assert np.allclose(next(NumpyStates(decoder).over(ids, 290, 60)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gpt2", {"n_embd": 32, "n_head": 2}),
        ("llama", {"mlp_bias": True}),
        ("llama", {"attention_bias": True}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}),
        ("mistral", {"sliding_window": 16}),
        ("qwen2", {"dtype": "bfloat16"}),
    ],
)
def test_what_numpy_does_not_compute_is_left_to_torch(kind, settings, tmp_path):
    assert open_decoder(write_model(tmp_path, kind, **settings)) is None


@pytest.mark.parametrize("harm", ["missing", "too many", "not a number", "another shape"])
def test_weights_that_do_not_fit_are_refused_by_the_one_loader(harm, tmp_path, model_directory):
    shutil.copytree(model_directory, tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.1.mlp.down_proj.weight"
    tensor = tensors.pop(name)
    harmed = {"missing": {}, "too many": {name: tensor, "model.more": tensor.clone()},
              "not a number": {name: tensor * np.nan}, "another shape": {name: tensor[1:]}}  # fmt: skip
    save_file(
        tensors | {key: value.contiguous() for key, value in harmed[harm].items()}, file, {"format": "pt"}
    )
    with pytest.raises(UserError, match="cannot load"):
        open_model(tmp_path / "model")


def test_a_long_prompt_keeps_its_end_and_is_cut_where_it_was_cut_before():
    ids = list(range(1000))
    room = WINDOW - NEW_TOKENS
    cuts = [nearest(ids[:end], room) for end in range(900, 960)]
    assert all(
        len(cut) <= room and cut[-1] == end - 1 for cut, end in zip(cuts, range(900, 960), strict=True)
    )
    assert len({cut[0] for cut in cuts}) <= 60 // min(CUT_STEP, room // 2) + 2
    assert nearest(ids[:5], room) == ids[:5]


def test_a_gap_of_any_length_fits_into_the_window(opened):
    coder, network = opened
    ids = coder.encode(source(*NAMES))
    for is_suffix_first, last in ((False, network.fim[2]), (True, ids[-1])):
        asked = dataclasses.replace(fresh(network), fills_suffix_first=is_suffix_first)
        continuation = asked.between(ids, ids)
        assert len(continuation._prompt) <= WINDOW - NEW_TOKENS
        marks = [continuation._prompt.count(mark) for mark in network.fim]
        assert marks == [1, 1, 1] and continuation._prompt[-1] == last
        assert continuation.probabilities([()]).sum() == pytest.approx(1, abs=1e-4)


def test_a_keystroke_in_a_gap_with_the_suffix_first_changes_only_the_end_of_the_prompt(opened):
    coder, network = opened
    asked, ids = dataclasses.replace(fresh(network), fills_suffix_first=True), coder.encode(source(*NAMES))
    before, after = (asked.between(ids[:end], ids)._prompt for end in (20, 21))
    assert after[: len(before)] == before and len(after) == len(before) + 1


@pytest.mark.parametrize("suffix", [None, "\n    return found\n"])
def test_a_model_alone_answers_and_heals_the_word_that_was_begun(opened, suffix):
    coder, network = opened
    completer = Completer(coder=coder, network=fresh(network), quiet_below=0.0)
    prefix = "def load_figs(path, limit):\n    with op"
    answer = completer.answer(Cursor(prefix=prefix, suffix=suffix, max_lines=2, max_tokens=20))
    assert answer.ids and 0 < answer.probability <= 1
    again = completer.answer(Cursor(prefix=prefix, suffix=suffix, max_lines=2, max_tokens=20))
    assert (again.text, again.probability) == (answer.text, pytest.approx(answer.probability, rel=1e-3))


def test_memory_and_model_answer_together_and_are_fitted_for_each_other(model_directory, tmp_path):
    coder, network = open_model(model_directory)
    repository = LiveRepository.open(write_repository(tmp_path / "repository"))
    known = open_knowledge(repository, None, lambda: network, 0.25, coder=coder)
    assert known.what == f"memory of {len(NAMES) + 1} files and model"
    cursor = Cursor(prefix="def load_figs(path, limit):\n    with op", suffix="\n")
    assert known.answer(cursor).text == 'en(path, encoding="utf-8") as source:'
    Background(known, lambda _: None).fit()
    assert known.is_fitted
    assert known.answer(cursor).text == 'en(path, encoding="utf-8") as source:'


def test_complete_joins_the_memory_of_a_repository_and_says_who_answered(model_directory, tmp_path, capsys):
    root = write_repository(tmp_path / "repository")
    text = "def load_figs(path, limit):\n    with op"
    assert complete([str(model_directory), text, "--repository", str(root)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f'{text}en(path, encoding="utf-8") as source:')
    assert err == f"answered by memory of {len(NAMES) + 1} files and model\n"
    alone = [str(model_directory), text, "--repository", str(root), "--no-memory", "--device", "cpu"]
    assert complete([*alone, "--set", "inference.max_new_tokens=4"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(text) and err == "answered by the model alone\n"


@pytest.mark.parametrize("more", [["--set", "inference.top_k=3"], ["--seed", "3"]])
def test_a_flag_of_the_model_alone_is_not_ignored(model_directory, more, capsys):
    assert complete([str(model_directory), "x", "--repository", ".", *more]) == 2
    assert "--no-memory" in capsys.readouterr().err


def test_the_server_needs_no_torch_without_a_model(tmp_path):
    import subprocess

    root = write_repository(tmp_path / "repository")
    code = f"""
import sys
from pathlib import Path
from effectiveness.serve import command, repository
from effectiveness.serve.knowledge import open_knowledge
known = open_knowledge(repository.LiveRepository.open(Path({str(root)!r})), None, lambda: None, 0.2)
print(sorted({{"torch", "transformers"}} & set(sys.modules)), known.what)"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("[] memory of")
