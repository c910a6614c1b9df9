"""Rewritten copies of a file that are proven to mean the same.

Each kind is one module with `propose(...)`: the syntax table goes in, byte-range edits (or the reason why
there are none) come out. Whatever is proposed is applied and checked by `verify` before anybody sees it, so
a mistake of a proposer costs yield, never a wrong variant. `token_masking` works on token ids, not on text,
and lives in `masking`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import tree_sitter

from effectiveness.common import budget
from effectiveness.common.seeding import rng_for
from effectiveness.common.workers import give_memory_back
from effectiveness.corpus.augment import comments, layout, python_code, renaming, verify
from effectiveness.corpus.augment.edits import Edit, Edits, apply, has_other_line_ends, keep_line_ends
from effectiveness.corpus.augment.renaming import NO_FACTS, RepositoryFacts
from effectiveness.languages.syntax import SyntaxTable, gave_up, parse, without_carriage_returns

__all__ = ["AUGMENTATIONS", "NO_FACTS", "Refusal", "RepositoryFacts", "Variant", "vary"]

MANY_BYTES = 1 << 17  # of a file: what each step freed goes back to the system, in some ms

Proposer = Callable[[bytes, str, SyntaxTable, random.Random, RepositoryFacts], list[Edit] | str]


def _without_facts(propose: Callable[..., list[Edit] | str]) -> Proposer:
    return lambda source, language, table, rng, facts: propose(source, language, table, rng)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A kind: what proposes edits, and what these may change."""

    propose: Proposer
    allowed: verify.Allowed


AUGMENTATIONS = {
    "variable_renaming": Augmentation(renaming.propose, verify.NAMES),
    "comment_toggle": Augmentation(_without_facts(comments.propose), verify.COMMENTS),
    "format_variation": Augmentation(_without_facts(layout.propose), verify.WHITE_SPACE),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A text proven to mean the same as its source, and different from it."""

    kind: str
    text: bytes
    tree: tree_sitter.Tree | None = field(compare=False, repr=False)  # None in Python: the compiler read it
    edits: Edits = field(compare=False, repr=False)  # that made it, as they were proposed


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no variant of this kind: a short phrase, the same for the same cause, to be counted."""

    kind: str
    reason: str


def vary(
    source: bytes,
    language: str,
    table: SyntaxTable | None,
    *,
    path: str,
    seed: int,
    kinds: Collection[str],
    facts: RepositoryFacts,
) -> Iterator[Variant | Refusal]:
    """One result for each kind of `AUGMENTATIONS` that is in `kinds`, in that table's order.

    `source` is UTF-8 and `table` its syntax table, None where there is no grammar. The results depend on nothing but
    the arguments. Each is made when it is asked for; the tree of `table` is asked for nothing more by then: it and that
    of a variant are larger than all else.
    """
    wanted = [kind for kind in AUGMENTATIONS if kind in kinds]
    if reason := _refusal(source, language, table):
        return (Refusal(kind, reason) for kind in wanted)
    assert table is not None, "refused without one"
    baseline = verify.Baseline(source, language, without_carriage_returns(source, table))
    return (
        _prove(kind, _proposed(kind, baseline, rng_for(seed, kind, path), facts), baseline) for kind in wanted
    )


def _refusal(source: bytes, language: str, table: SyntaxTable | None) -> str:
    """Why there is no variant of any kind, or ""."""
    if table is None:
        return "not varied in this language"
    if verify.is_too_deep(language, table):
        return "nested too deeply"
    if gave_up(source, table):
        return budget.why_unread(source)
    if language == "Python" and python_code.is_too_large(source, table):
        return budget.TOO_LARGE_TO_COMPILE
    if language == "Python" and python_code.are_too_many_alike(source, table):
        return budget.TOO_ALIKE
    return ""


def _proposed(
    kind: str, baseline: verify.Baseline, rng: random.Random, facts: RepositoryFacts
) -> Edits | str:
    source = baseline.source
    edits = AUGMENTATIONS[kind].propose(source, baseline.language, baseline.table, rng, facts)
    return edits if isinstance(edits, str) else Edits(keep_line_ends(source, edits))


def _prove(kind: str, edits: Edits | str, baseline: verify.Baseline) -> Variant | Refusal:
    if isinstance(edits, str):
        return Refusal(kind, edits)
    text = apply(baseline.source, edits)
    if text == baseline.source:
        return Refusal(kind, "nothing to change")
    if not text.strip():
        return Refusal(kind, "nothing but comments")
    if has_other_line_ends(baseline.source, text):
        return Refusal(kind, "would have other line ends")
    if len(text) >= MANY_BYTES:
        give_memory_back()  # what was thought of each name is gone, and the second tree comes
    tree = None if baseline.language == "Python" else parse(baseline.language, text)
    reason = baseline.objection(AUGMENTATIONS[kind].allowed, edits, text, tree)
    return Refusal(kind, reason) if reason else Variant(kind, text, tree, edits)
