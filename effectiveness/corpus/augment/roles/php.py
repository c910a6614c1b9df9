"""PHP: variables that a function or method assigns; never a parameter, which callers may name."""

from __future__ import annotations

import re
from bisect import bisect_right

from effectiveness.corpus.augment.roles import (
    BIND,
    CAMEL_CASE,
    FREE,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    kinds,
    outermost,
)

_FUNCTIONS = ("function_definition", "method_declaration")
# What reaches variables by what they are called, or runs code among them.
_SEEING = (
    "dynamic_variable_name",
    *(f"{word}_expression" for word in ("include", "include_once", "require", "require_once")),
)
_SEEING_CALLS = b"compact|extract|eval|get_defined_vars|parse_str|mb_parse_str|create_function|assert"
_SEEING_CALL = re.compile(rb"\\?(?:%s)" % _SEEING_CALLS, re.IGNORECASE)  # as PHP reads names of functions
_OTHERWISE_CALLED = re.compile(rb"\b(?:%s)\s+as\b" % _SEEING_CALLS, re.IGNORECASE)
# Variables that PHP itself sets.
_GIVEN = b"this argc argv http_response_header php_errormsg HTTP_RAW_POST_DATA GLOBALS"


def _in_variable(code: Code, leaf: int) -> str:
    """What `$x` is: told by the place of the whole of it."""
    kind, parent, field = code.table.kind, code.table.parent, code.table.field
    variable = parent[leaf]
    return _VARIABLES.get((kind[parent[variable]], field[variable]), BIND)


def _function_scope(code: Code, binder: int, leaf: int) -> Span:
    """A variable is seen in its whole function, and no other is asked about."""
    return 0, len(code.source)


def _loop_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    """`foreach ($rows as $key => $row)` uses what stands before `as`."""
    kind, start = code.table.kind, code.table.start
    if kind[binder] != "foreach_statement":
        return USE
    keyword = next(child for child in code.children(binder) if kind[child] == "as")
    return USE if start[leaf] < start[keyword] else _function_scope(code, binder, leaf)


def _pair_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    above = code.table.parent[binder]
    return _function_scope(code, binder, leaf) if code.table.kind[above] == "foreach_statement" else None


def _refuses(code: Code) -> str:
    return (
        "a function that sees variables goes by another name" if _OTHERWISE_CALLED.search(code.source) else ""
    )


def _poisoned(code: Code) -> list[int]:
    """Functions in which a variable may be reached by its name."""
    seeing = [
        node for kind in _SEEING for node in code.nodes[kind] if not code.has_child(node, ("name",))
    ]  # "${x}"
    seeing += [call for call in code.nodes["function_call_expression"] if _sees(code, call + 1)]
    functions = outermost(code, _FUNCTIONS)[0]
    found = {functions[max(0, bisect_right(functions, node) - 1)] for node in seeing if functions}
    return sorted(found)


def _sees(code: Code, callee: int) -> bool:
    kind = code.table.kind[callee]
    return kind in ("name", "qualified_name") and bool(_SEEING_CALL.fullmatch(code.text(callee)))


_VARIABLE_USES = """
    argument array_element_initializer arrow_function.body assignment_expression.right
    augmented_assignment_expression.left|right binary_expression.left|right case_statement.value
    cast_expression.value clone_expression conditional_expression.alternative|body|condition echo_statement
    encapsed_string error_suppression_expression expression_statement function_call_expression.function heredoc_body
    match_condition_list match_conditional_expression.return_expression match_default_expression.return_expression
    member_access_expression.object member_call_expression.object nullsafe_member_access_expression.object
    nullsafe_member_call_expression.object object_creation_expression parenthesized_expression print_intrinsic
    return_statement scoped_call_expression.scope sequence_expression sequence_expression.left|right
    subscript_expression throw_expression unary_op_expression.argument unset_statement update_expression.argument
    variadic_unpacking yield_expression
"""
_VARIABLES: dict[tuple[str, str | None], str] = {
    **at(_VARIABLE_USES, USE),
    ("scoped_property_access_expression", "name"): FREE,
}
# Names without `$`: functions, methods, properties, classes, constants.
_OTHER_NAMES = """
    argument binary_expression.left|right catch_clause.type class_constant_access_expression
    function_call_expression.function function_definition.name member_access_expression.name
    member_call_expression.name method_declaration.name named_type namespace_name
    nullsafe_member_access_expression.name nullsafe_member_call_expression.name object_creation_expression
    qualified_name scoped_call_expression.name|scope scoped_property_access_expression.scope subscript_expression
    array_element_initializer assignment_expression.right return_statement argument.name
"""

ROLES = RenamingRules(
    functions=frozenset(_FUNCTIONS),
    names=kinds("name"),
    places={**at(_OTHER_NAMES, FREE), ("variable_name", None): _in_variable},
    binders={
        **at("assignment_expression.left catch_clause.name list_literal", _function_scope),
        ("foreach_statement", None): _loop_scope,
        ("pair", None): _pair_scope,
    },
    patterns=kinds("variable_name"),
    regions=kinds(
        "anonymous_function_use_clause formal_parameters global_declaration function_static_declaration"
    ),
    strings=kinds("string_content nowdoc_string"),
    sigil=b"$",
    name_shape=CAMEL_CASE,
    reserved=frozenset(_GIVEN.split()),
    poisoned=_poisoned,
    kept_words=lambda code: set(_GIVEN.split()),
    refuses=_refuses,
    watched=frozenset({*_SEEING, "function_call_expression"}),
)
