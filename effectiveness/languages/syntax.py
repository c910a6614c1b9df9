"""Syntax trees: parsing with the language's tree-sitter grammar and one flat table of every node.

A recursive visitor dies at 1,000 levels and `str(node)` overflows the C stack at 100,000, so a tree is
walked once with a cursor, without recursion, into parallel lists (`SyntaxTable`). Everything that looks at
syntax - complexity, augmentation, masking - reads this table. Offsets are bytes. What shows without a grammar
stands below it.
"""

from __future__ import annotations

import importlib
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import tree_sitter

from effectiveness.common import budget
from effectiveness.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class SyntaxTable:
    """Every node of a tree in preorder, named and anonymous, as parallel lists and arrays of length `num_nodes`.

    `kind[i]` is the grammar's name of node i (`"identifier"`, `"("`), `field[i]` the field it fills in its
    parent or None, `parent[i]` the index of its parent (-1 for the root), `start[i]`/`end[i]` its byte range,
    `subtree_end[i]` one past the index of its last descendant: node i is a leaf when it equals i + 1.
    `kind_id`, uint16[num_nodes], are the grammar's numbers for the kinds, several of which may share a name.
    `depth` is that of the deepest node (the root has 0), `tree` what the lists were read from, None once it was let go:
    it is larger than all else. Numbers lie in arrays of four bytes each: lists of them took most of a worker's memory.
    """

    kind: list[str]
    kind_id: np.ndarray
    field: list[str | None]
    parent: array[int]
    start: array[int]
    end: array[int]
    subtree_end: array[int]
    has_error: bool
    depth: int
    language: tree_sitter.Language
    tree: tree_sitter.Tree | None

    def __len__(self) -> int:
        return len(self.kind)

    def without_tree(self) -> SyntaxTable:
        """The same lists; the tree lives on where somebody else holds it."""
        return replace(self, tree=None)

    def nodes_of(self, kinds: frozenset[str]) -> list[int]:
        """The nodes whose kind is among `kinds`, in order; found without looking at every node in Python."""
        return np.flatnonzero(_is_kind(self.language, kinds)[self.kind_id]).tolist()

    def named_nodes_of(self, kinds: frozenset[str]) -> np.ndarray:
        """Those of `nodes_of` that are no keywords of that spelling, int64."""
        return np.flatnonzero(_is_kind(self.language, kinds, True)[self.kind_id])


def without_carriage_returns(source: bytes, table: SyntaxTable) -> SyntaxTable:
    """The same table, in which no node ends between the two bytes of a line end.

    Some grammars leave the carriage return to a comment or to a line of the preprocessor, others do not.
    """
    if b"\r" not in source:
        return table
    text = np.frombuffer(source + b"\0", np.uint8)
    start, end = (
        np.frombuffer(numbers, np.dtype(f"i{numbers.itemsize}")) for numbers in (table.start, table.end)
    )
    parts = (end > start) & (text[end - 1] == ord("\r")) & (text[end] == ord("\n"))
    return replace(table, end=array(table.end.typecode, (end - parts).astype(end.dtype).tobytes()))


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


def parse(language: str, source: bytes) -> tree_sitter.Tree:
    """Parse UTF-8 `source`. tree-sitter never fails: what it cannot read becomes ERROR and MISSING nodes.

    Where that would take too long or too much memory, the tree is that of an empty text: `gave_up` tells.
    """
    parser = _parser(language)
    if (
        budget.is_dense(source)
        or budget.breaks_off(source, language)
        or budget.has_many_attributes(source, language)
        or budget.has_a_long_line(source, language)
        or budget.leaves_angles_open(source, language)
    ):
        return parser.parse(b"")
    effort = budget.ParserEffort(len(source))
    try:
        tree = parser.parse(_reader(source, effort), progress_callback=effort.report)
    except ValueError:  # "Parsing failed": stopped by us
        parser.reset()
    else:
        if not effort.is_spent:
            return tree
    return parser.parse(b"")


# tree-sitter 0.26 holds on for ever to what a read function returned: a build would grow with its input. So it is
# handed the same few pieces of one buffer again and again. The largest that fits is next; from the last _TAIL_BYTES
# on it is all that is left, so that no character is cut in two for good. Within one piece work goes unseen by `effort`.
# A piece that begins before the last one ended is asked for where that one cut a character in two: nothing at all
# instead of it would be decoded from a null pointer, so it comes whatever was spent.
_TAIL_BYTES = 64
_CHARACTER_BYTES = 4
_BUFFER = bytearray(4096)
_PIECES = {
    size: memoryview(_BUFFER)[:size] for size in (*range(1, _TAIL_BYTES), *(1 << n for n in range(6, 13)))
}


