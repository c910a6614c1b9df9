"""Whether a tokenizer that was given serves: proven on texts that are made of its own tokens, not of ones we know.

Every encoder looks at every text, too (`Encoder.encode`); here it is known before any work is done.
"""

from __future__ import annotations

import numpy as np

from effectiveness.corpus.tokenization import HOSTILE_TEXTS, Encoder, TokenizerError, trials

NUM_ENTRIES = 4000  # of the vocabulary, spread evenly, and as many of those that look like control tokens


def prove(encoder: Encoder) -> None:
    """Raises TokenizerError when text becomes a control token, is lost, or has other ids the second time."""
    of_vocabulary = trials.of_vocabulary(encoder.vocabulary, NUM_ENTRIES)
    for text in (*trials.around(encoder.control_texts), *HOSTILE_TEXTS, *of_vocabulary):
        ids = encoder.encode(text.encode(), by_reference=True)
        again = encoder.encode(text.encode(), by_reference=True)
        encoder.encode(text.encode())
        if not np.array_equal(ids, again):
            raise TokenizerError("it gives a text other ids each time")
        if text not in HOSTILE_TEXTS and not encoder.gives_back(text, ids):
            raise TokenizerError(f"it does not reproduce source text exactly, {text[:20]!r} for example")
