"""One file as layout sees it - its gaps, what its author's layout is - and the ways to set it: compact or verbose."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from effectiveness.corpus.augment import marks as m
from effectiveness.corpus.augment.gaps import frozen_nodes, line_gaps
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable

Change = tuple[int, tuple[int, bytes]]  # start of a gap -> its end and its new text

COMPACT, VERBOSE = "compact", "verbose"
STYLES = (COMPACT, VERBOSE)

_NARROWER = {8: (b"  ", b"    "), 4: (b"  ",), 3: (b"  ",)}  # columns of a level now -> what it may become
_WIDER = {2: (b"    ", b"    ", b"\t"), 3: (b"    ",), 4: (b"        ", b"\t")}
_TAB_COLUMNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one file is set; False and None leave a means unused. Blank lines always change."""

    name: str  # one of STYLES
    unit: bytes | None = None  # a level of indentation
    everywhere: bool = False  # verbose: a blank line between all statements, not only around bigger ones
    commas: bool = False  # white space behind commas: none, or one space
    operators: bool = False  # white space around operators: none, or one space
    lists: bool = False  # compact: lists that fit on a line are joined; verbose: long ones are split
    hanging: bool = True  # split: the first element stands on a line of its own, too
    fewest_commas: int = 1  # a list is split if it has so many
    fewest_bytes: int = 24  # and is so long


def draw(name: str, unit_width: int, *, boldness: float, rng: random.Random) -> Style:
    """A style that fits a file whose levels are `unit_width` columns (0: it has none, or they must stay).

    Each means is used with probability `boldness`.
    """
    units = (_NARROWER if name == COMPACT else _WIDER).get(unit_width, ())
    spaced = rng.random() < boldness
    which = rng.choice(("commas", "operators", "both"))
    return Style(
        name=name,
        unit=rng.choice(units) if units and rng.random() < boldness else None,
        everywhere=rng.random() < boldness,
        commas=spaced and which != "operators",
        operators=spaced and which != "commas",
        lists=rng.random() < boldness,
        hanging=rng.random() < 0.7,
        fewest_commas=rng.choice((1, 2, 2, 3)),
        fewest_bytes=rng.choice((24, 40, 60)),
    )


