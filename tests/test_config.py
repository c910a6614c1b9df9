# ruff: noqa: E501 - one error line a line
"""The configuration: every wrong key, type and range is one line with file, line and the way out."""

import dataclasses
from pathlib import Path

import pytest

from effectiveness.common.records import UserError
from effectiveness.trainer.config import SECTIONS, Config
from effectiveness.trainer.config_file import load_config

SHIPPED = Path(__file__).parent.parent / "training_config_metal_cuda_universal.yaml"


def load(tmp_path: Path, text: str, *overrides: str) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides)


def error_of(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(tmp_path), "")


def test_the_shipped_file_holds_every_setting_with_its_default():
    import yaml

    assert load_config(SHIPPED) == Config()
    nested = yaml.safe_load(SHIPPED.read_text())
    assert nested.pop("recipe") == "auto"  # what the dataset was built with, or else
    assert Config().recipe == "measured"
    assert {s: list(keys) for s, keys in nested.items()} == {
        name: [f.name for f in dataclasses.fields(section)] for name, section in SECTIONS.items()
    }


def test_keys_of_the_founding_system_are_still_known():
    founding = {
        "model": "pretrained_model tokenizer_name torch_dtype max_position_embeddings",
        "quantization": "load_in_4bit load_in_8bit lora_enabled lora_rank lora_alpha lora_dropout lora_target_modules lora_rslora lora_dora lora_choose_scale",
        "optimization": "batch_size gradient_accumulation_steps learning_rate lr_scheduler warmup_steps warmup_ratio "
        "optimizer weight_decay max_grad_norm mixed_precision gradient_checkpointing",
        "training": "num_epochs max_steps save_steps save_total_limit eval_steps logging_steps seed patience",
    }
    for section, names in founding.items():
        known = {field.name for field in dataclasses.fields(SECTIONS[section])}
        assert set(names.split()) <= known
    assert {"inference", "device_backend", "output"} <= set(SECTIONS)
    assert Config().optimization.batch_size == 16


def test_a_recipe_fills_in_what_is_left_auto_and_nothing_else(tmp_path):
    founding = load(tmp_path, "recipe: founding\ndata:\n  weighting: loss\n  overlap: auto\n")
    assert (founding.data.weighting, founding.data.curriculum) == ("loss", "stages")
    assert founding.data.overlap and founding.data.variants and founding.optimization.optimizer == "adamw"
    measured = load(tmp_path, "recipe: founding\n", "recipe=measured")
    assert measured == Config()
    assert not (measured.data.overlap or measured.data.variants)


def test_an_unknown_recipe_is_one_line(tmp_path):
    assert error_of(tmp_path, "recipe: best\n").endswith(
        ":1: recipe: expected one of auto, measured, founding, adapter, got best"
    )
    assert "got best" in error_of(tmp_path, "", "recipe=best")
    assert "expected one value" in error_of(tmp_path, "recipe:\n  data: 1\n")


