"""From source files to rows: encode, cut into windows, score; `variants` adds rewritten copies. In worker processes.

Nothing but small records comes back from a worker: token ids go into one spool file per shard, as text, and

    units   one record for each text of a file: the original or a variant
    rows    one record for each window: its unit, where it starts and lies, its complexity, a fingerprint

A window is a slice of its unit's text, so overlapping windows cost nothing. Masked windows differ from their
originals and are stored one after another under a unit of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from effectiveness.common.boundary import PANIC, reason
from effectiveness.common.records import SourceFile, text_of
from effectiveness.common.workers import WorkerPool, cut_into_shards
from effectiveness.corpus.curriculum import features_of
from effectiveness.corpus.rows.shard import (
    MASKED_INDEX,
    ORIGINAL_INDEX,
    RowOptions,
    ShardRows,
    ShardWriter,
    Text,
)
from effectiveness.corpus.tokenization import Encoder, TokenizerError
from effectiveness.languages import syntax

__all__ = ["MASKED_INDEX", "MadeRows", "RowOptions", "encoder_of", "rows_of", "self_test_sample"]

SELF_TEST_BYTES = 64 << 10  # of a corpus
SHARD_BYTES = 1 << 20
ENCODED_BYTES = 1 << 19  # so much is encoded, then parsed: file by file, each drives the other from the cache
MAX_SHARDS = 256  # each has a spool file that is held open while the rows are written


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
    encoders: tuple[str, ...]  # the libraries that encoded: one, unless processes differ

    def spool(self, shard: int) -> Path:
        return _spool(self.scratch, shard)


def rows_of(
    text_spool: Path, files: Sequence[SourceFile], options: RowOptions, scratch: Path, pool: WorkerPool
) -> MadeRows:
    """Rows of all files. Shards are cut by size alone, so any number of workers makes the same ones."""
    total = sum(file.num_bytes for file in files)
    shards = [
        (number, [(index, files[index]) for index in shard], _spool(scratch, number))
        for number, shard in enumerate(
            cut_into_shards((file.num_bytes for file in files), max(SHARD_BYTES, total // MAX_SHARDS))
        )
    ]
    made = pool.map(_make_shard, shards, setup=_set_up, setup_args=(text_spool, options))
    return _joined(made, scratch, np.dtype(options.dtype), max(1, min(pool.workers, len(shards))))


_maker: RowMaker | None = None  # of this worker process


def _set_up(text_spool: Path, options: RowOptions) -> None:
    global _maker
    _maker = RowMaker(text_spool, options)


def _make_shard(task: tuple[int, list[tuple[int, SourceFile]], Path]) -> ShardRows:
    assert _maker is not None, "_set_up came first"
    return _maker.shard(*task)


def _spool(scratch: Path, shard: int) -> Path:
    return scratch / f"ids-{shard}"


def _joined(shards: Iterable[ShardRows], scratch: Path, dtype: np.dtype, workers: int) -> MadeRows:
    units, rows, examples = [], [], []
    yields: Counter = Counter()
    seconds: Counter = Counter()
    encoders = set()
    num_units = 0
    for shard in shards:
        shard.rows["unit"] += num_units
        num_units += len(shard.units)
        units.append(shard.units)
        rows.append(shard.rows)
        yields.update(shard.yields)
        seconds.update(shard.seconds)
        examples += shard.examples
        encoders.add(shard.encoder)
    seconds = Counter({step: spent_s / workers for step, spent_s in seconds.items()})
    return MadeRows(
        np.concatenate(units),
        np.concatenate(rows),
        yields,
        examples,
        seconds,
        scratch,
        dtype,
        tuple(sorted(encoders)),
    )


def self_test_sample(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """The first files that have no more than SELF_TEST_BYTES together, for `encoder_of`."""
    sample, total = [], 0
    for file in files:
        if total + file.num_bytes <= SELF_TEST_BYTES:
            sample.append(file)
            total += file.num_bytes
        if total > SELF_TEST_BYTES // 2:
            break
    return tuple(sample)


@lru_cache(maxsize=1)
def encoder_of(text_spool: Path, tokenizer_json: Path, sample: tuple[SourceFile, ...]) -> Encoder:
    """The encoder of this process; on the texts of `sample` the fast one must agree with the reference.

    Building it costs 0.1 s, so it can be begun while the parent has other things to do.
    """
    with open(text_spool, "rb") as texts:
        return Encoder(tokenizer_json, [text_of(texts, file) for file in sample])


class RowMaker:
    """Makes the rows of files; one per process."""

    def __init__(self, text_spool: Path, options: RowOptions):
        self._options = options
        self._texts = open(text_spool, "rb")  # noqa: SIM115 - as long as the process
        self._encoder = encoder_of(text_spool, options.tokenizer_json, options.sample)
        self._begins_name = self._encoder.word_tokens()

    def shard(self, number: int, files: list[tuple[int, SourceFile]], ids_path: Path) -> ShardRows:
        """Rows of one shard; its ids go to `ids_path`, a new file. `files` are (index in the scan, record)."""
        with open(ids_path, "xb") as spool:
            shard = ShardWriter(number, spool, self._options, self._begins_name)
            for group in cut_into_shards((file.num_bytes for _, file in files), ENCODED_BYTES):
                texts = [self._encode(shard, files[i][1], text_of(self._texts, files[i][1])) for i in group]
                for i, text in zip(group, texts, strict=True):
                    self._file(shard, *files[i], text)
            return replace(shard.result(), encoder=self._encoder.backend)

    def _file(self, shard: ShardWriter, index: int, file: SourceFile, text: Text) -> None:
        if variation := self._options.variation:
            variation.add(shard, index, file, text, partial(self._encode, shard, file))
            return
        with shard.timed("complexity"):
            tree = syntax.parse(file.language, text.source) if syntax.has_grammar(file.language) else None
            features = features_of(text.source, file.language, tree)
        shard.add_text(index, ORIGINAL_INDEX, text, features)

    def _encode(self, shard: ShardWriter, file: SourceFile, source: bytes) -> Text:
        with shard.timed("tokenize"):
            try:
                ids = self._encoder.encode(source)
                return Text(source, ids, self._encoder.token_bytes(source, ids))
            except TokenizerError as error:
                raise TokenizerError(f"{error} ({file.path})") from None
            except BaseException as error:
                if type(error).__name__ != PANIC:
                    raise
                raise TokenizerError(f"its library fails on {file.path}: {reason(error)}") from None
