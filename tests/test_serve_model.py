"""A model behind the cursor: what is kept between keystrokes changes nothing, and it joins the memory."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_at_cursor import NAMES, source
from test_serve import write_repository

from effectiveness.complete import main as complete
from effectiveness.completion.at_cursor import Completer, Cursor
from effectiveness.completion.network import CUT_STEP, NEW_TOKENS, KeptPrompt, Network, nearest, open_model
from effectiveness.corpus.tokenization import train_bpe
from effectiveness.serve.background import Background
from effectiveness.serve.knowledge import open_knowledge
from effectiveness.serve.repository import LiveRepository

WINDOW = 256
SETTINGS = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}


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
def opened(model_directory):
    return open_model(model_directory)


def fresh(network: Network) -> Network:
    return dataclasses.replace(network, kept=KeptPrompt())


def test_a_prompt_whose_beginning_was_kept_says_what_it_says_when_read_anew(opened):
    coder, network = opened
    ids = coder.encode(source("apples", "plums"))[:150]
    network = fresh(network)
    for end in (100, 101, 103, 103, 60, 140):
        kept, anew = network.after(ids[:end]), fresh(network).after(ids[:end])
        for hypotheses in ([()], [(5,), (9,)], [(9, 7), (5, 1), (9, 2)]):
            rows = kept.probabilities(hypotheses)
            assert np.allclose(rows, anew.probabilities(hypotheses), atol=1e-5)
    assert network.kept.beginning_of(network.kept.ids) == len(network.kept.ids) - 1


def test_hypotheses_side_by_side_say_what_each_says_alone(opened):
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
            with torch.no_grad():
                logits = network.model(input_ids=torch.tensor([[network.begin, *ids, *hypothesis]])).logits[
                    0, -1
                ]
            assert np.allclose(row, torch.softmax(logits[: network.vocab_size], -1).numpy(), atol=1e-5)


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
    continuation = fresh(network).between(ids, ids)
    assert len(continuation._prompt) <= WINDOW - NEW_TOKENS
    marks = [continuation._prompt.count(mark) for mark in network.fim]
    assert marks == [1, 1, 1] and continuation._prompt[-1] == network.fim[2]
    assert continuation.probabilities([()]).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("suffix", [None, "\n    return found\n"])
def test_a_model_alone_answers_and_heals_the_word_that_was_begun(opened, suffix):
    coder, network = opened
    completer = Completer(coder=coder, network=fresh(network), quiet_below=0.0)
    prefix = "def load_figs(path, limit):\n    with op"
    answer = completer.answer(Cursor(prefix=prefix, suffix=suffix, max_lines=2, max_tokens=20))
    assert answer.ids and 0 < answer.probability <= 1
    again = completer.answer(Cursor(prefix=prefix, suffix=suffix, max_lines=2, max_tokens=20))
    assert (again.text, again.probability) == (answer.text, pytest.approx(answer.probability, rel=1e-3))


def test_memory_and_model_answer_together_and_are_fitted_for_each_other(opened, tmp_path):
    repository = LiveRepository.open(write_repository(tmp_path / "repository"))
    known = open_knowledge(repository, None, lambda: opened[1], 0.25, coder=opened[0])
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
