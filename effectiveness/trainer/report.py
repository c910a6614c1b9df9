"""training_report.html: one self-contained page - curves, held-out scores, completions, facts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from effectiveness.common.charts import drawing, legend
from effectiveness.common.durable import write_atomically
from effectiveness.common.html import Html, coloured, document, facts, join, section, short, table, tag
from effectiveness.trainer.complete import Completion
from effectiveness.trainer.evaluate import EvaluationScores, Score
from effectiveness.trainer.run_directory import KNOWN_BEFORE

WIDTH, HEIGHT, MARGIN, END = 720, 260, 48, 16  # of a picture, in CSS pixels
MAX_POINTS = 800
MAX_COMPLETIONS = 6  # shown, of each kind
PLURALS = {"next line": "next lines", "fill in the middle": "gaps"}
NUM_COLOURS = 6  # of curves in the style sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished run is worth: for the report and the card."""

    facts: dict
    records: list[dict]  # of training_metrics.jsonl
    best_step: int
    val: EvaluationScores
    test: EvaluationScores
    completions: dict[str, list[Completion]]  # "next line" | "fill in the middle"
    completion_scores: dict[str, dict[str, float]]
    memory_nats: float | None = (
        None  # what a token of val costs the repository's memory; None: nobody measured it
    )


def write_report(path: Path, outcome: Outcome) -> None:
    """Write the page; what it links to lies beside it, and nothing of it is loaded."""
    page = document(
        "Training report",
        tag("h1", tag("small", "Training on"), outcome.facts["dataset"]["source_repo"]),
        _verdict(outcome),
        facts(_facts_of(outcome)),
        section(
            "Loss",
            "What a token costs, in nats. Where the line of held-out files turns up, the model begins to learn the "
            "training files by heart.",
            _loss_picture(outcome.records, outcome.memory_nats),
            _about_the_memory(outcome),
            tag("h3", "Held-out files, by role"),
            _held_out_pictures(outcome.records),
        ),
        section(
            "Held-out files",
            f"With the best weights. {_not_trained_on(outcome)}",
            *(
                join((tag("h3", f"{name}, {evaluation.windows}"), _score_table(evaluation)))
                for name, evaluation in (("Validation", outcome.val), ("Test", outcome.test))
            ),
        ),
        section(
            "Completions",
            "Lines of test files. On a green ground is what the model wrote, on a red one what stands there.",
            _completion_table(outcome.completion_scores),
            *(
                _completion(kind, c)
                for kind, found in outcome.completions.items()
                for c in sorted(found, key=lambda c: not _is_right(c))[:MAX_COMPLETIONS]
            ),
        ),
        section(
            "Configuration",
            "Every setting of this run.",
            tag("pre", json.dumps(outcome.facts["config"], indent=1)),
        ),
    )
    write_atomically(path, page.encode("utf-8"))


def _not_trained_on(outcome: Outcome) -> str:
    known = outcome.facts.get(KNOWN_BEFORE)
    return f"Take care: {known}." if known else "No file here was trained on, nor one like it."


def _verdict(outcome: Outcome) -> Html:
    """What somebody takes away who reads nothing else."""
    bits = _bits(outcome.records)
    said = "Nothing was measured on held-out files."
    if bits:
        less = 100 * (1 - min(bits) / bits[0])
        said = f"A byte of held-out code costs {min(bits):.3f} bits, {less:.1f} % less than before."
    ended = "It fell to the end: a longer training would go on." if bits and bits[-1] == min(bits) else (
        f"It was best after step {outcome.best_step:,}; what followed made it worse, and a longer training would, too."
    )  # fmt: skip
    exact = [
        f"{100 * scores['exact_match_share']:.0f} % of {PLURALS.get(kind, kind)} exactly as they stand there"
        for kind, scores in outcome.completion_scores.items()
        if scores
    ]
    wrote = f"Of test files it wrote {', '.join(exact)}. " if exact else ""
    proof = tag("a", "proof card", href="proof/proof.html")
    return tag(
        "div",
        said,
        tag("small", ended if bits else ""),
        *([tag("small", _not_trained_on(outcome))] if outcome.facts.get(KNOWN_BEFORE) else []),
        tag("small", wrote, "Whether that is the training's doing, and more than the repository's memory knows, is "
            "on the ", proof, ", once effectiveness proof has written it."),
        class_="head",
    )  # fmt: skip


def _facts_of(outcome: Outcome) -> list[tuple[object, object, object]]:
    known, dataset = outcome.facts, outcome.facts["dataset"]
    versions = ", ".join(f"{name} {number}" for name, number in known["versions"].items())
    return [
        ("Parameters", f"{known['num_parameters']:,}", known["model"]),
        ("Best step", f"{outcome.best_step:,}", _course(outcome.records)),
        ("Repository", short(dataset["source_repo"], 24), str(dataset["repository_commit"])[:12] or "no commit"),
        ("Device", str(known["device"]).partition(" ")[0],
         f"{known['device']}, {known['precision']}, {known['num_processes']} process(es); {versions}"),
    ]  # fmt: skip


def _course(records: Sequence[dict]) -> str:
    """Before training, at best, at the end."""
    bits = _bits(records)
    if not bits:
        return "none"
    return f"{bits[0]:.4f} bits per byte at first, {min(bits):.4f} at best, {bits[-1]:.4f} at the end"


def _bits(records: Sequence[dict]) -> list[float]:
    """Held-out bits per byte, one for each evaluation."""
    return [r["bits_per_byte"] for r in records if r["event"] == "evaluation" and r.get("bits_per_byte")]


