"""Tokenizers and configurations that others wrote: refused in one line, or read as what they say."""

from __future__ import annotations

import dataclasses
import math
import random
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from odd_texts import make_odd_tokenizer, odd_setting, odd_yaml
from training_fixtures import write_dataset

from effectiveness.common.records import UserError
from effectiveness.trainer.config import SECTIONS
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.vocabulary import Vocabulary

SHORT, WHOLE = 60, 200
LIMIT_S = 60
ROOT = Path(__file__).parent.parent
TEXT = "def total_count(total, count):\n\ttotal = total + count  # café 🙂 <|endoftext|>\n    return total\n"
KEYS = [f"{section}.{f.name}" for section, kind in SECTIONS.items() for f in dataclasses.fields(kind)]
SEEDS = pytest.mark.parametrize(
    "seeds",
    [range(SHORT), pytest.param(range(SHORT, WHOLE), marks=pytest.mark.torture)],
    ids=["short", "whole"],
)


def too_long(_number, _frame):
    raise AssertionError("hangs")


@pytest.fixture(autouse=True)
def no_hang():
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT_S)
    yield
    signal.alarm(0)


def refusal_or(read, *arguments):
    """What was read, or the UserError's line; anything else fails the test with what was given."""
    signal.alarm(LIMIT_S)  # of each one
    try:
        return read(*arguments), None
    except UserError as error:
        assert "\n" not in str(error) and error.exit_code == 2
        return None, str(error)


# --- tokenizers ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "d").parent / "tokenizer"


def meaning(directory: Path):
    vocabulary = Vocabulary(directory)
    ids = vocabulary.encode(TEXT)
    return ids, vocabulary.decode(ids), vocabulary.control, vocabulary.num_bytes.tolist()


@SEEDS
def test_an_odd_tokenizer_is_refused_in_one_line_or_serves(tokenizer, tmp_path, seeds, capfd):
    """Entries that were exchanged make another tokenizer, which nobody can tell from its file: datasets and exports
    carry its digest. What is read here must be whole: it encodes, decodes and knows the end of a text."""
    outcomes, before = [], meaning(tokenizer)
    for seed in seeds:
        shutil.copytree(tokenizer, tmp_path / str(seed))
        done = make_odd_tokenizer(tmp_path / str(seed), random.Random(seed))
        try:
            found, refusal = refusal_or(meaning, tmp_path / str(seed))
        except BaseException as error:  # noqa: BLE001 (a traceback for the user: what this test is about)
            outcomes.append(f"{seed} {done}: {type(error).__name__}: {error}")
            continue
        outcomes.append("refused" if refusal else "same" if found == before else "another")
    wrong = [found for found in outcomes if found not in ("refused", "same", "another")]
    assert not wrong, "\n".join(wrong)
    assert {"refused", "same"} <= set(outcomes)
    assert "panicked" not in capfd.readouterr().err


# --- configurations --------------------------------------------------------------------------------------


def said(text: str) -> dict[str, object]:
    """section.key -> the text or the list of texts that YAML's own reader finds there, all of it as text."""
    parsed = yaml.load(text, Loader=yaml.BaseLoader) or {}
    return {
        f"{s}.{k}": v for s, values in parsed.items() if isinstance(values, dict) for k, v in values.items()
    }


def means(value: object, text: object) -> bool:
    """Whether a setting is what stands in the file."""
    if isinstance(value, tuple):
        return list(value) == (text if isinstance(text, list) else [text])
    if value is None or text in ("auto", "null", "~", ""):
        return text in ("auto", "null", "Null", "NULL", "~", "")
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return math.isclose(float(text), value)
    return text == value or (text.startswith("~") and value.endswith(text[1:]))


@SEEDS
def test_an_odd_configuration_is_refused_in_one_line_or_means_what_it_says(tmp_path, seeds):
    good = (ROOT / "training_config_metal_cuda_universal.yaml").read_text("utf-8")
    num_refused = 0
    for seed in seeds:
        raw, file = odd_yaml(good, KEYS, random.Random(seed)), tmp_path / f"{seed}.yaml"
        file.write_bytes(raw)
        config, refusal = refusal_or(load_config, file)
        num_refused += refusal is not None
        if config is not None:
            values = config.as_dict()
            for key, text in said(raw.decode("utf-8")).items():
                section, name = key.split(".")
                assert means(values[section][name], text), (seed, key, text, values[section][name])
    assert num_refused > len(seeds) / 3


@SEEDS
def test_an_odd_setting_is_refused_in_one_line_or_means_what_it_says(seeds):
    for seed in seeds:
        for part in range(10):
            setting = odd_setting(KEYS, random.Random(seed * 10 + part))
            config, _ = refusal_or(load_config, None, [setting])
            if config is None or setting.startswith(("quantization.lora", "recipe")):
                continue
            key, _, text = setting.partition("=")
            section, name = key.split(".")
            assert means(config.as_dict()[section][name], text.strip()) or config == load_config(None), (
                setting
            )
