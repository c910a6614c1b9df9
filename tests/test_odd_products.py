"""What a command of ours wrote and another program changed: refused in one line, made again, or as it was.

Adapters, memories, markers, training facts, canaries: seeded odd versions of each (`odd_files`), sealed again where
they carry a digest of themselves, so that it is the reader that must hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_sample import encode, sample_memory, source
from odd_files import fresh_copy, odd_file, odd_place
from odd_models import tensor
from safetensors.torch import save_file
from test_odd_inputs import sealed
from training_fixtures import small_files, use_tiny_models, write_dataset

from effectiveness.common import ownership
from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.memory import Memory
from effectiveness.trainer.documents import ControlTokens
from effectiveness.trainer.models import build_preset
from effectiveness.trainer.run_directory import TrainingFacts, read_training_facts, write_training_facts

SLICES = [
    pytest.param(range(40), id="slice"),
    pytest.param(range(40, 400), id="all", marks=pytest.mark.torture),
]
REFUSED, TAKEN = "refused", "taken"


def judged(read: Callable[[], object]) -> str:
    try:
        read()
    except UserError as error:
        assert str(error).isprintable() and error.exit_code in (1, 2), str(error)[:500]
        return REFUSED
    return TAKEN


def assert_each(numbers: range, read: Callable[[random.Random], object]) -> None:
    """Every odd version is refused in a line or taken, and there are some of each."""
    seen: Counter[str] = Counter()
    for number in numbers:
        rng = rng_for(7, read.__qualname__, number)
        try:
            seen[judged(lambda rng=rng: read(rng))] += 1
        except Exception as error:
            raise AssertionError(f"number {number}: {type(error).__name__}: {error}") from error
    assert seen[REFUSED] > len(numbers) / 10, seen


# --- adapters --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A model with its tokenizer and an adapter over its layers beside it."""
    base = tmp_path_factory.mktemp("exported")
    tokenizer = write_dataset(
        base / "d", files=small_files(per_split={"train": 3, "val": 1, "test": 1})
    ).parent
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        control = ControlTokens(begin=0, end=0, pad=1)
        model = build_preset("tiny", vocab_size=300, max_positions=64, control=control, seed=1)
    model.save_pretrained(base / "m")
    for file in (tokenizer / "tokenizer").iterdir():
        shutil.copy(file, base / "m")
    tensors = {}
    for path, layer in model.named_modules():
        if path.endswith("_proj"):
            tensors[f"base_model.model.{path}.lora_A.weight"] = torch.ones(4, layer.in_features)
            tensors[f"base_model.model.{path}.lora_B.weight"] = torch.ones(layer.out_features, 4)
    (base / "m" / "adapter").mkdir()
    save_file(tensors, base / "m" / "adapter" / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 6,
        "base_model_name_or_path": "org/base",
        "use_rslora": True,
    }
    (base / "m" / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    return base / "m"


def odd_adapter(directory: Path, rng: random.Random) -> None:
    config, weights = directory / "adapter_config.json", directory / "adapter_model.safetensors"
    way = rng.random()
    if way < 0.6:
        odd_file(config, rng)
    elif way < 0.7:
        odd_place(weights, rng)
    else:  # as the weights of a model are made odd
        weights.rename(directory / "model.safetensors")
        if way < 0.9:
            tensor_of_adapter(directory, rng)
        else:
            raw = bytearray((directory / "model.safetensors").read_bytes())
            raw[rng.randrange(400)] ^= 1 << rng.randrange(8)
            (directory / "model.safetensors").write_bytes(raw)
        (directory / "model.safetensors").rename(weights)


def tensor_of_adapter(directory: Path, rng: random.Random) -> None:
    try:
        tensor(directory, rng)
    except KeyError:  # an edit of the head, which an adapter has not
        pass


@pytest.mark.parametrize("numbers", SLICES)
def test_an_odd_adapter_is_refused_by_gguf_in_a_line_and_leaves_no_file(exported, tmp_path, numbers, capsys):
    pytest.importorskip("gguf")
    from effectiveness.gguf.command import main

    def write(rng: random.Random) -> None:
        model = fresh_copy(exported, tmp_path / "m")
        odd_adapter(model / "adapter", rng)
        output = tmp_path / "out.gguf"
        output.unlink(missing_ok=True)
        (tmp_path / "out.Modelfile").unlink(missing_ok=True)
        exit_code = main(
            [str(model / "adapter"), "--type", rng.choice(("f16", "f32")), "--output", str(output)]
        )
        error = capsys.readouterr().err
        assert (exit_code == 0) == (output.exists() and (tmp_path / "out.Modelfile").exists())
        assert exit_code in (0, 1, 2) and "Traceback" not in error
        if exit_code:
            assert not output.exists() and len(error.splitlines()) <= 2, error
            raise UserError("refused")

    assert_each(numbers, write)


OUTPUTS = {
    "": "a text",
    "/dev/null": "a device",
    "nowhere/deep/er/x.gguf": "new directories",
    "x" * 300: "too long a name",
    "a\0b": "a NUL",
    "\udce9.gguf": "no UTF-8",
    "-o": "an option",
    ".": "a directory",
    "~nouser/x.gguf": "nobody's home",
    "file/x.gguf": "below a file",
}


@pytest.mark.parametrize("output", OUTPUTS, ids=OUTPUTS.get)
def test_an_odd_place_for_a_gguf_file_is_told_in_a_line(exported, tmp_path, monkeypatch, capsys, output):
    pytest.importorskip("gguf")
    from effectiveness.gguf.command import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    try:
        exit_code = main([str(exported), f"--output={output}"])
    except SystemExit as ended:  # of the parser
        exit_code = ended.code
    error = capsys.readouterr().err
    assert exit_code in (0, 1, 2) and "Traceback" not in error and (tmp_path / "file").read_text() == "mine"
    assert (exit_code == 0) or len(error.splitlines()) <= 2, error


# --- memories --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def memory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("memory") / "memory"
    sample_memory(directory=directory)
    return directory


def sealed_header(facts: dict) -> bytes:
    rest = {key: value for key, value in facts.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return json.dumps({"digest": digest, **rest}).encode()


def odd_memory(directory: Path, rng: random.Random) -> None:
    """A header, or an array: cut, longer, with a flipped bit, or as another program would have sealed it."""
    if rng.random() < 0.4:
        odd_file(directory / "memory.json", rng, sealed_header)
        return None
    path = rng.choice(sorted(directory.glob("*.bin")))
    raw = bytearray(path.read_bytes())
    way = rng.choice(("cut", "longer", "flip", "sealed", "sealed", "sealed", "place"))
    if way == "place" or not raw:
        return odd_place(path, rng)
    if way == "cut":
        raw = raw[: rng.randrange(len(raw))]
    elif way == "longer":
        raw += bytes(rng.randrange(1, 9))
    else:
        for _ in range(1 if way == "flip" else rng.choice((1, 50))):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)
    if way == "sealed":
        facts = json.loads((directory / "memory.json").read_bytes())
        facts["arrays"][path.stem]["sha256"] = hashlib.sha256(raw).hexdigest()
        (directory / "memory.json").write_bytes(sealed_header(facts))
    return None


def use(directory: Path) -> None:
    """Open it and ask it, as every command does."""
    opened = Memory.open(directory)
    reader = opened.reader()
    nats = reader.feed(encode(source(77))[:60])
    if not np.isfinite(nats).all():
        raise UserError("what it says is no number")


def in_a_child(work: Callable[[], None], answer: Path) -> int:
    """Its exit code, negative for a signal: a crash of compiled code must not end the test."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            work()
        except UserError as error:
            code = 2 if str(error).isprintable() else 9
        except BaseException as error:  # noqa: BLE001 - what this test is about
            answer.write_text(f"{type(error).__name__}: {error}")
            code = 70
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("numbers", SLICES)
def test_an_odd_memory_is_refused_in_a_line_and_never_ends_the_process(memory, tmp_path, numbers):
    def open_odd(rng: random.Random) -> None:
        odd = fresh_copy(memory, tmp_path / "odd")
        odd_memory(odd, rng)
        code = in_a_child(lambda: use(odd), tmp_path / "answer")
        assert code in (0, 2), (code, (tmp_path / "answer").read_text() if code == 70 else "")
        if code == 2:
            raise UserError("refused")

    assert_each(numbers, open_odd)


# --- markers, facts, canaries ------------------------------------------------------------------------------


def ours(tmp_path: Path) -> Path:
    """A directory of ours with a file of ours and one of the user's."""
    directory = tmp_path / "ours"
    ownership.claim(directory, ownership.PROOF)
    (directory / "mine.txt").write_text("mine")
    (tmp_path / "made").write_text("made")
    ownership.note_made(directory, {"made.txt": tmp_path / "made"})
    shutil.move(tmp_path / "made", directory / "made.txt")
    return directory


@pytest.mark.parametrize("numbers", SLICES)
def test_an_odd_marker_makes_no_file_ours(tmp_path, numbers):
    whole = ours(tmp_path)

    def ask(rng: random.Random) -> None:
        odd = fresh_copy(whole, tmp_path / "odd")
        odd_file(odd / ownership.MARKER, rng)
        assert "mine.txt" not in ownership.made_in(odd)
        ownership.is_as_noted(odd)
        ownership.changed_in(odd, ["made.txt", "mine.txt"])
        ownership.kind_of(odd)
        (tmp_path / "again").write_text("again")
        ownership.check(odd, ownership.PROOF, ["made.txt"])
        ownership.claim(odd, ownership.PROOF, ["made.txt"])
        ownership.note_made(odd, {"made.txt": tmp_path / "again"})

    assert_each(numbers, ask)


@pytest.mark.parametrize(
    "name", ["../mine.txt", "sub/../../mine.txt", "/{root}/mine.txt", "link/mine.txt", "mine.txt"]
)
def test_a_marker_of_somebody_else_has_nothing_deleted_outside_of_its_directory(tmp_path, name):
    """A directory that was prepared, and --overwrite."""
    from effectiveness.trainer.run_directory import delete_run

    (tmp_path / "mine.txt").write_text("mine")
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "link").symlink_to(tmp_path)
    marker = {"kind": ownership.MODEL, "made": {name.format(root=str(tmp_path)[1:]): []}}
    (directory / ownership.MARKER).write_text(json.dumps(marker))
    delete_run(directory, print)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("numbers", SLICES)
