"""What is known of Rust."""

from __future__ import annotations

from effectiveness.languages.record import COMPILER_TESTS, Language, Layout

_NODES = {
    "nesting": "block match_block declaration_list field_declaration_list",
    "branching": "if_expression for_expression while_expression loop_expression match_arm let_chain",
    "functions": "function_item function_signature_item",
    "types": "struct_item enum_item trait_item impl_item type_parameters type_arguments lifetime "
    "where_clause dynamic_type abstract_type",
    "effects": "try_expression unsafe_block async_block await_expression closure_expression "
    "macro_definition attribute_item",
    "modules": "use_declaration mod_item extern_crate_declaration scoped_identifier scoped_type_identifier",
}
_LAYOUT = Layout(
    atoms="string_literal raw_string_literal char_literal line_comment block_comment token_tree macro_definition "
    "attribute_item inner_attribute_item shebang",
    blocks="source_file block declaration_list field_declaration_list enum_variant_list match_block",
    lists="arguments parameters array_expression tuple_expression use_list",
    declarations="function_item struct_item enum_item impl_item trait_item mod_item union_item const_item "
    "static_item type_item macro_definition if_expression match_expression for_expression while_expression "
    "loop_expression return_expression let_declaration foreign_mod_item",
    headings="attribute_item inner_attribute_item",
)
_KEPT = (
    r"^///(?!/)|^//!|^/\*\*[^*/]|^/\*!",  # documentation: attributes, so tokens
    r"SAFETY|Safety:|rustfmt|clippy|cbindgen|bindgen|ignore-tidy|tidy-alphabetical|tarpaulin|grcov|COV_EXCL|LCOV_",
    r"^//~|^//@|^//\[|\^ ERROR|~ (?:ERROR|WARN)|EMIT_MIR",  # compiler test suites
    r"^// (?:compile-flags|run-pass|check-pass|build-pass|edition|aux-build|revisions|ignore-|only-|error-pattern)",
    COMPILER_TESTS,
)

ROWS = (
    Language(
        name="Rust",
        suffixes=(".rs",),
        grammar="tree_sitter_rust:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="rustc",
        spaces_are_free=True,
    ),
)
