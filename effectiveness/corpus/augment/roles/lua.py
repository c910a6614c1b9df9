"""Lua: parameters, `local` and loop variables of functions; a function keeps its name, and so does `self`."""

from __future__ import annotations

from effectiveness.corpus.augment.roles import (
    CAMEL_CASE,
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    body_of_parent,
    kinds,
)

_FUNCTIONS = kinds("function_declaration function_definition")
_KEYWORDS = (
    b"and break do else elseif end false for function global goto if in local nil not or repeat return then true until "
    b"while self arg _ENV _G assert collectgarbage dofile error getmetatable ipairs load loadfile loadstring module "
    b"next pairs pcall print rawequal rawget rawlen rawset require select setfenv getfenv setmetatable tonumber "
    b"tostring type unpack xpcall coroutine debug io math os package string table utf8 bit bit32 jit ffi"
)


def _rest_of_block(code: Code, declaration: int) -> Span | None:
    """From the end of a declaration to the end of its block; that of `repeat` reaches over its condition."""
    kind, parent, end = code.table.kind, code.table.parent, code.table.end
    block = parent[declaration]
    if kind[block] != "block":
        return None
    above = parent[block]
    return end[declaration], end[above if kind[above] == "repeat_statement" else block]


def _declared_scope(code: Code, binder: int, leaf: int) -> Span | None:
    return _rest_of_block(code, binder)


def _assigned_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    """`local a, b = ...` binds, `a, b = ...` only assigns."""
    declaration = code.table.parent[binder]
    return (
        _rest_of_block(code, declaration) if code.table.kind[declaration] == "variable_declaration" else USE
    )


def _in_field(code: Code, leaf: int) -> str:
    """`{[x] = 1}` uses x, `{x = 1}` names a field."""
    return USE if code.table.kind[leaf - 1] == "[" else FREE


_USES = """
    arguments binary_expression.left|right bracket_index_expression.field|table dot_index_expression.table
    elseif_statement.condition expression_list expression_list.value field.value for_numeric_clause.end|start|step
    function_call.name if_statement.condition method_index_expression.table parenthesized_expression
    repeat_statement.condition unary_expression.operand while_statement.condition
"""

ROLES = RenamingRules(
    functions=_FUNCTIONS,
    names=kinds("identifier"),
    places={
        **at(_USES, USE),
        **at(
            "attribute dot_index_expression.field goto_statement label_statement "
            "method_index_expression.method",
            FREE,
        ),
        ("field", "name"): _in_field,
        ("function_declaration", "name"): POISON,
    },
    binders={
        ("assignment_statement", None): _assigned_scope,
        **at("for_generic_clause for_numeric_clause.name parameters.name", body_of_parent),
        ("variable_declaration", None): _declared_scope,
    },
    patterns=kinds("variable_list"),
    regions=frozenset(),
    strings=kinds("string_content"),
    reserved=frozenset(_KEYWORDS.split()),
    untouchable=frozenset({b"getlocal", b"setlocal", b"getupvalue", b"setupvalue", b"getinfo"}),  # of `debug`
    name_shape=CAMEL_CASE,
    kept_words=lambda code: {b"self", b"arg"},  # bound without being written
)
