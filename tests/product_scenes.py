"""The commands beside the two large ones, each with a fault in it.

What is there afterwards is what was there before or what a whole run writes, what was said is true, and the same
command started once more ends as if nothing had happened.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fault_points import ARRIVES
from faults import fingerprint
from training_fixtures import command, small_files, write_dataset
from warm_trainer import Ended, Point, WarmTrainer

from effectiveness.ablation import results

NAMES = ("gguf", "memory", "proof", "ablate", "serve", "complete", "augment", "canaries")
UNTIL = {"serve": "Ctrl-C ends"}  # what never ends is told to, once it has printed this
ONCE = ("augment",)  # whose output must not be there
MARKER, RUNS = ".effectiveness.json", "runs.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductScene:
    """A command, the directory that it writes into, and what lies there before it."""

    trainer: WarmTrainer
    name: str
    argv: list[str]
    place: Path
    before: Path  # a copy of the place
    whole: frozenset[str]
    exact: dict[str, str]  # path -> sha256, of the files that two runs write alike

    def set(self) -> dict[str, str]:
        for place in (self.place, self._scratch):
            shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.before, self.place)
        self._scratch.mkdir()
        return fingerprint(self.place)

    @property
    def _scratch(self) -> Path:
        return self.trainer.under / "tmp"

    def run(self, point: Point | None = None) -> Ended:
        return self.trainer.run(self.argv, point, self.name, UNTIL.get(self.name, ""))

    def count(self, point: Point) -> int:
        self.set()
        ended = self.run(point)
        assert ended.exit_code == 0, ended
        return ended.num_operations

    def is_whole(self) -> bool:
        return not self._other()

    def meet(self, point: Point) -> Ended:
        before = self.set()
        ended = self.run(point)
        where = f"{self.name}, {point}: {ended}"
        self._assert_words_are_true(ended, before, where)
        can_remove = point.kind <= ARRIVES or not {"remove", "open"} & set(point.calls)
        left = list(self._scratch.iterdir()) if ended.exit_code >= 0 and can_remove else []
        assert not left, f"{left} after {where}"
        if self.name in ONCE and self.is_whole():
            return ended
        again = self.run()
        assert again.exit_code == 0, f"{where} then {again}"
        assert self.is_whole(), f"{self._other()} after {where}"
        return ended

    def _other(self) -> list[str]:
        now = fingerprint(self.place)
        wrong = [path for path, digest in self.exact.items() if now.get(path) != digest]
        doubled = [path.name for path in self.place.glob(RUNS) if path.read_bytes().count(b"\n") != 1]
        return sorted({*wrong, *doubled, *(now.keys() ^ self.whole)})

    def _assert_words_are_true(self, ended: Ended, before: dict[str, str], where: str) -> None:
        said = ended.stdout + ended.stderr
        assert "Traceback" not in said and ended.exit_code in (0, 1, 2, 129, 130, 143, -signal.SIGKILL), where
        now = fingerprint(self.place)
        for path, digest in self.exact.items():
            if path.endswith(MARKER):  # told what is about to be written, then what was
                continue
            assert now.get(path) in (None, before.get(path), digest), f"{path} is torn after {where}"
        results.refuse_foreign_tables(self.place / RUNS)  # whole, or not there
        assert all(path in now for path in before if path in self.whole), f"something is gone after {where}"
        if ended.exit_code == 0:
            assert self.is_whole(), f"said done and was not ({self._other()}), after {where}"
        elif ended.exit_code > 0:
            assert "COMPLETE" not in said.splitlines() or self.is_whole(), where
            lines = [line for line in ended.stderr.splitlines() if line != "FAILED" and line[:6] != "note: "]
            assert len(lines) == 1 or ended.exit_code > 128, where
        if "nothing was changed" in said:
            assert now == before, where


def _two_runs(
    trainer: WarmTrainer, name: str, argv: list[str], place: Path, before: Path
) -> list[dict[str, str]]:
    found = []
    for _ in range(2):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(before, place)
        ended = trainer.run(argv, None, name, UNTIL.get(name, ""))
        assert ended.exit_code == 0, (name, ended)
        found.append(fingerprint(place))
    assert found[0].keys() == found[1].keys()
    return found


def product_scenes(trainer: WarmTrainer, place: Path, aside: Path) -> Callable[[str], ProductScene]:
    """name -> its scene, made when it is asked for. `place`: what the commands read and write."""
    sequences = write_dataset(place / "d", files=small_files(per_split={"train": 12, "val": 4, "test": 4}))
    for name, seed in (("model", "1"), ("control", "2")):
        made = trainer.run(command(sequences, place / name, "--set", "training.max_steps=2", "--seed", seed))
        assert made.exit_code == 0, made
    for number, file in enumerate(small_files(per_split={"train": 12, "val": 0, "test": 0})):
        path = place / "code" / f"part_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# part {number}\n{file.text}")
    (place / "out").mkdir()
    shutil.copytree(place, aside / "before")
    code = str(place / "code")
    model, dataset, on_cpu = str(place / "model"), str(place / "d"), ["--device", "cpu"]
    short_run = ["--seeds", "1", "--steps", "2", "--tokens-per-step", "64", "--arms", "baseline"]
    argv = {
        "gguf": [model, "--output", str(place / "out" / "m.gguf")],
        "memory": [dataset, "--questions", "4", "--json", str(place / "scores.json")],
        "proof": ["--dataset", dataset, "--model", model, "--control", str(place / "control"), *on_cpu]
        + ["--max-windows", "8", "--prompts", "2"],
        "ablate": ["--dataset", dataset, *short_run, *on_cpu, "--results", str(place / RUNS)],
        "serve": ["--repository", code, "--port", "0"],
        "complete": [model, "def total_", "--repository", code],
        "augment": [code, "--kind", "comment_toggle", "--out", str(place / "varied")],
        "canaries": ["--repository", code, "--output", str(place / "canaries"), *on_cpu]
        + ["--secrets", "4", "--max-files", "6", "--max-tokens", "64", "--steps", "2"],
    }  # fmt: skip
    made_scenes: dict[str, ProductScene] = {}

    def scene(name: str) -> ProductScene:
        if name not in made_scenes:
            one, two = _two_runs(trainer, name, argv[name], place, aside / "before")
            exact = {
                path: digest
                for path, digest in one.items()
                if two[path] == digest and not path.startswith(RUNS[:5])  # seconds may be alike by chance
            }
            made_scenes[name] = ProductScene(
                trainer=trainer, name=name, argv=argv[name], place=place, before=aside / "before",
                whole=frozenset(one), exact=exact,
            )  # fmt: skip
        return made_scenes[name]

    return scene
