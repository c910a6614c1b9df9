"""Python: local variables, never parameters (a caller may name them)."""

from __future__ import annotations

import builtins
import keyword

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
    words_of,
)

_FUNCTION_LIKE = ("function_definition", "lambda", "class_definition")
_COMPREHENSIONS = (
    "list_comprehension",
    "set_comprehension",
    "dictionary_comprehension",
    "generator_expression",
)


def _function_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The body of the enclosing function; a class body or a module is no local scope."""
    owner = nearest(code, binder, _FUNCTION_LIKE)
    if owner is None or code.table.kind[owner] != "function_definition":
        return None
    return code.child_span(owner, "body")


def _comprehension_scope(code: Code, binder: int, leaf: int) -> Span | None:
    above = code.table.parent[binder]
    return code.span(above) if code.table.kind[above] in _COMPREHENSIONS else None


def _in_as_pattern(code: Code, leaf: int) -> str:
    """`with x as y` uses x; in `case x as y` both are bound."""
    statement = code.table.kind[code.table.parent[code.table.parent[leaf]]]
    return USE if statement in ("with_item", "except_clause", "except_group_clause") else POISON


def _poisoned(code: Code) -> list[int]:
    return [*_self_documenting(code), *nested_in(code, ("function_definition",), ("class_definition",))]


def _self_documenting(code: Code) -> list[int]:
    """`f"{x=}"` prints the name of x."""
    return [node for node in code.nodes["interpolation"] if code.has_child(node, ("=",))]


def _imported(code: Code) -> set[bytes]:
    """Names of imports: the compiler treats a local of that name otherwise than one of another name."""
    imports = (*code.nodes["import_statement"], *code.nodes["import_from_statement"])
    return words_of(b" ".join(map(code.text, imports)))


_USES = """
    attribute.object argument_list call.function comparison_operator subscript.value|subscript tuple list set
    assignment.right augmented_assignment.right keyword_argument.value binary_operator.left|right
    boolean_operator.left|right not_operator.argument unary_operator.argument return_statement
    if_statement.condition elif_clause.condition while_statement.condition for_statement.right for_in_clause.right
    if_clause expression_list expression_statement interpolation.expression list_splat dictionary_splat decorator
    slice pair.key|value raise_statement raise_statement.cause delete_statement conditional_expression
    default_parameter.value typed_default_parameter.value await yield list_comprehension.body set_comprehension.body
    generator_expression.body lambda.body with_item.value parenthesized_expression assert_statement
    named_expression.value except_clause.value
"""

ROLES = RenamingRules(
    functions=kinds("function_definition"),
    names=kinds("identifier"),
    places={
        **at(_USES, USE),
        ("as_pattern", None): _in_as_pattern,
        **at("attribute.attribute keyword_argument.name", FREE),
        **at("function_definition.name class_definition.name", POISON),
    },
    binders={
        **at(
            "assignment.left augmented_assignment.left for_statement.left named_expression.name "
            "as_pattern_target",
            _function_scope,
        ),
        ("for_in_clause", "left"): _comprehension_scope,
    },
    patterns=kinds("pattern_list tuple_pattern list_pattern list_splat_pattern"),
    regions=kinds("type global_statement nonlocal_statement"),
    strings=kinds("string_content"),
    reserved=frozenset(
        name.encode() for name in (*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls")
    ),
    untouchable=frozenset(
        {
            b"locals",
            b"vars",
            b"eval",
            b"exec",
            b"dir",
            b"globals",
            b"_getframe",
            b"currentframe",
            b"f_locals",
            b"tb_frame",
            b"f_back",
        }
    ),
    poisoned=_poisoned,
    kept_words=_imported,
    watched=kinds("class_definition import_from_statement import_statement interpolation"),
)
