"""Rust: parameters, `let`, `for`, closure and pattern bindings."""

from __future__ import annotations

import re

from effectiveness.corpus.augment.roles import (
    BIND,
    FREE,
    POISON,
    USE,
    Code,
    RenamingRules,
    Span,
    at,
    body_of_binder,
    kinds,
    nested_in,
    rest_of_parent,
    words_of,
)

# Macros of the standard library that evaluate their arguments where they stand.
_PLAIN_MACROS = frozenset(
    b"println print eprintln eprint format write writeln panic unreachable todo vec assert_eq assert_ne".split()
)

# Attributes of the compiler itself. Any other may be a macro that reads the names below it.
_BUILTIN_ATTRIBUTES = frozenset(
    b"allow warn deny forbid expect cfg doc inline cold must_use test bench ignore should_panic deprecated "
    b"target_feature no_mangle export_name link_section track_caller repr non_exhaustive derive default "
    b"automatically_derived macro_use macro_export path rustfmt clippy link link_name used no_coverage "
    b"unstable stable rustc_const_unstable rustc_const_stable doc_hidden global_allocator".split()
)
_CFG_ATTR = re.compile(rb"cfg_attr\s*\((?:[^(),]|\([^()]*\))*,\s*(\w+)[^,]*\)\s*,?\s*\]?\s*$")
_ATTRIBUTE_HEAD = re.compile(rb"#\[\s*(?:unsafe\s*\(\s*)?(\w+)")
# Items inside functions do not see the locals around them.
_ITEMS = kinds("function_item impl_item trait_item mod_item")
_BESIDE_ATTRIBUTES = kinds("attribute_item line_comment block_comment")
_KEYWORDS = (
    b"as async await box break const continue crate do dyn else enum extern false final fn for gen if impl in "
    b"let loop macro match mod move mut override priv pub ref return self static struct super trait true try "
    b"type typeof union unsafe unsized use virtual where while yield abstract become raw safe auto default "
    b"bool char str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 std core alloc drop"
)


def _parameter_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """The body of the function or closure the parameter belongs to (a function type has none)."""
    owner = code.table.parent[binder]
    if code.table.kind[binder] == "parameter":
        owner = code.table.parent[owner]
    if code.table.kind[owner] not in ("function_item", "closure_expression"):
        return None
    return code.child_span(owner, "body")


def _arm_scope(code: Code, binder: int, leaf: int) -> Span | None:
    arm = code.table.parent[binder]
    return code.span(arm) if code.table.kind[arm] == "match_arm" else None


def _condition_scope(code: Code, binder: int, leaf: int) -> Span | None:
    """`if let P(x) = e && more { here }`: what follows the condition, up to the end of the block."""
    kind, parent = code.table.kind, code.table.parent
    owner = parent[binder]
    while kind[owner] == "let_chain":
        owner = parent[owner]
    block = code.child(
        owner, {"if_expression": "consequence", "while_expression": "body"}.get(kind[owner], "")
    )
    return None if block is None else (code.table.end[binder], code.table.end[block])


def _in_field_pattern(code: Code, leaf: int) -> str:
    """`P { x }` binds x, and becomes `P { x: new }`; `P { ref x }` would have to become more."""
    return BIND if _is_only_child(code, leaf) else POISON


def _in_field_initializer(code: Code, leaf: int) -> str:
    """`P { x }` uses x, and becomes `P { x: new }`; there may be an attribute in between."""
    return USE if _is_only_child(code, leaf) else POISON


def _is_only_child(code: Code, leaf: int) -> bool:
    above = code.table.parent[leaf]
    return above == leaf - 1 and code.table.subtree_end[above] == leaf + 1


def _in_tokens(code: Code, leaf: int) -> str:
    """Inside the arguments of a plain macro there is no syntax, only tokens."""
    kind = code.table.kind
    before, after = kind[leaf - 1], kind[leaf + 1]
    if before == ".":
        return FREE
    if "::" in (before, after) or after in ("=", ":", "!") or before in ("{", "$", "#", "@"):
        return POISON
    return POISON if kind[code.table.parent[leaf] + 1] == "{" else USE


def _poisoned(code: Code) -> list[int]:
    return [
        *_foreign_macros(code),
        *_below_foreign_attributes(code),
        *nested_in(code, ("function_item",), _ITEMS),
    ]


