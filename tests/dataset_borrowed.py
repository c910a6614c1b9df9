"""The first windows of a text, where it lost them because equal rows of another text were there before.

Files that begin with the same licence share their first windows, and only one of them keeps the rows. What the others
lost overlaps what they have, so the row it equals is known by the stretches that both hold. Where two rows that differ
would fit, none is taken.
"""

from __future__ import annotations

import numpy as np
from dataset_rows import MASKED, Layout


class Borrowed:
    """Finds rows by all their stretches but the first."""

    def __init__(self, rows: np.ndarray, layout: Layout):
        can_be_known = layout.segments > 1 and layout.window == layout.segments * layout.stride
        on_grid = (rows["start"] % layout.stride == 0) & (rows["total"] > 1) & (rows["variant"] != MASKED)
        self._rows = rows[on_grid] if can_be_known else rows[:0]
        keys = _keys(self._rows["segments"][:, 1:])
        self._order = np.argsort(keys, kind="stable")
        self._ordered = keys[self._order]

    def before(self, first: np.void) -> list[np.void]:
        """The rows that equal the windows before `first` in its text, as far back as they are known, in their order."""
        found = [first]
        for _ in range(int(first["chunk"])):
            if (row := self._only(found[0]["segments"][:-1])) is None:
                break
            found.insert(0, row)
        return found[:-1]

    def _only(self, stretches: np.ndarray) -> np.void | None:
        """The row that ends in these stretches, unless there are several that differ."""
        if not stretches.all() or not len(self._rows):  # 0: a window that holds no such stretch
            return None
        key = _keys(stretches[None])[0]
        places = self._order[self._ordered.searchsorted(key) : self._ordered.searchsorted(key, side="right")]
        rows = self._rows[places]
        return rows[0] if len(rows) and (rows["digest"] == rows["digest"][0]).all() else None


def _keys(values: np.ndarray) -> np.ndarray:
    """uint64[rows]: 64 bits of each row of numbers; two that differ agree once in 10^19."""
    step = np.uint64(0x9E3779B97F4A7C15)
    keys = np.zeros(len(values), np.uint64)
    for column in values.T:
        keys = (keys ^ (keys >> np.uint64(29)) ^ column) * step
    return keys
