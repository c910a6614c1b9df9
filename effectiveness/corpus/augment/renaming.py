"""Give local variables other names: those the repository's authors gave to others, else built from the old one.

Which can be renamed without changing what a file means? The unit is an outermost function F. A name may change when
every leaf in F that spells it is a binding at a place the role table knows, or a plain use inside the scope of such a
binding, and no string, macro or annotation in F holds it. All its leaves in F change together, so shadowing stays what
it was.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.roles import (
    BIND,
    FREE,
    POISON,
    USE,
    Code,
    Judge,
    RenamingRules,
    Span,
    c,
    csharp,
    go,
    java,
    javascript,
    lua,
    nearest,
    outermost,
    php,
    python,
    ruby,
    rust,
)
from effectiveness.corpus.augment.roles.c import macros_in
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable, parse, table_of

ROLES: dict[str, RenamingRules] = {
    "Python": python.ROLES,
    "Rust": rust.ROLES,
    "Go": go.ROLES,
    "JavaScript": javascript.ROLES,
    "TypeScript": javascript.TYPED_ROLES,
    "TSX": javascript.TYPED_ROLES,
    "Java": java.ROLES,
    "Lua": lua.ROLES,
    "PHP": php.ROLES,
    "Ruby": ruby.ROLES,
    "C": c.ROLES,
    "C++": c.CXX_ROLES,
    "C#": csharp.ROLES,
}

Variable = tuple[bytes, list[int]]  # a name, and the leaves of one function that spell it

_SETTLED = (USE, FREE, POISON)  # roles that need no closer look at the leaf

MAX_NAMES = 400  # of a language; a file needs a dozen
_SUFFIXES = ("value", "item", "entry", "result", "data", "local", "current", "next", "new", "other")


def propose(
    source: bytes, language: str, table: SyntaxTable, rng: random.Random, facts: RepositoryFacts
) -> list[Edit] | str:
    """Edits that rename every local variable that can be renamed safely, or the reason for none."""
    roles = ROLES.get(language)
    if roles is None:
        return "not renamed in this language"
    code = code_of(source, language, table, roles, facts.macros)
    if roles.refuses and (reason := roles.refuses(code)):
        return reason
    if not any(has_body(code, node) for kind in roles.functions for node in code.nodes[kind]):
        return "no function"
    variables = list(local_variables(code, roles))
    if not variables:
        return "no local variable that is safe to rename"
    fresh = FreshNames(roles.words_of(source), language, roles.reserved, facts, rng)
    return [edit for name, leaves in variables for edit in _edits(code, roles, leaves, fresh.name_for(name))]


def _edits(code: Code, roles: RenamingRules, leaves: list[int], new: bytes) -> Iterator[Edit]:
    table = code.table
    for leaf in leaves:
        short = table.kind[leaf] in roles.shorthands or table.kind[table.parent[leaf]] in roles.shorthands
        replacement = code.text(leaf) + b": " + new if short else new
        yield Edit(table.start[leaf], table.end[leaf], replacement)


class FreshNames:
    """Gives each old name of one file, whose `words` are given, a new one that is none of them."""

    def __init__(
        self,
        words: set[bytes],
        language: str,
        reserved: frozenset[bytes],
        facts: RepositoryFacts,
        rng: random.Random,
    ):
        self._camel = LANGUAGES[language].is_camel_case
        self._taken = words | reserved
        self._rng = rng
        self._pool = [name for name in _repository_names(language, facts) if name not in self._taken]
        self._given: dict[bytes, bytes] = {}

    def name_for(self, old: bytes) -> bytes:
        """The new name of `old`; the same one every time it is asked for."""
        if old not in self._given:
            new = self._given[old] = self._drawn() or self._derived(old)
            self._taken.add(new)
        return self._given[old]

    def _drawn(self) -> bytes | None:
        """A name of the repository, the frequent ones (they come first) more often."""
        if not self._pool:
            return None
        return self._pool.pop(int(len(self._pool) * self._rng.random() ** 2))

    def _derived(self, old: bytes) -> bytes:
        suffixes = self._rng.sample(_SUFFIXES, len(_SUFFIXES))
        for suffix in suffixes:
            new = old + (suffix.title() if self._camel else "_" + suffix).encode()
            if new not in self._taken:
                return new
        return self._derived(old + suffixes[0].encode())


def _repository_names(language: str, facts: RepositoryFacts) -> list[bytes]:
    languages = dict.fromkeys((language, *LANGUAGES[language].relatives))
    names = (name for each in languages for name in facts.local_names.get(each, ()))
    return [name.encode() for name in dict.fromkeys(names)]


# --- what must be known of the whole repository before one file is touched ------------------------------------


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """`local_names[language]`: names of local variables, most frequent first, to draw new names from.
    `macros`: what `macro_names` finds in all C and C++ files."""

    local_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    macros: frozenset[str] = frozenset()


NO_FACTS = RepositoryFacts()


def macro_names(source: bytes) -> set[str]:
    """The macros that a C or C++ file defines; `NAME=` stands for one that is but a number or a string.

    >>> sorted(macro_names(b"#define SIZE 12\\n# define max(a, b) (a) > (b) ? (a) : (b)"))
    ['SIZE=', 'max']
    """
    return {name.decode() for name in macros_in(source)}


def local_names(samples: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, ...]]:
    """Names of local variables in `samples` (language, source), by language, in the most files first.

    A name that a sample spells anywhere else than as a variable that can be renamed is left out of that
    sample's count, so that names of functions and imports are not handed out as names of variables.
    """
    counts: dict[str, Counter[str]] = {}
    for language, source in samples:
        if roles := ROLES.get(language):
            table = table_of(parse(language, source)).without_tree()  # which takes more than all else
            code = code_of(source, language, table, roles)
            names = {name.decode() for name, _ in local_variables(code, roles)}
            counts.setdefault(language, Counter()).update(names)
    return {
        language: tuple(sorted(counter, key=lambda name: (-counter[name], name))[:MAX_NAMES])
        for language, counter in sorted(counts.items())
    }


# --- which variables can be renamed, and where they stand ----------------------------------------------------


def code_of(
    source: bytes,
    language: str,
    table: SyntaxTable,
    roles: RenamingRules,
    macros: frozenset[str] = frozenset(),
) -> Code:
    """The file with the nodes the role table asks for, found in one pass."""
    wanted = roles.functions | roles.names | roles.regions | roles.strings | roles.watched | {"ERROR"}
    nodes: dict[str, list[int]] = {kind: [] for kind in wanted}
    for node in table.nodes_of(wanted):
        nodes[table.kind[node]].append(node)
    return Code(source, table, language, nodes, macros)


def has_body(code: Code, function: int) -> bool:
    """Not a declaration only, as in an interface."""
    return code.child(function, "body") is not None or code.has_child(function, ("block",))


def local_variables(code: Code, roles: RenamingRules) -> Iterator[Variable]:
    """Every variable that may be renamed, function by function."""
    source, start, end = code.source, code.table.start, code.table.end
    leaves = _merged(code, roles.names)
    blocked = _blocked(code, roles, leaves)
    strings = _merged(code, roles.strings)
    kept = roles.kept_words(code) if roles.kept_words else set()
    for function in outermost(code, roles.functions)[0]:
        inside = _within(code, leaves, function)
        texts = [source[start[leaf] : end[leaf]] for leaf in inside]
        if not roles.untouchable.isdisjoint(texts) or _broken(code, function):
            continue
        words = roles.words_of(b" ".join(code.text(node) for node in _within(code, strings, function)))
        yield from _variables(code, roles, dict(zip(inside, texts, strict=True)), blocked, words | kept)


def _merged(code: Code, kinds: Iterable[str]) -> list[int]:
    """The nodes of all `kinds` in preorder."""
    return sorted(node for kind in kinds for node in code.nodes[kind])


def _within(code: Code, nodes: list[int], root: int) -> list[int]:
    """Those of `nodes` (in preorder) that lie in the subtree of `root`."""
    return nodes[bisect_left(nodes, root) : bisect_left(nodes, code.table.subtree_end[root])]


def _blocked(code: Code, roles: RenamingRules, leaves: list[int]) -> set[int]:
    """The leaves in regions where every name is poisoned."""
    regions = _merged(code, roles.regions)
    if roles.poisoned:
        regions = sorted([*regions, *roles.poisoned(code)])
    blocked: set[int] = set()
    done = 0
    for region in regions:
        if region >= done:  # else inside the region before
            done = code.table.subtree_end[region]
            blocked.update(_within(code, leaves, region))
    return blocked


def _broken(code: Code, function: int) -> bool:
    """Whether an error or a missing token lies in the function, or the function in an error."""
    table = code.table
    if not table.has_error:
        return False
    if _within(code, code.nodes["ERROR"], function) or nearest(code, function, ("ERROR",)) is not None:
        return True
    return any(table.start[node] == table.end[node] for node in range(function, table.subtree_end[function]))


def _variables(
    code: Code, roles: RenamingRules, inside: dict[int, bytes], blocked: set[int], words: set[bytes]
) -> Iterator[Variable]:
    """The variables of one function: `inside` maps its name leaves to their texts."""
    found: dict[bytes, list[int]] = {}  # all leaves of a name but those that cannot mean a variable
    uses: dict[bytes, list[int]] = {}  # those of them that need a binding in sight
    scopes: dict[bytes, set[Span]] = {}
    poisoned = words
    kind, parent, field, places = code.table.kind, code.table.parent, code.table.field, roles.places
    for leaf, name in inside.items():
        rule = POISON if leaf in blocked else places.get((kind[parent[leaf]], field[leaf]), BIND)
        role = rule if isinstance(rule, str) and rule in _SETTLED else _role(code, roles, leaf, rule)
        if role == POISON:
            poisoned.add(name)
        elif role != FREE:
            found.setdefault(name, []).append(leaf)
            if isinstance(role, str):  # USE
                uses.setdefault(name, []).append(leaf)
            else:
                scopes.setdefault(name, set()).add(role)
    for name, spans in scopes.items():
        if name in poisoned or not roles.name_shape.fullmatch(name):
            continue
        if all_inside([code.table.start[leaf] for leaf in uses.get(name, ())], spans):
            yield name, found[name]


def _role(code: Code, roles: RenamingRules, leaf: int, role: str | Judge) -> str | Span:
    """USE, FREE or POISON, or for a binding the span in which it can be seen. `role` is what its place says."""
    kind, parent, field = code.table.kind, code.table.parent, code.table.field
    if callable(role):
        role = role(code, leaf)
    if role != BIND:
        return role
    node, above = leaf, parent[leaf]
    while kind[above] in roles.patterns:
        node, above = above, parent[above]
    rule = roles.binders.get((kind[above], field[node]))
    return (rule(code, above, leaf) if rule else None) or POISON


def all_inside(offsets: list[int], spans: Iterable[Span]) -> bool:
    """Whether every offset lies in one of the spans; in n log n, for thousands of both."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return all((at := bisect_right(starts, offset)) and offset < ends[at - 1] for offset in offsets)
