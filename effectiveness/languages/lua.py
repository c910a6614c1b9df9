"""What is known of Lua."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {
    "nesting": "block table_constructor",
    "branching": "if_statement elseif_statement for_statement while_statement repeat_statement goto_statement",
    "functions": "function_declaration function_definition",
    "types": "table_constructor method_index_expression",
    "effects": "vararg_expression attribute",
    "modules": "dot_index_expression",
}
_LAYOUT = Layout(
    atoms="string comment",
    blocks="chunk block",
    bodies="block",
    lists="arguments parameters table_constructor",
    declarations="function_declaration if_statement for_statement while_statement repeat_statement do_statement "
    "return_statement",
)
_KEPT = (
    r"^---*\s*@|^--\[=*\[\s*@",  # types for the language server, marks of packagers
    r"^--!|^-->8|^--#",
    r"luacheck|luacov|selene|stylua|NOLINT|lint:|luacheck|tl:|@as\b",
)

ROWS = (
    Language(
        name="Lua",
        grammar="tree_sitter_lua:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="luac",
        spaces_are_free=True,
    ),
)
