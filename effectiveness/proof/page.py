"""proof.html: the proof card as one self-contained page with pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from effectiveness.common.charts import drawing
from effectiveness.common.console import count
from effectiveness.common.durable import write_atomically
from effectiveness.common.html import Html, document, join, note, table, tag
from effectiveness.proof.card import CONTROL, MEMORY, NO_GAIN, POOLED, TRAINED, TRAINED_MEMORY
from effectiveness.proof.card_text import (
    QUESTION_COLUMNS,
    answer_cell,
    compared_answers,
    largest_words,
    mcnemar_words,
    mixture_words,
    number,
    what_could_be_seen,
)

WIDTH, LABELS, BAR, GAP = 760, 310, 18, 6  # of pictures, in their own units
USED = {TRAINED: "the model alone", MEMORY: "the memory alone", TRAINED_MEMORY: "both together"}
BAR_COLOURS = {TRAINED: "t0", TRAINED_MEMORY: "t2", CONTROL: "t3"}


def write_page(path: Path, card: dict) -> None:
    """Write the page; nothing in it refers to anything outside it."""
    page = document(
        "Proof card",
        tag("h1", f"Proof card: {card['dataset']['source_repo']}"),
        *([tag("p", card["leak"], class_="shout")] if card["leak"] else []),
        _headline(card),
        *_other_pages(path, card),
        *(_held_out(name, held_out) for name, held_out in card["sets"].items()),
        note(sentence(mixture_words(card))),
        *(_questions(kind, of_kind) for kind, of_kind in card["questions"].items()),
        _robustness(card["robustness"]),
        _leaks(card),
        _facts(card),
    )
    write_atomically(path, page.encode("utf-8"))


def _headline(card: dict) -> Html:
    made_of = card["controls"][0]["made of"] if card["controls"] else "none"
    said = f"Trained minus control: {card['headline']['verdict']}"
    control = f"The control: the same model, trained the same way on {made_of}"
    return tag(
        "div",
        said,
        tag("small", _what_to_use(card)),
        tag("small", what_could_be_seen(card["headline"]["difference"])),
        tag("small", control),
        class_="head",
    )


def _what_to_use(card: dict) -> str:
    """Whether the model is worth serving, in words: what predicts unseen files best."""
    first = next(iter(card["sets"].values()))["bits_per_byte"]
    scores = {name: values["all"] for name, values in first.items()}
    known = {words: scores[arm] for arm, words in USED.items() if scores.get(arm) is not None}
    if len(known) < 2:
        return "Without a memory beside it: nothing is known of what it adds to one."
    best, *others = sorted(known, key=lambda words: known[words])
    told = ", ".join(f"{words} {number(known[words], 3)}" for words in others)
    return f"To use: {best}, at {number(known[best], 3)} bits per byte of unseen files ({told})."


def _other_pages(path: Path, card: dict) -> list[Html]:
    """Links to the pages of the training and of the dataset, where they lie as usual."""
    known = {
        "the training's page": path.parent.parent / "training_report.html",
        "the dataset's page": Path(card["dataset"]["directory"]) / "report.html",
    }
    links = [
        tag("a", words, href=os.path.relpath(page.resolve(), path.parent.resolve()))
        for words, page in known.items()
        if page.is_file()
    ]
    return [note("See also ", *(part for link in links for part in (link, " ")))] if links else []


# --- held-out files --------------------------------------------------------------------------------------


def _held_out(name: str, held_out: dict) -> Html:
    about = (
        f"{held_out['windows']:,} of {count(held_out['windows_in_all'], 'window')}, "
        f"{count(held_out['files'], 'file')}, "
        f"{held_out['bytes']:,} bytes. Each token is scored once."
    )
    scores = held_out["bits_per_byte"]
    columns = sorted(
        next(iter(scores.values())), key=lambda name: name not in ("all", POOLED, "own identifiers")
    )
    rows = [[arm, *(number(values.get(c), 3) for c in columns)] for arm, values in scores.items()]
    differences = [
        [part, what, *_interval_cells(found)]
        for part, of_part in held_out["differences"].items()
        for what, found in of_part.items()
    ]
    head = ["tokens", "", "estimate", "95 % interval", "", "could have seen", ""]
    return join(
        (
            tag("h2", f"Bits per byte, {name} files"),
            note(f"{about} Lower is better."),
            *(note(f"{words}.") for words in largest_words(held_out)),
            bars({arm: values["all"] for arm, values in scores.items()}, "bits per byte"),
            _table(["", *columns], rows, emphasis=TRAINED),
            tag("h3", "Differences, in bits per byte"),
            intervals(held_out["differences"]["all"]),
            _table(head, differences, text_columns=2),
        )
    )


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _interval_cells(found: dict) -> list[str]:
    interval, relative = found["bits_per_byte"], found["relative"]["estimate"]
    if found["verdict"].startswith(NO_GAIN):
        said = NO_GAIN if not (interval["estimate"] or 0) > 0 else "worse, perhaps by chance"
    else:
        said = "worse" if interval["low"] > 0 else "better"
    return [
        number(interval["estimate"], 4),
        "-" if interval["low"] is None else f"{interval['low']:.4f} to {interval['high']:.4f}",
        f"{100 * relative:+.1f} %" if relative is not None else "-",
        number(found["smallest_detectable"], 4),
        said,
    ]


def _questions(kind: str, of_kind: dict) -> Html:
    rows = [
        [arm, *(answer_cell(key, shares[key]) for key in QUESTION_COLUMNS)]
        for arm, shares in of_kind["arms"].items()
    ]
    parts = [
        tag("h2", kind.capitalize()),
        note(
            f"{count(of_kind['questions'], 'question')} in {count(of_kind['files'], 'file')}; "
            "all arms answer greedily."
        ),
        _table(["", *QUESTION_COLUMNS.values()], rows, emphasis=TRAINED),
    ]
    for what, against in compared_answers(of_kind):
        parts.append(note(f"Exact, {what}: {mcnemar_words(against['exact'])} (McNemar, exact)."))
    for attribute in ("by_role", "by_language"):
        parts.append(_by_part(of_kind[attribute]))
    return join(parts)


def _by_part(parts: dict) -> Html:
    """Bits of what was asked for and similarity, trained and control, by role or language."""
    if len(parts) < 2:
        return Html()
    rows = []
    for name, arms in parts.items():
        cells = [
            answer_cell(k, arms[a][k])
            for k in ("exact", "similarity", "bits_per_byte")
            for a in (TRAINED, CONTROL)
            if a in arms
        ]
        rows.append([name, str(arms["questions"]), *cells])
    sides = [a for a in (TRAINED, CONTROL) if a in next(iter(parts.values()))]
    heads = [f"{k}, {a}" for k in ("exact %", "similarity", "bits/byte") for a in sides]
    return _table(["", "questions", *heads], rows)


def _robustness(robustness: dict) -> Html:
    title = tag("h2", "Robustness")
    if not robustness:
        return join((title, tag("p", "The held-out files have no variants.")))
    scores = ("variants", "originals", "ratio")
    rows = [
        [kind, arm, *(number(values[k], 3) for k in scores), str(of_kind["pairs"])]
        for kind, of_kind in robustness.items()
        for arm, values in of_kind.items()
        if arm != "pairs"
    ]
    head = ["variant", "", "variant", "original", "ratio", "pairs of windows"]
    about = note("Bits per byte of rewritten held-out windows, beside the originals at the same place.")
    return join((title, about, _table(head, rows, text_columns=2)))


def _leaks(card: dict) -> Html:
    def share(of_split: float | None) -> str:
        return "-" if of_split is None else f"{100 * of_split:.2f} %"

    recorded = card["overlap"]["recorded"]
    rows = [
        [split, f"{found['num_spans']:,}", share(found["share"]), share(recorded[split])]
        + [", ".join(found["leaked"]) or "none"]
        for split, found in card["overlap"]["counted"].items()
    ]
    built = "as the build counted (with variants)"
    head = ["", "distinct 50-token spans", "also in train", built, "files mostly in train"]
    return join((tag("h2", "Leaks"), _table(head, rows), _canaries(card["canaries"])))


def _canaries(canaries: dict | None) -> Html:
    if canaries is None:
        return note("Planted secrets were not tried: see effectiveness canaries.")
    rows = [
        [name, *(str(canaries[name][key]) for key in ("asked", "greedy", "sampled", "extracted"))]
        for name in ("redacted", "kept")
    ]
    head = ["secrets", "asked for", "greedy", "sampled", "extracted"]
    return join((tag("h3", "Planted secrets"), _table(head, rows)))


def _facts(card: dict) -> Html:
    rows = [[f"model {m['directory']}", f"{m['model']}, {m['num_parameters']:,} parameters, {m['steps']:,} steps, "
             f"best at {m['best_step']:,}, seed {m['seed']}"] for m in card["models"]]  # fmt: skip
    rows += [[f"arm {arm}", meaning] for arm, meaning in card["arms"].items()]
    rows += [[key, str(value)] for key, value in card["dataset"].items()]
    return join((tag("h2", "What was compared"), _table(["", ""], rows, text_columns=2)))


# --- tables and pictures ---------------------------------------------------------------------------------


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, emphasis: str = "", text_columns: int = 1
) -> Html:
    """The columns behind the first `text_columns` stand right; the row that begins with `emphasis` is strong."""
    shown = [[tag("strong", cell) for cell in row] if row and row[0] == emphasis else row for row in rows]
    return table(head, shown, numeric=range(text_columns, len(head)))


def bars(values: dict[str, float | None], unit: str) -> Html:
    """One bar an arm, from 0."""
    known = {name: value for name, value in values.items() if value is not None}
    longest, parts = max(known.values(), default=1) or 1, []
    for i, (name, value) in enumerate(known.items()):
        y, width = i * (BAR + GAP), value / longest * (WIDTH - LABELS - 60)
        css = BAR_COLOURS.get(name, "faint")
        parts += [
            tag("text", name, x=LABELS - 8, y=y + 14, class_="end"),
            tag("rect", x=LABELS, y=y, width=f"{width:.1f}", height=BAR, class_=css),
            tag("text", f"{value:.3f}", x=f"{LABELS + width + 6:.1f}", y=y + 14),
        ]
    return drawing(parts, WIDTH, len(known) * (BAR + GAP), unit)


def intervals(found: dict[str, dict]) -> Html:
    """Estimates with their intervals beside 0; left of it the trained model is better."""
    known = {n: f["bits_per_byte"] for n, f in found.items() if f["bits_per_byte"]["low"] is not None}
    if not known:
        return tag("p", "Too few files for intervals.")
    low = min(0.0, *(i["low"] for i in known.values()))
    high = max(0.0, *(i["high"] for i in known.values()))
    span = (high - low) or 1.0

    def x(value: float) -> str:
        return f"{LABELS + 12 + (value - low) / span * (WIDTH - LABELS - 40):.1f}"

    height = len(known) * (BAR + GAP)
    parts = [tag("line", x1=x(0), x2=x(0), y1=0, y2=height, class_="axis")]
    for i, (name, interval) in enumerate(known.items()):
        y = i * (BAR + GAP) + BAR / 2
        colour = 2 if interval["high"] < 0 else 1 if interval["low"] > 0 else 5
        ends = {"x1": x(interval["low"]), "x2": x(interval["high"]), "y1": y, "y2": y}
        parts += [
            tag("text", name.removeprefix(TRAINED + " "), x=LABELS, y=y + 4, class_="end"),
            tag("line", **ends, class_=f"span s{colour}"),
            tag("circle", cx=x(interval["estimate"]), cy=y, r=5, class_=f"t{colour}"),
        ]
    parts.append(tag("text", "0: no difference", x=x(0), y=height + 14, class_="middle"))
    return drawing(parts, WIDTH, height + 18, "differences in bits per byte with 95 % intervals")
