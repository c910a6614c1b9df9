"""What a run leaves: a directory that from_pretrained loads, with the model that was evaluated."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_fixtures import (
    SmallFile,
    command,
    model_of,
    open_trainer,
    program,
    quiet_hooks,
    use_tiny_models,
    write_dataset,
)

from effectiveness.common.records import MEMORY_SCORE_FILE
from effectiveness.trainer import finishing, report
from effectiveness.trainer.adapters import adapt
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.export import export_model
from effectiveness.trainer.lora import LoraLinear
from effectiveness.trainer.micro_batches import collate
from effectiveness.trainer.model_card import Prompting, _base, _front_matter, _how_to_prompt
from effectiveness.trainer.objective import DOCUMENTS, Objective
from effectiveness.trainer.run_directory import TrainingFacts
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    import random

    files = [
        SmallFile(f"{split}/{role}{i}.py", role, split, program(random.Random(i), 3))
        for split in ("train", "val", "test")
        for i, role in enumerate(("core", "util", "test"))
    ]
    return write_dataset(tmp_path_factory.mktemp("data") / "d", window=128, files=files)


@pytest.fixture(scope="module")
def trained(sequences, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    output = tmp_path_factory.mktemp("trained") / "m"
    flags = ["--epochs", "3", "--set", "optimization.learning_rate=0.01", "--set", "objectives.fim_rate=0.3"]
    flags += [
        "--set",
        "output.report=true",
        "--set",
        "output.tensorboard=true",
        "--set",
        "evaluation.completions=2",
    ]
    flags += ["--set", "inference.max_new_tokens=7"]
    assert main(command(sequences, output, *flags)) == 0
    patch.undo()
    return output


def load(directory: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(directory).eval(), AutoTokenizer.from_pretrained(directory)


@torch.no_grad()
def logits_of(model) -> torch.Tensor:
    return model(input_ids=torch.arange(12)[None] + 5, use_cache=False).logits


def test_loaded_logits_are_the_logits_in_memory(sequences, tmp_path):
    run, trainer = open_trainer(sequences, tmp_path / "m", "optimization.learning_rate=0.01")
    trainer._one_step(quiet_hooks())
    export(run, trainer.model, tmp_path / "m")
    model, _ = load(tmp_path / "m")
    assert torch.equal(logits_of(model), logits_of(trainer.model.eval()))


def export(run, model, output: Path, config=None) -> None:
    tokenizer, control = run.dataset.tokenizer, run.vocabulary.control
    trained = TrainingFacts(facts={}, num_steps=0, best_step=0, is_finite=True)
    settings = {
        "tokenizer": tokenizer,
        "control": control,
        "config": config or run.config,
        "trained": trained,
    }
    export_model(output, model, card="", **settings)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2", "starcoder2"])
def test_merged_adapters_give_the_logits_of_the_adapted_model_and_the_adapter_is_kept(
    sequences, tmp_path, architecture
):
    run, _ = open_trainer(sequences, tmp_path / "m")
    config = load_config(None, ["quantization.lora_enabled=true", "model.pretrained_model=x"])
    model = model_of(architecture)
    base = logits_of(model.eval())
    assert adapt(model, config.quantization, seed=1) > 0
    assert torch.equal(base, logits_of(model.eval()))  # B is zero: training starts at the base model
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LoraLinear):
                module.lora_b.normal_(std=0.1)
    adapted = logits_of(model)
    export(run, model, tmp_path / "m", config)
    loaded, _ = load(tmp_path / "m")
    assert torch.allclose(logits_of(loaded), adapted, atol=1e-5)
    assert not torch.allclose(base, adapted, atol=1e-2)
    assert torch.equal(logits_of(model), adapted)  # the model in memory keeps its adapters
    described = json.loads((tmp_path / "m" / "adapter" / "adapter_config.json").read_text())
    assert described["r"] == 32 and described["target_modules"]


def test_only_adapters_are_trained_and_their_gradients_are_right(sequences, tmp_path):
    config = load_config(
        None, ["quantization.lora_enabled=true", "model.pretrained_model=x", "quantization.lora_dropout=0"]
    )
    model = model_of("llama")
    adapt(model, config.quantization, seed=1)
    batch = collate([[(0, torch.arange(2, 12).numpy(), torch.arange(3, 13).numpy(), 1.0)]], window=16, pad=1)
    Objective(model)(batch).backward()
    trained = {name.rpartition(".")[2] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"lora_a", "lora_b"}


def test_a_pretrained_model_is_tuned_by_adapters_from_the_command_line(sequences, trained, tmp_path, capsys):
    flags = [
        "--epochs",
        "2",
        "--set",
        f"model.pretrained_model={trained}",
        "--set",
        "quantization.lora_enabled=true",
    ]
    flags += [
        "--set",
        "quantization.lora_target_modules=[q_proj, v_proj]",
        "--set",
        "optimization.learning_rate=0.01",
    ]
    assert main(command(sequences, tmp_path / "m", *flags)) == 0
    out = capsys.readouterr().out
    assert "LoRA on 4 layers" in out
    model, _ = load(tmp_path / "m")
    assert not torch.equal(logits_of(model), logits_of(load(trained)[0]))
    assert (tmp_path / "m" / "adapter" / "adapter_model.safetensors").is_file()


def test_the_card_names_data_commit_numbers_and_form_of_a_prompt_and_its_snippets_run(trained):
    card = (trained / "README.md").read_text()
    assert "`toy` at commit `" + "0" * 40 in card
    assert re.search(r"\| test \| \d+\.\d{4} \| \d+\.\d{4} \| \d+\.\d{4} \| \d+ \|", card)
    assert "Context: 128 tokens" in card and "began with `<|endoftext|>`" in card and "30 % of its" in card
    snippets = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(snippets) == 2
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        for snippet in snippets:
            exec(snippet.replace('path = "."', f'path = "{trained}"'), names)
    assert printed.getvalue().startswith("def main(")
    control = Vocabulary(trained).control
    marks = [control.fim_prefix, control.fim_suffix, control.fim_middle]
    assert [index for index in names["inputs"]["input_ids"][0].tolist() if index in marks] == marks


def test_the_cards_front_matter_is_yaml_with_a_licence_and_the_name_of_a_base_but_no_path(trained):
    import yaml

    front = yaml.safe_load((trained / "README.md").read_text().split("---")[1])
    assert front["license"] == "other" and front["tags"] == ["code", "python"] and "base_model" not in front
    assert _base({"config": {"model": {"pretrained_model": str(trained)}}}) is None
    name = "Qwen/Qwen2.5-Coder-0.5B"
    assert _base({"config": {"model": {"pretrained_model": name}}}) == name
    assert yaml.safe_load("\n".join(_front_matter(name, "C++")[1:-1]))["base_model"] == name


def test_a_model_that_never_saw_gaps_has_no_example_of_one_on_its_card():
    without = "\n".join(_how_to_prompt(Prompting(context_tokens=8, begin="<s>", fim=None), "Rust"))
    assert "fn main(" in without and "not trained to fill" in without and without.count("```python") == 1


def test_generation_settings_hold_pad_end_and_the_configured_length(trained):
    settings = json.loads((trained / "generation_config.json").read_text())
    tokenizer = load(trained)[1]
    assert settings["eos_token_id"] == tokenizer.eos_token_id
    assert settings["pad_token_id"] == tokenizer.pad_token_id
    assert settings["max_new_tokens"] == 7


@pytest.mark.parametrize("suffix", [[], ["--suffix", "\n    return total\n"]])
def test_a_completion_starts_with_the_prompt_and_ends_with_the_suffix(trained, capsys, suffix):
    arguments = ["--complete", "def total_count(", "--checkpoint", str(trained), "--device", "cpu", *suffix]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("def total_count(")
    assert len(printed) > len("def total_count(\n")
    assert printed.endswith((suffix[1] if suffix else "") + "\n")


def test_a_prompt_longer_than_the_model_is_cut_at_its_beginning(trained, capsys):
    assert main(["--complete", "x = 1\n" * 500, "--checkpoint", str(trained), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith("x = 1\n" * 500)


def test_the_report_is_one_self_contained_page_with_curves_and_completions(trained):
    page = (trained / "training_report.html").read_text()
    assert page.count('class="scaled"') == 2 and "<polyline" in page
    assert not re.search(r"src\s*=|https?://|@import|<script", page)
    assert re.findall(r"href=\"(.*?)\"", page) == ["proof/proof.html"]
    assert "A byte of held-out code costs" in page and "than before" in page
    assert "next line" in page and "fill in the middle" in page and "bits/byte" in page
    assert list((trained / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ('{"val_nats_per_token": 0.5}', "stays above its line"),
        ('{"val_nats_per_token": 99.0}', "the model knows more than the memory"),
        ('{"val_nats_per_token": "x"}', "run effectiveness memory on the dataset"),
        ("torn", "run effectiveness memory on the dataset"),
        (None, "run effectiveness memory on the dataset"),
    ],
)
def test_the_memorys_line_is_on_the_loss_curve_where_it_was_measured(sequences, tmp_path, score, said):
    run, _ = open_trainer(sequences, tmp_path / "m")
    file = run.dataset.directory / MEMORY_SCORE_FILE
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    if score is not None:
        file.write_text(score)
    nats = finishing._memory_nats(run)
    file.unlink(missing_ok=True)
    records = [
        {"event": "evaluation", "step": step, "val_loss_nats": 4.0 - step, "bits_per_byte": 1.0}
        for step in (0, 1, 2)
    ]
    outcome = report.Outcome(
        facts={},
        records=records,
        best_step=2,
        val=None,
        test=None,
        completions={},
        completion_scores={},
        memory_nats=nats,
    )
    assert said in report._about_the_memory(outcome)
    assert (">memory<" in report._loss_picture(records, nats)) == (nats is not None)


def test_the_dtype_of_the_exported_weights_is_the_configured_one(sequences, tmp_path):
    run, trainer = open_trainer(sequences, tmp_path / "m", "model.torch_dtype=bfloat16")
    export(run, trainer.model, tmp_path / "m")
    model, _ = load(tmp_path / "m")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}


TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture
def released(trained, tmp_path) -> Path:
    """A base as others publish one: bfloat16, with a template for chats."""
    base = tmp_path / "released"
    model, tokenizer = load(trained)
    model.to(torch.bfloat16).save_pretrained(base)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(base)
    shutil.copyfile(trained / "tokenizer.json", base / "tokenizer.json")
    return base


@pytest.mark.parametrize("adapters", ["false", "true"])
def test_a_base_in_bfloat16_is_exported_in_it_and_keeps_its_chat_template(
    sequences, released, tmp_path, adapters
):
    flags = [
        f"model.pretrained_model={released}",
        f"quantization.lora_enabled={adapters}",
        "training.max_steps=2",
    ]
    output = tmp_path / "m"
    assert main(command(sequences, output, *(word for flag in flags for word in ("--set", flag)))) == 0
    model, tokenizer = load(output)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert json.loads((output / "config.json").read_text())["dtype"] == "bfloat16"
    assert tokenizer.chat_template == TEMPLATE
    again = tmp_path / "again"
    flags = ["--checkpoint", str(output), "--set", "training.max_steps=1"]
    assert main(command(sequences, again, *flags)) == 0
    assert load(again)[1].chat_template == TEMPLATE


def test_adapters_on_a_finished_model_of_adapters_name_it_as_their_base(sequences, trained, tmp_path, capsys):
    lora = ["--set", "quantization.lora_enabled=true", "--set", "training.max_steps=1"]
    base = ["--set", f"model.pretrained_model={trained}"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(command(sequences, first, *lora, *base)) == 0
    for flags in ([], base):  # --checkpoint is what is adapted, whatever the configuration names
        shutil.rmtree(second, ignore_errors=True)
        assert main(command(sequences, second, *lora, *flags, "--checkpoint", str(first))) == 0
        described = json.loads((second / "adapter" / "adapter_config.json").read_text())
        assert described["base_model_name_or_path"] == str(first)
    assert main(command(sequences, second, *lora, *base, "--resume")) == 2  # other weights than those adapted
    assert f"the run has {json.dumps(str(first))}" in capsys.readouterr().err
    assert main(command(sequences, tmp_path / "third", *lora)) == 2
    assert "needs a base: model.pretrained_model, or --checkpoint" in capsys.readouterr().err


def test_the_command_works_as_a_file_from_any_directory_with_stdin_closed_in_a_c_locale(sequences, tmp_path):
    """Started as a file, Python puts training/ first on its path; a C locale must not kill it."""
    script = ROOT / "training" / "model_trainer_unified.py"
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, script, *command(sequences, Path("out"), "--dry-run")],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "parameters" in done.stdout and "ETA" in done.stdout
    assert not (tmp_path / "out").exists()


def test_attention_isolates_documents_only_without_a_mask_and_cache():
    """use_cache's default leaks across packed documents, even in train mode."""
    assert DOCUMENTS == {"attention_mask": None, "use_cache": False}
