"""Other rows out of the rows of one dataset: shorter windows, less overlap, fewer kinds, other weights.

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
from effectiveness.trainer.whole_files import FileTokens, whole_files


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
    return _with_table(rows, _table(rows, records), window=window)


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


def side_by_side(rows: Rows) -> Rows:
    """The rows that hold every token of each text once, whatever the windows' overlap: what is repeated is cut off."""
    order = np.lexsort((rows.table["start_token"], rows.table["variant"], rows.table["file"]))
    table = rows.table[order]
    texts = list(zip(table["file"].tolist(), table["variant"].tolist(), strict=True))
    starts, lengths = table["start_token"].tolist(), table["length"].tolist()
    kept, skipped, covered = [], [], 0
    for i, (text, start, length) in enumerate(zip(texts, starts, lengths, strict=True)):
        if i == 0 or text != texts[i - 1]:
            covered = 0
        is_followed = i + 1 < len(texts) and texts[i + 1] == text
        if start + length > covered and not (is_followed and starts[i + 1] <= covered):
            kept.append(i)
            skipped.append(max(0, covered - start))
            covered = start + length
    return _with_table(
        rows, _without_heads(table[kept], np.array(skipped, np.int64))[np.argsort(order[kept])]
    )


def _without_heads(table: np.ndarray, skipped: np.ndarray) -> np.ndarray:
    """Each row without its first `skipped` tokens."""
    table["offset"] += skipped
    table["start_token"] += skipped
    table["length"] -= skipped
    table["label_offset"] += np.where(table["label_offset"] >= 0, skipped, 0)
    return table


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


def _with_table(rows: Rows, table: np.ndarray, **others) -> Rows:
    return dataclasses.replace(rows, table=table, **others)


def only(rows: Rows, kinds: tuple[str, ...]) -> Rows:
    """The originals and the variants of these kinds."""
    kept = [VARIANTS.index(kind) for kind in (ORIGINAL, *kinds)]
    return _with_table(rows, rows.table[np.isin(rows.table["variant"], kept)])


def for_scoring(rows: Rows) -> Rows:
    """The originals in windows that overlap by three quarters, so that each token is scored after most of a window.

    Held-out files are measured alike whatever the dataset's overlap is. Variants stay as they are, and so do windows
    that overlap by as much already. An unbroken stretch of a file is cut as the dataset command cuts a file.
    """
    is_original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
    originals, stride = rows.table[is_original], rows.window - 3 * rows.window // 4
    if not _has_wider_strides(originals, stride):
        return rows
    ending = {(int(row["file"]), int(row["start_token"] + row["length"])): row for row in originals}
    records: list = []
    streams, offset = [rows.tokens], len(rows.tokens)
    for part in whole_files(rows):
        last = ending[part.file, part.start + len(part.tokens)]
        records += _windows(part, last, rows.window, stride, offset)
        streams.append(part.tokens.astype(rows.tokens.dtype))
        offset += len(part.tokens)
    marks = whole_files(dataclasses.replace(rows, tokens=rows.scored)) if len(rows.scored) else []
    return _with_table(
        rows,
        np.concatenate((rows.table[~is_original], np.array(records, dtype=rows.table.dtype))),
        tokens=np.concatenate(streams),
        scored=np.concatenate([rows.scored, *(part.tokens.astype(np.bool_) for part in marks)]),
    )


def _has_wider_strides(table: np.ndarray, stride: int) -> bool:
    order = np.lexsort((table["start_token"], table["file"]))
    file, start = table["file"][order], table["start_token"][order].astype(np.int64)
    goes_on = (np.diff(file) == 0) & (start[1:] <= (start + table["length"][order])[:-1])
    return bool((np.diff(start)[goes_on] > stride).any())


def _windows(part: FileTokens, last_row, window: int, stride: int, offset: int) -> Iterator:
    """Records of the windows of a stretch whose tokens begin at `offset`; `last_row` is the one it ended with."""
    last = max(0, len(part.tokens) - window)
    for start in [*range(0, last, stride), last]:
        row = last_row.copy()
        row["offset"], row["start_token"] = offset + start, part.start + start
        row["length"], row["is_last"] = min(window, len(part.tokens)), start == last and last_row["is_last"]
        yield row


def with_variant_share(rows: Rows, share: float) -> Rows:
    """Originals repeated, as rows of their own, until variants are about `share` of all tokens; in (0, 1)."""
    is_original = rows.table["variant"] == VARIANTS.index(ORIGINAL)
    lengths = rows.table["length"].astype(np.int64)
    wanted = lengths[~is_original].sum() * (1 - share) / share
    copies = max(1, round(float(wanted / max(lengths[is_original].sum(), 1))))
    order = np.concatenate([np.flatnonzero(~is_original), np.tile(np.flatnonzero(is_original), copies)])
    return _with_table(rows, rows.table[order])


def num_source_tokens(rows: Rows) -> int:
    """Distinct tokens of the originals: what the windows' overlap repeats is counted once."""
    table = rows.table[rows.table["variant"] == VARIANTS.index(ORIGINAL)]
    return int(sum((table["length"] - _overlaps(table)).tolist()))


def _overlaps(table):
    """Tokens each window shares with the one before it in its file, in any order of `table`."""
    order = np.lexsort((table["start_token"], table["file"]))
    ends = table["start_token"] + table["length"]
    shared = np.zeros(len(table), dtype=np.int64)
    same_file = table["file"][order][1:] == table["file"][order][:-1]
    previous_end = np.where(same_file, ends[order][:-1], 0)
    shared[order[1:]] = np.maximum(0, previous_end - table["start_token"][order][1:])
    return np.minimum(shared, table["length"])


def beginnings(rows: Rows, max_files: int) -> Rows:
    """The first window of up to `max_files` originals, evenly spread over the files in the order of their names."""
    table = rows.table[(rows.table["variant"] == VARIANTS.index(ORIGINAL)) & (rows.table["start_token"] == 0)]
    table = table[np.argsort([rows.files[file] for file in table["file"]], kind="stable")]
    count = min(max_files, len(table))
    table = table[np.arange(count) * len(table) // max(count, 1)]
    table["is_last"] = True
    return _with_table(rows, table)


def with_shifted_labels(rows: Rows) -> Rows:
    """Every row asked for the token after the next: an off-by-one as a careless loader makes it."""
    labels, table = [], rows.table.copy()
    offset = 0
    for index in range(len(rows)):
        labels.append(np.roll(rows.originals_of(index), -1))
        table["label_offset"][index] = offset
        offset += len(labels[-1])
    return _with_table(rows, table, labels=np.concatenate(labels))
