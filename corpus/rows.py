"""From source files to rows: encode, cut into windows, score, vary, mask. Runs in worker processes.

Nothing but small records comes back from a worker: token ids go into one spool file per shard, and

    units   one record for each text of a file (the original or a variant): where its ids lie
    rows    one record for each window: its unit, where it starts, its complexity, a fingerprint of its tokens

A window is a slice of its unit's ids, so overlapping windows cost nothing. Masked windows differ from their
originals and are stored one after another under a unit of their own.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from corpus import examples, syntax
from corpus.augment import AUGMENTATIONS, RepositoryFacts, Variant, vary
from corpus.augment.masking import MIN_TOKENS, MaskableNodes, mask_window
from corpus.curriculum import features_of
from corpus.pool import cut_into_shards, map_in_order
from corpus.records import VARIANTS, ContextPlan, SourceFile
from corpus.seeding import rng_for
from corpus.tokenization import Encoder, window_bounds

UNIT = np.dtype(
    [("file", "u4"), ("variant", "u1"), ("num_tokens", "u4"), ("shard", "u4"), ("offset", "u8")]
)  # offset: in tokens, from the start of the shard's spool
ROW = np.dtype([("unit", "u4"), ("start", "u4"), ("complexity", "f4"), ("fingerprint", "u8")])
ORIGINAL_INDEX, MASKED_INDEX = VARIANTS.index("original"), VARIANTS.index("token_masking")
SHARD_BYTES = 1 << 20
MAX_SHARDS = 256  # each has a spool file that is held open while the rows are written


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """All that decides a file's rows, besides its text."""

    plan: ContextPlan
    kinds: tuple[str, ...]
    seed: int
    facts: RepositoryFacts
    tokenizer_json: str
    dtype: str
    mask_id: int
    sample: tuple[
        tuple[int, int], ...
    ]  # (offset, num_bytes) of texts on which the fast encoder must prove itself


@dataclass(frozen=True, slots=True)
class MadeRows:
    """All units and rows in canonical order: by file, then variant, then window."""

    units: np.ndarray  # UNIT[num_units]
    rows: np.ndarray  # ROW[num_rows], `unit` is an index into units
    yields: Counter  # (kind, language, outcome) -> files
    examples: list[dict]
    seconds: Counter  # step -> seconds, divided by the workers
    scratch: Path
    dtype: np.dtype

    def spool(self, shard: int) -> Path:
        return _spool(self.scratch, shard)


