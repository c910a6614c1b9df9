"""Which rows are written - every token sequence once - and how they go from the spool files to JSON lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effectiveness.common.jsonl import FileDigest, JsonLinesWriter
from effectiveness.common.paths import no_time
from effectiveness.common.records import VARIANTS, WEIGHTS, BuildOptions, ContextPlan, Corpus, SourceFile
from effectiveness.corpus.curriculum import PLACES
from effectiveness.corpus.leaks.spans import WrittenRows
from effectiveness.corpus.rows import MASKED_INDEX, MadeRows
from effectiveness.corpus.rows.shard import original_rows
from effectiveness.corpus.tokenization import TokenizerInfo


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows that are written, in canonical order: by file, then variant, then window. Arrays of one length."""

    units: np.ndarray  # UNIT[num_units]
    row: np.ndarray  # uint32, index into MadeRows.rows
    unit: np.ndarray  # uint32, index into units
    start: np.ndarray  # uint32, first token of the window
    complexity: np.ndarray  # float32
    split: np.ndarray  # uint8, index into SPLITS
    dropped: dict[str, int]  # variant -> rows left out because another row has the same tokens

    def __len__(self) -> int:
        return len(self.unit)

    @classmethod
    def of(cls, made: MadeRows, kept: np.ndarray, split: np.ndarray, dropped: dict[str, int]) -> RowTable:
        """The rows `kept`, ascending indices into made.rows; `split` is that of each."""
        return cls(
            units=made.units,
            row=kept.astype(np.uint32),
            unit=made.rows["unit"][kept],
            start=made.rows["start"][kept],
            complexity=made.rows["complexity"][kept],
            split=split,
            dropped=dropped,
        )

    def of_unit(self, name: str) -> np.ndarray:
        """A field of every row's unit, for example `of_unit("variant")`."""
        return self.units[name][self.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDataset:
    """All that a build has made, as it is written and described."""

    options: BuildOptions
    plan: ContextPlan
    corpus: Corpus
    tokenizer: TokenizerInfo
    made: MadeRows
    table: RowTable
    order: dict[str, np.ndarray]  # of each split the rows of the table, in the order of its file


def drop_duplicates(made: MadeRows, split_of_file: np.ndarray) -> RowTable:
    """No token sequence stands in two rows. Of equal ones the first of train stays, an original before a variant:
    what the model may see in training is not asked in a test."""
    file, variant = made.units["file"][made.rows["unit"]], made.units["variant"][made.rows["unit"]]
    split = split_of_file[file]
    by_preference = np.lexsort((variant, split))  # stable: canonical order within
    _, first = np.unique(made.rows["fingerprint"][by_preference], return_index=True)
    kept = np.sort(_with_their_originals(made, by_preference[first]))
    of_all, of_kept = (
        np.bincount(some, minlength=len(VARIANTS)).tolist() for some in (variant, variant[kept])
    )
    dropped = {name: a - b for name, a, b in zip(VARIANTS, of_all, of_kept, strict=True) if a > b}
    return RowTable.of(made, kept, split[kept], dropped)


def _with_their_originals(made: MadeRows, kept: np.ndarray) -> np.ndarray:
    """`kept` without the masked rows whose original was dropped: what fills their gap stands elsewhere already."""
    is_kept = np.zeros(len(made.rows), bool)
    is_kept[kept] = True
    is_masked = made.units["variant"][made.rows["unit"][kept]] == MASKED_INDEX
    return kept[~is_masked | is_kept[np.where(is_masked, original_rows(made.units, made.rows)(kept), 0)]]


# --- to JSON lines -------------------------------------------------------------------------------------------

READ_ROWS = 4096  # of which the descriptors are looked up at once
FILES = 4096  # whose metadata is at hand: rows lie in the order of complexity


class Written(NamedTuple):
    digest: FileDigest
    rows: WrittenRows


def write_rows(path: Path, reader: RowReader, rows: np.ndarray) -> Written:
    """Rows of the table, in this order, to a new file."""
    with JsonLinesWriter(path) as writer:
        lines = (writer.write_spelled_row(*row) for row in reader.read(rows))
        sizes = np.fromiter(lines, np.uint32, len(rows))
    return Written(writer.digest, WrittenRows(path, sizes))


def least_bytes(dataset: BuiltDataset) -> int:
    """A lower bound of what the rows take: most ids of a large vocabulary have four digits and a comma."""
    digits, table = 4 if dataset.tokenizer.vocab_size > 4096 else 3, dataset.table
    arrays = len(table) + int((table.of_unit("variant") == MASKED_INDEX).sum())
    return arrays * dataset.plan.context_tokens * digits


class RowReader:
    """Puts rows together from the spool files: reads slices, so that memory does not grow with the dataset."""

    def __init__(self, dataset: BuiltDataset):
        plan, files, made = dataset.plan, dataset.corpus.scan.files, dataset.made
        self._context, self._stride = plan.context_tokens, plan.context_tokens - plan.overlap_tokens
        self._padding, self._made, self._table = b",%d" % dataset.tokenizer.pad_id, made, dataset.table
        self._about = lru_cache(FILES)(lambda file: file_metadata(files[file]))
        self._originals = original_rows(made.units, made.rows)
        shards = int(made.units["shard"][-1]) + 1  # canonical order is shard order
        self._spools = [os.open(made.spool(shard), os.O_RDONLY) for shard in range(shards)]

    def close(self) -> None:
        for spool in self._spools:
            os.close(spool)

    def read(self, rows: np.ndarray) -> Iterator[tuple[bytes, dict, bytes | None]]:
        """(text of the tokens, metadata, text of the labels or None) of rows of the table, padded to the window."""
        for first in range(0, len(rows), READ_ROWS):
            yield from self._read(rows[first : first + READ_ROWS])

    def _read(self, rows: np.ndarray) -> Iterator[tuple[bytes, dict, bytes | None]]:
        made, table = self._made, self._table
        units, made_rows = made.units[table.unit[rows]], table.row[rows]
        is_masked = units["variant"] == MASKED_INDEX
        asked = np.where(is_masked, self._originals(made_rows), made_rows)  # of masked ones their originals
        places, label_places = (made.rows[some][["offset", "num_bytes"]] for some in (made_rows, asked))
        columns = (rows, units, places, is_masked, label_places, table.start[rows], table.complexity[rows])
        for row, unit, place, masked, label_place, start, complexity in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            file, variant, num_tokens, shard = unit
            length = min(num_tokens, self._context)
            metadata = {
                "seq_id": row,
                **self._about(file),
                "chunk_index": -(-start // self._stride),  # the last window ends with the file: off the grid
                "total_chunks": 1 + -(-(num_tokens - length) // self._stride),
                "start_token": start,
                "length": length,
                "complexity": round(complexity, PLACES),
                "augmentation_type": VARIANTS[variant],
            }
            labels = self._text(shard, label_place, length) if masked else None
            yield self._text(shard, place, length), metadata, labels

    def _text(self, shard: int, place: tuple[int, int], length: int) -> bytes:
        offset, num_bytes = place
        text = os.pread(self._spools[shard], num_bytes, offset)
        if len(text) != num_bytes:
            raise OSError(f"spool file of shard {shard} ended early: {len(text)} of {num_bytes} bytes")
        return text + self._padding * (self._context - length)


def file_metadata(file: SourceFile) -> dict:
    """The part of a row's metadata that all rows of a file share."""
    weight, priority = WEIGHTS[file.role]
    directory, _, name = file.path.rpartition("/")
    dot = name.rfind(".")
    return {
        "source_file": file.path,
        "directory": no_time(directory),
        "file_extension": name[dot:] if dot > 0 else "",
        "language": file.language,
        "is_core": file.role == "core",
        "is_test": file.role == "test",
        "priority": priority,
        "weight": weight,
    }
