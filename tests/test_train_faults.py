"""Faults all over a training: killed, signalled, its disk full or failing, its log unread - at any point of it.

What it says is true, what it left can be gone on with, and who goes on ends where an unbroken run ends.
"""

from __future__ import annotations

import errno
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_points import ALL, ARRIVES, KILLED, WRITING, at, every_kind, places
from faults import WHY_NOT, build_shim, fingerprint
from product_scenes import NAMES, ProductScene, product_scenes
from training_fixtures import command, exact_metrics, write_dataset
from warm_trainer import Ended, Point, WarmTrainer

from effectiveness.trainer import checkpoint
from effectiveness.trainer.run_directory import read_training_facts

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

SETTINGS = {
    "model.dropout": 0.1,
    "optimization.batch_size": 8,
    "optimization.gradient_accumulation_steps": 4,
    "training.max_steps": 8,
    "training.save_steps": 2,
    "training.logging_steps": 1,
    "training.eval_steps": 3,
    "output.report": "true",
    "output.tensorboard": "true",
}
FLAGS = ["--epochs", "2"] + [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What a finished run is, without what the clock decides."""

    metrics: list[dict]
    files: frozenset[str]
    weights: dict[str, str]  # path -> sha256
    state: dict

    @classmethod
    def of(cls, output: Path) -> Whole:
        *earlier, newest = checkpoint.step_directories(output / "checkpoints")
        passing = tuple(f"checkpoints/{directory.name}/" for directory in earlier)  # where a stop saved
        found = {name: sha for name, sha in fingerprint(output).items() if not name.startswith(passing)}
        last = checkpoint.read(newest)
        checkpoint.read(output / "checkpoints" / "best")
        read_training_facts(output)  # its digests fit the weights
        return cls(
            metrics=exact_metrics(output),
            files=frozenset(found),
            weights={name: digest for name, digest in found.items() if name.endswith(".safetensors")},
            state=last.state,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A start of the command, from what lies there before it."""

    trainer: WarmTrainer
    output: Path
    cache: Path
    arguments: list[str]
    before: Path | None  # a copy of what is in the output; None: nothing
    go_on: str  # the flag that goes on after a failure
    whole: Whole

    def set(self) -> dict[str, str]:
        shutil.rmtree(self.output, ignore_errors=True)
        if self.before is None:
            shutil.rmtree(self.cache, ignore_errors=True)  # rows are parsed, and their cache is written
        else:
            shutil.copytree(self.before, self.output)
        return fingerprint(self.output)

    def count(self, point: Point) -> int:
        """How many operations of an undisturbed run `point` could be at."""
        self.set()
        ended = self.trainer.run(self.arguments, point)
        assert ended.exit_code == 0, ended
        assert Whole.of(self.output) == self.whole
        return ended.num_operations

    def meet(self, point: Point) -> Ended:
        """Let `point` happen, see whether what was said is true, and go on to the end."""
        before = self.set()
        ended = self.trainer.run(self.arguments, point)
        where = f"{point}: {ended}"
        self._assert_words_are_true(ended, before, where)
        for directory in checkpoint.step_directories(self.output / "checkpoints"):
            checkpoint.read(directory)  # there is no torn one
        if ended.exit_code != 0:
            again = [word for word in self.arguments if word not in ("--resume", "--overwrite")]
            gone_on = self.trainer.run([*again, self.go_on])
            assert gone_on.exit_code == 0, f"{where} then {gone_on}"
        assert Whole.of(self.output) == self.whole, f"another end after {where}"
        return ended

    def _assert_words_are_true(self, ended: Ended, before: dict[str, str], where: str) -> None:
        said = ended.stdout + ended.stderr
        assert "Traceback" not in said and ended.exit_code in (0, 1, 2, 129, 130, 143, -signal.SIGKILL), where
        if ended.exit_code == 0:
            assert Whole.of(self.output) == self.whole, f"said done and was not, after {where}"
            assert all(line.startswith("note: ") for line in ended.stderr.splitlines()), where
        elif ended.exit_code > 0:
            assert "COMPLETE" not in said and "complete" not in said, where
            assert len(ended.stderr.splitlines()) == 1 or ended.exit_code > 128, where
        now = checkpoint.step_directories(self.output / "checkpoints")
        newest = int(now[-1].name.partition("-")[2]) if now else None
        for number in re.findall(r"checkpoint of step (\d+) is there|by a signal at step (\d+)", said):
            assert int("".join(number)) == newest, where
        assert "no checkpoint was saved" not in said or newest is None, where
        if "nothing was changed" in said or ended.exit_code == 2:
            assert fingerprint(self.output) == before, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A warm trainer, the directory where faults count, and one beside it where they do not."""

    trainer: WarmTrainer
    base: Path
    scratch: Path
    sequences: Path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Iterator[Workshop]:
    base, scratch = tmp_path_factory.mktemp("under"), tmp_path_factory.mktemp("aside")
    sequences = write_dataset(base / "d")
    warm_up = command(sequences, scratch / "warm", *FLAGS)
    with WarmTrainer(build_shim(scratch), base, scratch, warm_up) as trainer:
        yield Workshop(trainer=trainer, base=base, scratch=scratch, sequences=sequences)


@pytest.fixture(scope="module")
def scenes(workshop) -> dict[str, Scene]:
    trainer, base, scratch, output = (
        workshop.trainer,
        workshop.base,
        workshop.scratch,
        workshop.base / "place" / "m",
    )
    arguments = command(workshop.sequences, output, *FLAGS)
    assert trainer.run(arguments).exit_code == 0
    whole = Whole.of(output)
    shutil.move(output, scratch / "finished")
    assert trainer.run(arguments, Point(step=3, signal_number=signal.SIGKILL)).exit_code == -9
    shutil.move(output, scratch / "half")
    common = {"trainer": trainer, "output": output, "cache": base / "d" / ".cache", "whole": whole}
    half, finished = scratch / "half", scratch / "finished"
    resumed, overwriting = [*arguments, "--resume"], [*arguments, "--overwrite"]
    return {
        "new": Scene(arguments=arguments, before=None, go_on="--resume", **common),
        "resumed": Scene(arguments=resumed, before=half, go_on="--resume", **common),
        "overwriting": Scene(arguments=overwriting, before=finished, go_on="--overwrite", **common),
    }


@pytest.fixture(scope="module")
def products(workshop) -> Callable[[str], ProductScene]:
    return product_scenes(workshop.trainer, workshop.base / "products", workshop.scratch)


SLICE = [  # somewhere in the middle, or where a model is exported
    ("new", Point(calls=ALL, kind=KILLED, at=250)),
    ("new", Point(calls=WRITING, kind=errno.EIO, at=330)),
    ("new", Point(calls=("write", "create"), kind=errno.ENOSPC, sticky=1, at=100)),
    ("resumed", Point(calls=ALL, kind=ARRIVES - signal.SIGHUP, at=60)),
    ("overwriting", Point(calls=ALL, kind=KILLED, at=70)),
]


def test_a_few_of_the_faults_of_the_campaign_are_told_truly_and_lose_nothing(scenes):
    for scene, point in SLICE:
        scenes[scene].meet(point)


def test_a_log_that_nobody_reads_stops_a_training_after_saving_and_an_exported_model_stands(scenes):
    nobody_reads = Point(calls=("stdout",), kind=errno.EPIPE, sticky=1)
    first = scenes["resumed"].meet(at(nobody_reads, 1))
    assert first.exit_code == 1 and "nobody reads what is printed; the checkpoint of step" in first.stderr
    last = scenes["resumed"].meet(at(nobody_reads, scenes["resumed"].count(nobody_reads)))
    assert last.exit_code == 0 and "holds the finished model, complete" in last.stderr


@pytest.mark.torture
@pytest.mark.parametrize("scene", ["new", "resumed", "overwriting"])
@pytest.mark.parametrize(("name", "point", "num_places"), list(every_kind(0)), ids=lambda part: str(part))
def test_whatever_happens_to_a_training_its_words_are_true_and_it_can_be_gone_on_with(
    scenes, scene, name, point, num_places
):
    num_places = num_places if scene == "new" else num_places // 2
    count = scenes[scene].count(point)
    seen, wrong = Counter(), []
    for place in places(count, num_places, seed=len(name)):
        try:
            seen[scenes[scene].meet(at(point, place)).exit_code] += 1
        except AssertionError as error:
            wrong.append(str(error))
    print(f"{name}, {scene}: {count} operations, {sum(seen.values())} met, exit codes {dict(seen)}")
    assert not wrong, "\n".join([f"{len(wrong)} of {num_places}", *wrong[:5]])


@pytest.mark.torture
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_any_step_loses_nothing(scenes, number):
    for step in range(1, scenes["new"].whole.state["step"] + 1):
        scenes["new"].meet(Point(step=step, signal_number=number))


def test_a_file_for_llama_cpp_is_the_old_one_or_the_new_one_and_who_stops_it_is_told_which(products):
    pytest.importorskip("gguf")
    scene = products("gguf")
    scene.meet(Point(calls=ALL, kind=KILLED, at=12))
    scene.meet(Point(calls=WRITING, kind=errno.ENOSPC, at=9))
    number = scene.count(Point(calls=ALL))
    late = scene.meet(Point(calls=ALL, kind=ARRIVES - signal.SIGINT, at=number))
    assert late.exit_code == 130 and "are new and complete" in late.stderr  # it said "nothing was changed"


OF_COMMANDS = [
    ("serve", Point(calls=ALL, kind=KILLED), 2),
    ("serve", Point(calls=("open",), kind=ARRIVES - signal.SIGHUP), 2),
    ("serve", Point(calls=WRITING, kind=errno.ENOSPC, sticky=1), 2),
    ("serve", Point(calls=("create", "open"), kind=errno.EMFILE, sticky=1), 2),
    ("serve", Point(calls=("stdout",), kind=errno.EPIPE, sticky=1), 2),
    ("complete", Point(calls=ALL, kind=ARRIVES - signal.SIGTERM), 2),
    ("complete", Point(calls=("stdout",), kind=errno.ENOSPC), 1),
    ("augment", Point(calls=ALL, kind=KILLED), 2),
    ("augment", Point(calls=WRITING, kind=errno.ENOSPC), 3),
    ("augment", Point(calls=WRITING, kind=ARRIVES - signal.SIGINT), 3),
]


@pytest.mark.parametrize(("name", "point", "num_places"), OF_COMMANDS, ids=str)
def test_a_command_that_is_stopped_or_out_of_disk_tells_it_truly_and_leaves_no_scratch(
    products, name, point, num_places
):
    scene = products(name)
    for place in places(scene.count(point), num_places, seed=5):
        scene.meet(at(point, place))


@pytest.mark.torture
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "point", "num_places"), list(every_kind(0)), ids=lambda part: str(part))
def test_whatever_happens_to_a_command_it_leaves_what_was_or_what_is_whole(
    products, name, kind, point, num_places
):
    scene = products(name)
    count = scene.count(point)
    seen, wrong = Counter(), []
    for place in places(count, max(4, num_places // 5), seed=len(kind)):
        try:
            seen[scene.meet(at(point, place)).exit_code] += 1
        except AssertionError as error:
            wrong.append(str(error))
    print(f"{kind}, {name}: {count} operations, {sum(seen.values())} met, exit codes {dict(seen)}")
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:5]])
