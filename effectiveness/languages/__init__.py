"""The languages we know, each in a file of its own: how a file is recognised, which grammar parses it, and what scoring
and variants must know of the grammar's nodes. What may be renamed stands in `effectiveness/corpus/augment/roles/`.

Adding one is a row in `plain`, or a file whose `ROWS` are named here, and the requirement that brings its grammar.
"""

from __future__ import annotations

from effectiveness.languages import bash, c, go, java, javascript, plain, python, rust
from effectiveness.languages.record import Language

_ROWS = (
    *rust.ROWS,
    *python.ROWS,
    *go.ROWS,
    *javascript.ROWS,
    *c.ROWS,
    *java.ROWS,
    *bash.ROWS,
    *plain.ROWS,
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
