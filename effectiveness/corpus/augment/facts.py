"""What augmentation must know of the whole repository before it touches one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from effectiveness.corpus.augment.roles.c import macros_in
from effectiveness.corpus.augment.variables import ROLES, code_of, local_variables
from effectiveness.languages.syntax import parse, table_of

MAX_NAMES = 400  # of a language; a file needs a dozen


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
    return {language: _most_frequent(counter) for language, counter in sorted(counts.items())}


def _most_frequent(counter: Counter[str]) -> tuple[str, ...]:
    ranked = sorted(counter, key=lambda name: (-counter[name], name))
    return tuple(ranked[:MAX_NAMES])