class LayoutView:
    """What all styles share. `begins[i]` says whether a statement, declaration or member begins behind gap i,
    `unit_width` how many columns one level of indentation has (0: there is none)."""

    def __init__(self, source: bytes, language: str, table: SyntaxTable):
        self.source, self.language, self.table = source, language, table
        self.marks = m.marks_of(language)
        self.marked = self.marks.read(table)
        self.frozen = frozen_nodes(table, language, self.marks, self.marked)
        layout = LANGUAGES[language].layout
        assert layout is not None, "refused without one"
        if layout.is_space_read:
            self._freeze_all_but_declarations()
        self.gaps = line_gaps(source, table, self.frozen)
        self.line_end = b"\r\n" if b"\r\n" in source else b"\n"
        self.begins = self._begins()
        self.width_of = {lead: width(lead) for lead in set(self.gaps.lead)}
        self.tabs = any(lead.startswith(b"\t") for lead in self.width_of)
        self.unit_width = self._unit_width()
        self.reindentable = not layout.is_space_read and (language != "Python" or self._on_whole_levels())

    def _freeze_all_but_declarations(self) -> None:
        """A line that begins with the word of a declaration goes on with nothing above it, however many are between."""
        parent, block = self.table.parent, self.marks.bytes_with(m.BLOCK)
        free = [
            node
            for node in self.marks.nodes_with(m.DECLARATION, self.marked)
            if not self.frozen[node] and self.marked[parent[node]] in block
        ]
        self.frozen = bytearray(b"\1") * len(self.table)
        for node in free:
            self.frozen[node] = 0

    def _begins(self) -> list[bool]:
        marked, parent = self.marked, self.table.parent
        block, bare = self.marks.bytes_with(m.BLOCK), self.marks.bytes_with(m.BARE)
        closer = self.marks.bytes_with(m.CLOSER)
        return [
            marked[node] in bare or (marked[parent[node]] in block and marked[node] not in closer)
            for node in self.gaps.node
        ]

    def _unit_width(self) -> int:
        """Columns of one level: the step inwards that statements take most often."""
        widths = [
            self.width_of[lead] for lead, begins in zip(self.gaps.lead, self.begins, strict=True) if begins
        ]
        steps = Counter(b - a for a, b in zip([0, *widths], widths, strict=False) if b > a)
        return max(steps, key=lambda step: (steps[step], -step)) if steps else 0

    def _on_whole_levels(self) -> bool:
        """Indentation is syntax in Python: every statement must stand on a whole level, in tabs or in spaces."""
        kind = self.table.kind
        leads = {
            lead
            for lead, begins, node in zip(self.gaps.lead, self.begins, self.gaps.node, strict=True)
            if begins and kind[node] != "comment"
        }
        joined = b"".join(leads)
        mixed = b"\t" in joined and b" " in joined
        return not mixed and all(self.width_of[lead] % (self.unit_width or 1) == 0 for lead in leads)

    def leads_in(self, unit: bytes | None) -> list[bytes]:
        """The indentation behind each gap when a level is `unit`; the present one for None.

        Continuation lines keep their distance to their statement, in levels if it is whole levels, else in columns.
        """
        if unit is None or not self.unit_width or not self.reindentable:
            return self.gaps.lead
        directives = self.marks.bytes_with(m.DIRECTIVE)
        width_of, known, leads = self.width_of, {}, []
        base = 0
        for lead, begins, node in zip(self.gaps.lead, self.begins, self.gaps.node, strict=True):
            columns = width_of[lead]
            if self.marked[node] in directives:
                leads.append(lead)
                continue
            if begins or columns <= base:
                base = columns
            if (base, columns) not in known:
                known[base, columns] = self._indentation(unit, base, columns - base)
            leads.append(known[base, columns])
        return leads

    def _indentation(self, unit: bytes, base: int, beyond: int) -> bytes:
        levels, rest = divmod(base, self.unit_width)
        if beyond % self.unit_width == 0:
            levels += beyond // self.unit_width
            beyond = 0
        return unit * levels + b" " * (rest + beyond)

    def fewest_lines(self) -> list[int]:
        """Line ends of each gap without blank lines. One stays below a comment: it may head more than what follows."""
        stuck = self.marks.bytes_with(m.COMMENT)
        marked, gaps = self.marked, self.gaps
        return [
            min(lines, 2 - owned) if owned or marked[leaf] in stuck else 1
            for lines, leaf, owned in zip(gaps.lines, gaps.leaf, gaps.owned, strict=True)
        ]

    def more_lines(self, everywhere: bool) -> list[int]:
        """Line ends of each gap with a blank line above statements: all of them, or the bigger ones.

        None where what stands above belongs to what stands below: an opening, a comment, an attribute, the line that
        says what a block is.
        """
        marked, gaps = self.marked, self.gaps
        big = self.marks.bytes_with(m.DECLARATION)
        above = self.marks.bytes_with(m.OPENER | m.COMMENT)
        heading, body = self.marks.bytes_with(m.HEADING), self.marks.bytes_with(m.BODY)
        parent = self.table.parent
        return [
            2
            if lines == 1
            and begins
            and (everywhere or marked[node] in big)
            and not (owned or marked[leaf] in above or marked[parent[leaf]] in heading)
            and not (marked[node] in body or (marked[node - 1] in body and parent[node] == node - 1))
            else lines
            for node, leaf, lines, owned, begins in zip(
                gaps.node, gaps.leaf, gaps.lines, gaps.owned, self.begins, strict=True
            )
        ]

    def rewritten(self, lines: list[int], leads: list[bytes]) -> dict[int, tuple[int, bytes]]:
        """The gaps that come out differently with these line ends and indentations."""
        source, line_end = self.source, self.line_end
        gaps = self.gaps
        changes = {}
        for start, end, num_lines, lead in zip(gaps.start, gaps.end, lines, leads, strict=True):
            text = line_end * num_lines + lead
            if source[start:end] != text:
                changes[start] = end, text
        return changes


def width(lead: bytes) -> int:
    """Columns of an indentation; a tab reaches to the next multiple of 8."""
    return len(lead.expandtabs(_TAB_COLUMNS)) if b"\t" in lead else len(lead)