def rows_of(
    text_spool: Path, files: Sequence[SourceFile], options: RowOptions, scratch: Path, workers: int
) -> MadeRows:
    """Rows of all files. Shards are cut by size alone, so any number of workers makes the same ones."""
    total = sum(file.num_bytes for file in files)
    shards = [
        (number, [(index, files[index]) for index in shard], _spool(scratch, number))
        for number, shard in enumerate(
            cut_into_shards((file.num_bytes for file in files), max(SHARD_BYTES, total // MAX_SHARDS))
        )
    ]
    made = map_in_order(_make_shard, shards, workers, setup=_set_up, setup_args=(text_spool, options))
    return _joined(made, scratch, np.dtype(options.dtype), max(1, min(workers, len(shards))))


_maker: RowMaker | None = None  # of this worker process


def _set_up(text_spool: Path, options: RowOptions) -> None:
    global _maker
    _maker = RowMaker(text_spool, options)


def _make_shard(task: tuple[int, list[tuple[int, SourceFile]], Path]) -> ShardRows:
    return _maker.shard(*task)


def _spool(scratch: Path, shard: int) -> Path:
    return scratch / f"ids-{shard}"


def _joined(shards: Iterable[ShardRows], scratch: Path, dtype: np.dtype, workers: int) -> MadeRows:
    units, rows, yields, seconds, examples = [], [], Counter(), Counter(), []
    num_units = 0
    for shard in shards:
        shard.rows["unit"] += num_units
        num_units += len(shard.units)
        units.append(shard.units)
        rows.append(shard.rows)
        yields.update(shard.yields)
        seconds.update(shard.seconds)
        examples += shard.examples
    seconds = Counter({step: spent_s / workers for step, spent_s in seconds.items()})
    return MadeRows(np.concatenate(units), np.concatenate(rows), yields, examples, seconds, scratch, dtype)


@dataclass(slots=True)
class ShardRows:
    """What a worker returns for one shard."""

    units: np.ndarray
    rows: np.ndarray
    yields: Counter = field(default_factory=Counter)  # (kind, language, outcome) -> files
    examples: list[dict] = field(default_factory=list)
    seconds: Counter = field(default_factory=Counter)  # step -> seconds of this worker


class RowMaker:
    """Makes the rows of files; one per process, because building the encoder costs."""

    def __init__(self, text_spool: Path, options: RowOptions):
        self._options = options
        self._texts = open(text_spool, "rb")  # noqa: SIM115 - as long as the process
        sample = [self._read(offset, num_bytes) for offset, num_bytes in options.sample]
        self._encoder = Encoder(Path(options.tokenizer_json), sample)
        self._begins_name = self._encoder.word_tokens()

    def _read(self, offset: int, num_bytes: int) -> bytes:
        self._texts.seek(offset)
        return self._texts.read(num_bytes)

    def shard(self, number: int, files: list[tuple[int, SourceFile]], ids_path: Path) -> ShardRows:
        """Rows of one shard; its ids go to `ids_path`, a new file. `files` are (index in the scan, record)."""
        with open(ids_path, "xb") as spool:
            shard = _Shard(number, spool, self._options, self._begins_name)
            for index, file in files:
                self._file(shard, index, file)
        return shard.result()

    def _file(self, shard: _Shard, index: int, file: SourceFile) -> None:
        options = self._options
        source = self._read(file.offset, file.num_bytes)
        text = self._encode(shard, source)
        with shard.timed("complexity"):
            tree = syntax.parse(file.language, source) if syntax.has_grammar(file.language) else None
        original = shard.add_text(index, ORIGINAL_INDEX, file.language, text, tree)
        if not options.kinds:
            return
        with shard.timed("augment"):
            table = syntax.table_of(tree) if tree is not None else None
            variants = self._variants(shard, file, source, table)
        for variant in variants:
            text = self._encode(shard, variant.text)
            tree = syntax.parse(file.language, variant.text) if tree is not None else None
            shard.add_text(index, VARIANTS.index(variant.kind), file.language, text, tree)
            shard.example(variant.kind, file, source, variant.text)
        if "token_masking" in options.kinds:
            with shard.timed("augment"):
                shard.add_masked(index, file, original, table)

    def _encode(self, shard: _Shard, source: bytes) -> _Text:
        with shard.timed("tokenize"):
            ids = self._encoder.encode(source)
            return _Text(source, ids, self._encoder.token_ends(source, ids))

    def _variants(self, shard: _Shard, file: SourceFile, source: bytes, table) -> list[Variant]:
        options = self._options
        key = _content_key(source)
        kinds = [kind for kind in AUGMENTATIONS if kind in options.kinds]
        results = vary(
            source, file.language, table, path=key, seed=options.seed, kinds=kinds, facts=options.facts
        )
        for result in results:
            outcome = "changed" if isinstance(result, Variant) else result.reason
            shard.yields[result.kind, file.language, outcome] += 1
        return [result for result in results if isinstance(result, Variant)]


@dataclass(frozen=True, slots=True)
class _Text:
    source: bytes
    ids: np.ndarray  # uint32[num_tokens]
    ends: np.ndarray  # int64[num_tokens], byte offset of each token's end


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of one text: token ranges and scores, all of length num_windows."""

    text: _Text
    starts: np.ndarray
    length: int  # of every window of this text: the context, or the whole text when it is shorter
    complexity: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


class _Shard:
    """Collects units and rows, and writes ids to the spool as they come."""

    def __init__(self, number: int, spool: BinaryIO, options: RowOptions, begins_name: np.ndarray):
        self._number, self._spool, self._options, self._begins_name = number, spool, options, begins_name
        self._units: list[tuple] = []
        self._rows: list[np.ndarray] = []
        self._num_tokens = 0
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

    def add_text(self, file: int, variant: int, language: str, text: _Text, tree) -> _Windows:
        with self.timed("complexity"):
            windows = self._cut(language, text, tree)
        ids = text.ids.astype(self._options.dtype)
        self._add(
            file, variant, len(ids), windows, [ids[s : s + windows.length] for s in windows.starts.tolist()]
        )
        self._write(ids)
        return windows

    def _cut(self, language: str, text: _Text, tree) -> _Windows:
        plan = self._options.plan
        bounds = window_bounds(len(text.ids), plan.context_tokens, plan.overlap_tokens)
        starts = np.array([start for start, _ in bounds], np.int64)
        length = bounds[0][1] if bounds else 0
        ends = starts + length
        byte_edges = np.concatenate(([0], text.ends))
        score = features_of(text.source, language, tree).score(
            byte_edges[starts],
            byte_edges[ends],
            self._num_names(text.ids, starts, length),
            np.full(len(starts), length / plan.context_tokens),
        )
        return _Windows(text, starts, length, score)

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

    def add_masked(self, file: int, source_file: SourceFile, windows: _Windows, table) -> None:
        options = self._options
        nodes = MaskableNodes(windows.text.source, table, windows.text.ends)
        key = _content_key(windows.text.source)
        ids = windows.text.ids.astype(options.dtype)
        masked = [
            mask_window(ids, start, windows.length, nodes, options.mask_id, self._mask_rng(key, start))
            for start in windows.starts.tolist()
        ]
        if not masked or any(window is None for window in masked):
            self.yields["token_masking", source_file.language, f"shorter than {MIN_TOKENS} tokens"] += 1
            return
        self.yields["token_masking", source_file.language, "changed"] += 1
        self._add(file, MASKED_INDEX, len(ids), windows, masked)
        self._write(np.concatenate(masked))
        if "token_masking" not in self._examples:
            hidden = examples.hide(windows.text.source, windows.text.ends, masked[0] == options.mask_id)
            self.example("token_masking", source_file, windows.text.source, hidden)

    def _mask_rng(self, key: str, start: int) -> random.Random:
        return rng_for(self._options.seed, "token_masking", key, start)

    def _add(
        self, file: int, variant: int, num_tokens: int, windows: _Windows, slices: list[np.ndarray]
    ) -> None:
        rows = np.empty(len(slices), ROW)
        rows["unit"] = len(self._units)
        rows["start"] = windows.starts
        rows["complexity"] = windows.complexity
        rows["fingerprint"] = [_fingerprint(tokens) for tokens in slices]
        self._units.append((file, variant, num_tokens, self._number, self._num_tokens))
        self._rows.append(rows)

    def _write(self, ids: np.ndarray) -> None:
        self._spool.write(ids)
        self._num_tokens += len(ids)

    def example(self, kind: str, file: SourceFile, before: bytes, after: bytes) -> None:
        """Keep the first pair of each kind."""
        if kind not in self._examples:
            about = {"kind": kind, "language": file.language, "path": file.path}
            self._examples[kind] = about | examples.first_difference(before, after)


def _content_key(source: bytes) -> str:
    """Names what is drawn for a text: copies of a file get equal variants, which are then dropped as equal rows."""
    return hashlib.blake2b(source, digest_size=16).hexdigest()


def _fingerprint(tokens: np.ndarray) -> int:
    """64 bits of the tokens' digest: among a billion rows a false match has a chance of 3 %, and costs one row."""
    return int.from_bytes(hashlib.blake2b(tokens, digest_size=8).digest(), "little")
