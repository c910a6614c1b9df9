"""What a model has to beat: a cache n-gram over the same tokens, and xz over the same bytes, of the held-out files.

    python3 benchmarks/ngram_baseline.py --sequences DATASET/training_data_train.jsonl

The n-gram is that of `effectiveness/proof/baselines.py`.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # before any other import: see there
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import argparse
import lzma
import math
from pathlib import Path

import numpy as np

from effectiveness.proof.baselines import ORDER, ngram_nats
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary
from effectiveness.trainer.whole_files import whole_files

XZ = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 28}]}


def xz_bits(train: bytes, held_out: bytes) -> int:
    """Bits xz needs for the held-out text when it has just read the training text."""
    return 8 * (len(lzma.compress(train + held_out, **XZ)) - len(lzma.compress(train, **XZ)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sequences", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    train = [part.tokens for part in whole_files(open_rows(dataset, "train"))]
    train_text = "".join(map(vocabulary.decode, train)).encode()
    for split in ("val", "test"):
        files = [part.tokens for part in whole_files(open_rows(dataset, split))]
        num_tokens = sum(map(len, files))
        num_bytes = int(vocabulary.num_bytes[np.concatenate(files)].sum())
        nats = sum(float(of_file.sum()) for of_file in ngram_nats(train, files, dataset.vocab_size))
        text = "".join(map(vocabulary.decode, files)).encode()
        print(
            f"{split}: cache {ORDER + 1}-gram {nats / num_tokens:.4f} nats per token, "
            f"{nats / math.log(2) / num_bytes:.4f} bits per byte; "
            f"xz {xz_bits(train_text, text) / max(len(text), 1):.4f} bits per byte; {num_bytes:,} bytes"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
