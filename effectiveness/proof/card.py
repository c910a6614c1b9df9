"""The proof card as JSON values: what every model made of the eval set, the differences with intervals, a headline."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from effectiveness.common import stats
from effectiveness.common.records import ORIGINAL, ROLES, VARIANTS
from effectiveness.common.stats import LN2, finite
from effectiveness.proof.eval_set import EvalSet, HeldOutSet, ModelScores
from effectiveness.proof.scored_tokens import FileSums, own_identifiers, sums_by_file

UNIFORM, NGRAM, NGRAM_WINDOW = "uniform", "cache n-gram", "n-gram, one window"
START, BASE, CONTROL, TRAINED = "untrained", "base checkpoint", "control", "trained"
CONTROL_BOTH, BOTH = "control + n-gram", "trained + n-gram"
MEMORY, ONE_SHARE = "memory", "trained + memory, one share"
CONTROL_MEMORY, TRAINED_MEMORY = "control + memory", "trained + memory"
MEANINGS = {
    UNIFORM: "every token of the vocabulary equally likely",
    NGRAM: "6-grams of all training files and of the whole file so far",
    NGRAM_WINDOW: "the same, but of the file only what the model sees: the window the token is scored in",
    START: "the same shape and seed, fresh weights",
    BASE: "the checkpoint the model was tuned from",
    CONTROL: "the same model and training on unrelated code",
    TRAINED: "the model",
    CONTROL_BOTH: "the control's and the cache n-gram's probabilities, mixed",
    BOTH: "the model's and the cache n-gram's probabilities, mixed",
    MEMORY: "the index of all training files, and the whole file so far",
    ONE_SHARE: "the model's and the memory's probabilities, mixed",
    CONTROL_MEMORY: "the memory, with the control's probability as one more opinion at each place",
    TRAINED_MEMORY: "the memory, with the model's probability as one more opinion at each place",
}
MIXED = {CONTROL_BOTH: (CONTROL, NGRAM), BOTH: (TRAINED, NGRAM), ONE_SHARE: (TRAINED, MEMORY)}
MET = {CONTROL_MEMORY: CONTROL, TRAINED_MEMORY: TRAINED}
COMPARED = (
    *((TRAINED, rival) for rival in (CONTROL, NGRAM, START, BASE)),
    (BOTH, NGRAM),  # does the model know anything a table of counts does not?
    (BOTH, CONTROL_BOTH),  # and is that this repository's?
    *((TRAINED_MEMORY, rival) for rival in (MEMORY, NGRAM, ONE_SHARE, CONTROL_MEMORY)),
)
ANSWERS_COMPARED = ((TRAINED, CONTROL), (TRAINED_MEMORY, MEMORY))

NO_GAIN = "no gain shown"
UNSURE = ", which may be chance of these files"
POOLED = "pooled"  # a part of a set: all of it, a file that is too large counting as what it is

ScoresByArm = dict[str, list[ModelScores]]  # arm -> the scores of each seed


def held_out_card(
    held_out: HeldOutSet, by_arm: ScoresByArm, foreign: frozenset[bytes] | None, eval_set: EvalSet
) -> dict:
    """Bits per byte of every arm on one set - of all tokens, own identifiers, each role and language - and differences.

    `foreign` are the words that are not the repository's own; None where there is no control corpus to tell.
    """
    places = held_out.places
    arms = {arm: np.stack([p.nats[held_out.name] for p in of_arm]) for arm, of_arm in by_arm.items()}
    own = None
    if foreign is not None:
        own = own_identifiers(places, held_out.files, eval_set.vocabulary, foreign)
    parts = parts_of(held_out) | ({"own identifiers": own} if own is not None else {})
    factors, largest = held_out.windows.factors, held_out.windows.largest
    sums = {name: sums_by_file(places, arms, chosen, factors) for name, chosen in parts.items()}
    if largest is not None:
        sums = {"all": sums["all"], POOLED: sums_by_file(places, arms)} | sums
    return {
        "files": len(sums["all"].files),
        "windows": held_out.num_windows,
        "windows_in_all": int((held_out.rows.table["variant"] == VARIANTS.index(ORIGINAL)).sum()),
        "tokens": len(places),
        "bytes": int(places.num_bytes.sum()),
        "largest": largest and {"file": largest[0], "share": largest[1]},
        "own_identifier_tokens": None if own is None else int(own.sum()),
        "bits_per_byte": {
            arm: {name: finite(s.bits_per_byte(arm)) for name, s in sums.items()} for arm in arms
        },
        "differences": {
            name: _differences(sums[name]) for name in sums if name in ("all", "own identifiers")
        },
    }


def parts_of(held_out: HeldOutSet) -> dict[str, np.ndarray | None]:
    """Name -> bool [tokens]; None: all."""
    table, rows = held_out.rows.table, held_out.places.row
    parts: dict[str, np.ndarray | None] = {"all": None}
    parts |= {f"role {role}": table["role"][rows] == i for i, role in enumerate(ROLES)}
    parts |= {
        f"language {name}": table["language"][rows] == i for i, name in enumerate(held_out.rows.languages)
    }
    return {name: chosen for name, chosen in parts.items() if chosen is None or chosen.any()}


def _differences(sums: FileSums) -> dict[str, dict]:
    """Those of COMPARED that are there."""
    pairs = [(a, b) for a, b in COMPARED if a in sums.nats and b in sums.nats] if len(sums.files) else []
    return {f"{a} minus {b}": difference(sums.nats[a], sums.nats[b], sums.num_bytes) for a, b in pairs}


def difference(a: np.ndarray, b: np.ndarray, num_bytes: np.ndarray) -> dict:
    """a minus b in bits per byte, nats [seeds, files]: interval, relative interval, verdict, what could be seen."""
    interval = stats.paired_bootstrap(a, b, num_bytes, seed=0)
    relative = stats.paired_bootstrap(a, b, num_bytes, seed=0, relative=True)
    smallest = stats.smallest_detectable(interval)
    return {
        "bits_per_byte": interval.as_dict(),
        "relative": relative.as_dict(),
        "verdict": _verdict(interval, relative),
        "smallest_detectable": finite(smallest),
        "files": len(num_bytes),
        "seeds": [len(a), len(b)],
    }


def _verdict(interval: stats.Interval, relative: stats.Interval) -> str:
    """ "no gain shown" where the interval touches 0; a loss is called one, and what may be one is told as that."""
    if interval.touches_zero:
        return (
            NO_GAIN
            if not interval.estimate > 0
            else f"{NO_GAIN}, but {_size(interval, relative)} worse{UNSURE}"
        )
    if interval.low > 0:
        return f"worse: {stats.verdict(interval)} bits per byte"
    return f"{stats.verdict(interval)} bits per byte, {100 * -relative.estimate:.1f} %"


def _size(interval: stats.Interval, relative: stats.Interval) -> str:
    return f"{interval.estimate:.4f} bits per byte ({100 * relative.estimate:.1f} %)"


def headline(card: dict) -> dict:
    """What a reader quotes: trained minus control on the random held-out files; without a control, no claim."""
    compared = card["sets"]["test"]["differences"]["all"].get(f"{TRAINED} minus {CONTROL}")
    if compared is None:
        return {"verdict": "no control, no claim", "difference": None}
    if card["is_hopeless"]:
        return {"verdict": "leak: no claim", "difference": compared}
    return {"verdict": compared["verdict"], "difference": compared}


# --- variants --------------------------------------------------------------------------------------------


def robustness_card(eval_set: EvalSet, by_arm: ScoresByArm) -> dict[str, dict]:
    """By kind of variant: bits per byte of its windows and of the originals' at the same place, by arm."""
    table, pairs = eval_set.pairs.rows.table, eval_set.pairs
    found: dict[str, dict] = {}
    for index, kind in enumerate(VARIANTS):
        chosen = table["variant"][pairs.variants] == index
        if chosen.any():
            found[kind] = {
                arm: _robustness(of_arm[0].of_rows, pairs.variants[chosen], pairs.originals[chosen])
                for arm, of_arm in by_arm.items()
                if of_arm[0].of_rows is not None
            } | {"pairs": int(chosen.sum())}
    return found


