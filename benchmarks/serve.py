"""The server through real HTTP, in a process of its own: keys, cold starts, saved files, and llama-server beside it.

    python3 benchmarks/serve.py MODEL --dataset DATA --repository REPO [--small MODEL --peer LLAMA_SERVER]

MODEL was trained on DATA, which was built of REPO; keys are typed in the test files of DATA. With `--peer` the same
keys are asked of llama-server with the same model (`--small`, else MODEL) as f32 and q8_0, alternating with ours. By
the clock and by processor time, with children. It takes some six minutes on two quiet cores and writes
benchmarks/results/serve-http-DATE.md (`--output`).
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import datetime
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import keys, measure, outcome
from benchmarks.outcome import Bar
from benchmarks.served import Served, serving, serving_peer
from effectiveness.common.records import UserError
from effectiveness.completion.spelling import TextCoder
from effectiveness.completion.store import files_of
from effectiveness.gguf.command import main as write_gguf
from effectiveness.serve.self_test import quantile
from effectiveness.trainer.rows import open_dataset

RESULTS = Path(__file__).with_name("results")
ALLOWED_MS, PEER_ALLOWED_MS = (
    1_500,
    8_000,
)  # the first is what llama.vim allows; the second holds nobody to less
PEER_CONTEXT = 4096
PEER_TOKENS = 16  # of an answer, of both: a line of code has about a dozen
KNOWN_WITHIN_S, LOOK_S = 10.0, 0.002
SETTLED_S = 0.3  # between two saves
KEY_HEADS = (
    *("keys", "number", "median ms", "p95 ms", "cpu: median ms", "cpu: p95 ms"),
    *("tokens of an answer", "a new place: median ms", "cpu: median ms"),
)
COLD_HEADS = ("cold start", "to /health, s", "to the first answer, s", "cpu, s")
SAVED_HEADS = ("saved file known", "times", "median ms", "worst ms", "cpu: median ms", "worst ms")
PEER = "llama-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """From the process' start; both times include all before."""

    health_s: float
    answer_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """From the write on, until the server says that it knows the file."""

    wall_s: float
    cpu_s: float


# --- measuring ----------------------------------------------------------------------------------------------


def time_start(arguments: Sequence[str | Path], body: dict) -> Start:
    """One cold start of a server."""
    with serving(*arguments) as served:
        served.ask("/health")
        health_s = time.perf_counter() - served.begun
        served.ask("/infill", body)
        answer_s = time.perf_counter() - served.begun
        return Start(health_s=health_s, answer_s=answer_s, cpu_s=served.cpu_s())


def type_places(
    servers: Sequence[Served], places: Sequence[keys.Place], *limits: int
) -> list[list[keys.Stroke]]:
    """All strokes of each server; `limits` as of `keys.bodies`."""
    strokes: list[list[keys.Stroke]] = [[] for _ in servers]
    for place in places:
        for mine, more in zip(strokes, keys.type_line(servers, place, *limits), strict=True):
            mine += more
    return strokes


def save_files(served: Served, root: Path, body: dict, times: int) -> list[Saved]:
    """A file is saved again and again, by a rename and in place in turn, while somebody types."""
    victim = max(root.rglob("*"), key=lambda path: path.stat().st_size if is_source(path) else -1)
    text = victim.read_text()
    saves = []
    for number in range(times):
        served.ask("/infill", body)
        time.sleep(SETTLED_S)
        known = _num_saved(served)
        cpu_s, begun = served.cpu_s(), time.perf_counter()
        _save(victim, f"{text}\n// saved {number} times\n", by_rename=number % 2 == 0)
        while _num_saved(served) == known:
            if time.perf_counter() - begun > KNOWN_WITHIN_S:
                raise measure.MeasurementError(f"{victim.name} was saved and is not known")
            time.sleep(LOOK_S)
        saves.append(Saved(wall_s=time.perf_counter() - begun, cpu_s=served.cpu_s() - cpu_s))
    return saves


def is_source(path: Path) -> bool:
    return path.suffix in {".rs", ".py", ".go", ".c", ".ts"} and 4_000 < path.stat().st_size < 60_000


def _num_saved(served: Served) -> int:
    return served.ask("/health")["num_saved"]


def _save(path: Path, text: str, by_rename: bool) -> None:
    if not by_rename:
        path.write_text(text)
        return
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text)
    beside.replace(path)


