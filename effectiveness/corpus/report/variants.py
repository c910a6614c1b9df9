"""What augmentation yielded and refused, by kind and language; and a few variants beside what they were made from."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from itertools import zip_longest

from effectiveness.common.charts import bar
from effectiveness.common.console import count
from effectiveness.common.html import (
    Html,
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
from effectiveness.common.records import AUGMENTATION_KINDS, VARIANTS
from effectiveness.corpus.report.tally import RowCounts

_MAX_REFUSALS = 6  # reasons shown per kind
_MAX_LANGUAGES = 3  # named per reason

_TITLE, _WHY = (
    "Augmentation",
    "A rewritten text is kept only if it is proven to mean the same as its source and differs from it. What could not "
    "be proven was refused: that costs yield, never correctness.",
)


def yields(metadata: dict, counted: RowCounts) -> Html:
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
        heads = ("kind", "why no variant", "cases", "", "of this kind's", "in")
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
        reasons: dict[str, Counter[str]] = defaultdict(Counter)
        for language, cell in augmentation[kind].items():
            for reason, n in cell["refused"].items():
                reasons[reason][language] += n
        whole = sum(map(Counter.total, reasons.values()))
        ordered = sorted(reasons.items(), key=lambda item: (-item[1].total(), item[0]))
        for place, (reason, by_language) in enumerate(ordered[:_MAX_REFUSALS]):
            name = "" if place else tag("span", kind.replace("_", " "), class_="strong")
            n = by_language.total()
            share = (bar(n / whole, "faint"), percent(n, whole))
            rows.append((name, short(reason), num(n), *share, _most(by_language)))
    return rows


def _most(by_language: Counter[str]) -> Html:
    """The languages a reason was given in, most often first."""
    ordered = sorted(by_language.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{language} {num(n)}" for language, n in ordered[:_MAX_LANGUAGES])
    rest = len(ordered) - _MAX_LANGUAGES
    return tag("span", named + (f", {rest} more" if rest > 0 else ""), class_="faded")


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
