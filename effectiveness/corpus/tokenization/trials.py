"""Texts on which a tokenizer is tried: made of its own tokens, not of ones we know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SAMPLE_BYTES = 1 << 12
SPACE = "\u2581"  # how sentencepiece spells a space, and gives back this character itself as one


def around(control_texts: list[str]) -> Iterator[str]:
    """The text of every control token: alone, within words and lines, twice, and cut in two."""
    for text in control_texts:
        half = len(text) // 2
        yield from (text, f" {text}", f"x{text}y", f"\n{text}\n", text * 2, text.upper(), text.lower())
        yield from (f"{text[:half]} {text[half:]}", f"'{text}' + {text}")
    yield " ".join(control_texts)
    yield "".join(control_texts)


def of_vocabulary(vocabulary: Iterable[str], max_entries: int) -> Iterator[str]:
    """The vocabulary's entries as they are spelled: "<0x0A>" in a file is no line feed."""
    entries = sorted(entry for entry in vocabulary if SPACE not in entry)
    marked = [entry for entry in entries if not entry[:1].isalnum() and entry[-1:] in "<>[]{}|"]
    sampled = entries[:: max(1, len(entries) // max_entries)]
    text = ""
    for entry in dict.fromkeys((*marked[:max_entries], *sampled)):
        text += entry + "\n"
        if len(text) > SAMPLE_BYTES:
            yield text
            text = ""
    yield text
