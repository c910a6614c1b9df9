"""Files put together again from their windows and read as text: a bounded sample, all of a small dataset.

What digests of windows cannot show, text can: ids that no tokenizer would give, a variant that is none, a
complexity that belongs to another window. Files are taken in an order that depends on their names only, until
`BUDGET_TOKENS` are read; the share that was read is part of the result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import orjson
from dataset_facts import Facts
from dataset_rows import MASKED

from effectiveness.common.records import DATASET_FILES, SPLITS, VARIANTS
from effectiveness.common.regular_files import open_binary, read_bytes
from effectiveness.corpus.curriculum import features_of
from effectiveness.corpus.tokenization import Encoder, TokenizerError
from effectiveness.languages import LANGUAGES, syntax

BUDGET_TOKENS = 300_000
COMPLEXITY_TOLERANCE = 2e-4  # it is written with four places
RENAMED, COMMENTS, LAYOUT = (
    VARIANTS.index(kind) for kind in ("variable_renaming", "comment_toggle", "format_variation")
)


class UnreadableTokenizer(AssertionError):
    """The texts cannot be read: a failure of the dataset, told like any other."""


@dataclass(frozen=True)
class Stream:
    """One text of a file: its rows, and its ids put together from their windows."""

    path: str
    language: str
    variant: int
    rows: np.ndarray  # in the order of their windows
    ids: list[int]

    @property
    def name(self) -> str:
        return f"{self.path} ({VARIANTS[self.variant]})"


class Texts:
    """The sampled files of a dataset. `problems` are windows that contradict each other."""

    def __init__(self, facts: Facts):
        self.problems: list[str] = []
        self.streams: dict[str, list[Stream]] = {}  # path -> its texts, the original first
        self._directory = facts.directory
        paths = [facts.directory / DATASET_FILES[name] for name in SPLITS]
        self._open = {split: open_binary(path) for split, path in enumerate(paths) if path.is_file()}
        try:
            self._read(facts)
        finally:
            for stream in self._open.values():
                stream.close()

    def _read(self, facts: Facts) -> None:
        rows = facts.rows[facts.rows["variant"] != MASKED]
        by_path: dict[str, list[np.ndarray]] = defaultdict(list)
        for group in _groups(rows, ("file", "variant")):
            by_path[facts.files[group["file"][0]][0]].append(group)
        left = BUDGET_TOKENS
        for path in sorted(by_path, key=lambda path: hashlib.sha256(path.encode()).digest()):
            if left <= 0:
                return
            for group in by_path[path]:
                left -= int(group["length"].sum()) // 4
                self._add(path, facts.files[group["file"][0]][3], group)

    def _add(self, path: str, language: str, group: np.ndarray) -> None:
        """Join the windows; a text that lost a window to an equal row, or is told twice, is left out."""
        ids: list[int] = []
        for row in group:
            start, length = int(row["start"]), int(row["length"])
            if start > len(ids) or (start == 0 and ids):
                return
            tokens = self._tokens(row)[:length]
            if tokens[: len(ids) - start] != ids[start:]:
                name = DATASET_FILES[SPLITS[row["split"]]]
                self.problems.append(
                    f"{name}:{row['line']}: other tokens than the windows before it in {path}"
                )
                return
            ids += tokens[len(ids) - start :]
        if group["chunk"][-1] == group["total"][-1] - 1:
            stream = Stream(path, language, int(group["variant"][0]), group, ids)
            self.streams.setdefault(path, []).append(stream)

    def _tokens(self, row: np.void) -> list[int]:
        stream = self._open[int(row["split"])]
        stream.seek(int(row["offset"]))
        return orjson.loads(stream.readline())["tokens"]

    @cached_property
    def _tokenizer(self):
        return plain_tokenizer(self._directory)

    @cached_property
    def decoded(self) -> dict[str, list[tuple[Stream, str]]]:
        return {
            path: [
                (stream, self._tokenizer.decode(stream.ids, skip_special_tokens=False)) for stream in streams
            ]
            for path, streams in self.streams.items()
        }

    def misencoded(self) -> list[str]:
        """Texts whose ids are not those the tokenizer gives for them."""
        pairs = [pair for pairs in self.decoded.values() for pair in pairs]
        encoded = self._tokenizer.encode_batch_fast([text for _, text in pairs], add_special_tokens=False)
        told = []
        for (stream, _), encoding in zip(pairs, encoded, strict=True):
            if encoding.ids != stream.ids:
                at = _first_difference(encoding.ids, stream.ids)
                told.append(f"{stream.name}: token {at} is not what the tokenizer makes of the text there")
        return told

    def untrue_variants(self) -> list[str]:
        """Variants that are not what their type says: see `_RULES`."""
        told = []
        for pairs in self.decoded.values():
            original, *variants = pairs
            if original[0].variant != 0:
                continue
            for stream, text in variants:
                if text == original[1]:
                    told.append(f"{stream.name}: equals its original")
                elif not _RULES[stream.variant](original[1], text):
                    told.append(f"{stream.name}: differs from its original by more than its type allows")
        return told

    def misjudged(self, window: int) -> list[str]:
        """Windows whose complexity is not what the curriculum gives for their text."""
        pairs = [pair for pairs in self.decoded.values() for pair in pairs]
        return misjudged_windows(pairs, self._directory, window)


def plain_tokenizer(directory: Path):
    """The dataset's tokenizer without its control tokens: their names in a file are ordinary characters."""
    from tokenizers import Tokenizer

    config = json.loads(read_bytes(directory / "tokenizer" / "tokenizer.json"))
    try:
        tokenizer = Tokenizer.from_str(json.dumps(config | {"added_tokens": []}))
        tokenizer.encode("x", add_special_tokens=False)
    except Exception as error:
        raise UnreadableTokenizer(f"tokenizer/tokenizer.json: cannot be used: {error}") from error
    return tokenizer


