"""What one file costs a worker: processor time and memory of the whole path of a text, in a process of its own.

`python -m tests.linear_work` runs the campaign and prints one line for each language and shape: the largest ratio of
processor time for a doubling of the file, and the bytes of memory for each byte of it.

    python -m tests.linear_work --languages Go,Rust --shapes "f(,list" --sizes 256,512
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate(os.path.dirname(os.path.realpath(__file__)))  # the modules beside this file are ours, too

import argparse
import itertools
import math
import pickle
import resource
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from effectiveness.common import workers as pool
from effectiveness.common.budget import TOO_DENSE, TOO_LONG
from effectiveness.common.records import AUGMENTATION_KINDS, ContextPlan, SourceFile
from effectiveness.common.workers import give_memory_back
from effectiveness.corpus import duplicates
from effectiveness.corpus.augment import NO_FACTS
from effectiveness.corpus.augment.renaming import local_names, macro_names
from effectiveness.corpus.rows import RowMaker, RowOptions
from effectiveness.corpus.rows.variants import Variation
from effectiveness.corpus.scan.decoding import decode
from effectiveness.corpus.scan.quality import drop_reason, notes_on
from effectiveness.corpus.secrets import redact_all
from effectiveness.corpus.tokenization.source import train_bpe
from effectiveness.languages import LANGUAGES, OURS
from tests.linear_shapes import Shape, shapes_of

KIB = 1024
SIZES_KIB = (256, 512, 1024, 2048, 4096)
MAX_RATIO = 2.3  # of processor time, for twice the bytes
MAX_BYTES_PER_BYTE = 150  # of memory, for a byte of the file
LEAST_S = 0.05  # of processor time: a ratio of less says nothing
LIMIT_S = 120  # of processor time, for one file
CONTEXT_TOKENS = 512
SMALL_TEXT = b"x = 1\n" * 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one file."""

    num_bytes: int
    seconds: float  # of processor time
    memory_bytes: int  # above what the process held before
    stages: dict[str, float] = field(default_factory=dict)  # stage -> seconds of processor time
    outcomes: dict[str, str] = field(default_factory=dict)  # augmentation -> "changed", or why not

    @property
    def num_steps(self) -> int:
        """How far its parser came: it was not begun, it was given up, it came to the end."""
        outcomes = self.outcomes.values()
        return 0 if TOO_DENSE in outcomes else 1 if TOO_LONG in outcomes else 2

    @property
    def changed(self) -> set[str]:
        """The augmentations that gave something."""
        return {kind for kind, outcome in self.outcomes.items() if outcome == "changed"}


class FilePath:
    """The path of one text through a worker."""

    def __init__(self, directory: Path):
        self.directory = directory
        tokenizer = directory / "tokenizer.json"
        texts = [Path(module.__file__).read_text() for module in (duplicates, pool)]
        train_bpe(iter(texts), 2048, tokenizer)
        plan = ContextPlan(
            device="cpu",
            device_name="",
            memory_bytes=0,
            tier="",
            context_tokens=CONTEXT_TOKENS,
            overlap_tokens=CONTEXT_TOKENS * 3 // 4,
            reason="",
        )
        self.options = RowOptions(
            plan=plan,
            tokenizer_json=tokenizer,
            dtype="uint16",
            sample=(),
            variation=Variation(kinds=AUGMENTATION_KINDS, seed=1, facts=NO_FACTS, mask_id=2),
        )
        self.walk(SMALL_TEXT, "Python", _untimed)  # what is loaded once costs no file anything

    def walk(self, raw: bytes, language: str, timed: Callable) -> dict[str, str]:
        with timed("decode"):
            text, _ = decode(raw)
        with timed("rules"):
            drop_reason(text, LANGUAGES[language])
            notes_on(text)
        with timed("secrets"):
            [text], _ = redact_all([text])
        with timed("duplicates"):
            duplicates.signatures([text])
            duplicates.similarity(text, text)
        give_memory_back()  # as between two stages
        with timed("facts"):
            if language in ("C", "C++"):
                macro_names(text)
            local_names([(language, text)])
        return self._rows(text, language, timed)

    def _rows(self, text: bytes, language: str, timed: Callable) -> dict[str, str]:
        file = SourceFile(
            path="x", language=language, role="util", sha256="", num_bytes=len(text), offset=0, crlf=False
        )
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            texts = Path(scratch, "texts")
            texts.write_bytes(text)
            maker = RowMaker(texts, self.options)
            give_memory_back()
            with timed("rows"):
                made = maker.shard(0, [(0, file)], Path(scratch, "ids"))
        return {kind: outcome for kind, _, outcome in made.yields}


