"""What we write is read by the libraries of others as by ours.

The readers of the generation before live in an environment of their own, made by `make readers`, or wherever
EFFECTIVENESS_READERS names its Python; without one these questions are skipped, and what can be told from the files
alone is asked in any case.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_fixtures import model_of, open_trainer, use_tiny_models, write_dataset

from effectiveness.common.records import DATASET_FILES
from effectiveness.common.tokenizer_file import FIM_SPELLINGS
from effectiveness.completion.spelling import TextCoder
from effectiveness.corpus.data_card import write_data_card
from effectiveness.corpus.tokenization import CONTROL_TOKENS, HOSTILE_TEXTS
from effectiveness.corpus.tokenization.source import choose_tokenizer, install_tokenizer, train_bpe
from effectiveness.trainer.adapters import NewRows, adapt
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.export import export_model
from effectiveness.trainer.lora import LoraLinear
from effectiveness.trainer.model_files import model_settings, tokenizer_settings
from effectiveness.trainer.models import load_pretrained
from effectiveness.trainer.run_directory import TrainingFacts
from effectiveness.trainer.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tests" / "oracles" / "read_as_others.py"
OURS = ROOT / ".readers" / "bin" / "python"
PYTHON = os.environ.get("EFFECTIVENESS_READERS") or (str(OURS) if OURS.exists() else "")
needs_readers = pytest.mark.skipif(not PYTHON, reason="run `make readers`: transformers 4, datasets, peft")
GAP = "<|fim_prefix|>def f(<|fim_suffix|>): pass\n<|fim_middle|>"
TEXTS = [*HOSTILE_TEXTS, *CONTROL_TOKENS, GAP, "def caf\u00e9(x):\n\treturn x + 1  # \U0001f600\n"]
IDS = list(range(5, 17))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """name -> (directory, last logits of the model in memory); and where the dataset's tokenizer lies."""
    base = tmp_path_factory.mktemp("exported")
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    run, trainer = open_trainer(write_dataset(base / "d"), base / "run")
    patch.undo()
    models = {
        "preset": trainer.model,
        "qwen2": _with_a_rotation_of_its_own("qwen2"),
        "gpt2": model_of("gpt2"),
    }
    made = {name: (base / name, logits_of(model)) for name, model in models.items()}
    for name, model in models.items():
        export(run, model, base / name)
    return SimpleNamespace(models=made, tokenizer=run.dataset.tokenizer, run=run)


def _with_a_rotation_of_its_own(architecture: str) -> torch.nn.Module:
    """As released models have one: a base far from every default."""
    config = model_of(architecture).config
    config.rope_parameters = {"rope_type": "default", "rope_theta": 20.0}
    torch.manual_seed(3)
    return type(model_of(architecture))(config).eval()


def export(run, model, output: Path, config=None) -> None:
    trained = TrainingFacts(facts={}, num_steps=0, best_step=0, is_finite=True)
    tokenizer, control = run.dataset.tokenizer, run.vocabulary.control
    export_model(output, model, tokenizer=tokenizer, control=control, config=config or run.config, card="",
                 trained=trained)  # fmt: skip


@torch.no_grad()
def logits_of(model) -> torch.Tensor:
    return model.eval()(input_ids=torch.tensor([IDS]), use_cache=False).logits[0, -1]


