"""Mistakes a judge must catch: a right variant with one thing wrong in it, and texts with a token too few or many."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from effectiveness.corpus.augment.edits import Edit, apply
from effectiveness.languages.syntax import SyntaxTable

_TOKENS = re.compile(rb"\w+|\s+|[\x80-\xff]+|[^\w\s]")  # never a part of a character
_NAMED = re.compile("identifier|literal|number|integer|float|word|variable_name|bare_key|scalar")
_STRING = re.compile("string_(?:content|fragment)|raw_string|interpreted_string_literal")


def mistaken(
    kind: str, source: bytes, table: SyntaxTable, edits: Sequence[Edit], rng: random.Random
) -> bytes | None:
    """The variant that `edits` make, with one mistake; None when the file has no room for one."""
    wrong = (
        _wrong_name(edits, rng) if kind == "variable_renaming" else _wrong_token(source, table, edits, rng)
    )
    text = None if wrong is None else apply(source, wrong)
    return None if text == apply(source, edits) else text


def _wrong_name(edits: Sequence[Edit], rng: random.Random) -> list[Edit] | None:
    """One use takes the new name of the nearest other variable."""
    at = rng.randrange(len(edits))
    others = [edit for edit in edits if edit.replacement != edits[at].replacement]
    if not others:
        return None
    nearest = min(others, key=lambda edit: abs(edit.start - edits[at].start))
    return [*edits[:at], edits[at]._replace(replacement=nearest.replacement), *edits[at + 1 :]]


def _wrong_token(
    source: bytes, table: SyntaxTable, edits: Sequence[Edit], rng: random.Random
) -> list[Edit] | None:
    """A blank gets into a string, or a token is lost."""
    leaves = [
        node
        for node in range(len(table))
        if table.subtree_end[node] == node + 1
        and _counts(table, node)
        and source[table.start[node] : table.end[node]] != b"call"  # Ruby takes f.() for f.call()
    ]
    strings = [
        node
        for node in leaves
        if _STRING.fullmatch(table.kind[node]) and not table.kind[table.parent[node]].startswith("bare_")
    ]  # a blank counts in it
    if strings and rng.random() < 0.5:
        start = table.start[rng.choice(strings)] + 1
        while 0x80 <= source[start] < 0xC0:  # within a character
            start += 1
        wrong = Edit(start, start, b" ")
    elif leaves:
        leaf = rng.choice(leaves)
        wrong = Edit(table.start[leaf], table.end[leaf], b"")
    else:
        return None
    return [edit for edit in edits if edit.end < wrong.start or edit.start > wrong.end] + [wrong]


def _counts(table: SyntaxTable, node: int) -> bool:
    """A name or a number: no bracket, separator or `final`, which may be there for looks, and no comment."""
    return bool(_NAMED.search(table.kind[node]) or _STRING.fullmatch(table.kind[node]))


def mutants(source: bytes, number: int, rng: random.Random) -> list[bytes]:
    """Copies of a text with one token deleted or doubled, now and then broken off at a token."""
    tokens = _TOKENS.findall(source)
    found = []
    for _ in range(number if tokens else 0):
        at = rng.randrange(len(tokens))
        copies = rng.choice((0, 0, 0, 0, 2, 2, 2, 2, None))
        rest = [] if copies is None else [*tokens[at : at + 1] * copies, *tokens[at + 1 :]]
        found.append(b"".join([*tokens[:at], *rest]))
    return found
