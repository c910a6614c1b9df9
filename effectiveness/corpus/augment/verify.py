"""The check every variant passes, whoever proposed it.

An edit may only touch what its kind is about: names, comments, white space. Then the whole text is read again.
For Python the compiler reads it: the code objects must be equal. For every other language the grammar does: the
tree must be that of the source, node for node; and data must hold the same for its own reader, too (READERS). All
comparisons of whole files run inside C, so that proving a variant costs about as much as parsing it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import types
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache, cached_property

import tree_sitter

from effectiveness.corpus.augment import python_code
from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.renaming import ROLES
from effectiveness.languages.record import COMMENT_KINDS
from effectiveness.languages.syntax import SyntaxTable

MAX_DEPTH = 1000  # tree-sitter prints trees recursively in C: at 30,000 levels the stack overflows

_NAME = re.compile(rb"[A-Za-z_]\w*")
_TEXT = re.compile(
    "string|heredoc|template_literal|regex|jsx_text|symbol_array|text_interpolation"
)  # kinds whose white space counts
_CONTENT = " content: (comment_content)"  # what Lua has in a comment, and one more comment in `-- --`


class Baseline:
    """One source, with what is known about it computed when first needed and shared by all kinds."""

    def __init__(self, source: bytes, language: str, table: SyntaxTable):
        self.source = source
        self.language = language
        # Number of nodes, and kinds and fields of all named nodes as nested brackets: all that is asked of the tree,
        # which goes before that of a variant comes.
        self.shape = (0, "") if language == "Python" or table.tree is None else _shape(table.tree)
        self.table = table.without_tree()

    @cached_property
    def comments(self) -> list[tuple[int, int]]:
        """The byte ranges of all comments, in order."""
        table = self.table
        return [(table.start[node], table.end[node]) for node in table.nodes_of(COMMENT_KINDS)]

    @cached_property
    def cuts(self) -> list[int]:
        return python_code.cuts_of(self.source, self.table)[0]

    @cached_property
    def code(self) -> list[types.CodeType] | None:
        return python_code.compiled(self.source, self.cuts)

    @cached_property
    def said(self) -> bytes | None:
        """What the reader of data finds in the source; None where it refuses it."""
        return said(self.language, self.source)

    def objection(
        self, allowed: Allowed, edits: Collection[Edit], text: bytes, tree: tree_sitter.Tree | None
    ) -> str:
        """Why `text`, made by `edits` and parsed as `tree`, is not proven to mean the same; "" when it is.

        For Python `tree` is not asked for.
        """
        if not allowed.may_touch(self, edits):
            return f"an edit touches more than {allowed.what}"
        if self.language == "Python":
            return self._code_objection(allowed, edits, text)
        assert tree is not None, "only Python's variants come without a tree"
        return self._tree_objection(allowed, tree) or self._reader_objection(text)

    def _code_objection(self, allowed: Allowed, edits: Collection[Edit], text: bytes) -> str:
        if self.code is None:
            return "source does not compile"
        code = python_code.compiled(text, python_code.moved(self.cuts, edits))
        if code is None:
            return "variant does not compile"
        renames = edits if allowed is NAMES else ()
        old_names = {new.decode(): self.source[start:end].decode() for start, end, new in renames}
        return "" if python_code.same(self.code, code, old_names) else "code objects differ"

    def _tree_objection(self, allowed: Allowed, tree: tree_sitter.Tree) -> str:
        if tree.root_node.has_error != self.table.has_error:
            return "syntax errors differ"
        return "" if allowed.same_shape(self, tree) else "tree differs"

    def _reader_objection(self, text: bytes) -> str:
        if self.language not in READERS:
            return ""
        if self.said is None:
            return "its reader refuses the source"
        return "" if said(self.language, text) == self.said else "its reader finds other data"

    def _only_renames(self, edits: Collection[Edit]) -> bool:
        """Names became others; or `x`, where it is short for `x: x`, became `x: new`."""
        reserved = ROLES[self.language].reserved
        for old, new in {(self.source[start:end], new) for start, end, new in edits}:
            name = new.removeprefix(old + b": ")
            if not (_NAME.fullmatch(old) and _NAME.fullmatch(name)) or name in reserved:
                return False
        return True

    def _only_blanks_comments(self, edits: Collection[Edit]) -> bool:
        """Whole comments and white space became white space."""
        return all(map(self._is_blanked, edits)) and self._lie_in_gaps(edits)

    def _is_blanked(self, edit: Edit) -> bool:
        """What is taken away is whole comments and white space, what comes for it white space."""
        at = bisect_left(self.comments, (edit.start, edit.start))
        kept = []
        done = edit.start
        while at < len(self.comments) and self.comments[at][1] <= edit.end:
            kept.append(self.source[done : self.comments[at][0]])
            done = self.comments[at][1]
            at += 1
        kept.append(self.source[done : edit.end])
        return not any(map(bytes.strip, kept)) and not edit.replacement.strip()

    def _only_spaces(self, edits: Collection[Edit]) -> bool:
        """White space between tokens became other white space."""
        texts = {self.source[start:end] for start, end, _ in edits}
        texts.update(new for _, _, new in edits)
        return not b"".join(texts).strip() and self._lie_in_gaps(edits)

    def _lie_in_gaps(self, edits: Collection[Edit]) -> bool:
        """No token reaches into an edit - comments may lie in it whole - and what holds it is no string.

        White space inside a string is text; the tree alone would not show that it changed. (For Python the
        compiler shows it.)
        """
        if self.language == "Python":
            return True
        starts, ends, subtree_end = self.table.start, self.table.end, self.table.subtree_end
        kind, parent = self.table.kind, self.table.parent
        for start, end, _ in edits:
            node = bisect_left(starts, end) - 1  # the last node, in preorder, that starts before its end
            while node >= 0 and (ends[node] == starts[node] or (start <= starts[node] and ends[node] <= end)):
                node -= 1
            if node >= 0 and subtree_end[node] == node + 1 and ends[node] > start:
                return False
            while node >= 0 and ends[node] < end:
                node = parent[node]
            if node >= 0 and _holds_text(kind[node]):
                return False
        return True

    def _same_but_for_shorthands(self, tree: tree_sitter.Tree) -> bool:
        """`P { x }` may have become `P { x: new }`; else the trees are equal."""
        count, brackets = self.shape
        new_count, new_brackets = _shape(tree)
        if brackets == new_brackets:
            return count == new_count
        for short, long, added in ROLES[self.language].same_shape:
            count += added * (new_brackets.count(long) - brackets.count(long))
            brackets, new_brackets = brackets.replace(short, long), new_brackets.replace(short, long)
        return (count, brackets) == (new_count, new_brackets)

    def _same_but_for_comments(self, tree: tree_sitter.Tree) -> bool:
        kinds = {self.table.kind[node] for node in self.table.nodes_of(COMMENT_KINDS)}
        brackets = _without_comments(self.shape[1], kinds)
        return brackets == _without_comments(str(tree.root_node), kinds)

    def _same(self, tree: tree_sitter.Tree) -> bool:
        return _shape(tree) == self.shape


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an augmentation may change. `may_touch` judges its edits, `same_shape` the tree of what they made."""

    what: str
    may_touch: Callable[[Baseline, Collection[Edit]], bool]
    same_shape: Callable[[Baseline, tree_sitter.Tree], bool]


