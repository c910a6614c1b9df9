"""training_report.html: one self-contained page - curves, held-out scores, completions, facts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from effectiveness.common.publish import write_atomically
from effectiveness.trainer.complete import Completion
from effectiveness.trainer.evaluate import Evaluation, Score

WIDTH, HEIGHT, MARGIN = 720, 260, 48  # of a picture, in CSS pixels
MAX_POINTS = 800
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}pre{background:#f6f8fa;padding:.6rem;overflow:auto;
white-space:pre-wrap;max-height:14rem}svg{max-width:100%;height:auto}mark{background:#dafbe1}del{background:#ffebe9}
svg text{font:12px system-ui,sans-serif;fill:#57606a}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished run is worth: for the report and the card."""

    facts: dict
    records: list[dict]  # of training_metrics.jsonl
    best_step: int
    val: Evaluation
    test: Evaluation
    completions: dict[str, list[Completion]]  # "next line" | "fill in the middle"
    completion_scores: dict[str, dict[str, float]]


def write_report(path: Path, outcome: Outcome) -> None:
    """Write the page; nothing in it refers to anything outside it."""
    parts = [
        "<h1>Training report</h1>",
        _facts_table(outcome),
        "<h2>Loss</h2>",
        _loss_picture(outcome.records),
        "<h2>Held-out files, by role</h2>",
        _held_out_pictures(outcome.records),
        "<h2>Test files, with the best weights</h2>",
        _score_table(outcome.test),
        "<h2>Completions of test files</h2>",
        _completion_table(outcome.completion_scores),
        *(_completions(kind, completions) for kind, completions in outcome.completions.items()),
        "<h2>Configuration</h2>",
        f"<pre>{escape(json.dumps(outcome.facts['config'], indent=1))}</pre>",
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Training report</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        + "\n".join(parts)
        + "</body></html>\n"
    )
    write_atomically(path, page.encode("utf-8", "backslashreplace"))


def _facts_table(outcome: Outcome) -> str:
    facts, dataset = outcome.facts, outcome.facts["dataset"]
    rows = {
        "Model": f"{facts['model']}, {facts['num_parameters']:,} parameters",
        "Data": f"{dataset['source_repo']} at {str(dataset['repository_commit'])[:12] or 'no commit'}",
        "Device": f"{facts['device']}, {facts['precision']}, {facts['num_processes']} process(es)",
        "Best step": f"{outcome.best_step:,}",
        "Held-out bits per byte": _course(outcome.records),
        "Versions": ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    }
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return f"<table>{cells}</table>"


def _course(records: Sequence[dict]) -> str:
    """Before training, at best, at the end."""
    bits = [r["bits_per_byte"] for r in records if r["event"] == "evaluation" and r.get("bits_per_byte")]
    return f"{bits[0]:.4f} at first, {min(bits):.4f} at best, {bits[-1]:.4f} at the end" if bits else "none"


# --- pictures --------------------------------------------------------------------------------------------


def _loss_picture(records: Sequence[dict]) -> str:
    curves = {
        "train": _curve(records, "step", "train_loss_nats"),
        "held out": _curve(records, "evaluation", "val_loss_nats"),
    }
    return picture(curves, "nats per token")


def _held_out_pictures(records: Sequence[dict]) -> str:
    names = sorted({k for r in records if r["event"] == "evaluation" for k in r if "_role_" in k})
    curves = {name.rpartition("_")[2]: _curve(records, "evaluation", name) for name in names}
    return picture(curves, "nats per token")


