"""What the rows hold: splits, languages, roles and weights, lengths, and the order of the training file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from effectiveness.common import charts
from effectiveness.common.console import count
from effectiveness.common.html import (
    Html,
    figure,
    finding,
    note,
    num,
    percent,
    section,
    table,
    tag,
)
from effectiveness.common.recipes import RECIPES, recipe_of
from effectiveness.common.records import ROLES, SHARE_TOLERANCE, SPLITS, WEIGHTS
from effectiveness.corpus.report.tally import LENGTH_BINS, Curve, RowCounts

_SHADES = {"core": "c0", "util": "c1", "test": "c2"}
_MAX_LANGUAGES = 24
_NUM_LAYERS = 6  # languages told apart in the curriculum chart; the last layer is all others


def splits(metadata: dict, counted: RowCounts) -> Html:
    sizes, off = counted.rows_by_split, counted.off_shares
    says = " / ".join(f"{100 * share:.1f}" for share in counted.shares)
    verdict = "within" if off <= SHARE_TOLERANCE else f"{100 * off:.1f} points away, not within"
    parts = [(name, int(sizes[i]), f"c{i}") for i, name in enumerate(SPLITS)]
    drawing = charts.stacked(parts, f"Rows per split in per cent, train, val, test: {says}.")
    rows = [
        (name, *map(num, counted.by_split_role[i]), num(sizes[i]), percent(sizes[i], counted.num_rows))
        for i, name in enumerate(SPLITS)
    ]
    return section(
        "Splits",
        "Whole groups of files are dealt out, so the shares come near 85 / 10 / 5 rather than meeting it exactly.",
        finding(f"{says} per cent of the rows are train / val / test: {verdict} 2 points of 85 / 10 / 5."),
        drawing,
        table(("split", *(f"{role} rows" for role in ROLES), "rows", "share"), rows, numeric=(1, 2, 3, 4, 5)),
        *(note(f"To know: {words}.") for words in metadata["split_notes"]),
    )


def languages(metadata: dict, counted: RowCounts) -> Html:
    names = metadata["languages_table"]
    files = metadata["files_per_language"]
    whole = int(counted.tokens_by_language.sum())
    order = sorted(
        (i for i in range(len(names)) if files.get(names[i])),
        key=lambda i: (-counted.tokens_by_language[i], names[i]),
    )
    rows = []
    for i in order[:_MAX_LANGUAGES]:
        tokens, by_variant = int(counted.tokens_by_language[i]), counted.by_language_variant[i]
        share = charts.bar(tokens / max(whole, 1))
        cells = (files[names[i]], by_variant[0], by_variant[1:].sum(), tokens)
        rows.append((names[i], share, percent(tokens, whole), *(num(n) for n in cells)))
    if len(order) > _MAX_LANGUAGES:
        rows.append((f"{len(order) - _MAX_LANGUAGES} more", *[""] * 6))
    headers = ("language", "", "share of tokens", "files", "original rows", "varied rows", "tokens in rows")
    return section(
        "Languages",
        "What the model will mostly read. Tokens are counted as stored: windows that overlap repeat them.",
        finding(_dominant([(names[i], int(counted.tokens_by_language[i])) for i in order], whole)),
        table(headers, rows, numeric=(2, 3, 4, 5, 6)),
    )


def _dominant(tokens: list[tuple[str, int]], whole: int) -> str:
    """`tokens` of each language, the most first."""
    if not tokens:
        return "No file was read."
    first = f"{tokens[0][0]} makes up {percent(tokens[0][1], whole)} of all tokens"
    if len(tokens) == 1:
        return f"{first}; it is the only language."
    return f"{first}, {tokens[1][0]} {percent(tokens[1][1], whole)}; {count(len(tokens), 'language')} in all."


def roles(metadata: dict, counted: RowCounts) -> Html:
    weights = [metadata["weighting_strategy"][f"{WEIGHTS[role][1]}_priority"] for role in ROLES]
    in_train = counted.by_split_role[0]
    is_weighted = RECIPES[recipe_of(metadata)].weighting == "visits"
    seen = in_train * np.array(weights) if is_weighted else in_train
    shares = [("Rows in train", in_train), ("What training sees, rows times weight", seen)]
    return section(
        "Roles and weights",
        "Library code teaches more about a project than its tests do. A row has a weight, which a training can "
        "follow; no row is copied.",
        finding(_seen_in_words(weights, in_train, seen, is_weighted)),
        *(
            figure(caption, charts.stacked(_role_parts(values), f"{caption}: {_in_words(values)}."))
            for caption, values in shares[: 1 + is_weighted]
        ),
        table(
            ("role", "files", "rows in train", "weight", "share of rows", "share of what training sees"),
            _role_rows(metadata, weights, in_train, seen),
            numeric=(1, 2, 3, 4, 5),
        ),
    )


def _seen_in_words(weights: list[float], in_train: np.ndarray, seen: np.ndarray, is_weighted: bool) -> str:
    share = percent(in_train[0], in_train.sum())
    if not is_weighted:
        return f"Training reads every row alike: core code is {share} of the training rows and of what training sees."
    ratio = " : ".join(f"{weight:g}" for weight in weights)
    return (
        f"A row of core, util and test code is visited {ratio}, so core code is {share} of the training rows and "
        f"{percent(seen[0], seen.sum())} of what training sees."
    )


def _role_rows(metadata: dict, weights: list[float], in_train: np.ndarray, seen: np.ndarray) -> list[tuple]:
    return [
        (
            role,
            num(metadata["files_per_role"].get(role, 0)),
            num(in_train[i]),
            f"{weights[i]:g}",
            percent(in_train[i], in_train.sum()),
            percent(seen[i], seen.sum()),
        )
        for i, role in enumerate(ROLES)
    ]


def _role_parts(values: np.ndarray) -> list[tuple[str, float, str]]:
    return [(role, float(value), _SHADES[role]) for role, value in zip(ROLES, values, strict=True)]


def _in_words(values: np.ndarray) -> str:
    return ", ".join(
        f"{role} {percent(value, values.sum())}" for role, value in zip(ROLES, values, strict=True)
    )


def lengths(metadata: dict, counted: RowCounts) -> Html:
    window, full = counted.window, counted.num_full
    positions = counted.num_rows * window
    padding = positions - int(counted.tokens_by_split.sum())
    says = (
        f"{percent(full, counted.num_rows)} of the windows are full; "
        f"padding fills {percent(padding, positions)} of all positions."
    )
    parts = [("full windows", full, "c0"), ("padded windows", counted.num_rows - full, "c2")]
    rows = [
        (name, num(n), num(n * window - tokens), percent(n * window - tokens, n * window))
        for name, n, tokens in zip(SPLITS, counted.rows_by_split, counted.tokens_by_split, strict=True)
    ]
    return section(
        "Lengths and padding",
        "A file shorter than the window is one padded row. Longer ones are cut into full windows, the last one aligned "
        "to the end of the file. Padding is never learnt from.",
        finding(says),
        charts.stacked(parts, says),
        *_padded(counted),
        table(("split", "rows", "padding tokens", "share of positions"), rows, numeric=(1, 2, 3)),
    )


def _padded(counted: RowCounts) -> list[Html]:
    """How long the rows are that are not full."""
    if not counted.lengths.any():
        return []
    window = counted.window
    edges = [-(-window * i // LENGTH_BINS) for i in range(LENGTH_BINS + 1)]
    labels = [f"{low} to {high - 1} tokens" for low, high in pairwise(edges)]
    ticks = [(0.0, "0 tokens"), (0.5, f"{window // 2}"), (1.0, f"{window}")]
    title = f"Rows shorter than the window, by length; most often {labels[int(counted.lengths.argmax())]}."
    return [figure(title, charts.columns(counted.lengths.tolist(), labels, ticks, title))]


def curriculum(metadata: dict, counted: RowCounts) -> Html:
    train = counted.curves["train"]
    top = max([float(curve.high.max()) for curve in counted.curves.values() if curve.num_rows] or [1.0])
    steps = f"{num(train.num_descents)} of {num(max(train.num_rows - 1, 0))} steps"
    if train.num_descents:
        says = f"train.jsonl is not in order: {steps} go down."
    elif RECIPES[recipe_of(metadata)].curriculum == "none":
        says = f"The file stands simple first ({steps} go down); training with this recipe reads it shuffled."
    else:
        says = f"Training starts simple and never steps back: {steps} in train.jsonl go down."
    panels = [_panel(name, counted.curves[name], top) for name in SPLITS]
    return section(
        "Curriculum",
        "Rows of the training file stand in order of complexity, a score of the syntax tree: size, nesting, branching, "
        "distinct names, generics and traits.",
        finding(says),
        tag("div", *panels, class_="panels"),
        note(
            "Line: the median of neighbouring rows; shade, where seen: their middle 80 per cent. One scale for all."
        ),
        *_language_order(metadata, counted),
    )


def _panel(name: str, curve: Curve, top: float) -> Html:
    if not curve.num_rows:
        return figure(f"{name}: no rows", "")
    first, last = curve.middle[0], curve.middle[-1]
    title = f"Complexity along {name}: from {first:.3g} at its start to {last:.3g} at its end."
    ticks = [(0.0, "first row"), (1.0, "last")]
    return figure(
        f"{name}, {count(curve.num_rows, 'row')}",
        charts.band(curve.low, curve.middle, curve.high, top, ticks, title),
    )


def _language_order(metadata: dict, counted: RowCounts) -> list[Html]:
    order = counted.language_order
    if not order.any() or np.count_nonzero(order.sum(axis=0)) < 2:
        return []
    names = metadata["languages_table"]
    ranked = sorted(range(len(names)), key=lambda i: (-order[:, i].sum(), names[i]))
    chosen = [i for i in ranked[: _NUM_LAYERS - 1] if order[:, i].any()]
    others = order.sum(axis=1) - order[:, chosen].sum(axis=1)
    layers = np.column_stack([order[:, chosen], others])
    labels = [*(names[i] for i in chosen), "others"]
    start, end = (
        f"{labels[int(step.argmax())]} ({percent(step.max(), step.sum())})" for step in layers[[0, -1]]
    )
    says = f"At the start {start} is the largest part, at the end {end}."
    caption = tag("span", "Share of languages along train.jsonl. ", tag("strong", says))
    ticks = [(0.0, "first rows"), (1.0, "last rows")]
    return [figure(caption, charts.layers(layers, labels, ticks, says))]
