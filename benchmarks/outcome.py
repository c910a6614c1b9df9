"""What was measured, whether it keeps the promises, and how it is told."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measure
from effectiveness.common.programs import find_program, run

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1_000_000
CORES = 2


@dataclass(slots=True)
class Outcome:
    """The runs of every contestant, and those of the growing inputs."""

    num_bytes: int  # of the texts that everybody encodes
    runs: dict[str, list[measure.Run]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # contestant -> what it said
    growth: dict[int, measure.Run] = field(default_factory=dict)  # copies of the corpus -> medians

    def median(self, name: str) -> measure.Run | None:
        return measure.median(self.runs[name]) if self.runs.get(name) else None

    def wall_s(self, name: str) -> float | None:
        run = self.median(name)
        return run and run.wall_s

    def inner_s(self, name: str) -> float | None:
        run = self.median(name)
        return run and run.inner_s

    def grown(self, quantity: str) -> float | None:
        """How many times as much 16 copies need as 4."""
        if not {4, 16} <= self.growth.keys():
            return None
        return ratio(getattr(self.growth[16], quantity), getattr(self.growth[4], quantity))


# --- judging -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise: `value` must be at most `limit`, or at least, when `at_least`."""

    what: str
    value: float | None
    limit: float
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        holds = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "met" if holds else "MISSED"

    def cells(self) -> tuple[str, str, str, str]:
        value = "-" if self.value is None else f"{self.value:.3g}"
        return self.what, value, f"{'>=' if self.at_least else '<='} {self.limit:g}", self.verdict


def ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


LIMIT, PLAIN, VARIED = "encode_batch_fast", "ours: no augmentation", "ours: all augmentations"


def bars(outcome: Outcome) -> list[Bar]:
    """The promises, as ratios of whole processes; of the data path also without imports on either side."""
    wall_s, inner_s = outcome.wall_s, outcome.inner_s
    plain = outcome.median(PLAIN)
    path = "ours: data path"
    return [
        Bar("data path / encode_batch_fast", ratio(wall_s(path), wall_s(LIMIT)), 0.3),
        Bar("the same without imports", ratio(inner_s(path), inner_s(LIMIT)), 0.3),
        Bar("build, no augmentation / encode_batch_fast", ratio(wall_s(PLAIN), wall_s(LIMIT)), 1.0),
        Bar("build, all augmentations / one core's parse", ratio(wall_s(VARIED), wall_s("tree-sitter parse")), 10),
        Bar("datasets.map / build, no augmentation", ratio(wall_s("datasets.map"), wall_s(PLAIN)), 5, at_least=True),
        Bar("datatrove / build, no augmentation", ratio(wall_s("datatrove"), wall_s(PLAIN)), 2, at_least=True),
        Bar("check / build, no augmentation", ratio(wall_s("ours: check"), wall_s(PLAIN)), 1.0),
        Bar("peak RSS of the tree, no augmentation, MB", plain and plain.peak_rss_mb, 600),
        Bar("peak RSS at 16x / at 4x", outcome.grown("peak_rss_mb"), 1.2),
        Bar("wall at 16x / at 4x", outcome.grown("wall_s"), 4.5),
    ]  # fmt: skip


# --- telling -----------------------------------------------------------------------------------------------


RUN_HEADS = ("process", "wall s", "inner s", "cpu s", "MB/s", "rows/s", "RSS MB", "PSS MB", "x limit")
GROWTH_HEADS = ("input", "wall s", "cpu s", "RSS MB", "PSS MB", "rows")
BAR_HEADS = ("promise", "measured", "bar", "verdict")


def run_cells(outcome: Outcome, name: str) -> tuple[str, ...]:
    run = outcome.median(name)
    limit_s = outcome.wall_s(LIMIT)
    return (
        name,
        f"{run.wall_s:.2f}",
        "-" if run.inner_s is None else f"{run.inner_s:.2f}",
        f"{run.cpu_s:.2f}",
        f"{outcome.num_bytes / MEGABYTE / run.wall_s:.1f}",
        f"{run.rows / run.wall_s:,.0f}" if run.rows else "-",
        f"{run.peak_rss_mb:.0f}",
        f"{run.peak_pss_mb:.0f}",
        f"{run.wall_s / limit_s:.2f}" if limit_s else "-",
    )


def growth_cells(factor: int, run: measure.Run) -> tuple[str, ...]:
    numbers = (run.wall_s, run.cpu_s, run.peak_rss_mb, run.peak_pss_mb)
    return (f"{factor}x", *(f"{number:.1f}" for number in numbers), f"{run.rows:,.0f}")


def markdown(result: dict, outcome: Outcome, judged: list[Bar]) -> str:
    """The tables of one run, with all it takes to read them."""
    corpus = result["corpus"]
    languages = ", ".join(f"{name} {files}" for name, files in corpus["languages"].items())
    parts = [
        f"# Building a dataset, {result['date']}",
        f"`{result['command']}`, commit {result['commit']}; {result['machine']}",
        f"Corpus: {corpus['files']:,} files; {corpus['bytes'] / MEGABYTE:.1f} MB of them are read by our scan and "
        f"encoded by everybody ({languages}). Median of {result['rounds']} interleaved rounds of whole "
        f"processes on {CORES} cores, files cached. RSS: largest sum over the process tree (shared pages count in "
        "every process); PSS: shared pages divided. inner: the work without imports. x limit: wall over that of "
        "encode_batch_fast.",
        text_table(RUN_HEADS, [run_cells(outcome, name) for name in outcome.runs]),
        *(f"{name}: {why}" for name, why in result["left_out"].items()),
        *(f"{name}: FAILED" for name in outcome.failed),
        text_table(BAR_HEADS, [bar.cells() for bar in judged]),
    ]
    if outcome.growth:
        rows = [growth_cells(factor, run) for factor, run in outcome.growth.items()]
        parts += [
            f"Growth, --augmentations {result['growth_augmentations']}:",
            text_table(GROWTH_HEADS, rows),
        ]
    return "\n\n".join(parts) + "\n"


def text_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """The machine in words, without its name."""
    model = next(_values("/proc/cpuinfo", "model name"), platform.machine())
    memory_kb = int(next(_values("/proc/meminfo", "MemTotal"), "0 kB").split()[0])
    return (
        f"{model}, {os.cpu_count()} cores ({CORES} used), {memory_kb / 2**20:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def _values(path: str, name: str) -> Iterator[str]:
    """What stands after `name:` in a file of the kernel's."""
    lines = Path(path).read_text().splitlines() if Path(path).is_file() else []
    return (line.partition(":")[2].strip() for line in lines if line.startswith(name))


def commit() -> str:
    def git(*arguments: str) -> str:
        program = find_program("git")
        return (
            run([program, *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
            if program
            else ""
        )

    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed
