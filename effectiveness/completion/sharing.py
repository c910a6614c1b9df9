"""What ways to run a model have in common."""

from __future__ import annotations

from collections.abc import Sequence

MAX_ROWS = 256  # distributions made at a time: 256 x 151,936 float32 are 156 MB
READ_TOKENS = 256  # of a prompt read at a time: then it is asked whether there is time for more


def num_shared(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many ids both begin with; the last of `others` does not count, for what follows it is asked for.

    >>> num_shared([1, 2, 3], [1, 2, 4]), num_shared([1, 2, 3], [1, 2])
    (2, 1)
    """
    shared = 0
    for ours, theirs in zip(ids, others[:-1], strict=False):
        if ours != theirs:
            break
        shared += 1
    return shared
