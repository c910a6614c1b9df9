"""The leak report: how much held-out text also stands in train, counted from the files as they were written.

Text is compared in spans of 50 tokens, whatever file or row they stand in. What counts of a held-out row is its
real text (originals only, no padding); what counts of train is everything a model is shown or asked for (every
variant; of masked rows the labels). Spans are compared by 64-bit hashes, so a count is wrong with a probability
of about 1 in 100,000.

Memory grows by some bytes a row: of the spans only those of the held-out files are kept, and when these are many,
only those whose hash is divisible by p - a choice by content, so a kept span is kept wherever it stands.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from effectiveness.common.hashing import distinct, sorted_distinct
from effectiveness.common.records import DATASET_FILES, LATER
from effectiveness.common.workers import Crew
from effectiveness.corpus.leaks.rows import Portion, WrittenRows, name_key, portions_of, row_at
from effectiveness.corpus.leaks.search import (
    HeldOut,
    Needles,
    Train,
    begin_reading,
    begin_search,
    found_in_train,
)
from effectiveness.corpus.leaks.spans import SPAN_TOKENS

TRAIN, HELD_OUT = "train", ("val", "test")
MAX_SPANS = 1 << 20  # kept of the held-out files, about
MAX_EXAMPLES = 5

_BYTES_PER_TOKEN = 5  # of a row, about


class LeakSearch:
    """Reads the files of a dataset back while the command goes on: first the held-out ones, then train.

    The report is the same for any number of workers. Every step raises UserError for a file that is not as the
    dataset command wrote it.
    """

    portions: list[Portion]  # of all files that were named so far, those of train last

    def __init__(self, held_out: dict[str, WrittenRows], crew: Crew, new_share: float = 0.25):
        """Begin with the held-out files, which are complete. `new_share`: of a window, what the one before has not."""
        num_bytes = sum(held_out[split].num_bytes for split in HELD_OUT)
        self._sample_one_in = 1
        while num_bytes * new_share > MAX_SPANS * _BYTES_PER_TOKEN * self._sample_one_in:
            self._sample_one_in *= 2
        portions = [portions_of(held_out[split]) for split in HELD_OUT]
        self.portions = [portion for of_split in portions for portion in of_split]
        self._crew, self._reading = crew, begin_reading(portions, self._sample_one_in, crew)

    def search(self, train: WrittenRows) -> None:
        """Begin to look for their spans in train, which is complete now."""
        self._train = portions_of(train)
        self.portions += self._train
        self._seen = dict(zip(HELD_OUT, self._reading, strict=True))
        needles = np.concatenate([seen.hashes for seen in self._seen.values()])
        needles.sort()  # in place: there may be a million
        self._needles = distinct(needles)
        self._found = begin_search(self._train, self._needles, self._crew)
        self._num_spans = {split: len(sorted_distinct(seen.hashes)) for split, seen in self._seen.items()}

    def report(self) -> dict[str, Any]:
        """What was found, ready for JSON.

        `held_out[split]` counts distinct spans and how many of them train holds (`exact` is False when they are
        estimated from one span in `sampled_one_in`), rows with at least half of their spans in train, and names a
        few pairs of files that share text.
        """
        seen, num_spans, sample_one_in = self._seen, self._num_spans, self._sample_one_in
        train = found_in_train(self._found, self._needles)
        return {
            "span_tokens": SPAN_TOKENS,
            "sampled_one_in": sample_one_in,
            "exact": sample_one_in == 1,
            "held_out": {
                split: _held_out_summary(seen[split], num_spans[split], train, self._train, sample_one_in)
                for split in HELD_OUT
            },
            "spans_in_val_and_test": sample_one_in * (sum(num_spans.values()) - len(self._needles)),
            **_equal_rows({split: seen[split].keys for split in HELD_OUT} | {TRAIN: train.keys}),
            **_files_in_two_splits(seen, train),
        }


def format_leaks(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for the terminal."""
    about = "" if report["exact"] else f", estimated from 1 span in {report['sampled_one_in']}"
    lines = [
        f"{split}: {100 * seen['share']:.2f} % of {seen['spans']:,} distinct {report['span_tokens']}-token spans "
        f"also stand in train{about}; {seen['rows_half_shared']:,} of {seen['rows']:,} rows share half of theirs"
        for split, seen in report["held_out"].items()
    ]
    lines.append(
        f"equal rows: {report['equal_rows']:,}; source files in two splits: {report['files_in_two_splits']:,}; "
        f"spans in both val and test: {report['spans_in_val_and_test']:,}"
    )
    if later := report.get(LATER):
        lines.append(
            f"later: {later['known_spans']:,} of {later['spans']:,} distinct {later['span_tokens']}-token spans with "
            "added text also stand in the rows above; their tokens are not scored"
        )
    for split, seen in report["held_out"].items():
        lines += [
            f"most shared: {example['file']} ({split}) with {example['train_file']} (train)"
            for example in seen["examples"][:1]
        ]
    return lines