# --- pictures --------------------------------------------------------------------------------------------


def _loss_picture(records: Sequence[dict], memory_nats: float | None = None) -> Html:
    curves = {
        "train": _curve(records, "step", "train_loss_nats"),
        "held out": _curve(records, "evaluation", "val_loss_nats"),
    }
    steps = [step for curve in curves.values() for step, _ in curve]
    if steps and memory_nats is not None:
        curves["memory"] = [(min(steps), memory_nats), (max(steps), memory_nats)]
    return picture(curves, "nats per token")


def _about_the_memory(outcome: Outcome) -> Html:
    """What the level line means, or how to get it."""
    if outcome.memory_nats is None:
        asked = "run effectiveness memory on the dataset before the training, and its line stands here, too"
        return tag("p", f"What the repository's memory knows without any training: {asked}.", class_="note")
    said = f"The repository's memory, which needs no training, pays {outcome.memory_nats:.3f} nats a token of half "
    said += "of the validation files, which it reads from their first token on (the curve is of windows). "
    held_out = [value for _, value in _curve(outcome.records, "evaluation", "val_loss_nats")]
    if held_out and min(held_out) < outcome.memory_nats:
        said += "Where the curve is below its line, the model knows more than the memory."
    elif held_out:
        said += "The curve stays above its line: the memory knows more than this model. Serve both, or train longer."
    return tag("p", said, class_="note")


def _held_out_pictures(records: Sequence[dict]) -> Html:
    names = sorted({k for r in records if r["event"] == "evaluation" for k in r if "_role_" in k})
    curves = {name.rpartition("_")[2]: _curve(records, "evaluation", name) for name in names}
    return picture(curves, "nats per token")


def _curve(records: Iterable[dict], event: str, name: str) -> list[tuple[float, float]]:
    points = [(r["step"], r[name]) for r in records if r["event"] == event and r.get(name) is not None]
    stride = -(-len(points) // MAX_POINTS) or 1
    return points[::stride]


def picture(curves: dict[str, list[tuple[float, float]]], unit: str) -> Html:
    """An inline SVG of curves over steps; without points, a sentence."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return tag("p", "No values were recorded.")
    scale = _Scale(points)
    parts = scale.axes(unit)
    for index, curve in enumerate(curves.values()):
        colour = index % NUM_COLOURS
        path = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in curve)
        parts.append(tag("polyline", points=path, class_=f"curve s{colour}"))
    names = [(name, f"t{index % NUM_COLOURS}") for index, (name, curve) in enumerate(curves.items()) if curve]
    # Under the picture, of which a telephone shows the left part: at the curves' ends they were out of sight.
    return join((drawing(parts, WIDTH + END, HEIGHT, f"{unit} over steps"), legend(names)))


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

    def axes(self, unit: str) -> list[Html]:
        parts = []
        for share in (0, 0.25, 0.5, 0.75, 1):
            value = self.low + share * (self.high - self.low)
            step = self.first + share * (self.last - self.first)
            y = self.y(value)
            parts.append(tag("line", x1=MARGIN, x2=WIDTH, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
            parts.append(tag("text", f"{value:.3g}", x=MARGIN - 6, y=f"{y + 4:.1f}", class_="end"))
            parts.append(tag("text", f"{step:,.0f}", x=f"{self.x(step):.1f}", y=HEIGHT - 20, class_="middle"))
        return [*parts, tag("text", f"{unit} over steps", x=MARGIN, y=HEIGHT - 5)]


# --- tables ----------------------------------------------------------------------------------------------


def _score_table(evaluation: EvaluationScores) -> Html:
    rows = [("all originals", evaluation.headline)]
    for group, scores in (
        ("role", evaluation.by_role),
        ("language", evaluation.by_language),
        ("variant", evaluation.by_variant),
    ):
        rows += [(f"{group} {name}", score) for name, score in scores.items()]
    head = ("", "nats/token", "perplexity", "bits/byte", "pooled", "tokens")
    return table(head, [_score_row(name, score) for name, score in rows], numeric=(1, 2, 3, 4, 5))


def _score_row(name: str, score: Score) -> tuple[str, ...]:
    values = (score.nats_per_token, score.perplexity, score.bits_per_byte, score.pooled_bits_per_byte)
    return name, *map(number, values), f"{score.num_tokens:,}"


def number(value: float) -> str:
    """Four decimals, `-` for what is not finite."""
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _completion_table(scores: dict[str, dict[str, float]]) -> Html:
    if not any(scores.values()):
        return tag("p", "None were asked for (evaluation.completions), or no test file has room for one.")
    names = list(next(values for values in scores.values() if values))
    rows = [(kind, *(f"{values[name]:.3g}" for name in names)) for kind, values in scores.items() if values]
    return table(("", *(name.replace("_", " ") for name in names)), rows, numeric=range(1, len(names) + 1))


def _is_right(completion: Completion) -> bool:
    return completion.first_line.strip() == completion.gap.truth.strip()


def _completion(kind: str, completion: Completion) -> Html:
    gap = completion.gap
    prefix = "\n".join(gap.prefix.split("\n")[-6:])
    suffix = "\n".join((gap.suffix or "").split("\n")[:3])
    truth = () if _is_right(completion) else (tag("del", gap.truth),)
    code = tag("pre", coloured(prefix), tag("mark", completion.first_line), *truth, coloured(suffix))
    return join((tag("p", f"{kind}, {gap.source_file}", class_="note"), code))
