"""What is known of Scala."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "template_body with_template_body block indented_block case_block indented_cases enum_body",
    "branching": "if_expression for_expression while_expression do_while_expression case_clause guard",
    "functions": "function_definition function_declaration",
    "types": "class_definition object_definition trait_definition enum_definition type_definition given_definition "
    "extension_definition type_parameters type_arguments",
    "effects": "try_expression catch_clause throw_expression lambda_expression annotation",
    "modules": "import_declaration export_declaration package_clause package_object stable_type_identifier",
}
_LAYOUT = Layout(
    atoms="string interpolated_string interpolated_string_expression character_literal comment block_comment "
    "xml_element xml_comment xml_cdata annotation",
    blocks="compilation_unit template_body with_template_body block indented_block case_block indented_cases enum_body",
    # Their first words are reserved: none of them can go on with what stands above.
    declarations="package_clause import_declaration class_definition object_definition trait_definition "
    "function_definition function_declaration val_definition val_declaration var_definition var_declaration "
    "type_definition",
    headings="annotation",
    is_space_read=True,  # one line end goes on where two do not, and Scala 3 reads the indentation
)
_KEPT = (
    r"^//[->#]|^// ?(?:scalac|javac|java|scala|test|filter|format|using|\w*error|warn)\b",  # scala-cli, compiler tests
    r"(?i:scalastyle|scalafmt|scalafix|wartremover|scapegoat|nosonar|suppress)|COVERAGE-O|noinspection|@formatter",
    r"mdoc|#snippet|^//#|@(?:usecase|template|documentable)\b",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="Scala",
        grammar="tree_sitter_scala:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Pygments",
        comments_stand_apart=True,
        is_camel_case=True,
    ),
)
