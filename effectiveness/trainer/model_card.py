"""README.md of an exported model: of what data, how good, how long a prompt it reads and in which form."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from effectiveness.trainer.complete import num_positions
from effectiveness.trainer.evaluate import EvaluationScores
from effectiveness.trainer.model_files import CAN_FILL, HOW_IT_FILLS, HUB_NAME
from effectiveness.trainer.report import Outcome, number
from effectiveness.trainer.run_directory import KNOWN_BEFORE
from effectiveness.trainer.vocabulary import Vocabulary

# Language in small letters -> the beginning of a program, what may follow a gap behind it.
PROMPTS = {
    "rust": ("fn main(", ") {\n}\n"),
    "python": ("def main(", "):\n    return 0\n"),
    "go": ("func main(", ") {\n}\n"),
    "javascript": ("function main(", ") {\n}\n"),
    "typescript": ("function main(", "): void {\n}\n"),
    "c": ("int main(", ")\n{\n\treturn 0;\n}\n"),
    "c++": ("int main(", ") {\n  return 0;\n}\n"),
    "java": ("public static void main(", ") {\n}\n"),
    "bash": ("main() {\n", "\n}\n"),
    "ruby": ("def main(", ")\nend\n"),
    "php": ("function main(", ") {\n}\n"),
    "kotlin": ("fun main(", ") {\n}\n"),
    "swift": ("func main(", ") {\n}\n"),
    "c#": ("static void Main(", ") {\n}\n"),
}
ANY_PROMPT = ("\n", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompting:
    """What a prompt of a model looks like."""

    context_tokens: int
    begin: str  # text of the token before a file's first
    fim: tuple[str, ...] | None  # of prefix, suffix, middle; None: it never learnt to fill gaps
    fim_rate: float | None = None  # None: another training than ours taught it


def prompting_of(model: nn.Module, vocabulary: Vocabulary) -> Prompting:
    """As its configuration and its tokenizer say it."""
    control, config = vocabulary.control, model.config
    can_fill = getattr(config, CAN_FILL, False) is True
    how = getattr(config, HOW_IT_FILLS, None) or {}
    return Prompting(
        context_tokens=num_positions(model),
        begin=vocabulary.decode([control.begin]),
        fim=tuple(vocabulary.decode([mark]) for mark in control.fim) if can_fill and control.fim else None,
        fim_rate=how.get("rate"),
    )


def model_card(outcome: Outcome, prompting: Prompting) -> str:
    """The card: front matter as Hugging Face reads it, figures, and snippets that run in its directory."""
    facts, dataset, base = outcome.facts, outcome.facts["dataset"], _base(outcome.facts)
    language = main_language(outcome)
    lines = [
        *_front_matter(base, language),
        f"# A code model of {dataset['source_repo']}",
        "",
        f"Trained on the repository `{dataset['source_repo']}` at commit `{dataset['repository_commit'] or 'none'}`, "
        f"in windows of {dataset['window']} tokens. Files of the validation and test splits were never trained on.",
        "",
        *_figures(outcome),
        f"Model: {facts['model']}, {facts['num_parameters']:,} parameters; weights of step {outcome.best_step}, "
        "the best by validation loss.",
        "",
        *_how_to_prompt(prompting, language),
        "It completes code in the style of this repository. It follows no instructions, and what it writes is to be "
        "read before it is run.",
        "",
        "Licence: that of the repository's code, which it may repeat"
        + (f", and that of `{base}`." if base else "."),
        "",
    ]
    return "\n".join(lines)


def main_language(outcome: Outcome) -> str:
    """The language of most held-out tokens, "" where there are none."""
    counts: Counter[str] = Counter()
    for evaluation in (outcome.val, outcome.test):
        counts.update({name: score.num_tokens for name, score in evaluation.by_language.items()})
    return counts.most_common(1)[0][0] if counts else ""


def _base(facts: dict) -> str | None:
    """The model it was tuned from, where that is a name others know: no path of this machine."""
    name = facts["config"]["model"]["pretrained_model"]
    return name if name and HUB_NAME.fullmatch(name) and not Path(name).exists() else None


def _front_matter(base: str | None, language: str) -> list[str]:
    tags = ["code", language.lower()] if language else ["code"]
    return [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "license: other",
        "license_name: that-of-the-repository",
        *([f"base_model: {base}"] if base else []),
        f"tags: {json.dumps(tags)}",
        "---",
    ]


def _figures(outcome: Outcome) -> list[str]:
    return [
        "| files | nats per token | bits per byte | the same, pooled | tokens |",
        "|---|---|---|---|---|",
        *_figures_of("validation", outcome.val),
        *_figures_of("test", outcome.test),
        "",
        "Each held-out source token is scored once, with the longest context its windows give: "
        f"{outcome.val.windows} of validation files, {outcome.test.windows} of test files. A file counts for a tenth "
        "of them at most (two even shares, where files are few); pooled, every byte counts the same.",
        *(["", f"Take care: {known}."] if (known := outcome.facts.get(KNOWN_BEFORE)) else []),
        "",
        *_completions(outcome.completion_scores),
    ]


def _figures_of(name: str, evaluation: EvaluationScores) -> list[str]:
    rows = [(name, evaluation.headline)]
    rows += [(f"{name}, {language}", score) for language, score in evaluation.by_language.items()]
    return [
        f"| {label} | {number(score.nats_per_token)} | {number(score.bits_per_byte)} | "
        f"{number(score.pooled_bits_per_byte)} | {score.num_tokens:,} |"
        for label, score in (rows if len(rows) > 2 else rows[:1])
    ]


def _completions(scores: dict[str, dict[str, float]]) -> list[str]:
    lines = [
        f"- {kind}: {100 * values['exact_match_share']:.1f} % of {values['num_gaps']} gaps exact, "
        f"edit similarity {values['edit_similarity']:.3f}"
        for kind, values in scores.items()
        if values
    ]
    return ["Greedy completions of test files, cut at the first line end:", "", *lines, ""] if lines else []


def _how_to_prompt(prompting: Prompting, language: str) -> list[str]:
    before, after = PROMPTS.get(language.lower(), ANY_PROMPT)
    return [
        f"Context: {prompting.context_tokens:,} tokens, prompt and answer together.",
        f"Beginning: in training a file began with `{prompting.begin}`; put it before text from a file's first line. "
        "The tokenizer adds none.",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'path = "."  # this directory',
        "tokenizer = AutoTokenizer.from_pretrained(path)",
        "model = AutoModelForCausalLM.from_pretrained(path)",
        f"prompt = {json.dumps(prompting.begin + before)}",
        'inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(model.device)',
        "print(tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True))",
        "```",
        "",
        *_how_to_fill(prompting, before, after),
    ]


def _how_to_fill(prompting: Prompting, before: str, after: str) -> list[str]:
    if prompting.fim is None:
        return ["Gaps: it was not trained to fill in the middle.", ""]
    prefix, suffix, middle = prompting.fim
    taught = f"{100 * prompting.fim_rate:.0f} % of its documents were gaps, " if prompting.fim_rate else ""
    either = f", or suffix first (`{prefix}{suffix}AFTER{middle}BEFORE`)" if prompting.fim_rate else ""
    return [
        f"Gaps: {taught}written `{prefix}BEFORE{suffix}AFTER{middle}`{either}; no beginning token before it.",
        "",
        "```python",
        f"gap = {json.dumps(prefix + before + suffix + after + middle)}",
        'inputs = tokenizer(gap, return_tensors="pt", add_special_tokens=False).to(model.device)',
        'middle = model.generate(**inputs)[0, inputs["input_ids"].shape[1] :]',
        "print(tokenizer.decode(middle, skip_special_tokens=True))",
        "```",
        "",
        "In a prompt the text of a control token is that token; code that may hold one is encoded with "
        "`split_special_tokens=True`, piece by piece, and the control tokens are put between the pieces by id.",
        "",
    ]
