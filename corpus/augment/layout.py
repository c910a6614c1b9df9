"""Set a file differently: compact or verbose, without touching one token.

Only gaps that `gaps.line_gaps` vouches for are rewritten, and in them only white space. A gap that ends a line
goes on ending a line, except between the brackets of a list, where every language reads a line end as a space.
A gap inside a line appears or vanishes only around commas and two-sided operators whose neighbours cannot grow
together with them, and never in C, C++ (macros turn their arguments into text) or Bash.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from corpus.augment import lists, spacing
from corpus.augment.edits import Edit
from corpus.augment.gaps import ERRORS_ALLOWED
from corpus.augment.marks import LANGUAGES
from corpus.augment.sheet import Sheet
from corpus.syntax import SyntaxTable

STYLES = ("compact", "verbose")

_NARROWER = {8: (b"  ", b"    "), 4: (b"  ",), 3: (b"  ",)}  # columns of a level now -> what it may become
_WIDER = {2: (b"    ", b"    ", b"\t"), 3: (b"    ",), 4: (b"        ", b"\t"), 8: (b" " * 8,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one file is set. `unit` is the new indentation of a level, None to keep the file's own."""

    name: str
    unit: bytes | None
    everywhere: bool  # verbose: a blank line between all statements, not only around bigger ones
    spacing: bool
    lists: bool


def propose(
    source: bytes, language: str, table: SyntaxTable, rng: random.Random, style: str | None = None
) -> list[Edit] | str:
    """Edits that set `source` as `style` (one of `STYLES`, drawn when None), or the reason for none."""
    if language not in LANGUAGES:
        return "not varied in this language"
    if table.has_error and language not in ERRORS_ALLOWED:
        return "syntax errors"
    sheet = Sheet(source, language, table)
    names = (style,) if style else rng.sample(STYLES, 2)
    for boldness in (0.6, 1.0):  # a small file may need every means there is to come out differently
        for name in names:
            if edits := _set(sheet, _draw(name, sheet, boldness, rng), rng):
                return edits
    return "no white space that may change"


def _draw(name: str, sheet: Sheet, boldness: float, rng: random.Random) -> Style:
    """A style; each means is used with probability `boldness`, new indentation a little more often."""
    units = (_NARROWER if name == "compact" else _WIDER).get(sheet.unit_width, ())
    if name == "verbose" and sheet.tabs:
        units = ()
    reindent = rng.random() < boldness + 0.1 and units and sheet.reindentable
    return Style(
        name=name,
        unit=rng.choice(units) if reindent else None,
        everywhere=rng.random() < boldness,
        spacing=rng.random() < boldness,
        lists=rng.random() < boldness + 0.1,
    )


def _set(sheet: Sheet, style: Style, rng: random.Random) -> list[Edit]:
    """The edits of one style. Each gap is written once, by the last rule that claims it."""
    compact = style.name == "compact"
    leads = sheet.leads_in(style.unit)
    lines = sheet.fewest_lines() if compact else sheet.more_lines(style.everywhere)
    changes = sheet.rewritten(lines, leads)
    if style.spacing and sheet.language in spacing.LANGUAGES:
        changes.update((spacing.close_up if compact else spacing.space_out)(sheet, rng))
    if style.lists:
        inner = style.unit or b" " * sheet.unit_width or b"    "
        changes.update((lists.join if compact else lists.split)(sheet, leads, inner, rng))
    return [Edit(start, end, text) for start, (end, text) in sorted(changes.items())]
