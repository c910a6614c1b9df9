"""What a training reached on held-out files, beside a cache n-gram and xz on the same bytes, as one table.

    python3 benchmarks/held_out.py --sequences DATASET/training_data_train.jsonl --model MODEL [--model MODEL]

Bits per byte of val files: before the first step, at best, at the end, from MODEL/training_metrics.jsonl; and of test
files with the best weights. A model that does not beat the n-gram is not worth using.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # before any other import: see there
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import math
from pathlib import Path

import numpy as np

from benchmarks.ngram_baseline import xz_bits
from benchmarks.outcome import text_table
from effectiveness.common.records import UserError
from effectiveness.proof.baselines import ORDER, ngram_nats
from effectiveness.trainer.metrics import read_metrics
from effectiveness.trainer.rows import Dataset, open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary
from effectiveness.trainer.whole_files import whole_files

METRICS_FILE = "training_metrics.jsonl"
HEADS = ("", "val: before", "at best", "at the end", "test: at best")


def model_cells(directory: Path) -> tuple[str, ...]:
    """One line of the table. Raises UserError when `directory` holds no finished run."""
    records = read_metrics(directory / METRICS_FILE)
    val = [record for record in records if record["event"] == "evaluation" and record["bits_per_byte"]]
    test = [record for record in records if record["event"] == "test"]
    if not val or not test:
        raise UserError(f"{directory / METRICS_FILE} is not that of a finished run with held-out files")
    best = min(val, key=lambda record: record["bits_per_byte"])
    return (
        directory.name,
        f"{val[0]['bits_per_byte']:.3f}",
        f"{best['bits_per_byte']:.3f} (step {best['step']})",
        f"{val[-1]['bits_per_byte']:.3f} (step {val[-1]['step']})",
        f"{test[-1]['bits_per_byte']:.3f}",
    )


def baseline_rows(dataset: Dataset) -> list[tuple[str, ...]]:
    """The n-gram's and xz's lines: bits per byte of val and of test files, after the training files."""
    vocabulary = Vocabulary(dataset.tokenizer)
    train = [part.tokens for part in whole_files(open_rows(dataset, "train"))]
    train_text = "".join(map(vocabulary.decode, train)).encode()
    ngram, xz = [], []
    for split in ("val", "test"):
        files = [part.tokens for part in whole_files(open_rows(dataset, split))]
        if not files:
            ngram, xz = [*ngram, "-"], [*xz, "-"]
            continue
        num_bytes = int(vocabulary.num_bytes[np.concatenate(files)].sum())
        nats = sum(float(of_file.sum()) for of_file in ngram_nats(train, files, dataset.vocab_size))
        text = "".join(map(vocabulary.decode, files)).encode()
        ngram.append(f"{nats / math.log(2) / num_bytes:.3f}")
        xz.append(f"{xz_bits(train_text, text) / len(text):.3f}")
    return [
        (f"cache {ORDER + 1}-gram", "-", ngram[0], "-", ngram[1]),
        ("xz after the training text", "-", xz[0], "-", xz[1]),
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sequences", type=Path, required=True, metavar="JSONL")
    parser.add_argument("--model", type=Path, action="append", required=True, metavar="DIR")
    arguments = parser.parse_args(argv)
    try:
        rows = [model_cells(directory) for directory in arguments.model]
        print(text_table(HEADS, rows + baseline_rows(open_dataset(arguments.sequences))))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
