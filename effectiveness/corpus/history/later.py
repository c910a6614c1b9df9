"""The later set: windows of files that HEAD has and the dataset's state has not, with the tokens that are new.

Windows are cut from the whole file of HEAD, so that new text stands in its context; a row's `scored` says which of
its tokens are new. A window without new tokens is left out, and so is one that equals a row of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from effectiveness.common.jsonl import FileDigest, JsonLinesWriter
from effectiveness.common.records import Corpus
from effectiveness.common.workers import WorkerPool
from effectiveness.corpus.history import Past
from effectiveness.corpus.history.changes import Changes
from effectiveness.corpus.history.fresh import SPAN_TOKENS, Fresh, find_fresh
from effectiveness.corpus.leaks.spans import WrittenRows, portions_of
from effectiveness.corpus.rows import MadeRows, RowOptions, rows_of, self_test_sample
from effectiveness.corpus.rows.writing import BuiltDataset, RowTable


@dataclass(frozen=True, slots=True)
class LaterRows:
    """The rows of the later set; `corpus`, `made` and `table` are read like those of the dataset."""

    corpus: Corpus
    made: MadeRows
    table: RowTable  # in the order of the files and their windows
    fresh: Fresh
    ranges: list[np.ndarray]  # of each file of `corpus`: its new tokens
    window: int

    def write(
        self, path: Path, rows: Iterable[tuple[bytes, dict, bytes | None]], first_id: int
    ) -> FileDigest:
        """Write `rows`, those of the table in order, numbered from `first_id`."""
        with JsonLinesWriter(path) as writer:
            for number, ((tokens, metadata, _), scored) in enumerate(zip(rows, self._scored(), strict=True)):
                writer.write_spelled_row(tokens, metadata | {"seq_id": first_id + number, "scored": scored})
        return writer.digest

    def _scored(self) -> Iterator[list[list[int]]]:
        """Of each row of the table: the ranges of its tokens that are new, [first, last) within the row."""
        for file, start in zip(self.table.of_unit("file").tolist(), self.table.start.tolist(), strict=True):
            yield (within(self.ranges[file], start, start + self.window) - start).tolist()

    def counts(self) -> dict[str, int]:
        """Rows, files, and new tokens, each counted once however many rows hold it."""
        scored_until: dict[int, int] = {}
        num_scored = 0
        for file, start in zip(self.table.of_unit("file").tolist(), self.table.start.tolist(), strict=True):
            found = within(self.ranges[file], max(start, scored_until.get(file, 0)), start + self.window)
            num_scored += int((found[:, 1] - found[:, 0]).sum())
            scored_until[file] = start + self.window
        return _counted(len(self.table), len(scored_until), num_scored)

    def leaks(self) -> dict:
        """The later set's part of the leak report."""
        fresh = self.fresh
        return {"span_tokens": SPAN_TOKENS, "spans": fresh.spans, "known_spans": fresh.known_spans}


def _counted(rows: int, files: int, tokens: int) -> dict[str, int]:
    return {"later_sequences": rows, "later_files": files, "later_scored_tokens": tokens}


@dataclass(frozen=True, slots=True)
class History:
    """What `--until` found. `changes` is None where nothing was committed later."""

    past: Past
    changes: Changes | None

    def rows(
        self, dataset: BuiltDataset, written: Iterable[WrittenRows], pool: WorkerPool
    ) -> LaterRows | None:
        """Rows of what is new against a dataset, whose rows were `written`; None where nothing is."""
        return _later_rows(dataset, written, self.changes, pool) if self.changes else None

    def describe(self, until: str, later: LaterRows | None) -> dict:
        """What the metadata says of the state and of the later set."""
        past = self.past
        return {
            "until": until,
            "commit_date": past.commit.date,
            "head_commit": past.head_commit,
            "later_commits": past.num_later_commits,
            **(later.counts() if later else _counted(0, 0, 0)),
        }


def within(ranges: np.ndarray, first: int, last: int) -> np.ndarray:
    """The parts of ordered ranges that lie in [first, last).

    >>> within(np.array([[2, 9], [12, 20]]), 5, 14).tolist()
    [[5, 9], [12, 14]]
    """
    a, b = np.searchsorted(ranges[:, 1], first, side="right"), np.searchsorted(ranges[:, 0], last)
    return ranges[a : max(a, b)].clip(first, last)


def _later_rows(
    dataset: BuiltDataset, written: Iterable[WrittenRows], changes: Changes, pool: WorkerPool
) -> LaterRows | None:
    plan, tokenizer, scratch = dataset.plan, dataset.tokenizer, dataset.made.scratch / "later"
    scratch.mkdir()
    sample = self_test_sample(change.file for change in changes.files)
    fresh = find_fresh(
        changes.files,
        texts_before=dataset.corpus.texts,
        texts=changes.head.texts,
        tokenizer_json=tokenizer.json_path,
        sample=sample,
        portions=[portion for rows in written for portion in portions_of(rows)],
        scratch=scratch,
        pool=pool,
    )
    chosen = [index for index, ranges in enumerate(fresh.ranges) if len(ranges)]
    if not chosen:
        return None
    files = tuple(changes.files[index].file for index in chosen)
    options = RowOptions(
        plan=plan,
        tokenizer_json=tokenizer.json_path,
        dtype=tokenizer.dtype.name,
        sample=sample,
    )
    rows = rows_of(changes.head.texts, files, options, scratch, pool)
    ranges = [fresh.ranges[index] for index in chosen]
    table = _choose(rows, ranges, dataset.made.rows["fingerprint"], plan.context_tokens)
    corpus = replace(changes.head, scan=replace(changes.head.scan, files=files))
    return LaterRows(corpus, rows, table, fresh, ranges, plan.context_tokens) if len(table) else None


def _choose(made: MadeRows, ranges: list[np.ndarray], taken: np.ndarray, window: int) -> RowTable:
    """The windows that hold new tokens and whose tokens stand in no row of the dataset, each once."""
    file = made.units["file"][made.rows["unit"]].tolist()
    has_new = [
        len(within(ranges[f], start, start + window)) > 0
        for f, start in zip(file, made.rows["start"].tolist(), strict=True)
    ]
    wanted = np.flatnonzero(np.array(has_new) & ~np.isin(made.rows["fingerprint"], taken))
    kept = np.sort(wanted[np.unique(made.rows["fingerprint"][wanted], return_index=True)[1]])
    return RowTable.of(made, kept, np.zeros(len(kept), np.uint8), {})
