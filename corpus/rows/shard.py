"""The rows of one shard of files: windows are cut, scored, masked, and their ids written to the shard's spool."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tree_sitter

from corpus.augment import RepositoryFacts, Variant
from corpus.augment.masking import MIN_TOKENS, MaskableNodes, mask_window
from corpus.curriculum import Features, features_of
from corpus.jsonl import spell_ids
from corpus.records import VARIANTS, ContextPlan, SourceFile
from corpus.rows import examples
from corpus.seeding import rng_for
from corpus.syntax import parse
from corpus.tokenization import window_bounds

UNIT = np.dtype([("file", "u4"), ("variant", "u1"), ("num_tokens", "u4"), ("shard", "u4")])
ROW = np.dtype(
    [
        *(("unit", "u4"), ("start", "u4"), ("complexity", "f4"), ("fingerprint", "u8")),
        *(("offset", "u8"), ("num_bytes", "u4")),  # of the ids' text in the shard's spool
    ]
)
ORIGINAL_INDEX, MASKED_INDEX = VARIANTS.index("original"), VARIANTS.index("token_masking")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """All that decides a file's rows, besides its text."""

    plan: ContextPlan
    kinds: tuple[str, ...]
    seed: int
    facts: RepositoryFacts
    tokenizer_json: Path
    dtype: str
    mask_id: int
    sample: tuple[tuple[int, int], ...]  # (offset, num_bytes) of texts to prove the fast encoder on


@dataclass(slots=True)
class ShardRows:
    """What a worker returns for one shard."""

    units: np.ndarray
    rows: np.ndarray
    yields: Counter = field(default_factory=Counter)  # (kind, language, outcome) -> files
    examples: list[dict] = field(default_factory=list)
    seconds: Counter = field(default_factory=Counter)  # step -> seconds of this worker
    encoder: str = ""  # which library encoded


