"""What is known of Ruby."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {
    "nesting": "body_statement block_body then else do",
    "branching": "if unless elsif while until for when in_clause conditional if_modifier unless_modifier "
    "while_modifier until_modifier",
    "functions": "method singleton_method lambda",
    "types": "class singleton_class superclass",
    "effects": "rescue ensure rescue_modifier yield block do_block",
    "modules": "module scope_resolution",
}
_LAYOUT = Layout(
    atoms="string heredoc_body string_array symbol_array regex subshell delimited_symbol character uninterpreted "
    "comment",
    blocks="program body_statement block_body then else ensure do begin begin_block end_block "
    "parenthesized_statements",
    bodies="body_statement block_body then",
    closers="end rescue ensure when in_clause elsif",
    headings="ensure",
    lists="argument_list method_parameters array hash",
    anchors="heredoc_beginning heredoc_body",
    declarations="method singleton_method class singleton_class module if unless case while until for begin return",
)
_KEPT = (
    r"^#!|^#\\|coding[:=]|frozen[_-]string[_-]literal|warn[_-]indent|shareable[_-]constant[_-]value",
    r"^#:|^#\s*@(?:rbs|type|dynamic|implements|!)|rbs_inline|\btyped:|sorbet|steep",
    r"rubocop|standard:|\breek|brakeman|:nocov:|simplecov|mutant:|fasterer|yardoc|Template (?:Dependency|Collection)",
    r":(?:(?:no|stop|start|end)?doc|call-seq|yields?|notnew|include|section|category|main|title|args?|markup):",
)

ROWS = (
    Language(
        name="Ruby",
        grammar="tree_sitter_ruby:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        kept_headers=r"coding[:=]",  # works on the first line, and below a `#!`
        reads_itself=rb"(?:read|open|lines|foreach)\w{0,20}[ (]{1,20}(?:__FILE__|\$0|\$PROGRAM_NAME)|RDoc.{0,3}usage",
        is_read_by_lines=True,
        oracle="ruby",
    ),
)
