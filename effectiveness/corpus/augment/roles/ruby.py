"""Ruby: local variables, positional parameters and those of blocks, inside of methods.

What looks like a variable is a call of a method until the name was assigned, in the order of the text.
"""

from __future__ import annotations

import re

from effectiveness.corpus.augment.roles import (
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    kinds,
    nearest,
    nested_in,
    outermost,
)

_METHODS = ("method", "singleton_method")
_SCOPES = (*_METHODS, "block", "do_block", "lambda")
_CLASSES = ("class", "module", "singleton_class")
_KEYWORDS = (
    b"BEGIN END alias and begin break case class def defined do else elsif end ensure false for if in module next nil "
    b"not or redo rescue retry return self super then true undef unless until when while yield it lambda proc "
    b"p puts print raise loop block_given require require_relative new binding eval send format sprintf catch throw "
    b"fail sleep rand srand gets open exit abort test trap warn caller freeze dup clone hash method methods object_id "
    b"display extend tap then class inspect instance_of is_a"
)
_LONGEST_LINE = 1000  # bytes
# Code that reaches variables by what they are called, or opens a session among them.
_SEEING = re.compile(rb"\b(?:\w*eval|\w*binding|local_variable\w*|irb|pry|byebug|debugger|ERB)\b")


def _rest_of_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """From the name on to the end of the method or block."""
    scope = nearest(code, binder, _SCOPES)
    before = code.source[max(0, code.table.start[leaf] - _LONGEST_LINE) : code.table.start[leaf]]
    line = before[before.rfind(b"\n") + 1 :]
    if (
        scope is None or len(line) == _LONGEST_LINE or b"<<" in line
    ):  # a heredoc before it on its line is read first
        return None
    return code.table.end[leaf], code.table.end[scope]


def _in_call(code: Code, leaf: int) -> str:
    """`a.x` is a call; whether `x -1` and `x [1]` are is told by what x is."""
    return FREE if code.child(code.table.parent[leaf], "receiver") is not None else POISON


def _in_pair(code: Code, leaf: int) -> str:
    """`{x => 1}` uses a variable, `{x: 1}` names a key, `{x:}` does both."""
    if code.table.kind[leaf] == "identifier":
        return USE
    return FREE if code.child(code.table.parent[leaf], "value") is not None else POISON


def _poisoned(code: Code) -> list[int]:
    """Methods in which variables may be reached by name, and what inside of a method sees none of its variables."""
    methods, inside = outermost(code, _METHODS)
    seen = [node for node in methods if _SEEING.search(code.text(node))]
    return [*seen, *inside, *nested_in(code, _METHODS, _CLASSES)]


_USES = """
    argument_list array assignment.right begin binary.left|right block_argument block_body body_statement
    call.receiver case.value case_match.value conditional.alternative|condition|consequence do
    element_reference.object element_reference else elsif.condition ensure for.value hash_splat_argument
    if.condition if_modifier.body|condition in interpolation operator_assignment.right optional_parameter.value
    pair.value parenthesized_statements pattern range.begin|end rescue_modifier.body|handler right_assignment_list
    splat_argument then unary.operand unless.condition unless_modifier.body|condition until.condition
    until_modifier.condition while.condition while_modifier.condition
"""
_BINDERS = """
    assignment.left block_parameter.name block_parameters block_parameters.locals exception_variable for.pattern
    hash_splat_parameter.name lambda_parameters method_parameters operator_assignment.left optional_parameter.name
    splat_parameter.name
"""

ROLES = RenamingRules(
    functions=frozenset(_METHODS),
    names=kinds("identifier hash_key_symbol"),
    places={
        **at(_USES, USE),
        ("call", "method"): _in_call,
        ("keyword_parameter", "name"): POISON,
        **at("method.name setter.name singleton_method.name", FREE),
        ("pair", "key"): _in_pair,
    },
    binders=at(_BINDERS, _rest_of_scope),
    patterns=kinds(
        "destructured_left_assignment destructured_parameter left_assignment_list rest_assignment"
    ),
    regions=frozenset(),
    strings=kinds("string_content heredoc_content simple_symbol"),
    reserved=frozenset(_KEYWORDS.split()),
    kept_words=lambda code: {b"it"},
    poisoned=_poisoned,
    watched=frozenset(_CLASSES),
)
