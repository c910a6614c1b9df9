"""What is known of Kotlin."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "block class_body enum_class_body lambda_literal when_expression",
    "branching": "if_expression when_entry for_statement while_statement do_while_statement",
    "functions": "function_declaration anonymous_function secondary_constructor getter setter",
    "types": "class_declaration object_declaration companion_object type_alias type_parameters type_arguments "
    "nullable_type",
    "effects": "try_expression catch_block throw_expression lambda_literal annotation",
    "modules": "import package_header",
}
_LAYOUT = Layout(
    atoms="string_literal multiline_string_literal character_literal line_comment block_comment shebang "
    "file_annotation",
    blocks="source_file block class_body enum_class_body lambda_literal when_expression",
    closers="{",  # of a `when`, on a line of its own
    lists="value_arguments function_value_parameters class_parameters collection_literal",
    declarations="function_declaration class_declaration object_declaration companion_object secondary_constructor "
    "anonymous_initializer if_expression when_expression for_statement while_statement do_while_statement "
    "try_expression return_expression throw_expression",
)
_KEPT = (
    r"^//[A-Z]|^// ?!?[A-Z][A-Z_0-9]+\b",  # //DEPS of scripts, // FILE: and // IGNORE_BACKEND of compiler tests
    r"(?i:ktlint|detekt|spotless|nosonar|suppress|knit\b)|noinspection|@formatter|NON-NLS|NOI18N",
    r"@(?:sample|hide|exclude)\b|sample(?:Start|End)|<!---|--->",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="Kotlin",
        grammar="tree_sitter_kotlin:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Pygments",
        comments_stand_apart=True,
        spaces_are_free=True,
        is_camel_case=True,
    ),
)
