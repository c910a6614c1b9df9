"""The languages we know: how a file is recognised and which grammar parses it.

Adding a language is one row in `LANGUAGES` (and case files under `tests/cases/<name>/`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One row of the table. `grammar` is "module:function" of a tree-sitter wheel, or "" for none."""

    name: str
    suffixes: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()  # in a `#!` line, version digits stripped
    grammar: str = ""
    long_lines: bool = False  # prose and data: the longest-line rule does not apply


_ROWS = (
    Language(name="Rust", suffixes=(".rs",), grammar="tree_sitter_rust:language"),
    Language(
        name="Python",
        suffixes=(".py", ".pyi", ".pyw"),
        filenames=("SConstruct", "SConscript", "wscript"),
        interpreters=("python", "pypy"),
        grammar="tree_sitter_python:language",
    ),
    Language(name="Go", suffixes=(".go",), grammar="tree_sitter_go:language"),
    Language(
        name="JavaScript",
        suffixes=(".js", ".jsx", ".mjs", ".cjs"),
        interpreters=("node",),
        grammar="tree_sitter_javascript:language",
    ),
    Language(
        name="TypeScript",
        suffixes=(".ts", ".mts", ".cts"),
        interpreters=("deno", "ts-node"),
        grammar="tree_sitter_typescript:language_typescript",
    ),
    Language(name="TSX", suffixes=(".tsx",), grammar="tree_sitter_typescript:language_tsx"),
    Language(name="C", suffixes=(".c", ".h"), grammar="tree_sitter_c:language"),
    Language(
        name="C++",
        suffixes=(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".tpp", ".inl"),
        grammar="tree_sitter_cpp:language",
    ),
    Language(name="Java", suffixes=(".java",), grammar="tree_sitter_java:language"),
    Language(
        name="Bash",
        suffixes=(".sh", ".bash", ".ksh", ".zsh"),
        filenames=(".bashrc", ".bash_profile", ".profile"),
        interpreters=("sh", "bash", "dash", "ksh", "zsh"),
        grammar="tree_sitter_bash:language",
    ),
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

LANGUAGES: dict[str, Language] = {row.name: row for row in _ROWS}
_BY_SUFFIX = {suffix: row for row in _ROWS for suffix in row.suffixes}
_BY_FILENAME = {filename: row for row in _ROWS for filename in row.filenames}
_BY_INTERPRETER = {interpreter: row for row in _ROWS for interpreter in row.interpreters}


def language_of(path: str, first_line: str = "") -> Language | None:
    """The language of a file by its name, else by its `#!` line, else None.

    >>> language_of("src/lib.rs").name, language_of("tool", "#!/usr/bin/env python3").name
    ('Rust', 'Python')
    """
    filename = path.rpartition("/")[2]
    if filename in _BY_FILENAME:
        return _BY_FILENAME[filename]
    _, dot, suffix = filename.rpartition(".")
    if dot and (found := _BY_SUFFIX.get("." + suffix.lower())):
        return found
    return _BY_INTERPRETER.get(_interpreter(first_line))


def _interpreter(first_line: str) -> str:
    if not first_line.startswith("#!"):
        return ""
    words = first_line[2:].split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0].rpartition("/")[2].rstrip("0123456789.") if words else ""
