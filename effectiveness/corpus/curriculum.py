"""How hard a window is to read, from its syntax tree, and the order this gives the training rows.

The score of a window is a weighted sum of eight features. Counts enter as log2(1 + n), so that the second
loop adds less than the first and no feature drowns the others:

    feature      weight   what is counted in the window
    size          0.50    share of the window that is text (0 to 1)
    nesting       0.35    deepest level of blocks
    branching     0.35    if, loops, match arms, case, ternaries, boolean operators
    names         0.15    distinct names
    functions     0.40    function and method definitions
    types         0.70    structs, classes, enums, traits, interfaces, impls, generics, lifetimes
    effects       0.70    error handling, unsafe, async, raising, closures, decorators
    modules       1.10    imports, exports, modules, paths that lead into another module

The weights order hand-made examples: assignments and loops below structs, traits, error handling and generics,
below modules working together (tests/test_curriculum.py). Where we do not know a language's nodes, the words its
lines begin with and the depth of its indentation take their place, with the same weights.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import tree_sitter

from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import SyntaxTable, grammar, indentation, table_of, words_of

WEIGHTS = {
    "size": 0.50,
    "nesting": 0.35,
    "branching": 0.35,
    "names": 0.15,
    "functions": 0.40,
    "types": 0.70,
    "effects": 0.70,
    "modules": 1.10,
}
PLACES = 4  # decimals of a score, in the rows as in the order
COUNTED = ("branching", "functions", "types", "effects", "modules")
_BASES = np.arange(len(COUNTED), dtype=np.int64)[:, None] << 40  # an offset in a file has fewer bits


@dataclass(frozen=True, slots=True)
class Features:
    """Where the features of a text lie: offsets in bytes, int64, in any order."""

    counted: np.ndarray  # where nodes of the counted features begin, one feature after another
    num_counted: list[int]  # of each feature; of several texts one after another
    opened: np.ndarray  # where blocks begin
    closed: np.ndarray  # where they end, as many

    @classmethod
    def joined(cls, texts: Sequence[Features], offsets: np.ndarray) -> Features:
        """Those of several texts, once each text lies at its offset, int64[texts]. No two of them may touch: an empty
        node at the end of one would begin where the next does."""

        def at_their_offsets(parts: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(parts) + np.repeat(offsets, list(map(len, parts)))

        return cls(
            at_their_offsets([text.counted for text in texts]),
            [num_nodes for text in texts for num_nodes in text.num_counted],
            at_their_offsets([text.opened for text in texts]),
            at_their_offsets([text.closed for text in texts]),
        )

    def moved(self, edits: Collection[tuple[int, int, bytes]]) -> Features:
        """The features once `edits` - (start, end, replacement) - are made to the text and leave its tree as it is.

        A node is moved by what was edited before its first token; its end also by what became of its last one.
        """
        ordered = sorted(edits)
        first = np.array([start for start, _, _ in ordered], np.int64)
        behind = np.array([end for _, end, _ in ordered], np.int64)
        growth = np.array([len(new) for _, _, new in ordered], np.int64) - (behind - first)
        moved_by = np.append(0, growth.cumsum())  # behind so many edits
        return Features(
            self.counted + moved_by[behind.searchsorted(self.counted, side="right")],
            self.num_counted,
            self.opened + moved_by[behind.searchsorted(self.opened, side="right")],
            self.closed + moved_by[first.searchsorted(self.closed, side="left")],
        )

    def ends_in(self, edits: Collection[tuple[int, int, bytes]]) -> bool:
        """Whether a block ends inside one of the `edits`, so that nobody knows where it ends once they are made."""
        begun = np.array(sorted(edit[0] for edit in edits), np.int64)
        done = np.array(sorted(edit[1] for edit in edits), np.int64)
        return bool((begun.searchsorted(self.closed) > done.searchsorted(self.closed, side="right")).any())

    def score(
        self, starts: np.ndarray, ends: np.ndarray, num_names: np.ndarray, filled: np.ndarray
    ) -> np.ndarray:
        """Scores of many windows, float64[num_windows], rounded to four places.

        `starts`/`ends` are the windows' byte ranges, `num_names` the distinct names in each, `filled` the share
        of each that is not padding.
        """
        total = WEIGHTS["size"] * filled + WEIGHTS["names"] * np.log2(1.0 + num_names)
        total += WEIGHTS["nesting"] * np.log2(1.0 + self._deepest(starts, ends))
        counted = self.counted + np.repeat(np.resize(_BASES, len(self.num_counted)), self.num_counted)
        counted.sort()
        counts = counted.searchsorted(_BASES + ends) - counted.searchsorted(_BASES + starts)
        for feature, log_count in zip(COUNTED, np.log2(1.0 + counts), strict=True):
            total += WEIGHTS[feature] * log_count
        return total.round(PLACES)

    def _deepest(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The deepest block level that is open somewhere in each window, int64[num_windows]."""
        edges = np.concatenate((2 * self.opened + 1, 2 * self.closed))  # at one offset, what ends comes first
        edges.sort()
        edge_at = edges >> 1
        steps = (edges & 1) * 2 - 1
        depth = np.append(steps.cumsum(), 0)  # behind each edge; one more for `reduceat`
        first = np.maximum(edge_at.searchsorted(starts, side="right") - 1, 0)
        last = edge_at.searchsorted(ends, side="left")
        deepest = np.maximum.reduceat(depth, np.stack((first, last), axis=1).ravel())[::2]
        return np.where(last > first, np.maximum(deepest, 0), 0)


