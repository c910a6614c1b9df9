"""Where a name may stand, for each language: the tables the renaming engine reads.

A place is `(kind of the parent, field)`, written `kind` or `kind.field`, several fields of a kind with `|` between. A
place that no table lists poisons the name that stands there: a grammar rule nobody thought of costs yield, never
correctness.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from effectiveness.languages.syntax import SyntaxTable

Place = tuple[str, str | None]
Span = tuple[int, int]  # [start, end) in bytes
Role = TypeVar("Role")

CAMEL_CASE = re.compile(rb"[a-z][A-Za-z0-9_]*")  # names that may be renamed, where a capital may follow


def at(places: str, role: Role) -> dict[Place, Role]:
    """The same role for many places.

    >>> at("return_statement binary.left|right", "use")
    {('return_statement', None): 'use', ('binary', 'left'): 'use', ('binary', 'right'): 'use'}
    """
    written = [word.partition(".") for word in places.split()]
    return {(kind, field or None): role for kind, _, fields in written for field in fields.split("|")}


def kinds(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NOT_IN_WORDS = bytes(
    byte if byte >= 128 or chr(byte).isalnum() or chr(byte) in "_$" else 32 for byte in range(256)
)


def words_of(text: bytes) -> set[bytes]:
    """Everything in `text` that could be an identifier: runs of letters, digits, `_`, `$` and non-ASCII.

    >>> sorted(words_of(b"let x1 = a.b; // done"))
    [b'a', b'b', b'done', b'let', b'x1']
    """
    return set(text.translate(_NOT_IN_WORDS).split())


@dataclass(frozen=True, slots=True)
class Code:
    """One file as the role tables see it."""

    source: bytes
    table: SyntaxTable
    language: str
    nodes: dict[str, list[int]]  # kind -> its nodes in order, for the kinds the role table names
    macros: frozenset[str] = frozenset()

    def text(self, node: int) -> bytes:
        return self.source[self.table.start[node] : self.table.end[node]]

    def span(self, node: int) -> Span:
        return self.table.start[node], self.table.end[node]

    def children(self, node: int) -> list[int]:
        subtree_end = self.table.subtree_end
        child, last = node + 1, subtree_end[node]
        found = []
        while child < last:
            found.append(child)
            child = subtree_end[child]
        return found

    def child(self, node: int, field: str) -> int | None:
        """The first child of `node` in `field`, or None."""
        fields = self.table.field
        return next((child for child in self.children(node) if fields[child] == field), None)

    def has_child(self, node: int, kinds: Collection[str]) -> bool:
        kind = self.table.kind
        return any(kind[child] in kinds for child in self.children(node))

    def child_span(self, node: int, field: str) -> Span | None:
        """The bytes of the child of `node` in `field`, or None."""
        child = self.child(node, field)
        return None if child is None else self.span(child)


_MAX_LEVELS = 1000  # what is nested deeper is not varied: `verify.MAX_DEPTH`

# Scope rules say where a binding can be seen: (code, binder node, name leaf) -> span, or None to poison, or
# USE where a pattern only assigns.
ScopeRule = Callable[[Code, int, int], Span | str | None]
# Judges decide places that need a closer look: (code, name leaf) -> USE, FREE, BIND or POISON.
Judge = Callable[[Code, int], str]

USE = "use"  # a plain use of a variable
BIND = "bind"  # a judge's word for: look the binder up in `binders`
FREE = "free"  # can never mean a local variable: a field, a label of a keyword argument
POISON = "poison"  # the name must stay as it is in the whole function


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamingRules:
    """What the engine must know of one language."""

    functions: frozenset[str]  # kinds whose outermost node is the unit of renaming
    names: frozenset[str]  # kinds of leaves that may spell a variable
    places: dict[Place, str | Judge]  # USE, FREE, or a judge
    binders: dict[Place, ScopeRule]  # where a pattern stands that binds names
    patterns: frozenset[str]  # kinds between a binder and the names it binds
    regions: frozenset[str]  # kinds inside which every name is poisoned
    strings: frozenset[str]  # kinds of leaves that hold the text of strings; their words are poisoned
    reserved: frozenset[bytes]  # never a new name
    name_shape: re.Pattern[bytes] = re.compile(rb"[a-z][a-z0-9_]*")  # what may be renamed, fully matched
    sigil: bytes = b""  # stands before a variable wherever it is named, and is no part of `names`
    shorthands: frozenset[str] = frozenset()  # kinds (of leaf or parent) where `x` stands for `x: x`
    untouchable: frozenset[bytes] = frozenset()  # a function in which one of these names stands is left alone
    poisoned: Callable[[Code], list[int]] | None = None  # more nodes inside which every name is poisoned
    kept_words: Callable[[Code], set[bytes]] | None = None  # names that stay wherever they stand in the file
    refuses: Callable[[Code], str] | None = None  # why the whole file is left alone, or ""
    watched: frozenset[str] = frozenset()  # more kinds that `Code.nodes` lists, for `poisoned`
    same_shape: tuple[tuple[str, str, int], ...] = ()  # (short form, long form, nodes added) of shorthands

    def words_of(self, text: bytes) -> set[bytes]:
        """Everything in `text` that could be a variable's name."""
        return words_of(text.replace(self.sigil, b" ") if self.sigil else text)


def rest_of_parent(*parents: str) -> ScopeRule:
    """From the end of the binder to the end of its parent, which must be one of `parents`."""

    def rule(code: Code, binder: int, leaf: int) -> Span | None:
        above = code.table.parent[binder]
        if code.table.kind[above] not in parents:
            return None
        return code.table.end[binder], code.table.end[above]

    return rule


def body_of_binder(code: Code, binder: int, leaf: int) -> Span | None:
    return code.child_span(binder, "body")


def body_of_parent(code: Code, binder: int, leaf: int) -> Span | None:
    return code.child_span(code.table.parent[binder], "body")


def nearest(code: Code, node: int, kinds: tuple[str, ...]) -> int | None:
    """`node` or its nearest ancestor whose kind is among `kinds`; None, too, where that is too far above."""
    kind, parent = code.table.kind, code.table.parent
    for _ in range(_MAX_LEVELS):
        if node < 0 or kind[node] in kinds:
            break
        node = parent[node]
    return node if node >= 0 and kind[node] in kinds else None


def outermost(code: Code, kinds: Collection[str]) -> tuple[list[int], list[int]]:
    """The nodes of `kinds` that lie in no other one, and those that do."""
    outer: list[int] = []
    inner: list[int] = []
    for node in sorted(node for kind in kinds for node in code.nodes[kind]):
        is_inner = bool(outer) and node < code.table.subtree_end[outer[-1]]
        (inner if is_inner else outer).append(node)
    return outer, inner


def nested_in(code: Code, outer: Collection[str], kinds: Collection[str]) -> list[int]:
    """The nodes of `kinds` that lie inside a node whose kind is among `outer`."""
    kind = code.table.kind
    nested = []
    done = 0
    for node in sorted({node for each in (*outer, *kinds) for node in code.nodes[each]}):
        if kind[node] in outer and node >= done:
            done = code.table.subtree_end[node]
        elif node < done and kind[node] in kinds:
            nested.append(node)
    return nested
