"""Give local variables other names: those the repository's authors gave to others, else built from the old one.

`variables` says which names may change and where they stand.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.roles import Code, Roles
from effectiveness.corpus.augment.roles.c import macros_in
from effectiveness.corpus.augment.variables import ROLES, code_of, has_body, local_variables
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable, parse, table_of

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


def _edits(code: Code, roles: Roles, leaves: list[int], new: bytes) -> Iterator[Edit]:
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
            code = code_of(source, language, table_of(parse(language, source)), roles)
            names = {name.decode() for name, _ in local_variables(code, roles)}
            counts.setdefault(language, Counter()).update(names)
    return {
        language: tuple(sorted(counter, key=lambda name: (-counter[name], name))[:MAX_NAMES])
        for language, counter in sorted(counts.items())
    }