def _robustness(of_rows: np.ndarray, variants: np.ndarray, originals: np.ndarray) -> dict[str, float | None]:
    (a, _, a_bytes), (b, _, b_bytes) = of_rows[variants].sum(0), of_rows[originals].sum(0)
    variant, original = a / LN2 / max(a_bytes, 1), b / LN2 / max(b_bytes, 1)
    return {
        "variants": variant,
        "originals": original,
        "ratio": finite(variant / original if original else math.nan),
    }


# --- questions -------------------------------------------------------------------------------------------


def questions_card(eval_set: EvalSet, by_arm: ScoresByArm) -> dict[str, dict]:
    """By kind of question: shares of every arm that answers, and the pairs of ANSWERS_COMPARED."""
    return {kind: _kind_card(eval_set, by_arm, kind) for kind in eval_set.questions}


def _kind_card(eval_set: EvalSet, by_arm: ScoresByArm, kind: str) -> dict:
    questions = eval_set.questions[kind]
    answered = {arm: of_arm[0] for arm, of_arm in by_arm.items() if kind in of_arm[0].answers}
    card = {
        "questions": len(questions),
        "files": len({q.file for q in questions}),
        "arms": {arm: _shares(scores, kind) for arm, scores in answered.items()},
        "by_role": _by(questions, answered, kind, "role"),
        "by_language": _by(questions, answered, kind, "language"),
    }
    for ours, rival in ANSWERS_COMPARED:
        if ours in answered and rival in answered:
            card[f"{ours} against {rival}"] = _against(questions, answered[ours], answered[rival], kind)
    return card


