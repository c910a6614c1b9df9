"""A few variants beside the text each was made from, with what changed marked."""

from __future__ import annotations

import difflib
import re
from itertools import zip_longest

from effectiveness.common.html import Html, count, figure, finding, join, note, section, short, tag
from effectiveness.common.records import AUGMENTATION_KINDS

_MAX_EXAMPLES = 16
_MAX_LINES, _MAX_COLUMNS = 25, 160
_TOKENS = re.compile(r"\w+|[ \t]+|\n|[^\w\s]|\s")
_LINE_END = "↵"  # stands for a line end that came or went
_NO_BREAK_SPACE = "\u00a0"  # gives an empty line its height


def before_and_after(examples: list[dict]) -> Html:
    title, why = "Before and after", "Variants as the model reads them; what changed is marked."
    if not examples:
        return section(title, why, finding("There is no variant to show."))
    shown = sorted(examples[:_MAX_EXAMPLES], key=_by_kind)
    says = f"{count(len(shown), 'snippet')} of this dataset beside the text each was made from."
    return section(title, why, finding(says), *(_example(example) for example in shown), wide=True)


def _by_kind(example: dict) -> tuple[int, str]:
    kind = example["kind"]
    place = AUGMENTATION_KINDS.index(kind) if kind in AUGMENTATION_KINDS else len(AUGMENTATION_KINDS)
    return place, kind


def _example(example: dict) -> Html:
    kind = tag("strong", example["kind"].replace("_", " "))
    path = tag("code", short(example["path"], 90), class_="path")
    caption = tag("span", kind, f" · {example['language']} · ", path)
    before, after = _without_uneven_ends(_clip(example["before"]), _clip(example["after"]))
    if before == after:
        return figure(caption, note("The part that changed lies outside this snippet."))
    return figure(caption, _side_by_side(before, after))


def _clip(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(
        line if len(line) <= _MAX_COLUMNS else line[:_MAX_COLUMNS] + "…" for line in lines[:_MAX_LINES]
    )


def _opcodes(before: list[str], after: list[str]) -> list[tuple]:
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _without_uneven_ends(before: str, after: str) -> tuple[str, str]:
    """Both snippets up to where they last agree.

    Snippets are so many lines of each text. After a change the two windows end at different places, and what
    one still shows would look as if it had been added. If nothing else changed, only the words after the last
    common one go.
    """
    old, new = before.split("\n"), after.split("\n")
    *changes, last = _opcodes(old, new)
    if last[0] != "equal" and any(operation != "equal" for operation, *_ in changes):
        return "\n".join(old[: last[1]]), "\n".join(new[: last[3]])
    words_before, words_after = _TOKENS.findall(before), _TOKENS.findall(after)
    *changes, last = _opcodes(words_before, words_after)
    if last[0] in ("insert", "delete") and any(operation != "equal" for operation, *_ in changes):
        return "".join(words_before[: last[1]]), "".join(words_after[: last[3]])
    return before, after


def _side_by_side(before: str, after: str) -> Html:
    """Both texts with their changed words marked, equal lines on one level."""
    marked_before, marked_after = _mark_changes(before, after)
    rows = []
    for operation, a, a_end, b, b_end in _opcodes(before.split("\n"), after.split("\n")):
        left, right = marked_before[a:a_end], marked_after[b:b_end]
        if left and right and len(left) != len(right):  # reflowed: no line has a counterpart
            left, right = [Html("\n".join(left))], [Html("\n".join(right))]
        rows += [_line(*pair, operation == "equal") for pair in zip_longest(left, right)]
    head = tag("tr", tag("th", "before", scope="col"), tag("th", "after", scope="col"))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="diff")


def _line(left: Html | None, right: Html | None, equal: bool) -> Html:
    cells = [_side(left, "before"), _side(right, "after")]
    return tag("tr", *cells, class_="equal" if equal else "changed")


def _side(line: Html | None, name: str) -> Html:
    if line is None:
        return tag("td", class_=f"{name} none")
    return tag("td", tag("code", line or _NO_BREAK_SPACE), class_=name)


def _mark_changes(before: str, after: str) -> tuple[list[Html], list[Html]]:
    """Lines of both texts, changed words in <del> and <ins>. White space counts: layout is a kind."""
    words_before, words_after = _TOKENS.findall(before), _TOKENS.findall(after)
    left, right = [], []
    for operation, a, a_end, b, b_end in _opcodes(words_before, words_after):
        same = operation == "equal"
        left += _pieces("".join(words_before[a:a_end]), "" if same else "del")
        right += _pieces("".join(words_after[b:b_end]), "" if same else "ins")
    return _lines(left), _lines(right)


def _pieces(text: str, name: str) -> list[Html | None]:
    """`text` as pieces marked with the element `name` ("" for none), and None for each line end."""
    line_end = tag(name, _LINE_END) if name and text.isspace() else None
    pieces: list[Html | None] = []
    for index, part in enumerate(text.split("\n")):
        if index:
            pieces += [line_end, None] if line_end else [None]
        if part:
            pieces.append(tag(name, part) if name else tag("span", part))
    return pieces


def _lines(pieces: list[Html | None]) -> list[Html]:
    lines: list[list[Html]] = [[]]
    for piece in pieces:
        if piece is None:
            lines.append([])
        else:
            lines[-1].append(piece)
    return [join(line) for line in lines]