def _curve(records: Iterable[dict], event: str, name: str) -> list[tuple[float, float]]:
    points = [(r["step"], r[name]) for r in records if r["event"] == event and r.get(name) is not None]
    stride = -(-len(points) // MAX_POINTS) or 1
    return points[::stride]


def picture(curves: dict[str, list[tuple[float, float]]], unit: str) -> str:
    """An inline SVG of curves over steps; without points, a sentence."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return "<p>No values were recorded.</p>"
    scale = _Scale(points)
    parts = [scale.axes(unit)]
    for colour, (name, curve) in zip(COLOURS * len(curves), curves.items(), strict=False):
        path = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if curve:
            x, y = scale.x(curve[-1][0]) + 4, scale.y(curve[-1][1]) + 4
            parts.append(f'<text x="{x:.0f}" y="{y:.0f}" style="fill:{colour}">{escape(name)}</text>')
    return f'<svg viewBox="0 0 {WIDTH + 70} {HEIGHT}" role="img" aria-label="{escape(unit)}">{"".join(parts)}</svg>'


class _Scale:
    """Steps and values to pixels."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        steps, values = [p[0] for p in points], [p[1] for p in points]
        self.first, self.last = min(steps), max(max(steps), min(steps) + 1)
        self.low, self.high = min(values), max(values)
        if self.high - self.low < 1e-9:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def x(self, step: float) -> float:
        return MARGIN + (step - self.first) / (self.last - self.first) * (WIDTH - MARGIN)

    def y(self, value: float) -> float:
        return 10 + (self.high - value) / (self.high - self.low) * (HEIGHT - MARGIN)

    def axes(self, unit: str) -> str:
        lines = []
        for share in (0, 0.25, 0.5, 0.75, 1):
            value, step = (
                self.low + share * (self.high - self.low),
                self.first + share * (self.last - self.first),
            )
            y, x = self.y(value), self.x(step)
            lines.append(f'<line x1="{MARGIN}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeef2"/>')
            lines.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
            lines.append(f'<text x="{x:.1f}" y="{HEIGHT - 16}" text-anchor="middle">{step:,.0f}</text>')
        return "".join(lines) + f'<text x="{MARGIN}" y="{HEIGHT - 2}">{escape(unit)} over steps</text>'


# --- tables ----------------------------------------------------------------------------------------------


def _score_table(evaluation: Evaluation) -> str:
    rows = [("all originals", evaluation.headline)]
    for group, scores in (
        ("role", evaluation.by_role),
        ("language", evaluation.by_language),
        ("variant", evaluation.by_variant),
    ):
        rows += [(f"{group} {name}", score) for name, score in scores.items()]
    columns = ("nats/token", "perplexity", "bits/byte", "tokens")
    head = f"<tr><th></th>{''.join(f'<th class=n>{column}</th>' for column in columns)}</tr>"
    return f"<table>{head}{''.join(_score_row(name, score) for name, score in rows)}</table>"


def _score_row(name: str, score: Score) -> str:
    values = (score.nats_per_token, score.perplexity, score.bits_per_byte)
    cells = "".join(f"<td class=n>{number(value)}</td>" for value in values)
    return f"<tr><td>{escape(name)}</td>{cells}<td class=n>{score.num_tokens:,}</td></tr>"


def number(value: float) -> str:
    """Four decimals, `-` for what is not finite."""
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _completion_table(scores: dict[str, dict[str, float]]) -> str:
    if not any(scores.values()):
        return "<p>None were asked for (evaluation.completions), or no test file has room for one.</p>"
    names = list(next(values for values in scores.values() if values))
    head = "".join(f"<th class=n>{escape(name.replace('_', ' '))}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{escape(kind)}</td>"
        + "".join(f"<td class=n>{values[name]:.3g}</td>" for name in names)
        + "</tr>"
        for kind, values in scores.items()
        if values
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _completions(kind: str, completions: Sequence[Completion]) -> str:
    return "".join(_completion(kind, c) for c in completions[:6])


def _completion(kind: str, completion: Completion) -> str:
    gap = completion.gap
    prefix = escape("\n".join(gap.prefix.split("\n")[-6:]))
    suffix = escape("\n".join((gap.suffix or "").split("\n")[:3]))
    same = completion.first_line.strip() == gap.truth.strip()
    truth = "" if same else f"<del>{escape(gap.truth)}</del>"
    return (
        f"<p>{escape(kind)}, {escape(gap.source_file)}</p>"
        f"<pre>{prefix}<mark>{escape(completion.first_line)}</mark>{truth}{suffix}</pre>"
    )
