"""Syntax trees: parsing with the language's tree-sitter grammar and one flat table of every node.

A recursive visitor dies at 1,000 levels and `str(node)` overflows the C stack at 100,000, so a tree is
walked once with a cursor, without recursion, into parallel lists (`SyntaxTable`). Everything that looks at
syntax - complexity, augmentation, masking - reads this table. Offsets are bytes.
"""

from __future__ import annotations

import importlib
import string
from dataclasses import dataclass
from functools import cache

import numpy as np
import tree_sitter

from corpus.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class SyntaxTable:
    """Every node of a tree in preorder, named and anonymous, as parallel lists of length `num_nodes`.

    `kind[i]` is the grammar's name of node i (`"identifier"`, `"("`), `field[i]` the field it fills in its
    parent or None, `parent[i]` the index of its parent (-1 for the root), `start[i]`/`end[i]` its byte range,
    `subtree_end[i]` one past the index of its last descendant: node i is a leaf when it equals i + 1.
    `kind_id`, uint16[num_nodes], are the grammar's numbers for the kinds, several of which may share a name.
    `depth` is that of the deepest node (the root has 0), `tree` what the lists were read from.
    """

    kind: list[str]
    kind_id: np.ndarray
    field: list[str | None]
    parent: list[int]
    start: list[int]
    end: list[int]
    subtree_end: list[int]
    has_error: bool
    depth: int
    tree: tree_sitter.Tree

    def __len__(self) -> int:
        return len(self.kind)

    def nodes_of(self, kinds: frozenset[str]) -> list[int]:
        """The nodes whose kind is among `kinds`, in order; found without looking at every node in Python."""
        return np.flatnonzero(_is_kind(self.tree.language, kinds)[self.kind_id]).tolist()


def has_grammar(language: str) -> bool:
    return bool(LANGUAGES[language].grammar)


@cache
def grammar(language: str) -> tree_sitter.Language:
    """The tree-sitter language of a row in `LANGUAGES`, loaded once per process."""
    module, _, function = LANGUAGES[language].grammar.partition(":")
    return tree_sitter.Language(getattr(importlib.import_module(module), function)())


@cache
def _parser(language: str) -> tree_sitter.Parser:
    return tree_sitter.Parser(grammar(language))


# Error recovery can be quadratic: 19 KB of punctuation kept the Go grammar busy for 11 s. The parser reports its
# progress at most 15 times per KB of real code; this many reports per KB end the attempt, on every machine alike.
_MAX_REPORTS_PER_KB = 50
_MIN_REPORTS = 2000
_CHUNK_BYTES = 65_536
# Reports need a source that is read through a function, and tree-sitter 0.26 never frees what that returned: a
# build would grow with its input. So only where it may be needed: Bash, whose grammar is quadratic on nested
# brackets, and texts with a stretch that is mostly punctuation, as no code is.
_QUADRATIC = frozenset({"Bash"})
_STRETCH_BYTES = 2048
_MOSTLY = 0.6
# The Bash grammar reports nothing while it recovers: 300 KB of operators took it 80 s. It is not even begun where
# so many stretches are full of punctuation; of 900 scripts the worst has 4 of them.
_MUCH = 0.35
_MAX_STRETCHES = 16
_IS_PUNCTUATION = bytes(byte in string.punctuation.encode() for byte in range(256))


def _may_take_for_ever(language: str, source: bytes) -> bool:
    if language in _QUADRATIC or len(source) < _STRETCH_BYTES:
        return language in _QUADRATIC
    return int(_punctuation(source).max()) > _MOSTLY * _STRETCH_BYTES


def _would_take_for_ever(language: str, source: bytes) -> bool:
    if language not in _QUADRATIC or len(source) <= _MAX_STRETCHES * _STRETCH_BYTES:
        return False
    return int((_punctuation(source) > _MUCH * _STRETCH_BYTES).sum()) > _MAX_STRETCHES


