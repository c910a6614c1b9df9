"""What augmentation yielded and refused, and a few variants beside their sources."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from itertools import zip_longest

from corpus.records import AUGMENTATION_KINDS, VARIANTS
from corpus.report.charts import bar
from corpus.report.page import (
    Html,
    count,
    figure,
    finding,
    join,
    note,
    num,
    percent,
    section,
    short,
    table,
    tag,
)
from corpus.report.tally import Tally

_MAX_REFUSALS = 6  # reasons shown per kind
_MAX_EXAMPLES = 12
_MAX_LINES, _MAX_COLUMNS = 25, 160
_TOKENS = re.compile(r"\w+|[ \t]+|\n|[^\w\s]|\s")

_TITLE, _WHY = (
    "Augmentation",
    "A rewritten text is kept only if it is proven to mean the same as its source and differs from it. What could not "
    "be proven was refused: that costs yield, never correctness.",
)


def yields(metadata: dict, counted: Tally) -> Html:
    kinds = [kind for kind in AUGMENTATION_KINDS if kind in metadata["augmentation"]]
    if not kinds:
        return section(_TITLE, _WHY, finding("No augmentation was asked for: every row is original text."))
    per_variant = counted.by_language_variant.sum(axis=0)
    masked, varied = per_variant[VARIANTS.index("token_masking")], per_variant[1:].sum()
    says = (
        f"{num(varied)} rows, {percent(varied, counted.num_rows)} of the dataset, are variants: {num(varied - masked)} "
        f"rewritten and proven to mean the same, {num(masked)} with spans masked."
    )
    body = [_yield_table(metadata["augmentation"], kinds), *_dropped(metadata["duplicate_rows_dropped"])]
    refusals = _refusals(metadata["augmentation"], kinds)
    if refusals:
        heads = ("kind", "why no variant", "cases", "", "of this kind's")
        body.append(figure("Refusals: what costs the most yield", table(heads, refusals, numeric=(2, 4))))
    return section(_TITLE, _WHY, finding(says), *body)


def _dropped(dropped: dict[str, int]) -> list[Html]:
    if not dropped:
        return []
    kinds = ", ".join(f"{kind.replace('_', ' ')} {num(n)}" for kind, n in sorted(dropped.items()))
    return [note(f"Left out because another row holds the same tokens: {kinds}.")]


def _yield_table(augmentation: dict, kinds: list[str]) -> Html:
    tried: Counter[str] = Counter()
    for kind in kinds:
        tried.update({language: cell["files"] for language, cell in augmentation[kind].items()})
    languages = sorted(tried, key=lambda language: (-tried[language], language))
    rows = [
        (language, *(_cell(augmentation[kind].get(language)) for kind in kinds)) for language in languages
    ]
    heads = ("language", *(kind.replace("_", " ") for kind in kinds))
    caption = "Texts changed, of those tried, and the rows they gave"
    return figure(caption, tag("div", table(heads, rows), class_="cells"))


def _cell(cell: dict | None) -> Html:
    if not cell or not cell["files"]:
        return tag("span", "–", class_="faded")
    changed, files = cell["changed"], cell["files"]
    if not changed:
        return tag("span", f"none of {num(files)}", class_="faded")
    words = tag("span", f"{percent(changed, files)} of {num(files)}", class_="strong")
    return join([words, bar(changed / files), tag("span", count(cell["rows"], "row"), class_="faded")])


def _refusals(augmentation: dict, kinds: list[str]) -> list[tuple]:
    rows = []
    for kind in kinds:
        reasons: Counter[str] = Counter()
        for cell in augmentation[kind].values():
            reasons.update(cell["refused"])
        whole = sum(reasons.values())
        ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        for place, (reason, n) in enumerate(ordered[:_MAX_REFUSALS]):
            name = "" if place else tag("span", kind.replace("_", " "), class_="strong")
            rows.append((name, short(reason), num(n), bar(n / whole, "faint"), percent(n, whole)))
    return rows


def before_and_after(examples: list[dict]) -> Html:
    title, why = "Before and after", "Variants as the model reads them; what changed is marked."
    if not examples:
        return section(title, why, finding("There is no variant to show."))
    shown = examples[:_MAX_EXAMPLES]
    says = f"{count(len(shown), 'snippet')} of this dataset beside the text each was made from."
    return section(title, why, finding(says), *(_example(example) for example in shown), wide=True)


def _example(example: dict) -> Html:
    kind = tag("strong", example["kind"].replace("_", " "))
    path = tag("code", short(example["path"], 90), class_="path")
    caption = tag("span", kind, f" · {example['language']} · ", path)
    before, after = _clip(example["before"]), _clip(example["after"])
    if before == after:
        return figure(caption, note("The part that changed lies outside this snippet."))
    return figure(caption, _side_by_side(before, after))


def _clip(text: str) -> str:
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(
        line if len(line) <= _MAX_COLUMNS else line[:_MAX_COLUMNS] + "…" for line in lines[:_MAX_LINES]
    )


def _side_by_side(before: str, after: str) -> Html:
    """Both texts with their changed words marked, equal lines on one level."""
    marked_before, marked_after = _mark_changes(before, after)
    rows = []
    matcher = difflib.SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False)
    for operation, a, a_end, b, b_end in matcher.get_opcodes():
        left, right = marked_before[a:a_end], marked_after[b:b_end]
        if left and right and len(left) != len(right):  # reflowed: no line has a counterpart
            left, right = [Html("\n".join(left))], [Html("\n".join(right))]
        rows += [_line(*pair, operation == "equal") for pair in zip_longest(left, right)]
    head = tag("tr", tag("th", "before", scope="col"), tag("th", "after", scope="col"))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="diff")


def _line(left: Html | None, right: Html | None, equal: bool) -> Html:
    cells = [
        tag(
            "td",
            tag("code", line) if line is not None else "",
            class_=side if line is not None else f"{side} none",
        )
        for line, side in ((left, "before"), (right, "after"))
    ]
    return tag("tr", *cells, class_="equal" if equal else "changed")


def _mark_changes(before: str, after: str) -> tuple[list[Html], list[Html]]:
    """Lines of both texts, changed words in <del> and <ins>. White space counts: layout is a kind."""
    words_before, words_after = _TOKENS.findall(before), _TOKENS.findall(after)
    matcher = difflib.SequenceMatcher(None, words_before, words_after, autojunk=False)
    left, right = [], []
    for operation, a, a_end, b, b_end in matcher.get_opcodes():
        same = operation == "equal"
        left += _pieces("".join(words_before[a:a_end]), "" if same else "del")
        right += _pieces("".join(words_after[b:b_end]), "" if same else "ins")
    return _lines(left), _lines(right)


def _pieces(text: str, name: str) -> list[Html | None]:
    """`text` as marked pieces, with None for each line end."""
    pieces: list[Html | None] = []
    for index, part in enumerate(text.split("\n")):
        if index:
            pieces.append(None)
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
