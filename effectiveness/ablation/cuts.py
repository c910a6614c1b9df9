"""Other rows out of the rows of one dataset: shorter windows, less overlap, other weights, labels that are wrong.

A dataset's windows overlap by three quarters, so every window of up to half their length, and every window without
overlap, lies whole in one of them: nothing is built or tokenized again, and every arm of a comparison has the same
files, the same tokenizer and the same proven variants.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from effectiveness.common.records import ORIGINAL, VARIANTS, UserError
from effectiveness.trainer.rows import Dataset, Rows


def check_overlap(dataset: Dataset) -> None:
    """Raises UserError for a dataset whose windows do not overlap by three quarters."""
    overlap, window = dataset.metadata.get("overlap_tokens"), dataset.window
    if window % 8 or overlap != 3 * window // 4:
        raise UserError(
            f"{dataset.directory}: windows of {window} tokens that share {overlap}; arms are cut from windows that "
            "share three quarters: build the dataset with --recipe founding (or --overlap 0.75)"
        )


def cut(rows: Rows, *, window: int, stride: int) -> Rows:
    """Windows of `window` tokens every `stride` tokens of each text, out of windows that overlap by three quarters.

    stride == window: no overlap, the last window of a text is what is left; else the last one ends with the text.
    `window` is that of the rows, or at most half of it.
    """
    if window != rows.window and 2 * window > rows.window:
        raise ValueError(f"windows of {window} tokens do not lie in windows of {rows.window}")
    records = []
    for row in rows.table:
        for start, length, is_last in _owned(row, rows.window, window, stride):
            records.append(_part(row, start - int(row["start_token"]), length, is_last))
    return dataclasses.replace(rows, table=_table(rows, records), window=window)


def _owned(row, source: int, window: int, stride: int) -> Iterator[tuple[int, int, bool]]:
    """(start in the text, length, is the last) of the windows that are cut from this row and from no other.

    A row that starts at r owns the starts in [r, r + source / 4); the last row of a text owns all that follow.
    """
    step, start, end = source // 4, int(row["start_token"]), int(row["start_token"] + row["length"])
    if not row["is_last"]:
        for at in range(-(-start // stride) * stride, start + step, stride):
            yield at, window, False
        return
    first = -(-start // step) * step
    last = max(0, end - window) if stride < window else (end - 1) // stride * stride
    for at in range(-(-first // stride) * stride, last, stride):
        yield at, window, False
    yield last, end - last, True


def _part(row, skipped: int, length: int, is_last: bool):
    """The row without its first `skipped` tokens, `length` tokens long."""
    part = row.copy()
    part["offset"] += skipped
    part["start_token"] += skipped
    part["length"], part["is_last"] = length, is_last
    if row["label_offset"] >= 0:
        part["label_offset"] += skipped
    return part


def _table(rows: Rows, records: list) -> np.ndarray:
    table = np.array(records, dtype=rows.table.dtype)
    table["seq_id"] = np.arange(len(table))
    return table


def with_variant_share(rows: Rows, share: float) -> Rows:
    """Originals repeated, as rows of their own, until variants are about `share` of all tokens; in (0, 1)."""
    is_original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
    lengths = rows.table["length"].astype(np.int64)
    wanted = lengths[~is_original].sum() * (1 - share) / share
    copies = max(1, round(float(wanted / max(lengths[is_original].sum(), 1))))
    order = np.concatenate([np.flatnonzero(~is_original), np.tile(np.flatnonzero(is_original), copies)])
    return dataclasses.replace(rows, table=rows.table[order])


def beginnings(rows: Rows, max_files: int) -> Rows:
    """The first window of up to `max_files` originals, evenly spread over the files in the order of their names."""
    table = rows.table[(rows.table["variant"] == VARIANTS.index(ORIGINAL)) & (rows.table["start_token"] == 0)]
    table = table[np.argsort([rows.files[file] for file in table["file"]], kind="stable")]
    count = min(max_files, len(table))
    table = table[np.arange(count) * len(table) // max(count, 1)]
    table["is_last"] = True
    return dataclasses.replace(rows, table=table)


def with_shifted_labels(rows: Rows) -> Rows:
    """Every row asked for the token after the next: an off-by-one as a careless loader makes it."""
    labels, table = [], rows.table.copy()
    offset = 0
    for index in range(len(rows)):
        labels.append(np.roll(rows.originals_of(index), -1))
        table["label_offset"][index] = offset
        offset += len(labels[-1])
    return dataclasses.replace(rows, table=table, labels=np.concatenate(labels))
