"""Imports run one way: commands, then rooms, then what all share; neither half sees the other."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Room -> rooms it may import from. `isolation` is for all; the command line (cli, complete) sees everything.
MAY_SEE = {
    "common": (),
    "languages": ("common",),
    "memory": ("common",),
    "corpus": ("common", "languages"),
    "trainer": ("common",),
    "completion": ("common", "memory", "trainer"),
    "proof": ("common", "languages", "memory", "trainer", "completion"),
    "ablation": ("common", "trainer"),
    "gguf": ("common", "trainer"),
    "serve": ("common", "corpus", "memory", "completion"),
}
CONDUCTORS = {
    "build",
    "save",
    "file_splits",
    "known_languages",
    "build_log",
    "rows",
    "history",
}  # they put stages of the corpus together


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


@pytest.mark.parametrize("path", modules("effectiveness"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_below_it(path):
    names = [name.split(".") for name in imported(path)]
    assert not {name[0] for name in names} & {"training", "tests", "benchmarks"}
    room, *rest = path.relative_to(ROOT / "effectiveness").parts
    if rest:
        seen = {name[1] for name in names if name[0] == "effectiveness" and len(name) > 1}
        assert seen <= {room, "isolation", *MAY_SEE[room]}


def test_every_room_is_known():
    assert set(MAY_SEE) == {path.parent.name for path in (ROOT / "effectiveness").glob("*/__init__.py")}


NAMED_TWICE = {  # or another thing than a module
    "effectiveness/trainer": ["auto"],
    "benchmarks": ["dataset", "train_step", "serve", "reading", "architectures", "gpu"],
}


@pytest.mark.parametrize("package", NAMED_TWICE)
def test_a_map_names_every_module(package):
    described = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
    modules_there = [path.stem for path in (ROOT / package).glob("*.py") if path.stem != "__init__"]
    assert sorted(re.findall(r"`(\w+)`", described)) == sorted([*modules_there, *NAMED_TWICE[package]])


def stage_of(path: Path) -> str:
    return path.relative_to(ROOT / "effectiveness" / "corpus").parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", modules("effectiveness/corpus"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_stage_of_the_corpus_imports_only_its_own_parts(path):
    names = [name.split(".") for name in imported(path)]
    stages = {stage_of(other) for other in modules("effectiveness/corpus")}
    seen = {name[2] for name in names if name[:2] == ["effectiveness", "corpus"] and len(name) > 2} & stages
    assert stage_of(path) in CONDUCTORS or seen <= {stage_of(path)}


@pytest.mark.parametrize("path", modules("training"), ids=lambda path: path.name)
def test_no_module_shadows_the_standard_library(path):
    """Python puts the directory of a script first on its path."""
    assert path.stem not in sys.stdlib_module_names


def loaded_by_a_build(tmp_path: Path, *flags: str) -> set[str]:
    """Everything that a small build has imported by its end."""
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "a.py").write_text("def first(argument):\n    return argument + 1\n" * 9)
    code = (
        "import sys, create_training_dataset_effectiveness as command; exit_code = command.main(sys.argv[1:]); "
        "print(*sys.modules); sys.exit(exit_code)"
    )
    arguments = [tmp_path / "repository", "--output", tmp_path / "dataset", "--quiet", "--device", "cpu"]
    local = ["--tokenizer", "local", "--workers", "1", *flags]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, *local], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_a_build_reads_neither_torch_nor_the_rooms_that_it_was_not_asked_for(tmp_path):
    loaded = loaded_by_a_build(tmp_path)
    assert not {"torch", "transformers", "matplotlib"} & loaded
    ours = [name for name in loaded if name.startswith("effectiveness")]
    rooms = {name.split(".")[2] for name in ours if name.startswith("effectiveness.corpus.")}
    assert {"scan", "rows"} <= rooms and not {"augment", "history"} & rooms
    assert len(ours) <= 112


def test_a_build_with_variants_reads_what_makes_them(tmp_path):
    loaded = loaded_by_a_build(tmp_path, "--recipe", "founding")
    assert "effectiveness.corpus.augment.renaming" in loaded and "torch" not in loaded


@pytest.mark.parametrize(
    "flags",
    [
        ("train", "--sequences", "nowhere.jsonl"),
        ("train", "--config", "nowhere.yaml"),
        ("train", "--set", "model.presett=tiny"),
        ("complete", "nowhere", "def"),
        ("proof", "--dataset", "nowhere", "--model", "nowhere"),
    ],
)
def test_what_was_mistyped_is_told_without_torch(flags, tmp_path):
    code = (
        "import sys; from effectiveness.cli import main; exit_code = main(sys.argv[1:]); "
        "print('torch' in sys.modules); sys.exit(exit_code)"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(
    "path",
    [*modules("training"), *modules("effectiveness")],
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


def test_a_class_name_means_one_thing():
    places: dict[str, list[str]] = {}
    for path in modules("effectiveness"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
