"""Files put together again from their windows and read as text: all of a dataset of a few million tokens, of a larger
one a sample of so many.

What digests of windows cannot show, text can: ids that no tokenizer would give, a variant that is none, a
complexity that belongs to another window, masks that were never drawn. Files are taken in an order that depends on
their names only, until `BUDGET_TOKENS` are read; the share that was read is part of the result. Everything is worked
out again from the text, so an honest dataset never fails; in a sample, damage to files outside of it is not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
from dataset_borrowed import Borrowed
from dataset_checks import is_among
from dataset_facts import Facts
from dataset_rows import MASKED, SHOWN_PER_TOPIC, digest_of
from dataset_variants import RULES, line_ends_differ

from effectiveness.common.boundary import open_binary, read_bytes
from effectiveness.common.records import DATASET_FILES, ORIGINAL, SPLITS, VARIANTS
from effectiveness.common.seeding import rng_for
from effectiveness.corpus.augment.masking import MIN_TOKENS, MaskableNodes, mask_window
from effectiveness.corpus.curriculum import features_of
from effectiveness.corpus.rows.variants import content_key
from effectiveness.corpus.tokenization import Encoder, TokenizerError
from effectiveness.languages import LANGUAGES, syntax

BUDGET_TOKENS = 2_000_000
COMPLEXITY_TOLERANCE = 2e-4  # it is written with four places


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


@dataclass
class Findings:
    """What is wrong, by topic: the first few in words, all of them counted; and how much was read."""

    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter = field(default_factory=Counter)
    num_read: int = 0  # rows of the files that were read
    num_rows: int = 0

    def add(self, topic: str, lines: list[str]) -> None:
        self.counts[topic] += len(lines)
        self.told[topic] += lines[: max(0, SHOWN_PER_TOPIC - len(self.told[topic]))]

    def lines(self, *topics: str) -> list[str]:
        found = []
        for topic in topics:
            found += self.told[topic]
            hidden = self.counts[topic] - len(self.told[topic])
            found += [f"... and {hidden:,} more"] * (hidden > 0)
        return found

    @property
    def share(self) -> float:
        """Of the rows, 0 to 1."""
        return self.num_read / max(1, self.num_rows)


class Reader:
    """Reads the files of a dataset one after another, and looks at each."""

    def __init__(self, facts: Facts):
        self._facts, self._window = facts, facts.layout.window
        self._tokenizer, self._judge = plain_tokenizer(facts.directory), Judge(facts.directory, self._window)
        self._borrowed = Borrowed(facts.rows, facts.layout)
        self._known = np.sort(facts.rows["digest"][:, 0])  # 64 bits of each: enough to tell rows apart
        self._seed = facts.metadata.get("seed", 0)
        self._is_masked = VARIANTS[MASKED] in facts.metadata.get("augmentation_techniques", [])
        paths = [facts.directory / DATASET_FILES[name] for name in SPLITS]
        self._open = {split: open_binary(path) for split, path in enumerate(paths) if path.is_file()}
        self.found = Findings(num_rows=len(facts.rows))

    def read(self) -> Findings:
        try:
            left = BUDGET_TOKENS
            for path, groups in self._by_path():
                if left <= 0:
                    break
                left -= sum(int(group["length"].sum()) // 4 for group in groups)
                self.found.num_read += sum(map(len, groups))
                self._look_at(path, groups)
        finally:
            for stream in self._open.values():
                stream.close()
        return self.found

    def _by_path(self) -> list[tuple[str, list[np.ndarray]]]:
        """(path, the rows of each of its texts), in an order that the paths draw."""
        found: dict[str, list[np.ndarray]] = defaultdict(list)
        for group in _groups(self._facts.rows, ("file", "variant")):
            found[self._facts.files[group["file"][0]][0]].append(group)
        return sorted(found.items(), key=lambda item: hashlib.sha256(item[0].encode()).digest())

    def _look_at(self, path: str, groups: list[np.ndarray]) -> None:
        language = self._facts.files[groups[0]["file"][0]][3]
        texts = {}
        for group in groups:
            if (variant := int(group["variant"][0])) != MASKED and (
                stream := self._join(path, language, group)
            ):
                texts[variant] = (stream, self._tokenizer.decode(stream.ids, skip_special_tokens=False))
        original = texts.get(VARIANTS.index(ORIGINAL))
        for stream, text in texts.values():
            self._tell("ids", self._misencoded(stream, text))
            self._tell("left out", self._left_out(stream))
            self._tell("complexity", self._judge.misjudged(stream, text))
            if original and stream is not original[0]:
                self._tell("variants", _untrue(stream, text, original[1]))
        if original and self._is_masked:
            masked = [group for group in groups if group["variant"][0] == MASKED]
            self._tell("masks", self._mismasked(*original, np.concatenate([original[0].rows[:0], *masked])))

    def _tell(self, topic: str, lines: Iterator[str]) -> None:
        self.found.add(topic, list(lines))

    def _join(self, path: str, language: str, group: np.ndarray) -> Stream | None:
        """The windows, joined; None for a text that lost tokens with a window, or is told twice."""
        ids: list[int] = []
        borrowed = self._borrowed.before(group[0])
        starts = [number * self._facts.layout.stride for number in range(len(borrowed))]
        if len(borrowed) < group["chunk"][0]:
            return None
        for row, start in zip([*borrowed, *group], [*starts, *group["start"].tolist()], strict=True):
            if start > len(ids) or (start == 0 and ids):
                return None
            tokens = self._tokens(row)[: int(row["length"])]
            if tokens[: len(ids) - start] != ids[start:]:
                name = DATASET_FILES[SPLITS[row["split"]]]
                self.found.add(
                    "ids", [f"{name}:{row['line']}: other tokens than the windows before it in {path}"]
                )
                return None
            ids += tokens[len(ids) - start :]
        is_whole = group["chunk"][-1] == group["total"][-1] - 1
        return Stream(path, language, int(group["variant"][0]), group, ids) if is_whole else None

    def _tokens(self, row: np.void) -> list[int]:
        stream = self._open[int(row["split"])]
        stream.seek(int(row["offset"]))
        return orjson.loads(stream.readline())["tokens"]

    def _misencoded(self, stream: Stream, text: str) -> Iterator[str]:
        """Whether its ids are those the tokenizer gives for it."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if ids != stream.ids:
            at = _first_difference(ids, stream.ids)
            yield f"{stream.name}: token {at} is not what the tokenizer makes of the text there"

    def _left_out(self, stream: Stream) -> Iterator[str]:
        """Windows that are not there, though no row equals them."""
        stride, ids = self._facts.layout.stride, np.array(stream.ids, np.int32)
        for chunk in sorted(
            set(range(int(stream.rows["total"][0]) - 1)) - set(stream.rows["chunk"].tolist())
        ):
            if not self._is_known(digest_of(ids[chunk * stride :][: self._window])):
                yield f"{stream.name}: window {chunk} is not there, and no row equals it"

    def _is_known(self, digest: tuple[int, int]) -> bool:
        """Whether a row of the dataset has it."""
        return bool(is_among(np.array(digest[:1], np.uint64), self._known)[0])

    def _mismasked(self, stream: Stream, text: str, masked: np.ndarray) -> Iterator[str]:
        """Masked windows that hide other tokens than were drawn for them, and those that are not there."""
        source, ids = text.encode(), np.array(stream.ids, np.int32)
        if min(len(ids), self._window) < MIN_TOKENS:
            return
        tree = self._judge.parse(stream.language, source)
        table = syntax.table_of(tree) if tree is not None else None
        nodes = MaskableNodes(source, table, self._judge.token_ends(source, ids))
        written = {int(row["start"]): tuple(row["digest"].tolist()) for row in masked}
        for start, length in stream.rows[["start", "length"]].tolist():
            rng = rng_for(self._seed, VARIANTS[MASKED], content_key(source), start)
            drawn = mask_window(ids, start, length, nodes, self._facts.layout.mask_id, rng)
            padding = np.full(self._window - length, self._facts.layout.pad_id, np.int32)
            digest = digest_of(np.concatenate((drawn, padding)))
            if written.get(start, digest) != digest:
                yield f"{stream.name}: the masked window at token {start} hides other tokens than the seed draws"
            elif start not in written and not self._is_known(digest):
                yield f"{stream.name}: the masked window at token {start} is not there, and no row equals it"


