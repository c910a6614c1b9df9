"""Memory runs out at any operation of any command: the same weights as without, or one line and a run to go on with."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from memory_faults import ERRORS, Counted, MemoryEnds
from safetensors import SafetensorError
from safetensors.torch import load_file
from training_fixtures import command, open_trainer, small_files, use_tiny_models, write_dataset

from effectiveness.common.boundary import is_out_of_memory
from effectiveness.common.records import UserError
from effectiveness.trainer import checkpoint, starting
from effectiveness.trainer.devices import fitting
from effectiveness.trainer.finishing import whole_model
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

# A step in smaller pieces adds up in another order, and Muon rounds to bfloat16; half an update twice moves weights
# by a third of all they moved.
SAME_SHARE = 0.02
STEPS = ("training.max_steps=3", "training.eval_steps=2", "training.save_steps=2", "training.logging_steps=1")
BOTH_OPTIMIZERS = (
    "optimization.learning_rate=0.01",
    "evaluation.completions=1",
)
# Where it is planted in every run of the tests, and what becomes of it when it happens once there.
SURVIVED = (
    *("objective._WeightedNats.forward", "objective._WeightedNats.backward", "steps.Stepper._accumulate"),
    *("objective.Objective._token_nats", "held_out.HeldOut._scored_at"),
)
ONE_LINE = (
    *("models.build_preset", "attention._logits", "optimizers.make_states"),
    *(
        "optimizers.Muon._step_together",
        "optimizers.orthogonalised",
        "steps.Stepper._apply",
    ),
    *("checkpoint.load_model_tensors", "export._refuse_unless_finite"),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A run that nothing happened to."""

    sequences: Path
    settings: tuple[str, ...]  # flags
    start: dict[str, torch.Tensor]
    end: dict[str, torch.Tensor]
    places: dict[str, list[int]]


def settings(*pairs: str) -> tuple[str, ...]:
    return tuple(word for pair in pairs for word in ("--set", pair))


def flags(sequences: Path, output: Path, *more: str) -> list[str]:
    return command(sequences, output, *settings(*STEPS, *BOTH_OPTIMIZERS), *more)


def weights_in(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors")


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    place = tmp_path_factory.mktemp("plain")
    sequences = write_dataset(place / "d", files=small_files(per_split={"train": 4, "val": 2, "test": 2}))
    return reference_run(sequences, place)


@pytest.fixture(scope="module")
def adapters(reference, tmp_path_factory) -> Reference:
    """The same with adapters on a finished model."""
    base = f"model.pretrained_model={reference.sequences.parent.parent / 'end'}"
    return reference_run(
        reference.sequences,
        tmp_path_factory.mktemp("adapters"),
        *settings(base, "quantization.lora_enabled=true", "quantization.lora_dropout=0"),
    )


def reference_run(sequences: Path, place: Path, *more: str) -> Reference:
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_models(patch)
        hardly = ("training.max_steps=1", "optimization.learning_rate=1e-12")
        assert (
            main([*flags(sequences, place / "start", *more), *settings(*hardly)]) == 0
        )  # also what is made once a process
        with Counted() as counted:
            assert main(flags(sequences, place / "end", *more)) == 0
    return Reference(sequences, more, weights_in(place / "start"), weights_in(place / "end"), counted.places)


def share_moved_otherwise(reference: Reference, output: Path) -> float:
    """How far the weights are from those of the reference, as a share of how far those moved."""
    found, before, after = weights_in(output), reference.start, reference.end
    apart = sum(float((found[name] - after[name]).square().sum()) for name in after)
    moved = sum(float((after[name] - before[name]).square().sum()) for name in after)
    return (apart / moved) ** 0.5


def is_one_line(told: str) -> bool:
    return (
        told.startswith("error: ")
        and told.count("\n") == 1
        and ("out of memory" in told or "MemoryError" in told)
    )


def outcome(reference: Reference, output: Path, ends: MemoryEnds, capfd, *more: str) -> tuple[str, str]:
    """("survived" | "one line", place), after whatever was promised was seen to hold; else what is wrong."""
    capfd.readouterr()
    with ends:
        exit_code = main(flags(reference.sequences, output, *reference.settings, *more))
    told, what = capfd.readouterr().err, "survived"
    if exit_code:
        what = "one line"
        if exit_code != 1 or not is_one_line(told):
            return f"exit code {exit_code}, {told[-300:]!r}", ends.place
        go_on = ("--resume",) if "--resume" in told else more
        if main(flags(reference.sequences, output, *reference.settings, *go_on)):
            return f"cannot go on with what {told!r} says: {capfd.readouterr().err!r}", ends.place
    if (share := share_moved_otherwise(reference, output)) > SAME_SHARE:
        return f"{what}, but other weights: {share:.3f} of the way", ends.place
    return what, ends.place


def planted(reference: Reference, names: tuple[str, ...]) -> list[tuple[str, int]]:
    rng = random.Random(5)
    return [(name, rng.choice(reference.places[name])) for name in names]


@pytest.mark.parametrize(("names", "expected"), [(SURVIVED, "survived"), (ONE_LINE, "one line")])
def test_memory_that_runs_out_once_changes_no_weight(reference, tmp_path, capfd, names, expected):
    kinds = list(ERRORS.values())
    found = {}
    for number, (name, at) in enumerate(planted(reference, names)):
        ends = MemoryEnds(at=at, error=kinds[number % len(kinds)])
        found[name] = outcome(reference, tmp_path / str(number), ends, capfd)
    assert found == {name: (expected, name) for name in names}


def campaign(reference: Reference, tmp_path: Path, capfd, points: list[tuple[int, str, bool]]) -> list[str]:
    wrong = []
    for number, (at, kind, always) in enumerate(points):
        ends = MemoryEnds(at=at, error=ERRORS[kind], always=always)
        found, place = outcome(reference, tmp_path / str(number), ends, capfd)
        if found not in ("survived", "one line"):
            wrong.append(f"{place} at {at} ({kind}{', always' if always else ''}): {found}")
    return wrong


def draw(reference: Reference, count: int) -> list[tuple[int, str, bool]]:
    """Points of all parts of a run; each place is as likely, however many operations it has."""
    rng = random.Random(count)
    places = [rng.choice(reference.places[rng.choice(sorted(reference.places))]) for _ in range(count)]
    return [(at, rng.choice(sorted(ERRORS)), rng.random() < 0.4) for at in places]


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.torture)])
def test_memory_that_runs_out_anywhere_changes_no_weight_and_is_no_traceback(
    reference, tmp_path, capfd, count
):
    wrong = campaign(reference, tmp_path, capfd, draw(reference, count))
    assert not wrong, "\n".join(wrong)


