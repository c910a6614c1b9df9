"""What layout must know of the kinds of nodes, for each language (`Language.layout`): one byte per node.

Looking at every node in Python is too slow. So the kinds of a file are translated, inside C, to a byte string with
one byte per node, and the nodes with a mark are found by searching that string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from effectiveness import languages
from effectiveness.languages.record import COMMENT_KINDS
from effectiveness.languages.syntax import NUM_KIND_IDS, SyntaxTable, grammar, kind_names

ATOM = 1  # nothing inside is touched: strings, heredocs, preprocessor lines, macro trees, attributes, markup
COMMENT = 2  # a comment, or the last leaf of one
BLOCK = 4  # its children begin logical lines: statements, declarations, members
BARE = 8  # a block without a bracket of its own: it begins where its first statement does
CLOSER = 16  # a child of a block that ends or goes on rather than begins something
LIST = 32  # elements in brackets with commas between them
COMMA = 64
OPERATOR = 128  # has two sides wherever it stands
PERHAPS_OPERATOR = 256  # has two sides in a BINARY node
BINARY = 512
DECLARATION = 1024  # a statement that people set apart with blank lines
DIRECTIVE = 2048  # of the C preprocessor: keeps its indentation
ERROR = 4096
HEADING = 8192  # a node whose last leaf stands above what it belongs to: attributes, patterns of a case
OPENER = 16384  # a leaf that opens what follows
FOLDED = 32768  # a list with such an element keeps its lines
ANCHOR = 131072  # ties its line to those below: a heredoc
BODY = 65536  # a bare block below a line that says what it is: no blank line above

_EVERYWHERE = {
    COMMENT: " ".join((*COMMENT_KINDS, "doc_comment comment_content // */")),
    CLOSER: "} ) ] ; ;; ;;& ;& , fi done esac then do elif else elif_clause else_clause case_item "
    "#endif #else #elif preproc_else preproc_elif preproc_elifdef",
    OPENER: "{ ( [ : , then else do in -> =>",
    COMMA: ",",
    OPERATOR: "= := += -= *= == != >= <= &&",
    PERHAPS_OPERATOR: "+ - * ||",
    BINARY: "binary_operator binary_expression",
    ERROR: "ERROR",
}
_OF_LAYOUT = {
    "atoms": ATOM,
    "blocks": BLOCK,
    "bare": BARE,
    "bodies": BARE | BODY,
    "closers": CLOSER,
    "lists": LIST,
    "folded": FOLDED,
    "anchors": ANCHOR,
    "declarations": DECLARATION,
    "headings": HEADING,
    "directives": DIRECTIVE,
}
LANGUAGES = frozenset(name for name, language in languages.LANGUAGES.items() if language.layout)


class Marks:
    """The marks of one language: `read(table)` gives the byte string, the rest asks it."""

    def __init__(self, language: str):
        marks: dict[str, int] = {}
        layout = languages.LANGUAGES[language].layout
        own = {mark: getattr(layout, field) for field, mark in _OF_LAYOUT.items()}
        for table in (_EVERYWHERE, own):
            for mark, kinds in table.items():
                for kind in kinds.split():
                    marks[kind] = marks.get(kind, 0) | mark
        self._distinct = sorted({0, *marks.values()})  # the byte of a node is an index into this
        self._byte_of = np.zeros(NUM_KIND_IDS, np.uint8)
        for kind_id, kind in kind_names(grammar(language)).items():
            self._byte_of[kind_id] = self._distinct.index(marks.get(kind, 0))
        self._patterns: dict[int, re.Pattern[bytes]] = {}  # mark -> any byte with it

    def read(self, table: SyntaxTable) -> bytes:
        """One byte for each node."""
        return self._byte_of[table.kind_id].tobytes()

    def bytes_with(self, mark: int) -> bytes:
        """The bytes that stand for kinds with `mark`, to be asked with `in`."""
        return bytes(byte for byte, marks in enumerate(self._distinct) if marks & mark)

    def nodes_with(self, mark: int, marked: bytes) -> Iterator[int]:
        """The nodes with `mark`, in order."""
        if mark not in self._patterns:
            choice = b"|".join(re.escape(bytes([byte])) for byte in self.bytes_with(mark))
            self._patterns[mark] = re.compile(choice or rb"(?!)", re.DOTALL)
        return (match.start() for match in self._patterns[mark].finditer(marked))


@cache
def marks_of(language: str) -> Marks:
    return Marks(language)
