"""Step 8: the rows, and everything that describes them, into the staging directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from corpus.data_card import write_data_card
from corpus.describe import (
    augmentation_of,
    chosen_examples,
    counts_of,
    description_of,
    digests_of,
    file_digests,
    report_rows,
)
from corpus.history.later import History, LaterRows, describe_later, later_leaks, later_rows
from corpus.jsonl import FileDigest, write_metadata
from corpus.leaks import leak_report
from corpus.pool import Crew
from corpus.publish import require_space
from corpus.records import (
    LATER,
    LATER_FILE,
    METADATA_FILE,
    PAGES,
    BuildOptions,
    ContextPlan,
    Corpus,
)
from corpus.report import write_report
from corpus.rows import MadeRows
from corpus.rows.table import RowTable
from corpus.rows.writing import RowReader, least_bytes, write_rows
from corpus.tokenization import TokenizerInfo


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
    history: History | None = None,
) -> dict:
    """Write the rows, read them back for the leak report, then describe them. Returns the metadata."""
    files = write_rows(staging, corpus, plan, tokenizer, made, table, order)
    leaks = leak_report(staging, crew)
    later = None
    if history and history.changes:
        later = later_rows(staging, history.changes, plan, corpus, tokenizer, made, crew)
    if later:
        files[LATER_FILE] = _write_later(staging / LATER_FILE, plan, tokenizer, later, len(table))
        leaks[LATER] = later_leaks(later)
    metadata = {
        **counts_of(plan, corpus, table, order),
        **description_of(options, plan, corpus, tokenizer),
        **(describe_later(history.past, options.until, later) if history else {}),
        "augmentation": augmentation_of(made, table, corpus),
        "leak_report": leaks,
        "files": file_digests(staging, files),
    }
    write_data_card(staging / PAGES[0], metadata)
    write_report(
        staging / PAGES[1],
        metadata,
        report_rows(corpus, plan, table, order),
        chosen_examples(options, made),
    )
    # They show the digests of all other files, so theirs come last: what describes itself is the metadata alone.
    metadata["pages"] = digests_of(staging, PAGES)
    write_metadata(staging / METADATA_FILE, metadata)
    return metadata


def _write_later(
    path: Path, plan: ContextPlan, tokenizer: TokenizerInfo, later: LaterRows, first_id: int
) -> FileDigest:
    require_space(path.parent, least_bytes(plan, tokenizer, later.table))
    reader = RowReader(later.corpus, plan, tokenizer, later.made, later.table)
    written = later.write(path, reader.read(np.arange(len(later.table))), first_id)
    reader.close()
    return written
