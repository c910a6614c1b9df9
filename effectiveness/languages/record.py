"""What can be known of a language, and the files beside this one that say it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

# What the grammars call comments.
COMMENT_KINDS = frozenset(("comment", "line_comment", "block_comment", "multiline_comment", "html_comment"))

# Comments that are kept in several languages, by what stands for them in `kept_comments` of a file.
SHARED_COMMENTS = {
    "FALL_THROUGH": r"\b(?i:fall(?:s|ing)?.?thr)",
    "COMPILER_TESTS": r"\b(?:RUN|CHECK[A-Z-]*|XFAIL|REQUIRES):|\bdg-[a-z]|expected-(?:error|warning|note)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Kinds of nodes by what layout must know of them: names of the grammar with blanks between them."""

    atoms: str  # nothing inside is touched: strings, heredocs, preprocessor lines, macro trees, attributes, markup
    blocks: str  # their children begin logical lines: statements, declarations, members
    declarations: str  # statements that people set apart with blank lines
    bare: str = ""  # blocks without a bracket of their own: they begin where their first statement does
    bodies: str = ""  # such blocks below a line that says what they are: no blank line above
    closers: str = ""  # children of a block that end it or go on with it rather than begin something
    lists: str = ""  # elements in brackets with commas between them
    folded: str = ""  # a list with such an element keeps its lines
    anchors: str = (
        ""  # what ties a line to those below, as a heredoc does: lists around it and on its line stay
    )
    headings: str = ""  # their last leaf stands above what it belongs to: attributes, patterns of a case
    directives: str = ""  # of the C preprocessor: they keep their indentation
    # The number of line ends and the indentation can mean something: only blank lines above `declarations` change.
    is_space_read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language. Where all but the first fields are left out its files are read, scored by the words that begin
    their lines and by their indentation, and get no variants but masked ones; with a grammar alone masked spans follow
    the syntax.

    Names given here go before those of linguist's table, which are added to them.
    """

    name: str
    linguist: str = ""  # its name in linguist's table where that is another
    suffixes: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()  # in a `#!` line, version digits stripped
    grammar: str = ""  # "module:function" of a tree-sitter wheel
    long_lines: bool = False  # prose and data: the longest-line rule does not apply
    is_data: bool = False  # only what is small and has words is worth learning
    # Feature of `effectiveness/corpus/curriculum.py` -> the kinds of nodes counted for it, blanks between them. A kind
    # that the grammar does not have stops the first use.
    complexity: Mapping[str, str] = field(default_factory=dict, compare=False)
    layout: Layout | None = None  # None: comments and white space stay as they are
    kept_comments: tuple[
        str, ...
    ] = ()  # regular expressions of comments that a tool, a compiler or a lawyer reads
    relatives: tuple[
        str, ...
    ] = ()  # that share their authors' habits: when one has too few names, others lend theirs
    kept_headers: str = ""  # regular expression of a comment above the code that keeps all others there
    reads_itself: bytes = b""  # regular expression of code that looks at the text of its own file
    disguises: bytes = b""  # regular expression of characters that a compiler reads as others before tokens
    has_preprocessor: bool = False  # that of C
    is_read_by_lines: bool = False  # a comment can be part of something that ends with its line
    # What parts tokens can mean something: a comment goes only where statements stand, never from between tokens.
    comments_stand_apart: bool = False
    spaces_are_free: bool = False  # around commas and two-sided operators
    oracle: str = ""  # who judges its variants in the test suite
    is_camel_case: bool = False  # names of several words are written likeThis


def read_rows(file: Path) -> list[Language]:
    """The languages of a file. What one leaves out it has from the one it is `like`, which stands above it."""
    rows: dict[str, dict[str, Any]] = {}
    for row in tomllib.loads(file.read_text("utf-8"))["language"]:
        like = rows.get(row.pop("like", ""), {})
        complexity = like.get("complexity", {}) | row.get("complexity", {})
        rows[row["name"]] = like | row | {"complexity": complexity}
    return [Language(**{name: _value(name, value) for name, value in row.items()}) for row in rows.values()]


def _value(name: str, value: Any) -> Any:
    """A field as `Language` has it."""
    if name == "layout":
        return Layout(**{kinds: _in_one_line(words) for kinds, words in value.items()})
    if name == "complexity":
        return {feature: _in_one_line(words) for feature, words in value.items()}
    if isinstance(value, list):
        return tuple(SHARED_COMMENTS.get(word, word) for word in value)
    return value.encode() if name in ("disguises", "reads_itself") else value


def _in_one_line(words: Any) -> Any:
    return " ".join(words.split()) if isinstance(words, str) else words


# --- GitHub linguist's table: which names, endings and interpreters belong to which language -------------------
#
# `linguist/table.json` is made by `renew.py` from https://github.com/github-linguist/linguist, under the MIT licence in
# `LICENSE` beside it. Nothing of it runs; what linguist reads off the text of a file is decided by our own rules below.

TABLE = Path(__file__).parent / "linguist" / "table.json"


class Entry(NamedTuple):
    """One language of the table."""

    kind: str  # "programming", "markup", "prose" or "data"
    is_wrapped: bool  # its lines are as long as paragraphs
    aliases: tuple[str, ...]  # lower case
    suffixes: tuple[str, ...]  # lower case, the one it is best known by first
    filenames: tuple[str, ...]
    interpreters: tuple[str, ...]


class Table(NamedTuple):
    """What `renew.py` took over."""

    source: str  # repository and version
    popular: tuple[str, ...]  # languages that win where several claim a name
    languages: dict[str, Entry]


def read_table() -> Table:
    """The table as it lies in the package."""
    table = json.loads(TABLE.read_text("utf-8"))
    languages = {
        name: Entry(
            entry["kind"],
            entry.get("wrapped", False),
            *(tuple(entry.get(key, ())) for key in Entry._fields[2:]),
        )
        for name, entry in table["languages"].items()
    }
    return Table(table["source"], tuple(table["popular"]), languages)


# --- endings that several languages share: what in the text tells them apart ------------------------------------
#
# `shared_suffixes.txt` has for each ending the languages in the order in which they are tried, each with a regular
# expression that is looked for in the head of the text; the last one needs none. Where it has one, too, and nothing is
# found, no language is told. Every expression begins at a line's start or with a fixed word and repeats nothing over
# line ends, so that a text of any kind is searched in linear time. What several expressions have in common stands above
# them, and in them as «NAME». Endings that are shared and not named there go to the language that `__init__.py` puts
# first.

HEAD_BYTES = 32 << 10


def _read_shared() -> dict[str, tuple[tuple[str, str], ...]]:
    parts, *endings = Path(__file__).with_name("shared_suffixes.txt").read_text("utf-8").strip().split("\n\n")
    rows = "\n\n".join(endings)
    for name, _, pattern in reversed([row.partition(" | ") for row in parts.split("\n")]):
        rows = rows.replace(f"«{name}»", pattern)  # one that others hold stands above them
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for suffixes, *rules in (block.split("\n") for block in rows.split("\n\n")):
        told = tuple((name, pattern) for name, _, pattern in (rule.partition(" | ") for rule in rules))
        found |= dict.fromkeys(suffixes.split(), told)
    return found


SHARED = _read_shared()  # an ending -> (language, what is looked for), the first that is found


def candidates(suffix: str) -> tuple[str, ...]:
    """The languages of a shared ending; () where it is not shared."""
    return tuple(language for language, _ in SHARED.get(suffix, ()))


def told_by_text(suffix: str, text: bytes) -> str:
    """The language of a text whose name has the shared ending; "" where no rule finds its own.

    >>> told_by_text(".ts", b'<?xml version="1.0"?>'), told_by_text(".ts", b"let a: number;")
    ('XML', 'TypeScript')
    """
    head = text[:HEAD_BYTES]
    return next((name for name, pattern in _compiled(suffix) if not pattern or pattern.search(head)), "")


@cache
def _compiled(suffix: str) -> tuple[tuple[str, re.Pattern[bytes] | None], ...]:
    return tuple(
        (name, re.compile(pattern.encode(), re.MULTILINE) if pattern else None)
        for name, pattern in SHARED[suffix]
    )
