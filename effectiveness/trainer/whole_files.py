"""Files put together again from their windows, for what counts and reads in files: memories, baselines, prompts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import ORIGINAL, VARIANTS
from effectiveness.trainer.rows import Rows


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
