"""What the work on one file may cost, decided here alone and counted in what is the same on every machine.

A file past one of these limits keeps its rows; what would have taken too long or too much memory is left out of it
and counted under the reason given here. Seconds are never looked at: the same repository gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# --- memory: a worker needs up to 400 bytes for each token of a text while it varies it ----------------------

TOO_DENSE = "too many tokens to parse"
MANY_TOKENS = 90_000  # fewer are never too many: 36 MB
MAX_TOKENS_PER_BYTE = 0.36  # of a text with more; code has 0.23, the densest programs that people wrote 0.36

_BLANKS = b" \t\r\f\v\n"
_KINDS = np.full(256, 2, np.uint8)  # 0 white space, 1 in a word, 2 a token by itself
for _byte in range(256):
    if _byte >= 128 or chr(_byte).isalnum() or _byte == ord("_"):
        _KINDS[_byte] = 1
_KINDS[list(_BLANKS)] = 0
_KINDS[[0xCC, 0xCD]] = 2  # combining marks begin so: each is an error of its own to Scala's grammar, of 50 us


def num_tokens(source: bytes) -> int:
    """Words, punctuation characters and line ends: what a grammar makes nodes of, give or take.

    A line is a statement, which has nodes of its own: a name on each takes twice the memory of names in a row.

    >>> num_tokens(b"x = f(a_1)\\n")
    7
    """
    kinds = np.frombuffer(source, np.uint8)
    kinds = _KINDS.take(kinds)
    in_word = kinds == 1
    begun = np.count_nonzero(in_word[1:] > in_word[:-1]) + int(in_word[:1].sum())
    return int(begun + np.count_nonzero(kinds == 2)) + source.count(b"\n")


def is_dense(source: bytes) -> bool:
    """Whether a syntax tree of `source` and what is made from it would take too much memory."""
    if len(source) <= MANY_TOKENS:
        return False
    return num_tokens(source) > max(MANY_TOKENS, MAX_TOKENS_PER_BYTE * len(source))


# --- memory: Python's compiler needs some 300 bytes for each node of a syntax tree, at worst 800 ---------------

TOO_LARGE_TO_COMPILE = "too large a statement to compile"
PIECE_NODES = 16_000  # so many are compiled at once: 5 MB, at worst 13. A statement is not cut.
MAX_STATEMENT_NODES = (
    60_000  # smaller ones are never too large: 20 MB; the largest class of CPython's tests has 45,000
)
MAX_STATEMENT_NODES_PER_BYTE = 0.2  # of the whole text, for a larger one


def is_too_large_to_compile(num_nodes: int, num_bytes: int) -> bool:
    """Whether a statement of `num_nodes` is, in a text of `num_bytes`."""
    return num_nodes > max(MAX_STATEMENT_NODES, MAX_STATEMENT_NODES_PER_BYTE * num_bytes)


# --- time: Python's compiler compares each with each what it cannot tell apart ---------------------------------

TOO_ALIKE = "too many parts alike to compile"
# 15 to 40 ns a pair: the keywords of a call, code of one name, numbers of one hash. 8,000 lambdas took 1.3 s.
MAX_PAIRS_PER_BYTE = 32
MIN_PAIRS = 1 << 20  # 1,400 alike


def is_too_alike(group_sizes: Iterable[int], num_bytes: int) -> bool:
    """`group_sizes`: how many parts are alike, for each group of them."""
    num_pairs = sum(size * (size - 1) // 2 for size in group_sizes)
    return num_pairs > max(MIN_PAIRS, MAX_PAIRS_PER_BYTE * num_bytes)


# --- time and memory of a parser: counted in what it reports and reads -----------------------------------------

TOO_LONG = "takes too long to parse"
# Error recovery can be quadratic: 19 KB of punctuation kept the Go grammar busy for 11 s. And what the parser did it
# remembers: up to 5 KB of a tree, most of it nodes that nobody sees, for each report. It reports its progress
# at most 24 times per KB of a file that people wrote, 20 per KB of one of more than 150 KB (777 files of 60 KB to
# 1 MB, 16 languages), 22 of names of five letters in a list.
MAX_REPORTS_PER_KB = 22
MANY_REPORTS = 3600  # fewer are never too many
# Scanners of strings and here-documents may look for an end that is not there at every token: 64 KB of `r#"a` took
# the Rust grammar 4 s, and it reports nothing meanwhile. But it reads. (Of those 777 files one is read 23 times.)
MAX_READS_OF_A_BYTE = 32
MIN_READ_BYTES = 1 << 20


class ParserEffort:
    """What is left of the effort that the parser may make on one text."""

    def __init__(self, num_bytes: int):
        self._reports_left = max(MANY_REPORTS, num_bytes * MAX_REPORTS_PER_KB // 1024)
        self._bytes_left = MIN_READ_BYTES + num_bytes * MAX_READS_OF_A_BYTE

    @property
    def is_spent(self) -> bool:
        return self._reports_left < 0 or self._bytes_left < 0

    def report(self, offset: int, has_error: bool) -> bool:
        """Called by the parser after every hundred steps; True ends the attempt."""
        self._reports_left -= 1
        return self.is_spent

    def read(self, num_bytes: int) -> None:
        self._bytes_left -= num_bytes


# What neither reports nor reads: at the end of a text some grammars try to complete every operator of an unfinished
# chain, each time with a copy of all that stands before it. 8 KB of `/*` lines took that of Python 4 s.
UNFINISHED = frozenset(b"*/|&+-<>=%^~@!,?")
_HASH, _SLASHES = (b"#",), (b"//", b"/*", b"*")
COMPLETING = {
    "Python": _HASH,
    "Bash": _HASH,
    "TypeScript": _SLASHES,
    "TSX": _SLASHES,
}  # how their comments begin
MIN_BYTES_TO_BREAK_OFF = 1024


def breaks_off(source: bytes, language: str) -> bool:
    """Whether a text ends behind an operator; a comment at the end does not count."""
    if language not in COMPLETING or len(source) < MIN_BYTES_TO_BREAK_OFF:
        return False
    end = len(source)
    while end > 0:  # the last line that is neither blank nor a comment
        begin = source.rfind(b"\n", 0, end) + 1
        line = source[begin:end].strip()
        if line and not line.startswith(COMPLETING[language]):
            return line[-1] in UNFINISHED
        end = begin - 1
    return False


# Attributes in a row are looked at again for each that follows, without a report: 64 KB of `[[a]]` took 10 s.
ATTRIBUTES = {"C": b"[[", "C++": b"[["}
MIN_ATTRIBUTE_PAIRS, MAX_ATTRIBUTE_PAIRS_PER_BYTE = 1 << 22, 32


def has_many_attributes(source: bytes, language: str) -> bool:
    opening = ATTRIBUTES.get(language)
    if opening is None:
        return False
    num_pairs = source.count(opening) ** 2
    return num_pairs > max(MIN_ATTRIBUTE_PAIRS, MAX_ATTRIBUTE_PAIRS_PER_BYTE * len(source))


# What opens generics but never closes them is read both ways to its end, again at each: 16 KB of `a<` took 9 s.
OPEN_ANGLES = ("C#",)


def leaves_angles_open(source: bytes, language: str) -> bool:
    if language not in OPEN_ANGLES:
        return False
    left_open = (max(0, statement.count(b"<") - statement.count(b">")) for statement in source.split(b";"))
    num_pairs = sum(number**2 for number in left_open)
    return num_pairs > max(MIN_ATTRIBUTE_PAIRS, MAX_ATTRIBUTE_PAIRS_PER_BYTE * len(source))


# A scanner that asks for its column has its line walked from the start, without a report and once for every character
# that begins no token: 8 KB of them on one line took 3 s, thousands of lines of 2 KB 3 s a megabyte.
MAX_LINE_BYTES = {"Scala": 2048}


def has_a_long_line(source: bytes, language: str) -> bool:
    """Whether a line of `source` is longer than the grammar of `language` can bear."""
    limit = MAX_LINE_BYTES.get(language)
    return limit is not None and any(len(line) > limit for line in source.split(b"\n"))


def why_unread(source: bytes) -> str:
    """The reason for which `syntax.parse` left a text unread."""
    return TOO_DENSE if is_dense(source) else TOO_LONG
