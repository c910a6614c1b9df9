"""What is known of Java."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "block class_body interface_body enum_body switch_block",
    "branching": "if_statement for_statement enhanced_for_statement while_statement do_statement "
    "switch_block_statement_group switch_rule ternary_expression",
    "functions": "method_declaration constructor_declaration",
    "types": "class_declaration interface_declaration enum_declaration record_declaration "
    "type_parameters type_arguments",
    "effects": "try_statement try_with_resources_statement catch_clause throw_statement throws "
    "lambda_expression annotation marker_annotation synchronized_statement",
    "modules": "import_declaration package_declaration scoped_type_identifier",
}
_LAYOUT = Layout(
    atoms="string_literal character_literal line_comment block_comment",
    blocks="program block class_body interface_body enum_body enum_body_declarations switch_block "
    "switch_block_statement_group constructor_body annotation_type_body",
    bare="switch_block_statement_group",
    lists="argument_list formal_parameters array_initializer",
    declarations="class_declaration interface_declaration enum_declaration record_declaration method_declaration "
    "constructor_declaration annotation_type_declaration if_statement for_statement enhanced_for_statement "
    "while_statement do_statement switch_expression return_statement try_statement throw_statement "
    "synchronized_statement try_with_resources_statement",
)
_KEPT = (
    r"@deprecated|\\u|^/[/*]@",  # javac reads the tag; a Unicode escape can end a comment
    r"(?i:nosonar|checkstyle|csoff|cson\b|nopmd|spotbugs|findbugs|spotless|suppress|editor-fold)",
    r"@formatter|noinspection|NON-NLS|NOI18N|GEN-|google-java-format|errorprone|CPD-O",
    r"@(?:hide|hidden|start|end|replace|highlight|test|run|bug|modules|compile|library|requires)\b",
    r"@(?:ant\.|goal|phase|parameter|component|plexus)",  # Maven plug-ins of old
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="Java",
        suffixes=(".java",),
        grammar="tree_sitter_java:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="javac",
        # Line ends, quotes, comments, backslash.
        disguises=rb"\\u+00(?:0[aAdD]|2[27aAfF]|5[cC])",
        spaces_are_free=True,
        is_camel_case=True,
    ),
)
