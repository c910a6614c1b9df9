#!/usr/bin/env python3
"""How long a dataset takes, beside what others need for the same texts. Prints ratios, keeps them in results/.

python3 benchmarks/dataset.py --repo /path/to/sources --repo /path/to/more --baseline-python baselines/bin/python

Whole processes in interleaved rounds on two cores; every contestant gets the same files, the same tokenizer and a
warm page cache. `datasets` and `datatrove` are not needed by the project: they are measured where the interpreter
given by --baseline-python can import them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)

from benchmarks import corpora, measure  # noqa: E402 - after the path is set

CONTESTANTS = ROOT / "benchmarks" / "contestants.py"
COMMAND = ROOT / "create_training_dataset_effectiveness.py"
CHECK = ROOT / "tests" / "test_dataset_effectiveness.py"
EXTRAS = {
    "datasets.map": "datasets==5.2.0 transformers==5.23.0",
    "datatrove": '"datatrove[processing,io]==0.10.1"',
}
WINDOW, OVERLAP = 1024, 768
CORES = 2
MEGABYTE = 1_000_000
ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "true",
    "RAYON_NUM_THREADS": str(CORES),
    "HF_HUB_OFFLINE": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(slots=True)
class Bench:
    """Where everything lies, and what was measured so far."""

    work: Path
    repo: Path  # the corpus at 1x
    tokenizer: Path  # a directory with tokenizer.json
    manifest: Path  # the files our scan reads, for the others
    shards: Path  # the same texts as JSON lines, for datatrove
    num_bytes: int
    baseline_python: str
    runs: dict[str, list[measure.Run]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # contestant -> what it said

    def median(self, name: str) -> measure.Run | None:
        return measure.median(self.runs[name]) if self.runs.get(name) else None


# --- the contestants ---------------------------------------------------------------------------------------


def build_command(repo: Path, output: Path, tokenizer: str, augmentations: str) -> list[str]:
    return [
        *(sys.executable, str(COMMAND), str(repo), "--output", str(output), "--tokenizer", tokenizer),
        *("--max-tokens", str(WINDOW), "--overlap", str(OVERLAP / WINDOW), "--augmentations", augmentations),
        *("--workers", str(CORES), "--quiet"),
    ]


def num_rows(dataset: Path) -> int:
    return json.loads((dataset / "dataset_metadata.json").read_bytes())["total_sequences"]


def build(kinds: str) -> Callable[[Bench, Path], measure.Run]:
    def run(bench: Bench, output: Path) -> measure.Run:
        target = output / "dataset"
        done = measure.run(
            build_command(bench.repo, target, str(bench.tokenizer), kinds), environment=ENVIRONMENT
        )
        return replace(done, rows=num_rows(target))

    return run


def other(name: str, *, baseline: bool = False) -> Callable[[Bench, Path], measure.Run]:
    def run(bench: Bench, output: Path) -> measure.Run:
        options = {
            "manifest": str(bench.manifest),
            "shards": str(bench.shards),
            "tokenizer": str(bench.tokenizer if name == "data_path" else bench.tokenizer / "tokenizer.json"),
            "repo": str(bench.repo),
            "output": str(output),
            "window": WINDOW,
            "overlap": OVERLAP,
        }
        python = bench.baseline_python if baseline else sys.executable
        caches = {"HF_HOME": str(output / "hf")}
        return measure.run(
            [python, str(CONTESTANTS), name, json.dumps(options)], environment=ENVIRONMENT | caches
        )

    return run


def check(bench: Bench, output: Path) -> measure.Run:
    return measure.run([sys.executable, str(CHECK), str(bench.work / "checked")], environment=ENVIRONMENT)


TABLE: dict[str, Callable[[Bench, Path], measure.Run]] = {
    "encode_batch_fast": other("encode"),
    "ours: data path": other("data_path"),
    "ours: no augmentation": build("none"),
    "ours: all augmentations": build("all"),
    "ours: check": check,
    "tree-sitter parse": other("parse"),
    "datasets.map": other("datasets_map", baseline=True),
    "datatrove": other("datatrove_tokens", baseline=True),
}


# --- preparing ---------------------------------------------------------------------------------------------


def prepare(work: Path, flags: argparse.Namespace) -> tuple[Bench, corpora.Contents]:
    """Compose the corpus, train its tokenizer, list the files for the others. Not timed."""
    repo = work / "corpus-1x"
    repo.mkdir(parents=True)
    trees = [standard_library(), *(Path(tree).expanduser().resolve() for tree in flags.repo)]
    contents = corpora.compose(trees, repo, int(flags.mb * MEGABYTE))
    checked = work / "checked"
    say(
        f"composed {contents.num_files:,} files, {contents.num_bytes / MEGABYTE:.1f} MB: {contents.files_per_language}"
    )
    measure.run(build_command(repo, checked, "local", "none"), environment=ENVIRONMENT)
    tokenizer = work / "tokenizer"
    shutil.copytree(checked / "tokenizer", tokenizer)
    manifest, shards = work / "manifest.json", work / "shards"
    num_bytes = corpora.write_manifest(manifest, repo, files_in(checked))
    write_shards(manifest, shards)
    bench = Bench(work, repo, tokenizer, manifest, shards, num_bytes, flags.baseline_python)
    return bench, contents


def standard_library() -> Path:
    return Path(os.__file__).parent


def files_in(dataset: Path) -> list[str]:
    """The source files that a dataset's rows come from."""
    found = set()
    for path in sorted(dataset.glob("training_data_*.jsonl")):
        with open(path, "rb") as lines:
            for line in lines:
                found.add(json.loads(line)["metadata"]["source_file"])
    return sorted(found)


