"""The later set of a finished dataset, where it has one: read as strictly as the other files, and what must hold of it.

A later row is a window of a whole file, and `scored` says which of its tokens were new. The rows are kept apart from
those of the dataset: a part of a file may be there only, because windows without new tokens are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from dataset_checks import files_are_described_once, roles_follow_paths, weights_follow_priority
from dataset_facts import LATER_SPLIT, Facts, first_few, named
from dataset_rows import Bad, Layout, Problems, RowReader, parse_strictly
from dataset_windows import overlaps_agree

from corpus.records import LATER_FILE, METADATA_FILE


@dataclass
class Later:
    """What one pass over the later file found; all empty where there is neither the file nor a word of it."""

    is_there: bool
    rows: np.ndarray
    files: list[tuple]
    scored: list[list[list[int]]]  # of each row
    spans: (
        np.ndarray
    )  # uint64 hashes of 50-token spans whose tokens are all scored, sampled as the other files' are
    num_lines: int = 0
    problems: Problems = field(default_factory=Problems)

    def as_facts(self, facts: Facts) -> Facts:
        """What the checks of the other files can be asked of."""
        return replace(facts, rows=self.rows, files=self.files)


def read_later(facts: Facts) -> Later:
    """The rows of the later file."""
    path, layout = facts.directory / LATER_FILE, facts.layout
    said = facts.metadata.get("later_sequences", 0)
    later = Later(
        layout is not None and (path.is_file() or said != 0), np.zeros(0), [], [], np.zeros(0, np.uint64)
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
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(layout.longest_line + 1), b""), 1):
            yield number, offset, line
            offset += len(line)


def _read(reader: RowReader, line: bytes, layout: Layout) -> tuple[tuple, list[list[int]], np.ndarray]:
    """(facts of the row, its ranges, hashes of spans within them). Raises Bad."""
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
    ids = np.array(row["tokens"], np.int32)
    parts = [reader.spans(ids[first:last], 0) for first, last in scored]
    return found, scored, np.concatenate(parts)


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
    told += [
        f"{METADATA_FILE}: {key} must be {value}, got {metadata.get(key)}"
        for key, value in expected.items()
        if metadata.get(key) != value
    ]
    return told + [
        f"{METADATA_FILE}: {key} is missing" for key in ("until", "head_commit") if key not in metadata
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
    told = overlaps_agree(later.as_facts(facts))
    order = np.lexsort((later.rows["start"], later.rows["file"]))
    wrong = []
    for a, b in pairwise(order.tolist()):
        one, other = later.rows[a], later.rows[b]
        shared = int(one["start"]) + int(one["length"]) - int(other["start"])
        if one["file"] == other["file"] and shared > 0:
            left, right = _mask(later, a)[-shared:], _mask(later, b)[:shared]
            wrong += [b] * (not np.array_equal(left, right))
    return told + named(facts, later.rows[wrong], lambda row: "the window before it calls other tokens new")


def _mask(later: Later, index: int) -> np.ndarray:
    mask = np.zeros(int(later.rows[index]["length"]), bool)
    for first, last in later.scored[index]:
        mask[first:last] = True
    return mask


def later_stands_nowhere_else(facts: Facts) -> list[str]:
    """No later row equals a row of the dataset or another later row; their seq_ids go on where the others end."""
    later = later_of(facts)
    if not later.is_there:
        return []
    seen, wrong = set(map(tuple, facts.rows["digest"].tolist())), []
    for index, digest in enumerate(map(tuple, later.rows["digest"].tolist())):
        wrong += [index] * (digest in seen)
        seen.add(digest)
    told = named(facts, later.rows[wrong], lambda row: "the same tokens stand in an earlier row")
    expected = len(facts.rows) + later.rows["line"] - 1
    odd = later.rows[later.rows["seq_id"] != expected]
    first_id = len(facts.rows) - 1
    return told + named(
        facts, odd, lambda row: f"seq_id must be {first_id + int(row['line'])}, got {row['seq_id']}"
    )


def later_scores_nothing_known(facts: Facts) -> list[str]:
    """No 50-token span whose tokens are all scored stands in train."""
    later = later_of(facts)
    shared = len(np.intersect1d(later.spans, facts.spans[0]))
    told = f"{LATER_FILE}: {shared} of {len(later.spans)} spans that are scored also stand in train"
    return first_few([told] * (shared > 0))
