"""How often an answer with this probability is right: fitted on val files, so that an editor can keep quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effectiveness.completion.lines import Line
from effectiveness.completion.questions import is_exact

LENGTH_TERMS = (0.0, 0.05, 0.1, 0.2)  # nats a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Which candidate to show, and how sure to be of it."""

    length_term: float = 0.0  # nats a token: longer lines than the likeliest are more useful
    scores: tuple[float, ...] = ()  # log-probabilities, rising
    shares: tuple[float, ...] = ()  # of right answers from there on, rising
    num_questions: int = 0

    def best(self, lines: Sequence[Line]) -> Line | None:
        """The candidate to show, None where there is none."""
        if not lines:
            return None
        return max(
            lines, key=lambda line: (line.log_probability + self.length_term * len(line.ids), line.text)
        )

    def confidence(self, line: Line) -> float:
        """The share of such answers that was right on val files, in [0, 1]; the bare probability if none was asked."""
        if not self.scores:
            return line.probability
        below = [
            share
            for score, share in zip(self.scores, self.shares, strict=True)
            if score <= line.log_probability
        ]
        return below[-1] if below else 0.0


def fit(candidates: Sequence[Sequence[Line]], truths: Sequence[str]) -> Judgement:
    """The length term with most exact answers (the longer lines where it is a draw), then its confidence."""
    best = max(LENGTH_TERMS, key=lambda term: (_num_exact(term, candidates, truths), term))
    rule = Judgement(length_term=best)
    judged = []
    for lines, truth in zip(candidates, truths, strict=True):
        line = rule.best(lines)
        if line is not None:
            judged.append((line.log_probability, float(is_exact(line.text, truth))))
    scores, shares = rising_shares(sorted(judged))
    return Judgement(length_term=best, scores=scores, shares=shares, num_questions=len(truths))


def _num_exact(term: float, candidates, truths) -> int:
    rule = Judgement(length_term=term)
    answers = [rule.best(lines) for lines in candidates]
    return sum(a is not None and is_exact(a.text, truth) for a, truth in zip(answers, truths, strict=True))


def rising_shares(judged: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Isotonic regression by pooling neighbours (Ayer et al. 1955): where each pool begins, and its mean."""
    pools: list[list[float]] = []  # [score where it begins, sum, number]
    for score, right in judged:
        pools.append([score, right, 1.0])
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            _, total, number = pools.pop()
            pools[-1][1] += total
            pools[-1][2] += number
    # A few answers say little about their share: one right and one wrong are added to each pool (Laplace).
    return tuple(p[0] for p in pools), tuple((p[1] + 1) / (p[2] + 2) for p in pools)
