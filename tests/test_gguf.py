"""A GGUF file holds the model: the same ids, the same continuations, and no gaps where none were learnt."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracles import llama_cpp
from safetensors.torch import load_file, save_file
from training_fixtures import model_of, open_trainer, quiet_hooks, use_tiny_models, write_dataset

from effectiveness.common.invocation import interpreter
from effectiveness.common.ownership import MARKER
from effectiveness.common.records import UserError
from effectiveness.corpus.tokenization import CONTROL_TOKENS, HOSTILE_TEXTS
from effectiveness.gguf import command
from effectiveness.gguf.command import main
from effectiveness.gguf.layout import read_shape, tensor_name
from effectiveness.gguf.writing import token_table
from effectiveness.trainer.export import export_model
from effectiveness.trainer.model_files import CAN_FILL
from effectiveness.trainer.run_directory import TrainingFacts
from effectiveness.trainer.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent
NUM_TOKENS = 16
needs_package = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("gguf"), reason=f'python3 -m pip install "{command.PIN}"'
)
needs_llama_cpp = pytest.mark.skipif(bool(llama_cpp.MISSING), reason=llama_cpp.MISSING or "-")
GAP = "<|fim_prefix|>def f(<|fim_suffix|>): pass\n<|fim_middle|>"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Directories of models that differ in what GGUF must get right: the order of rows, biases, norms, one head."""
    base = tmp_path_factory.mktemp("exported")
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    run, trainer = open_trainer(write_dataset(base / "d"), base / "run", "optimization.learning_rate=0.02")
    for _ in range(3):
        trainer._one_step(quiet_hooks())
    patch.undo()
    models = {"preset": trainer.model, **{name: _as_released(name) for name in ("llama", "qwen2", "qwen3")}}
    setattr(models["llama"].config, CAN_FILL, False)
    for name, model in models.items():
        trained = TrainingFacts(facts={}, num_steps=0, best_step=0, is_finite=True)
        export_model(base / name, model, tokenizer=run.dataset.tokenizer, control=run.vocabulary.control,
                     config=run.config, card="", trained=trained)  # fmt: skip
    return SimpleNamespace(places={name: base / name for name in models}, vocabulary=run.vocabulary)


def _as_released(architecture: str) -> torch.nn.Module:
    """A base of its own for the rotation, fewer heads of keys than of queries, a head beside the embedding."""
    config = model_of(architecture).config
    config.rope_parameters = {"rope_type": "default", "rope_theta": 50.0}
    config.vocab_size, config.tie_word_embeddings, config.initializer_range = 310, False, 0.2
    torch.manual_seed(4)
    return type(model_of(architecture))(config).eval()


@pytest.fixture
def written(exported, tmp_path):
    """name, type -> the GGUF file of a model."""

    def write(name: str, kind: str = "f32") -> Path:
        output = tmp_path / f"{name}-{kind}.gguf"
        assert main([str(exported.places[name]), "--type", kind, "--output", str(output)]) == 0
        return output

    return write


def fields_of(path: Path) -> dict:
    import gguf

    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    import gguf

    found = gguf.GGUFReader(path).tensors
    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in found}


# --- llama.cpp -------------------------------------------------------------------------------------------------


def two_hundred_texts() -> list[str]:
    rng = random.Random(5)
    source = Path(random.__file__).read_text("utf-8")
    alphabet = [*"abcXYZ019 _\t\n\r\x0b\x1b'\"\\<>|/[](){}.,;:\u00e9\u00df\u00f1\u4e2d\u6587", "\U0001f600", "\u0301",
                *CONTROL_TOKENS, "'ll", "  ", "\r\n", "0x1F"]  # fmt: skip
    drawn = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 60))) for _ in range(90)]
    lines = [source[at : at + 300] for at in range(0, 100 * 250, 250)]
    return [text for text in (*HOSTILE_TEXTS, *drawn, *lines) if "\0" not in text][:200]


@needs_package
@needs_llama_cpp
def test_llama_cpp_gives_the_ids_of_two_hundred_texts_and_a_gap_as_text_is_its_control_ids(exported, written):
    texts = two_hundred_texts()
    assert len(texts) > 180
    found = llama_cpp.ask(written("preset"), texts=texts, controlTexts=[GAP])
    assert found["ids"] == [exported.vocabulary.encode(text) for text in texts]
    control, encode = exported.vocabulary.control, exported.vocabulary.encode
    expected = [
        control.fim_prefix,
        *encode("def f("),
        control.fim_suffix,
        *encode("): pass\n"),
        control.fim_middle,
    ]
    assert found["controlIds"] == [expected]
    assert found["fim"] == [control.fim_prefix, control.fim_middle, control.fim_suffix]
    assert found["addsBeginning"] is False


