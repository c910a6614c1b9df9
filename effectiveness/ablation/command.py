"""Which technique earns its place on this repository: arms at equal steps and tokens, out of one dataset.

    effectiveness ablate --dataset training_data_effectiveness --seeds 3 --jobs 2

Every finished run is a line of the results file; a second start makes only what is missing there.
"""

import argparse
import itertools
import multiprocessing
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from effectiveness.ablation import table, trial
from effectiveness.ablation.arms import ARMS, RunSpec, check_overlap, dataset_digest
from effectiveness.ablation.results import (
    Key,
    append_result,
    is_finite,
    key_of,
    read_results,
    refuse_foreign_tables,
    write_tables,
)
from effectiveness.common.console import count
from effectiveness.common.endings import print_line as say
from effectiveness.common.hardware import DEVICES
from effectiveness.common.paths import display
from effectiveness.common.records import UserError
from effectiveness.common.workers import WorkerPool
from effectiveness.trainer.command_line import Parser, Standing, ending_of
from effectiveness.trainer.recut import num_source_tokens
from effectiveness.trainer.rows import Dataset, open_dataset, open_rows, refuse_nothing_held_out

DEFAULT_ARMS = (
    *("baseline", "originals", "recipe", "founding", "everything"),
    *("baseline-again", "sabotage", "baseline-with-muon"),
    *(name for name in ARMS if name.startswith("founding-without-")),
    *(f"originals-with-{lever}" for lever in ("half-window", "grown-window", "fresh-cuts", "fresh-masks")),
    *(f"originals-with-{lever}" for lever in ("dropout", "weight-decay", "weights", "fim")),
)
EXAMPLES = """examples:
  effectiveness ablate --dataset training_data_effectiveness
  effectiveness ablate --dataset one two --seeds 3 --steps 300 --jobs 2 --results ablation.jsonl
  effectiveness ablate --dataset DIR --arms recipe,originals-with-dropout
  effectiveness ablate --dataset DIR --epochs 12,24,48 --point model.dropout=0 --point model.dropout=0.1
  effectiveness ablate --dataset DIR --report-only

exit codes: 0 done, 1 a run failed, 2 usage or missing input, 129/130/143 stopped (finished runs are kept)"""


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        description="Compare techniques on one dataset (or several) at equal steps and tokens.",
        epilog="\n  ".join(["arms, and what each is compared with:", *_arm_lines()]) + f"\n\n{EXAMPLES}",
    )
    add = parser.add_argument
    add("--dataset", type=Path, nargs="+", required=True, metavar="DIR", help="built with --recipe founding")
    add("--seeds", type=int, default=3, metavar="N", help="runs of each arm, e.g. --seeds 3")
    add("--steps", type=int, default=300, metavar="N", help="optimizer steps of each run, e.g. --steps 300")
    add("--epochs", metavar="A,B",
        help="instead of --steps: lengths in passes over the originals' tokens; each arm is read on the test files at "
        "the length its validation files like best, and the other way round, e.g. --epochs 12,24,48")  # fmt: skip
    add("--point", action="append", default=[], dest="settings", metavar="SETTINGS",
        help="a set of settings that every arm is tried with, repeatable, chosen like its length, e.g. "
        "--point 'model.dropout=0.1 optimization.weight_decay=10'")  # fmt: skip
    add("--keep", type=int, default=1, metavar="N",
        help="points of each arm with further seeds, the best on validation files, e.g. --keep 2")  # fmt: skip
    add("--tokens-per-step", type=int, default=4096, metavar="N", help="of every arm, e.g. 8192")
    add("--preset", default="nano", help="the model, e.g. --preset tiny")
    add("--arms", metavar="A,B",
        help="names as listed below, with what they are compared with; default: the most telling ones")  # fmt: skip
    add("--results", type=Path, default=Path("ablation.jsonl"), metavar="FILE",
        help="one line a run; the tables go beside it, e.g. --results runs/ablation.jsonl")  # fmt: skip
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="a setting of all arms, e.g. --set optimization.mixed_precision=bf16")  # fmt: skip
    add("--device", default="auto", choices=DEVICES, help="e.g. --device cpu")
    add("--jobs", type=int, default=1, metavar="N", help="runs side by side, e.g. --jobs 2")
    add("--threads", type=int, default=1, metavar="N", help="of each run on a CPU, e.g. --threads 1")
    add("--report-only", action="store_true",
        help="train nothing; with the other flags as they were, print the tables of what is there")  # fmt: skip
    return parser


def _arm_lines() -> list[str]:
    return [f"{name:40s}{arm.against or ''}" for name, arm in ARMS.items()]


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def command(standing: Standing) -> int:
        arguments = make_parser().parse_args(argv)
        standing.in_words = lambda: f"finished runs are in {display(arguments.results)}, start again to go on"
        return _run(arguments, standing)

    return ending_of(command)


