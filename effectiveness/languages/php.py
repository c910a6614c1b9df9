"""What is known of PHP."""

from __future__ import annotations

from effectiveness.languages.record import FALL_THROUGH, Language, Layout

_NODES = {
    "nesting": "compound_statement declaration_list switch_block match_block colon_block",
    "branching": "if_statement else_if_clause for_statement foreach_statement while_statement do_statement "
    "case_statement conditional_expression match_conditional_expression",
    "functions": "function_definition method_declaration",
    "types": "class_declaration interface_declaration trait_declaration enum_declaration union_type optional_type",
    "effects": "try_statement catch_clause throw_expression anonymous_function arrow_function yield_expression "
    "attribute reference_modifier",
    "modules": "namespace_definition namespace_use_clause include_expression include_once_expression "
    "require_expression require_once_expression qualified_name",
}
_LAYOUT = Layout(
    atoms="string encapsed_string heredoc nowdoc shell_command_expression text text_interpolation comment",
    blocks="program compound_statement declaration_list enum_declaration_list switch_block case_statement "
    "default_statement match_block colon_block property_hook_list",
    closers="else_clause else_if_clause endif endwhile endfor endforeach endswitch enddeclare",
    lists="arguments formal_parameters array_creation_expression list_literal",
    declarations="function_definition method_declaration class_declaration interface_declaration trait_declaration "
    "enum_declaration if_statement for_statement foreach_statement while_statement do_statement switch_statement "
    "try_statement return_statement case_statement default_statement",
    headings="php_tag attribute_list",
)
_KEPT = (
    r"^/\*\*",  # reflection hands it out, and frameworks read it
    r"@(?!-)\w|phpcs|phpstan|psalm|\bphan\b|rector|noinspection|php-cs|NOSONAR|pint:|infection",
    r"translators:|xgettext|^[/#* ]*l10n:",
    r"(?:Plugin|Theme|Template|Block|Pattern)[ \w]{0,20}:|\b(?:Title|Slug|Version|Author|Text Domain|Domain Path):",
    r"\bno ?break\b",
    FALL_THROUGH,
)

ROWS = (
    Language(
        name="PHP",
        suffixes=(".php",),
        grammar="tree_sitter_php:language_php",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        # Text below `__halt_compiler`; tags that a setting or another language makes something of.
        disguises=rb"(?i:__halt_compiler)|<\?(?!php\b|=)|<%|<(?i:script)[^>]{0,80}php",
        reads_itself=rb"(?:file|open|contents|source|whitespace|data|Object)\s*\(\s*__FILE__\b",
        is_read_by_lines=True,
        spaces_are_free=True,
        is_camel_case=True,
        oracle="php",
    ),
)