def write_shards(manifest: Path, directory: Path) -> None:
    """The texts as JSON lines in two files of equal size: what datatrove reads, one a worker."""
    directory.mkdir()
    outputs = [open(directory / f"{number}.jsonl", "w", encoding="utf-8") for number in range(CORES)]  # noqa: SIM115
    for path in json.loads(manifest.read_text()):
        smallest = min(outputs, key=lambda output: output.tell())
        text = Path(path).read_bytes().decode("utf-8", "replace")
        smallest.write(json.dumps({"id": path, "text": text}) + "\n")
    for output in outputs:
        output.close()


def missing_extras(python: str) -> dict[str, str]:
    """Contestant -> why it is left out: the command that installs what it needs."""
    found = {}
    for name, requirement in EXTRAS.items():
        module = name.partition(".")[0]
        probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
        if probe.returncode:
            found[name] = f"not measured: {python} cannot import it; {python} -m pip install {requirement}"
    return found


# --- measuring ---------------------------------------------------------------------------------------------


def measure_rounds(bench: Bench, names: list[str], rounds: int) -> None:
    """Interleaved: every round runs each contestant once, each round beginning with another one.

    A contestant that fails is told, counted as failed and left out of the rounds that follow.
    """
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if name not in bench.failed:
                measure_one(bench, name, f"round {number + 1}")


def measure_one(bench: Bench, name: str, when: str) -> None:
    with tempfile.TemporaryDirectory(dir=bench.work) as output:
        try:
            run = TABLE[name](bench, Path(output))
        except measure.MeasurementError as error:
            bench.failed[name] = str(error)
            bench.runs.pop(name, None)
            say(f"{when}: {name} FAILED: {error}")
            return
    bench.runs.setdefault(name, []).append(run)
    say(f"{when}: {name}: {run.wall_s:.2f} s, cpu {run.cpu_s:.2f} s, {run.peak_rss_mb:.0f} MB")


def measure_growth(bench: Bench, factors: list[int], augmentations: str, rounds: int) -> dict[int, dict]:
    """Wall time and memory of our build over N distinct copies of the corpus, interleaved like the others."""
    repos = {factor: bench.repo for factor in factors if factor == 1}
    for factor in (factor for factor in factors if factor > 1):
        repos[factor] = bench.work / f"corpus-{factor}x"
        repos[factor].mkdir()
        corpora.multiply(bench.repo, repos[factor], factor)
    runs: dict[int, list[measure.Run]] = {factor: [] for factor in factors}
    for _ in range(rounds):
        for factor in factors:
            with tempfile.TemporaryDirectory(dir=bench.work) as output:
                target = Path(output) / "dataset"
                command = build_command(repos[factor], target, str(bench.tokenizer), augmentations)
                run = replace(measure.run(command, environment=ENVIRONMENT), rows=num_rows(target))
            runs[factor].append(run)
            say(f"growth {factor}x: {run.wall_s:.2f} s, {run.peak_rss_mb:.0f} MB, {run.rows:,} rows")
    return {factor: asdict(measure.median(runs[factor])) for factor in factors}


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


