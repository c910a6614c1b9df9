"""Parts of a Python text that its compiler cannot tell apart by their hash, and so compares each with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np

from effectiveness.common import budget
from effectiveness.languages.syntax import SyntaxTable

_KEYWORDS = frozenset({"keyword_argument", "keyword_pattern"})  # two levels below their call or pattern
_DEFINITIONS = frozenset({"function_definition", "class_definition"})
_NAMELESS = frozenset(
    {"lambda", "list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_NUMBERS = frozenset({"integer"})
MIN_DIGITS = 16  # shorter ones are their own hash


def are_too_many(source: bytes, table: SyntaxTable) -> bool:
    """Whether comparing them would take too long: the keywords of one call, functions of one name (where they lie is
    not in their hash), lambdas, comprehensions, numbers of one hash.
    """
    alike = table.named_nodes_of(_KEYWORDS | _DEFINITIONS | _NAMELESS)
    numbers = table.named_nodes_of(_NUMBERS)
    widths = np.frombuffer(table.end, np.int32)[numbers] - np.frombuffer(table.start, np.int32)[numbers]
    parts = np.append(alike, numbers[widths >= MIN_DIGITS]).tolist()
    if not budget.is_too_alike([len(parts)], len(source)):  # not even if all were
        return False
    groups = Counter(_group(source, table, node) for node in parts)
    return budget.is_too_alike(groups.values(), len(source))


def _group(source: bytes, table: SyntaxTable, node: int) -> Hashable:
    kind = table.kind[node]
    if kind in _KEYWORDS:
        return table.parent[table.parent[node]]
    if kind in _DEFINITIONS:
        return _name(source, table, node)
    return _hash(source[table.start[node] : table.end[node]]) if kind in _NUMBERS else kind


def _name(source: bytes, table: SyntaxTable, node: int) -> bytes:
    child = node + 1
    while child < table.subtree_end[node] and table.field[child] != "name":
        child = table.subtree_end[child]
    return source[table.start[child] : table.end[child]] if child < table.subtree_end[node] else b""


def _hash(number: bytes) -> str:
    try:
        return f"hash {hash(int(number, 0))}"
    except ValueError:  # too many digits, or none
        return "no number"
