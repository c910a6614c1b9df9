"""Each row of CONTRIBUTING's "to add a ..." is followed in a copy of the package, and what was added works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_repository import make_repository

ROOT = Path(__file__).resolve().parent.parent
DATASET = "create_training_dataset_effectiveness.py"
LANGUAGES = "effectiveness/languages"
PLAIN = f"{LANGUAGES}/plain.toml"
VENDORS = "effectiveness/corpus/secrets/vendors.txt"
WORDS = "effectiveness/corpus/secrets/words.py"
AUGMENT = "effectiveness/corpus/augment"
RECORDS = "effectiveness/common/records.py"
PRESETS = "effectiveness/trainer/shapes.py"
METRICS = "effectiveness/trainer/metrics.py"
CHARTS = "effectiveness/common/charts.py"
REPORT = "effectiveness/corpus/report"

JAVA = """
class Counter{n} {{
    // counts what it is given
    int total(int[] values) {{
        int sum = {n};
        for (int value : values) {{ if (value > {n}) {{ sum += value * {n}; }} }}
        return sum;
    }}
}}
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package as a newcomer has it."""
    target = tmp_path / "copy"
    shutil.copytree(
        ROOT / "effectiveness", target / "effectiveness", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / DATASET, target)
    return target


def add(copy: Path, file: str, before: str, line: str) -> None:
    """Write `line` before the first place that reads `before`."""
    text = (copy / file).read_text("utf-8")
    assert before in text
    (copy / file).write_text(text.replace(before, line + before, 1), "utf-8")


def python(copy: Path, *arguments: str) -> str:
    """What a child with the copy on its path printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(copy: Path, repository: Path, augmentations: str) -> dict:
    """The metadata of a dataset that the copy makes."""
    flags = ["--tokenizer", "local", "--workers", "1", "--device", "cpu", "--max-tokens", "128"]
    python(copy, DATASET, str(repository), "--output", "out", "--augmentations", augmentations, *flags)
    return json.loads((copy / "out" / "dataset_metadata.json").read_text("utf-8"))


def test_a_language_is_one_row_and_its_rules_are_a_file_and_its_name(copy, tmp_path):
    row = '{ name = "Newcomer", suffixes = [".newcomer"], grammar = "tree_sitter_java:language" },'
    add(copy, PLAIN, '  { name = "Markdown"', f"  {row}\n")
    rules = (copy / LANGUAGES / "java.toml").read_text("utf-8")
    rules = rules.replace('"Java"', '"Ruled"').replace('[".java"]', '[".ruled"]')
    (copy / LANGUAGES / "ruled.toml").write_text(rules, "utf-8")
    add(copy, f"{LANGUAGES}/__init__.py", "java bash ", "ruled ")
    repository = make_repository(tmp_path / "repository")
    for n in range(24):
        name = f"counter{n}.{('newcomer', 'ruled')[n % 2]}"
        (repository / name).write_text(JAVA.format(n=n) * 3)
    metadata = build(copy, repository, "all")
    for language in ("Newcomer", "Ruled"):
        assert metadata["rows_per_language"][language] > 12
    assert metadata["augmentation"]["token_masking"]["Newcomer"]["changed"] > 0
    for kind in ("comment_toggle", "format_variation"):
        outcomes = metadata["augmentation"][kind]
        assert set(outcomes["Newcomer"]["refused"]) == {"not varied in this language"}
        assert outcomes["Ruled"]["changed"] == 12
    for language in ("Newcomer", "Ruled"):
        refused = metadata["augmentation"]["variable_renaming"][language]["refused"]
        assert set(refused) == {"not renamed in this language"}


def test_a_vendor_s_token_is_one_row_and_a_telling_word_is_one_row(copy):
    add(copy, VENDORS, "Plaid token ", "Newcomer token | nwc- | h20 =- h20 | V\n")
    add(copy, WORDS, '    ("pwd", rb"pwd"),\n', '    ("zaub", rb"zauberwort"),\n')
    secrets = "nwc-3f9a1c77be02d4586e1b-90ac4e1d77f3b2a86c05", "hT7#kQz9Lw2x"
    text = f'id: {secrets[0]}\nzauberwort = "{secrets[1]}"\n'
    code = f"from effectiveness.corpus.secrets import redact_all; print(redact_all([{text.encode()!r}])[0][0].decode())"
    found = python(copy, "-c", code)
    assert secrets[0][4:] not in found and secrets[1] not in found and "zauberwort" in found


def test_an_augmentation_is_a_file_a_line_and_its_name(copy, tmp_path):
    (copy / AUGMENT / "last_line.py").write_text(
        "from effectiveness.corpus.augment.edits import Edit\n\n\n"
        "def propose(source, language, table, rng, facts):\n"
        '    return [Edit(len(source), len(source), b"\\n\\n")]\n'
    )
    add(copy, f"{AUGMENT}/__init__.py", '    "variable_renaming": Augmentation(',
        '    "blank_end": Augmentation(last_line.propose, verify.WHITE_SPACE),\n')  # fmt: skip
    add(copy, f"{AUGMENT}/__init__.py", "from effectiveness.corpus.augment.edits",
        "from effectiveness.corpus.augment import last_line\n")  # fmt: skip
    add(copy, RECORDS, '"token_masking")', '"blank_end", ')
    metadata = build(copy, make_repository(tmp_path / "repository"), "blank_end,token_masking")
    assert metadata["augmentation"]["blank_end"]["Rust"]["changed"] > 0
    rows = (copy / "out" / "training_data_train.jsonl").read_text("utf-8")
    assert '"augmentation_type":"blank_end"' in rows


def test_a_preset_is_one_entry_and_a_metric_is_a_function_and_a_line(copy):
    add(copy, PRESETS, '    "tiny": Preset(',
        '    "pocket": Preset(hidden_size=32, num_layers=1, num_heads=1, feed_forward=64),\n')  # fmt: skip
    add(copy, METRICS, "METRICS: dict",
        'def nats_per_step(period: Period) -> float:\n    return period.nats / period.num_steps\n\n\n')  # fmt: skip
    add(copy, METRICS, '    "perplexity": perplexity,\n', '    "nats_per_step": nats_per_step,\n')
    code = """
import torch
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.metrics import METRICS, Period
from effectiveness.trainer.models import build_preset
name = load_config(None, ["model.preset=pocket"]).model.preset
control = ControlTokens(begin=0, end=0, pad=1)
model = build_preset(name, vocab_size=16, max_positions=32, control=control, seed=1)
ids = torch.arange(8)[None]
loss = model(input_ids=ids, labels=ids).loss
loss.backward()
print(float(loss) > 0, METRICS["nats_per_step"](Period(nats=6.0, num_steps=4)))
"""
    assert python(copy, "-c", code) == "True 1.5\n"


def test_a_picture_is_a_drawing_a_section_and_its_line(copy, tmp_path):
    add(
        copy,
        CHARTS,
        "def legend(",
        "def dot(share: float) -> Html:\n    return drawing([tag('circle', r=share)], 9, 9, 'dot')\n\n\n",
    )
    section = "def dots(metadata, counted):\n    return section('Dots', 'why', charts.dot(4.5))\n\n\n"
    add(copy, f"{REPORT}/content.py", "def languages(", section)
    add(
        copy,
        f"{REPORT}/__init__.py",
        "        content.languages(",
        "        content.dots(metadata, counted),\n",
    )
    build(copy, make_repository(tmp_path / "repository"), "none")
    page = (copy / "out" / "report.html").read_text("utf-8")
    assert "<h2>Dots</h2>" in page and '<circle r="4.5">' in page