def misjudged_windows(pairs: list[tuple[Stream, str]], directory: Path, window: int) -> list[str]:
    """Windows of whole texts whose complexity is not what the curriculum gives for them."""
    try:
        encoder = Encoder(directory / "tokenizer" / "tokenizer.json")
    except TokenizerError as error:
        raise UnreadableTokenizer(f"tokenizer/tokenizer.json: {error}") from error
    begins_name = encoder.word_tokens()
    told = []
    for stream, text in pairs:
        if stream.language not in LANGUAGES:  # told elsewhere
            continue
        expected = _complexity(stream, text.encode(), encoder, begins_name, window)
        for at in np.flatnonzero(np.abs(expected - stream.rows["complexity"]) > COMPLEXITY_TOLERANCE):
            got = stream.rows["complexity"][at]
            told.append(f"{stream.name}, window {at}: complexity must be {expected[at]:.4f}, got {got:.4f}")
    return told


def _complexity(
    stream: Stream, source: bytes, encoder: Encoder, begins_name: np.ndarray, window: int
) -> np.ndarray:
    """float64[windows of the stream]"""
    ids = np.array(stream.ids)
    edges = np.concatenate(([0], encoder.token_ends(source, ids)))
    tree = syntax.parse(stream.language, source) if syntax.has_grammar(stream.language) else None
    starts, ends = stream.rows["start"], stream.rows["start"] + stream.rows["length"]
    names = [ids[a:b][begins_name[ids[a:b]]] for a, b in zip(starts, ends, strict=True)]
    num_names = [len(set(of_window.tolist())) for of_window in names]  # `np.unique` takes ten times as long
    return features_of(source, stream.language, tree).score(
        edges[starts], edges[ends], np.array(num_names), stream.rows["length"] / window
    )


def _groups(rows: np.ndarray, keys: tuple[str, ...]) -> list[np.ndarray]:
    """Rows with equal values of `keys`, in the order of their windows."""
    if not len(rows):
        return []
    ordered = rows[np.lexsort((rows["chunk"], *(rows[key] for key in reversed(keys))))]
    changes = np.zeros(len(ordered) - 1, bool)
    for key in keys:
        changes |= ordered[key][1:] != ordered[key][:-1]
    return np.split(ordered, np.flatnonzero(changes) + 1)


def _first_difference(a: list[int], b: list[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _only_names_differ(original: str, variant: str) -> bool:
    """Equal once every name is `a`, and `a: a` (a field that had to be written out) is `a`."""

    def shape(text: str) -> str:
        return re.sub(r"\ba ?: ?a\b", "a", re.sub(r"[^\W\d]\w*", "a", text))

    return shape(original) == shape(variant)


def _only_white_space_differs(original: str, variant: str) -> bool:
    return "".join(original.split()) == "".join(variant.split())


def _only_comments_differ(original: str, variant: str) -> bool:
    """One is the other with something left out. (White space aside.)"""
    short, long = sorted(("".join(original.split()), "".join(variant.split())), key=len)
    rest = iter(long)
    return len(short) < len(long) and all(char in rest for char in short)


_RULES = {
    RENAMED: _only_names_differ,
    COMMENTS: _only_comments_differ,
    LAYOUT: _only_white_space_differs,
}
