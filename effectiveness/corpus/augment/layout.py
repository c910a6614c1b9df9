"""Set a file differently: compact or verbose, without touching one token.

Only gaps that `gaps.line_gaps` vouches for are rewritten, and in them only white space. A gap that ends a line
goes on ending a line, except between the brackets of a list, where every language reads a line end as a space.
A gap inside a line appears or vanishes only around commas and two-sided operators whose neighbours cannot grow
together with them, and never in C, C++ (macros turn their arguments into text) or Bash.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from effectiveness.corpus.augment import lists, spacing
from effectiveness.corpus.augment.c_text import Opaque
from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.gaps import refusal
from effectiveness.corpus.augment.sheet import Sheet
from effectiveness.corpus.augment.styles import COMPACT, STYLES, Style, draw
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable

_BOLDNESS = (0.65, 1.0)  # a small file may need every means there is to come out differently


def propose(
    source: bytes, language: str, table: SyntaxTable, rng: random.Random, style: Style | str | None = None
) -> list[Edit] | str:
    """Edits that set `source` in a style, or the reason for none. A name of `STYLES` leaves the means to `rng`,
    None the name as well."""
    if reason := refusal(source, language, table):
        return reason
    sheet = Sheet(source, language, table)
    for candidate in _candidates(sheet, rng, style):
        if edits := edits_in(sheet, candidate):
            return edits
    return "no white space that may change"


def _candidates(sheet: Sheet, rng: random.Random, style: Style | str | None) -> Iterator[Style]:
    if isinstance(style, Style):
        yield style
        return
    names = (style,) if style else rng.sample(STYLES, len(STYLES))
    for boldness in _BOLDNESS:
        for name in names:
            fitting = 0 if name != COMPACT and sheet.tabs else sheet.unit_width
            yield draw(name, fitting if sheet.reindentable else 0, boldness=boldness, rng=rng)


def edits_in(sheet: Sheet, style: Style) -> list[Edit]:
    """The edits of one style. Each gap is written once, by the last rule that claims it."""
    compact = style.name == COMPACT
    leads = sheet.leads_in(style.unit)
    lines = sheet.fewest_lines() if compact else sheet.more_lines(style.everywhere)
    changes = sheet.rewritten(lines, leads)
    if LANGUAGES[sheet.language].spaces_are_free:
        changes.update((spacing.close_up if compact else spacing.space_out)(sheet, style))
    if style.lists:
        changes.update((lists.join if compact else lists.split)(sheet, leads, style))
    edits = [Edit(start, *changes[start]) for start in sorted(changes)]
    if sheet.table.has_error:
        opaque = Opaque(sheet.source)
        return [edit for edit in edits if not (opaque.holds(edit.start) or opaque.holds(edit.end))]
    return edits