def _reader(source: bytes, effort: budget.ParserEffort) -> Callable[[int, object], bytes | memoryview]:
    read_end = 0

    def read(offset: int, point: object) -> bytes | memoryview:
        nonlocal read_end
        size = len(source) - offset
        if size <= 0 or (effort.is_spent and offset >= read_end):
            return b""
        if effort.is_spent:
            size = min(size, _CHARACTER_BYTES)
        elif size > _TAIL_BYTES:
            size = min(1 << (size.bit_length() - 1), len(_BUFFER))
        effort.read(size)
        read_end = offset + size
        _BUFFER[:size] = source[offset : offset + size]
        return _PIECES[size]

    return read


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
def _is_kind(language: tree_sitter.Language, kinds: frozenset[str], named: bool = False) -> np.ndarray:
    """For each kind id whether its name is among `kinds`, bool[NUM_KIND_IDS]; `named`: and no keyword's."""
    chosen = np.zeros(NUM_KIND_IDS, bool)
    for number, name in kind_names(language).items():
        chosen[number] = name in kinds and (not named or language.node_kind_is_named(number))
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
    kind_id = array("H", [0]) * num_nodes
    field: list[str | None] = [None] * num_nodes
    start, end, parent = (array("i", [0]) * num_nodes for _ in range(3))
    subtree_end = array("i", range(1, num_nodes + 1))
    above = -1
    level = depth = 0
    for index in range(num_nodes):
        node: tree_sitter.Node = cursor.node  # type: ignore[assignment]  # it always stands on one
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
        kind_id=np.frombuffer(kind_id, np.uint16),
        field=field,
        parent=parent,
        start=start,
        end=end,
        subtree_end=subtree_end,
        has_error=tree.root_node.has_error,
        depth=depth,
        language=tree.language,
        tree=tree,
    )


# --- what shows of a text without its grammar: how deep lines are indented, and what they begin with ----------------
#
# Programming languages spell what they have in common alike, and put it first in a line, behind at most some words such
# as `public static`. In seven languages whose syntax is known this ranks windows much more as the syntax does than
# compression, distinct tokens or brackets do, and than the same words wherever they stand (LOG.md, 2026-11-27).

# Feature -> words a line begins with, in small letters or in capitals. Quoted and hyphenated ones are none.
_WORDS = {
    "branching": "if ifeq ifneq ifdef ifndef else elif elsif elseif unless for foreach while until switch select case "
    "when match",
    "functions": "def defp defn defun defmacro fn func function sub subroutine fun proc procedure macro rpc lambda",
    "types": "class struct enum interface trait impl type typealias typedef union protocol newtype template contract "
    "message service",
    "effects": "try catch except exception finally rescue ensure raise throw die defer panic async await unsafe yield",
    "modules": "import include include_once require require_once use uses using from export module defmodule mod "
    "package namespace extern library",
}
_BEFORE = (
    "public private protected internal static final abstract sealed partial override virtual inline constexpr pub "
    "export default async local my our create or replace recursive"
)
_OPERATORS = re.compile(rb"&&|\|\|")  # they branch, too, wherever they stand


def _in_either_case(words: str) -> list[bytes]:
    return [spelled.encode() for word in words.split() for spelled in (word, word.upper())]


_FEATURE_OF = {word: feature for feature, words in _WORDS.items() for word in _in_either_case(words)}
_LINE = re.compile(  # what may repeat is possessive: a line is read once, however it goes on
    rb"(?:^|(?<=\r))[ \t]*+(?:[})\];]++[ \t]*+)?+[#(@]?+"
    rb"((?:(?:%s)(?:\([a-z:]++\))?+[ \t]++){0,4})(%s)(?![\w'\"-]|[ \t]*+[=.,])"
    % (b"|".join(_in_either_case(_BEFORE)), b"|".join(_FEATURE_OF)),
    re.MULTILINE,
)


def words_of(source: bytes, features: Sequence[str]) -> list[np.ndarray]:
    """Where lines begin that begin with a word of each feature, in bytes, int64.

    >>> [at.tolist() for at in words_of(b"export function f() {\\n} else if (a && b)", ("functions", "branching"))]
    [[0], [22, 35]]
    """
    places: dict[str, list[int]] = {feature: [] for feature in _WORDS}
    for feature, at in _words(source):
        places[feature].append(at)
    places["branching"] += [found.start() for found in _OPERATORS.finditer(source)]
    return [np.array(places[feature], np.int64) for feature in features]


def _words(source: bytes) -> Iterator[tuple[str, int]]:
    for found in _LINE.finditer(source):
        before, word = found.groups()
        yield _FEATURE_OF[word], found.start()
        for also in before.split():  # `export` and `async` are words of their own
            if also in _FEATURE_OF:
                yield _FEATURE_OF[also], found.start()


def indentation(source: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Indentation as nested blocks: where lines are indented deeper, and where each of those levels ends, in bytes,
    int64."""
    opened, closed, open_indents, at = [], [], [0], 0
    for line in source.splitlines(keepends=True):
        body = line.lstrip(b" \t")
        indent = len(line) - len(body)
        if body.strip():
            while indent < open_indents[-1]:
                open_indents.pop()
                closed.append(at)
            if indent > open_indents[-1]:
                open_indents.append(indent)
                opened.append(at)
        at += len(line)
    closed += [len(source)] * (len(open_indents) - 1)
    return np.array(opened, np.int64), np.array(closed, np.int64)