def _shares(scores: ModelScores, kind: str, chosen: np.ndarray | None = None) -> dict[str, float | None]:
    marks, (nats, num_bytes) = scores.answers[kind], scores.truth[kind]
    chosen = np.ones(len(nats), dtype=bool) if chosen is None else chosen
    parses = marks.parses[chosen & ~np.isnan(marks.parses)]
    return {
        "exact": float(marks.exact[chosen].mean()),
        "exact_to_length": float(marks.exact_to_length[chosen].mean()),
        "similarity": float(marks.similarity[chosen].mean()),
        "parses": float(parses.mean()) if len(parses) else None,
        "ended": float(marks.ended[chosen].mean()),
        "bits_per_byte": finite(float(nats[chosen].sum() / LN2 / max(num_bytes[chosen].sum(), 1))),
    }


def _by(questions: Sequence, answered: dict[str, ModelScores], kind: str, attribute: str) -> dict[str, dict]:
    values = np.array([getattr(q, attribute) for q in questions])
    return {
        value: {arm: _shares(scores, kind, values == value) for arm, scores in answered.items()}
        | {"questions": int((values == value).sum())}
        for value in sorted(set(values.tolist()))
    }


def _against(questions: Sequence, ours: ModelScores, rival: ModelScores, kind: str) -> dict:
    """McNemar on exact match, both ways of counting it; the bits of what was asked for, by file."""
    (a, num_bytes), (b, _) = ours.truth[kind], rival.truth[kind]
    files, index = np.unique([q.file for q in questions], return_inverse=True)
    nats_a, nats_b, sizes = (np.bincount(index, values, len(files)) for values in (a, b, num_bytes))
    kept = sizes > 0
    names = ("exact", "exact_to_length")
    tests = {n: stats.mcnemar(getattr(ours.answers[kind], n), getattr(rival.answers[kind], n)) for n in names}
    bits = difference(nats_a[None, kept], nats_b[None, kept], sizes[kept])
    return {name: test.as_dict() for name, test in tests.items()} | {"bits_per_byte": bits}
