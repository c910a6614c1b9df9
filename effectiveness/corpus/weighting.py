"""How much a row counts: a number on each row, never copies of it."""

from __future__ import annotations

# role -> (weight, priority). A trainer visits rows in proportion to the weight: 3 : 1 : 0.3.
WEIGHTS = {"core": (3.0, "high"), "util": (1.0, "medium"), "test": (0.3, "low")}