def bars(bench: Bench, growth: dict[int, dict]) -> list[Bar]:
    """The promises, as ratios of whole processes; of the data path also without imports on either side."""
    limit = "encode_batch_fast"
    none_s, all_s = wall(bench, "ours: no augmentation"), wall(bench, "ours: all augmentations")
    plain = bench.median("ours: no augmentation")
    return [
        Bar("data path / encode_batch_fast", ratio(wall(bench, "ours: data path"), wall(bench, limit)), 0.3),
        Bar("the same without imports", ratio(inner(bench, "ours: data path"), inner(bench, limit)), 0.3),
        Bar("build, no augmentation / encode_batch_fast", ratio(none_s, wall(bench, limit)), 1.0),
        Bar(
            "build, all augmentations / one core's parse", ratio(all_s, wall(bench, "tree-sitter parse")), 10
        ),
        Bar(
            "datasets.map / build, no augmentation",
            ratio(wall(bench, "datasets.map"), none_s),
            5,
            at_least=True,
        ),
        Bar("datatrove / build, no augmentation", ratio(wall(bench, "datatrove"), none_s), 2, at_least=True),
        Bar("check / build, no augmentation", ratio(wall(bench, "ours: check"), none_s), 1.0),
        Bar("peak RSS of the tree, no augmentation, MB", plain and plain.peak_rss_mb, 600),
        Bar("peak RSS at 16x / at 4x", grown(growth, "peak_rss_mb"), 1.2),
        Bar("wall at 16x / at 4x", grown(growth, "wall_s"), 4.5),
    ]


def wall(bench: Bench, name: str) -> float | None:
    run = bench.median(name)
    return run and run.wall_s


def inner(bench: Bench, name: str) -> float | None:
    run = bench.median(name)
    return run and run.inner_s


def ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def grown(growth: dict[int, dict], quantity: str) -> float | None:
    return ratio(growth[16][quantity], growth[4][quantity]) if {4, 16} <= growth.keys() else None


# --- telling -----------------------------------------------------------------------------------------------


def run_cells(bench: Bench, name: str) -> tuple[str, ...]:
    run = bench.median(name)
    limit_s = wall(bench, "encode_batch_fast")
    return (
        name,
        f"{run.wall_s:.2f}",
        "-" if run.inner_s is None else f"{run.inner_s:.2f}",
        f"{run.cpu_s:.2f}",
        f"{bench.num_bytes / MEGABYTE / run.wall_s:.1f}",
        f"{run.rows / run.wall_s:,.0f}" if run.rows else "-",
        f"{run.peak_rss_mb:.0f}",
        f"{run.peak_pss_mb:.0f}",
        f"{run.wall_s / limit_s:.2f}" if limit_s else "-",
    )


RUN_HEADS = ("process", "wall s", "inner s", "cpu s", "MB/s", "rows/s", "RSS MB", "PSS MB", "x limit")
GROWTH_HEADS = ("input", "wall s", "cpu s", "RSS MB", "PSS MB", "rows")
BAR_HEADS = ("promise", "measured", "bar", "verdict")