@dataclass(frozen=True, slots=True)
class Text:
    source: bytes
    ids: np.ndarray  # uint32[num_tokens]
    ends: np.ndarray  # int64[num_tokens], byte offset of each token's end


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of one text: token ranges and scores, all of length num_windows."""

    text: Text
    starts: np.ndarray
    length: int  # of every window of this text: the context, or the whole text when it is shorter
    complexity: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


class Shard:
    """Collects units and rows, and writes ids to the spool as they come."""

    def __init__(self, number: int, spool: BinaryIO, options: RowOptions, begins_name: np.ndarray):
        self._number, self._spool, self._options, self._begins_name = number, spool, options, begins_name
        self._units: list[tuple] = []
        self._rows: list[np.ndarray] = []
        self._spool_bytes = 0
        self._examples: dict[str, dict] = {}  # kind -> the first pair
        self.yields: Counter = Counter()
        self.seconds: Counter = Counter()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.seconds[step] += time.perf_counter() - started_s

    def result(self) -> ShardRows:
        return ShardRows(
            units=np.array(self._units, UNIT),
            rows=np.concatenate(self._rows) if self._rows else np.empty(0, ROW),
            yields=self.yields,
            examples=list(self._examples.values()),
            seconds=self.seconds,
        )

    def add_text(self, file: int, variant: int, text: Text, features: Features) -> Windows:
        with self.timed("complexity"):
            windows = self._cut(text, features)
        ids = text.ids.astype(self._options.dtype)
        slices = [ids[s : s + windows.length] for s in windows.starts.tolist()]
        self._add(file, variant, len(ids), windows, slices, self._write(ids, windows.starts, windows.length))
        return windows

    def _cut(self, text: Text, features: Features) -> Windows:
        plan = self._options.plan
        bounds = window_bounds(len(text.ids), plan.context_tokens, plan.overlap_tokens)
        starts = np.array([start for start, _ in bounds], np.int64)
        length = bounds[0][1] if bounds else 0
        ends = starts + length
        byte_edges = np.concatenate(([0], text.ends))
        score = features.score(
            byte_edges[starts],
            byte_edges[ends],
            self._num_names(text.ids, starts, length),
            np.full(len(starts), length / plan.context_tokens),
        )
        return Windows(text, starts, length, score)

    def _num_names(self, ids: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """Distinct names in each window, counting a name by the token it begins with, int64[num_windows].

        A token is the first of its kind in a window when its previous occurrence lies before the window's start.
        """
        names = np.flatnonzero(self._begins_name[ids])
        by_id = names[np.argsort(ids[names].astype(self._options.dtype), kind="stable")]  # a radix sort
        previous = np.full(len(ids), len(ids), np.int64)  # tokens that begin no name never count
        previous[by_id] = -1
        repeats = ids[by_id[1:]] == ids[by_id[:-1]]
        previous[by_id[1:][repeats]] = by_id[:-1][repeats]
        return np.array([np.count_nonzero(previous[s : s + length] < s) for s in starts.tolist()], np.int64)

    def add_masked(self, file: int, source_file: SourceFile, windows: Windows, table) -> None:
        options = self._options
        nodes = MaskableNodes(windows.text.source, table, windows.text.ends)
        key = content_key(windows.text.source)
        ids = windows.text.ids.astype(options.dtype)
        masked = [
            mask_window(ids, start, windows.length, nodes, options.mask_id, self._mask_rng(key, start))
            for start in windows.starts.tolist()
        ]
        if not masked or any(window is None for window in masked):
            self.yields["token_masking", source_file.language, f"shorter than {MIN_TOKENS} tokens"] += 1
            return
        self.yields["token_masking", source_file.language, "changed"] += 1
        one_after_another = np.arange(len(masked)) * windows.length
        places = self._write(np.concatenate(masked), one_after_another, windows.length)
        self._add(file, MASKED_INDEX, len(ids), windows, masked, places)
        if "token_masking" not in self._examples:
            hidden = examples.hide(windows.text.source, windows.text.ends, masked[0] == options.mask_id)
            self.example("token_masking", source_file, windows.text.source, hidden)

    def _mask_rng(self, key: str, start: int) -> random.Random:
        return rng_for(self._options.seed, "token_masking", key, start)

    def _add(
        self,
        file: int,
        variant: int,
        num_tokens: int,
        windows: Windows,
        slices: list[np.ndarray],
        places: tuple[np.ndarray, np.ndarray],
    ) -> None:
        rows = np.empty(len(slices), ROW)
        rows["unit"] = len(self._units)
        rows["start"] = windows.starts
        rows["complexity"] = windows.complexity
        rows["fingerprint"] = [_fingerprint(tokens) for tokens in slices]
        rows["offset"], rows["num_bytes"] = places
        self._units.append((file, variant, num_tokens, self._number))
        self._rows.append(rows)

    def _write(self, ids: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Append `ids` to the spool; (offset, number of bytes) of the text of `length` ids from each start.

        As text, because a token stands in several windows: it is spelled once and copied.
        """
        text, edges = spell_ids(ids)
        self._spool.write(text)
        offsets = self._spool_bytes + edges[starts]
        self._spool_bytes += len(text)
        return offsets, edges[starts + length] - edges[starts] - 1  # without the last comma

    def example(self, kind: str, file: SourceFile, before: bytes, after: bytes) -> None:
        """Keep the first pair of each kind."""
        if kind not in self._examples:
            about = {"kind": kind, "language": file.language, "path": file.path}
            self._examples[kind] = about | examples.first_difference(before, after)


def features_of_variant(
    source: Features, source_tree: tree_sitter.Tree, language: str, variant: Variant
) -> Features:
    """Equal to `features_of` its text, which is read where a variant's nodes may lie otherwise than its source's.

    That is where the source has syntax errors; and in the Python grammar a comment can be the end of a block.
    """
    by_comments = variant.kind == "comment_toggle" and language == "Python"
    if source_tree.root_node.has_error or by_comments:
        return features_of(variant.text, language, variant.tree or parse(language, variant.text))
    return source.moved(variant.edits)


def content_key(source: bytes) -> str:
    """Names what is drawn for a text: copies of a file get equal variants, which are then dropped as equal rows."""
    return hashlib.blake2b(source, digest_size=16).hexdigest()


def _fingerprint(tokens: np.ndarray) -> int:
    """64 bits of the tokens' digest: among a billion rows a false match has a chance of 3 %, and costs one row."""
    return int.from_bytes(hashlib.blake2b(tokens, digest_size=8).digest(), "little")
