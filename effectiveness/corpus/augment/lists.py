"""Lists between brackets: a short one on several lines is joined, one on a single line is split.

Arguments, parameters and literals only; a line end between their brackets is a space in every language here,
given that it stands behind an opening bracket or a comma, or before a closing bracket. (So no statement ends
there: not in Go, not in JavaScript.) A list with a comment or a many-line string in it stays.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from effectiveness.corpus.augment import marks as m
from effectiveness.corpus.augment.gaps import PREPROCESSED
from effectiveness.corpus.augment.layout_view import Change, LayoutView, Style, width
from effectiveness.languages import LANGUAGES

MAX_COLUMNS = 100
_LONGEST_SOURCE = 600  # bytes of a list worth joining, indentation included
_MOST_COMMAS = 8  # nobody gives every number of a table a line
_OPENING, _CLOSING = b"([{", b")]}"


def join(view: LayoutView, leads: list[bytes], style: Style) -> Iterator[Change]:
    """Put lists that fit on one line there. Outermost first: what is inside a joined list is joined with it."""
    source, table = view.source, view.table
    done = 0
    for index in _lists(view):
        start, end = table.start[index], table.end[index]
        if start < done or end - start > _LONGEST_SOURCE or source.find(b"\n", start, end) < 0:
            continue
        changes = _joined(view, index, style)
        if changes and _column(view, leads, start) + _length(start, end, changes) <= MAX_COLUMNS:
            yield from changes
            done = end


def _joined(view: LayoutView, index: int, style: Style) -> list[Change] | None:
    """The gaps of one list without line ends, or None where one of them must stay."""
    source, table, gaps = view.source, view.table, view.gaps
    start, end = table.start[index], table.end[index]
    inside = range(bisect_right(gaps.end, start), bisect_left(gaps.end, end))
    if sum(gaps.lines[i] + gaps.owned[i] for i in inside) != source.count(b"\n", start, end):
        return None  # a string or a comment of several lines
    fixed = view.marks.bytes_with(m.COMMENT | m.DIRECTIVE | m.BLOCK | m.FOLDED | m.ANCHOR)
    if any(mark in fixed for mark in view.marked[index : table.subtree_end[index]]):
        return None
    if view.language in PREPROCESSED and source.find(b"#", start, end) >= 0:
        return None
    changes = [_joined_gap(view, i, style) for i in inside]
    known = [change for change in changes if change is not None]
    return known if len(known) == len(changes) else None


def _joined_gap(view: LayoutView, i: int, style: Style) -> Change | None:
    """What one gap becomes; a comma before the closing bracket says that the list is to stay as it is."""
    start, end = view.gaps.start[i], view.gaps.end[i]
    before, behind = view.source[start - 1], view.source[end]
    spaced = view.language in PREPROCESSED
    if before in _OPENING or (behind in _CLOSING and before != ord(",")):
        spaced |= view.language != "Python" and (before == ord("{") or behind == ord("}"))
    elif before == ord(",") and behind not in _CLOSING:
        spaced |= not style.commas or not LANGUAGES[view.language].spaces_are_free
    else:
        return None
    return start, (end, b" " if spaced else b"")


def split(view: LayoutView, leads: list[bytes], style: Style) -> Iterator[Change]:
    """Put one element on a line in lists that are long enough for somebody to do that."""
    source, table = view.source, view.table
    unit = style.unit or (b"\t" if view.tabs else b" " * (view.unit_width or 4))
    done = 0
    for index in _lists(view):
        start, end = table.start[index], table.end[index]
        if start < done or end - start < style.fewest_bytes or source.find(b"\n", start, end) >= 0:
            continue
        commas = _own_commas(view, index)
        if not style.fewest_commas <= len(commas) <= _MOST_COMMAS:
            continue
        line = bisect_right(view.gaps.end, start) - 1  # the gap before the line that the list stands on
        if (
            _remarked(view, line, directly=True)
            or _remarked(view, line + 1)
            or _is_anchored(view, index, line)
        ):
            continue
        lead = leads[line] if line >= 0 else b""
        column = _column(view, leads, start) + 1
        changes = _hanging(view, index, commas, lead, unit) if style.hanging else []
        if changes := changes or _aligned(view, commas, end, lead, column):
            yield from changes
            done = end


def _remarked(view: LayoutView, gap: int, *, directly: bool = False) -> bool:
    """Whether a comment ends before a gap. It may speak to a tool about the line below (then `directly`, without
    a blank line) or the line it stands on."""
    gaps = view.gaps
    if not 0 <= gap < len(gaps.leaf) or (directly and gaps.lines[gap] + gaps.owned[gap] > 1):
        return False
    return view.marked[gaps.leaf[gap]] in view.marks.bytes_with(m.COMMENT)


def _is_anchored(view: LayoutView, index: int, line: int) -> bool:
    """Whether what begins in a list, or before it on its line, goes on below that line."""
    anchors = view.marks.bytes_with(m.ANCHOR)
    if not anchors:
        return False
    first = bisect_left(view.table.start, view.gaps.end[line] if line >= 0 else 0)
    return any(mark in anchors for mark in view.marked[first : view.table.subtree_end[index]])


def _hanging(view: LayoutView, index: int, commas: list[int], lead: bytes, unit: bytes) -> list[Change]:
    """Every element on a line of its own, indented by `unit`; nothing where that cannot be.

    Go wants a comma before a line end, so there the closing bracket follows the last element.
    """
    source, start, end = view.source, view.table.start[index], view.table.end[index]
    edges = _blanks_from(source, start + 1), _blanks_to(source, end - 1)
    between = [_blanks_from(source, comma) for comma in commas]
    if view.language in PREPROCESSED and any(left == right for left, right in (*edges, *between)):
        return []
    deeper = view.line_end + lead + unit
    changes = [(left, (right, deeper)) for left, right in (edges[0], *between)]
    if between[-1][1] == end - 1:
        changes.pop()
    elif view.language == "Go":
        return changes
    left, right = edges[1]
    return [*changes, (left, (right, view.line_end + lead))]


def _aligned(view: LayoutView, commas: list[int], end: int, lead: bytes, column: int) -> list[Change]:
    """The first element stays behind the bracket, the others stand below it; nothing where that cannot be."""
    between = [_blanks_from(view.source, comma) for comma in commas]
    if between[-1][1] == end - 1:
        between.pop()
    if view.language in PREPROCESSED and any(left == right for left, right in between):
        return []
    text = view.line_end + lead + b" " * max(1, column - width(lead))
    return [(left, (right, text)) for left, right in between]


def _lists(view: LayoutView) -> Iterator[int]:
    """Nodes that are lists in brackets, in order, outer before inner."""
    source, frozen, table = view.source, view.frozen, view.table
    for index in view.marks.nodes_with(m.LIST, view.marked):
        if frozen[index] or table.subtree_end[index] < index + 3:
            continue
        if source[table.start[index]] in _OPENING and source[table.end[index] - 1] in _CLOSING:
            yield index


def _own_commas(view: LayoutView, index: int) -> list[int]:
    """Ends of the commas that separate the elements of this list; none where it is to keep its lines."""
    folded = view.marks.bytes_with(m.FOLDED)
    kind, ends, subtree_end = view.table.kind, view.table.end, view.table.subtree_end
    commas = []
    child, last = index + 1, subtree_end[index]
    while child < last:
        if view.marked[child] in folded:
            return []
        if kind[child] == ",":
            commas.append(ends[child])
        child = subtree_end[child]
    return commas


def _blanks_from(source: bytes, start: int) -> tuple[int, int]:
    end = start
    while source[end] == ord(" "):
        end += 1
    return start, end


def _blanks_to(source: bytes, end: int) -> tuple[int, int]:
    start = end
    while source[start - 1] == ord(" "):
        start -= 1
    return start, end


def _column(view: LayoutView, leads: list[bytes], start: int) -> int:
    """Column at which `start` stands once its line has its new indentation."""
    line = bisect_right(view.gaps.end, start) - 1
    if line < 0:
        return start
    return start - view.gaps.end[line] + width(leads[line])


def _length(start: int, end: int, changes: list[Change]) -> int:
    return end - start - sum(right - left - len(text) for left, (right, text) in changes)
