"""Step 8: the rows, and everything that describes them, into the staging directory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from effectiveness.common.jsonl import FileDigest, write_metadata
from effectiveness.common.publish import require_space
from effectiveness.common.records import (
    DATASET_FILES,
    LATER,
    LATER_FILE,
    METADATA_FILE,
    PAGES,
    BuildOptions,
    ContextPlan,
    Corpus,
)
from effectiveness.common.workers import Crew
from effectiveness.corpus.data_card import write_data_card
from effectiveness.corpus.describe import (
    augmentation_of,
    chosen_examples,
    counts_of,
    description_of,
    digests_of,
    file_digests,
    report_rows,
)
from effectiveness.corpus.history.later import History, LaterRows, describe_later, later_leaks, later_rows
from effectiveness.corpus.leaks import find_leaks
from effectiveness.corpus.report import tally, write_report
from effectiveness.corpus.rows import MadeRows
from effectiveness.corpus.rows.writing import RowReader, RowTable, Written, least_bytes, write_rows
from effectiveness.corpus.tokenization import TokenizerInfo


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
    written = _write_dataset(staging, corpus, plan, tokenizer, made, table, order)
    files = {DATASET_FILES[split]: file.digest for split, file in written.items()}
    described = {
        **counts_of(plan, corpus, table, order),
        **description_of(options, plan, corpus, tokenizer),
        "augmentation": augmentation_of(made, table, corpus),
    }
    counted = tally(
        report_rows(corpus, plan, table, order),
        num_languages=len(described["languages_table"]),
        window=plan.context_tokens,
    )
    rows = {split: file.rows for split, file in written.items()}
    leaks = find_leaks(rows, crew, new_share=1 - plan.overlap_tokens / plan.context_tokens)
    later = None
    if history and history.changes:
        later = later_rows(rows.values(), history.changes, plan, corpus, tokenizer, made, crew)
    if later:
        files[LATER_FILE] = _write_later(staging / LATER_FILE, plan, tokenizer, later, len(table))
        leaks[LATER] = later_leaks(later)
    metadata = {
        **described,
        **(describe_later(history.past, options.until, later) if history else {}),
        "leak_report": leaks,
        "files": file_digests(staging, files),
    }
    write_data_card(staging / PAGES[0], metadata)
    write_report(staging / PAGES[1], metadata, counted, chosen_examples(options, made))
    # They show the digests of all other files, so theirs come last: what describes itself is the metadata alone.
    metadata["pages"] = digests_of(staging, PAGES)
    write_metadata(staging / METADATA_FILE, metadata)
    return metadata


def _write_dataset(
    staging: Path,
    corpus: Corpus,
    plan: ContextPlan,
    tokenizer: TokenizerInfo,
    made: MadeRows,
    table: RowTable,
    order: dict[str, np.ndarray],
) -> dict[str, Written]:
    """The three files."""
    require_space(staging, least_bytes(plan, tokenizer, table))
    with closing(RowReader(corpus, plan, tokenizer, made, table)) as reader:
        return {
            split: write_rows(staging / name, reader, order[split]) for split, name in DATASET_FILES.items()
        }


def _write_later(
    path: Path, plan: ContextPlan, tokenizer: TokenizerInfo, later: LaterRows, first_id: int
) -> FileDigest:
    require_space(path.parent, least_bytes(plan, tokenizer, later.table))
    with closing(RowReader(later.corpus, plan, tokenizer, later.made, later.table)) as reader:
        return later.write(path, reader.read(np.arange(len(later.table))), first_id)
