"""Go: parameters, `:=`, `var`, `range` and type switches."""

from __future__ import annotations

import re

from effectiveness.corpus.augment.roles import (
    BIND,
    CAMEL_CASE,
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    kinds,
)

_FUNCTIONS = kinds("function_declaration method_declaration func_literal")
_KEYWORDS = (
    b"break case chan const continue default defer else fallthrough for func go goto if import interface map "
    b"package range return select struct switch type var any append bool byte cap clear close comparable "
    b"complex complex64 complex128 copy delete error false float32 float64 imag int int8 int16 int32 int64 iota "
    b"len make max min new nil panic print println real recover rune string true uint uint8 uint16 uint32 uint64 "
    b"uintptr init main C"
)
# What a declaration can stand in, and see the rest of.
_BLOCKS = kinds(
    "block communication_case default_case expression_case expression_switch_statement if_statement statement_list "
    "type_case type_switch_statement"
)


def _rest_of_block(code: Code, binder: int, leaf: int) -> Span | None:
    """From the end of the declaration to the end of its block, or of the statement it opens."""
    kind, parent = code.table.kind, code.table.parent
    block = parent[binder]
    while kind[block] in ("var_declaration", "var_spec_list", "for_clause"):
        block = parent[block]
    if kind[block] not in _BLOCKS and kind[block] != "for_statement":
        return None
    return code.table.end[binder], code.table.end[block]


def _range_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    """`for x := range` declares x for the body, `for x = range` assigns to it."""
    if not code.has_child(binder, (":=",)):
        return USE
    return code.child_span(code.table.parent[binder], "body")


def _receive_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    """`case x := <-channel:` declares x for the case."""
    if not code.has_child(binder, (":=",)):
        return USE
    return _rest_of_block(code, binder, leaf)


def _parameter_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The body of the function; a function type has none."""
    owner = code.table.parent[code.table.parent[binder]]
    return code.child_span(owner, "body") if code.table.kind[owner] in _FUNCTIONS else None


def _type_switch_scope(code: Code, binder: int, leaf: int) -> Span | None:
    return code.table.end[leaf], code.table.end[binder]


def _in_list(code: Code, leaf: int) -> str:
    """`a, b` left of `:=` binds, anywhere else it is used."""
    above = code.table.parent[leaf]
    place = code.table.kind[code.table.parent[above]], code.table.field[above]
    return BIND if place in ROLES.binders else USE


def _in_literal(code: Code, leaf: int) -> str:
    """The key in `{key: value}` is a field or a variable, only the type would tell."""
    element = code.table.parent[leaf]
    above = code.table.parent[element]
    is_key = code.table.kind[above] == "keyed_element" and element == above + 1
    return POISON if is_key else USE


def _refuses(code: Code) -> str:
    return (
        "cgo"
        if re.search(rb'import\s+(?:\(\s*)?"C"|^[^\S\n]*"C"[^\S\n]*$', code.source, re.MULTILINE)
        else ""
    )


_USES = """
    argument_list binary_expression.left|right call_expression.function dec_statement expression_statement
    expression_switch_statement.value for_clause.condition for_statement if_statement.condition inc_statement
    index_expression.operand|index parenthesized_expression range_clause.right selector_expression.operand
    send_statement.channel|value slice_expression.operand|start|end|capacity type_assertion_expression.operand
    type_conversion_expression.operand type_switch_statement.value unary_expression.operand variadic_argument
"""

ROLES = RenamingRules(
    functions=_FUNCTIONS,
    names=kinds("identifier package_identifier type_identifier"),
    places={
        **at(_USES, USE),
        ("expression_list", None): _in_list,
        ("literal_element", None): _in_literal,
        ("function_declaration", "name"): FREE,
    },
    binders={
        **at("short_var_declaration.left var_spec.name", _rest_of_block),
        ("range_clause", "left"): _range_scope,
        ("receive_statement", "left"): _receive_scope,
        **at("parameter_declaration.name variadic_parameter_declaration.name", _parameter_scope),
        ("type_switch_statement", "alias"): _type_switch_scope,
    },
    patterns=kinds("expression_list"),
    regions=kinds("const_declaration type_declaration"),
    strings=kinds("interpreted_string_literal_content raw_string_literal_content"),
    name_shape=CAMEL_CASE,
    reserved=frozenset(_KEYWORDS.split()),
    kept_words=lambda code: {b"make", b"new"},  # the grammar reads their arguments as types
    refuses=_refuses,
)
