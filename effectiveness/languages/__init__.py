"""The languages we know: those of linguist's table, and what we know besides of some, each in a file of its own: which
grammar parses it, and what scoring and variants must know of the grammar's nodes. What may be renamed stands in
`effectiveness/corpus/augment/roles/`.

Adding one is a row in `plain.toml`, or a file that `_FILES` names, and the requirement that brings its grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from effectiveness.languages.record import (
    SHARED,
    Entry,
    Language,
    candidates,
    read_rows,
    read_table,
    told_by_text,
)

_FILES = "rust python go javascript c java bash lua ruby php csharp kotlin swift scala css toml plain"
_ROWS: tuple[Language, ...] = tuple(
    row for name in _FILES.split() for row in read_rows(Path(__file__).with_name(f"{name}.toml"))
)
_TEMPLATE = re.compile(
    r"(?:\.(?:in|tmpl|template|dist|example|sample|eex|tp)|-tpl)$", re.IGNORECASE
)  # config.h.in is C
_STEM = re.compile(r"[.-]")  # Dockerfile.dev, Makefile-windows
_HEAD_BYTES = 512
# A script that the shell hands on to its own interpreter: exec tclsh "$0" "$@"
_HANDED_ON = re.compile(rb"#!(?:[^\n]{0,200}\n){1,5}?[ \t]*exec[ \t]+(\w+)[^\n]*\$0[^\n]*\$[@*{]")
_EMACS_LINES, _VIM_LINES = 2, 5  # where the editors look
_EMACS = re.compile(
    rb"-\*-[ \t]*(?:[^\n]{0,100}?\bmode:[ \t]*)?([\w+#-]+?)[ \t]*(?:;[^\n]{0,200}?)?-\*-", re.IGNORECASE
)
_VIM = re.compile(rb"(?:^|[ \t])(?:vi|vim|ex):[^\n]{0,200}?\b(?:ft|filetype|syn|syntax)=([\w+#-]+)")
_TABLE = read_table()
_OURS = {row.linguist or row.name: row for row in _ROWS}  # by linguist's name


def _row(name: str, entry: Entry) -> Language:
    """What the table knows of a language; of ours, whatever is data but for the names that we list ourselves."""
    is_data = entry.kind == "data"
    if ours := _OURS.get(name):
        return replace(ours, is_data=is_data)
    return Language(name=name, long_lines=entry.is_wrapped or entry.kind == "prose", is_data=is_data)


def _standing(word: str, name: str) -> tuple[bool, bool, str]:
    """By this the first of several languages that claim a suffix, file name or interpreter is found."""
    return name not in _TABLE.popular, word not in _TABLE.languages[name].suffixes[:1], name


def _claims(of: str) -> dict[str, list[str]]:
    """Suffix, file name or interpreter -> the names in the table of those that claim it; the first one wins."""
    claims: dict[str, list[str]] = {}
    for name, entry in _TABLE.languages.items():
        for word in getattr(entry, of):
            claims.setdefault(word, []).append(name)
    return {word: sorted(names, key=partial(_standing, word)) for word, names in claims.items()}


def _index(of: str) -> dict[str, Language]:
    """Suffix, file name or interpreter -> its language. A name with a suffix of ours is judged as the suffix is."""
    ours = tuple(suffix for row in _ROWS for suffix in row.suffixes)
    index = {word: _FROM_TABLE[names[0]] for word, names in _claims(of).items()}
    if of == "filenames":
        index |= {word: replace(row, is_data=False) for word, row in index.items() if word.endswith(ours)}
    return index | {word: row for row in _ROWS for word in getattr(row, of)}


_FROM_TABLE = {name: _row(name, entry) for name, entry in _TABLE.languages.items()}
LANGUAGES: dict[str, Language] = {row.name: row for row in (*_FROM_TABLE.values(), *_ROWS)}
_CLAIMANTS = {
    suffix: frozenset(_FROM_TABLE[name].name for name in names)
    for suffix, names in _claims("suffixes").items()
}
_BY_SUFFIX, _BY_FILENAME, _BY_INTERPRETER = map(_index, ("suffixes", "filenames", "interpreters"))
_BY_ALIAS = {
    alias: _FROM_TABLE[name].name
    for name, entry in _TABLE.languages.items()
    for alias in (*entry.aliases, name.lower())
} | {row.name.lower(): row.name for row in _ROWS}

NOTEBOOK = "Jupyter Notebook"  # its rows are in the language of its kernel
OURS = tuple(row.name for row in _ROWS)  # of which we know more than the table says
OFTEN_DATA = frozenset({"TOML", "Text", "XML", "JSON", "YAML", "HTML"})
UNKNOWN = replace(LANGUAGES["Text"], long_lines=False, is_data=True)  # a text whose name tells nothing


def language_of(path: str, text: bytes = b"") -> Language | None:
    """The language of a file by its name, where several share it by its text, else by its `#!` line or by what it tells
    an editor, else None.

    >>> language_of("src/lib.rs").name, language_of("tool", b"#!/usr/bin/env python3").name
    ('Rust', 'Python')
    """
    filename = path.rpartition("/")[2]
    return (
        _by_name(filename, text)
        or _by_name(_TEMPLATE.sub("", filename), text)
        or _BY_INTERPRETER.get(_interpreter(text))
        or language_called(word_for_editors(text))
        or _BY_FILENAME.get(_STEM.split(filename)[0])
    )


def language_called(word: str) -> Language | None:
    """The language somebody means: its name or an alias of the table, in any case, `-` for a blank.

    >>> language_called("shell").name, language_called("Objective-C").name, language_called("common-lisp").name
    ('Bash', 'Objective-C', 'Common Lisp')
    """
    word = word.lower()
    name = _BY_ALIAS.get(word) or _BY_ALIAS.get(word.replace("-", " "))
    return LANGUAGES[name] if name else None


def names_of(language: str) -> list[str]:
    """The endings and file names that are the language's, where no text tells otherwise."""
    named = (*_BY_SUFFIX.items(), *_BY_FILENAME.items())
    return sorted(word for word, row in named if row.name == language)