def compare_with_peer(
    options: argparse.Namespace, places: Sequence[keys.Place]
) -> dict[str, list[keys.Stroke]]:
    """The same keys of ours and of llama-server with the same weights, alone: no memory."""
    model = options.small or options.model
    with ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:
        servers = {"ours": stack.enter_context(serving(model, "--lines", "1", "--quiet-below", "0"))}
        for kind in ("f32", "q8_0"):
            file = Path(scratch) / f"{kind}.gguf"
            if write_gguf([str(model), "--type", kind, "--output", str(file)]):
                raise measure.MeasurementError(f"no GGUF of {model.name}")
            servers[f"{PEER} {kind}"] = stack.enter_context(
                serving_peer(options.peer, file, context=PEER_CONTEXT, threads=options.threads)
            )
        strokes = type_places(list(servers.values()), places, options.keys, PEER_ALLOWED_MS, PEER_TOKENS)
        return dict(zip(servers, strokes, strict=True))


# --- telling ------------------------------------------------------------------------------------------------


def ms(seconds: Sequence[float], share: float) -> float:
    """A quantile, in milliseconds."""
    return 1000 * quantile(list(seconds), share)


def key_cells(name: str, strokes: Sequence[keys.Stroke]) -> tuple[str, ...]:
    warm = [stroke for stroke in strokes if not stroke.is_first]
    new = [stroke for stroke in strokes if stroke.is_first]
    wall, cpu = [stroke.wall_s for stroke in warm], [stroke.cpu_s for stroke in warm]
    times = [ms(wall, 0.5), ms(wall, 0.95), ms(cpu, 0.5), ms(cpu, 0.95)]
    written = statistics.mean(stroke.num_written for stroke in warm)
    places = [ms([stroke.wall_s for stroke in new], 0.5), ms([stroke.cpu_s for stroke in new], 0.5)]
    return (
        name,
        str(len(warm)),
        *(f"{t:.0f}" for t in times),
        f"{written:.1f}",
        *(f"{t:.0f}" for t in places),
    )


def cold_cells(name: str, starts: Sequence[Start]) -> tuple[str, ...]:
    columns = ([start.health_s for start in starts], [start.answer_s for start in starts])
    ranges = [f"{min(column):.1f} to {max(column):.1f}" for column in columns]
    return (name, *ranges, f"{statistics.median(start.cpu_s for start in starts):.1f}")


def saved_cells(name: str, saves: Sequence[Saved]) -> tuple[str, ...]:
    columns = ([save.wall_s for save in saves], [save.cpu_s for save in saves])
    times = [ms(column, share) for column in columns for share in (0.5, 1.0)]
    return (name, str(len(saves)), *(f"{t:.0f}" for t in times))


def warm(strokes: Sequence[keys.Stroke], quantity: str) -> list[float]:
    return [getattr(stroke, quantity) for stroke in strokes if not stroke.is_first]


def peer_ratio(peers: dict[str, list[keys.Stroke]], kind: str, quantity: str) -> float | None:
    """The medians of all keys but the first of a place, ours over llama-server's."""
    if not peers:
        return None
    medians = [statistics.median(warm(peers[name], quantity)) for name in ("ours", f"{PEER} {kind}")]
    return outcome.ratio(*medians)


def bars(typed: dict, starts: dict, saves: dict, peers: dict) -> list[Bar]:
    """What was promised."""
    judged = []
    for name, strokes in typed.items():
        seconds = warm(strokes, "wall_s")
        judged += [
            Bar(f"a key, {name}: median, ms", ms(seconds, 0.5), 150),
            Bar(f"a key, {name}: p95, ms", ms(seconds, 0.95), 300),
        ]
    for name, limit in (("memory alone", 3), ("memory and model", 5)):
        worst = max((start.answer_s for start in starts.get(name, ())), default=None)
        judged.append(Bar(f"cold start, {name}: the longest, s", worst, limit))
    for name, found in saves.items():
        judged.append(
            Bar(f"a saved file is known, {name}: the worst, ms", ms([s.wall_s for s in found], 1), 100)
        )
    for quantity in ("wall_s", "cpu_s"):
        for kind in ("f32", "q8_0"):
            what = f"a key, ours / {PEER} {kind}, {'clock' if quantity == 'wall_s' else 'processor time'}"
            judged.append(Bar(what, peer_ratio(peers, kind, quantity), 2))
    return judged


