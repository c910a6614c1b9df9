"""What each language gets: as text for `--languages`, and as the table of the README."""

from __future__ import annotations

from collections.abc import Iterator

from effectiveness.corpus.augment.marks import LANGUAGES as LAID_OUT
from effectiveness.corpus.augment.renaming import ROLES
from effectiveness.languages import LANGUAGES, names_of
from effectiveness.languages.syntax import has_grammar

COLUMNS = ("rows", "masking by syntax", "renaming", "comments", "layout")


def gets(language: str) -> tuple[bool, ...]:
    """Whether the language gets each of COLUMNS. Masking without syntax, by words, all get."""
    is_laid_out = language in LAID_OUT
    return True, has_grammar(language), language in ROLES, is_laid_out, is_laid_out


def lines() -> Iterator[str]:
    """One line a language: its name, what it gets, by which names its files are known."""
    for name in sorted(LANGUAGES, key=lambda name: (not has_grammar(name), name.lower())):
        given = ", ".join(what for what, has in zip(COLUMNS, gets(name), strict=True) if has)
        yield f"{name}: {given}: {' '.join(names_of(name))}"


def table() -> str:
    """Markdown: the languages with a grammar, and a line for all others."""
    rows = [
        f"| {name} | {' | '.join('yes' if has else '' for has in gets(name))} | {LANGUAGES[name].oracle} |"
        for name in sorted(LANGUAGES)
        if has_grammar(name)
    ]
    num_others = len(LANGUAGES) - len(rows)
    others = f"| {num_others} others, and text of none | yes | | | | | |"
    return "\n".join(
        (f"| language | {' | '.join(COLUMNS)} | oracle |", "|---" * (len(COLUMNS) + 2) + "|", *rows, others)
    )