def cost_of(path: FilePath, raw: bytes, language: str, limit_s: int = LIMIT_S) -> Cost | None:
    """Measured in a child; None where it needs more than `limit_s` of processor time."""
    give_memory_back()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
            with os.fdopen(writing, "wb") as out:
                pickle.dump(_measured(path, raw, language), out)
        finally:  # also where it failed: the child must not go on as the campaign
            if sys.exc_info()[0]:
                traceback.print_exc()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(told) if told else None


def _measured(path: FilePath, raw: bytes, language: str) -> Cost:
    stages: dict[str, float] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        started_s = time.process_time()
        yield
        stages[stage] = stages.get(stage, 0) + time.process_time() - started_s

    path.walk(SMALL_TEXT, language, _untimed)  # a forked child has yet to map what its libraries are made of
    give_memory_back()
    before = _resident_bytes()
    started_s = time.process_time()
    outcomes = path.walk(raw, language, timed)
    seconds = time.process_time() - started_s
    return Cost(
        num_bytes=len(raw),
        seconds=seconds,
        memory_bytes=_peak_bytes() - before,
        stages=stages,
        outcomes=outcomes,
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


@dataclass(frozen=True, slots=True)
class Growth:
    """How the cost of one shape grows with its size."""

    costs: list[Cost]  # of growing sizes
    is_complete: bool  # whether none needed more than the limit

    @property
    def ratio(self) -> float:
        """The largest ratio of processor time for a doubling."""
        if not self.is_complete:
            return math.inf
        steps = [(a, b) for a, b in self._like_work() if b.seconds > LEAST_S]
        return max((_per_doubling(a, b) for a, b in steps), default=1.0)

    @property
    def is_comparable(self) -> bool:
        """Whether the same was done at two sizes, or one needed more than the limit."""
        return not self.is_complete or any(True for _ in self._like_work())

    def _like_work(self) -> Iterator[tuple[Cost, Cost]]:
        """Neighbouring sizes, but where less was done with the smaller one: that is cheap, and no measure."""
        for a, b in itertools.pairwise(self.costs):
            if a.num_steps >= b.num_steps and b.changed <= a.changed:
                yield a, b

    @property
    def bytes_per_byte(self) -> float:
        return max((cost.memory_bytes / cost.num_bytes for cost in self.costs), default=0.0)

    def line(self) -> str:
        if not self.costs:
            return "more than the limit at the first size"
        last = self.costs[-1]
        stages = ", ".join(f"{name} {spent:.2f}" for name, spent in last.stages.items() if spent > LEAST_S)
        outcomes = "; ".join(sorted(set(last.outcomes.values())))
        return f"x{self.ratio:.2f} {self.bytes_per_byte:6.0f} B/B {last.seconds:6.2f} s ({stages}) {outcomes}"


def _per_doubling(a: Cost, b: Cost) -> float:
    return (b.seconds / max(a.seconds, LEAST_S / 4)) ** (1 / math.log2(b.num_bytes / a.num_bytes))


def growth_of(
    path: FilePath, make: Shape, language: str, sizes: Sequence[int], limit_s: int = LIMIT_S
) -> Growth:
    costs = []
    for size in sizes:
        cost = cost_of(path, make(size), language, limit_s)
        if cost is None:
            return Growth(costs, False)
        costs.append(cost)
    return Growth(costs, True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.linear_work", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--languages", default="", help="some of them, by name (default: all)")
    parser.add_argument("--shapes", default="", help="parts of names of shapes (default: all)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES_KIB)), help="in KiB")
    parser.add_argument("--limit", type=int, default=LIMIT_S, help="seconds of processor time for one file")
    parser.add_argument("--all", action="store_true", help="print those within the bars, too")
    options = parser.parse_args()
    sizes = [int(size) * KIB for size in options.sizes.split(",")]
    num_bad = 0
    with tempfile.TemporaryDirectory() as directory:
        path = FilePath(Path(directory))
        for language in options.languages.split(",") if options.languages else OURS:
            for name, make in shapes_of(language).items():
                if any(part in name for part in options.shapes.split(",")):
                    growth = growth_of(path, make, language, sizes, options.limit)
                    is_bad = growth.ratio > MAX_RATIO or growth.bytes_per_byte > MAX_BYTES_PER_BYTE
                    num_bad += is_bad
                    if is_bad or options.all:
                        print(
                            f"{'BAD' if is_bad else 'ok ':4}{language:12}{name:24}{growth.line()}", flush=True
                        )
    print(f"{num_bad} beyond the bars of x{MAX_RATIO} for a doubling and {MAX_BYTES_PER_BYTE} bytes a byte")
    return 1 if num_bad else 0


@contextmanager
def _untimed(stage: str) -> Iterator[None]:
    yield


if __name__ == "__main__":
    sys.exit(main())