def test_odd_training_facts_are_refused_in_a_line_or_read_as_a_configuration(exported, tmp_path, numbers):
    from effectiveness.proof.finished import open_finished
    from effectiveness.trainer.config_file import load_config

    whole = fresh_copy(exported, tmp_path / "whole")
    facts = {"config": load_config(None).as_dict(), "dataset": {"files": {}}, "source": None, "model": "tiny"}
    write_training_facts(whole, TrainingFacts(facts=facts, num_steps=9, best_step=3, is_finite=True))

    def ask(rng: random.Random) -> None:
        odd = fresh_copy(whole, tmp_path / "odd")
        odd_file(odd / "training_facts.json", rng, sealed)
        read_training_facts(odd)
        found = open_finished(odd)
        assert isinstance(found.num_steps, int) and isinstance(found.best_step, int)
        found.config.as_dict()
        str(found.started_from)

    assert_each(numbers, ask)


@pytest.mark.parametrize("numbers", SLICES)
def test_an_odd_result_of_canaries_beside_a_card_is_told_in_a_line(tmp_path, numbers):
    from effectiveness.proof.prove import _canaries

    counts = {"asked": 4, "greedy": 0, "sampled": 0, "extracted": 0}
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "canaries.json").write_text(json.dumps({"planted": 4, "redacted": counts, "kept": counts}))

    def ask(rng: random.Random) -> None:
        odd = fresh_copy(whole, tmp_path / "odd")
        odd_file(odd / "canaries.json", rng)
        found = _canaries(argparse.Namespace(output=odd))
        if found is not None:
            for name in ("redacted", "kept"):
                assert all(isinstance(found[name][key], int) for key in counts)

    assert_each(numbers, ask)
