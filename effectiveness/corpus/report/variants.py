"""What augmentation yielded and refused, by kind and language."""

from __future__ import annotations

from collections import Counter, defaultdict

from effectiveness.common.charts import bar
from effectiveness.common.html import (
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
from effectiveness.common.records import AUGMENTATION_KINDS, VARIANTS
from effectiveness.corpus.report.tally import Tally

_MAX_REFUSALS = 6  # reasons shown per kind
_MAX_LANGUAGES = 3  # named per reason

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