# --- what was found ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Shared:
    """What a held-out file shares with train."""

    num_spans: int  # distinct
    rows_half_shared: int
    spans_by_file: Counter = field(default_factory=Counter)  # source file -> shared spans in its rows
    first_span: dict[str, int] = field(default_factory=dict)  # source file -> one of them


def _shared(seen: HeldOut, train: Train) -> _Shared:
    """Row by row: a span counts in each row that holds it."""
    positions, spans = Needles(train.spans).find(seen.hashes)
    first = np.searchsorted(positions, seen.begins)
    num_shared = np.searchsorted(positions, seen.ends) - first
    is_half = (num_shared > 0) & (2 * num_shared >= seen.ends - seen.begins)
    shared = _Shared(len(sorted_distinct(spans)), int(np.count_nonzero(is_half)))
    rows = np.flatnonzero(num_shared)
    for row in rows[np.argsort(seen.offsets[rows])].tolist():
        shared.spans_by_file[seen.files[row]] += int(num_shared[row])
        shared.first_span.setdefault(seen.files[row], int(seen.hashes[positions[first[row]]]))
    return shared


def _held_out_summary(
    seen: HeldOut, num_spans: int, train: Train, portions: list[Portion], sample_one_in: int
) -> dict[str, Any]:
    shared = _shared(seen, train)
    num_rows, num_without = len(seen.begins), int(np.count_nonzero(seen.begins == seen.ends))
    return {
        "rows": num_rows,
        "rows_without_span": num_without,  # shorter than a span, or none was sampled
        "rows_half_shared": shared.rows_half_shared,
        "spans": sample_one_in * num_spans,
        "shared": sample_one_in * shared.num_spans,
        "share": round(shared.num_spans / max(1, num_spans), 6),
        "share_of_rows": round(shared.rows_half_shared / max(1, num_rows - num_without), 6),
        "examples": _examples(shared, train, portions),
    }


def _examples(shared: _Shared, train: Train, portions: list[Portion]) -> list[dict[str, str]]:
    """The held-out files that share most, each with the first file of train that holds one of its spans."""
    counts = shared.spans_by_file
    examples = []
    for file in sorted(counts, key=lambda file: (-counts[file], file))[:MAX_EXAMPLES]:
        offset = train.offsets[np.searchsorted(train.spans, np.uint64(shared.first_span[file]))]
        examples.append({"file": file, "train_file": row_at(portions, offset).file})
    return examples


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What two sorted distinct arrays share: np.intersect1d, without sorting them again."""
    few, many = sorted((first, second), key=len)
    at = np.searchsorted(many, few)
    is_in_both = at < len(many)
    is_in_both[is_in_both] = many[at[is_in_both]] == few[is_in_both]
    return few[is_in_both]


def _equal_rows(keys: dict[str, np.ndarray]) -> dict[str, Any]:
    """Rows whose tokens stand in an earlier row of any file, and token sequences two files share."""
    distinct = {split: sorted_distinct(of_split) for split, of_split in keys.items()}
    num_rows = sum(len(of_split) for of_split in keys.values())
    num_distinct = len(sorted_distinct(np.concatenate(list(distinct.values()))))
    return {
        "equal_rows": num_rows - num_distinct,
        "equal_rows_across": {
            f"{a} and {b}": len(_common(distinct[a], distinct[b])) for a, b in combinations(DATASET_FILES, 2)
        },
    }


def _files_in_two_splits(seen: dict[str, HeldOut], train: Train) -> dict[str, Any]:
    files = {"train": train.all_files} | {split: of_split.all_files for split, of_split in seen.items()}
    distinct = [sorted_distinct(keys) for keys in files.values()]
    shared = {key for a, b in combinations(distinct, 2) for key in _common(a, b).tolist()}
    held_out = {name for of_split in seen.values() for name in of_split.files} if shared else set()
    names = sorted(name for name in held_out if name_key(name) in shared)
    return {"files_in_two_splits": len(shared), "files_in_two_splits_examples": names[:MAX_EXAMPLES]}
