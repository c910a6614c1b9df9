"""A model and the cache n-gram together: whether the model knows anything that a table of counts does not.

The probability of each token is share x the model's + (1 - share) x the n-gram's. One share serves all tokens; it is
the one under which the validation files are likeliest, each of them counting as in the headline, so that no single
file decides and no held-out file that is reported has a say in it.
Hellendoorn and Devanbu (FSE 2017) found cache n-grams of code ahead of recurrent networks, and both together best.
"""

from __future__ import annotations

import numpy as np

from effectiveness.proof.exam import Exam, HeldOutSet, Paper

MIN_TOKENS = 500  # of val files, a page or two of code; fewer say little about the share
HALVINGS = 30


def why_no_mixture(exam: Exam) -> str:
    """Why no share can be fitted, or ""."""
    num_tokens = 0 if exam.val is None else len(exam.val.places)
    if num_tokens < MIN_TOKENS:
        return f"the val files have {num_tokens:,} tokens to fit its share on, {MIN_TOKENS:,} are needed"
    return ""


def mix(exam: Exam, model: Paper, ngram: Paper) -> tuple[Paper, float]:
    """What both together made of the held-out sets, and the model's share. `exam.val` must be there."""
    val = _val(exam)
    counts = val.windows.factors[val.places.file]
    share = fit_share(model.nats[val.name], ngram.nats[val.name], counts)
    nats = {s.name: mixed_nats(share, model.nats[s.name], ngram.nats[s.name]) for s in exam.sets}
    return Paper(nats=nats), share


def fitted_on(exam: Exam) -> dict[str, int]:
    """How much text the shares rest on."""
    places = _val(exam).places
    return {"files": len(np.unique(places.file)), "tokens": len(places)}


def _val(exam: Exam) -> HeldOutSet:
    assert exam.val is not None, "ask why_no_mixture first"
    return exam.val


def fit_share(model_nats: np.ndarray, ngram_nats: np.ndarray, counts: np.ndarray | float = 1.0) -> float:
    """The model's share with the highest likelihood, in [0, 1); float64 [tokens] each, `counts` what a token counts.

    The likelihood's slope falls as the share rises, so halving finds where it is 0 - or ends at 0 itself, for a model
    that knows nothing.
    """
    gain = np.expm1(np.minimum(ngram_nats - model_nats, 60.0))  # p_model / p_ngram - 1
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (low + high) / 2
        if (counts * gain / (1 + share * gain)).sum() > 0:
            low = share
        else:
            high = share
    return low


def mixed_nats(share: float, model_nats: np.ndarray, ngram_nats: np.ndarray) -> np.ndarray:
    """Nats of each token under both together, float64 [tokens]."""
    if share == 0:
        return ngram_nats
    return -np.logaddexp(np.log(share) - model_nats, np.log1p(-share) - ngram_nats)
