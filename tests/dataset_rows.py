"""One line of a dataset, looked at as strictly as can be: what is wrong with it, and what is worth keeping.

Nothing here trusts the writer. A line is parsed strictly, every id is looked at, and what is kept of a row's
tokens are digests: one of the row, one of what it was before masking, and one for every stretch of
`W - overlap` tokens that starts at a multiple of it in the file, so that overlapping windows can be compared
without holding them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import orjson

from effectiveness.common.records import VARIANTS

MASKED = VARIANTS.index("token_masking")
NO_LABELS = [-100]  # never empty: a reader that infers types from the first rows would find none
SPAN_TOKENS = 50  # what counts as copied text between two splits
SHOWN_PER_TOPIC = 12

FILE_KEYS = (
    "source_file",
    "directory",
    "file_extension",
    "language",
    "is_core",
    "is_test",
    "priority",
    "weight",
)
FILE_TYPES = [str, str, str, str, bool, bool, str, float]
ROW_KEYS = (
    "seq_id",
    "chunk_index",
    "total_chunks",
    "start_token",
    "length",
    "complexity",
    "augmentation_type",
)
ROW_TYPES = [int, int, int, int, int, float, str]
METADATA_KEYS = frozenset(FILE_KEYS + ROW_KEYS)


class Bad(Exception):
    """One thing that is wrong with one row: `Bad(topic, message)`."""


@dataclass
class Problems:
    """What is wrong, by topic: the first few in words, all of them counted."""

    shown: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)

    def add(self, topic: str, message: str, file: str = "", line: int = 0) -> None:
        self.counts[topic] += 1
        shown = self.shown.setdefault(topic, [])
        if len(shown) < SHOWN_PER_TOPIC:
            shown.append((file, line, message))

    def merge(self, other: Problems, lines_before: int) -> None:
        for topic, found in other.shown.items():
            for file, line, message in found[: SHOWN_PER_TOPIC - len(self.shown.get(topic, []))]:
                self.shown.setdefault(topic, []).append((file, line and line + lines_before, message))
        self.counts.update(other.counts)

    def lines(self, topics: tuple[str, ...]) -> list[str]:
        """Every problem of these topics as `file:line: what, expected, got`."""
        told = []
        for topic in topics:
            for file, line, message in self.shown.get(topic, []):
                where = f"{file}:{line}: " if line else f"{file}: " if file else ""
                told.append(where + message)
            hidden = self.counts[topic] - len(self.shown.get(topic, []))
            if hidden > 0:
                told.append(f"... and {hidden:,} more of this kind ({topic})")
        return told


@dataclass(frozen=True)
class Layout:
    """What one must know to read a row."""

    window: int
    stride: int
    vocab_size: int
    pad_id: int
    mask_id: int
    control_ids: frozenset[int]  # added tokens: none of them is text of a file
    sample_bits: int = 0  # one span of text in 2**sample_bits is compared between splits

    @property
    def segments(self) -> int:
        return self.window // self.stride

    @property
    def longest_line(self) -> int:
        """Bytes: tokens and labels with separators, and 32 KiB for names (a path has at most 4,096 bytes)."""
        return 2 * self.window * (len(str(self.vocab_size)) + 2) + (32 << 10)

    def row_dtype(self) -> np.dtype:
        return np.dtype(
            [
                ("split", "u1"),
                ("line", "i4"),
                ("offset", "i8"),
                ("variant", "u1"),
                ("file", "i4"),
                ("seq_id", "i8"),
                ("chunk", "i4"),
                ("total", "i4"),
                ("start", "i8"),
                ("length", "i4"),
                ("complexity", "f8"),
                ("digest", "u8", (2,)),  # of the tokens
                ("unmasked", "u8", (2,)),  # of the labels in a masked row, else of the tokens
                ("segments", "u8", (self.segments,)),  # 0 where the window holds no such stretch
            ]
        )


# ----------------------------------------------------------- one row


class RowReader:
    """Turns the lines of one part into facts. `read` raises `Bad`."""

    def __init__(self, layout: Layout, split: int):
        self.layout, self.split = layout, split
        self.files: dict[tuple, int] = {}
        self.multipliers = _multipliers(layout.stride)
        step = np.uint64(0x9E3779B97F4A7C15)
        self.powers = np.cumprod(np.full(layout.window + 1, step, np.uint64))
        self.is_control = np.isin(np.arange(layout.vocab_size), sorted(layout.control_ids))

    def read(self, line: bytes) -> tuple[tuple, np.ndarray]:
        """-> (facts, in the order of the fields after `offset`; sampled hashes of spans)."""
        return self.read_row(parse_strictly(line), line)

    def read_row(self, row: object, line: bytes) -> tuple[tuple, np.ndarray]:
        metadata, variant = self._metadata(row)
        ids = self._ids(row, "tokens", line)
        length, start = metadata["length"], metadata["start_token"]
        self._position(metadata)
        self._padding(ids, length, "tokens")
        text_ids = ids
        if variant == MASKED:
            text_ids = self._ids(row, "labels", line)
            self._padding(text_ids, length, "labels")
            self._masks(ids, text_ids)
        self._no_controls(text_ids[:length])
        key = tuple(metadata[name] for name in FILE_KEYS)
        file = self.files.setdefault(key, len(self.files))
        digest = digest_of(ids)
        facts = (
            variant,
            file,
            metadata["seq_id"],
            metadata["chunk_index"],
            metadata["total_chunks"],
            start,
            length,
            metadata["complexity"],
            digest,
            digest if variant != MASKED else digest_of(text_ids),
            self._segments(text_ids, start, metadata["total_chunks"]),
        )
        return facts, self.spans(text_ids[:length], variant)

    def _metadata(self, row: object) -> tuple[dict, int]:
        if type(row) is not dict or type(row.get("metadata")) is not dict:
            raise Bad("json", 'expected an object {"tokens": [...], "metadata": {...}}')
        metadata = row["metadata"]
        if metadata.keys() != METADATA_KEYS:
            raise Bad("json", _key_difference("metadata", METADATA_KEYS, metadata.keys()))
        for names, types in ((FILE_KEYS, FILE_TYPES), (ROW_KEYS, ROW_TYPES)):
            if [type(metadata[name]) for name in names] != types:
                raise Bad("json", _type_difference(metadata, names, types))
        if metadata["augmentation_type"] not in VARIANTS:
            raise Bad(
                "types",
                f"unknown augmentation_type {metadata['augmentation_type']!r}, expected one of {VARIANTS}",
            )
        variant = VARIANTS.index(metadata["augmentation_type"])
        expected = {"tokens", "metadata", "labels"}
        if row.keys() != expected:
            topic = "masks" if "labels" in row.keys() ^ expected else "json"
            raise Bad(topic, _key_difference("a row", expected, row.keys()))
        if variant != MASKED and (row["labels"] != NO_LABELS or type(row["labels"][0]) is not int):
            raise Bad(
                "masks",
                f"labels of a row of type {VARIANTS[variant]} must be {NO_LABELS}, got {row['labels']!r:.60}",
            )
        return metadata, variant

    def _ids(self, row: dict, name: str, line: bytes) -> np.ndarray:
        """int32[window] of `tokens` or `labels`."""
        tokens = row[name]
        if type(tokens) is not list or not tokens:
            raise Bad("tokens", f"{name} must be a list of {self.layout.window} ids, got {tokens!r:.60}")
        try:
            ids = np.array(tokens)
        except ValueError:  # lists among the integers
            _refuse_other_types(tokens, name)
            raise
        if (
            ids.ndim != 1
            or ids.dtype != np.int64
            or orjson.dumps(ids, option=orjson.OPT_SERIALIZE_NUMPY) not in line
        ):
            _refuse_other_types(tokens, name)  # or written with blanks; a boolean is an integer to numpy
        if len(tokens) != self.layout.window:
            raise Bad("tokens", f"{name} must hold {self.layout.window} ids, got {len(tokens)}")
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= self.layout.vocab_size:
            odd = low if low < 0 else high
            raise Bad("tokens", f"{name} must be in [0, {self.layout.vocab_size}), got {odd}")
        return ids.astype(np.int32)

    def _position(self, metadata: dict) -> None:
        """Windows start every `stride` tokens, the last ends with the file; only a short file is padded."""
        window, stride = self.layout.window, self.layout.stride
        chunk, total = metadata["chunk_index"], metadata["total_chunks"]
        start, length = metadata["start_token"], metadata["length"]
        if not 0 <= chunk < total:
            raise Bad("windows", f"chunk_index must be in [0, total_chunks), got {chunk} of {total}")
        if not 1 <= length <= window:
            raise Bad("padding", f"length must be in [1, {window}], got {length}")
        if total > 1 and length != window:
            raise Bad(
                "padding",
                f"only a file of one window may be padded, got length {length} in window {chunk} of {total}",
            )
        first, last = chunk * stride, chunk * stride
        if chunk and chunk == total - 1:
            first = last - stride + 1
        if not first <= start <= last:
            expected = f"{last}" if first == last else f"{first} to {last}"
            raise Bad("windows", f"start_token of window {chunk} of {total} must be {expected}, got {start}")

    def _padding(self, ids: np.ndarray, length: int, name: str) -> None:
        is_pad = ids == self.layout.pad_id
        if is_pad[:length].any():
            at = int(is_pad[:length].argmax())
            raise Bad("padding", f"{name}: padding id at position {at}, before length {length}")
        if not is_pad[length:].all():
            at = length + int((~is_pad[length:]).argmax())
            raise Bad("padding", f"{name}: id {ids[at]} at position {at}, where length {length} says padding")

    def _masks(self, ids: np.ndarray, labels: np.ndarray) -> None:
        masked, kept = ids == self.layout.mask_id, ids == labels
        if not masked.any():
            raise Bad("masks", "a masked row holds no mask")
        if not (masked | kept).all():
            at = int((masked | kept).argmin())
            raise Bad(
                "masks", f"position {at} is neither the mask nor its label: {ids[at]}, label {labels[at]}"
            )
        if masked.sum() == (labels != self.layout.pad_id).sum():
            raise Bad("masks", "every token of the row is masked, so there is nothing to fill the gap from")

    def _no_controls(self, ids: np.ndarray) -> None:
        if (ids == self.layout.mask_id).any():
            raise Bad("masks", "the mask id stands where the original text should")
        controls = self.is_control[ids]
        if controls.any():
            at = int(controls.argmax())
            raise Bad(
                "tokens",
                f"control id {ids[at]} at position {at}: text of a file never becomes a control token",
            )

    def _segments(self, ids: np.ndarray, start: int, total: int) -> np.ndarray:
        """A hash of every whole stretch of `stride` tokens that begins at a multiple of it in the file."""
        hashes = np.zeros(self.layout.segments, np.uint64)
        if total > 1:
            skip = -start % self.layout.stride
            count = (self.layout.window - skip) // self.layout.stride
            pieces = (
                ids[skip : skip + count * self.layout.stride]
                .reshape(count, self.layout.stride)
                .astype(np.uint64)
            )
            hashes[:count] = (pieces * self.multipliers).sum(axis=1)
        return hashes

    def spans(self, ids: np.ndarray, variant: int) -> np.ndarray:
        """Hashes of 50-token spans, one in 2**sample_bits, chosen by the hash so that copies are chosen alike.

        Of train all that a model is shown counts (of masked rows the labels), of val and test the originals.
        """
        if self.split != 0 and variant != 0:
            return np.zeros(0, np.uint64)
        return self.sampled(self.span_hashes(ids))

    def span_hashes(self, ids: np.ndarray) -> np.ndarray:
        """uint64[len(ids) - 49]: a hash of the span that begins at each token."""
        if len(ids) < SPAN_TOKENS:
            return np.zeros(0, np.uint64)
        terms = (ids.astype(np.uint64) + np.uint64(1)) * self.powers[: len(ids)]  # (id + 1) * p^(i + 1)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms)])
        count = len(ids) - SPAN_TOKENS + 1
        return (sums[SPAN_TOKENS:] - sums[:count]) * self.powers[::-1][:count]  # the place cancels out

    def sampled(self, hashes: np.ndarray) -> np.ndarray:
        if not self.layout.sample_bits:
            return hashes
        return hashes[hashes < np.uint64(1 << 63) >> np.uint64(self.layout.sample_bits - 1)]


def _multipliers(count: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(20)).integers(0, 2**63, count, dtype=np.uint64) | np.uint64(1)


def digest_of(ids: np.ndarray) -> tuple[int, int]:
    raw = hashlib.blake2b(ids.tobytes(), digest_size=16).digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def _key_difference(what: str, expected: Iterable[str], got: Iterable[str]) -> str:
    missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    told = [f"misses {', '.join(missing)}"] * bool(missing) + [f"has the unknown {', '.join(extra)}"] * bool(
        extra
    )
    return f"{what} {' and '.join(told)}"


def _type_difference(metadata: dict, names: tuple[str, ...], types: list[type]) -> str:
    name, kind = next((n, t) for n, t in zip(names, types, strict=True) if type(metadata[n]) is not t)
    return f"{name} must be of type {kind.__name__}, got {metadata[name]!r:.60}"


def _refuse_other_types(tokens: list, name: str) -> None:
    for at, token in enumerate(tokens):
        if type(token) is not int:
            raise Bad("tokens", f"{name} must be integers, got {token!r:.60} at position {at}")


# ----------------------------------------------------------- one line


def parse_strictly(line: bytes) -> object:
    """One JSON value of RFC 8259 (no NaN, no lone surrogate, valid UTF-8), no key twice, LF at the end."""
    if not line.endswith(b"\n"):
        raise Bad("json", "the last line has no newline at its end")
    if line.endswith(b"\r\n"):
        raise Bad("json", "the line ends in CR LF, expected LF")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Bad("json", f"not strict JSON: {error}") from None
    if orjson.dumps(value) != line[:-1]:  # written otherwise, which may hide a key that stands twice
        json.loads(line, object_pairs_hook=no_key_twice)
    return value


def no_key_twice(pairs: list[tuple[str, object]]) -> dict:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Bad("json", f"the key {max(keys, key=keys.count)!r} stands twice in one object")
    return dict(pairs)
