"""What augmentation must know of the whole repository before it touches one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """`local_names[language]`: names of local variables, most frequent first, to draw new names from.
    `macros`: every name that a C or C++ file defines as a macro."""

    local_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    macros: frozenset[str] = frozenset()


NO_FACTS = RepositoryFacts()


def macro_names(source: bytes) -> set[str]:
    return set()


def local_names(samples: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, ...]]:
    counts: dict[str, Counter[str]] = {}
    return {language: tuple(counter) for language, counter in counts.items()}
