#!/usr/bin/env python3
"""How long a dataset takes, beside what others need for the same texts. Prints ratios, keeps them in results/.

python3 benchmarks/dataset.py --repo /path/to/sources --repo /path/to/more --baseline-python baselines/bin/python

Whole processes in interleaved rounds on two cores; every contestant gets the same files, the same tokenizer and a
warm page cache. `datasets` and `datatrove` are not needed by the project: they are measured where the interpreter
given by --baseline-python can import them.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import corpora, measure, outcome
from benchmarks.outcome import CORES, MEGABYTE, Outcome
from effectiveness.common import programs

ROOT = Path(__file__).resolve().parents[1]

CONTESTANTS = ROOT / "benchmarks" / "contestants.py"
COMMAND = ROOT / "create_training_dataset_effectiveness.py"
CHECK = ROOT / "tests" / "test_dataset_effectiveness.py"
EXTRAS = {
    "datasets.map": "datasets==5.2.0 transformers==5.23.0",
    "datatrove": '"datatrove[processing,io]==0.10.1"',
}
WINDOW, OVERLAP = 1024, 768
ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "true",
    "RAYON_NUM_THREADS": str(CORES),
    "HF_HUB_OFFLINE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "",  # else every run of everybody would compile its modules again
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything lies."""

    work: Path
    repo: Path  # the corpus at 1x
    tokenizer: Path  # a directory with tokenizer.json
    manifest: Path  # the files our scan reads, for the others
    shards: Path  # the same texts as JSON lines, for datatrove
    baseline_python: str


# --- the contestants ---------------------------------------------------------------------------------------


def build_command(repo: Path, output: Path, tokenizer: str, augmentations: str) -> list[str]:
    return [
        *(sys.executable, str(COMMAND), str(repo), "--output", str(output), "--tokenizer", tokenizer),
        *("--max-tokens", str(WINDOW), "--overlap", str(OVERLAP / WINDOW), "--augmentations", augmentations),
        *("--workers", str(CORES), "--quiet"),
    ]


def num_rows(dataset: Path) -> int:
    return json.loads((dataset / "dataset_metadata.json").read_bytes())["total_sequences"]


def measure_build(bench: Bench, repo: Path, target: Path, kinds: str) -> measure.Run:
    done = measure.run(build_command(repo, target, str(bench.tokenizer), kinds), environment=ENVIRONMENT)
    return replace(done, rows=num_rows(target))


def build(kinds: str) -> Callable[[Bench, Path], measure.Run]:
    return lambda bench, output: measure_build(bench, bench.repo, output / "dataset", kinds)


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


def prepare(work: Path, flags: argparse.Namespace) -> tuple[Bench, corpora.Contents, Outcome]:
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
    bench = Bench(work, repo, tokenizer, manifest, shards, flags.baseline_python)
    return bench, contents, Outcome(num_bytes)


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
        probe = programs.run([python, "-c", f"import {module}"], capture_output=True)
        if probe.returncode:
            found[name] = f"not measured: {python} cannot import it; {python} -m pip install {requirement}"
    return found


# --- measuring ---------------------------------------------------------------------------------------------


def measure_rounds(bench: Bench, found: Outcome, names: list[str], rounds: int) -> None:
    """Interleaved: every round runs each contestant once, each round beginning with another one.

    A contestant that fails is told, counted as failed and left out of the rounds that follow.
    """
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if name not in found.failed:
                measure_one(bench, found, name, f"round {number + 1}")


def measure_one(bench: Bench, found: Outcome, name: str, when: str) -> None:
    with tempfile.TemporaryDirectory(dir=bench.work) as output:
        try:
            run = TABLE[name](bench, Path(output))
        except measure.MeasurementError as error:
            found.failed[name] = str(error)
            found.runs.pop(name, None)
            say(f"{when}: {name} FAILED: {error}")
            return
    found.runs.setdefault(name, []).append(run)
    say(f"{when}: {name}: {run.wall_s:.2f} s, cpu {run.cpu_s:.2f} s, {run.peak_rss_mb:.0f} MB")


def measure_growth(bench: Bench, found: Outcome, factors: list[int], kinds: str, rounds: int) -> None:
    """Our build over N distinct copies of the corpus, the sizes interleaved."""
    repos = {factor: grown_corpus(bench, factor) for factor in factors}
    runs: dict[int, list[measure.Run]] = {factor: [] for factor in factors}
    for _ in range(rounds):
        for factor in factors:
            with tempfile.TemporaryDirectory(dir=bench.work) as output:
                run = measure_build(bench, repos[factor], Path(output) / "dataset", kinds)
            runs[factor].append(run)
            say(f"growth {factor}x: {run.wall_s:.2f} s, {run.peak_rss_mb:.0f} MB, {run.rows:,} rows")
    found.growth = {factor: measure.median(runs[factor]) for factor in factors}


def grown_corpus(bench: Bench, factor: int) -> Path:
    if factor == 1:
        return bench.repo
    repo = bench.work / f"corpus-{factor}x"
    repo.mkdir()
    corpora.multiply(bench.repo, repo, factor)
    return repo


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
        type=os.path.abspath,
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
        bench, contents, found = prepare(Path(work), flags)
        left_out = missing_extras(flags.baseline_python)
        names = [name for name in flags.only or TABLE if name not in left_out]
        measure_rounds(bench, found, names, flags.rounds)
        factors = sorted({int(factor) for factor in flags.growth.split(",") if factor})
        try:
            measure_growth(bench, found, factors, flags.growth_augmentations, flags.growth_rounds)
        except measure.MeasurementError as error:  # the rounds before it are worth keeping
            found.failed["growth"] = str(error)
            say(f"growth FAILED: {error}")
    judged = outcome.bars(found)
    result = describe(flags, contents, left_out, found, judged)
    text = outcome.markdown(result, found, judged)
    keep(flags.results, result, text)
    say(text)
    return 1 if found.failed or any(bar.verdict == "MISSED" for bar in judged) else 0


def use_two_cores() -> None:
    """Everything started from here on inherits it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def describe(
    flags: argparse.Namespace,
    contents: corpora.Contents,
    left_out: dict[str, str],
    found: Outcome,
    judged: list[outcome.Bar],
) -> dict:
    """Everything of this run that is worth keeping."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(flags),
        "commit": outcome.commit(),
        "machine": outcome.machine(),
        "rounds": flags.rounds,
        "growth_augmentations": flags.growth_augmentations,
        "corpus": {
            "files": contents.num_files,
            "bytes": found.num_bytes,
            "languages": contents.files_per_language,
        },
        "left_out": left_out,
        "failed": sorted(found.failed),
        "runs": {name: [asdict(run) for run in runs] for name, runs in found.runs.items()},
        "growth": {factor: asdict(run) for factor, run in found.growth.items()},
        "bars": [dict(zip(outcome.BAR_HEADS, bar.cells(), strict=True)) for bar in judged],
    }


def command_line(flags: argparse.Namespace) -> str:
    """The command that measures the same again; where things lie on this machine is left out."""
    words = ["python3", "benchmarks/dataset.py"]
    words += [word for tree in flags.repo for word in ("--repo", tree)]
    words += ["--mb", f"{flags.mb:g}", "--rounds", str(flags.rounds), "--growth", flags.growth]
    words += ["--growth-rounds", str(flags.growth_rounds)]
    words += ["--growth-augmentations", flags.growth_augmentations]
    words += [word for name in flags.only for word in ("--only", name)]
    return shlex.join([*words, "--baseline-python", "PYTHON"])


def keep(directory: Path, result: dict, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"dataset-{result['date']}"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
