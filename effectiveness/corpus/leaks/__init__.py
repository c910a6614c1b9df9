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
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effectiveness.common.hashing import sorted_distinct
from effectiveness.common.records import DATASET_FILES, LATER
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus.leaks.spans import (
    SPAN_TOKENS,
    Portion,
    SpanIndex,
    WrittenRows,
    file_at,
    find_in,
    look_for,
    portions_of,
    read_spans,
)

TRAIN, HELD_OUT = "train", ("val", "test")
MAX_SPANS = 1 << 20  # kept of the held-out files, about
MAX_EXAMPLES = 5

_BYTES_PER_TOKEN = 5  # of a row, about
_NOWHERE = np.iinfo(np.int64).max


def find_leaks(written: dict[str, WrittenRows], pool: WorkerPool, new_share: float = 0.25) -> dict[str, Any]:
    """What the held-out files share with train, ready for JSON; the same for any number of workers.

    `new_share`: of a window, what the one before has not. `held_out[split]` counts distinct spans and how many of them
    train holds (`exact` is False when they are estimated from one span in `sampled_one_in`), rows with at least half of
    their spans in train, and names a few pairs of files that share text. Raises UserError for a file that is not as
    the dataset command wrote it.
    """
    portions = {split: portions_of(rows) for split, rows in written.items()}
    sample_one_in = 1
    num_bytes = sum(written[split].num_bytes for split in HELD_OUT)
    while num_bytes * new_share > MAX_SPANS * _BYTES_PER_TOKEN * sample_one_in:
        sample_one_in *= 2
    tasks = [(portion, sample_one_in) for split in HELD_OUT for portion in portions[split]]
    parts = list(pool.map(_held_out_portion, tasks))
    num_val = len(portions["val"])
    seen = {"val": _joined(parts[:num_val]), "test": _joined(parts[num_val:])}
    num_spans = {split: len(sorted_distinct(of_split.hashes)) for split, of_split in seen.items()}
    spans = sorted_distinct(np.concatenate([of_split.hashes for of_split in seen.values()]))
    train = _found_in_train(portions[TRAIN], spans, pool)
    return {
        "span_tokens": SPAN_TOKENS,
        "sampled_one_in": sample_one_in,
        "exact": sample_one_in == 1,
        "held_out": {
            split: _held_out_summary(seen[split], num_spans[split], train, written[TRAIN].path, sample_one_in)
            for split in HELD_OUT
        },
        "spans_in_val_and_test": sample_one_in * (sum(num_spans.values()) - len(spans)),
        **_equal_rows({split: seen[split].keys for split in HELD_OUT} | {TRAIN: train.keys}),
        **_files_in_two_splits({split: seen[split].all_files for split in HELD_OUT}, train.files),
    }