def _run(arguments: argparse.Namespace, standing: Standing) -> int:
    refuse_foreign_tables(arguments.results)
    datasets = [_open(path) for path in arguments.dataset]
    tried = trial.points(arguments.epochs, arguments.settings)
    runs, num_failed = _make_all(arguments, datasets, tried)
    wanted = {run.key for run in runs}
    records = [r for r in read_results(arguments.results, say) if key_of(r) in wanted]
    if not records:
        raise UserError(f"{arguments.results} holds no run of these arms, datasets and settings", exit_code=1)
    lines, as_dicts = _report(datasets, records, is_trial=len(tried) > 1)
    write_tables(arguments.results, lines, as_dicts)
    standing.in_words = lambda: f"the tables are beside {display(arguments.results)}"
    standing.exit_code = int(num_failed > 0)
    for line in lines:
        say(line)
    if num_failed:
        say(f"{count(num_failed, 'run')} FAILED; they are left out above, and made again at the next start")
    return standing.exit_code


def _open(path: Path) -> Dataset:
    dataset = open_dataset(path)
    refuse_nothing_held_out(dataset, "val", "test")
    check_overlap(dataset)
    return dataset


# --- the runs --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run to be made, and where its record goes."""

    spec: RunSpec
    key: Key
    results: Path


def _make_all(
    arguments: argparse.Namespace, datasets: list[Dataset], tried: list[trial.Point]
) -> tuple[list[Planned], int]:
    """Seed by seed, so that whatever ends the campaign, its arms have been run equally often.

    After the first seed only the best points of each arm go on. Returns all runs, and how many failed.
    """
    planned, num_failed = list(_planned(arguments, datasets, tried)), 0
    with WorkerPool(arguments.jobs) as pool:
        for seed in range(1, arguments.seeds + 1):
            if seed > 1 and len(tried) > 1:
                planned = _go_on(arguments, planned, seed)
            if not arguments.report_only:
                num_failed += _make_missing(
                    arguments, [run for run in planned if run.spec.seed == seed], pool
                )
    return planned, num_failed


def _go_on(arguments: argparse.Namespace, planned: list[Planned], seed: int) -> list[Planned]:
    """Without the runs of `seed` and later ones at points that are not among the best of their arm and dataset."""
    first = {run.key for run in planned if run.spec.seed == 1}
    records = [r for r in read_results(arguments.results, say) if key_of(r) in first]
    kept = {
        digest: trial.going_on([r for r in records if r["dataset"] == digest], arguments.keep)
        for digest in {run.key[2] for run in planned}
    }
    return [
        run
        for run in planned
        if run.spec.seed < seed or (run.spec.epochs, run.spec.point) in kept[run.key[2]].get(run.spec.arm, ())
    ]


