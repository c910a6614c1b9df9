#!/usr/bin/env python3
"""What training costs: a step beside a bare loop and HF's Trainer, its memory, the start, loading 100 M tokens.

    python3 benchmarks/train_step.py --repo /path/to/sources --baseline-python baselines/bin/python

Steps are measured on a real dataset of 1024-token windows: HF's Trainer takes its rows as they are, one to a sequence;
ours and the bare loops take them packed. Memory is measured on random rows with a vocabulary of 50,000. Every
contestant is a process of its own, so that peak memory is its own; rounds are interleaved, and the first is not
counted. HF's Trainer needs `accelerate` in the interpreter given by --baseline-python. Five minutes on two quiet cores.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import itertools
import json
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import outcome
from benchmarks.outcome import ROOT
from benchmarks.step_outcome import Steps, bars, markdown
from effectiveness.common import programs
from effectiveness.common.jsonl import JsonLinesWriter, read_metadata, write_metadata
from effectiveness.common.records import DATASET_FILES, METADATA_FILE

CONTESTANTS = ("ours", "bare", "bare_chunked", "hf_trainer")
MEMORY_CONTESTANTS = ("ours", "ours_whole", "hf_trainer")
MEMORY = {"vocab_size": 50_000, "window": 1024, "batch_size": 4, "steps": 2}
WINDOW = 1024
PARTS = ("steps", "memory", "start", "load")
REPEATED_ROWS = 4000  # of the dataset, for the long file
EXTRA = "accelerate==1.15.0"
LOAD = """
import sys, time
sys.path.append(sys.argv.pop(1))
from pathlib import Path
from effectiveness.trainer.rows import open_dataset, open_rows
dataset = open_dataset(Path(sys.argv[1]))
started_at = time.perf_counter()
rows = open_rows(dataset, "train")
print(time.perf_counter() - started_at, int(rows.table["length"].sum()))
"""


# --- a step ------------------------------------------------------------------------------------------------


class Processes:
    """Contestants as child processes that make a round whenever they are asked."""

    def __init__(self, names: list[str], options: dict, flags: argparse.Namespace) -> None:
        self.processes = {name: self._start(name, options, flags) for name in names}

    def _start(self, name: str, options: dict, flags: argparse.Namespace) -> subprocess.Popen:
        python = flags.baseline_python if name == "hf_trainer" else sys.executable
        script = ROOT / "benchmarks" / "step_contestants.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return programs.start([python, script, name, json.dumps(options)], **pipes)

    def __enter__(self) -> dict[str, subprocess.Popen]:
        return self.processes

    def __exit__(self, *error) -> None:
        for process in self.processes.values():
            process.stdin.close()
            process.kill()
            process.wait()


def ask(name: str, process: subprocess.Popen) -> dict:
    """One round of a contestant: its counts and clocks."""
    process.stdin.write("go\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith('{"'):  # HF's Trainer prints dictionaries, too, in Python's spelling
            return json.loads(line)
    raise SystemExit(f"{name} ended with exit code {process.wait()}")


def measure_steps(names: list[str], options: dict, flags: argparse.Namespace, rounds: int) -> dict[str, list]:
    """Interleaved rounds, each beginning with another contestant; one before them warms up."""
    results = {name: [] for name in names}
    with Processes(names, options, flags) as processes:
        for number in range(rounds + 1):
            start = number % len(names)
            for name in names[start:] + names[:start]:
                answer = ask(name, processes[name])
                if number:
                    results[name].append(answer)
            say(f"round {number} of {rounds}: {', '.join(names)}")
    return results


def measure_memory(names: list[str], options: dict, flags: argparse.Namespace) -> dict[str, list]:
    """One contestant after the other: the largest of them needs gigabytes."""
    return {name: measure_steps([name], options | MEMORY, flags, 1)[name] for name in names}


# --- start and load ----------------------------------------------------------------------------------------


def measure_start(sequences: Path, work: Path, flags: argparse.Namespace) -> list[dict]:
    """Seconds from the command to: everything loaded, four held-out windows scored, the first step made."""
    settings = {
        "training.max_steps": 1,
        "training.logging_steps": 1,
        "evaluation.max_windows": 4,
        "evaluation.completions": 0,
        "optimization.batch_size": 8,
    }
    command = [sys.executable, ROOT / "training" / "model_trainer_unified.py", "--sequences", sequences]
    command += ["--config", ROOT / "training_config_metal_cuda_universal.yaml", "--device", flags.device]
    command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    marks = {"data ": "loaded_s", "before training": "evaluated_s", "Epoch": "first_step_s"}
    found = []
    for number in range(flags.rounds + 1):
        seconds = time_lines([*command, "--output", work / f"start-{number}"], marks)
        found += [seconds] if number else []  # the first run parses the rows and fills the page cache
        say(f"start: {seconds}")
    return found


def time_lines(command: list, marks: dict[str, str]) -> dict[str, float]:
    """Seconds from starting the command until it prints a line that begins with each mark."""
    started_at, seconds = time.perf_counter(), {}
    with programs.start(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            for mark, name in marks.items():
                if line.startswith(mark):
                    seconds[name] = round(time.perf_counter() - started_at, 3)
    if process.returncode or len(seconds) < len(marks):
        raise SystemExit(f"the trainer ended with {process.returncode}, having said {sorted(seconds)}")
    return seconds


def measure_load(sequences: Path, work: Path, flags: argparse.Namespace) -> list[dict]:
    """Seconds of opening a JSONL of `flags.load_tokens` tokens without its cache, and again with it."""
    dataset = write_long_dataset(sequences.parent, work / "long", flags.load_tokens)
    found = []
    for _ in range(flags.rounds):
        shutil.rmtree(dataset / ".cache", ignore_errors=True)
        (first_s, num_tokens), (later_s, _) = load(dataset), load(dataset)
        found.append({"first_s": first_s, "later_s": later_s, "num_tokens": num_tokens})
        say(f"load: {found[-1]}")
    return found


def load(dataset: Path) -> tuple[float, int]:
    command = programs.python("-c", LOAD, ROOT, dataset)
    done = programs.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, tokens = done.stdout.split()
    return float(seconds), int(tokens)


def write_long_dataset(source: Path, target: Path, num_tokens: int) -> Path:
    """A dataset like `source` whose training file has its first rows again and again until it holds `num_tokens`."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".cache"))
    name = DATASET_FILES["train"]
    with open(source / name, "rb") as lines:
        parsed = map(json.loads, itertools.islice(lines, REPEATED_ROWS))
        rows = [(np.array(row["tokens"], dtype=np.uint32), row) for row in parsed]
    (target / name).unlink()
    with JsonLinesWriter(target / name) as writer:
        written = seq_id = 0
        while written < num_tokens:
            tokens, row = rows[seq_id % len(rows)]
            writer.write_row(tokens, row["metadata"] | {"seq_id": seq_id}, row.get("labels"))
            written, seq_id = written + row["metadata"]["length"], seq_id + 1
    metadata = read_metadata(target / METADATA_FILE)
    metadata["files"][name] = metadata["files"][name] | {"sha256": writer.digest.sha256}
    write_metadata(target / METADATA_FILE, metadata)
    return target