NAMES = Allowed("names", Baseline._only_renames, Baseline._same_but_for_shorthands)
COMMENTS = Allowed("comments", Baseline._only_blanks_comments, Baseline._same_but_for_comments)
WHITE_SPACE = Allowed("white space", Baseline._only_spaces, Baseline._same)


@cache
def _holds_text(kind: str) -> bool:
    return bool(_TEXT.search(kind))


def _without_comments(brackets: str, kinds: Iterable[str]) -> str:
    """Without the leaves of these kinds. (One pattern for all of them would take as long as parsing.)"""
    for kind in kinds:
        node = f"({kind})"
        brackets = brackets.replace(f"({kind}{_CONTENT})", node).replace(f"({kind} {node}{_CONTENT})", node)
        if f": {node}" in brackets:  # it fills a field, which goes with it
            brackets = re.sub(rf" \w+: {re.escape(node)}", "", brackets)
        brackets = brackets.replace(f" {node}", "")
    return brackets


def _shape(tree: tree_sitter.Tree) -> tuple[int, str]:
    return tree.root_node.descendant_count, str(tree.root_node)


# --- what a data file says to those that read it, where Python has a reader ----------------------------------

# `tomllib` calls itself for each level, and its work on a dotted key is the square of its parts.
_MAX_READ_DEPTH = 100


def _toml(text: str) -> str:
    """All values, numbers as they are written."""
    return repr(tomllib.loads(text, parse_float=str))


READERS: dict[str, Callable[[str], str]] = {"TOML": _toml}


def is_too_deep(language: str, table: SyntaxTable) -> bool:
    """Whether the text is nested too deeply to be proven."""
    return table.depth > (_MAX_READ_DEPTH if language in READERS else MAX_DEPTH)


def said(language: str, source: bytes) -> bytes | None:
    """A digest of what the reader of `language` finds in UTF-8 `source`; None where it refuses the text."""
    try:
        found = READERS[language](source.decode())
    except ValueError:  # so are tomllib's errors, and a number of too many digits
        return None
    return hashlib.sha256(found.encode("utf-8", "surrogatepass")).digest()
