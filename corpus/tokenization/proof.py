"""Whether a tokenizer that was given serves: proven on texts that are made of its own tokens, not of ones we know.

Every encoder looks at every text, too (`Encoder.encode`); here it is known before any work is done.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from corpus.tokenization import HOSTILE_TEXTS, Encoder, TokenizerError

MAX_SAMPLE = 4000  # entries of the vocabulary, spread evenly; every one that looks like a control token is in
SAMPLE_BYTES = 1 << 12
SPACE = "\u2581"  # how sentencepiece spells a space, and gives back this character itself as one


def prove(encoder: Encoder) -> None:
    """Raises TokenizerError when text becomes a control token, is lost, or has other ids the second time."""
    for text in (*_around(encoder.control_texts), *HOSTILE_TEXTS, *_of_vocabulary(encoder)):
        ids = encoder.encode(text.encode())
        again = encoder.encode(text.encode())
        if not np.array_equal(ids, again):
            raise TokenizerError("it gives a text other ids each time")
        if text not in HOSTILE_TEXTS and not encoder.gives_back(text, ids):
            raise TokenizerError(f"it does not reproduce source text exactly, {text[:20]!r} for example")


def _around(control_texts: list[str]) -> Iterator[str]:
    """The text of every control token: alone, within words and lines, twice, and cut in two."""
    for text in control_texts:
        half = len(text) // 2
        yield from (text, f" {text}", f"x{text}y", f"\n{text}\n", text * 2, text.upper(), text.lower())
        yield from (f"{text[:half]} {text[half:]}", f"'{text}' + {text}")
    yield " ".join(control_texts)
    yield "".join(control_texts)


def _of_vocabulary(encoder: Encoder) -> Iterator[str]:
    """The vocabulary's entries as they are spelled: "<0x0A>" in a file is no line feed."""
    entries = sorted(entry for entry in encoder.vocabulary if SPACE not in entry)
    marked = [entry for entry in entries if not entry[:1].isalnum() and entry[-1:] in "<>[]{}|"]
    sampled = entries[:: max(1, len(entries) // MAX_SAMPLE)]
    text = ""
    for entry in dict.fromkeys((*marked[:MAX_SAMPLE], *sampled)):
        text += entry + "\n"
        if len(text) > SAMPLE_BYTES:
            yield text
            text = ""
    yield text
