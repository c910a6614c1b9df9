"""Reads a finished dataset once and keeps what the checks need: some 150 bytes a row and no tokens, so that a
dataset of millions of rows is checked in a few hundred megabytes. Two processes read when it pays.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from dataset_metadata import read_metadata
from dataset_rows import FILE_KEYS, SHOWN_PER_TOPIC, Bad, Layout, Problems, RowReader

if TYPE_CHECKING:
    from dataset_later import Later
    from dataset_texts import Findings

from effectiveness.common.boundary import open_binary, read_bytes
from effectiveness.common.records import DATASET_FILES, LATER_FILE, METADATA_FILE, SPLITS, VARIANTS

PART_BYTES = 8 << 20
FLUSH_ROWS = 4096
LATER_SPLIT = len(SPLITS)  # in a row's `split`: the later set, which is no split of the dataset
FILE_OF_SPLIT = (*DATASET_FILES.values(), LATER_FILE)
EXACT_BYTES = 16 << 20  # up to this size all spans of text are compared, beyond it a sample


@dataclass(frozen=True)
class Part:
    """A byte range of one file, of whole lines."""

    split: int
    path: Path
    begin: int
    end: int


@dataclass
class PartFacts:
    rows: np.ndarray
    files: list[tuple]  # values of FILE_KEYS; a row's `file` indexes them
    spans: np.ndarray  # uint64 hashes, distinct
    problems: Problems
    num_lines: int
    longest_line: int
    grown_bytes: int  # how much memory rose while reading, without what is kept


@dataclass
class Facts:
    """Everything known about a dataset after one pass."""

    directory: Path
    metadata: dict
    layout: Layout | None
    problems: Problems
    rows: np.ndarray | None = None  # in the order train, val, test; within a file in the order of its lines
    files: list[tuple] = field(default_factory=list)
    spans: dict[int, np.ndarray] = field(default_factory=dict)  # split -> sorted hashes of 50-token spans
    num_bytes: dict[str, int] = field(default_factory=dict)
    longest_line: int = 0
    grown_bytes: int = 0
    texts: Findings | None = None  # read when first asked for
    later: Later | None = None  # read when first asked for


# ----------------------------------------------------------- one part of a file


def read_part(part: Part, layout: Layout) -> PartFacts:
    """Reads the lines of a byte range; runs in a worker process."""
    reader, problems = RowReader(layout, part.split), Problems()
    name, rows, spans, blocks = part.path.name, [], [], []
    longest, number, offset, before = 0, 0, part.begin, _peak_bytes()
    with open_binary(part.path) as stream:
        stream.seek(part.begin)
        while offset < part.end:
            line = stream.readline(layout.longest_line + 1)
            number += 1
            longest = max(longest, len(line))
            try:
                if len(line) > layout.longest_line:
                    raise Bad("memory", f"line of more than {layout.longest_line:,} bytes")
                facts, sampled = reader.read(line)
                rows.append((part.split, number, offset, *facts))
                spans.append(sampled)
            except Bad as bad:
                topic, message = bad.args
                problems.add(topic, message, name, number)
            offset += len(line)
            if len(rows) == FLUSH_ROWS:
                blocks.append(np.array(rows, layout.row_dtype()))
                spans = [_distinct(np.concatenate(spans))]
                rows.clear()
    blocks.append(np.array(rows, layout.row_dtype()))
    kept = np.concatenate(blocks)
    distinct = _distinct(np.concatenate([np.zeros(0, np.uint64), *spans]))
    grown = max(0, _peak_bytes() - before - 2 * kept.nbytes - 2 * distinct.nbytes)
    return PartFacts(kept, list(reader.files), distinct, problems, number, longest, grown)


def _distinct(values: np.ndarray) -> np.ndarray:
    """Sorted, each once. (`np.unique` of 64-bit integers builds a hash table and takes ten times as long.)"""
    ordered = np.sort(values)
    is_new = np.ones(len(ordered), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_new]


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def parts_of(directory: Path) -> list[Part]:
    """The three files as ranges of about 8 MiB that end with a line."""
    parts = []
    for split, name in enumerate(SPLITS):
        path = directory / DATASET_FILES[name]
        if not path.is_file():
            continue
        size, begin = path.stat().st_size, 0
        with open_binary(path) as stream:
            while begin < size:
                stream.seek(min(begin + PART_BYTES, size) - 1)
                stream.readline()
                parts.append(Part(split, path, begin, stream.tell()))
                begin = stream.tell()
    return parts


# ----------------------------------------------------------- the whole


def read_facts(directory: Path) -> Facts:
    """One pass over everything in `directory`."""
    problems = Problems()
    metadata = read_metadata(directory, problems)
    layout = _read_layout(directory, metadata, problems)
    facts = Facts(directory, metadata, layout, problems)
    for name in DATASET_FILES.values():
        path = directory / name
        facts.num_bytes[name] = path.stat().st_size if path.is_file() else 0
        if not path.is_file():
            problems.add("json", "the file is missing", name)
    if layout is not None:
        _read_rows(facts, layout)
    return facts


def _read_rows(facts: Facts, layout: Layout) -> None:
    parts = parts_of(facts.directory)
    index: dict[tuple, int] = {}
    blocks, spans = (
        [np.zeros(0, layout.row_dtype())],
        {split: [np.zeros(0, np.uint64)] for split in range(len(SPLITS))},
    )
    lines_before = dict.fromkeys(range(len(SPLITS)), 0)
    for part, found in zip(parts, _read_parts(parts, layout), strict=True):
        facts.problems.merge(found.problems, lines_before[part.split])
        found.rows["line"] += lines_before[part.split]
        lines_before[part.split] += found.num_lines
        places = np.array([index.setdefault(key, len(index)) for key in found.files], dtype="i4")
        found.rows["file"] = places[found.rows["file"]] if len(places) else 0
        blocks.append(found.rows)
        spans[part.split].append(found.spans)
        facts.longest_line = max(facts.longest_line, found.longest_line)
        facts.grown_bytes = max(facts.grown_bytes, found.grown_bytes)
    facts.rows, facts.files = np.concatenate(blocks), list(index)
    facts.spans = {split: _distinct(np.concatenate(found)) for split, found in spans.items()}


def _read_parts(parts: list[Part], layout: Layout) -> Iterator[PartFacts]:
    if sum(part.end - part.begin for part in parts) <= 2 * PART_BYTES or (os.cpu_count() or 1) == 1:
        yield from (read_part(part, layout) for part in parts)
        return
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(read_part, parts, [layout] * len(parts))


def _read_layout(directory: Path, metadata: dict, problems: Problems) -> Layout | None:
    """What the metadata says about the shape of a row, or None with the reason among the problems."""
    names = ("max_tokens_per_sequence", "overlap_tokens", "vocab_size", "pad_token_id", "mask_token_id")
    if not all(name in metadata for name in names):
        return None
    window, overlap, vocab_size, pad_id, mask_id = (metadata[name] for name in names)
    if not (8 <= window <= 1 << 20 and 0 <= overlap < window and 2 < vocab_size < 1 << 31):
        problems.add("metadata", f"no window of {window} tokens with an overlap of {overlap}", METADATA_FILE)
        return None
    controls = _control_ids(directory / "tokenizer" / "tokenizer.json", problems)
    sizes = [path.stat().st_size for name in DATASET_FILES.values() if (path := directory / name).is_file()]
    sample_bits = max(0, sum(sizes) // EXACT_BYTES).bit_length()
    return Layout(window, window - overlap, vocab_size, pad_id, mask_id, frozenset(controls), sample_bits)


def _control_ids(path: Path, problems: Problems) -> set[int]:
    try:
        return {int(token["id"]) for token in json.loads(read_bytes(path))["added_tokens"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.add("metadata", f"no list of added tokens: {error!r}", "tokenizer/tokenizer.json")
        return set()


# ----------------------------------------------------------- asking and telling


def first_few(lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    hidden = len(lines) - SHOWN_PER_TOPIC
    return lines[:SHOWN_PER_TOPIC] + [f"... and {hidden:,} more"] * (hidden > 0)


def where(facts: Facts, row: np.void) -> str:
    """File and line of a row, and what it is a window of."""
    path = facts.files[row["file"]][0]
    name = FILE_OF_SPLIT[row["split"]]
    return (
        f"{name}:{row['line']} ({path}, {VARIANTS[row['variant']]}, window {row['chunk']} of {row['total']})"
    )


def named(facts: Facts, rows: np.ndarray, say: Callable[[np.void], str]) -> list[str]:
    """The first few of `rows` with what `say` says of each."""
    shown = [f"{where(facts, row)}: {say(row)}" for row in rows[:SHOWN_PER_TOPIC]]
    return shown + [f"... and {len(rows) - SHOWN_PER_TOPIC:,} more"] * (len(rows) > SHOWN_PER_TOPIC)


def path_ids(facts: Facts) -> np.ndarray:
    """file index -> number of its path (a path has one file index unless its rows contradict each other)."""
    index: dict[str, int] = {}
    return np.array([index.setdefault(values[0], len(index)) for values in facts.files], dtype=np.int64)


def file_values(facts: Facts, key: str) -> np.ndarray:
    return np.array([values[FILE_KEYS.index(key)] for values in facts.files])


def role_masks(facts: Facts) -> dict[str, np.ndarray]:
    """role -> bool[rows]"""
    is_core, is_test = (file_values(facts, key)[facts.rows["file"]] for key in ("is_core", "is_test"))
    return {"core": is_core & ~is_test, "util": ~is_core & ~is_test, "test": is_test}