def markdown(result: dict, bench: Bench, growth: dict[int, dict], judged: list[Bar]) -> str:
    growth_rows = [
        (
            f"{factor}x",
            *(f"{g[key]:.1f}" for key in ("wall_s", "cpu_s", "peak_rss_mb", "peak_pss_mb")),
            f"{g['rows']:,}",
        )
        for factor, g in growth.items()
    ]
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
        text_table(RUN_HEADS, [run_cells(bench, name) for name in bench.runs]),
        *(f"{name}: {why}" for name, why in result["left_out"].items()),
        *(f"{name}: FAILED" for name in bench.failed),
        text_table(BAR_HEADS, [bar.cells() for bar in judged]),
    ]
    if growth_rows:
        parts += [
            f"Growth, --augmentations {result['growth_augmentations']}:",
            text_table(GROWTH_HEADS, growth_rows),
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
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def say(words: str) -> None:
    print(words, flush=True)


# --- main --------------------------------------------------------------------------------------------------


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--repo",
        action="append",
        default=[],
        metavar="DIR",
        help="a tree of sources beside Python's own (repeatable)",
    )
    add(
        "--mb", type=float, default=18, help="size of the corpus in megabytes, in equal parts from every tree"
    )
    add("--rounds", type=int, default=3, help="interleaved rounds")
    add("--only", action="append", default=[], choices=list(TABLE), help="measure this alone (repeatable)")
    add("--growth", default="1,4,16", metavar="N,N", help='input sizes in copies of the corpus, "" for none')
    add("--growth-rounds", type=int, default=1, help="rounds of the growth measurement")
    add("--growth-augmentations", default="none", metavar="KINDS", help="as --augmentations of the build")
    add(
        "--baseline-python",
        default=sys.executable,
        metavar="PYTHON",
        help="has datasets, transformers, datatrove",
    )
    add(
        "--work",
        type=Path,
        default=None,
        metavar="DIR",
        help="an empty directory to work in; default: a temporary one",
    )
    add(
        "--results",
        type=Path,
        default=ROOT / "benchmarks" / "results",
        metavar="DIR",
        help="where to keep the result",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    flags = arguments().parse_args(argv)
    use_two_cores()
    with tempfile.TemporaryDirectory(prefix="dataset-benchmark-", dir=flags.work) as work:
        bench, contents = prepare(Path(work), flags)
        left_out = missing_extras(flags.baseline_python)
        names = [name for name in flags.only or TABLE if name not in left_out]
        measure_rounds(bench, names, flags.rounds)
        factors = sorted({int(factor) for factor in flags.growth.split(",") if factor})
        growth = measure_growth(bench, factors, flags.growth_augmentations, flags.growth_rounds)
    judged = bars(bench, growth)
    result = describe(flags, bench, contents, left_out, growth, judged)
    text = markdown(result, bench, growth, judged)
    keep(flags.results, result, text)
    say(text)
    return 1 if bench.failed or any(bar.verdict == "MISSED" for bar in judged) else 0


def use_two_cores() -> None:
    """Everything started from here on inherits it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def describe(
    flags: argparse.Namespace,
    bench: Bench,
    contents: corpora.Contents,
    left_out: dict[str, str],
    growth: dict[int, dict],
    judged: list[Bar],
) -> dict:
    """Everything of this run that is worth keeping."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(flags),
        "commit": commit(),
        "machine": machine(),
        "rounds": flags.rounds,
        "growth_augmentations": flags.growth_augmentations,
        "corpus": {
            "files": contents.num_files,
            "bytes": bench.num_bytes,
            "languages": contents.files_per_language,
        },
        "left_out": left_out,
        "failed": sorted(bench.failed),
        "runs": {name: [asdict(run) for run in runs] for name, runs in bench.runs.items()},
        "growth": growth,
        "bars": [dict(zip(BAR_HEADS, bar.cells(), strict=True)) for bar in judged],
    }


def command_line(flags: argparse.Namespace) -> str:
    """The command that measures the same again; where things lie on this machine is left out."""
    words = ["python3", "benchmarks/dataset.py"]
    words += [word for tree in flags.repo for word in ("--repo", tree)]
    words += ["--mb", f"{flags.mb:g}", "--rounds", str(flags.rounds), "--growth", flags.growth]
    words += [
        "--growth-rounds",
        str(flags.growth_rounds),
        "--growth-augmentations",
        flags.growth_augmentations,
    ]
    words += [word for name in flags.only for word in ("--only", name)]
    return shlex.join([*words, "--baseline-python", "PYTHON"])


def keep(directory: Path, result: dict, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"dataset-{result['date']}"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
