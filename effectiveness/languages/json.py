"""What is known of JSON, with and without comments."""

from __future__ import annotations

from effectiveness.languages.record import Language

_GRAMMAR = "tree_sitter_json:language"
_NODES = {"nesting": "object array"}

ROWS = (
    Language(name="JSON", suffixes=(".json",), grammar=_GRAMMAR, complexity=_NODES),
    Language(name="JSON with Comments", suffixes=(".jsonc",), grammar=_GRAMMAR, complexity=_NODES),
)
