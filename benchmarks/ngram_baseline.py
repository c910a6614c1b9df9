"""What a model has to beat: a cache n-gram over the same tokens, and xz over the same bytes, of the held-out files.

    python3 benchmarks/ngram_baseline.py --sequences DATASET/training_data_train.jsonl

The n-gram is trained on the originals of the training files (each token once, whatever the windows' overlap) and
goes on counting within the held-out file it reads, so that it knows the names of that file. Orders are
interpolated by Witten and Bell's rule: p_n(w|h) = (c(hw) + t(h) p_{n-1}(w|h')) / (c(h) + t(h)) with t(h) distinct
followers of h; the lowest order is uniform over the vocabulary.
"""

from __future__ import annotations

import argparse
import lzma
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from corpus.records import ORIGINAL, VARIANTS
from training.rows import Rows, open_dataset, open_rows
from training.vocabulary import Vocabulary

ORDER = 5  # tokens of context, and the one predicted
XZ = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 28}]}


def whole_files(rows: Rows) -> list[list[int]]:
    """Token ids of each original file, put together from its windows; a file with a gap gives several lists."""
    table = rows.table
    originals = np.flatnonzero(table["variant"] == VARIANTS.index(ORIGINAL))
    order = originals[np.lexsort((table["start_token"][originals], table["file"][originals]))]
    texts: list[list[int]] = []
    file, end = -1, 0
    for index in order.tolist():
        row, start = table[index], int(table[index]["start_token"])
        if row["file"] != file or start > end:
            texts.append([])
            file, end = row["file"], start
        texts[-1] += rows.tokens_of(index)[end - start :].tolist()
        end = start + int(row["length"])
    return texts


class Counts:
    """Followers of every context of up to ORDER tokens."""

    def __init__(self) -> None:
        self.followers: dict[tuple[int, ...], dict[int, int]] = {}
        self.totals: dict[tuple[int, ...], int] = defaultdict(int)

    def add(self, context: tuple[int, ...], token: int) -> None:
        """Count `token` after `context` and after each of its endings."""
        for start in range(len(context) + 1):
            ending = context[start:]
            followers = self.followers.setdefault(ending, {})
            followers[token] = followers.get(token, 0) + 1
            self.totals[ending] += 1

    def seen(self, context: tuple[int, ...], token: int) -> tuple[int, int, int]:
        """(times `token` followed, all followers, distinct followers)."""
        followers = self.followers.get(context)
        return (followers.get(token, 0), self.totals[context], len(followers)) if followers else (0, 0, 0)


def nats_of(token: int, context: tuple[int, ...], trained: Counts, cache: Counts, vocab_size: int) -> float:
    """-ln p(token | context) by the counts of the training files and of this file so far, added up."""
    probability = 1 / vocab_size
    for start in range(len(context), -1, -1):
        a, b = trained.seen(context[start:], token), cache.seen(context[start:], token)
        count, total, distinct = a[0] + b[0], a[1] + b[1], a[2] + b[2]
        if total:
            probability = (count + distinct * probability) / (total + distinct)
    return -math.log(probability)


def ngram_nats(train: Iterable[list[int]], held_out: Iterable[list[int]], vocab_size: int) -> float:
    """Nats of all held-out tokens."""
    trained = Counts()
    for tokens in train:
        for place, token in enumerate(tokens):
            trained.add(tuple(tokens[max(0, place - ORDER) : place]), token)
    nats = 0.0
    for tokens in held_out:
        cache = Counts()
        for place, token in enumerate(tokens):
            context = tuple(tokens[max(0, place - ORDER) : place])
            nats += nats_of(token, context, trained, cache, vocab_size)
            cache.add(context, token)
    return nats


def xz_bits(train: bytes, held_out: bytes) -> int:
    """Bits xz needs for the held-out text when it has just read the training text."""
    return 8 * (len(lzma.compress(train + held_out, **XZ)) - len(lzma.compress(train, **XZ)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sequences", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    train = whole_files(open_rows(dataset, "train"))
    train_text = "".join(map(vocabulary.decode, train)).encode()
    for split in ("val", "test"):
        files = whole_files(open_rows(dataset, split))
        num_tokens = sum(map(len, files))
        num_bytes = int(vocabulary.num_bytes[np.concatenate(files)].sum())
        nats = ngram_nats(train, files, dataset.vocab_size)
        text = "".join(map(vocabulary.decode, files)).encode()
        print(
            f"{split}: cache {ORDER + 1}-gram {nats / num_tokens:.4f} nats per token, "
            f"{nats / math.log(2) / num_bytes:.4f} bits per byte; "
            f"xz {xz_bits(train_text, text) / max(len(text), 1):.4f} bits per byte; {num_bytes:,} bytes"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
