"""Held-out tokens one by one, the same ones for every model: nats of each, and which belong to the repository alone.

Sums by file, role, language or identifier are then a `np.bincount` away, and any two models are paired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from effectiveness.common.records import ORIGINAL, VARIANTS
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.micro_batches import MicroBatch
from effectiveness.trainer.recut import FileTokens
from effectiveness.trainer.rows import Rows
from effectiveness.trainer.vocabulary import Vocabulary

IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{2,}+")
COMMON_SHARE = 5  # a word in more than one of 5 training files is the language's, not the repository's
COMMON_FILES = 5  # and in so many beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The scored tokens of some held-out windows, in the order every model scores them. int64 [tokens] each."""

    row: np.ndarray  # index into Rows.table
    file: np.ndarray  # index into Rows.files
    place: np.ndarray  # of the token in its file
    token: np.ndarray
    num_bytes: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def within(self, part: FileTokens) -> np.ndarray:
        """Indices of the places in a stretch of a file, in its order, int64."""
        last = part.start + len(part.tokens)
        inside = np.flatnonzero((self.file == part.file) & (self.place >= part.start) & (self.place < last))
        return inside[np.argsort(self.place[inside], kind="stable")]


def places_of(held_out: HeldOut) -> Places:
    """Which tokens `held_out` scores."""
    table, parts = held_out.rows.table, [np.empty((4, 0), dtype=np.int64)]
    for indices, batch in held_out.batches():
        line, target = np.nonzero(batch.weights.numpy())
        row = np.asarray(indices)[line]
        start = table["start_token"][row]
        token = batch.labels.numpy()[line, target]
        # A file's first window begins with a control token, so its target 0 is token 0; another's is token 1.
        parts.append(np.stack((row, table["file"][row], start + target + (start > 0), token)))
    row, file, place, token = np.concatenate(parts, axis=1)
    return Places(row=row, file=file, place=place, token=token, num_bytes=held_out.num_bytes[token])


@torch.no_grad()
def nats_of(held_out: HeldOut, token_nats: Callable[[MicroBatch], torch.Tensor]) -> np.ndarray:
    """Nats of the same tokens in the same order, float64 [tokens]; `token_nats` gives those of a batch, [B, T]."""
    parts = [np.empty(0)]
    for _, batch, nats in held_out.scored(token_nats):
        parts.append(nats[batch.weights.numpy() > 0])
    return np.concatenate(parts)


class WindowPairs(HeldOut):
    """Windows of variants and the windows of the originals at the same place, both scored from their first token.

    At most `max_pairs` variants, evenly spread; `originals[i]` is the row that `variants[i]` is compared with.
    """

    def __init__(self, rows: Rows, *args, max_pairs: int | None, **settings) -> None:
        super().__init__(rows, *args, **settings)
        table = rows.table
        at = {(r["file"], r["start_token"]): i for i, r in enumerate(table) if r["variant"] == ORIGINAL_INDEX}
        pairs = [
            (index, at[table[index]["file"], table[index]["start_token"]])
            for index in np.flatnonzero(table["variant"] != ORIGINAL_INDEX).tolist()
            if (table[index]["file"], table[index]["start_token"]) in at
        ]
        if max_pairs is not None and len(pairs) > max_pairs:
            pairs = [pairs[i * len(pairs) // max_pairs] for i in range(max_pairs)]
        self.variants, self.originals = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        self.first_scored = np.zeros(len(table), dtype=np.int64)
        self.order = np.unique(np.concatenate((self.variants, self.originals)))


ORIGINAL_INDEX = VARIANTS.index(ORIGINAL)


# --- sums ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSums:
    """Sums by file, over the files that hold a chosen token: what a paired bootstrap is made from."""

    files: np.ndarray  # int64 [files], indices into Rows.files
    nats: dict[str, np.ndarray]  # arm -> float64 [seeds, files]
    num_bytes: np.ndarray  # float64 [files]

    def bits_per_byte(self, arm: str) -> float:
        total = self.num_bytes.sum()
        return float(self.nats[arm].mean(0).sum() / np.log(2) / total) if total else float("nan")


def sums_by_file(
    places: Places,
    arms: dict[str, np.ndarray],
    chosen: np.ndarray | None = None,
    factors: np.ndarray | None = None,
) -> FileSums:
    """`arms`: name -> nats [seeds, tokens]; `chosen`: bool [tokens], None for all of them.

    `factors`: what each file counts, float64 [files] in the order of Rows.files (`HeldOut.factors`); None: as it is.
    """
    chosen = np.ones(len(places), dtype=bool) if chosen is None else chosen
    files, index = np.unique(places.file[chosen], return_inverse=True)
    size = len(files)
    in_files = np.bincount(index, places.num_bytes[chosen], size)
    kept = in_files > 0
    counts = np.ones(size) if factors is None else factors[files]
    return FileSums(
        files=files[kept],
        nats={
            name: np.stack([(np.bincount(index, of_seed[chosen], size) * counts)[kept] for of_seed in nats])
            for name, nats in arms.items()
        },
        num_bytes=(in_files * counts)[kept],
    )


# --- identifiers -----------------------------------------------------------------------------------------


def words_of(texts: Iterable[bytes]) -> Counter[bytes]:
    """How many of the texts hold each identifier of three characters and more."""
    words: Counter[bytes] = Counter()
    for text in texts:
        words.update(set(IDENTIFIER.findall(text)))
    return words


def foreign_words(control: Iterable[bytes], train: Sequence[bytes]) -> frozenset[bytes]:
    """Identifiers that are not the repository's own: the control corpus has them, or a fifth of all training files."""
    in_train = words_of(train)
    common = len(train) / COMMON_SHARE + COMMON_FILES
    return frozenset(words_of(control)) | {word for word, count in in_train.items() if count > common}


def texts_of(files: Iterable[FileTokens], vocabulary: Vocabulary) -> Iterator[bytes]:
    return (vocabulary.decode(part.tokens).encode("utf-8", "replace") for part in files)


def own_identifiers(
    places: Places, files: Sequence[FileTokens], vocabulary: Vocabulary, foreign: frozenset[bytes]
) -> np.ndarray:
    """bool [tokens]: whether a scored token spells part of an identifier that is not in `foreign`."""
    is_own = np.zeros(len(places), dtype=bool)
    for part in files:
        inside = places.within(part)
        if len(inside):
            is_own[inside] = _marks(part.tokens, vocabulary, foreign)[places.place[inside] - part.start]
    return is_own


def _marks(tokens: np.ndarray, vocabulary: Vocabulary, foreign: frozenset[bytes]) -> np.ndarray:
    """bool [tokens]; all False where the vocabulary does not spell texts byte by byte."""
    text = vocabulary.decode(tokens).encode("utf-8", "replace")
    ends = np.cumsum(vocabulary.num_bytes[tokens])
    if not len(ends) or ends[-1] != len(text):
        return np.zeros(len(tokens), dtype=bool)
    marked = np.zeros(len(text) + 1, dtype=np.int64)
    for match in IDENTIFIER.finditer(text):
        if match[0] not in foreign:
            marked[match.start() : match.end()] = 1
    before = np.concatenate(([0], np.cumsum(marked)))
    return before[ends] > before[ends - vocabulary.num_bytes[tokens]]
