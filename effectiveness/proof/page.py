"""proof.html: the proof card as one self-contained page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from effectiveness.common.durable import write_atomically
from effectiveness.proof.card import CONTROL, TRAINED, TRAINED_MEMORY
from effectiveness.proof.card_text import (
    QUESTION_COLUMNS,
    answer_cell,
    compared_answers,
    drawn_again,
    mcnemar_words,
    mixture_words,
    number,
)
from effectiveness.trainer.report import COLOURS, STYLE, WIDTH

PROOF_STYLE = """
.shout{background:#ffebe9;border-left:4px solid #d1242f;padding:.6rem 1rem;font-weight:600}
.head{background:#f6f8fa;border-left:4px solid #1f6feb;padding:.6rem 1rem;font-size:1.15rem}
.head small{display:block;font-size:.85rem;color:#57606a}p.note{color:#57606a;margin:.2rem 0}
div.wide{overflow-x:auto}tr.own td{font-weight:600}
"""
LABELS, BAR, GAP = 260, 18, 6  # pixels
BAR_COLOURS = {TRAINED: COLOURS[0], TRAINED_MEMORY: COLOURS[2], CONTROL: COLOURS[3]}


def write_page(path: Path, card: dict) -> None:
    """Write the page; nothing in it refers to anything outside it."""
    parts = [
        f"<h1>Proof card: {escape(str(card['dataset']['source_repo']))}</h1>",
        *([f'<p class="shout">{escape(card["leak"])}</p>'] if card["leak"] else []),
        _headline(card),
        *(_held_out(name, held_out) for name, held_out in card["sets"].items()),
        f'<p class="note">{escape(sentence(mixture_words(card)))}</p>',
        *(_questions(kind, of_kind) for kind, of_kind in card["questions"].items()),
        _robustness(card["robustness"]),
        _leaks(card),
        _facts(card),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Proof card</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{PROOF_STYLE}</style></head><body>'
        + "\n".join(parts)
        + "</body></html>\n"
    )
    write_atomically(path, page.encode("utf-8", "backslashreplace"))


def _headline(card: dict) -> str:
    found = card["headline"]["difference"]
    small = "too few held-out files to see any effect"
    if found and found["smallest_detectable"] is not None:
        small = (
            f"95 % interval by {drawn_again(found)}, over {found['files']} files; they would have shown an effect of "
            f"{found['smallest_detectable']:.4f} bits per byte"
        )
    made_of = card["controls"][0]["made of"] if card["controls"] else "none"
    return (
        f'<div class="head">Trained minus control: {escape(card["headline"]["verdict"])}'
        f"<small>{escape(small)}</small><small>The control: the same model, trained the same way on "
        f"{escape(made_of)}</small></div>"
    )


# --- held-out files --------------------------------------------------------------------------------------


def _held_out(name: str, held_out: dict) -> str:
    about = (
        f"{held_out['windows']:,} of {held_out['windows_in_all']:,} windows, {held_out['files']:,} files, "
        f"{held_out['bytes']:,} bytes. Each token is scored once."
    )
    scores = held_out["bits_per_byte"]
    columns = sorted(next(iter(scores.values())), key=lambda name: name not in ("all", "own identifiers"))
    rows = [[arm, *(number(values.get(c), 3) for c in columns)] for arm, values in scores.items()]
    differences = [
        [part, what, *_interval_cells(found)]
        for part, of_part in held_out["differences"].items()
        for what, found in of_part.items()
    ]
    return "\n".join(
        (
            f"<h2>Bits per byte, {escape(name)} files</h2>",
            f'<p class="note">{escape(about)} Lower is better.</p>',
            bars({arm: values["all"] for arm, values in scores.items()}, "bits per byte"),
            table(["", *columns], rows, emphasis=TRAINED),
            "<h3>Differences, in bits per byte</h3>",
            intervals(held_out["differences"]["all"]),
            table(
                ["tokens", "", "estimate", "95 % interval", "", "could have seen", ""],
                differences,
                text_columns=2,
            ),
        )
    )


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _interval_cells(found: dict) -> list[str]:
    interval, relative = found["bits_per_byte"], found["relative"]["estimate"]
    said = (
        "no gain shown"
        if found["verdict"] == "no gain shown"
        else "worse"
        if interval["low"] > 0
        else "better"
    )
    return [
        number(interval["estimate"], 4),
        "-" if interval["low"] is None else f"{interval['low']:.4f} to {interval['high']:.4f}",
        f"{100 * relative:+.1f} %" if relative is not None else "-",
        number(found["smallest_detectable"], 4),
        said,
    ]


def _questions(kind: str, of_kind: dict) -> str:
    rows = [
        [arm, *(answer_cell(key, shares[key]) for key in QUESTION_COLUMNS)]
        for arm, shares in of_kind["arms"].items()
    ]
    parts = [
        f"<h2>{escape(kind.capitalize())}</h2>",
        f'<p class="note">{of_kind["questions"]} questions in {of_kind["files"]} files; all arms answer greedily.</p>',
        table(["", *QUESTION_COLUMNS.values()], rows, emphasis=TRAINED),
    ]
    for what, against in compared_answers(of_kind):
        words = f"Exact, {what}: {mcnemar_words(against['exact'])} (McNemar, exact)."
        parts.append(f'<p class="note">{escape(words)}</p>')
    for attribute in ("by_role", "by_language"):
        parts.append(_by_part(of_kind[attribute]))
    return "\n".join(parts)


def _by_part(parts: dict) -> str:
    """Bits of what was asked for and similarity, trained and control, by role or language."""
    if len(parts) < 2:
        return ""
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
    return table(["", "questions", *heads], rows)


def _robustness(robustness: dict) -> str:
    if not robustness:
        return "<h2>Robustness</h2><p>The held-out files have no variants.</p>"
    rows = [
        [
            kind,
            arm,
            *(number(values[k], 3) for k in ("variants", "originals", "ratio")),
            str(of_kind["pairs"]),
        ]
        for kind, of_kind in robustness.items()
        for arm, values in of_kind.items()
        if arm != "pairs"
    ]
    head = ["variant", "", "variant", "original", "ratio", "pairs of windows"]
    note = "Bits per byte of rewritten held-out windows, beside the originals at the same place."
    return f'<h2>Robustness</h2><p class="note">{note}</p>{table(head, rows, text_columns=2)}'


def _leaks(card: dict) -> str:
    rows = [
        [
            split,
            f"{found['num_spans']:,}",
            f"{100 * found['share']:.2f} %",
            "-"
            if card["overlap"]["recorded"][split] is None
            else f"{100 * card['overlap']['recorded'][split]:.2f} %",
            ", ".join(found["leaked"]) or "none",
        ]
        for split, found in card["overlap"]["counted"].items()
    ]
    head = [
        "",
        "distinct 50-token spans",
        "also in train",
        "as the build counted (with variants)",
        "files mostly in train",
    ]
    return f"<h2>Leaks</h2>{table(head, rows)}{_canaries(card['canaries'])}"


def _canaries(canaries: dict | None) -> str:
    if canaries is None:
        return '<p class="note">Planted secrets were not tried: see python3 -m effectiveness canaries.</p>'
    rows = [
        [name, *(str(canaries[name][key]) for key in ("asked", "greedy", "sampled", "extracted"))]
        for name in ("redacted", "kept")
    ]
    return (
        f"<h3>Planted secrets</h3>{table(['secrets', 'asked for', 'greedy', 'sampled', 'extracted'], rows)}"
    )


def _facts(card: dict) -> str:
    rows = [[f"model {m['directory']}", f"{m['model']}, {m['num_parameters']:,} parameters, {m['steps']:,} steps, "
             f"best at {m['best_step']:,}, seed {m['seed']}"] for m in card["models"]]  # fmt: skip
    rows += [[f"arm {arm}", meaning] for arm, meaning in card["arms"].items()]
    rows += [[key, str(value)] for key, value in card["dataset"].items()]
    return f"<h2>What was compared</h2>{table(['', ''], rows, text_columns=2)}"


# --- tables and pictures ---------------------------------------------------------------------------------


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, emphasis: str = "", text_columns: int = 1
) -> str:
    """Cells that begin with a digit or a sign stand right, all others left."""
    cells = "".join(f"<th{_side(i, text_columns)}>{escape(name)}</th>" for i, name in enumerate(head))
    lines = [
        f"<tr{' class=own' if row and row[0] == emphasis else ''}>"
        + "".join(f"<td{_side(i, text_columns)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    ]
    return f'<div class="wide"><table><tr>{cells}</tr>{"".join(lines)}</table></div>'


def _side(column: int, text_columns: int) -> str:
    return "" if column < text_columns else " class=n"


def bars(values: dict[str, float | None], unit: str) -> str:
    """One bar an arm, from 0."""
    known = {name: value for name, value in values.items() if value is not None}
    longest, parts = max(known.values(), default=1) or 1, []
    for i, (name, value) in enumerate(known.items()):
        y, width = i * (BAR + GAP), value / longest * (WIDTH - LABELS - 60)
        colour = BAR_COLOURS.get(name, "#afb8c1")
        parts.append(
            f'<text x="{LABELS - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{LABELS + width + 6:.1f}" y="{y + 14}">{value:.3f}</text>'
        )
    return _svg(parts, len(known) * (BAR + GAP), unit)


def intervals(found: dict[str, dict]) -> str:
    """Estimates with their intervals beside 0; left of it the trained model is better."""
    known = {n: f["bits_per_byte"] for n, f in found.items() if f["bits_per_byte"]["low"] is not None}
    if not known:
        return "<p>Too few files for intervals.</p>"
    low = min(0.0, *(i["low"] for i in known.values()))
    high = max(0.0, *(i["high"] for i in known.values()))
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return LABELS + 12 + (value - low) / span * (WIDTH - LABELS - 40)

    height = len(known) * (BAR + GAP)
    parts = [f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}" stroke="#1f2328"/>']
    for i, (name, interval) in enumerate(known.items()):
        y = i * (BAR + GAP) + BAR / 2
        colour = COLOURS[2] if interval["high"] < 0 else COLOURS[1] if interval["low"] > 0 else COLOURS[5]
        parts.append(
            f'<text x="{LABELS}" y="{y + 4}" text-anchor="end">{escape(name.removeprefix(TRAINED + " "))}</text>'
            f'<line x1="{x(interval["low"]):.1f}" x2="{x(interval["high"]):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{colour}" stroke-width="3"/><circle cx="{x(interval["estimate"]):.1f}" cy="{y}" r="5" '
            f'fill="{colour}"/>'
        )
    parts.append(f'<text x="{x(0):.1f}" y="{height + 14}" text-anchor="middle">0: no difference</text>')
    return _svg(parts, height + 18, "differences in bits per byte with 95 % intervals")


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
