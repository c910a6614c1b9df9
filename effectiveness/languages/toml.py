"""What is known of TOML."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {"nesting": "array inline_table", "types": "table table_array_element"}
_LAYOUT = Layout(
    atoms="string quoted_key comment",
    blocks="document table table_array_element",
    lists="array",
    declarations="table table_array_element",
)
_KEPT = (
    r"^#!|^#:|\$schema|^# ///",  # schemas, inline metadata of scripts
    r"(?i:taplo|tombi|noqa|dependabot|renovate|x-release|cargo-|zepter|pragma)",
)

ROWS = (
    Language(
        name="TOML",
        suffixes=(".toml",),
        grammar="tree_sitter_toml:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="tomllib",
        spaces_are_free=True,
    ),
)
