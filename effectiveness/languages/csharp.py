"""What is known of C#."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_DIRECTIVES = (
    "preproc_define preproc_undef preproc_region preproc_endregion preproc_pragma preproc_line preproc_error "
    "preproc_warning preproc_nullable"
)
_NODES = {
    "nesting": "block declaration_list switch_body initializer_expression",
    "branching": "if_statement for_statement foreach_statement while_statement do_statement switch_section "
    "switch_expression_arm conditional_expression",
    "functions": "method_declaration constructor_declaration local_function_statement operator_declaration",
    "types": "class_declaration struct_declaration interface_declaration enum_declaration record_declaration "
    "delegate_declaration type_parameter_list type_argument_list",
    "effects": "try_statement catch_clause throw_statement throw_expression lambda_expression await_expression "
    "using_statement lock_statement yield_statement attribute unsafe_statement",
    "modules": "using_directive namespace_declaration file_scoped_namespace_declaration qualified_name",
}
_LAYOUT = Layout(
    atoms="string_literal verbatim_string_literal raw_string_literal interpolated_string_expression character_literal "
    "comment " + _DIRECTIVES,
    blocks="compilation_unit block declaration_list enum_member_declaration_list switch_body switch_section "
    "accessor_list preproc_if preproc_elif preproc_else",
    lists="argument_list parameter_list initializer_expression bracketed_argument_list attribute_argument_list",
    declarations="class_declaration struct_declaration interface_declaration enum_declaration record_declaration "
    "namespace_declaration method_declaration constructor_declaration property_declaration if_statement for_statement "
    "foreach_statement while_statement do_statement switch_statement try_statement using_statement lock_statement "
    "return_statement throw_statement",
    headings="attribute_list",
    directives=_DIRECTIVES + " preproc_if preproc_elif preproc_else #if #elif #else #endif",
)
_KEPT = (
    r"^///|^/\*\*|^//!",  # documentation, which the compiler checks and writes out
    r"\n[ \t]*#",  # in a part that is left out, what looks like a comment may be none
    r"(?i:resharper|stylecop|csharpier|nosonar|stryker|dotcover|opencover|codecoverage)|noinspection|@formatter",
    r"\blang(?:uage)?=|</?(?i:snippet|auto-?generated|copyright)|^//\s*[<>]",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="C#",
        grammar="tree_sitter_c_sharp:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        is_read_by_lines=True,
        spaces_are_free=True,
        is_camel_case=True,
        oracle="mcs",
    ),
)
