"""What is known of Go."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "block field_declaration_list literal_value",
    "branching": "if_statement for_statement expression_case type_case communication_case",
    "functions": "function_declaration method_declaration func_literal",
    "types": "type_declaration struct_type interface_type type_parameter_list type_arguments map_type",
    "effects": "defer_statement go_statement select_statement send_statement type_assertion_expression",
    "modules": "import_spec package_clause qualified_type",
}
_LAYOUT = Layout(
    atoms="interpreted_string_literal raw_string_literal rune_literal comment",
    blocks="source_file block statement_list field_declaration_list import_spec_list var_spec_list "
    "const_declaration interface_type expression_switch_statement type_switch_statement select_statement",
    bare="statement_list",
    lists="argument_list parameter_list literal_value",
    declarations="function_declaration method_declaration type_declaration var_declaration const_declaration "
    "if_statement for_statement expression_switch_statement type_switch_statement select_statement "
    "return_statement defer_statement go_statement expression_case type_case default_case communication_case",
)
_KEPT = (
    r"^//(?:line |extern |export |sys|[a-z0-9]+:[a-z0-9])|^// ?go:|^/\*line ",
    r"^//\s*\+",  # +build, +kubebuilder, +genclient
    r"^// ?swagger:|nolint|#nosec|lint:|revive:|gosec|#cgo",
    r"^// ?(?:ERROR|GC_ERROR|GCCGO_ERROR|want|LEAK|@)\b|errorcheck",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="Go",
        suffixes=(".go",),
        grammar="tree_sitter_go:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="go/types",
        spaces_are_free=True,
        is_camel_case=True,
    ),
)