@needs_package
@needs_llama_cpp
@pytest.mark.parametrize("name", ["preset", "llama", "qwen2", "qwen3"])
def test_llama_cpp_continues_as_the_exported_model_does(exported, written, name):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(exported.places[name]).eval()
    prompts = [
        exported.vocabulary.encode(text) for text in ("def total(", "    return ", "x = 1\n", GAP, "a b c d")
    ]
    prompts = [prompt[:12] for prompt in prompts]
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        room = min(NUM_TOKENS, model.config.max_position_embeddings - len(prompt))
        settings = {"max_new_tokens": room, "min_new_tokens": room, "do_sample": False, "eos_token_id": None}
        expected.append(
            model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :].tolist()
        )
    found = llama_cpp.ask(written(name), prompts=prompts, numTokens=NUM_TOKENS)["written"]
    end = exported.vocabulary.control.end
    for ours, theirs in zip(expected, found, strict=True):
        length = min(len(ours), len(theirs))
        stop = ours.index(end) if end in ours else length
        assert ours[: min(length, stop)] == theirs[: min(length, stop)]
    assert sum(map(len, found)) > 40


@pytest.fixture
def adapter(exported):
    """name -> a LoRA adapter over all layers of a model, as peft writes it, and the model with it merged."""

    def make(name: str, **settings) -> tuple[Path, torch.nn.Module]:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(exported.places[name]).eval()
        directory = exported.places[name] / "adapter"
        directory.mkdir(exist_ok=True)
        config = {
            "peft_type": "LORA",
            "r": 4,
            "lora_alpha": 6,
            "base_model_name_or_path": "org/base",
        } | settings
        scale = config["lora_alpha"] / (4**0.5 if config.get("use_rslora") else 4)
        generator, tensors = torch.Generator().manual_seed(9), {}
        for path, layer in model.named_modules():
            if path.endswith("_proj"):
                down = torch.randn(4, layer.in_features, generator=generator)
                up = torch.randn(layer.out_features, 4, generator=generator) * 0.1
                tensors |= {
                    f"base_model.model.{path}.lora_{key}.weight": value
                    for key, value in (("A", down), ("B", up))
                }
                layer.weight.data += scale * up @ down
        save_file(tensors, directory / "adapter_model.safetensors")
        (directory / "adapter_config.json").write_text(json.dumps(config))
        return directory, model

    return make


@needs_package
@needs_llama_cpp
@pytest.mark.parametrize(
    ("name", "settings"), [("preset", {}), ("llama", {"use_rslora": True}), ("qwen2", {})]
)
def test_llama_cpp_continues_with_an_adapter_as_the_merged_model_does(
    exported, written, adapter, name, settings, tmp_path, capsys
):
    directory, merged = adapter(name, **settings)
    output = tmp_path / "adapter.gguf"
    assert main([str(directory), "--type", "f32", "--output", str(output)]) == 0
    prompts = [
        exported.vocabulary.encode(text)[:12] for text in ("def total(", "    return ", "x = 1\n", "a b c d")
    ]
    base = llama_cpp.ask(written(name), prompts=prompts, numTokens=NUM_TOKENS)["written"]
    found = llama_cpp.ask(written(name), prompts=prompts, numTokens=NUM_TOKENS, lora=str(output))["written"]
    assert found != base
    end = exported.vocabulary.control.end
    for prompt, theirs in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        ours = merged.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=len(theirs), do_sample=False,
                               min_new_tokens=len(theirs), eos_token_id=None)[0, len(prompt) :].tolist()  # fmt: skip
        stop = ours.index(end) if end in ours else len(ours)
        assert ours[:stop] == theirs[:stop]


