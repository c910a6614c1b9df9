"""Languages of which a row says all that we know more than linguist's table. A row with a `grammar` is parsed, too.

A suffix stands here where it has one language for us and several in the table, or where its files are worth reading
though they are data.
"""

from __future__ import annotations

from effectiveness.languages.record import Language

_JSON = "tree_sitter_json:language"
_NODES_OF_JSON = {"nesting": "object array"}

ROWS = (
    Language(name="JSON", suffixes=(".json",), grammar=_JSON, complexity=_NODES_OF_JSON),
    Language(name="JSON with Comments", suffixes=(".jsonc",), grammar=_JSON, complexity=_NODES_OF_JSON),
    Language(name="YAML", suffixes=(".yaml", ".yml"), filenames=(".clang-format",)),
    Language(name="JSON5", suffixes=(".json5",)),
    Language(name="Markdown", suffixes=(".md", ".markdown"), long_lines=True),
    Language(name="reStructuredText", suffixes=(".rst",), long_lines=True),
    Language(name="TeX", suffixes=(".tex",), long_lines=True),
    Language(name="SQL", suffixes=(".sql",), long_lines=True),
    Language(name="CMake", suffixes=(".cmake",), filenames=("CMakeLists.txt",), long_lines=True),
    Language(name="R", suffixes=(".r",), interpreters=("Rscript",), long_lines=True),
    Language(name="Make", linguist="Makefile", suffixes=(".mk", ".mak"), filenames=("Kbuild",)),
    Language(name="OCaml", suffixes=(".ml", ".mli")),
    Language(name="Assembly", suffixes=(".s", ".asm")),
    Language(name="Protobuf", linguist="Protocol Buffer", suffixes=(".proto",)),
    Language(name="HTML", suffixes=(".html", ".htm")),
    Language(name="XML", suffixes=(".xml", ".xsd")),
    Language(name="INI", suffixes=(".ini", ".cfg", ".conf")),
    Language(name="Text", suffixes=(".txt",), long_lines=True),
)
