from __future__ import annotations

import random

from corpus.augment.edits import Edit
from corpus.syntax import SyntaxTable


def propose(source: bytes, language: str, table: SyntaxTable, rng: random.Random) -> list[Edit] | str:
    """Edits, or the reason for none."""
    return "not varied in this language"
