"""The rows of a file's variants, each proven to mean the same, and of its masked windows, beside its own.

Read only where variants are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from effectiveness.common.records import VARIANTS, SourceFile
from effectiveness.common.seeding import rng_for
from effectiveness.common.workers import give_memory_back
from effectiveness.corpus.augment import MANY_BYTES, Refusal, RepositoryFacts, Variant, vary
from effectiveness.corpus.augment.masking import MIN_TOKENS, MaskableNodes, mask_window
from effectiveness.corpus.curriculum import Features, features_of
from effectiveness.corpus.rows.shard import (
    CUT_TOKENS,
    MASKED_INDEX,
    ORIGINAL_INDEX,
    ShardWriter,
    Text,
    windows_of,
)
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable, has_grammar, parse, table_of

MASKING = "token_masking"
EXAMPLE_LINES = 16


class Original(NamedTuple):
    """What is asked of a file when a variant of it comes."""

    file_index: int  # in the scan
    file: SourceFile
    text: Text
    features: Features
    has_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """All that decides a file's variants, besides its text."""

    kinds: tuple[str, ...]
    seed: int
    facts: RepositoryFacts
    mask_id: int

    def add(
        self, shard: ShardWriter, index: int, file: SourceFile, text: Text, encode: Callable[[bytes], Text]
    ) -> None:
        """The rows of a file, of its variants, and of its masked windows. A variant is encoded by `encode`."""
        source = text.source
        _tidy(source)
        with shard.timed("complexity"):
            tree = parse(file.language, source) if has_grammar(file.language) else None
        with shard.timed("augment"):
            table = table_of(tree) if tree is not None else None
        with shard.timed("complexity"):
            features = features_of(source, file.language, tree, table)
        with shard.timed("augment"):
            results = vary(
                source,
                file.language,
                table,
                path=content_key(source),
                seed=self.seed,
                kinds=self.kinds,
                facts=self.facts,
            )
        table = table.without_tree() if table is not None else None
        del tree  # before anything is made beside it
        _tidy(source)
        shard.add_text(index, ORIGINAL_INDEX, text, features)
        original = Original(index, file, text, features, table is not None and table.has_error)
        while _add_next(shard, original, results, encode):
            pass
        if MASKING in self.kinds:
            with shard.timed("augment"):
                self.add_masked(shard, index, file, text, table)

    def add_masked(
        self, shard: ShardWriter, index: int, file: SourceFile, text: Text, table: SyntaxTable | None
    ) -> None:
        """The windows of a file with some of their tokens masked; along its syntax where there is a `table`."""
        options = shard.options
        length = min(len(text), options.plan.context_tokens)
        if length < MIN_TOKENS:
            shard.yields[MASKING, file.language, f"shorter than {MIN_TOKENS} tokens"] += 1
            return
        shard.yields[MASKING, file.language, "changed"] += 1
        ends = np.cumsum(text.num_bytes, dtype=np.int64)
        nodes = MaskableNodes(text.source, table, ends)
        key, ids = content_key(text.source), text.ids.astype(options.dtype)
        starts = windows_of([text], options.plan).start
        unit = shard.new_unit(index, MASKED_INDEX, len(text))
        for some in np.array_split(starts, 1 + len(starts) * length // CUT_TOKENS):
            masked = [
                mask_window(ids, start, length, nodes, self.mask_id, rng_for(self.seed, MASKING, key, start))
                for start in some.tolist()
            ]
            first = np.arange(len(some)) * length
            shard.add_rows(unit, some, np.nan, np.concatenate(masked), first, first + length)
            if MASKING not in shard.examples:
                hidden = hide(text.source, ends, masked[0] == self.mask_id)
                _keep_example(shard, MASKING, file, text.source, hidden)


def _tidy(source: bytes) -> None:
    """Between two steps with a file: what the last one freed goes back to the system, where it is much."""
    if len(source) >= MANY_BYTES:
        give_memory_back()


def _add_next(
    shard: ShardWriter,
    original: Original,
    results: Iterator[Variant | Refusal],
    encode: Callable[[bytes], Text],
) -> bool:
    """Add the next one of `results`; False when there is none. Its tree is gone before the next one comes."""
    file, source = original.file, original.text.source
    _tidy(source)
    with shard.timed("augment"):
        result = next(results, None)
    if result is None:
        return False
    outcome = result.reason if isinstance(result, Refusal) else "changed"
    shard.yields[result.kind, file.language, outcome] += 1
    if isinstance(result, Variant):
        with shard.timed("complexity"):
            features = features_of_variant(original.features, original.has_error, file.language, result)
        kind, varied = result.kind, result.text
        del result
        _tidy(source)
        shard.add_text(original.file_index, VARIANTS.index(kind), encode(varied), features)
        _keep_example(shard, kind, file, source, varied)
    return True


def features_of_variant(source: Features, has_error: bool, language: str, variant: Variant) -> Features:
    """Those of a variant, by those of its source and whether that has syntax errors.

    Equal to `features_of` its text, which is read where a variant's nodes may lie otherwise than its source's: where
    the source has syntax errors, where a comment goes that a block of Python ends with, and where it is scored by its
    indentation.
    """
    is_by_nodes = bool(LANGUAGES[language].complexity)
    if not is_by_nodes or has_error or source.ends_in(variant.edits):
        return features_of(variant.text, language, variant.tree or parse(language, variant.text))
    return source.moved(variant.edits)


def content_key(source: bytes) -> str:
    """Names what is drawn for a text: copies of a file get equal variants, which are then dropped as equal rows."""
    return hashlib.blake2b(source, digest_size=16).hexdigest()


# --- before and after, as a person looks at it ---------------------------------------------------------------


def _keep_example(shard: ShardWriter, kind: str, file: SourceFile, before: bytes, after: bytes) -> None:
    """Keep the first pair of each kind."""
    if kind not in shard.examples:
        about = {"kind": kind, "language": file.language, "path": file.path}
        shard.examples[kind] = about | first_difference(before, after)


def first_difference(before: bytes, after: bytes) -> dict[str, str]:
    """The lines around the first difference, {"before": ..., "after": ...}."""
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    first = max(0, at - EXAMPLE_LINES // 4)
    shown = slice(first, first + EXAMPLE_LINES)
    return {"before": "\n".join(old[shown]), "after": "\n".join(new[shown])}


def hide(source: bytes, token_ends: np.ndarray, is_masked: np.ndarray) -> bytes:
    """`source` with the masked ones of its first tokens shown as <mask>, bool[tokens of the first window]."""
    edges = [0, *token_ends[: len(is_masked)].tolist()]
    shown = [
        b"<mask>" if hidden else source[edges[i] : edges[i + 1]]
        for i, hidden in enumerate(is_masked.tolist())
    ]
    return b"".join(shown) + source[edges[len(is_masked)] :]
