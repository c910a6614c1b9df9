"""The check every variant passes, whoever proposed it: parse it again and compare.

The tree of the variant must be that of its source, node for node, and its text must differ only where an edit
of that kind may: in names, in white space, in comments. For Python the compiled code must be equal as well.
All comparisons run on whole trees and texts inside C, so that proving costs about as much as parsing.
"""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from functools import cache, cached_property

import tree_sitter

from corpus.augment import python_code
from corpus.augment.edits import Edit
from corpus.augment.variables import ROLES
from corpus.syntax import SyntaxTable, grammar, parse

MAX_DEPTH = 1000  # tree-sitter prints trees recursively in C; a hundred times this overflows the stack
COMMENT_KINDS = ("comment", "line_comment", "block_comment", "html_comment")

_WHITE_SPACE = b" \t\r\n\f\v"
_COMMENT_NODE = re.compile(r" (?:\w+: )?\((?:line_|block_|html_)?comment(?: \w+: \(\w+\))*\)")


class Baseline:
    """One source, with what is known about it computed when first needed and shared by all kinds."""

    def __init__(self, source: bytes, language: str, table: SyntaxTable):
        self.source = source
        self.language = language
        self.table = table

    @cached_property
    def shape(self) -> tuple[int, str]:
        return _shape(self.table.tree)

    @cached_property
    def shape_without_comments(self) -> tuple[int, str]:
        return _shape_without_comments(self.table.tree, self.language)

    @cached_property
    def code(self) -> types.CodeType | None:
        return python_code.compiled(self.source)

    def objection(self, kind: str, edits: Sequence[Edit], text: bytes) -> str:
        """Why `text`, made of the source by `edits`, is not proven to mean the same; "" when it is."""
        if self.table.depth > MAX_DEPTH:
            return "nested too deeply"
        if self.language == "Python":
            objection = self._python_objection(edits if kind == "variable_renaming" else (), text)
            if objection:
                return objection
        tree = parse(self.language, text)
        if tree.root_node.has_error != self.table.has_error:
            return "syntax errors differ"
        return _CHECKS[kind](self, edits, text, tree)

    def _python_objection(self, renames: Sequence[Edit], text: bytes) -> str:
        if self.code is None:
            return "source does not compile"
        code = python_code.compiled(text)
        if code is None:
            return "variant does not compile"
        old_names = {new.decode(): self.source[start:end].decode() for start, end, new in renames}
        return "" if python_code.same(self.code, code, old_names) else "code objects differ"

    def _renaming_objection(self, edits: Sequence[Edit], text: bytes, tree: tree_sitter.Tree) -> str:
        """`P { x }` may have become `P { x: new }`; else the trees are equal."""
        count, brackets = self.shape
        new_count, new_brackets = _shape(tree)
        for short, long, added in ROLES[self.language].same_shape:
            expanded = new_brackets.count(long) - brackets.count(long)
            count += added * expanded
            brackets, new_brackets = brackets.replace(short, long), new_brackets.replace(short, long)
        return "" if (count, brackets) == (new_count, new_brackets) else "tree differs"

    def _comment_objection(self, edits: Sequence[Edit], text: bytes, tree: tree_sitter.Tree) -> str:
        if _shape_without_comments(tree, self.language) != self.shape_without_comments:
            return "tree differs"
        before = _ink(self.source, self.table.tree, self.language)
        return "" if _ink(text, tree, self.language) == before else "text outside comments differs"

    def _layout_objection(self, edits: Sequence[Edit], text: bytes, tree: tree_sitter.Tree) -> str:
        if _shape(tree) != self.shape:
            return "tree differs"
        same_ink = text.translate(None, _WHITE_SPACE) == self.source.translate(None, _WHITE_SPACE)
        return "" if same_ink else "text other than white space differs"


_CHECKS = {
    "variable_renaming": Baseline._renaming_objection,
    "comment_toggle": Baseline._comment_objection,
    "format_variation": Baseline._layout_objection,
}


def _shape(tree: tree_sitter.Tree) -> tuple[int, str]:
    """Number of nodes, and kinds and fields of all named nodes as nested brackets."""
    return tree.root_node.descendant_count, str(tree.root_node)


def _shape_without_comments(tree: tree_sitter.Tree, language: str) -> tuple[int, str]:
    count, brackets = _shape(tree)
    in_comments = sum(node.descendant_count for node in _comments(tree, language))
    return count - in_comments, _COMMENT_NODE.sub("", brackets)


def _ink(text: bytes, tree: tree_sitter.Tree, language: str) -> bytes:
    """All bytes of `text` that are neither white space nor in a comment."""
    pieces = []
    done = 0
    for node in _comments(tree, language):
        pieces.append(text[done : node.start_byte])
        done = node.end_byte
    pieces.append(text[done:])
    return b"".join(pieces).translate(None, _WHITE_SPACE)


def _comments(tree: tree_sitter.Tree, language: str) -> list[tree_sitter.Node]:
    """The comment nodes of a tree in order, found by a query in C."""
    found = tree_sitter.QueryCursor(_comment_query(language)).captures(tree.root_node)
    return sorted(found.get("comment", []), key=lambda node: node.start_byte)


@cache
def _comment_query(language: str) -> tree_sitter.Query:
    rules = grammar(language)
    known = [kind for kind in COMMENT_KINDS if rules.id_for_node_kind(kind, True)]
    return tree_sitter.Query(rules, "[" + " ".join(f"({kind})" for kind in known) + "] @comment")
