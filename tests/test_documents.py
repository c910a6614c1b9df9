"""What the documents say can be done: every command parses, every file they name exists."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from small_repository import make_repository

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [path for path in sorted(ROOT.glob("*.md")) if not path.is_symlink()]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """(document, text) of every fenced block of a language."""
    return [
        (path.name, text)
        for path in DOCUMENTS
        for found, text in _FENCE.findall(path.read_text("utf-8"))
        if found == language
    ]


def commands() -> list[tuple[str, str]]:
    joined = [(name, text.replace("\\\n", " ")) for name, text in blocks("sh")]
    return [(name, line) for name, text in joined for line in text.splitlines() if line.strip()]


def test_shell_blocks_exist():
    assert len(commands()) >= 5


@pytest.mark.parametrize(("document", "line"), commands(), ids=lambda text: text[:60])
def test_every_command_of_a_document_parses(document, line):
    words = shlex.split(line, comments=True)
    while words and ("=" in words[0] or words[0] in ("nice", "time")):
        words.pop(0)
    program, *rest = words
    if program == "make":
        check_make([word for word in rest if "=" not in word])
    elif program.endswith("python3") or program == "torchrun":
        check_python([word for word in rest if word not in ("--nproc_per_node", "2")])
    else:
        assert program in ("git", "grep", "cd", "pip", "tail", "tensorboard"), line


def check_make(targets: list[str]) -> None:
    known = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(targets) <= set(known)


def test_serving_needs_the_pins_of_the_dataset_and_what_compiles():
    rule = re.search(r"^LIGHT := (sed .+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[1]
    light = subprocess.run(
        [*shlex.split(rule.replace("\\#", "#").replace("$$", "$")), ROOT / "requirements.txt"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = re.findall(r"^([\w-]+)==", light, re.MULTILINE)
    assert {"numpy", "orjson", "tokenizers", "gigatoken", "tree-sitter", "setuptools"} <= set(names)
    assert not {"torch", "transformers", "pytest", "mypy", "ruff", "gguf"} & set(names)


def check_python(words: list[str]) -> None:
    words = words[: words.index("|")] if "|" in words else words
    if words[0] == "-m":
        assert any((ROOT / words[1].replace(".", "/")).with_suffix(s).exists() for s in ("", ".py")) or words[
            1
        ] in ("pytest", "pip")
        return
    script, *arguments = words
    assert (ROOT / script).is_file()
    if script == "create_training_dataset_effectiveness.py":
        from create_training_dataset_effectiveness import arguments as make_parser

        make_parser().parse_args(arguments)
    elif script == "training/model_trainer_unified.py":
        check_trainer(arguments)


def check_trainer(words: list[str]) -> None:
    """Flags and settings are known, and the configuration is accepted."""
    from effectiveness.trainer.config_file import load_config
    from training.model_trainer_unified import make_parser

    parsed = make_parser().parse_args(words)
    load_config(parsed.config and ROOT / parsed.config, parsed.overrides)


@pytest.mark.parametrize(("document", "text"), blocks("python"), ids=lambda text: text[:40])
def test_every_python_block_compiles(document, text):
    ast.parse(text)


@pytest.mark.parametrize(("document", "text"), blocks("json"), ids=lambda text: text[:40])
def test_every_json_block_is_json(document, text):
    json.loads(text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_a_document_names_exists(path):
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:effectiveness|training|tests|benchmarks)/[\w./-]*)`", text)
    named += [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    missing = [name for name in named if not (ROOT / name).exists() and "<" not in name]
    assert not missing


def test_the_readme_tree_names_existing_places():
    text = (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8")
    tree = next(block for _, block in _FENCE.findall(text) if "effectiveness/corpus/augment/ " in block)
    places = [line.split()[0] for line in tree.splitlines() if line.strip()]
    assert len(places) > 5
    assert all((ROOT / place).exists() for place in places)


@pytest.mark.parametrize("name", ["LOG.md", "CHANGELOG.md"])
def test_every_section_of_the_log_and_of_the_changes_is_dated_the_newest_first(name):
    headings = re.findall(r"^## (.*)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    dates = [re.match(r"20\d\d-\d\d-\d\d(?=: |$)", heading) for heading in headings]
    assert dates and None not in dates
    assert [date[0] for date in dates] == sorted((date[0] for date in dates), reverse=True)


def test_no_rule_of_the_linter_is_both_selected_and_ignored():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert not set(lint["select"]) & set(lint["ignore"])


def test_the_readme_documents_every_flag_of_the_dataset_command():
    from create_training_dataset_effectiveness import arguments

    text = (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8")
    flags = {
        flag for action in arguments()._actions for flag in action.option_strings if flag.startswith("--")
    }
    assert all(f"`{flag}" in text for flag in flags - {"--help"})


def test_every_setting_that_a_document_names_exists():
    from effectiveness.trainer.config import GONE, SECTIONS
    from effectiveness.trainer.config_file import load_config

    config = load_config(None).as_dict()
    known = {f"{section}.{key}" for section, keys in config.items() for key in keys}
    texts = [(path.name, path.read_text("utf-8")) for path in DOCUMENTS]
    named = {
        (name, match.group())
        for name, text in texts
        for code in re.findall(r"`([^`\n]+)`", text)
        for match in re.finditer(rf"\b(?:{'|'.join(SECTIONS)})\.[a-z_0-9]+\b(?!/)", code)
    }
    assert len(named) > 10
    named -= {(log, key) for log in ("LOG.md", "CHANGELOG.md") for key in GONE}  # they tell what was
    assert not [(name, key) for name, key in named if key not in known and not key.endswith((".py", ".json"))]


def test_the_problems_the_readme_explains_are_told_in_those_words():
    source = " ".join(path.read_text("utf-8") for path in (ROOT / "effectiveness" / "trainer").glob("*.py"))
    text = (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8")
    table = text.partition("### When something looks wrong")[2].partition("###")[0]
    signs = re.findall(
        r"`([^`]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
    )
    assert len(signs) > 5
    assert not [sign for sign in signs if sign not in source]


def test_the_three_commands_of_the_quick_start_run_as_they_stand(tmp_path):
    """On a small repository, and two steps of training instead of three epochs."""
    start = (ROOT / "README_EFFECTIVENESS.md").read_text("utf-8").partition("## Start")[2]
    three = _FENCE.search(start)[2].strip().splitlines()
    assert len(three) == 3 and "--device cpu" in three[2]
    repository = make_repository(tmp_path / "repository")
    short = [
        "--set",
        "training.max_steps=2",
        "--set",
        "optimization.batch_size=2",
        "--set",
        "evaluation.max_windows=4",
    ]
    for line, more in zip(three, ([], [], short), strict=True):
        python, script, *words = (
            word.replace("~/projects/the-block", str(repository)) for word in shlex.split(line)
        )
        words = [str(ROOT / word) if word.endswith(".yaml") else word for word in words]
        assert python == "python3"
        command = [sys.executable, str(ROOT / script), *words, *more]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | ONE_THREAD
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Val Loss" in done.stdout and done.stdout.splitlines()[-1] == "COMPLETE"
    worth, editor = done.stdout.splitlines()[-3:-1]
    named = "training_data_effectiveness", "models/the-block-effectiveness"
    assert worth.endswith(" proof --dataset {} --model {}".format(*named))
    assert editor.endswith(" serve {1} --dataset {0}".format(*named))
    assert (tmp_path / "models" / "the-block-effectiveness" / "model.safetensors").is_file()


def test_readme_is_a_link_to_the_effectiveness_readme():
    assert (ROOT / "README.md").resolve() == ROOT / "README_EFFECTIVENESS.md"


def test_every_pinned_requirement_has_a_reason_or_stands_in_a_group_with_one():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.match(r"^[\w.-]+==[\w.]+", line) for line in pins)
    assert all("#" in line or line.startswith("tree-sitter") for line in pins)


def test_doctests_of_the_corpus_hold():
    modules = [path for path in (ROOT / "effectiveness").rglob("*.py") if ">>>" in path.read_text("utf-8")]
    assert modules
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--doctest-modules",
        "-p",
        "no:cacheprovider",
        *map(str, modules),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
