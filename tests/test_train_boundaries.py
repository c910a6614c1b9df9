"""What the trainer is given from outside: models, adapters' targets, prompts, names. Through the real command."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_fixtures import command, llama, use_tiny_models

from effectiveness.common.boundary import reading
from effectiveness.common.records import UserError
from effectiveness.trainer import foreign_model, models
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.model_files import find_directory, find_weights, inside
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

ROOT = Path(__file__).parent.parent
COMMAND = ROOT / "training" / "model_trainer_unified.py"


@pytest.fixture(scope="module")
def exported(sequences, tmp_path_factory):
    """A model that never saw fill-in-the-middle."""
    output = tmp_path_factory.mktemp("exported") / "m"
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        flags = ("--set", "training.max_steps=1", "--set", "objectives.fim_rate=0")
        assert main(command(sequences, output, *flags)) == 0
    return output


@pytest.fixture
def base(sequences, tmp_path):
    """A foreign model with the dataset's tokenizer."""
    return llama(tmp_path / "base", sequences.parent / "tokenizer")


def refusal(capsys, arguments: list[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out.splitlines()[-1] == "FAILED"
    return line


def completing(model: Path, *flags: str) -> list[str]:
    short = ("--set", "inference.max_new_tokens=8")
    return ["--checkpoint", str(model), "--device", "cpu", *short, *flags]


# --- reading ---------------------------------------------------------------------------------------------


class PanicException(BaseException):
    """As Rust's: no Exception."""


@pytest.mark.parametrize(
    "raised", [ValueError("a\nb"), RecursionError(), MemoryError(), PanicException("at x.rs")]
)
def test_whatever_a_library_raises_is_one_line_that_names_it(raised):
    with pytest.raises(UserError) as caught, reading("m", "give another"):
        raise raised
    assert str(caught.value).startswith(f"m: {type(raised).__name__}")
    assert str(caught.value).endswith("; give another") and "\n" not in str(caught.value)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_and_an_exit_are_no_mistakes_of_a_file(raised):
    with pytest.raises(raised), reading("m", "give another"):
        raise raised


# --- models ----------------------------------------------------------------------------------------------


def test_a_model_without_a_tensor_is_refused_in_every_use(sequences, base, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    tensors = load_file(base / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    named = ["--set", f"model.pretrained_model={base}"]
    for arguments in (
        command(sequences, tmp_path / "m", *named),
        command(sequences, tmp_path / "m", "--checkpoint", str(base)),
        command(sequences, tmp_path / "m", "--checkpoint", str(base), "--eval_only"),
        completing(base, "--complete", "x"),
    ):
        assert "model.norm.weight is missing" in refusal(capsys, arguments)
    with pytest.raises(UserError, match=r"model\.norm\.weight is missing"):  # the proof's loader
        models.load_pretrained(str(base), window=8, vocab_size=8)


def test_attention_is_ours_whatever_a_configuration_says(base, tmp_path):
    before = models.load_pretrained(str(base), window=8, vocab_size=8)
    described = json.loads((base / "config.json").read_text())
    nested = {"_attn_implementation": "a/b", "attn_implementation": "a/b"}
    asked = nested | {
        "_attn_implementation_internal": "a/b",
        "experts_implementation": "a/b",
    }
    (base / "config.json").write_text(json.dumps(described | asked))
    after = models.load_pretrained(str(base), window=8, vocab_size=8)
    assert before.config._attn_implementation == after.config._attn_implementation == "sdpa"
    assert "a/b" not in json.dumps(after.config.to_dict())
    assert "a/b" not in json.dumps(
        foreign_model._kept({"text_config": asked | {"x": [["a/b"]], "y": {"z": nested}}})
    )


def test_weights_behind_a_link_are_read_in_the_hubs_cache_and_nowhere_else(base, tmp_path):
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "1", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    shutil.copy(base / "model.safetensors", blobs / "f00d")
    (snapshot / "model.safetensors").symlink_to("../../blobs/f00d")
    assert find_weights("x", snapshot) == [snapshot / "model.safetensors"]
    (blobs / "f00d").rename(tmp_path / "f00d")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(tmp_path / "f00d")
    with pytest.raises(UserError, match="is a link out of the directory"):
        find_weights("x", snapshot)
    with pytest.raises(UserError, match="cannot load x: gone"):
        inside("x", snapshot, "gone")


@pytest.mark.parametrize("name", ["../up", "a/b/c", "", "a b", "\0", "x" * 300, "~nouser/x", "https://x/y"])
def test_a_name_that_is_neither_a_directory_nor_the_hubs_is_one_line(name):
    with pytest.raises(UserError, match=r"^cannot load "):
        find_directory(name)


def test_an_export_that_was_edited_is_not_loaded(exported, tmp_path, capsys):
    shutil.copytree(exported, tmp_path / "edited")
    file = tmp_path / "edited" / "tokenizer.json"
    file.write_text(file.read_text() + " ")
    line = refusal(capsys, completing(tmp_path / "edited", "--complete", "x"))
    assert "tokenizer.json was changed since it was exported" in line


def test_new_rows_are_drawn_by_the_seed_and_no_two_are_equal(base):
    one, again, other = (
        models.load_pretrained(str(base), window=8, vocab_size=310, seed=s) for s in (1, 1, 2)
    )
    rows = [model.get_input_embeddings().weight[300:] for model in (one, again, other)]
    assert torch.equal(rows[0], rows[1]) and not torch.equal(rows[0], rows[2])
    assert torch.equal(one.lm_head.weight, again.lm_head.weight)
    assert torch.pdist(rows[0]).min() > 0


# --- adapters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens", "q_proj.*", "norm", "self_attn"])
@pytest.mark.parametrize("beside", ["", ", q_proj", ", all-linear"])
def test_a_target_that_gets_no_adapter_is_refused_also_beside_others(
    sequences, base, tmp_path, capsys, target, beside
):
    flags = ["--set", f"model.pretrained_model={base}", "--set", "quantization.lora_enabled=true"]
    flags += ["--set", f"quantization.lora_target_modules=[{target}{beside}]", "--dry-run"]
    assert target in refusal(capsys, command(sequences, tmp_path / "m", *flags))


# --- completing ------------------------------------------------------------------------------------------


def test_the_seed_decides_a_sampled_completion_and_is_named(exported, capsys):
    def sampled(seed: int) -> str:
        flags = ("--complete", "def ", "--seed", str(seed), "--set", "inference.do_sample=true")
        assert main(completing(exported, *flags, "--set", "inference.temperature=5")) == 0
        captured = capsys.readouterr()
        assert f"sampled with --seed {seed}" in captured.err
        return captured.out

    assert sampled(1) == sampled(1) != sampled(2)


def test_a_suffix_needs_a_model_that_learnt_to_fill_in_the_middle(
    sequences, exported, base, tmp_path, capsys
):
    flags = ("--complete", "def ", "--suffix", "return")
    assert "never learnt to fill in the middle" in refusal(capsys, completing(exported, *flags))
    assert main(completing(base, *flags)) == 0  # a foreign one whose tokens these are
    more = ("--set", "training.max_steps=1")
    taught = command(sequences, tmp_path / "taught", *more, "--set", "objectives.fim_rate=0.5")
    assert main(taught) == 0
    assert main(completing(tmp_path / "taught", *flags)) == 0
    further = command(sequences, tmp_path / "further", *more, "--checkpoint", str(tmp_path / "taught"))
    assert main(further) == 0
    assert main(completing(tmp_path / "further", *flags)) == 0


def test_a_prompt_comes_from_standard_input_when_asked(exported, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("def café".encode())))
    assert main(completing(exported, "--complete", "-")) == 0
    assert capsys.readouterr().out.startswith("def café")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    assert "standard input" in refusal(capsys, completing(exported, "--complete", "-"))


def test_a_prompt_comes_from_a_file_byte_for_byte(exported, capsys, monkeypatch, tmp_path):
    draft = tmp_path / "draft.py"
    draft.write_bytes("- x\r\ndef café(\n".encode())
    assert main(completing(exported, "--prompt", str(draft))) == 0
    assert capsys.readouterr().out.startswith("- x\r\ndef café(\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"def f(")))
    assert main(completing(exported, "--prompt", "-")) == 0
    assert capsys.readouterr().out.startswith("def f(")
    (tmp_path / "latin.py").write_bytes(b"caf\xe9")
    for wrong, says in (("latin.py", "UTF-8"), ("gone.py", "No such file"), (".", "Is a directory")):
        line = refusal(capsys, completing(exported, "--prompt", str(tmp_path / wrong)))
        assert says in line and "give a file of UTF-8 text" in line
    assert "keep one" in refusal(capsys, completing(exported, "--prompt", str(draft), "--complete", "x"))


# --- arguments -------------------------------------------------------------------------------------------

LATIN = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--complete", LATIN, "--checkpoint", "m"], "--complete is not UTF-8 (at byte 3"),
        (["--complete", "x", "--suffix", LATIN, "--checkpoint", "m"], "--suffix is not UTF-8"),
        (["--output", LATIN], "--output is not UTF-8"),
        (["--config", LATIN], "--config is not UTF-8"),
        (["--sequences", f"{LATIN}/training_data_train.jsonl"], "--sequences is not UTF-8"),
        (["--set", f"output.directory={LATIN}"], "--set is not UTF-8"),
        (["--output", "n" * 256], "--output: a name of 256 bytes (nnn"),
        (["--checkpoint", "n/" * 2100], "at most 4095 can be"),
        (["--output", "~nouser/x"], "--output ~nouser/x: there is no such user"),
        (["--set", "output.directory=~nouser/x"], "output.directory: ~nouser/x: RuntimeError"),
        (["--set", "output.directory=a\nb"], "expected printable text"),
        (["--max-steps", "3"], "unrecognized arguments: --max-steps 3; --help shows every flag"),
        (["--sequnces=3"], "--sequnces=3; did you mean --sequences?; --help shows every flag"),
        (["--epochs", "x"], "argument --epochs: invalid int value"),
        (["--epochs", "0"], "error: --epochs: must be at least 1"),
        (["--set", "training.seed=" + "9" * 5000], "has 5,000 digits"),
        (["--set", "training.save_steps=0.1"], "training.save_steps: expected a whole number, got 0.1"),
    ],
)
def test_an_odd_argument_is_one_line_before_anything_is_done(capsys, monkeypatch, tmp_path, flags, expected):
    monkeypatch.chdir(tmp_path)
    line = refusal(capsys, flags)
    assert expected in line and "leading zeros" not in line
    assert not list(tmp_path.iterdir())


def test_a_run_works_inside_a_folder_whose_name_is_not_utf8(sequences, monkeypatch, tmp_path, capsys):
    folder = tmp_path / LATIN
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    shutil.copytree(sequences.parent, folder / "d")
    monkeypatch.chdir(folder)
    arguments = command(Path("d") / sequences.name, Path("m"), "--set", "training.max_steps=1")
    assert main(arguments) == 0
    assert main(completing(Path("m"), "--complete", "def ")) == 0


def test_a_home_directory_is_meant_by_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config(None, ["output.directory=~/m"]).output.directory == str(tmp_path / "m")


def test_a_working_directory_that_is_gone_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && exec "$2" "$3" --dry-run'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(gone), sys.executable, str(COMMAND)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: the working directory is gone")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe: [measured]\n", "recipe: expected one of"),
        ("training:\n  seed: !!int 3\n", ":2: tags are not allowed"),
        ("training: !!python/object/apply:os.system [x]\n", ":1: tags are not allowed"),
        ("training: {seed: 1}\n---\nmodel: {}\n", ":2: a second document begins here"),
        ("<<: {a: 1}\n", "unknown section: <<"),
        ('output:\n  directory: "\\ud800"\n', "expected printable text"),
        ("training:\n  seed: ٣\n", "expected a whole number"),
    ],
)
def test_an_odd_configuration_is_one_line_with_its_place(tmp_path, text, expected):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "c.yaml")
    assert expected in str(caught.value) and "\n" not in str(caught.value)