@pytest.mark.torture
def test_memory_that_runs_out_anywhere_changes_no_adapter(adapters, tmp_path, capfd):
    wrong = campaign(adapters, tmp_path, capfd, draw(adapters, 200))
    assert not wrong, "\n".join(wrong)


# --- other commands ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interrupted(reference, tmp_path_factory) -> Path:
    """A run that ended between its checkpoint of step 2 and step 3."""
    output = tmp_path_factory.mktemp("interrupted") / "m"
    last_update = reference.places["optimizers.orthogonalised"][-1]
    with pytest.MonkeyPatch.context() as patch, MemoryEnds(at=last_update, error=MemoryError()):
        use_tiny_models(patch)
        assert main(flags(reference.sequences, output)) == 1
    assert [path.name for path in (output / "checkpoints").glob("step-*")] == ["step-00000002"]
    return output


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.torture)])
def test_a_resume_without_memory_takes_no_older_weights(reference, interrupted, tmp_path, capfd, count):
    shutil.copytree(interrupted, tmp_path / "counted")
    with Counted() as counted:
        assert main(flags(reference.sequences, tmp_path / "counted", "--resume")) == 0
    wrong, rng = [], random.Random(count)
    for number, name in enumerate(
        ["checkpoint.load_model_tensors", *rng.choices(sorted(counted.places), k=count)]
    ):
        output = tmp_path / str(number)
        shutil.copytree(interrupted, output)
        ends = MemoryEnds(at=rng.choice(counted.places[name]), error=ERRORS[rng.choice(sorted(ERRORS))])
        found, place = outcome(reference, output, ends, capfd, "--resume")
        if found not in ("survived", "one line"):
            wrong.append(f"{place} at {ends.at}: {found}")
    assert not wrong, "\n".join(wrong)


def test_a_file_of_a_checkpoint_that_memory_has_no_room_for_is_not_a_damaged_one(
    reference, interrupted, tmp_path, capfd, monkeypatch
):
    def no_room(*_arguments):
        raise SafetensorError("Error while mapping: Cannot allocate memory (os error 12)")

    shutil.copytree(interrupted, tmp_path / "m")
    monkeypatch.setattr(checkpoint, "load_file", no_room)
    assert main(flags(reference.sequences, tmp_path / "m", "--resume")) == 1
    written = capfd.readouterr()
    assert "damaged" not in written.out and written.err.startswith("error: out of memory; ")


@pytest.mark.parametrize("command_flags", [("--dry-run",), ("--eval_only",), ("--complete", "def total(")])
@pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.torture)])
def test_a_question_without_memory_is_answered_or_refused_in_one_line(
    reference, tmp_path_factory, capfd, command_flags, count
):
    output = reference.sequences.parent.parent / "end"
    asked = command(reference.sequences, tmp_path_factory.getbasetemp() / "nothing", *command_flags)
    asked += [] if command_flags == ("--dry-run",) else ["--checkpoint", str(output)]
    with Counted() as counted:
        assert main(asked) == 0
    rng, told = random.Random(count), []
    for _ in range(count):
        at = rng.choice(counted.places[rng.choice(sorted(counted.places))])
        capfd.readouterr()
        with MemoryEnds(at=at, error=ERRORS[rng.choice(sorted(ERRORS))], always=rng.random() < 0.5):
            exit_code = main(asked)
        error = capfd.readouterr().err
        if exit_code > 2 or (exit_code and not is_one_line(error)):
            told.append(f"{at}: exit code {exit_code}, {error[-300:]!r}")
    assert not told, "\n".join(told)


def test_a_device_with_room_for_a_share_alone_leaves_the_whole_model_to_the_cpu(
    reference, tmp_path, monkeypatch
):
    run, _ = open_trainer(reference.sequences, tmp_path / "m")
    build = starting.build_model

    def with_no_room(run, num_train_tokens):
        if run.device.type != "cpu":
            raise UserError("its weights alone ...", exit_code=1) from ERRORS["CUDA"]
        return build(run, num_train_tokens)

    monkeypatch.setattr(starting, "build_model", with_no_room)
    model = whole_model(replace(run, device=torch.device("cuda")), 0)
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_several_processes_never_take_another_number_of_pieces_each():
    """They meet in every piece: one that made more of them would wait for ever."""

    def no_room(_size: int) -> None:
        raise ERRORS["CUDA"]

    with pytest.raises(
        UserError, match=r"8 sequences at a time on one of 2 processes: set a smaller .*batch_size"
    ):
        fitting(no_room, 8, num_processes=2, say=lambda smaller, size: None)


def test_every_kind_of_message_is_known_as_memory():
    assert all(is_out_of_memory(error) for error in ERRORS.values())
    assert not is_out_of_memory(RuntimeError("shape mismatch")) and not is_out_of_memory(
        OSError(28, "No space left")
    )
