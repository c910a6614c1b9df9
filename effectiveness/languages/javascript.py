"""What is known of JavaScript, TypeScript and TypeScript with markup."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_RELATIVES = ("JavaScript", "TypeScript", "TSX")
_JAVASCRIPT_NODES = {
    "nesting": "statement_block class_body object switch_body",
    "branching": "if_statement for_statement for_in_statement while_statement do_statement switch_case "
    "ternary_expression",
    "functions": "function_declaration function_expression method_definition generator_function_declaration",
    "types": "class_declaration class",
    "effects": "try_statement throw_statement await_expression yield_expression arrow_function",
    "modules": "import_statement export_statement",
}
_TYPESCRIPT_NODES = {
    **_JAVASCRIPT_NODES,
    "nesting": _JAVASCRIPT_NODES["nesting"] + " interface_body object_type",
    "types": "class_declaration class interface_declaration type_alias_declaration enum_declaration "
    "type_parameters type_arguments union_type abstract_class_declaration",
    "effects": _JAVASCRIPT_NODES["effects"] + " decorator",
    "modules": "import_statement export_statement internal_module",
}
_LAYOUT = Layout(
    atoms="string template_string template_literal_type regex jsx_element jsx_self_closing_element jsx_fragment "
    "comment html_comment hash_bang_line",
    blocks="program statement_block class_body switch_body switch_case switch_default interface_body enum_body "
    "object_type class_static_block",
    lists="arguments formal_parameters array object",
    declarations="function_declaration class_declaration method_definition export_statement interface_declaration "
    "enum_declaration type_alias_declaration abstract_class_declaration generator_function_declaration module "
    "internal_module if_statement for_statement for_in_statement while_statement do_statement switch_statement "
    "return_statement try_statement throw_statement",
    headings="decorator",
)
_KEPT = (
    r"^/\*!|^///|@license|@preserve|@cc_on",
    r"^/\*\*[^@]*@|^/\*\s*@",  # JSDoc with a tag: TypeScript reads types from it, bundlers hints
    r"@(?:ts-|jsx|flow|noflow|vite|providesModule|internal|jest|babel|format|prettier|nocheck)",
    r"[#@]__|\bPURE\b",
    r"webpack|rollup|parcel|turbopack|esbuild|rspack",
    r"eslint|jshint|jslint|jscs|tslint|standard-|biome-|oxlint|rome-ignore|deno-|\bxo-|flowlint|\$Flow",
    r"prettier|dprint|istanbul|\bc8 |\bv8 ignore|node:coverage|[sS]tryker",
    r"^/\*\s*(?:globals?|exported|exports|properties|members|jslint|jshint)\b",
    r"source(?:Mapping)?URL",
    r"^/\*\s*::?",  # Flow types in comments
    r"#if\b|#else\b|#endif\b|@if\b|@endif\b",
    r"NOSONAR|i18n:",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="JavaScript",
        suffixes=(".js", ".jsx", ".mjs", ".cjs"),
        interpreters=("node",),
        grammar="tree_sitter_javascript:language",
        complexity=_JAVASCRIPT_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Babel",
        relatives=_RELATIVES,
        spaces_are_free=True,
        is_camel_case=True,
    ),
    Language(
        name="TypeScript",
        suffixes=(".ts", ".mts", ".cts"),
        interpreters=("deno", "ts-node"),
        grammar="tree_sitter_typescript:language_typescript",
        complexity=_TYPESCRIPT_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Babel",
        relatives=_RELATIVES,
        spaces_are_free=True,
        is_camel_case=True,
    ),
    Language(
        name="TSX",
        suffixes=(".tsx",),
        grammar="tree_sitter_typescript:language_tsx",
        complexity=_TYPESCRIPT_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Babel",
        relatives=_RELATIVES,
        spaces_are_free=True,
        is_camel_case=True,
    ),
)
