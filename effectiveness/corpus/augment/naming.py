"""New names: those the repository's authors gave to other local variables, else built from the old one."""

from __future__ import annotations

import random

from effectiveness.corpus.augment.facts import RepositoryFacts
from effectiveness.languages import LANGUAGES

_SUFFIXES = ("value", "item", "entry", "result", "data", "local", "current", "next", "new", "other")


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