@needs_package
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"trainable_token_indices": {"embed_tokens": [3]}}, "new tokens"),
        ({"rank_pattern": {"q_proj": 8}}, "ranks differ"),
        ({"peft_type": "IA3"}, "no LoRA adapter"),
        ({"r": None}, "no numbers"),
    ],
)
def test_an_adapter_that_llama_cpp_would_compute_differently_is_refused(
    adapter, settings, said, tmp_path, capsys
):
    directory, _ = adapter("qwen3")
    config = json.loads((directory / "adapter_config.json").read_text())
    (directory / "adapter_config.json").write_text(json.dumps(config | settings))
    assert main([str(directory), "--output", str(tmp_path / "a.gguf")]) == 2
    line, _ = capsys.readouterr().err.splitlines()
    assert said in line and "merged" in line
    assert not list(tmp_path.glob("a.*"))


@needs_package
def test_an_adapters_modelfile_names_its_base_and_it(adapter, tmp_path):
    directory, _ = adapter("preset")
    assert main([str(directory), "--output", str(tmp_path / "a.gguf")]) == 0
    recipe = (tmp_path / "a.Modelfile").read_text()
    assert "FROM ./base-f16.gguf\nADAPTER ./a.gguf\n" in recipe and ".Suffix" in recipe
    assert command._beside(Path("/models/mine/adapter"), "f16") == Path("/models/mine-adapter-f16.gguf")


@needs_package
@needs_llama_cpp
def test_llama_cpp_offers_no_gaps_of_a_model_that_never_saw_one(written):
    assert llama_cpp.ask(written("llama"))["fim"] == [None, None, None]


# --- the file alone --------------------------------------------------------------------------------------------


@needs_package
def test_a_file_names_its_rule_of_cutting_and_the_ids_of_a_gap(exported, written):
    fields, control = fields_of(written("preset")), exported.vocabulary.control
    assert fields["tokenizer.ggml.pre"] == "qwen2" and fields["tokenizer.ggml.model"] == "gpt2"
    assert fields["tokenizer.ggml.fim_pre_token_id"] == control.fim_prefix
    assert fields["tokenizer.ggml.fim_mid_token_id"] == control.fim_middle
    assert fields["tokenizer.ggml.fim_suf_token_id"] == control.fim_suffix
    assert fields["tokenizer.ggml.eos_token_id"] == control.end
    without = fields_of(written("llama"))
    assert "tokenizer.ggml.fim_pre_token_id" not in without
    assert "<|fim_prefix|>" not in without["tokenizer.ggml.tokens"]
    assert len(without["tokenizer.ggml.tokens"]) == without["llama.vocab_size"] == 310


@needs_package
@pytest.mark.parametrize(("kind", "worst"), [("f32", 0.0), ("f16", 1e-3), ("q8_0", 0.02)])
def test_every_weight_is_in_the_file_as_exact_as_its_type(exported, written, kind, worst):
    from safetensors.torch import load_file

    tensors = tensors_of(written("qwen2", kind))
    weights = load_file(exported.places["qwen2"] / "model.safetensors")
    assert {tensor_name(name) for name in weights} == set(tensors)
    for name, weight in weights.items():
        found = tensors[tensor_name(name)].reshape(weight.shape)
        assert np.abs(found - weight.numpy()).max() <= worst * max(1.0, weight.abs().max().item()), name


@needs_package
def test_an_ollama_modelfile_fills_gaps_only_where_the_model_can(written):
    fills = written("preset").with_name("preset-f32.Modelfile").read_text()
    assert "FROM ./preset-f32.gguf" in fills and "PARAMETER num_ctx 32" in fills
    gap = "<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}<|fim_middle|>"
    assert f'TEMPLATE """{{{{ if .Suffix }}}}{gap}{{{{ else }}}}{{{{ .Prompt }}}}{{{{ end }}}}"""' in fills
    assert ".Suffix" not in written("llama").with_name("llama-f32.Modelfile").read_text()


@needs_package
def test_a_second_run_gives_the_same_bytes_and_a_file_of_others_is_not_replaced(
    exported, written, tmp_path, capsys
):
    first = written("preset").read_bytes()
    assert written("preset").read_bytes() == first
    other = tmp_path / "notes.gguf"
    other.write_text("mine")
    assert main([str(exported.places["preset"]), "--output", str(other)]) == 2
    assert "is there and not of this command" in capsys.readouterr().err
    assert other.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "notes.gguf",
        "preset-f32.Modelfile",
        "preset-f32.gguf",
    ]


def test_a_missing_package_is_one_line_that_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert main([str(tmp_path)]) == 2
    line, last = capsys.readouterr().err.splitlines()
    assert last == "FAILED" and f'{interpreter()} -m pip install "gguf==0.19.0"' in line