def format_leaks(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for the terminal."""
    about = "" if report["exact"] else f", estimated from 1 span in {report['sampled_one_in']}"
    lines = [
        f"{split}: {100 * seen['share']:.2f} % of {seen['spans']:,} distinct {report['span_tokens']}-token spans "
        f"also stand in train{about}; rows that share half of theirs: {seen['rows_half_shared']:,} of {seen['rows']:,}"
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


# --- the two halves ----------------------------------------------------------------------------------------


class _HeldOut(NamedTuple):
    """What the report needs of a held-out file, or of some of its rows."""

    keys: np.ndarray  # uint64[rows], equal for equal rows
    all_files: set[str]  # the source files of all rows
    files: list[str]  # of each original
    hashes: np.ndarray  # uint64[spans]: the sampled spans of the originals, row after row
    rows: np.ndarray  # int64[spans]: the original that each stands in


def _held_out_portion(task: tuple[Portion, int]) -> _HeldOut:
    portion, sample_one_in = task
    spans = read_spans(portion)
    kept = spans.is_original[spans.rows] & (spans.hashes & np.uint64(sample_one_in - 1) == 0)
    originals = np.flatnonzero(spans.is_original)
    return _HeldOut(
        keys=spans.keys,
        all_files=set(spans.files),
        files=[spans.files[row] for row in originals.tolist()],
        hashes=spans.hashes[kept],
        rows=np.searchsorted(originals, spans.rows[kept]),
    )


def _joined(parts: Sequence[_HeldOut]) -> _HeldOut:
    before = np.cumsum([0, *(len(part.files) for part in parts)])
    return _HeldOut(
        keys=np.concatenate([np.empty(0, np.uint64), *(part.keys for part in parts)]),
        all_files=set().union(*(part.all_files for part in parts)),
        files=[name for part in parts for name in part.files],
        hashes=np.concatenate([np.empty(0, np.uint64), *(part.hashes for part in parts)]),
        rows=np.concatenate(
            [np.empty(0, np.int64), *(part.rows + at for part, at in zip(parts, before, strict=False))]
        ),
    )


class _Train(NamedTuple):
    """What the report needs of train."""

    keys: np.ndarray  # uint64[rows]
    files: set[str]
    spans: np.ndarray  # uint64, sorted and distinct: the held-out spans that it holds
    offsets: np.ndarray  # int64: where the first row that holds each begins


def _train_portion(portion: Portion) -> tuple[np.ndarray, set[str], np.ndarray, np.ndarray]:
    """(keys, files, needles that it holds, where the first row that holds each begins)."""
    spans, positions, needles = find_in(portion)
    needles, first = np.unique(needles, return_index=True)  # positions ascend, and with them the offsets
    return spans.keys, set(spans.files), needles, spans.offsets[spans.rows[positions[first]]]


def _found_in_train(portions: list[Portion], spans: np.ndarray, pool: WorkerPool) -> _Train:
    first_offsets = np.full(len(spans), _NOWHERE)
    keys, files = [np.empty(0, np.uint64)], set[str]()
    found = pool.map(_train_portion, portions, setup=look_for, setup_args=(spans,))
    for of_rows, of_portion, needles, offsets in found:
        first_offsets[needles] = np.minimum(first_offsets[needles], offsets)
        keys.append(of_rows)
        files |= of_portion
    is_found = first_offsets < _NOWHERE
    return _Train(np.concatenate(keys), files, spans[is_found], first_offsets[is_found])


# --- what was found ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Shared:
    """What a held-out file shares with train."""

    num_spans: int  # distinct
    rows_half_shared: int
    spans_by_file: Counter = field(default_factory=Counter)  # source file -> shared spans in its rows
    first_span: dict[str, int] = field(default_factory=dict)  # source file -> one of them


def _shared(seen: _HeldOut, train: _Train) -> _Shared:
    """Row by row: a span counts in each row that holds it."""
    positions, spans = SpanIndex(train.spans).find(seen.hashes)
    rows = seen.rows[positions]
    of_rows = np.bincount(rows, minlength=len(seen.files))
    is_half = (of_rows > 0) & (2 * of_rows >= np.bincount(seen.rows, minlength=len(seen.files)))
    shared = _Shared(len(sorted_distinct(spans)), int(np.count_nonzero(is_half)))
    with_some, first = np.unique(rows, return_index=True)
    for row, position in zip(with_some.tolist(), positions[first].tolist(), strict=True):
        shared.spans_by_file[seen.files[row]] += int(of_rows[row])
        shared.first_span.setdefault(seen.files[row], int(seen.hashes[position]))
    return shared


def _held_out_summary(
    seen: _HeldOut, num_spans: int, train: _Train, path: Path, sample_one_in: int
) -> dict[str, Any]:
    shared = _shared(seen, train)
    num_rows = len(seen.files)
    num_without = num_rows - len(sorted_distinct(seen.rows))
    return {
        "rows": num_rows,
        "rows_without_span": num_without,  # shorter than a span, or none was sampled
        "rows_half_shared": shared.rows_half_shared,
        "spans": sample_one_in * num_spans,
        "shared": sample_one_in * shared.num_spans,
        "share": round(shared.num_spans / max(1, num_spans), 6),
        "share_of_rows": round(shared.rows_half_shared / max(1, num_rows - num_without), 6),
        "examples": _examples(shared, train, path),
    }


def _examples(shared: _Shared, train: _Train, path: Path) -> list[dict[str, str]]:
    """The held-out files that share most, each with the first file of train that holds one of its spans."""
    counts = shared.spans_by_file
    examples = []
    for file in sorted(counts, key=lambda file: (-counts[file], file))[:MAX_EXAMPLES]:
        offset = train.offsets[np.searchsorted(train.spans, np.uint64(shared.first_span[file]))]
        examples.append({"file": file, "train_file": file_at(path, int(offset))})
    return examples


def _equal_rows(keys: dict[str, np.ndarray]) -> dict[str, Any]:
    """Rows whose tokens stand in an earlier row of any file, and token sequences two files share."""
    distinct = {split: sorted_distinct(of_split) for split, of_split in keys.items()}
    num_rows = sum(len(of_split) for of_split in keys.values())
    num_distinct = len(sorted_distinct(np.concatenate(list(distinct.values()))))
    return {
        "equal_rows": num_rows - num_distinct,
        "equal_rows_across": {
            f"{a} and {b}": len(np.intersect1d(distinct[a], distinct[b], assume_unique=True))
            for a, b in combinations(DATASET_FILES, 2)
        },
    }


def _files_in_two_splits(held_out: dict[str, set[str]], train: set[str]) -> dict[str, Any]:
    shared = {name for a, b in combinations((train, *held_out.values()), 2) for name in a & b}
    return {
        "files_in_two_splits": len(shared),
        "files_in_two_splits_examples": sorted(shared)[:MAX_EXAMPLES],
    }