def markdown(
    options: argparse.Namespace, date: str, typed: dict, starts: dict, saves: dict, peers: dict
) -> str:
    tables = [
        outcome.text_table(KEY_HEADS, [key_cells(*item) for item in (typed | peers).items()]),
        outcome.text_table(COLD_HEADS, [cold_cells(*item) for item in starts.items()]),
        outcome.text_table(SAVED_HEADS, [saved_cells(*item) for item in saves.items()]),
        outcome.text_table(outcome.BAR_HEADS, [bar.cells() for bar in bars(typed, starts, saves, peers)]),
    ]
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return "\n\n".join(
        [
            f"# The server, {date}",
            f"`{command_line(options)}`, commit {outcome.commit()}; {outcome.machine()}; load at the end {load}.",
            f"Keys: `/infill` in the form of llama.vim, one character more each, at {options.places} seeded places of "
            "test files with about 2,000 tokens around them, one line wanted; the first key of a place, before which "
            "nothing was read, stands apart. cpu: processor time, with children.",
            f"{PEER}: {options.threads} thread(s), a context of {PEER_CONTEXT}, the same keys in turn with ours, which "
            f"has one thread and here no memory; at most {PEER_TOKENS} tokens of an answer. {PEER} goes from token to "
            "token, ours keeps eight beginnings of a line side by side.",
            *tables,
        ]
    ) + "\n"  # fmt: skip


def command_line(options: argparse.Namespace) -> str:
    """The command that measures the same again; where things lie on this machine is left out."""
    flags = "MODEL --dataset DATA --repository REPO"
    flags += " --small SMALL" if options.small else ""
    flags += " --peer LLAMA_SERVER" if options.peer else ""
    numbers = ("places", "keys", "starts", "saves", "threads")
    flags += "".join(f" --{name} {getattr(options, name)}" for name in numbers)
    return f"python3 benchmarks/serve.py {flags}"


# --- the command --------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    add("model", type=Path, metavar="MODEL")
    add("--dataset", type=Path, required=True, metavar="DATA")
    add("--repository", type=Path, required=True, metavar="REPO")
    add("--small", type=Path, metavar="MODEL", help="for the comparison with --peer")
    add("--peer", type=Path, metavar="LLAMA_SERVER", help="the program")
    add(
        "--threads",
        type=int,
        default=1,
        help="of the peer, default: 1, as ours: two wait for each other, busily",
    )
    add("--places", type=int, default=6)
    add("--keys", type=int, default=12, help="of a place")
    add("--starts", type=int, default=3)
    add("--saves", type=int, default=30)
    add("--output", type=Path, default=RESULTS, help="where serve-http-DATE.md is written")
    return made


def run(options: argparse.Namespace) -> str:
    """All of it, as the page that is written."""
    dataset = open_dataset(options.dataset)
    coder = TextCoder(dataset.tokenizer)
    texts = {
        file.path: coder.spell(file.ids.tolist()).decode("utf-8", "replace")
        for file in files_of(dataset, "test")
    }
    places = keys.draw_places(texts, coder.encode, options.places)
    if not places:
        raise UserError(f"--dataset {options.dataset}: no test file is 2,000 tokens long")
    body = next(keys.bodies(places[0], 1, ALLOWED_MS))
    starts, typed, saves = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / options.repository.resolve().name
        shutil.copytree(options.repository, root, symlinks=True)
        with_model = (options.model, "--repository", root)
        kinds = {"memory alone": ("--repository", root), "memory and model": with_model}
        for name, arguments in kinds.items():
            tell(f"cold start, {name}")
            starts[name] = [time_start(arguments, body) for _ in range(options.starts)]
            with serving(*arguments) as served:
                wait_until_fitted(served)
                tell(f"keys, {name}")
                [typed[name]] = type_places([served], places, options.keys, ALLOWED_MS)
                tell(f"saved files, {name}")
                saves[name] = save_files(served, root, body, options.saves)
    peers = {}
    if options.peer:
        tell(f"keys, ours and {PEER}")
        peers = compare_with_peer(options, places)
    return markdown(options, datetime.date.today().isoformat(), typed, starts, saves, peers)


def wait_until_fitted(served: Served) -> None:
    """Weights and confidence are fitted behind the first answers; keys are typed when that is done."""
    begun = time.perf_counter()
    while not served.ask("/health")["is_fitted"] and time.perf_counter() - begun < 120:
        time.sleep(0.2)


def tell(what: str) -> None:
    print(f"{what} ...", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        page = run(options)
    except (UserError, measure.MeasurementError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(page)
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / f"serve-http-{datetime.date.today().isoformat()}.md"
    file.write_text(page)
    print(f"written: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
