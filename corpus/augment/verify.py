"""The check every variant passes, whoever proposed it.

An edit may only touch what its kind is about: names, comments, white space. Then the whole text is read again.
For Python the compiler reads it: the code objects must be equal. For every other language the grammar does: the
tree must be that of the source, node for node. All comparisons of whole files run inside C, so that proving a
variant costs about as much as parsing it.
"""

from __future__ import annotations

import re
import types
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, cached_property

import tree_sitter

from corpus.augment import python_code
from corpus.augment.edits import Edit
from corpus.augment.variables import ROLES
from corpus.syntax import SyntaxTable

MAX_DEPTH = 1000  # tree-sitter prints trees recursively in C: at 30,000 levels the stack overflows
COMMENT_KINDS = frozenset({"comment", "line_comment", "block_comment", "html_comment"})

_NAME = re.compile(rb"[A-Za-z_]\w*")
_TEXT = re.compile("string|heredoc|template_literal|regex|jsx_text")  # kinds whose white space counts
_COMMENT_NODE = re.compile(r" (?:\w+: )?\((?:line_|block_|html_)?comment\)")


class Baseline:
    """One source, with what is known about it computed when first needed and shared by all kinds."""

    def __init__(self, source: bytes, language: str, table: SyntaxTable):
        self.source = source
        self.language = language
        self.table = table

    @cached_property
    def shape(self) -> tuple[int, str]:
        """Number of nodes, and kinds and fields of all named nodes as nested brackets."""
        return _shape(self.table.tree)

    @cached_property
    def comments(self) -> list[tuple[int, int]]:
        """The byte ranges of all comments, in order."""
        table = self.table
        nodes = (node for node, kind in enumerate(table.kind) if kind in COMMENT_KINDS)
        return [(table.start[node], table.end[node]) for node in nodes]

    @cached_property
    def code(self) -> types.CodeType | None:
        return python_code.compiled(self.source)

    def objection(self, kind: str, edits: Sequence[Edit], text: bytes, tree: tree_sitter.Tree) -> str:
        """Why `text`, made by `edits` and parsed as `tree`, is not proven to mean the same; "" when it is."""
        if not all(_MAY_TOUCH[kind](self, edit) for edit in edits):
            return f"an edit touches more than {kind} may"
        if self.language == "Python":
            return self._code_objection(edits if kind == "variable_renaming" else (), text)
        return self._tree_objection(kind, tree)

    def _code_objection(self, renames: Sequence[Edit], text: bytes) -> str:
        if self.code is None:
            return "source does not compile"
        code = python_code.compiled(text)
        if code is None:
            return "variant does not compile"
        old_names = {new.decode(): self.source[start:end].decode() for start, end, new in renames}
        return "" if python_code.same(self.code, code, old_names) else "code objects differ"

    def _tree_objection(self, kind: str, tree: tree_sitter.Tree) -> str:
        if tree.root_node.has_error != self.table.has_error:
            return "syntax errors differ"
        return "" if _SAME_SHAPE[kind](self, tree) else "tree differs"

    def _renames(self, edit: Edit) -> bool:
        """A name became another; or `x`, where it is short for `x: x`, became `x: new`."""
        old = self.source[edit.start : edit.end]
        new = edit.replacement.removeprefix(old + b": ")
        is_name = _NAME.fullmatch(old) and _NAME.fullmatch(new)
        return bool(is_name) and new not in ROLES[self.language].reserved

    def _blanks_comments(self, edit: Edit) -> bool:
        """Whole comments and white space became white space."""
        at = bisect_left(self.comments, (edit.start, edit.start))
        kept = []
        done = edit.start
        while at < len(self.comments) and self.comments[at][1] <= edit.end:
            kept.append(self.source[done : self.comments[at][0]])
            done = self.comments[at][1]
            at += 1
        kept.append(self.source[done : edit.end])
        return not any(map(bytes.strip, kept)) and not edit.replacement.strip() and self._lies_in_gap(edit)

    def _spaces(self, edit: Edit) -> bool:
        """White space between tokens became other white space."""
        if edit.replacement.strip() or self.source[edit.start : edit.end].strip():
            return False
        return self._lies_in_gap(edit)

    def _lies_in_gap(self, edit: Edit) -> bool:
        """No token reaches into the edit - comments may lie in it whole - and what holds it is no string.

        White space inside a string is text; the tree alone would not show that it changed. (For Python the
        compiler shows it.)
        """
        if self.language == "Python":
            return True
        table = self.table
        node = (
            bisect_left(table.start, edit.end) - 1
        )  # the last node, in preorder, that starts before its end
        while node >= 0 and (table.end[node] == table.start[node] or self._is_inside(node, edit)):
            node -= 1
        if node >= 0 and table.subtree_end[node] == node + 1 and table.end[node] > edit.start:
            return False
        while node >= 0 and table.end[node] < edit.end:
            node = table.parent[node]
        return node < 0 or not _holds_text(table.kind[node])

    def _is_inside(self, node: int, edit: Edit) -> bool:
        return edit.start <= self.table.start[node] and self.table.end[node] <= edit.end

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
        return _COMMENT_NODE.sub("", self.shape[1]) == _COMMENT_NODE.sub("", str(tree.root_node))

    def _same(self, tree: tree_sitter.Tree) -> bool:
        return _shape(tree) == self.shape


_MAY_TOUCH = {
    "variable_renaming": Baseline._renames,
    "comment_toggle": Baseline._blanks_comments,
    "format_variation": Baseline._spaces,
}
_SAME_SHAPE = {
    "variable_renaming": Baseline._same_but_for_shorthands,
    "comment_toggle": Baseline._same_but_for_comments,
    "format_variation": Baseline._same,
}


@cache
def _holds_text(kind: str) -> bool:
    return bool(_TEXT.search(kind))


def _shape(tree: tree_sitter.Tree) -> tuple[int, str]:
    return tree.root_node.descendant_count, str(tree.root_node)
