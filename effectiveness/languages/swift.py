"""What is known of Swift."""

from __future__ import annotations

from effectiveness.languages.record import COMPILER_TESTS, FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "statements class_body enum_class_body protocol_body",
    "branching": "if_statement guard_statement for_statement while_statement repeat_while_statement switch_entry "
    "ternary_expression",
    "functions": "function_declaration init_declaration deinit_declaration subscript_declaration computed_getter "
    "computed_setter protocol_function_declaration",
    "types": "class_declaration protocol_declaration typealias_declaration associatedtype_declaration "
    "type_parameters type_arguments type_constraint optional_type",
    "effects": "do_statement catch_block try_expression throws await_expression lambda_literal attribute",
    "modules": "import_declaration",
}
_LAYOUT = Layout(
    atoms="line_string_literal multi_line_string_literal raw_string_literal regex_literal comment multiline_comment "
    "shebang_line attribute directive diagnostic macro_invocation custom_operator",
    blocks="source_file statements function_body class_body enum_class_body protocol_body computed_property",
    bare="statements",
    closers="{",  # on a line of its own
    lists="value_arguments array_literal dictionary_literal",
    declarations="function_declaration class_declaration protocol_declaration init_declaration deinit_declaration "
    "subscript_declaration if_statement guard_statement for_statement while_statement repeat_while_statement "
    "switch_statement do_statement control_transfer_statement",
    headings="attribute directive",
    directives="directive diagnostic",
)
_KEPT = (
    r"swift-(?:tools-version|format|mode)|(?i:swiftlint|swiftformat|sourcery|periphery|nosonar|swift-module-flags)",
    r"\b(?:MARK|snippet)\b|sourcekit|^//:|#-|@available",  # jump bars, playgrounds, DocC
    r"^// ?(?:expected|sil|swift-|UNSUPPORTED|REQUIRES|RUN)",
    FALL_THROUGH,
    COMPILER_TESTS,
)

ROWS = (
    Language(
        name="Swift",
        grammar="tree_sitter_swift:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Pygments",
        comments_stand_apart=True,
        is_camel_case=True,
    ),
)