def _foreign_macros(code: Code) -> list[int]:
    """Macro calls whose tokens may be read as anything."""
    taken = {code.text(leaf) for node in code.nodes["macro_definition"] for leaf in code.children(node)}
    for node in code.nodes["use_declaration"]:
        taken |= words_of(code.text(node))
    plain = _PLAIN_MACROS - taken
    return [node for node in code.nodes["macro_invocation"] if not _is_plain(code, node, plain)]


def _is_plain(code: Code, macro: int, plain: frozenset[bytes]) -> bool:
    """Whether the macro and all macros among its tokens are among `plain`."""
    kind = code.table.kind
    if code.text(macro + 1) not in plain:
        return False
    return all(
        code.text(node - 1) in plain
        for node in range(macro + 3, code.table.subtree_end[macro])
        if kind[node] == "!" and kind[node - 1] == "identifier"
    )


def _below_foreign_attributes(code: Code) -> list[int]:
    """What follows an attribute that is not the compiler's own: a macro may read its names."""
    table = code.table
    targets = []
    for attribute in code.nodes["attribute_item"]:
        if _is_builtin(code.text(attribute)):
            continue
        target = table.subtree_end[attribute]
        while target < len(table) and table.kind[target] in _BESIDE_ATTRIBUTES:
            target = table.subtree_end[target]
        beside = target < len(table) and table.parent[target] == table.parent[attribute]
        targets.append(target if beside else table.parent[attribute])
    return targets


def _is_builtin(attribute: bytes) -> bool:
    head = _ATTRIBUTE_HEAD.match(attribute)
    if head and head[1] == b"cfg_attr":
        head = _CFG_ATTR.search(attribute)
    return head is not None and head[1] in _BUILTIN_ATTRIBUTES


def _named_values(code: Code) -> set[bytes]:
    """Constants, statics and imports: a pattern of that name may be no binding."""
    imports = words_of(b" ".join(map(code.text, code.nodes["use_declaration"])))
    items = [code.child(node, "name") for kind in ("const_item", "static_item") for node in code.nodes[kind]]
    return imports | {code.text(name) for name in items if name is not None}


_USES = """
    arguments array_expression array_expression.length assignment_expression.left|right await_expression
    base_field_initializer binary_expression.left|right block break_expression call_expression.function
    closure_expression.body compound_assignment_expr.left|right expression_statement field_expression.value
    field_initializer.value for_expression.value if_expression.condition index_expression let_chain
    let_condition.value let_declaration.value match_arm.value match_expression.value match_pattern.condition
    parenthesized_expression range_expression reference_expression.value return_expression try_expression
    tuple_expression type_cast_expression.value unary_expression while_expression.condition
"""

ROLES = RenamingRules(
    functions=kinds("function_item"),
    names=kinds("identifier shorthand_field_identifier"),
    places={
        **at(_USES, USE),
        **at("scoped_identifier.path|name scoped_type_identifier.path lifetime label", FREE),
        ("tuple_struct_pattern", "type"): POISON,
        ("field_pattern", "name"): _in_field_pattern,
        ("shorthand_field_initializer", None): _in_field_initializer,
        ("token_tree", None): _in_tokens,
    },
    binders={
        **at("parameter.pattern closure_parameters", _parameter_scope),
        ("match_pattern", None): _arm_scope,
        ("let_condition", "pattern"): _condition_scope,
        ("let_declaration", "pattern"): rest_of_parent("block"),
        ("for_expression", "pattern"): body_of_binder,
    },
    patterns=kinds(
        "captured_pattern field_pattern mut_pattern or_pattern ref_pattern reference_pattern slice_pattern "
        "struct_pattern tuple_pattern tuple_struct_pattern"
    ),
    regions=kinds(
        "attribute_item const_item inner_attribute_item macro_definition static_item use_declaration"
    ),
    strings=kinds("string_content"),
    reserved=frozenset(_KEYWORDS.split()),
    shorthands=kinds("shorthand_field_initializer shorthand_field_identifier"),
    poisoned=_poisoned,
    kept_words=_named_values,
    watched=_ITEMS | {"macro_invocation"},
    same_shape=(
        (
            "(shorthand_field_initializer (identifier))",
            "(field_initializer field: (field_identifier) value: (identifier))",
            2,
        ),
        (
            "(field_pattern name: (shorthand_field_identifier))",
            "(field_pattern name: (field_identifier) pattern: (identifier))",
            2,
        ),
    ),
)
