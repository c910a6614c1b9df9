"""JavaScript, TypeScript and TSX: variables and parameters of functions, nothing of the top level."""

from __future__ import annotations

from dataclasses import replace

from effectiveness.corpus.augment.roles import (
    BIND,
    CAMEL_CASE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    kinds,
    nearest,
)

_FUNCTIONS = (
    "arrow_function",
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "method_definition",
)
_VAR_SCOPES = (*_FUNCTIONS, "class_static_block")
_ANONYMOUS = kinds("arrow_function class function_expression generator_function")
_WRAPPERS = kinds("parenthesized_expression as_expression satisfies_expression non_null_expression")
_MODIFIERS = kinds("accessibility_modifier decorator override_modifier readonly")
_KEYWORDS = (
    b"abstract any arguments as assert async asserts await bigint boolean break case catch class const continue "
    b"debugger declare default delete do else enum eval export extends false finally for from function get "
    b"global if implements import in infer instanceof interface is keyof let module namespace never new null "
    b"number object of out override package private protected public readonly require return satisfies set "
    b"static string super switch symbol this throw true try type typeof undefined unique unknown using var void "
    b"while with yield NaN Infinity window document self globalThis process console exports top parent name "
    b"status event length location history screen"
)


def _declared_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """`var` is seen in its whole function, `let` and `const` in their whole block."""
    declaration = code.table.parent[binder]
    if code.table.kind[declaration] == "variable_declaration":
        return _function_span(code, binder)
    return _block_span(code, declaration)


def _function_span(code: Code, node: int) -> Span | None:
    owner = nearest(code, node, _VAR_SCOPES)
    return None if owner is None else code.span(owner)


def _block_span(code: Code, declaration: int) -> Span | None:
    block = code.table.parent[declaration]
    if code.table.kind[block] in ("switch_case", "switch_default"):
        block = code.table.parent[block]
    known = ("statement_block", "switch_body", "for_statement", "class_static_block")
    return code.span(block) if code.table.kind[block] in known else None


def _for_in_scope(code: Code, binder: int, leaf: int) -> Span | str | None:
    """`for (const x of y)`; without a keyword it assigns."""
    keyword = code.child(binder, "kind")
    if keyword is None:
        return USE
    if code.table.kind[keyword] == "var":
        return _function_span(code, binder)
    return code.child_span(binder, "body")


def _parameter_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The whole function: defaults of parameters see the other parameters."""
    owner = binder
    if code.table.kind[owner] in ("required_parameter", "optional_parameter"):
        if code.has_child(owner, _MODIFIERS):  # `constructor(private x)` declares a property
            return None
        owner = code.table.parent[owner]
    if code.table.kind[owner] == "formal_parameters":
        owner = code.table.parent[owner]
    has_body = code.table.kind[owner] in _FUNCTIONS and code.child(owner, "body") is not None
    return code.span(owner) if has_body else None


def _catch_scope(code: Code, binder: int, leaf: int) -> Span | None:
    return code.span(binder)


def _bound_unless_naming(code: Code, leaf: int) -> str:
    return POISON if _names_a_function(code, leaf, "value", "right") else BIND


def _used_unless_naming(code: Code, leaf: int) -> str:
    return POISON if _names_a_function(code, leaf, "right") else USE


def _names_a_function(code: Code, leaf: int, *fields: str) -> bool:
    """Whether an anonymous function or class is assigned: its `name` would be that of the variable."""
    kind = code.table.kind
    for field in fields:
        value = code.child(code.table.parent[leaf], field)
        while value is not None and kind[value] in _WRAPPERS:
            inner = [child for child in code.children(value) if kind[child] not in ("(", "comment")]
            value = inner[0] if inner else None
        if value is not None and kind[value] in _ANONYMOUS and code.child(value, "name") is None:
            return True
    return False


def _refuses(code: Code) -> str:
    if code.nodes["with_statement"]:
        return "uses with"
    if b"angular" in code.source or b"$inject" in code.source:
        return "parameters may be injected by name"
    return ""


_USES = """
    arguments array arrow_function.body as_expression assignment_expression.right assignment_pattern.right
    augmented_assignment_expression.right await_expression binary_expression.left|right call_expression.function
    computed_property_name expression_statement field_definition.value for_in_statement.right
    for_statement.condition jsx_expression member_expression.object new_expression.constructor non_null_expression
    object object_assignment_pattern.right pair.value parenthesized_expression public_field_definition.value
    required_parameter.value return_statement satisfies_expression sequence_expression spread_element
    subscript_expression.index|object switch_case.value template_substitution
    ternary_expression.alternative|condition|consequence throw_statement unary_expression.argument
    update_expression.argument variable_declarator.value yield_expression
"""

ROLES = RenamingRules(
    functions=frozenset(_FUNCTIONS),
    names=kinds("identifier shorthand_property_identifier shorthand_property_identifier_pattern"),
    places={
        **at(_USES, USE),
        **at("assignment_expression.left augmented_assignment_expression.left", _used_unless_naming),
        **at(
            "assignment_pattern.left variable_declarator.name required_parameter.pattern",
            _bound_unless_naming,
        ),
        ("object_assignment_pattern", "left"): POISON,  # `{ x = 1 }` would have to become `{ x: new = 1 }`
    },
    binders={
        ("variable_declarator", "name"): _declared_scope,
        ("for_in_statement", "left"): _for_in_scope,
        **at("formal_parameters arrow_function.parameter", _parameter_scope),
        ("catch_clause", "parameter"): _catch_scope,
        ("assignment_expression", "left"): lambda code, binder, leaf: USE,
    },
    patterns=kinds("array_pattern assignment_pattern object_pattern pair_pattern rest_pattern"),
    regions=kinds("enum_declaration type_query"),
    strings=kinds("string_fragment jsx_text"),
    name_shape=CAMEL_CASE,
    reserved=frozenset(_KEYWORDS.split()),
    shorthands=kinds("shorthand_property_identifier shorthand_property_identifier_pattern"),
    untouchable=frozenset([b"eval"]),
    kept_words=lambda code: {b"arguments", b"async", b"await", b"let", b"of", b"undefined", b"yield"},
    refuses=_refuses,
    watched=kinds("with_statement"),
    same_shape=(
        ("(shorthand_property_identifier)", "(pair key: (property_identifier) value: (identifier))", 3),
        (
            "(shorthand_property_identifier_pattern)",
            "(pair_pattern key: (property_identifier) value: (identifier))",
            3,
        ),
    ),
)

TYPED_ROLES = replace(
    ROLES,
    binders={
        **ROLES.binders,
        **at("required_parameter.pattern optional_parameter.pattern", _parameter_scope),
    },
)
