"""Wrong uses of the trainer: one line on stderr, exit code 2, before the first step, nothing written."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from training_fixtures import command, llama, small_files, use_tiny_models, write_dataset

from effectiveness.common.invocation import typed
from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.records import METADATA_FILE
from training.model_trainer_unified import main, make_parser

pytestmark = pytest.mark.usefixtures("tiny")


def refused(capsys, output: Path, arguments: list[str]) -> str:
    """The one error line of a command that must write nothing."""
    capsys.readouterr()  # what preparing the test printed
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ") and captured.out.splitlines()[-1] == "FAILED"
    assert not output.exists()
    return line.removeprefix("error: ")


def test_a_missing_device_is_refused_at_once_and_names_the_one_that_is_there(sequences, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    line = refused(capsys, tmp_path / "m", [*command(sequences, tmp_path / "m"), "--device", "cuda"])
    assert line.startswith("--device cuda: not available, this torch (")
    assert line.endswith("finds cpu only; use --device cpu")


def test_codebert_is_refused_as_a_model_with_the_reason_and_without_the_network(sequences, tmp_path, capsys):
    flags = ("--set", "model.pretrained_model=microsoft/codebert-base")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert line.startswith("model.pretrained_model: microsoft/codebert-base is not a causal model")
    assert "514 positions" in line and "model.preset" in line


def test_an_encoder_in_a_local_directory_is_refused_by_its_kind(sequences, tmp_path, capsys):
    from transformers import RobertaConfig

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    RobertaConfig(vocab_size=300, max_position_embeddings=514, **sizes).save_pretrained(tmp_path / "roberta")
    flags = ("--set", f"model.pretrained_model={tmp_path / 'roberta'}")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert "is not a causal model (roberta reads both ways, 514 positions)" in line


def test_a_decoder_that_reads_ahead_is_refused_by_measurement(sequences, tmp_path, capsys, monkeypatch):
    from effectiveness.trainer import models

    class ReadsAhead(torch.nn.Module):
        def forward(self, input_ids, use_cache):
            from types import SimpleNamespace

            return SimpleNamespace(logits=input_ids.flip(1)[..., None].float().cumsum(1))

        def get_input_embeddings(self):
            return torch.nn.Embedding(300, 2)

        def parameters(self, recurse=True):
            return iter([torch.zeros(1)])

    from effectiveness.common.records import UserError

    with pytest.raises(UserError, match="a later token changes earlier logits"):
        models.check_causal("x", ReadsAhead())


def test_windows_longer_than_the_models_positions_are_refused(sequences, tmp_path, capsys):
    model = llama(tmp_path / "short", sequences.parent / "tokenizer", positions=16)
    flags = ("--set", f"model.pretrained_model={model}")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert line.startswith("the dataset's windows have 32 tokens, but ")
    assert "has 16 positions; build the dataset with --max-tokens 16" in line
    flags = ("--set", "model.max_position_embeddings=16")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert "model.max_position_embeddings has 16 positions" in line


@pytest.fixture(scope="module")
def other_tokenizer(tmp_path_factory):
    """A dataset of other text, so with another tokenizer."""
    files = [f for f in small_files(9) if f.split != "train"] + small_files(5)[:2]
    return (
        write_dataset(tmp_path_factory.mktemp("other") / "d", files=files, vocab_size=290).parent
        / "tokenizer"
    )


def test_a_model_with_another_tokenizer_is_refused(sequences, other_tokenizer, tmp_path, capsys):
    model = llama(tmp_path / "other", other_tokenizer)
    flags = ("--set", f"model.pretrained_model={model}")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert "has another tokenizer than the dataset; build the dataset with --tokenizer" in line


def test_another_tokenizer_name_is_refused_and_the_datasets_own_is_not(
    sequences, other_tokenizer, tmp_path, capsys
):
    flags = ("--set", f"model.tokenizer_name={other_tokenizer}")
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert line.startswith("model.tokenizer_name: ") and "another tokenizer" in line
    for same in ("local", sequences.parent / "tokenizer"):
        assert (
            main(command(sequences, tmp_path / "m", "--dry-run", "--set", f"model.tokenizer_name={same}"))
            == 0
        )


def test_a_checkpoint_with_another_tokenizer_is_refused_by_its_hash(
    sequences, other_tokenizer, tmp_path, capsys
):
    source = llama(tmp_path / "source", other_tokenizer)
    arguments = command(sequences, tmp_path / "m", "--checkpoint", str(source))
    line = refused(capsys, tmp_path / "m", arguments)
    assert "was trained with another tokenizer (sha256 " in line


def test_a_tokenizer_that_was_changed_after_the_dataset_was_built_is_refused(sequences, tmp_path, capsys):
    shutil.copytree(sequences.parent, tmp_path / "d")
    file = tmp_path / "d" / "tokenizer" / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    arguments = command(tmp_path / "d" / sequences.name, tmp_path / "m")
    assert "is not the tokenizer the dataset was built with" in refused(capsys, tmp_path / "m", arguments)


def test_training_rows_that_were_changed_after_the_dataset_was_built_are_refused(sequences, tmp_path, capsys):
    shutil.copytree(sequences.parent, tmp_path / "d", ignore=shutil.ignore_patterns(".cache"))
    rows = tmp_path / "d" / sequences.name
    rows.write_bytes(rows.read_bytes().replace(b'"weight":3.0', b'"weight":9.0', 1))
    line = refused(capsys, tmp_path / "m", command(rows, tmp_path / "m"))
    assert "is not the file that dataset_metadata.json describes" in line


@pytest.fixture(scope="module")
def finished(sequences, tmp_path_factory):
    """The output of a run of one step."""
    output = tmp_path_factory.mktemp("finished") / "m"
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        assert main(command(sequences, output, "--set", "training.max_steps=1")) == 0
    return output


@pytest.fixture
def places(sequences, finished, tmp_path):
    """What the wrong uses below name, made wrong: {name} in a flag becomes tmp_path/name."""
    (tmp_path / "misspelt.yaml").write_text("optimization:\n  learing_rate: 2e-4\n")
    (tmp_path / "typed.yaml").write_text("optimization:\n  batch_size: many\n")
    (tmp_path / "tab.yaml").write_text("optimization:\n\tbatch_size: 4\n")
    (tmp_path / "file").touch()
    for name in ("no_val", "no_rows"):
        shutil.copytree(sequences.parent, tmp_path / name, ignore=shutil.ignore_patterns(".cache"))
    (tmp_path / "no_val" / "training_data_val.jsonl").unlink()
    empty_training_file(tmp_path / "no_rows")
    for name in ("damaged", "cut"):
        shutil.copytree(finished, tmp_path / name)
    for weights in (tmp_path / "damaged").rglob("step-*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    (tmp_path / "damaged" / "config.json").unlink()  # else it is a finished model
    with (tmp_path / "cut" / "model.safetensors").open("r+b") as weights:
        weights.truncate(1000)
    return tmp_path


def empty_training_file(dataset: Path) -> None:
    """Empty, and described so."""
    (dataset / "training_data_train.jsonl").write_bytes(b"")
    metadata = read_metadata(dataset / METADATA_FILE)
    metadata["files"]["training_data_train.jsonl"] = {"sha256": hashlib.sha256(b"").hexdigest()}
    write_metadata(dataset / METADATA_FILE, metadata)


WRONG_USES = {
    "misspelt key": (
        "--config {misspelt.yaml}",
        "{misspelt.yaml}:2: unknown key in optimization: learing_rate; did you mean learning_rate?",
    ),
    "wrong type": (
        "--config {typed.yaml}",
        "{typed.yaml}:2: optimization.batch_size: expected a whole number, got many",
    ),
    "tab in the configuration": ("--config {tab.yaml}", "; indent with spaces"),
    "no dataset": (
        "--sequences {nothing/training_data_train.jsonl}",
        f"is missing; build it with {typed('dataset')} REPO",
    ),
    "validation file gone": (
        "--sequences {no_val/training_data_train.jsonl}",
        "{no_val/training_data_val.jsonl} is missing: not a complete dataset; build it again",
    ),
    "training file empty": (
        "--sequences {no_rows/training_data_train.jsonl}",
        "has no rows; build the dataset from a larger repository",
    ),
    "held-out file as training file": (
        "--sequences {no_rows/training_data_test.jsonl}",
        "is no training file: --sequences {no_rows/training_data_train.jsonl}",
    ),
    "output is a file": (
        "--output {file}",
        "{file} is not a directory; choose a new or empty directory",
    ),
    "output inside a file": (
        "--output {file/model}",
        "cannot write to --output {file/model} (Not a directory); choose another one",
    ),
    "damaged checkpoint": (
        "--checkpoint {damaged}",
        "--checkpoint {damaged} holds neither a finished model nor a whole checkpoint: checkpoint step-00000001 is",
    ),
    "weights cut short": (
        "--checkpoint {cut}",
        "cannot load {cut}: model.safetensors: SafetensorError: ",
    ),
}


@pytest.mark.parametrize("use", WRONG_USES)
def test_a_wrong_use_of_files_is_one_line_that_names_the_file(sequences, places, capsys, use):
    flags, expected = (
        re.sub(r"{(.*?)}", lambda name: str(places / name[1]), text) for text in WRONG_USES[use]
    )
    output = places / "m"
    line = refused(capsys, output, command(sequences, output, *flags.split()))
    assert expected in line


def test_an_empty_validation_file_is_told_and_the_run_goes_on(sequences, tmp_path, capsys):
    files = [file for file in small_files() if file.split != "val"]
    sequences = write_dataset(tmp_path / "d", files=files)
    assert main(command(sequences, tmp_path / "m", "--set", "training.max_steps=1")) == 0
    assert "Val Loss: none, no file is held out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--checkpoint", "/nowhere"], "--checkpoint /nowhere: no such directory"),
        (["--resume", "--checkpoint", "x"], "--resume goes on in --output, --checkpoint starts a new run"),
        (["--suffix", "x"], "--suffix needs the text before the gap: --complete TEXT or --prompt FILE"),
        (["--complete", "x", "--checkpoint", "/nowhere"], "/nowhere holds no finished model"),
        (["--epochs", "0"], "--epochs: must be at least 1, got 0"),
        (["--seed", "-1"], "--seed: must be at least 0, got -1"),
        (
            ["--config", "/nowhere.yaml"],
            "cannot read /nowhere.yaml: No such file or directory",
        ),
        (["--set", "model.pretrained_model=/nowhere"], "cannot load /nowhere: no such directory; "),
        (["--set", "optimization.mixed_precision=fp16"], "optimization.mixed_precision: fp16 needs a GPU"),
        (
            ["--set", "optimization.warmup_steps=5000"],
            "optimization.warmup_steps is 5000, but the whole run has",
        ),
        (["--eval_only", "--checkpoint", "/nowhere"], "--checkpoint /nowhere: no such directory"),
    ],
)
def test_a_wrong_use_is_one_line_with_the_way_out(sequences, tmp_path, capsys, flags, expected):
    arguments = command(sequences, tmp_path / "m", *flags)
    assert refused(capsys, tmp_path / "m", arguments).startswith(expected)


def test_a_run_may_not_write_over_the_weights_it_starts_from(sequences, tmp_path, capsys):
    line = refused(
        capsys, tmp_path / "m", command(sequences, tmp_path / "m", "--checkpoint", str(tmp_path / "m"))
    )
    assert line.endswith("choose another --output, or --resume")


def test_a_missing_dataset_is_one_line(tmp_path, capsys):
    line = refused(capsys, tmp_path / "m", command(tmp_path / "training_data_train.jsonl", tmp_path / "m"))
    assert line.endswith(f"is missing; build it with {typed('dataset')} REPO")


def test_an_unfinished_dataset_is_refused(sequences, tmp_path, capsys):
    shutil.copytree(sequences.parent, tmp_path / "d")
    metadata = tmp_path / "d" / METADATA_FILE
    write_metadata(metadata, read_metadata(metadata) | {"vocab_size": "many"})
    line = refused(capsys, tmp_path / "m", command(tmp_path / "d" / sequences.name, tmp_path / "m"))
    assert "vocab_size must be a whole number" in line


def test_an_unknown_lora_target_names_the_layers_there_are(sequences, tmp_path, capsys):
    model = llama(tmp_path / "base", sequences.parent / "tokenizer")
    flags = ["--set", f"model.pretrained_model={model}", "--set", "quantization.lora_enabled=true"]
    flags += ["--set", "quantization.lora_target_modules=[q_prj]"]
    line = refused(capsys, tmp_path / "m", command(sequences, tmp_path / "m", *flags))
    assert "no linear layer q_prj; it has down_proj, gate_proj" in line


def test_the_flags_are_the_promised_ones():
    flags = {option for action in make_parser()._actions for option in action.option_strings}
    assert flags == {
        *(
            "-h",
            "--help",
            "--config",
            "--sequences",
            "--epochs",
            "--output",
            "--device",
            "--eval_only",
            "--eval-only",
        ),
        *(
            "--checkpoint",
            "--resume",
            "--overwrite",
            "--seed",
            "--set",
            "--dry-run",
            "--complete",
            "--prompt",
            "--suffix",
            "--deterministic",
        ),
    }


def test_no_file_is_read_with_pickle_and_no_code_of_a_model_is_run():
    """`torch.load` only with weights_only=True; `trust_remote_code` never."""
    for path in (Path(__file__).parent.parent / "effectiveness" / "trainer").glob("*.py"):
        text = path.read_text()
        assert "torch.load(" not in text and "pickle.load" not in text
        assert "trust_remote_code=True" not in text
        assert (
            text.count("from_pretrained(") <= text.count("trust_remote_code=False") + text.count("card") * 9
        )