def _untrue(stream: Stream, text: str, original: str) -> Iterator[str]:
    """A variant that is not what its type says (see `RULES`), or whose lines end otherwise."""
    if text == original:
        yield f"{stream.name}: equals its original"
    elif not RULES[stream.variant](original, text):
        yield f"{stream.name}: differs from its original by more than its type allows"
    if end := line_ends_differ(original, text):
        yield f"{stream.name}: has lines that end in {end}, other than its original's"


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


class Judge:
    """Works out the complexity of windows of whole texts again."""

    def __init__(self, directory: Path, window: int):
        try:
            self._encoder = Encoder(directory / "tokenizer" / "tokenizer.json")
        except TokenizerError as error:
            raise UnreadableTokenizer(f"tokenizer/tokenizer.json: {error}") from error
        self._begins_name, self._window = self._encoder.word_tokens(), window

    def misjudged(self, stream: Stream, text: str) -> Iterator[str]:
        """Windows whose complexity is not what the curriculum gives for them."""
        if stream.language not in LANGUAGES:  # told elsewhere
            return
        expected = self._complexity(stream, text.encode())
        for at in np.flatnonzero(np.abs(expected - stream.rows["complexity"]) > COMPLEXITY_TOLERANCE):
            chunk, got = stream.rows["chunk"][at], stream.rows["complexity"][at]
            yield f"{stream.name}, window {chunk}: complexity must be {expected[at]:.4f}, got {got:.4f}"

    def token_ends(self, source: bytes, ids: np.ndarray) -> np.ndarray:
        return self._encoder.token_ends(source, ids)

    def parse(self, language: str, source: bytes):
        return (
            syntax.parse(language, source) if language in LANGUAGES and syntax.has_grammar(language) else None
        )

    def _complexity(self, stream: Stream, source: bytes) -> np.ndarray:
        """float64[windows of the stream]"""
        ids = np.array(stream.ids)
        edges = np.concatenate(([0], self.token_ends(source, ids)))
        starts, ends = stream.rows["start"], stream.rows["start"] + stream.rows["length"]
        names = [ids[a:b][self._begins_name[ids[a:b]]] for a, b in zip(starts, ends, strict=True)]
        num_names = [
            len(set(of_window.tolist())) for of_window in names
        ]  # `np.unique` takes ten times as long
        features = features_of(source, stream.language, self.parse(stream.language, source))
        return features.score(
            edges[starts], edges[ends], np.array(num_names), stream.rows["length"] / self._window
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
