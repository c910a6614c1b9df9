"""What is known of CSS."""

from __future__ import annotations

from effectiveness.languages.record import Language, Layout

_NODES = {
    "nesting": "block keyframe_block_list",
    "branching": "media_statement supports_statement scope_statement keyframe_block",
    "functions": "rule_set call_expression",
    "types": "descendant_selector child_selector sibling_selector adjacent_sibling_selector attribute_selector "
    "pseudo_class_selector pseudo_element_selector",
    "effects": "at_rule keyframes_statement important",
    "modules": "import_statement namespace_statement",
}
_LAYOUT = Layout(
    # A script can read the white space in a value.
    atoms="declaration string_value comment js_comment call_expression charset_statement postcss_statement",
    blocks="stylesheet block keyframe_block_list",
    declarations="rule_set media_statement supports_statement keyframes_statement at_rule scope_statement",
)
_KEPT = (
    r"^/\*[!#@]|\\|@(?:license|preserve|cc_on)",  # a backslash hid rules from browsers of old
    r"(?i:stylelint|csslint|prettier|postcss|autoprefixer|purgecss|purify|tailwind|cssnano|cssjanus|noflip|rtl\b|rtl:)",
    r"(?i:critical:|styleguide|sourceMappingURL|sprite)|^/\*\s*[\w-]+\s*:[\w-]",  # tools that read key:value
)

ROWS = (
    Language(
        name="CSS",
        grammar="tree_sitter_css:language",
        complexity=_NODES,
        layout=_LAYOUT,
        kept_comments=_KEPT,
        oracle="Pygments",
        comments_stand_apart=True,
    ),
)
