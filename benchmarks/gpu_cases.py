"""One run of the trainer in a process of its own: nothing that another left on the device, and a peak that is its own.

    python3 benchmarks/gpu_cases.py CASE_AS_JSON        prints a row of values as JSON for each thing seen

Several may be told to run at one time: what they time, each does alone, when all have made their first step.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import contextlib
import dataclasses
import fcntl
import json
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import gpu_candidates, gpu_memory
from benchmarks.gpu_bench import ROOT, Bench
from effectiveness.common import programs
from effectiveness.trainer import devices

LIMIT_S = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run: a preset, or a Qwen2 shape wholly or by adapters, with settings; what is looked at after its steps."""

    label: str
    preset: str = ""
    qwen2: str = ""
    adapters: bool = False
    settings: tuple[str, ...] = ()
    candidate: str = ""  # of benchmarks/gpu_candidates.py, in place of what the product does
    steps: int = 1
    is_profiled: bool = False


def run_cases(bench: Bench, note, cases: list[Case], *, together: int = 1, is_timed: bool = True) -> None:
    """Note what each case saw, or how it failed. The small form of what is timed stays in this process."""
    if bench.is_small and is_timed:
        for row in (row for case in cases for row in make_case(bench, case)):
            note(**row)
        return
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(together) as pool:
        lock = Path(directory) / "lock" if is_timed else None
        done = [
            pool.submit(_ask, bench, case, lock, Path(directory) / str(n)) for n, case in enumerate(cases)
        ]
        for case, asked in zip(cases, done, strict=True):
            finished = asked.result()
            for line in finished.stdout.splitlines():
                if line.startswith('{"what"'):
                    note(**json.loads(line))
            if finished.returncode:
                note(case.label, failed=" | ".join(finished.stderr.splitlines()[-4:])[-700:])


def _ask(bench: Bench, case: Case, lock: Path | None, work: Path) -> subprocess.CompletedProcess:
    request = dataclasses.asdict(case) | {
        "kit": str(bench.kit),
        "work": str(work),
        "is_small": bench.is_small,
        "lock": str(lock or ""),
    }
    command = [sys.executable, ROOT / "benchmarks" / "gpu_cases.py", json.dumps(request)]
    try:
        return programs.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"not done after {LIMIT_S} s")


# --- in the process of a case ----------------------------------------------------------------------------------


def make_case(bench: Bench, case: Case, lock: str = "") -> Iterator[dict]:
    """Rows of what is seen of `case`."""
    with gpu_candidates.applied(case.candidate):
        with _locked(lock, fcntl.LOCK_SH):
            trainer = _begin(bench, case)
        with _locked(lock, fcntl.LOCK_EX):
            yield _steps(bench, case, trainer)
            if case.is_profiled:
                yield from _look_into(bench, case.label, trainer)


def _begin(bench: Bench, case: Case):
    """A trainer that has made its first step, without what the device had to hold for it."""
    name = f"model.preset={case.preset}" if case.preset else "model.pretrained_model=random"
    run = bench.open_run(name, f"quantization.lora_enabled={str(case.adapters).lower()}", *case.settings)
    if case.preset:
        model = bench.preset(run, case.preset)
    else:
        model = bench.qwen2(run, case.qwen2, adapters=case.adapters)
    trainer = bench.trainer(run, model)
    bench.advance(trainer, 1)
    devices.free_cached_memory()
    return trainer


def _steps(bench: Bench, case: Case, trainer) -> dict:
    seen, plan = bench.measure(trainer, warm=1, count=case.steps), trainer.memory
    planned = seen.planned_gib or 0.0
    apart = {"planned_above_seen_%": 100 * (planned / seen.peak_gib - 1)} if planned else {}
    twice = "" if plan is None else str(plan.checkpointing)
    said = " / ".join(bench.said)[:400]
    return {"what": case.label, **seen.values(), **apart, "blocks_twice": twice, "said": said}


def _look_into(bench: Bench, label: str, trainer) -> Iterator[dict]:
    """The parts of a step, its longest kernels, and what is held of the device's memory when."""
    if trainer.batches.packs_per_step == trainer.state.micro_batch_size:
        yield {"what": f"{label}: parts", **bench.parts(trainer, 1 if bench.is_small else 3)}
    lines, gaps = bench.profile(lambda: bench.advance(trainer, 1), longest=16)
    yield {"what": f"{label}: profile of a step", "device_idle": gaps, "long": lines}
    yield from gpu_memory.rows(bench, label, trainer)


@contextlib.contextmanager
def _locked(file: str, kind: int) -> Iterator[None]:
    if not file:
        yield
        return
    with open(file, "a") as opened:
        fcntl.flock(opened, kind)
        yield


def main() -> int:
    request = json.loads(sys.argv[1])
    kit, work = Path(request.pop("kit")), Path(request.pop("work"))
    bench = Bench(kit=kit, work=work, is_small=request.pop("is_small"))
    lock = request.pop("lock")
    case = Case(**request | {"settings": tuple(request["settings"])})
    for row in make_case(bench, case, lock):
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
