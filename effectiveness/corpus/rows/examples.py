"""Before and after, as a person looks at it: short snippets around the first difference of two texts."""

from __future__ import annotations

import numpy as np

LINES = 16


def first_difference(before: bytes, after: bytes) -> dict[str, str]:
    """The lines around the first difference, {"before": ..., "after": ...}."""
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    first = max(0, at - LINES // 4)
    return {"before": "\n".join(old[first : first + LINES]), "after": "\n".join(new[first : first + LINES])}


def hide(source: bytes, token_ends: np.ndarray, is_masked: np.ndarray) -> bytes:
    """`source` with the masked ones of its first tokens shown as <mask>, bool[tokens of the first window]."""
    edges = [0, *token_ends[: len(is_masked)].tolist()]
    shown = [
        b"<mask>" if hidden else source[edges[i] : edges[i + 1]]
        for i, hidden in enumerate(is_masked.tolist())
    ]
    return b"".join(shown) + source[edges[len(is_masked)] :]