def _planned(
    arguments: argparse.Namespace, datasets: list[Dataset], tried: list[trial.Point]
) -> Iterator[Planned]:
    """Every arm at every point, with every seed."""
    arms = _arms(arguments.arms, with_rivals=len(tried) == 1)
    for name in ("seeds", "steps", "jobs", "threads", "keep"):
        if getattr(arguments, name) < 1:
            raise UserError(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    for dataset in datasets:
        _check_budget(arguments.tokens_per_step, dataset)
    digests = [dataset_digest(dataset.metadata) for dataset in datasets]
    num_tokens = [num_source_tokens(open_rows(d, "train")) if arguments.epochs else 0 for d in datasets]
    for seed, point in itertools.product(range(1, arguments.seeds + 1), tried):
        for dataset, digest, tokens in zip(datasets, digests, num_tokens, strict=True):
            steps = _steps(arguments, point, tokens)
            for arm in arms:
                spec = _spec(arguments, dataset, arm, seed, steps, point)
                key = (arm, seed, digest, spec.digest(dataset.window))
                yield Planned(spec=spec, key=key, results=arguments.results)


def _steps(arguments: argparse.Namespace, point: trial.Point, num_tokens: int) -> int:
    if point.epochs is None:
        return arguments.steps
    return max(1, round(point.epochs * num_tokens / arguments.tokens_per_step))


def _arms(asked: str | None, *, with_rivals: bool = True) -> list[str]:
    """The arms asked for, each after the arm it is compared with; a trial of points may be of one arm alone."""
    names = list(DEFAULT_ARMS) if asked is None else [name.strip() for name in asked.split(",")]
    found: dict[str, None] = {}
    for name in names:
        if name not in ARMS:
            raise UserError(f"--arms: unknown arm {name!r}; --help lists them")
        chain = [name]
        while with_rivals and (rival := ARMS[chain[-1]].against):
            chain.append(rival)
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def _check_budget(tokens_per_step: int, dataset: Dataset) -> None:
    if tokens_per_step < dataset.window or tokens_per_step % dataset.window:
        raise UserError(
            f"--tokens-per-step must be a multiple of the dataset's window of {dataset.window}, got {tokens_per_step}"
        )


def _spec(
    arguments: argparse.Namespace, dataset: Dataset, arm: str, seed: int, steps: int, point: trial.Point
) -> RunSpec:
    return RunSpec(
        dataset=dataset.directory,
        arm=arm,
        seed=seed,
        steps=steps,
        epochs=point.epochs,
        point=point.settings,
        tokens_per_step=arguments.tokens_per_step,
        preset=arguments.preset,
        device=arguments.device,
        overrides=tuple(arguments.overrides),
        threads=arguments.threads,
    )


def _make_missing(arguments: argparse.Namespace, runs: list[Planned], pool: WorkerPool) -> int:
    """Make the runs that are not in the results file; returns how many failed."""
    done = {key_of(record) for record in read_results(arguments.results, say)}
    missing = [run for run in runs if run.key not in done]
    say(
        f"seed {runs[0].spec.seed}: {count(len(runs), 'run')}, {len(runs) - len(missing)} of them "
        f"in {arguments.results}"
    )
    started_at, num_failed = time.perf_counter(), 0
    try:
        for number, line in enumerate(pool.map(_make, missing), 1):
            num_failed += line.startswith("FAILED")
            left_s = (time.perf_counter() - started_at) / number * (len(missing) - number)
            say(f"[{number}/{len(missing)}] {line}; about {left_s / 60:.0f} min left")
    except KeyboardInterrupt:
        say("stopping: runs under way are finished first")
        raise
    return num_failed


def _make(run: Planned) -> str:
    """In a worker: make one run and append its record; what to say about it."""
    from effectiveness.ablation.run import run_arm  # torch is for the workers: they are forked without it

    if multiprocessing.parent_process() is not None:  # the run under way is finished, as at Ctrl-C
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    spec = run.spec
    name = f"{spec.arm} seed {spec.seed} on {spec.dataset.name}"
    if spec.epochs or spec.point:
        name += f", {trial.in_words(trial.Point(spec.epochs, spec.point))}"
    try:
        record = run_arm(spec)
    except UserError as error:
        return f"FAILED {name}: {error}"
    if key_of(record) != run.key:
        return f"FAILED {name}: the dataset was built anew meanwhile; start again"
    if not is_finite(record):
        return f"FAILED {name}: its losses are not finite; lower optimization.learning_rate"
    append_result(run.results, record)
    bits = record["curve"][-1][1]
    return f"{name}: {bits:.4f} bits/byte of the curve, {record['tokens'] / record['cpu_seconds']:,.0f} tokens/CPU s"


# --- the report ------------------------------------------------------------------------------------------


def _report(datasets: list[Dataset], records: list[dict], *, is_trial: bool) -> tuple[list[str], dict]:
    """The tables as lines of Markdown, and as JSON values."""
    parts, tried = {}, []
    for dataset in datasets:
        digest = dataset_digest(dataset.metadata)
        mine = [record for record in records if record["dataset"] == digest]
        if mine:
            name = f"{dataset.metadata.get('source_repo')} ({dataset.directory.name})"
            tried += ["", f"## Points tried on {name}", "", *trial.table(mine)] if is_trial else []
            parts[name] = table.runs_by_arm(trial.crossed(mine) if is_trial else mine)
    if len(parts) > 1:
        parts["all datasets"] = table.pooled(list(parts.values()))
    compared = {name: table.compare(runs) for name, runs in parts.items()}
    lines = [line for name, found in compared.items() for line in _section(name, found)]
    return lines + tried, {name: [c.as_dict() for c in found] for name, found in compared.items()}


def _section(name: str, comparisons: list[table.Comparison]) -> list[str]:
    first = comparisons[0].runs
    tokens = [comparison.runs.num_tokens for comparison in comparisons]
    lines = [
        f"## {name}",
        "",
        f"{count(len(first.num_bytes), 'held-out file')}, {first.num_bytes.sum():,} bytes; "
        f"{count(len(first.seeds), 'seed')}; "
        f"{first.curve[-1, 0]:.0f} steps, {min(tokens):,.0f} to {max(tokens):,.0f} training tokens a run",
        "",
        *table.markdown(comparisons),
        "",
        *(f"- {line}" for line in table.checks(comparisons)),
        "",
    ]
    if advice := table.recommendations(comparisons):
        lines += [f"Recommended settings for {name}:", "", *(f"- {line}" for line in advice), ""]
    return lines
