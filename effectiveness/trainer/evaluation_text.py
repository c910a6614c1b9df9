"""What is said of an evaluation: the loss first, then by role, language and variant."""

from __future__ import annotations

import math
from collections.abc import Iterator

from effectiveness.trainer.scores import Evaluation, Score

SMALLEST_SHOWN = 0.0005  # bits per byte; a pooled figure that is closer to the headline is the same one


def loss_words(nats: float, bits: float, pooled: float) -> str:
    """ "1.2345 (0.678 bits per byte)", and the pooled figure where it is another."""
    if not math.isfinite(nats):
        return "not finite"
    beside = f", {pooled:.3f} pooled" if abs(pooled - bits) >= SMALLEST_SHOWN else ""
    return f"{nats:.4f} ({bits:.3f} bits per byte{beside})"


def score_words(score: Score) -> str:
    return loss_words(score.nats_per_token, score.bits_per_byte, score.pooled_bits_per_byte)


def final_lines(label: str, evaluation: Evaluation, best_step: int) -> Iterator[str]:
    """Of a split with the exported weights."""
    if evaluation.headline.num_tokens == 0:
        yield f"{label}: none, no file is held out"
        return
    rest = "" if evaluation.is_whole else "; --eval_only scores all"
    words = score_words(evaluation.headline)
    yield f"{label}: {words} with the weights of step {best_step}, on {evaluation.windows}{rest}"
    for name, part in evaluation.by_language.items():
        yield f"  language {name}: {score_words(part)}, {part.num_tokens:,} tokens"


def full_lines(label: str, evaluation: Evaluation) -> Iterator[str]:
    """Every figure of a split."""
    headline = evaluation.headline
    if headline.num_tokens == 0:
        yield f"{label}: none, no file is held out"
        return
    yield (
        f"{label}: {headline.nats_per_token:.4f} nats per token, perplexity {headline.perplexity:.3f}, "
        f"{headline.bits_per_byte:.4f} bits per byte ({headline.pooled_bits_per_byte:.4f} pooled), "
        f"{headline.num_tokens:,} tokens, {evaluation.windows}"
    )
    if evaluation.largest is not None:
        yield f"  {largest_file(evaluation.largest)}"
    groups = {
        "role": evaluation.by_role,
        "language": evaluation.by_language,
        "variant": evaluation.by_variant,
    }
    for group, scores in groups.items():
        for name, part in scores.items():
            yield (
                f"  {group} {name}: {part.nats_per_token:.4f} nats per token, "
                f"{part.bits_per_byte:.4f} bits per byte, {part.num_tokens:,} tokens"
            )


def largest_file(largest: tuple[str, float]) -> str:
    name, share = largest
    return f"{name} is {100 * share:.0f} % of its bytes; it counts for less, so that no file decides alone"
