"""Give local variables other names, drawn from the repository's own.

`variables` says which names may change and where they stand, `naming` what they become.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.facts import RepositoryFacts
from effectiveness.corpus.augment.naming import FreshNames
from effectiveness.corpus.augment.roles import Code, Roles
from effectiveness.corpus.augment.variables import ROLES, code_of, has_body, local_variables
from effectiveness.languages.syntax import SyntaxTable


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