def test_the_extra_of_the_package_the_pin_and_the_message_name_one_version():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["gguf"] == [command.PIN]
    assert f"\n{command.PIN} " in (ROOT / "requirements.txt").read_text("utf-8")
    assert f'python3 -m pip install "{command.PIN}"' in (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8")


@needs_package
def test_what_is_no_finished_model_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    line, _ = capsys.readouterr().err.splitlines()
    assert "holds no finished model" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "gpt2"}, "a gpt2 model"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "positions are scaled"),
        ({"model_type": "mistral", "sliding_window": 16}, "sliding window"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_attention_heads": None}, "num_attention_heads in config.json is None"),
    ],
)
def test_a_model_that_llama_cpp_would_compute_differently_is_refused(exported, change, said):
    config = json.loads((exported.places["preset"] / "config.json").read_text("utf-8"))
    read_shape("m", config)
    with pytest.raises(UserError, match=said):
        read_shape("m", config | change)


def without(name):
    return lambda weights: weights.pop(name)


def cut(name, *dimensions):
    return lambda weights: weights.update({name: torch.zeros(dimensions)})


BLOCK = "model.layers.0"


@needs_package
@pytest.mark.parametrize(
    ("change", "edit", "said"),
    [
        ({}, cut(f"{BLOCK}.mlp.up_proj.weight", 8, 32), "mlp.up_proj.weight is 8 x 32"),
        ({}, cut(f"{BLOCK}.self_attn.v_proj.weight", 8, 8), "v_proj.weight is 8 x 8"),
        ({}, cut(f"{BLOCK}.input_layernorm.weight", 7), "input_layernorm.weight is 7"),
        ({}, cut("model.embed_tokens.weight", 3, 32), "embed_tokens.weight is 3 x 32"),
        ({}, cut("lm_head.weight"), "lm_head.weight is one number"),
        ({}, without("model.norm.weight"), "lack model.norm.weight"),
        ({}, without("lm_head.weight"), "lack lm_head.weight"),
        ({}, without(f"{BLOCK}.self_attn.q_norm.weight"), "lack model.layers.0.self_attn.q_norm.weight"),
        ({}, cut(f"{BLOCK}.mlp.up_proj.bias", 8), "asks for no model.layers.0.mlp.up_proj.bias"),
        ({}, cut("model.layers.77.mlp.up_proj.weight", 8, 8), "asks for no model.layers.77"),
        ({"num_hidden_layers": 10**12}, lambda weights: None, "which config.json asks for"),
        (
            {"num_hidden_layers": 2.5},
            lambda weights: None,
            "num_hidden_layers in config.json is 2.5, no whole",
        ),
        ({"head_dim": 2}, lambda weights: None, "by config.json"),
        ({"intermediate_size": 5}, lambda weights: None, "down_proj.weight is"),
        ({"num_key_value_heads": 7}, lambda weights: None, "k_proj.weight is"),
        ({"model_type": "qwen2"}, lambda weights: None, "lack model.layers.0.self_attn.q_proj.bias"),
    ],
)
def test_weights_that_do_not_fit_their_config_are_one_line(exported, change, edit, said, tmp_path, capsys):
    model = tmp_path / "m"
    shutil.copytree(exported.places["qwen3"], model)
    config, weights = json.loads((model / "config.json").read_text()), load_file(model / "model.safetensors")
    (model / MARKER).unlink()  # files of ours are not read when somebody changed them
    edit(weights)
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    (model / "config.json").write_text(json.dumps(config | change))
    assert main([str(model), "--output", str(tmp_path / "m.gguf")]) == 2
    line, _ = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.glob("m.*"))


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {"normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        {"model": {"type": "Unigram", "vocab": []}},
    ],
)
def test_a_tokenizer_that_llama_cpp_cuts_differently_is_refused(exported, change):
    parsed, control = exported.vocabulary.json, exported.vocabulary.control
    assert token_table(parsed, control, 300, can_fill=True).pre == "qwen2"
    with pytest.raises(UserError, match="the tokenizer "):
        token_table(parsed | change, control, 300, can_fill=True)


def test_a_vocabulary_is_found_whole_by_its_ids(exported):
    vocabulary = Vocabulary(exported.places["preset"])
    table = token_table(vocabulary.json, vocabulary.control, 300, can_fill=True)
    assert {text: i for i, text in enumerate(table.texts)} == vocabulary.tokenizer.get_vocab(
        with_added_tokens=True
    )
