"""Languages that are recognised and no more: a row with a `grammar` is parsed, too."""

from __future__ import annotations

from effectiveness.languages.record import Language

ROWS = (
    Language(name="TOML", suffixes=(".toml",)),
    Language(name="YAML", suffixes=(".yaml", ".yml"), filenames=(".clang-format",)),
    Language(name="JSON", suffixes=(".json", ".jsonc", ".json5")),
    Language(name="Markdown", suffixes=(".md", ".markdown", ".mdx"), long_lines=True),
    Language(name="reStructuredText", suffixes=(".rst",), long_lines=True),
    Language(name="TeX", suffixes=(".tex",), long_lines=True),
    Language(name="SQL", suffixes=(".sql",), long_lines=True),
    Language(name="CMake", suffixes=(".cmake",), filenames=("CMakeLists.txt",), long_lines=True),
    Language(name="R", suffixes=(".r",), interpreters=("Rscript",), long_lines=True),
    Language(
        name="Make",
        suffixes=(".mk", ".mak"),
        filenames=("Makefile", "makefile", "GNUmakefile", "Kbuild"),
    ),
    Language(name="Dockerfile", suffixes=(".dockerfile",), filenames=("Dockerfile",)),
    Language(name="Ruby", suffixes=(".rb",), interpreters=("ruby",)),
    Language(name="PHP", suffixes=(".php",), interpreters=("php",)),
    Language(name="Perl", suffixes=(".pl", ".pm"), interpreters=("perl",)),
    Language(name="Lua", suffixes=(".lua",), interpreters=("lua",)),
    Language(name="C#", suffixes=(".cs",)),
    Language(name="Kotlin", suffixes=(".kt", ".kts")),
    Language(name="Scala", suffixes=(".scala", ".sc")),
    Language(name="Swift", suffixes=(".swift",)),
    Language(name="Zig", suffixes=(".zig",)),
    Language(name="Haskell", suffixes=(".hs",)),
    Language(name="OCaml", suffixes=(".ml", ".mli")),
    Language(name="Assembly", suffixes=(".s", ".asm")),
    Language(name="Protobuf", suffixes=(".proto",)),
    Language(name="CSS", suffixes=(".css", ".scss", ".less")),
    Language(name="HTML", suffixes=(".html", ".htm", ".vue", ".svelte")),
    Language(name="XML", suffixes=(".xml", ".xsd")),
    Language(name="INI", suffixes=(".ini", ".cfg", ".conf")),
    Language(name="Text", suffixes=(".txt",), long_lines=True),
)
