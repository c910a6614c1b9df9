"""The later set of a finished dataset, where it has one: read as strictly as the other files, and what must hold of it.

A later row is a window of a whole file, and `scored` says which of its tokens were new. The rows are kept apart from
those of the dataset: a part of a file may be there only, because windows without new tokens are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from dataset_checks import files_are_described_once, roles_follow_paths, weights_follow_priority
from dataset_facts import LATER_SPLIT, Facts, first_few, named
from dataset_rows import SPAN_TOKENS, Bad, Layout, Problems, RowReader, parse_strictly
from dataset_windows import overlaps_agree, windows_stand_once

from effectiveness.common.boundary import open_binary
from effectiveness.common.records import LATER_FILE, METADATA_FILE, SPLITS

if TYPE_CHECKING:
    from dataset_later_texts import LaterTexts

SPAN = np.dtype([("hash", "u8"), ("file", "i4")])


@dataclass
class Later:
    """What one pass over the later file found; all empty where there is neither the file nor a word of it."""

    is_there: bool
    rows: np.ndarray
    files: list[tuple]
    scored: list[list[list[int]]]  # of each row
    spans: np.ndarray  # SPAN: those that hold a scored token, each once, sampled as the other files' are
    num_lines: int = 0
    problems: Problems = field(default_factory=Problems)
    texts: LaterTexts | None = None  # read when first asked for

    def mask(self, index: int) -> np.ndarray:
        """bool[length of the row]: which of its tokens are scored."""
        mask = np.zeros(int(self.rows[index]["length"]), bool)
        for first, last in self.scored[index]:
            mask[first:last] = True
        return mask

    def as_facts(self, facts: Facts) -> Facts:
        """What the checks of the other files can be asked of."""
        return replace(facts, rows=self.rows, files=self.files)


def read_later(facts: Facts) -> Later:
    """The rows of the later file."""
    path, layout = facts.directory / LATER_FILE, facts.layout
    said = facts.metadata.get("later_sequences", 0)
    later = Later(
        layout is not None and (path.is_file() or said != 0), np.zeros(0), [], [], np.zeros(0, SPAN)
    )
    if not later.is_there:
        return later
    reader, rows, spans = RowReader(layout, LATER_SPLIT), [], [later.spans]
    if path.is_file():
        for number, offset, line in _lines(path, layout):
            later.num_lines = number
            try:
                row, scored, hashes = _read(reader, line, layout)
            except Bad as bad:
                later.problems.add(*bad.args, LATER_FILE, number)
                continue
            rows.append((LATER_SPLIT, number, offset, *row))
            later.scored.append(scored)
            spans.append(hashes)
    else:
        later.problems.add("json", f"the file is missing, {METADATA_FILE} says {said} rows", LATER_FILE)
    later.rows, later.files = np.array(rows, layout.row_dtype()), list(reader.files)
    later.spans = np.unique(np.concatenate(spans))
    return later


def _lines(path: Path, layout: Layout):
    offset = 0
    with open_binary(path) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(layout.longest_line + 1), b""), 1):
            yield number, offset, line
            offset += len(line)


def _read(reader: RowReader, line: bytes, layout: Layout) -> tuple[tuple, list[list[int]], np.ndarray]:
    """(facts of the row, its ranges, SPAN records of the spans that hold a scored token). Raises Bad."""
    if len(line) > layout.longest_line:
        raise Bad("memory", f"line of more than {layout.longest_line:,} bytes")
    row = parse_strictly(line)
    metadata = row.get("metadata") if type(row) is dict else None
    if type(metadata) is not dict or "scored" not in metadata:
        raise Bad("json", "a row of the later set must say which of its tokens are new: metadata.scored")
    scored = metadata.pop("scored")
    found, _ = reader.read_row(row, line)
    if found[0] != 0:
        raise Bad("types", "the later set holds originals only")
    _check_ranges(scored, metadata["length"])
    hashes = reader.span_hashes(np.array(row["tokens"][: metadata["length"]], np.int32))
    holds_scored = np.zeros(len(hashes), bool)
    for first, last in scored:
        holds_scored[max(0, first - SPAN_TOKENS + 1) : last] = True
    sampled = np.unique(reader.sampled(hashes[holds_scored]))
    spans = np.empty(len(sampled), SPAN)
    spans["hash"], spans["file"] = sampled, found[1]
    return found, scored, spans


def _check_ranges(scored: object, length: int) -> None:
    if type(scored) is not list or not scored:
        raise Bad("windows", f"scored must be a list of ranges, at least one, got {scored!r:.60}")
    for part in scored:
        if type(part) is not list or [type(edge) for edge in part] != [int, int]:
            raise Bad("windows", f"scored must hold pairs of integers, got {part!r:.60}")
    edges = [-1, *(edge for part in scored for edge in part)]
    if edges[-1] > length or any(a >= b for a, b in pairwise(edges)):
        raise Bad(
            "windows", f"scored must be rising ranges within the row's {length} tokens, got {scored!r:.60}"
        )


# ----------------------------------------------------------- checks; each is empty without a later set


def later_of(facts: Facts) -> Later:
    if facts.later is None:
        facts.later = read_later(facts)
    return facts.later


def later_problems(*topics: str):
    def later_rows_are_sound(facts: Facts) -> list[str]:
        return later_of(facts).problems.lines(topics)

    return later_rows_are_sound


def _named(later: Later, facts: Facts, rows: list[int], say: Callable[[np.void], str]) -> list[str]:
    """The first few of these later rows with what `say` says of each."""
    return named(later.as_facts(facts), later.rows[rows], say)


def later_is_counted(facts: Facts) -> list[str]:
    """The metadata say of the later set what its rows say, and list the file."""
    later, metadata = later_of(facts), facts.metadata
    if not later.is_there:
        listed = LATER_FILE in metadata.get("files", {})
        return [f"{METADATA_FILE}: files lists {LATER_FILE}, which holds no row"] * listed
    told = [f"{METADATA_FILE}: files does not list {LATER_FILE}"] * (
        LATER_FILE not in metadata.get("files", {})
    )
    expected = {
        "later_sequences": later.num_lines,
        "later_files": len({values[0] for values in later.files}),
        "later_scored_tokens": _num_scored(later),
    }
    return told + [
        f"{METADATA_FILE}: {key} must be {value}, got {metadata.get(key)}"
        for key, value in expected.items()
        if metadata.get(key) != value
    ]


def _num_scored(later: Later) -> int:
    """Each token of a file once, however many windows hold it."""
    places = set()
    for row, scored in zip(later.rows, later.scored, strict=True):
        for first, last in scored:
            places.update((int(row["file"]), int(row["start"]) + at) for at in range(first, last))
    return len(places)


def later_files_are_described(facts: Facts) -> list[str]:
    return files_are_described_once(later_of(facts).as_facts(facts))


def later_weights_follow(facts: Facts) -> list[str]:
    return weights_follow_priority(later_of(facts).as_facts(facts))


def later_roles_follow(facts: Facts) -> list[str]:
    return roles_follow_paths(later_of(facts).as_facts(facts))


def later_windows_agree(facts: Facts) -> list[str]:
    """Windows of a file read the same where they overlap, and agree on what is new there."""
    later = later_of(facts)
    if not len(later.rows):
        return []
    told = (
        windows_stand_once(later.as_facts(facts)) + overlaps_agree(later.as_facts(facts)) + _disorder(facts)
    )
    order = np.lexsort((later.rows["start"], later.rows["file"]))
    wrong = []
    for a, b in pairwise(order.tolist()):
        one, other = later.rows[a], later.rows[b]
        shared = int(one["start"]) + int(one["length"]) - int(other["start"])
        if one["file"] == other["file"] and shared > 0:
            left, right = later.mask(a)[-shared:], later.mask(b)[:shared]
            wrong += [b] * (not np.array_equal(left, right))
    return told + _named(later, facts, wrong, lambda row: "the window before it calls other tokens new")


def _disorder(facts: Facts) -> list[str]:
    """Rows of a file stand together, in the order of their windows."""
    later = later_of(facts)
    last_start: dict[int, int] = {}  # of each file so far
    before, wrong = None, []
    for index, (file, start) in enumerate(later.rows[["file", "start"]].tolist()):
        if (file in last_start and file != before) or start <= last_start.get(file, -1):
            wrong.append(index)
        last_start[file], before = start, file
    return _named(later, facts, wrong, lambda row: "stands behind a row that comes after it in its file")


def later_stands_nowhere_else(facts: Facts) -> list[str]:
    """No later row equals a row of the dataset or another later row; their seq_ids go on where the others end."""
    later = later_of(facts)
    if not later.is_there:
        return []
    seen, wrong = set(map(tuple, facts.rows["digest"].tolist())), []
    for index, digest in enumerate(map(tuple, later.rows["digest"].tolist())):
        wrong += [index] * (digest in seen)
        seen.add(digest)
    told = _named(later, facts, wrong, lambda row: "the same tokens stand in an earlier row")
    expected = len(facts.rows) + later.rows["line"] - 1
    odd = np.flatnonzero(later.rows["seq_id"] != expected).tolist()
    first_id = len(facts.rows) - 1
    return told + _named(
        later, facts, odd, lambda row: f"seq_id must be {first_id + int(row['line'])}, got {row['seq_id']}"
    )


def later_scores_nothing_known(facts: Facts) -> list[str]:
    """No 50-token span that holds a scored token stands in the dataset, or in two files of the later set."""
    later, told = later_of(facts), []
    if not later.is_there:
        return []
    for split, name in enumerate(SPLITS):
        told += _shared(later, np.isin(later.spans["hash"], facts.spans[split]), f"stand in {name}")
    hashes = later.spans["hash"]  # in order
    repeated = np.zeros(len(hashes), bool)
    repeated[1:] = hashes[1:] == hashes[:-1]  # each file names a span once
    return first_few(told + _shared(later, repeated, "are scored in another file"))


def _shared(later: Later, is_shared: np.ndarray, how: str) -> list[str]:
    counts = np.bincount(later.spans["file"][is_shared], minlength=len(later.files))
    return [
        f"{LATER_FILE}: {later.files[file][0]}: {counts[file]} spans that hold scored tokens also {how}"
        for file in np.flatnonzero(counts).tolist()
    ]
