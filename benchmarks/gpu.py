#!/usr/bin/env python3
"""What only a GPU can tell of the trainer, in one offline command of at most nine minutes.

    python3 benchmarks/gpu.py --make-kit .kit          where registries can be reached: a dataset, and wheels
    python3 benchmarks/gpu.py --kit .kit               on the machine with the GPU; nothing is fetched
    python3 benchmarks/gpu.py --kit .kit --small       the same on a CPU, in a minute: it proves this script

Sections run in the order of their worth, each with a time of its own, in a process that is started again without a
section that ended it. Each result is written at once; `--sections a,b` runs some, `--resume` those that are missing.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import json
import platform
import shutil
import subprocess
import time
import traceback
from pathlib import Path

from effectiveness.common import programs

ROOT = Path(__file__).resolve().parent.parent

WHEELS = ("orjson",)  # what a machine with torch and transformers may lack of requirements.txt
PLATFORMS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")
PACKAGES = ("asyncio", "email", "http", "xml", "logging", "multiprocessing", "json")
WINDOW = 4096
UNFINISHED = "started"


def make_kit(kit: Path) -> int:
    """What travels: rows of a part of the standard library in windows of 4096 tokens, and wheels for Python 3.12."""
    import sysconfig
    import tempfile

    shutil.rmtree(kit, ignore_errors=True)
    (kit / "wheels").mkdir(parents=True)
    pins = [
        line.split()[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.startswith(WHEELS)
    ]
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        "3.12",
        "--implementation",
        "cp",
        *platforms,
    ]
    download = [sys.executable, "-m", "pip", "download", "-q", *options, "-d", kit / "wheels", *pins]
    programs.run(download, check=True)
    library = Path(sysconfig.get_path("stdlib"))
    with tempfile.TemporaryDirectory() as sources:
        for file in library.glob("*.py"):
            shutil.copy(file, sources)
        for package in PACKAGES:
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(library / package, Path(sources) / package, ignore=ignore)
        command = [
            sys.executable,
            ROOT / "create_training_dataset_effectiveness.py",
            sources,
            "--output",
            kit / "data",
        ]
        command += [
            "--max-tokens",
            str(WINDOW),
            "--overlap",
            "0",
            "--augmentations",
            "none",
            "--tokenizer",
            "local",
        ]
        programs.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    (kit / "data" / "report.html").unlink(missing_ok=True)
    size = sum(file.stat().st_size for file in kit.rglob("*") if file.is_file())
    print(f"{kit}: {size / 1e6:.1f} MB")
    return 0


# --- results ---------------------------------------------------------------------------------------------------


class Results:
    """The file of what was seen, written after every line."""

    def __init__(self, directory: Path, stem: str, *, resume: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.json, self.markdown = directory / f"{stem}.json", directory / f"{stem}.md"
        is_there = resume and self.json.exists()
        self.found = json.loads(self.json.read_text()) if is_there else {"machine": {}, "sections": {}}

    def begin(self, section: str) -> None:
        self.found["sections"][section] = {"state": UNFINISHED, "rows": []}
        self.write()

    def add(self, section: str, row: dict) -> None:
        self.found["sections"][section]["rows"].append(row)
        self.write()

    def end(self, section: str, state: str, seconds: float) -> None:
        self.found["sections"][section] |= {"state": state, "seconds": round(seconds, 1)}
        self.write()

    def write(self) -> None:
        self.json.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        self.markdown.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        lines = ["# What only a GPU can tell", ""]
        lines += [f"- {key}: {value}" for key, value in self.found["machine"].items()]
        for section, seen in self.found["sections"].items():
            lines += ["", f"## {section} ({seen['state']}, {seen.get('seconds', 0):.0f} s)", ""]
            for row in seen["rows"]:
                values = (
                    f"{key} {_shown(value)}" for key, value in row.items() if key not in ("what", "long")
                )
                lines.append(f"- {row['what']}: {', '.join(values)}")
                lines += [f"  - {line}" for line in row.get("long", ())]
        return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def machine(flags: argparse.Namespace) -> dict:
    """Card, driver, versions, commit."""
    import torch
    import transformers

    def output(name: str, *arguments: str) -> str:
        program = programs.find_program(name)
        if program is None:
            return ""
        return programs.run([program, *arguments], capture_output=True, text=True, cwd=ROOT).stdout.strip()

    card = (
        output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
        or "none"
    )
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "card": card,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "commit": output("git", "rev-parse", "--short", "HEAD") or flags.commit,
        "form": "small, on a CPU" if flags.small else "whole",
    }


# --- running ---------------------------------------------------------------------------------------------------


def run_sections(flags: argparse.Namespace, results: Results) -> None:
    """The child: every section that has no result yet, while time is left."""
    from benchmarks import gpu_sections

    bench = gpu_sections.Bench(kit=flags.kit, work=flags.work, is_small=flags.small)
    results.found["machine"] = machine(flags)
    for name in flags.sections:
        if name in results.found["sections"]:
            continue
        section, needs_s = gpu_sections.SECTIONS[name]
        left_s = flags.deadline - time.time()
        results.begin(name)
        if left_s < (1 if flags.small else needs_s / 2):
            results.end(name, f"skipped, {max(0, left_s):.0f} s left of about {needs_s}", 0)
            print(f"{name}: skipped", flush=True)
            continue
        run_one(name, section, bench, results)


def run_one(name: str, section, bench, results: Results) -> None:
    """One section; whatever it raises is its result, and the next one runs."""
    started_at = time.perf_counter()

    def note(what: str, long: list[str] | None = None, **values) -> None:
        row = {"what": what, **values} | ({"long": long} if long else {})
        results.add(name, row)
        shown = ", ".join(f"{key} {_shown(value)}" for key, value in values.items())
        print(f"[{time.perf_counter() - started_at:5.1f} s] {name}: {what}: {shown}", flush=True)

    state = "done"
    try:
        section(bench, note)
    except Exception as error:  # noqa: BLE001 - the failure is the section's result, and the next one must run
        state = "FAILED"
        frames = traceback.format_tb(error.__traceback__)[-3:]
        note(
            f"{type(error).__name__}: {str(error)[:600]}", long=["".join(frames)[-1500:].replace("\n", " | ")]
        )
    finally:
        bench.clean()
    results.end(name, state, time.perf_counter() - started_at)


def supervise(flags: argparse.Namespace, arguments: list[str], results: Results) -> int:
    """Start the child, and again without the section that ended it: a fault of the device ends a process."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    command = [sys.executable, __file__, *arguments, "--child", "--resume", "--deadline", str(flags.deadline)]
    for _ in range(len(flags.sections)):
        try:
            code = programs.run(
                command, env=environment, timeout=flags.deadline - time.time() + 20
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
        results.found = json.loads(results.json.read_text()) if results.json.exists() else results.found
        broken = [n for n, seen in results.found["sections"].items() if seen["state"] == UNFINISHED]
        for name in broken:
            results.end(name, f"FAILED, ended the process with {code}", 0)
        if code == 0 or not broken or time.time() > flags.deadline:
            break
    print(results.text() if flags.print else f"results: {results.json}", flush=True)
    failed = [n for n, seen in results.found["sections"].items() if seen["state"].startswith("FAILED")]
    return 1 if failed else 0


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    flags = make_parser().parse_args(arguments)
    if flags.make_kit:
        return make_kit(flags.make_kit)
    import torch

    from benchmarks import gpu_sections

    if not torch.cuda.is_available() and not flags.small:
        print("no GPU here: the small form on the CPU instead", flush=True)
        flags.small, arguments = True, [*arguments, "--small"]
    unknown = set(flags.sections or ()) - gpu_sections.SECTIONS.keys()
    if unknown:
        raise SystemExit(f"--sections: no {', '.join(unknown)}; there are {', '.join(gpu_sections.SECTIONS)}")
    flags.sections = flags.sections or list(gpu_sections.SECTIONS)
    flags.deadline = flags.deadline or time.time() + flags.budget
    stem = f"gpu-{'small-' if flags.small else ''}{time.strftime('%Y-%m-%d')}"
    results = Results(flags.output, stem, resume=flags.resume)
    if flags.child:
        run_sections(flags, results)
        return 0
    results.write()
    return supervise(flags, arguments, results)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--make-kit", type=Path, metavar="DIR", help="make what travels, and end")
    add("--kit", type=Path, default=ROOT / ".kit", metavar="DIR", help="made by --make-kit")
    add("--output", type=Path, default=ROOT / "benchmarks" / "results", metavar="DIR")
    add("--work", type=Path, default=ROOT / ".kit" / "work", metavar="DIR", help="outputs of runs go here")
    add("--sections", type=lambda text: text.split(","), metavar="NAME,NAME")
    add("--budget", type=float, default=500.0, metavar="SECONDS", help="of all sections together")
    add("--small", action="store_true", help="a CPU form of every section")
    add("--resume", action="store_true", help="keep the results there are, and run what is missing")
    add("--print", action="store_true", help="print all results at the end")
    add("--commit", default="", help="where there is no git")
    add("--child", action="store_true", help=argparse.SUPPRESS)
    add("--deadline", type=float, default=0.0, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