def test_an_exponent_without_a_dot_is_a_number(tmp_path):
    """PyYAML reads 2e-5 as text."""
    assert load(tmp_path, "optimization:\n  learning_rate: 2e-5\n").optimization.learning_rate == 2e-5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimisation:\n  batch_size: 8\n", "/c.yaml:1: unknown section: optimisation; did you mean optimization?"),
        ("optimization:\n  batch_sise: 8\n", "/c.yaml:2: unknown key in optimization: batch_sise; did you mean batch_size?"),
        ("training:\n  seed: 1\n  seed: 2\n", "/c.yaml:3: seed is given twice (first on line 2); keep one"),
        ("training:\n  seed: 1\ntraining:\n  seed: 2\n", "/c.yaml:3: training is given twice (first on line 1); keep one"),
        ("training:\n  seed: 012\n", "/c.yaml:2: training.seed: expected a whole number, got 012; write it without leading zeros"),
        ("training:\n  num_epochs: 1.5\n", "/c.yaml:2: training.num_epochs: expected a whole number, got 1.5"),
        ("training:\n  num_epochs: true\n", "/c.yaml:2: training.num_epochs: expected a whole number, got true"),
        ("training:\n  max_steps: few\n", "/c.yaml:2: training.max_steps: expected a whole number, got few"),
        ("training:\n  num_epochs: [3]\n", "/c.yaml:2: training.num_epochs: expected one whole number, got a list"),
        ("data:\n  packing: no\n", "/c.yaml:2: data.packing: expected true or false, got no"),
        ("data:\n  packing: {a: 1}\n", "/c.yaml:2: data.packing: expected one value or a list of words, got nested a mapping"),
        ("optimization:\n  learning_rate: 1e-3x\n", "/c.yaml:2: optimization.learning_rate: expected a number such as 0.1 or 2e-5, got 1e-3x"),
        ("optimization:\n  learning_rate: .inf\n", "/c.yaml:2: optimization.learning_rate: expected a number such as 0.1 or 2e-5, got .inf"),
        ("optimization:\n  learning_rate: 0\n", "/c.yaml:2: optimization.learning_rate: must be above 0, got 0.0"),
        ("optimization:\n  batch_size: 0\n", "/c.yaml:2: optimization.batch_size: must be at least 1, got 0"),
        ("objectives:\n  fim_rate: 1.5\n", "/c.yaml:2: objectives.fim_rate: must be at most 1.0, got 1.5"),
        ("optimization:\n  optimizer: adam\n", "/c.yaml:2: optimization.optimizer: expected one of auto, adamw, muon, got adam; did you mean adamw?"),
        ("- a\n", "/c.yaml: expected `key: value` lines, got a sequence"),
        ("training: 3\n", "/c.yaml:1: expected `key: value` lines, got 3"),
        ("a: &x 1\nb: *x\n", "/c.yaml:1: anchors and aliases are not allowed"),
        ("quantization:\n  load_in_4bit: true\n", "quantization.load_in_4bit is of a frozen base, whose weights no step can change by so little; train adapters on it (quantization.lora_enabled: true), or leave it out"),
        ("quantization:\n  load_in_4bit: true\n  load_in_8bit: true\n", "quantization.load_in_4bit and load_in_8bit are both set; keep one"),
        ("training: [\n", "/c.yaml:2: expected the node content, but found '<stream end>'"),
        ("quantization:\n  lora_target_modules: []\n", "/c.yaml:2: quantization.lora_target_modules: expected a list of names such as [q_proj, v_proj], got an empty one"),
        ("optimization:\n  optimizer: muon\ndevice_backend:\n  distributed: fsdp\n", "optimization.optimizer: muon needs whole matrices; use device_backend.distributed: ddp"),
        ("optimization:\n  warmup_steps: 5\n  warmup_ratio: 0.1\n", "optimization.warmup_steps and optimization.warmup_ratio are both set; keep one"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line_with_its_place(tmp_path, text, expected):
    assert error_of(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("batch_size=8", "--set batch_size=8: expected section.key=value, e.g. optimization.batch_size=8"),
        ("optimization.batch_size", "--set optimization.batch_size: expected section.key=value, e.g. optimization.batch_size=8"),
        ("optimization.batchsize=8", "--set optimization.batchsize=8: unknown key in optimization: batchsize; did you mean batch_size?"),
        ("optimization.batch_size=x", "--set optimization.batch_size: expected a whole number, got x"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_one_line(tmp_path, override, expected):
    assert error_of(tmp_path, "", override) == expected


def test_an_alias_bomb_is_refused_before_it_expands(tmp_path):
    """460 bytes that PyYAML expands to gigabytes."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"b{i}: &b{i} [{'*a,' if not i else f'*b{i - 1},' * 9}]\n" for i in range(9)
    )
    assert "anchors and aliases are not allowed" in error_of(tmp_path, bomb)


def test_thousands_of_nested_brackets_are_an_error_not_a_crash(tmp_path):
    assert "c.yaml" in error_of(tmp_path, "a: " + "[" * 50_000)


def test_overrides_win_over_the_file_and_the_last_override_wins(tmp_path):
    config = load(
        tmp_path,
        "optimization:\n  batch_size: 4\n",
        "optimization.batch_size=8",
        "optimization.batch_size=2",
        "quantization.lora_target_modules=[q_proj, v_proj]",
        "optimization.warmup_steps=auto",
    )
    assert config.optimization.batch_size == 2
    assert config.quantization.lora_target_modules == ("q_proj", "v_proj")
    assert config.optimization.warmup_steps is None


def test_empty_files_and_empty_sections_mean_defaults(tmp_path):
    assert load(tmp_path, "") == load(tmp_path, "# nothing\n") == load(tmp_path, "training:\n") == Config()


def test_a_missing_or_binary_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*: No such file or directory; pass --config FILE"):
        load_config(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        load_config(tmp_path / "binary.yaml")
