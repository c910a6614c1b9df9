"""What is known of Bash and other shells."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {
    "nesting": "compound_statement do_group subshell case_item",
    "branching": "if_statement elif_clause for_statement while_statement case_item list",
    "functions": "function_definition",
    "types": "array",
    "effects": "command_substitution process_substitution heredoc_redirect pipeline",
    "modules": "redirected_statement",
}
_LAYOUT = Layout(
    atoms="string raw_string ansi_c_string translated_string heredoc_redirect heredoc_body herestring_redirect "
    "regex extglob_pattern expansion concatenation arithmetic_expansion subscript comment",
    blocks="program compound_statement do_group if_statement elif_clause else_clause case_statement case_item "
    "subshell",
    declarations="function_definition if_statement for_statement while_statement case_statement "
    "c_style_for_statement",
    headings="case_item",
)
_KEPT = (
    r"^#!|shellcheck|shfmt|shdoc|bashate|checkbashisms|kcov",
    r"^#(?:SBATCH|PBS|BSUB|MSUB|COBALT|FLUX|OAR|PJM|compdef|autoload|cloud-config)",
    r"^#[#$@%&+]|^#\s*@",  # batch systems, help texts that a script prints of itself
    r"chkconfig|^# *description:|processname:|pidfile:|^# *(?:Provides|Required-|Should-|Default-St|Short-Desc)",
)

ROWS = (
    Language(
        name="Bash",
        linguist="Shell",
        suffixes=(".sh", ".bash", ".ksh", ".zsh"),
        filenames=(".bashrc", ".bash_profile", ".profile"),
        interpreters=("sh", "bash", "dash", "ksh", "zsh"),
        grammar="tree_sitter_bash:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        # The path of the script, given to a tool that reads text.
        reads_itself=rb"^(?=[^\n]*\b(?:sed|awk|grep|head|tail|cat|cut)\b)[^\n]*(?:\$0|\$\{0|BASH_SOURCE)",
        oracle="shfmt",
        is_read_by_lines=True,
    ),
)
