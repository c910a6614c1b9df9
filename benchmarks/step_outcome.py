"""What benchmarks/train_step.py found, whether it keeps the promises, and how it is told."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from benchmarks.outcome import BAR_HEADS, MEGABYTE, Bar, ratio, text_table

STEP_HEADS = ("contestant", "useful tokens/s", "ours is", "by CPU time", "peak MB", "data wait", "MFU")


@dataclass(slots=True)
class Steps:
    """Counts and clocks of every round, by contestant; of starts and loads, by run."""

    steps: dict[str, list[dict]] = field(default_factory=dict)
    memory: dict[str, list[dict]] = field(default_factory=dict)
    start: list[dict] = field(default_factory=list)
    load: list[dict] = field(default_factory=list)

    def rate(self, name: str, clock: str = "wall_s") -> float | None:
        """Useful tokens a second, the median of the rounds."""
        rounds = self.steps.get(name)
        return statistics.median(r["tokens"] / r[clock] for r in rounds) if rounds else None

    def peak_mb(self, name: str) -> float | None:
        rounds = self.memory.get(name)
        return max(r["peak_bytes"] for r in rounds) / MEGABYTE if rounds else None

    def data_wait_percent(self) -> float | None:
        rounds = self.steps.get("ours")
        return rounds and 100 * sum(r["wait_s"] for r in rounds) / sum(r["wall_s"] for r in rounds)

    def outside_percent(self) -> float | None:
        """Share of our step beyond a bare loop with the same loss, by CPU time; noise may put it below 0."""
        share = ratio(self.rate("ours", "cpu_s"), self.rate("bare_chunked", "cpu_s"))
        return None if share is None else 100 * (1 - share)

    def median_start_s(self, mark: str) -> float | None:
        return statistics.median(run[mark] for run in self.start) if self.start else None

    def load_rate(self) -> float | None:
        """Million tokens a second, without a cache."""
        rates = [run["num_tokens"] / run["first_s"] / 1e6 for run in self.load]
        return statistics.median(rates) if rates else None

    def later_load_s(self) -> float | None:
        return statistics.median(run["later_s"] for run in self.load) if self.load else None


def bars(found: Steps) -> list[Bar]:
    """The promises."""
    rate, peak_mb = found.rate, found.peak_mb
    return [
        Bar("tokens/s, ours / bare loop", ratio(rate("ours"), rate("bare")), 0.97, at_least=True),
        Bar("tokens/s, ours / bare loop with the same loss", ratio(rate("ours"), rate("bare_chunked")), 0.97, True),
        Bar("useful tokens/s, ours / HF Trainer", ratio(rate("ours"), rate("hf_trainer")), 1.3, at_least=True),
        Bar("data wait, % of the step", found.data_wait_percent(), 1),
        Bar("memory, whole logits / HF Trainer", ratio(peak_mb("ours_whole"), peak_mb("hf_trainer")), 1),
        Bar("memory, chunked cross-entropy / HF Trainer", ratio(peak_mb("ours"), peak_mb("hf_trainer")), 0.75),
        Bar("command to first step, s", found.median_start_s("first_step_s"), 15),
        Bar("first load, million tokens/s", found.load_rate(), 10, at_least=True),
        Bar("later loads, s", found.later_load_s(), 1),
    ]  # fmt: skip


# --- telling -----------------------------------------------------------------------------------------------


def step_cells(found: Steps, name: str) -> tuple[str, ...]:
    rounds = found.steps[name]
    wait, last = found.data_wait_percent(), rounds[-1]
    mfu = found.rate(name) * last["flops_per_token"] / last["peak_flops"] if last["peak_flops"] else 0
    return (
        name,
        f"{found.rate(name):,.0f}",
        times(ratio(found.rate("ours"), found.rate(name))),
        times(ratio(found.rate("ours", "cpu_s"), found.rate(name, "cpu_s"))),
        f"{max(r['peak_bytes'] for r in rounds) / MEGABYTE:,.0f}",
        f"{wait:.2f} %" if name == "ours" else "-",
        f"{100 * mfu:.1f} %" if mfu else "-",
    )


def times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def markdown(result: dict, found: Steps, judged: list[Bar]) -> str:
    """The tables of one run, with all it takes to read them."""
    step = ", ".join(f"{name} {value}" for name, value in result["step"].items())
    parts = [
        f"# A training step, {result['date']}",
        f"`{result['command']}`, commit {result['commit']}; {result['machine']}",
        f"Windows of 1024 tokens; {step}. Medians of {result['rounds']} interleaved rounds. bare: forward, "
        "backward, clip, AdamW over prepared packed batches, whole logits; bare_chunked: the same with our loss. "
        "hf_trainer: one row to a sequence, padding masked. Useful tokens are targets that are no padding.",
    ]
    if found.steps:
        parts.append(text_table(STEP_HEADS, [step_cells(found, name) for name in found.steps]))
    if found.outside_percent() is not None:
        outside = f"{found.outside_percent():.1f} % of our step, by CPU time"
        parts.append(f"Outside forward, backward and optimizer: {outside} (below 0: noise).")
    parts += [f"{name}: {why}" for name, why in result["left_out"].items()]
    if found.memory:
        rows = [(name, f"{found.peak_mb(name):,.0f}") for name in found.memory]
        of = ", ".join(f"{name} {value:,}" for name, value in result["memory_options"].items())
        parts += [f"Peak memory of the process, {of}:", text_table(("contestant", "peak MB"), rows)]
    if found.start:
        marks = {
            "loaded_s": "data and model loaded",
            "evaluated_s": "four held-out windows scored",
            "first_step_s": "first step",
        }
        rows = [(what, f"{found.median_start_s(mark):.1f}") for mark, what in marks.items()]
        parts += [
            "Start, rows cached, imports included (the line of the first step also scores four windows again):",
            text_table(("until", "s"), rows),
        ]
    return "\n\n".join([*parts, text_table(BAR_HEADS, [bar.cells() for bar in judged])]) + "\n"
