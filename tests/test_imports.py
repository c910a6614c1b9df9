"""Imports run one way: command -> stages -> shared records; the trainer sees little of the corpus."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What every stage may use. Anything else of `corpus` is a stage of its own.
SHARED = {
    *("records", "languages", "seeding", "paths", "syntax", "pool", "jsonl", "publish", "durable", "console"),
    *("hashing", "lifeline", "disk_errors", "endings", "ownership", "names", "boundary", "fim", "budget"),
}
CONDUCTORS = {"build", "save", "describe", "story", "rows", "history"}  # they put stages together
TRAINER_MAY_SEE = {
    *(
        "hashing",
        "syntax",
        "languages",
    ),  # the proof: spans two corpora share, and whether completed code parses
    "records",
    "boundary",
    "fim",
    "jsonl",
    "hardware",
    "publish",
    "ownership",
    "disk_errors",
    "durable",
    "seeding",
    "paths",
    "console",
    "endings",
    "pool",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def corpus_modules_in(names: set[str]) -> set[str]:
    known = {path.stem if path.stem != "__init__" else path.parent.name for path in modules("corpus")}
    return {
        parts[1] for name in names if (parts := name.split("."))[0] == "corpus" and len(parts) > 1
    } & known


def stage_of(path: Path) -> str:
    return path.relative_to(ROOT / "corpus").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules("corpus"), ids=lambda path: str(path.relative_to(ROOT)))
def test_stages_import_only_shared_modules_and_their_own_parts(path):
    names, stage = imported(path), stage_of(path)
    assert not {name for name in names if name.split(".")[0] in ("training", "tests", "benchmarks")}
    if stage in CONDUCTORS:
        return
    assert corpus_modules_in(names) <= SHARED | {stage}


@pytest.mark.parametrize("path", modules("training"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_trainer_sees_only_records_files_and_hardware_of_the_corpus(path):
    names = imported(path)
    assert corpus_modules_in(names) <= TRAINER_MAY_SEE
    assert not {name for name in names if name.split(".")[0] in ("tests", "benchmarks")}


@pytest.mark.parametrize(
    "path", [*modules("corpus"), *modules("training")], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_module_shadows_the_standard_library(path):
    is_script_directory = path.parent == ROOT / "training"
    if is_script_directory or path.parent == ROOT:
        assert path.stem not in sys.stdlib_module_names


def test_the_dataset_command_imports_neither_torch_nor_transformers():
    code = (
        "import corpus.build, sys; print(sorted({'torch', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", modules("effectiveness/memory"), ids=lambda path: path.name)
def test_the_memory_sees_neither_the_trainer_nor_who_asks_it(path):
    assert not {
        n
        for n in imported(path)
        if n.startswith(("training", "effectiveness.completion", "effectiveness.serve"))
    }


@pytest.mark.parametrize(
    "path",
    [*modules("corpus"), *modules("training"), *modules("effectiveness")],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_nothing_unpickles_or_runs_foreign_code(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name, keywords = ast.unparse(node.func), {keyword.arg: keyword.value for keyword in node.keywords}
        assert name not in ("eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "os.system")
        if name == "torch.load":
            assert ast.unparse(keywords["weights_only"]) == "True"
        trusted = keywords.get("trust_remote_code")
        assert trusted is None or ast.unparse(trusted) == "False"
