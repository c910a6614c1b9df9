"""What is known of C and C++."""

from __future__ import annotations

from effectiveness.languages.record import COMPILER_TESTS, FALL_THROUGH, Language, Layout

_RELATIVES = ("C", "C++")
_C_NODES = {
    "nesting": "compound_statement field_declaration_list enumerator_list initializer_list",
    "branching": "if_statement for_statement while_statement do_statement case_statement goto_statement "
    "conditional_expression",
    "functions": "function_definition",
    "types": "struct_specifier union_specifier enum_specifier type_definition",
    "effects": "labeled_statement function_declarator pointer_declarator",
    "modules": "preproc_include storage_class_specifier",
}
_CXX_NODES = {
    **_C_NODES,
    "nesting": _C_NODES["nesting"] + " declaration_list",
    "branching": _C_NODES["branching"] + " for_range_loop",
    "types": _C_NODES["types"] + " class_specifier template_declaration template_type "
    "template_argument_list concept_definition",
    "effects": "try_statement catch_clause throw_statement lambda_expression new_expression "
    "delete_expression",
    "modules": "preproc_include namespace_definition using_declaration qualified_identifier",
}
_LAYOUT = Layout(
    atoms="string_literal raw_string_literal char_literal system_lib_string concatenated_string comment "
    "preproc_include preproc_def preproc_function_def preproc_call preproc_params preproc_arg preproc_directive "
    "gnu_asm_expression",
    blocks="translation_unit compound_statement field_declaration_list declaration_list enumerator_list "
    "case_statement preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef",
    lists="argument_list parameter_list initializer_list",
    declarations="function_definition struct_specifier class_specifier enum_specifier union_specifier "
    "template_declaration namespace_definition linkage_specification if_statement for_statement while_statement "
    "do_statement switch_statement return_statement for_range_loop try_statement",
    directives="preproc_include preproc_def preproc_function_def preproc_call preproc_if preproc_ifdef preproc_else "
    "preproc_elif preproc_elifdef #if #ifdef #ifndef #else #elif #endif #elifdef #elifndef",
)
_KEPT = (
    r"clang-format|clang-tidy|NOLINT|NOSONAR|IWYU|clazy:|uncrustify|\*INDENT-|astyle|PVS-Studio|//-V",
    r"(?=[CcLlSs])(?i:coverity|cppcheck|codeql|lgtm|smatch|splint)|[LG]COVR?_",
    r"NOT ?REACHED|ARGSUSED|LINTED|LINTLIBRARY|PRINTFLIKE|SCANFLIKE|VARARGS|CONSTCOND|PROTOLIB",
    r"^/[/*][@#$%]",  # splint, ACSL, SWIG: glued to the opening
    r"\bre2c|\bragel|\[clinic",
    r"@(?:end)?cond\b|\\(?:end)?cond\b",
    FALL_THROUGH,
    COMPILER_TESTS,
)
_TRIGRAPHS = rb"\?\?[=/'()!<>-]"

ROWS = (
    Language(
        name="C",
        suffixes=(".c", ".h"),
        grammar="tree_sitter_c:language",
        complexity=_C_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="gcc",
        relatives=_RELATIVES,
        disguises=_TRIGRAPHS,
        has_preprocessor=True,
        is_read_by_lines=True,
    ),
    Language(
        name="C++",
        suffixes=(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".tpp", ".inl"),
        grammar="tree_sitter_cpp:language",
        complexity=_CXX_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="g++",
        relatives=_RELATIVES,
        disguises=_TRIGRAPHS,
        has_preprocessor=True,
        is_read_by_lines=True,
    ),
)
