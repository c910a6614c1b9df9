"""A Jupyter notebook as the plain script that it stands for: its cells in order, each under a mark that editors know.

Prose becomes comments, and so do the lines that the notebook's shell alone reads (`%matplotlib`, `!pip`). Outputs,
pictures, counters and metadata are left behind. The format: https://nbformat.readthedocs.io (3 and 4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from effectiveness.corpus.scan.decoding import NotText
from effectiveness.languages import LANGUAGES, Language, language_called

SUFFIX = b".ipynb"
DAMAGED = "damaged notebook"
NO_CELLS = "a notebook without text"
_PROSE = {"markdown": " [markdown]", "raw": " [raw]", "heading": " [markdown]"}
_MAGIC = re.compile(r"\s*(?:%|!|\?|[\w.]+\?{1,2}\s*$)")
_PICTURE = re.compile(r"data:[\w/+.-]{0,99};base64,[A-Za-z0-9+/=]*")
_WHOLE_CELL = re.compile(
    r"\s*%%(?!time\b|timeit\b|capture\b|prun\b)\w"
)  # the others run the kernel's language
# What begins a comment up to the end of its line.
_SLASHES = "C|C++|C#|F#|Go|Groovy|Java|JavaScript|Kotlin|Objective-C|PHP|Q#|Rust|Scala|Swift|TypeScript|TSX|Zig|Dart|D"
_COMMENTS = {
    **dict.fromkeys(_SLASHES.split("|"), "//"),
    **dict.fromkeys(("Haskell", "Lua", "SQL", "Elm", "Ada", "VHDL"), "--"),
    **dict.fromkeys(("Clojure", "Common Lisp", "Scheme", "Racket", "Emacs Lisp"), ";"),
    **dict.fromkeys(("MATLAB", "Erlang", "Prolog", "TeX"), "%"),
}
_HASH = "#"  # Python, R, Julia, Ruby, Perl, Bash and most others


def script_of(notebook: bytes) -> tuple[bytes, Language]:
    """The script of a notebook, UTF-8, and the language of its kernel. Raises NotText where it is none or holds none.

    >>> cells = [{"cell_type": "markdown", "source": "Why"}, {"cell_type": "code", "source": ["x = 1\\n", "x"]}]
    >>> script_of(json.dumps({"cells": cells}).encode())[0]
    b'# %% [markdown]\\n# Why\\n\\n# %%\\nx = 1\\nx\\n'
    """
    try:
        found = json.loads(notebook)
    except (ValueError, RecursionError) as error:
        raise NotText(DAMAGED) from error
    if not isinstance(found, dict):
        raise NotText(DAMAGED)
    language = _language(found)
    comment = _COMMENTS.get(language.name, _HASH)
    cells = [cell for cell in map(_text_of, _cells(found)) if cell]
    if not cells:
        raise NotText(NO_CELLS)
    script = "\n".join(_block(kind, text, language, comment) for kind, text in cells)
    return script.encode("utf-8", "replace"), language  # a lone surrogate is no text


def _cells(notebook: dict) -> Iterator[dict]:
    """The cells of format 4, or those of all worksheets of format 3."""
    sheets = notebook.get("worksheets")
    for holder in (notebook, *(sheets if isinstance(sheets, list) else ())):
        cells = holder.get("cells") if isinstance(holder, dict) else None
        yield from (cell for cell in (cells if isinstance(cells, list) else ()) if isinstance(cell, dict))


def _text_of(cell: dict) -> tuple[str, str] | None:
    """The kind of a cell and its text with \\n at line ends; None where there is nothing in it."""
    kind, source = cell.get("cell_type"), cell.get("source", cell.get("input"))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if kind not in ("code", *_PROSE) or not isinstance(source, str) or not source.strip():
        return None
    return kind, _PICTURE.sub("data:", source.replace("\r\n", "\n").strip("\n"))


def _block(kind: str, text: str, language: Language, comment: str) -> str:
    lines = text.split("\n")
    if kind in _PROSE:
        return _marked(comment, _PROSE[kind], [_commented(line, comment) for line in lines])
    first = next(line for line in lines if line.strip())
    if _WHOLE_CELL.match(first):
        return _marked(comment, "", [_commented(line, comment) for line in lines])
    if language is LANGUAGES["Python"] or first.lstrip().startswith("%%"):
        lines = [_commented(line, comment) if _MAGIC.match(line) else line for line in lines]
    return _marked(comment, "", lines)


def _marked(comment: str, kind: str, lines: list[str]) -> str:
    return "\n".join((f"{comment} %%{kind}", *lines, ""))


def _commented(line: str, comment: str) -> str:
    bare = line.lstrip()
    indent = line[: len(line) - len(bare)]
    return f"{indent}{comment} {bare}".rstrip()


def _language(notebook: dict) -> Language:
    """That of the kernel; Python where the notebook does not say, as nearly all are."""
    metadata = notebook.get("metadata")
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata.get(part) if isinstance(metadata, dict) else None
        word = said.get(key) if isinstance(said, dict) else None
        if isinstance(word, str) and (known := language_called(word)):
            return known
    return LANGUAGES["Python"]
