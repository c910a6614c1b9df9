"""C#: locals that live on the stack alone; a parameter can be named by its callers, and a captured local becomes a
field."""

from __future__ import annotations

import re

from effectiveness.corpus.augment.roles import (
    CAMEL_CASE,
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    body_of_binder,
    kinds,
    nearest,
    outermost,
)

_FUNCTIONS = (
    "accessor_declaration",
    "constructor_declaration",
    "conversion_operator_declaration",
    "destructor_declaration",
    "method_declaration",
    "operator_declaration",
)
_WITH_MEMBERS = ("object_creation_expression", "implicit_object_creation_expression", "assignment_expression")
_KEYWORDS = (
    b"abstract add alias and args as ascending async await base bool break by byte case catch char checked class const "
    b"continue decimal default delegate descending do double dynamic else enum equals event explicit extern false "
    b"field file finally fixed float for foreach from get global goto group if implicit in init int interface "
    b"internal into is join let lock long managed nameof namespace new nint not notnull nuint null object on operator "
    b"or orderby out override params partial private protected public readonly record ref remove required return "
    b"sbyte scoped sealed select set short sizeof stackalloc static string struct switch this throw true try typeof "
    b"uint ulong unchecked unmanaged unsafe ushort using value var virtual void volatile when where while with yield"
)
# Code that makes fields of locals, or text of their names.
_SEEING = re.compile(rb"\b(?:async|await|yield|nameof|ThrowIf\w*|__arglist|CallerArgumentExpression)\b")


def _declared_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """A local is seen in its whole block; one of a `for`, `using` or `fixed` in that statement."""
    kind, parent = code.table.kind, code.table.parent
    statement = parent[parent[binder]]
    if kind[statement] == "local_declaration_statement":
        block = nearest(code, statement, ("block", "switch_body"))
        return None if block is None else code.span(block)
    known = ("for_statement", "using_statement", "fixed_statement")
    return code.span(statement) if kind[statement] in known else None


def _catch_scope(code: Code, binder: int, leaf: int) -> Span | None:
    return code.span(code.table.parent[binder])


def _in_argument(code: Code, leaf: int) -> str:
    """An argument is used; what stands in a tuple names a part of it."""
    above = code.table.kind[code.table.parent[code.table.parent[leaf]]]
    return USE if above in ("argument_list", "bracketed_argument_list") else POISON


def _assigned(code: Code, leaf: int) -> str:
    """`x = 1` uses x, but in `new T { X = 1 }` it is a member."""
    kind, parent = code.table.kind, code.table.parent
    above = parent[parent[leaf]]
    if kind[above] != "initializer_expression":
        return USE
    return FREE if kind[parent[above]] in _WITH_MEMBERS else POISON


def _kept_words(code: Code) -> set[bytes]:
    """`@x` is another spelling of x."""
    texts = map(code.text, code.nodes["identifier"])
    return {text[1:] for text in texts if text.startswith(b"@")}


def _refuses(code: Code) -> str:
    spelled = any(b"\\" in code.text(leaf) for leaf in code.nodes["identifier"])
    return "names may be spelled with escapes" if spelled else ""


def _poisoned(code: Code) -> list[int]:
    """Functions in which a local is more than a place on the stack."""
    return [node for node in outermost(code, _FUNCTIONS)[0] if _SEEING.search(code.text(node))]


_USES = """
    assignment_expression.right binary_expression.left|right as_expression.left cast_expression.value
    checked_expression conditional_access_expression.condition
    conditional_expression.alternative|condition|consequence do_statement.condition
    element_access_expression.expression for_statement.condition|update foreach_statement.right
    if_statement.condition initializer_expression interpolation invocation_expression.function is_expression.left
    is_pattern_expression.expression lock_statement member_access_expression.expression parenthesized_expression
    postfix_unary_expression prefix_unary_expression range_expression return_statement switch_expression
    switch_statement.value throw_expression throw_statement using_statement variable_declarator
    while_statement.condition
"""

ROLES = RenamingRules(
    functions=frozenset(_FUNCTIONS),
    names=kinds("identifier"),
    places={
        **at(_USES, USE),
        ("argument", None): _in_argument,
        **at(
            "argument.name member_access_expression.name member_binding_expression.name "
            "method_declaration.name",
            FREE,
        ),
        ("assignment_expression", "left"): _assigned,
    },
    binders={
        ("catch_declaration", "name"): _catch_scope,
        ("foreach_statement", "left"): body_of_binder,
        ("variable_declarator", "name"): _declared_scope,
    },
    patterns=frozenset(),
    regions=kinds(
        "anonymous_method_expression attribute_list lambda_expression local_function_statement "
        "query_expression"
    ),
    strings=kinds("raw_string_content string_content string_literal_content verbatim_string_literal"),
    name_shape=CAMEL_CASE,
    reserved=frozenset(_KEYWORDS.split()),
    kept_words=_kept_words,
    refuses=_refuses,
    poisoned=_poisoned,
)