# --- main --------------------------------------------------------------------------------------------------


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--sequences", type=Path, metavar="JSONL", help="training rows of a finished dataset")
    add(
        "--repo",
        type=Path,
        default=Path(os.__file__).parent,
        metavar="DIR",
        help="else: build one of this tree",
    )
    add(
        "--baseline-python",
        type=interpreter,
        default=sys.executable,
        metavar="PYTHON",
        help="has accelerate and transformers",
    )
    add(
        "--contestants",
        default=",".join(CONTESTANTS),
        metavar="NAME,NAME",
        help="also: ours_whole, ours_compiled",
    )
    add("--preset", default="tiny")
    add("--batch-size", type=int, default=8, help="sequences a step")
    add("--steps", type=int, default=3, help="of a round")
    add("--rounds", type=int, default=3)
    add("--device", default="cpu")
    add("--precision", choices=("fp32", "bf16"), default="fp32")
    add("--threads", type=int, default=outcome.CORES)
    add("--load-tokens", type=int, default=100_000_000, help="size of the JSONL that is loaded")
    add("--only", action="append", default=[], choices=PARTS, help="measure this alone (repeatable)")
    add("--work", type=Path, metavar="DIR", help="an empty directory to work in; default: a temporary one")
    add("--results", type=Path, default=ROOT / "benchmarks" / "results", metavar="DIR")
    return parser


