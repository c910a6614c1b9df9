"""Step 8: rows to JSON lines, and everything that describes them, into the staging directory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from corpus.curriculum import PLACES
from corpus.data_card import write_data_card
from corpus.describe import (
    augmentation_of,
    chosen_examples,
    counts_of,
    description_of,
    file_digests,
    report_rows,
)
from corpus.jsonl import FileDigest, JsonLinesWriter, write_metadata
from corpus.leaks import leak_report
from corpus.pool import Crew
from corpus.publish import require_space
from corpus.records import (
    DATASET_FILES,
    METADATA_FILE,
    ORIGINAL,
    VARIANTS,
    BuildOptions,
    ContextPlan,
    Corpus,
    SourceFile,
)
from corpus.report import write_report
from corpus.rows import MASKED_INDEX, MadeRows
from corpus.rows.table import RowTable
from corpus.tokenization import TokenizerInfo
from corpus.weighting import WEIGHTS


def save(
    staging: Path,
    options: BuildOptions,
    plan: ContextPlan,
    corpus: Corpus,
    tokenizer: TokenizerInfo,
    made: MadeRows,
    table: RowTable,
    order: dict[str, np.ndarray],
    crew: Crew,
) -> dict:
    """Write the rows, read them back for the leak report, then describe them. Returns the metadata."""
    files = write_rows(staging, corpus, plan, tokenizer, made, table, order)
    leaks = leak_report(staging, crew)
    metadata = {
        **counts_of(plan, corpus, table, order),
        **description_of(options, plan, corpus, tokenizer),
        "augmentation": augmentation_of(made, table, corpus),
        "leak_report": leaks,
        "files": file_digests(staging, files),
    }
    write_metadata(staging / METADATA_FILE, metadata)
    write_data_card(staging / "README.md", metadata)
    write_report(
        staging / "report.html",
        metadata,
        report_rows(corpus, plan, table, order),
        chosen_examples(options, made),
    )
    return metadata


# --- rows ------------------------------------------------------------------------------------------------


def write_rows(
    staging: Path,
    corpus: Corpus,
    plan: ContextPlan,
    tokenizer: TokenizerInfo,
    made: MadeRows,
    table: RowTable,
    order: dict[str, np.ndarray],
) -> dict[str, FileDigest]:
    """The three JSON lines files. Raises UserError when they cannot fit on the disk."""
    require_space(staging, _least_bytes(plan, tokenizer, table))
    rows = _RowReader(corpus, plan, tokenizer, made, table)
    written = {}
    for split, name in DATASET_FILES.items():
        with JsonLinesWriter(staging / name) as writer:
            for row in order[split].tolist():
                writer.write_row(*rows.read(row))
        written[name] = writer.digest
    rows.close()
    return written


def _least_bytes(plan: ContextPlan, tokenizer: TokenizerInfo, table: RowTable) -> int:
    """A lower bound of what the rows take: most ids of a large vocabulary have four digits and a comma."""
    digits = 4 if tokenizer.vocab_size > 4096 else 3
    arrays = len(table) + int((table.of_unit("variant") == MASKED_INDEX).sum())
    return arrays * plan.context_tokens * digits


class _RowReader:
    """Puts rows together from the spool files: reads slices, so that memory does not grow with the dataset."""

    def __init__(
        self, corpus: Corpus, plan: ContextPlan, tokenizer: TokenizerInfo, made: MadeRows, table: RowTable
    ):
        self._context, self._stride = plan.context_tokens, plan.context_tokens - plan.overlap_tokens
        self._pad_id, self._dtype, self._table = tokenizer.pad_id, made.dtype, table
        self._units = made.units.tolist()
        self._original = {
            unit[0]: index for index, unit in enumerate(self._units) if unit[1] == VARIANTS.index(ORIGINAL)
        }
        self._files = corpus.scan.files
        shards = int(made.units["shard"][-1]) + 1  # canonical order is shard order
        self._spools = [os.open(made.spool(shard), os.O_RDONLY) for shard in range(shards)]

    def close(self) -> None:
        for spool in self._spools:
            os.close(spool)

    def read(self, row: int) -> tuple[np.ndarray, dict, np.ndarray | None]:
        """(tokens, metadata, labels or None) of one row, padded to the window."""
        table = self._table
        unit, start = int(table.unit[row]), int(table.start[row])
        file, variant, num_tokens, _, _ = self._units[unit]
        length = min(num_tokens, self._context)
        chunk = -(-start // self._stride)  # the last window ends with the file: its start may be off the grid
        total = 1 + -(-(num_tokens - length) // self._stride)
        metadata = {
            "seq_id": row,
            **_file_metadata(self._files[file]),
            "chunk_index": chunk,
            "total_chunks": total,
            "start_token": start,
            "length": length,
            "complexity": round(float(table.complexity[row]), PLACES),
            "augmentation_type": VARIANTS[variant],
        }
        if variant == MASKED_INDEX:  # masked windows lie one after another
            return (
                self._ids(unit, chunk * length, length),
                metadata,
                self._ids(self._original[file], start, length),
            )
        return self._ids(unit, start, length), metadata, None

    def _ids(self, unit: int, start: int, length: int) -> np.ndarray:
        _, _, _, shard, offset = self._units[unit]
        size = self._dtype.itemsize
        raw = os.pread(self._spools[shard], length * size, (offset + start) * size)
        ids = np.frombuffer(raw, self._dtype)
        if len(ids) != length:
            raise OSError(f"spool file of shard {shard} ended early: {len(ids)} of {length} ids")
        if length == self._context:
            return ids
        padded = np.full(self._context, self._pad_id, self._dtype)
        padded[:length] = ids
        return padded


def _file_metadata(file: SourceFile) -> dict:
    """The part of a row's metadata that all rows of a file share."""
    weight, priority = WEIGHTS[file.role]
    directory, _, name = file.path.rpartition("/")
    dot = name.rfind(".")
    return {
        "source_file": file.path,
        "directory": directory,
        "file_extension": name[dot:] if dot > 0 else "",
        "language": file.language,
        "is_core": file.role == "core",
        "is_test": file.role == "test",
        "priority": priority,
        "weight": weight,
    }
