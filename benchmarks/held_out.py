"""What a training reached on held-out files, beside a cache n-gram and xz on the same text, as tables.

    python3 benchmarks/held_out.py --sequences DATASET/training_data_train.jsonl --model MODEL [--model MODEL]

Bits per byte of val files: before the first step, at best, at the end, from MODEL/training_metrics.jsonl; and of test
files with the best weights. Where a run scored a sample of the windows, the n-gram is asked for the tokens of these. It
stands there twice: with all of the file so far, and with no more than the window that the model reads. Then the same
by language, and pooled where a file is above its cap. A model that does not beat the n-gram is not worth using.
Without --model: the n-gram and xz alone.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.outcome import text_table
from effectiveness.common.records import UserError
from effectiveness.proof.baselines import ORDER
from effectiveness.proof.card import POOLED, parts_of
from effectiveness.proof.eval_set import HeldOutSet, counted_nats, held_out_set
from effectiveness.proof.scored_tokens import sums_by_file
from effectiveness.trainer.metrics import read_metrics
from effectiveness.trainer.recut import FileTokens, whole_files
from effectiveness.trainer.rows import Dataset, open_dataset, open_rows
from effectiveness.trainer.run_directory import read_training_facts
from effectiveness.trainer.vocabulary import Vocabulary

METRICS_FILE = "training_metrics.jsonl"
HEADS = ("", "reads before a token", "val: before", "at best", "at the end", "test: at best")
PART_HEADS = ("", "val: at best", "test: at best")
SPLITS = ("val", "test")
NGRAM, NGRAM_WINDOW = f"cache {ORDER + 1}-gram", f"cache {ORDER + 1}-gram, one window"
XZ_LINE = "xz after the training text"
XZ = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 28}]}

Bits = dict[str, dict[str, float]]  # split -> part ("all", "pooled", "language Rust") -> bits per byte


@dataclass(frozen=True, slots=True)
class Sample:
    """Which windows a run scored: how many of val and of test (0: all), drawn by what."""

    num_windows: tuple[int, int] = (0, 0)
    seed: int = 0


def xz_bits(train: bytes, held_out: bytes) -> int:
    """Bits xz needs for the held-out text when it has just read the training text."""
    return 8 * (len(lzma.compress(train + held_out, **XZ)) - len(lzma.compress(train, **XZ)))


# --- a run -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The evaluations of a finished run."""

    directory: Path
    val: list[dict]
    test: dict

    @property
    def best(self) -> dict:
        return min(self.val, key=lambda record: record["bits_per_byte"])

    def bits(self, part: str) -> tuple[float | None, float | None]:
        """(val, test) of a part, with the best weights; None where it was not recorded."""
        key = {"all": "bits_per_byte", POOLED: "pooled_bits_per_byte"}.get(
            part, f"bits_per_byte_{part.replace(' ', '_')}"
        )
        return self.best.get(key), self.test.get(key)


def read_run(directory: Path) -> RunRecords:
    """Raises UserError when `directory` holds no finished run."""
    records = read_metrics(directory / METRICS_FILE)
    val = [record for record in records if record["event"] == "evaluation" and record["bits_per_byte"]]
    test = [record for record in records if record["event"] == "test"]
    if not val or not test:
        raise UserError(f"{directory / METRICS_FILE} is not that of a finished run with held-out files")
    return RunRecords(directory, val, test[-1])


def sample_of(run: RunRecords) -> Sample:
    scored = tuple(_windows(record) for record in (run.val[-1], run.test))
    if scored == (0, 0):
        return Sample()
    return Sample(scored, read_training_facts(run.directory).facts["config"]["training"]["seed"])


def _windows(record: dict) -> int:
    scored = record.get("num_held_out_windows", 0)
    return 0 if scored == record.get("num_held_out_windows_in_all", 0) else scored


def run_row(run: RunRecords, window: int) -> tuple[str, ...]:
    (_, test), best, last = run.bits("all"), run.best, run.val[-1]
    return (
        run.directory.name,
        f"its window of {window:,}",
        _cell(run.val[0]["bits_per_byte"]),
        f"{_cell(best['bits_per_byte'])} (step {best['step']})",
        f"{_cell(last['bits_per_byte'])} (step {last['step']})",
        _cell(test),
    )


def _cell(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.3f}"


# --- what a model has to beat ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Baselines:
    """On the windows of a sample."""

    sets: dict[str, HeldOutSet]  # of the splits that hold files
    ngram: Bits
    ngram_window: Bits
    xz: dict[str, float]  # split -> bits per byte of all its text