def ask(**questions) -> dict:
    done = subprocess.run([PYTHON, "-I", str(SCRIPT)], input=json.dumps(questions, default=str), text=True,
                          capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


# --- without another environment ---------------------------------------------------------------------------


def test_a_gap_sent_to_the_exported_tokenizer_as_text_becomes_its_control_ids(exported):
    from transformers import AutoTokenizer

    directory = exported.models["preset"][0]
    tokenizer, vocabulary = AutoTokenizer.from_pretrained(directory), Vocabulary(directory)
    control, encode = vocabulary.control, vocabulary.encode
    expected = [
        control.fim_prefix,
        *encode("def f("),
        control.fim_suffix,
        *encode("): pass\n"),
        control.fim_middle,
    ]
    assert tokenizer(GAP, add_special_tokens=False)["input_ids"] == expected
    assert tokenizer.model_max_length == exported.run.dataset.window


def test_text_of_a_repository_stays_text_whichever_of_our_tokenizers_reads_it(exported):
    from transformers import AutoTokenizer

    directory = exported.models["preset"][0]
    expected = Vocabulary(exported.tokenizer).encode(GAP)
    assert len(expected) > 30
    assert Vocabulary(directory).encode(GAP) == TextCoder(directory).encode(GAP) == expected
    of_dataset = AutoTokenizer.from_pretrained(exported.tokenizer)
    assert of_dataset(GAP, add_special_tokens=False)["input_ids"] == expected


def test_no_tokenizer_we_write_holds_a_list_where_transformers_4_wants_a_dictionary(exported):
    for directory in (exported.tokenizer, *(place for place, _ in exported.models.values())):
        described = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
        assert not [key for key, value in described.items() if isinstance(value, list)]


def test_a_list_of_an_older_dataset_is_not_handed_on():
    older = {"extra_special_tokens": ["<|fim_prefix|>"], "split_special_tokens": True, "eos_token": "x"}
    assert tokenizer_settings(older, 64) == {"eos_token": "x", "model_max_length": 64}


def test_the_rotation_stands_under_both_its_names_and_what_has_none_is_left_alone():
    yarn = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6}
    assert model_settings({"rope_parameters": yarn})["rope_theta"] == 1e6
    assert model_settings({"rope_parameters": yarn})["rope_scaling"] == {"rope_type": "yarn", "factor": 4.0}
    assert "rope_scaling" not in model_settings(
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}
    )
    for other in ({}, {"n_positions": 8}, {"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}):
        assert model_settings(other) == other


# --- with one ------------------------------------------------------------------------------------------------


@needs_readers
def test_transformers_4_gives_the_ids_of_tokenizer_json_for_every_tokenizer_we_write(
    exported, small_dataset, tmp_path
):
    of_models = {name: place for name, (place, _) in exported.models.items()}
    of_datasets = {"made": exported.tokenizer, "built": small_dataset / "tokenizer"}
    of_datasets |= {str(i): _laid_in(tmp_path / str(i), row) for i, row in enumerate(FIM_SPELLINGS)}
    texts = [*TEXTS, *(text for row in FIM_SPELLINGS for text in row)]
    found = ask(tokenizers=of_models | of_datasets, texts=texts)
    assert found["transformers"].startswith("4.")
    for name, place in (of_models | of_datasets).items():
        assert found["ids"][name] == _ids_of_file(place, texts, as_text=name in of_datasets), name


def _laid_in(directory: Path, spelling: tuple[str, str, str]) -> Path:
    """A base's tokenizer of this spelling, as a dataset holds it."""
    from tokenizers import AddedToken, Tokenizer

    (directory / "base").mkdir(parents=True)
    train_bpe(iter([SCRIPT.read_text("utf-8")]), 600, directory / "base" / "tokenizer.json")
    base = Tokenizer.from_file(str(directory / "base" / "tokenizer.json"))
    base.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("</s>", *spelling)])
    base.save(str(directory / "base" / "tokenizer.json"))
    (directory / "base" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    install_tokenizer(choose_tokenizer(str(directory / "base")), directory / "tokenizer")
    return directory / "tokenizer"


def _ids_of_file(directory: Path, texts: list[str], *, as_text: bool) -> list[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.encode_special_tokens = as_text
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


@needs_readers
def test_transformers_4_computes_the_logits_of_every_model_we_export(exported):
    found = ask(models={name: place for name, (place, _) in exported.models.items()})["logits"]
    for name, (_, logits) in exported.models.items():
        assert torch.allclose(torch.tensor(found[name]), logits, atol=1e-5), name


@needs_readers
@pytest.mark.parametrize(
    ("new_ids", "kind"),
    [
        ((), []),
        ((6, 9), []),
        ((6, 9, 97), ["lora_dora=true"]),
        ((), ["lora_rslora=true", "lora_target_modules=[1.mlp.up_proj]"]),
    ],
    ids=["adapter", "rows in the table", "rows beyond it, with lengths", "by the root, of one layer"],
)
def test_peft_applies_our_adapter_to_its_base_as_the_merged_model_does(exported, tmp_path, new_ids, kind):
    model, run = _with_a_rotation_of_its_own("qwen2"), exported.run
    chosen = [f"quantization.{setting}" for setting in ("lora_enabled=true", *kind)]
    settings = load_config(None, [*chosen, f"model.pretrained_model={tmp_path / 'base'}"])
    export(run, model, tmp_path / "base")
    model = load_pretrained(str(tmp_path / "base"), window=8, vocab_size=98 if 97 in new_ids else 97)
    adapt(model, settings.quantization, seed=1, new_ids=new_ids)
    for module in model.modules():
        if isinstance(module, LoraLinear):
            torch.nn.init.normal_(module.lora_b, std=0.1)
        if isinstance(module, NewRows):
            torch.nn.init.normal_(module.rows)
    export(run, model, tmp_path / "tuned", settings)
    places = [tmp_path / "base", tmp_path / "tuned" / "adapter"]
    found = ask(adapters={"x": places}, models={"x": tmp_path / "tuned"})
    ours = logits_of(model)
    for answer in (found["adapted"]["x"], found["logits"]["x"]):  # peft makes room for the whole tokenizer
        assert torch.allclose(torch.tensor(answer)[: len(ours)], ours, atol=1e-4)


@needs_readers
def test_datasets_reads_every_row_of_a_dataset_we_build_and_of_one_that_takes_its_place(
    small_dataset, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = ask(datasets={"x": small_dataset})["rows"]["x"]
    metadata = json.loads((small_dataset / "dataset_metadata.json").read_text("utf-8"))
    for split, (count, num_tokens) in rows.items():
        named = "val" if split == "validation" else split
        assert count == metadata[f"{named}_sequences"]
        assert num_tokens == count * metadata["max_tokens_per_sequence"]
    place = shutil.copytree(small_dataset, tmp_path / "place")
    assert ask(datasets={"x": place})["rows"]["x"]["train"][0] > 100
    train = place / DATASET_FILES["train"]
    train.write_bytes(b"".join(train.read_bytes().splitlines(keepends=True)[:100]))
    metadata["files"][train.name] = {"sha256": hashlib.sha256(train.read_bytes()).hexdigest()}
    write_data_card(place / "README.md", metadata)
    assert ask(datasets={"x": place})["rows"]["x"]["train"][0] == 100