def _punctuation(source: bytes) -> np.ndarray:
    """Punctuation characters in each stretch, uint64[stretches]: first in 128 columns, where sums fit a byte."""
    padded = source.ljust(-(-len(source) // _STRETCH_BYTES) * _STRETCH_BYTES)
    marks = np.frombuffer(padded.translate(_IS_PUNCTUATION), np.uint8)
    columns = marks.reshape(-1, _STRETCH_BYTES // 128, 128).sum(axis=1, dtype=np.uint8)
    return columns.sum(axis=1)


def parse(language: str, source: bytes) -> tree_sitter.Tree:
    """Parse UTF-8 `source`. tree-sitter never fails: what it cannot read becomes ERROR and MISSING nodes.

    Where that would take for ever, the tree is that of an empty text: `gave_up` tells.
    """
    parser = _parser(language)
    if not _may_take_for_ever(language, source):
        return parser.parse(source)
    if _would_take_for_ever(language, source):
        return parser.parse(b"")
    reports_left = _MIN_REPORTS + len(source) * _MAX_REPORTS_PER_KB // 1024

    def stop(offset: int, has_error: bool) -> bool:
        nonlocal reports_left
        reports_left -= 1
        return reports_left < 0

    try:
        return parser.parse(lambda offset, _: source[offset : offset + _CHUNK_BYTES], progress_callback=stop)
    except ValueError:  # "Parsing failed": stopped by us
        parser.reset()
        return parser.parse(b"")


def gave_up(source: bytes, table: SyntaxTable) -> bool:
    """Whether `parse` left `source` unread."""
    return table.end[0] < len(source.rstrip())


NUM_KIND_IDS = 1 << 16  # numbers a grammar may give its kinds; the last is that of ERROR


@cache
def kind_names(language: tree_sitter.Language) -> dict[int, str]:
    """Kind id -> name, one string object per kind: `node.type` would make a new one for every node."""
    numbers = (*range(language.node_kind_count), NUM_KIND_IDS - 1)
    return {number: language.node_kind_for_id(number) or "ERROR" for number in numbers}


@cache
def _is_kind(language: tree_sitter.Language, kinds: frozenset[str]) -> np.ndarray:
    """For each kind id whether its name is among `kinds`, bool[NUM_KIND_IDS]."""
    chosen = np.zeros(NUM_KIND_IDS, bool)
    chosen[[number for number, name in kind_names(language).items() if name in kinds]] = True
    return chosen


@cache
def _field_names(language: tree_sitter.Language) -> list[str | None]:
    """The names of the grammar's fields by their numbers, which begin with 1."""
    return [language.field_name_for_id(number) for number in range(language.field_count + 1)]


def table_of(tree: tree_sitter.Tree) -> SyntaxTable:
    """Walk `tree` once, iteratively; takes about as long as parsing it."""
    cursor = tree.walk()
    down, right, up = cursor.goto_first_child, cursor.goto_next_sibling, cursor.goto_parent
    num_nodes = tree.root_node.descendant_count
    field_names = _field_names(tree.language)
    kind_id, field = [0] * num_nodes, [None] * num_nodes
    start, end, parent = [0] * num_nodes, [0] * num_nodes, [-1] * num_nodes
    subtree_end = list(range(1, num_nodes + 1))
    above = -1
    level = depth = 0
    for index in range(num_nodes):
        node = cursor.node
        kind_id[index] = node.kind_id
        if field_id := cursor.field_id:
            field[index] = field_names[field_id]
        start[index] = node.start_byte
        end[index] = node.end_byte
        parent[index] = above
        if down():
            above = index
            level += 1
            if level > depth:
                depth = level
            continue
        while not right() and up():
            level -= 1
            subtree_end[above] = index + 1
            above = parent[above]
    return SyntaxTable(
        kind=list(map(kind_names(tree.language).__getitem__, kind_id)),
        kind_id=np.fromiter(kind_id, np.uint16, num_nodes),
        field=field,
        parent=parent,
        start=start,
        end=end,
        subtree_end=subtree_end,
        has_error=tree.root_node.has_error,
        depth=depth,
        tree=tree,
    )