def main(argv: list[str] | None = None) -> int:
    flags = arguments().parse_args(argv)
    use_two_cores()
    names, left_out = contestants(flags)
    found = Steps()
    with tempfile.TemporaryDirectory(prefix="step-benchmark-", dir=flags.work) as work:
        sequences = flags.sequences or build(flags.repo, Path(work) / "dataset")
        measure(found, sequences, Path(work), names, flags)
    judged = bars(found)
    result = describe(flags, left_out, found, judged)
    text = markdown(result, found, judged)
    keep(flags.results, result, text)
    say(text)
    return 1 if any(bar.verdict == "MISSED" for bar in judged) else 0


def measure(found: Steps, sequences: Path, work: Path, names: list[str], flags: argparse.Namespace) -> None:
    parts = flags.only or PARTS
    options = {name: getattr(flags, name) for name in ("preset", "device", "precision", "threads")}
    step = options | {"sequences": str(sequences), "batch_size": flags.batch_size, "steps": flags.steps}
    if "steps" in parts:
        found.steps = measure_steps(names, step, flags, flags.rounds)
    if "memory" in parts:
        wanted = [name for name in MEMORY_CONTESTANTS if name in names or name == "ours_whole"]
        found.memory = measure_memory(wanted, options, flags)
    if "start" in parts:
        found.start = measure_start(sequences, work, flags)
    if "load" in parts:
        found.load = measure_load(sequences, work, flags)


def interpreter(text: str) -> str:
    """The absolute path of a program given by its path, or by a name that is looked for."""
    return os.path.abspath(text) if os.sep in text else programs.find_program(text) or os.path.abspath(text)


def contestants(flags: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """(names to measure, name -> why it is left out: the command that installs what it needs)."""
    names = flags.contestants.split(",")
    if "hf_trainer" not in names:
        return names, {}
    python = flags.baseline_python
    probe = programs.run([python, "-c", "import accelerate, torch, transformers"], capture_output=True)
    if probe.returncode == 0:
        return names, {}
    names.remove("hf_trainer")
    why = f"not measured: {Path(python).name} cannot import it; {Path(python).name} -m pip install {EXTRA}"
    return names, {"hf_trainer": why}


def build(repo: Path, output: Path) -> Path:
    """A dataset of a real tree. Not timed."""
    command = [sys.executable, ROOT / "create_training_dataset_effectiveness.py", repo, "--output", output]
    command += ["--recipe", "founding", "--tokenizer", "local", "--max-tokens", str(WINDOW), "--quiet"]
    programs.run(command, check=True, stdout=subprocess.DEVNULL)
    return output / DATASET_FILES["train"]


def use_two_cores() -> None:
    """Everything started from here on inherits it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: outcome.CORES])


def describe(flags: argparse.Namespace, left_out: dict, found: Steps, judged: list[outcome.Bar]) -> dict:
    """Everything of this run that is worth keeping."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_line(flags),
        "commit": outcome.commit(),
        "machine": outcome.machine(),
        "rounds": flags.rounds,
        "step": {
            name: getattr(flags, name) for name in ("preset", "batch_size", "device", "precision", "threads")
        },
        "memory_options": MEMORY,
        "left_out": left_out,
        "steps": found.steps,
        "memory": found.memory,
        "start": found.start,
        "load": found.load,
        "bars": [dict(zip(outcome.BAR_HEADS, bar.cells(), strict=True)) for bar in judged],
    }


def command_line(flags: argparse.Namespace) -> str:
    """The command that measures the same again; where things lie on this machine is left out."""
    parser, words = arguments(), ["python3", "benchmarks/train_step.py"]
    named = ("contestants", "preset", "batch_size", "steps", "rounds", "device", "precision", "load_tokens")
    for name in named:
        value = getattr(flags, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value != parser.get_default(name) else []
    words += [word for part in flags.only for word in ("--only", part)]
    tree = ["--sequences", "JSONL"] if flags.sequences else ["--repo", flags.repo.name]
    return shlex.join([*words, *tree, "--baseline-python", "PYTHON"])


def keep(directory: Path, result: dict, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"train-step-{result['date']}"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(text, encoding="utf-8")


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
