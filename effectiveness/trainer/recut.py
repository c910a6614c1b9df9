"""Rows derived from a dataset's: without overlap, of some variants only, with overlap for scoring; and whole files.

Windows may overlap by three quarters: nothing is built or tokenized again for what is made here of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import ORIGINAL, VARIANTS
from effectiveness.trainer.rows import Rows


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
    return dataclasses.replace(
        rows, table=_without_heads(table[kept], np.array(skipped, np.int64))[np.argsort(order[kept])]
    )


def _without_heads(table: np.ndarray, skipped: np.ndarray) -> np.ndarray:
    """Each row without its first `skipped` tokens."""
    table["offset"] += skipped
    table["start_token"] += skipped
    table["length"] -= skipped
    table["label_offset"] += np.where(table["label_offset"] >= 0, skipped, 0)
    return table


def only(rows: Rows, kinds: tuple[str, ...]) -> Rows:
    """The originals and the variants of these kinds."""
    kept = [VARIANTS.index(kind) for kind in (ORIGINAL, *kinds)]
    return dataclasses.replace(rows, table=rows.table[np.isin(rows.table["variant"], kept)])


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
    return dataclasses.replace(
        rows,
        table=np.concatenate((rows.table[~is_original], np.array(records, dtype=rows.table.dtype))),
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


def num_source_tokens(rows: Rows) -> int:
    """Distinct tokens of the originals: what the windows' overlap repeats is counted once."""
    return int(side_by_side(only(rows, ())).table["length"].sum(dtype=np.int64))


# --- whole files ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileTokens:
    """A stretch of an original file, put together from its windows: all of it, unless rows are missing."""

    file: int  # index into Rows.files
    start: int  # of the stretch in the file, in tokens
    tokens: np.ndarray  # int64


def whole_files(rows: Rows) -> list[FileTokens]:
    """Each original file of a split, in the order of Rows.files; one with a gap gives several stretches."""
    table = rows.table
    originals = np.flatnonzero(table["variant"] == VARIANTS.index(ORIGINAL))
    order = originals[np.lexsort((table["start_token"][originals], table["file"][originals]))]
    parts: list[tuple[int, int, list[np.ndarray]]] = []
    file, end = -1, 0
    for index in order.tolist():
        row, start = table[index], int(table[index]["start_token"])
        if row["file"] != file or start > end:
            file, end = int(row["file"]), start
            parts.append((file, start, []))
        parts[-1][2].append(rows.tokens_of(index)[end - start :])
        end = max(end, start + int(row["length"]))
    return [FileTokens(f, start, np.concatenate(found).astype(np.int64)) for f, start, found in parts]


def scored_stretches(rows: Rows) -> list[FileTokens]:
    """What of the originals counts in an evaluation: unbroken runs of tokens, whole files where all do."""
    if not len(rows.scored):
        return whole_files(rows)
    marks = whole_files(dataclasses.replace(rows, tokens=rows.scored))
    found = []
    for part, marked in zip(whole_files(rows), marks, strict=True):
        bounds = np.flatnonzero(np.diff(marked.tokens, prepend=0, append=0)).reshape(-1, 2)
        found += [FileTokens(part.file, part.start + a, part.tokens[a:b]) for a, b in bounds.tolist()]
    return found
