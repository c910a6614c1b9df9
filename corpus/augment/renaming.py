"""Give local variables other names, drawn from the repository's own."""

from __future__ import annotations

import random

from corpus.augment.edits import Edit
from corpus.augment.facts import RepositoryFacts
from corpus.syntax import SyntaxTable


def propose(
    source: bytes, language: str, table: SyntaxTable, rng: random.Random, facts: RepositoryFacts
) -> list[Edit] | str:
    """Edits that rename, or the reason for none."""
    return "not renamed in this language"