def baselines(dataset: Dataset, sample: Sample) -> Baselines:
    vocabulary = Vocabulary(dataset.tokenizer)
    train = whole_files(open_rows(dataset, "train"))
    sets = {}
    for split, num_windows in zip(SPLITS, sample.num_windows, strict=True):
        rows = open_rows(dataset, split)
        if len(rows):
            sets[split] = held_out_set(split, rows, vocabulary, num_windows, sample.seed)
    whole, window = (_ngram_bits(train, dataset.vocab_size, sets, one_window=w) for w in (False, True))
    return Baselines(sets, whole, window, _xz(train, sets, vocabulary))


def _ngram_bits(
    train: list[FileTokens], vocab_size: int, sets: dict[str, HeldOutSet], *, one_window: bool
) -> Bits:
    nats = counted_nats(train, vocab_size, list(sets.values()), one_window=one_window).nats
    return {split: _bits_of_parts(held_out, nats[split]) for split, held_out in sets.items()}


def _bits_of_parts(held_out: HeldOutSet, nats) -> dict[str, float]:
    arms, factors = {"": nats[None]}, held_out.windows.factors
    parts = {
        name: sums_by_file(held_out.places, arms, chosen, factors)
        for name, chosen in parts_of(held_out).items()
        if not name.startswith("role ")
    }
    parts[POOLED] = sums_by_file(held_out.places, arms)
    return {name: sums.bits_per_byte("") for name, sums in parts.items()}


def _xz(train: list[FileTokens], sets: dict[str, HeldOutSet], vocabulary: Vocabulary) -> dict[str, float]:
    train_text = "".join(vocabulary.decode(part.tokens) for part in train).encode()
    texts = {s: "".join(vocabulary.decode(p.tokens) for p in h.files).encode() for s, h in sets.items()}
    return {split: xz_bits(train_text, text) / len(text) for split, text in texts.items()}


def baseline_rows(found: Baselines) -> list[tuple[str, ...]]:
    def row(name: str, reads: str, bits: dict[str, float]) -> tuple[str, ...]:
        return name, reads, "-", _cell(bits.get("val")), "-", _cell(bits.get("test"))

    whole, window = ({s: parts["all"] for s, parts in b.items()} for b in (found.ngram, found.ngram_window))
    return [
        row(NGRAM, "all of its file", whole),
        row(NGRAM_WINDOW, "the same window", window),
        row(XZ_LINE, "all of its file and of those before", found.xz),
    ]


# --- tables ------------------------------------------------------------------------------------------------


def tables(dataset: Dataset, runs: list[RunRecords], sample: Sample) -> Iterator[str]:
    """What was scored, the main table, then one for each further part."""
    found = baselines(dataset, sample)
    for split, held_out in found.sets.items():
        windows, num_bytes = held_out.windows, int(held_out.places.num_bytes.sum())
        scored = f"{len(windows.order):,} of {windows.num_windows_in_all:,} windows"
        yield f"{split}: {scored}, {num_bytes:,} bytes; xz reads all{_largest(held_out)}"
    yield ""
    yield text_table(HEADS, [run_row(run, dataset.window) for run in runs] + baseline_rows(found))
    for part in _further_parts(found):
        lines = [(run.directory.name, *map(_cell, run.bits(part))) for run in runs]
        for name, bits in ((NGRAM, found.ngram), (NGRAM_WINDOW, found.ngram_window)):
            lines.append((name, *(_cell(bits.get(split, {}).get(part)) for split in SPLITS)))
        yield f"\n{part}:\n"
        yield text_table(PART_HEADS, lines)


def _largest(held_out: HeldOutSet) -> str:
    if held_out.windows.largest is None:
        return ""
    name, share = held_out.windows.largest
    return f"; {name} is {100 * share:.0f} % of its bytes and counts for less, but not in `{POOLED}`"


def _further_parts(found: Baselines) -> list[str]:
    is_capped = any(held_out.windows.largest is not None for held_out in found.sets.values())
    languages = sorted(
        {part for bits in found.ngram.values() for part in bits if part.startswith("language ")}
    )
    return ([POOLED] if is_capped else []) + (languages if len(languages) > 1 else [])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sequences", type=Path, required=True, metavar="JSONL")
    parser.add_argument("--model", type=Path, action="append", default=[], metavar="DIR")
    arguments = parser.parse_args(argv)
    try:
        by_sample: dict[Sample, list[RunRecords]] = {} if arguments.model else {Sample(): []}
        for run in map(read_run, arguments.model):
            by_sample.setdefault(sample_of(run), []).append(run)
        dataset = open_dataset(arguments.sequences)
        for sample, runs in by_sample.items():
            print("\n".join(tables(dataset, runs, sample)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