def may_be(path: str, language: str) -> bool:
    """Whether a file with this name can be of the language; where the text alone tells, all can."""
    filename = path.rpartition("/")[2]
    if filename in _BY_FILENAME:
        return language == _BY_FILENAME[filename].name
    for suffix in _suffixes(filename):
        claimants = _CLAIMANTS.get(suffix, frozenset())
        if suffix in SHARED and not told_by_text(suffix, b""):
            return True  # where no rule finds its own, the `#!` line tells, which may name any
        if suffix in SHARED or len(claimants) > 1:
            return language in claimants.union(candidates(suffix), ("Text",))
        if suffix in _BY_SUFFIX:
            break
    by_name = language_of(path)
    if by_name is not None and by_name.name == NOTEBOOK:
        return True
    return by_name is None or by_name.name == language or not _by_name(filename, b"")


def _by_name(filename: str, text: bytes) -> Language | None:
    if filename in _BY_FILENAME:
        return _BY_FILENAME[filename]
    for suffix in _suffixes(filename):
        if suffix in SHARED:
            said = language_called(word_for_editors(text))
            if said and said.name in candidates(suffix):
                return said
            found = told_by_text(suffix, text)
            return LANGUAGES[found] if found else None
        if suffix in _BY_SUFFIX:
            by_line = _BY_INTERPRETER.get(_interpreter(text))
            return by_line if by_line and _is_shared(suffix, by_line) else _BY_SUFFIX[suffix]
    return None


def _is_shared(suffix: str, other: Language) -> bool:
    """Whether `other` claims the suffix, too: of `.cgi` and `.fcgi` the `#!` line tells the language."""
    return other.name in _CLAIMANTS.get(suffix, ())


def _suffixes(filename: str) -> Iterator[str]:
    """Of "a.html.erb" first ".html.erb", then ".erb"; lower case."""
    name = filename.lower()
    dot = name.find(".", 1 if name.count(".") > 1 else 0)
    while dot >= 0:
        yield name[dot:]
        dot = name.find(".", dot + 1)


def _interpreter(text: bytes) -> str:
    """The program of a `#!` line as the tables spell it; "" where there is none."""
    if not text.startswith(b"#!"):
        return ""
    words = text[2:256].partition(b"\n")[0].decode("utf-8", "replace").split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    word = words[0].rpartition("/")[2] if words else ""
    if word == "sh" and (handed_on := _HANDED_ON.match(text[:_HEAD_BYTES])):
        word = handed_on[1].decode()
    return word if word in _BY_INTERPRETER else word.rstrip("0123456789.")


def word_for_editors(text: bytes) -> str:
    """The word by which a text tells Emacs or Vim its language; "" where it says nothing.

    >>> word_for_editors(b"# -*- tcl -*-\\n"), word_for_editors(b"x = 1\\n# vim: set ft=python :\\n")
    ('tcl', 'python')
    """
    head = text[:_HEAD_BYTES].split(b"\n")
    if found := _EMACS.search(b"\n".join(head[:_EMACS_LINES])):
        return found[1].decode("ascii", "replace")
    tail = text[-_HEAD_BYTES:].rstrip().split(b"\n")
    lines = (*head[:_VIM_LINES], *tail[-_VIM_LINES:])
    return next((found[1].decode("ascii", "replace") for line in lines if (found := _VIM.search(line))), "")
