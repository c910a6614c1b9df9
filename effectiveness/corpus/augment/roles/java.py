"""Java: local variables, parameters, exceptions and resources; never what reflection or a subclass may see."""

from __future__ import annotations

from effectiveness.corpus.augment.roles import (
    CAMEL_CASE,
    FREE,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    body_of_binder,
    body_of_parent,
    kinds,
    nearest,
    nested_in,
)

_FUNCTIONS = ("method_declaration", "constructor_declaration", "lambda_expression", "static_initializer")
_BODIES = ("class_body", "interface_body", "enum_body", "annotation_type_body")
_CLASSES = ("class_declaration", "record_declaration", "enum_declaration", "interface_declaration")
_ANNOTATIONS = ("annotation", "marker_annotation")
# Annotations of the language: nothing that reads them asks for the names of parameters.
_HARMLESS = frozenset(
    [b"Override", b"Deprecated", b"SuppressWarnings", b"SafeVarargs", b"FunctionalInterface", b"Test"]
)
_KEYWORDS = (
    b"abstract assert boolean break byte case catch char class const continue default do double else enum exports "
    b"extends final finally float for goto if implements import instanceof int interface long module native new "
    b"non null open opens package permits private protected provides public record requires return sealed short "
    b"static strictfp super switch synchronized this throw throws to transient transitive true false try uses var "
    b"void volatile when while with yield java javax com org net io"
)


def _declared_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The rest of the block a local variable is declared in; fields are none."""
    kind, parent = code.table.kind, code.table.parent
    declaration = parent[binder]
    if kind[declaration] == "spread_parameter":
        return _parameter_scope(code, declaration, leaf)
    if kind[declaration] != "local_variable_declaration":
        return None
    block = parent[declaration]
    if kind[block] == "switch_block_statement_group":
        block = parent[block]
    if kind[block] not in ("block", "constructor_body", "for_statement", "switch_block"):
        return None
    return code.table.end[leaf], code.table.end[block]


def _parameter_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The body of a method, constructor or lambda that no annotation speaks about."""
    owner = code.table.parent[binder]
    while code.table.kind[owner] in ("formal_parameters", "inferred_parameters"):
        owner = code.table.parent[owner]
    if code.table.kind[owner] not in _FUNCTIONS or _is_annotated(code, binder, ()):
        return None
    if code.table.kind[owner] != "lambda_expression":
        owning_class = nearest(code, owner, _CLASSES)
        if _is_annotated(code, owner) or (owning_class is not None and _is_annotated(code, owning_class)):
            return None
    return code.child_span(owner, "body")


def _is_annotated(code: Code, node: int, harmless: tuple[bytes, ...] | frozenset[bytes] = _HARMLESS) -> bool:
    """Whether a declaration has an annotation outside `harmless`."""
    kind = code.table.kind
    for child in code.children(node):
        if kind[child] == "modifiers":
            for modifier in code.children(child):
                if kind[modifier] in _ANNOTATIONS and code.text(modifier + 2) not in harmless:
                    return True
    return False


def _lambda_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """`x -> body` and `(x, y) -> body`."""
    owner = nearest(code, binder, ("lambda_expression",))
    return None if owner is None else code.child_span(owner, "body")


def _resource_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """`try (R x = open(); S y = x.more()) { here }`."""
    owner = code.table.parent[code.table.parent[binder]]
    body = code.child_span(owner, "body")
    return body and (code.table.end[binder], body[1])


def _refuses(code: Code) -> str:
    if b"\\u" in code.source:
        return "names may be spelled with escapes"
    if b"Serializable" in code.source and (code.nodes["lambda_expression"] or code.nodes["method_reference"]):
        return "names of variables may become names of serialised lambdas"
    return ""


def _poisoned(code: Code) -> list[int]:
    """Bodies of local and anonymous classes: a field they inherit hides the variable."""
    return nested_in(code, _FUNCTIONS, _BODIES)


_USES = """
    argument_list array_access.array|index array_initializer assert_statement assignment_expression.left|right
    binary_expression.left|right cast_expression.value dimensions_expr enhanced_for_statement.value
    expression_statement field_access.object for_statement.condition instanceof_expression.left
    lambda_expression.body method_invocation.object parenthesized_expression return_statement
    ternary_expression.condition|consequence|alternative throw_statement unary_expression.operand update_expression
    variable_declarator.value yield_statement
"""

ROLES = RenamingRules(
    functions=frozenset(_FUNCTIONS),
    names=kinds("identifier type_identifier"),
    places={
        **at(_USES, USE),
        **at("field_access.field method_invocation.name method_declaration.name", FREE),
    },
    binders={
        ("variable_declarator", "name"): _declared_scope,
        ("formal_parameter", "name"): _parameter_scope,
        ("catch_formal_parameter", "name"): body_of_parent,
        ("resource", "name"): _resource_scope,
        **at("inferred_parameters lambda_expression.parameters", _lambda_scope),
        ("enhanced_for_statement", "name"): body_of_binder,
    },
    patterns=frozenset(),
    regions=frozenset(_ANNOTATIONS),
    strings=kinds("string_fragment multiline_string_fragment"),
    name_shape=CAMEL_CASE,
    reserved=frozenset(_KEYWORDS.split()),
    refuses=_refuses,
    poisoned=_poisoned,
    watched=frozenset({*_BODIES, "method_reference"}),
)
