"""Python: local variables, never parameters (a caller may name them)."""

from __future__ import annotations

import builtins
import keyword

from effectiveness.corpus.augment.roles import (
    FREE,
    POISON,
    USE,
    Code,
    Roles,
    Span,
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


_USES = (
    ("attribute", "object"),
    ("argument_list", None),
    ("call", "function"),
    ("comparison_operator", None),
    ("subscript", "value"),
    ("subscript", "subscript"),
    ("tuple", None),
    ("list", None),
    ("set", None),
    ("assignment", "right"),
    ("augmented_assignment", "right"),
    ("keyword_argument", "value"),
    ("binary_operator", "left"),
    ("binary_operator", "right"),
    ("boolean_operator", "left"),
    ("boolean_operator", "right"),
    ("not_operator", "argument"),
    ("unary_operator", "argument"),
    ("return_statement", None),
    ("if_statement", "condition"),
    ("elif_clause", "condition"),
    ("while_statement", "condition"),
    ("for_statement", "right"),
    ("for_in_clause", "right"),
    ("if_clause", None),
    ("expression_list", None),
    ("expression_statement", None),
    ("interpolation", "expression"),
    ("list_splat", None),
    ("dictionary_splat", None),
    ("decorator", None),
    ("slice", None),
    ("pair", "key"),
    ("pair", "value"),
    ("raise_statement", None),
    ("raise_statement", "cause"),
    ("delete_statement", None),
    ("conditional_expression", None),
    ("default_parameter", "value"),
    ("typed_default_parameter", "value"),
    ("await", None),
    ("yield", None),
    ("list_comprehension", "body"),
    ("set_comprehension", "body"),
    ("generator_expression", "body"),
    ("lambda", "body"),
    ("with_item", "value"),
    ("parenthesized_expression", None),
    ("assert_statement", None),
    ("named_expression", "value"),
    ("except_clause", "value"),
)

ROLES = Roles(
    functions=frozenset({"function_definition"}),
    names=frozenset({"identifier"}),
    places={
        **dict.fromkeys(_USES, USE),
        ("as_pattern", None): _in_as_pattern,
        ("attribute", "attribute"): FREE,
        ("keyword_argument", "name"): FREE,
        ("function_definition", "name"): POISON,
        ("class_definition", "name"): POISON,
    },
    binders={
        ("assignment", "left"): _function_scope,
        ("augmented_assignment", "left"): _function_scope,
        ("for_statement", "left"): _function_scope,
        ("named_expression", "name"): _function_scope,
        ("as_pattern_target", None): _function_scope,
        ("for_in_clause", "left"): _comprehension_scope,
    },
    patterns=frozenset({"pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern"}),
    regions=frozenset({"type", "global_statement", "nonlocal_statement"}),
    strings=frozenset({"string_content"}),
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
    watched=frozenset({"class_definition", "import_from_statement", "import_statement", "interpolation"}),
)