@cache
def _query(language: str) -> tree_sitter.Query:
    patterns = [
        f"[{' '.join(f'({kind})' for kind in kinds.split())}] @{feature}"
        for feature, kinds in LANGUAGES[language].complexity.items()
    ]
    return tree_sitter.Query(grammar(language), "\n".join(patterns))


@cache
def _kinds(language: str, feature: str) -> frozenset[str]:
    return frozenset(LANGUAGES[language].complexity.get(feature, "").split())


def features_of(
    source: bytes, language: str, tree: tree_sitter.Tree | None, table: SyntaxTable | None = None
) -> Features:
    """`table` is that of `tree`, where it is at hand; else it is made where there are errors.

    A query is three times as fast as making the table, but holds an object for every node it finds, and looks at all
    that follow among the children of an error at each of them: 64 KB of minus signs took 16 s.
    """
    if tree is None or not LANGUAGES[language].complexity:
        return _features_of_outline(source)
    if table is not None or tree.root_node.has_error:
        return _features_of_table(language, table or table_of(tree))
    nodes = tree_sitter.QueryCursor(_query(language)).captures(tree.root_node)
    blocks = nodes.get("nesting", ())
    counted = [nodes.get(feature, ()) for feature in COUNTED]
    return Features(
        np.array([node.start_byte for group in counted for node in group], np.int64),
        list(map(len, counted)),
        np.array([node.start_byte for node in blocks], np.int64),
        np.array([node.end_byte for node in blocks], np.int64),
    )


def _features_of_outline(source: bytes) -> Features:
    counted = words_of(source, COUNTED)
    return Features(np.concatenate(counted), list(map(len, counted)), *indentation(source))


def _features_of_table(language: str, table: SyntaxTable) -> Features:
    counted = [table.named_nodes_of(_kinds(language, feature)) for feature in COUNTED]
    blocks = table.named_nodes_of(_kinds(language, "nesting"))
    start, end = np.frombuffer(table.start, np.int32), np.frombuffer(table.end, np.int32)
    return Features(
        start[np.concatenate(counted)].astype(np.int64),
        list(map(len, counted)),
        start[blocks].astype(np.int64),
        end[blocks].astype(np.int64),
    )


def order_by_complexity(complexity: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Row indices, simple first; equal scores keep the canonical order, so the order is one and only one."""
    return np.lexsort((canonical, complexity))
