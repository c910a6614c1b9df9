"""What shows of a text's structure without its grammar: how deep its lines are indented, and the words they begin with.

Programming languages spell what they have in common alike, and put it first in a line, behind at most some words such
as `public static`. In seven languages whose syntax is known this ranks windows much more as the syntax does than
compression, distinct tokens or brackets do, and than the same words wherever they stand (LOG.md, 2026-11-27).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

# Feature -> words a line begins with, in small letters or in capitals. Quoted and hyphenated ones are none.
_WORDS = {
    "branching": "if ifeq ifneq ifdef ifndef else elif elsif elseif unless for foreach while until switch select case "
    "when match",
    "functions": "def defp defn defun defmacro fn func function sub subroutine fun proc procedure macro rpc lambda",
    "types": "class struct enum interface trait impl type typealias typedef union protocol newtype template contract "
    "message service",
    "effects": "try catch except exception finally rescue ensure raise throw die defer panic async await unsafe yield",
    "modules": "import include include_once require require_once use uses using from export module defmodule mod "
    "package namespace extern library",
}
_BEFORE = (
    "public private protected internal static final abstract sealed partial override virtual inline constexpr pub "
    "export default async local my our create or replace recursive"
)
_OPERATORS = re.compile(rb"&&|\|\|")  # they branch, too, wherever they stand


def _in_either_case(words: str) -> list[bytes]:
    return [spelled.encode() for word in words.split() for spelled in (word, word.upper())]


_FEATURE_OF = {word: feature for feature, words in _WORDS.items() for word in _in_either_case(words)}
_LINE = re.compile(  # what may repeat is possessive: a line is read once, however it goes on
    rb"(?:^|(?<=\r))[ \t]*+(?:[})\];]++[ \t]*+)?+[#(@]?+"
    rb"((?:(?:%s)(?:\([a-z:]++\))?+[ \t]++){0,4})(%s)(?![\w'\"-]|[ \t]*+[=.,])"
    % (b"|".join(_in_either_case(_BEFORE)), b"|".join(_FEATURE_OF)),
    re.MULTILINE,
)


def words_of(source: bytes, features: Sequence[str]) -> list[np.ndarray]:
    """Where lines begin that begin with a word of each feature, in bytes, int64.

    >>> [at.tolist() for at in words_of(b"export function f() {\\n} else if (a && b)", ("functions", "branching"))]
    [[0], [22, 35]]
    """
    places: dict[str, list[int]] = {feature: [] for feature in _WORDS}
    for feature, at in _words(source):
        places[feature].append(at)
    places["branching"] += [found.start() for found in _OPERATORS.finditer(source)]
    return [np.array(places[feature], np.int64) for feature in features]


def _words(source: bytes) -> Iterator[tuple[str, int]]:
    for found in _LINE.finditer(source):
        before, word = found.groups()
        yield _FEATURE_OF[word], found.start()
        for also in before.split():  # `export` and `async` are words of their own
            if also in _FEATURE_OF:
                yield _FEATURE_OF[also], found.start()


def indentation(source: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Indentation as nested blocks: where lines are indented deeper, and where each of those levels ends, in bytes,
    int64."""
    opened, closed, open_indents, at = [], [], [0], 0
    for line in source.splitlines(keepends=True):
        body = line.lstrip(b" \t")
        indent = len(line) - len(body)
        if body.strip():
            while indent < open_indents[-1]:
                open_indents.pop()
                closed.append(at)
            if indent > open_indents[-1]:
                open_indents.append(indent)
                opened.append(at)
        at += len(line)
    closed += [len(source)] * (len(open_indents) - 1)
    return np.array(opened, np.int64), np.array(closed, np.int64)
