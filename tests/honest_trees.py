"""Odd repositories that nobody wrecked: much alike, without structure, tiny, all in one file, in other scripts.

`TREES` is name -> (flags of the dataset command, a function that gives path -> text). The same name, the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from string import ascii_lowercase

from dated_repository import commit
from small_repository import NAMES

from effectiveness.common.seeding import rng_for

Files = dict[str, str | bytes]
Text = Callable[[Random, int], str | bytes]

# Of each kind: what a file begins with, what it has several of, what it ends with. {a} to {d} and {A} to {D} are words,
# {n} and {m} numbers, {k} counts the pieces and {i} the files.
PIECES = {
    "json": ("[\n", '  {{"id": {n}, "name": "{a}_{b}", "score": 0.{m}}},\n', '  {{"id": 0}}\n]\n'),
    "go": (
        "package models\n\n// {A}{B}{i} is a model.\ntype {A}{B}{i} struct {{\n",
        '\t{C}{k} int64 `json:"{c}_{k}"`\n',
        "}}\n\nfunc New{A}{B}{i}() *{A}{B}{i} {{\n\treturn &{A}{B}{i}{{}}\n}}\n",
    ),
    "sql": ("", "ALTER TABLE {a}s ADD COLUMN {b}_{c} VARCHAR({n}) NOT NULL DEFAULT '{m}';\n", ""),
    "perl": (
        "package {A}::{B}{i};\nuse strict;\nuse warnings;\n\n",
        "=head2 {a}\n\nReturns the {b} of {c}.\n\n=cut\n\nsub {a}_{k} {{\n    my ($self, ${b}) = @_;\n"
        '    return $self->{{{c}}} unless ${b} =~ /^{d}/;\n    die "no {d}" if ${b} > {n};\n}}\n\n',
        "1;\n",
    ),
    "rst": (
        "{A} {B}\n====================\n\n",
        ".. function:: {a}({b})\n\n   Returns the {c} if {d} for {a}.\n\nThe {b} of a {c} is {d}, with {n} of {a}.\n\n",
        "",
    ),
    "python": (
        "",
        "def {a}_{k}({b}, {c}={n}):\n    total = {m}\n    for item in {b}:\n        if item > {c} * {n}:\n"
        "            total += item // {m}  # {d}\n    return total\n\n\n",
        "",
    ),
    "flat": ("", "{a}_{k} = {n}\n", ""),
    "same": ("", "total += 1\n" * 20, ""),
    "header": ("#ifndef H{i}_H\n#define H{i}_H\n", "#define {A}_{k} 0x{n:04x} /* {b} */\n", "#endif\n"),
    "ini": ("[{a}]\n", "{b}.{c} = {d} {n}\n", ""),
    "css": ("", ".{a}-{b} {{ margin: {n}px; color: #{m:06x}; }}\n", ""),
    "xml": ("<r>\n", '  <{a} {b}="{n}"><c>{c}</c></{a}>\n', "</r>\n"),
    "yaml": ("", "{a}_{k}:\n  {b}:\n    - {c}: {n}\n      if: {d}\n", ""),
    "shell": (
        "#!/bin/sh\n",
        '{a}_{k}() {{\n  if [ "$1" = {b} ]; then\n    echo "{c}" | sed s/{d}/x/ || exit {k}\n  fi\n}}\n',
        "",
    ),
    "js": (
        "",
        "export const {a}{k} = async ({{ {b}, {c} }}) => {{\n  try {{\n    return await {b}({c});\n  }} catch (e) {{\n"
        "    throw new Error(`{d} ${{e}}`);\n  }}\n}};\n",
        "",
    ),
    "java": (
        "package p.q;\nimport java.util.*;\npublic class C{i} {{\n",
        "  private int {a}{k};\n  public int get{A}{k}() {{ return {a}{k} + {n}; }}\n",
        "}}\n",
    ),
    "broken": ("def (((\n", "def {a}_{k}({b}\n    total = {n})\n  if item > {c}:\n", "class\n"),
    "emoji": ("", "- \U0001f469\u200d\U0001f680 e\u0301 {a} \u05d0\u05d1\u202b {b} \ufe0f{n}\n", ""),
    "cjk": ("", "# {a}\u3092{b}\n{a} = '\u6f22{b}\u5b57'\nprint({a}, {n})\n", ""),
}


def text_of(kind: str, rng: Random, i: int) -> str:
    head, piece, tail = (
        part.format(**_words(rng, i)) if part is not PIECES[kind][1] else part for part in PIECES[kind]
    )
    return head + "".join(piece.format(k=k, **_words(rng, i)) for k in range(rng.randrange(2, 12))) + tail


def _words(rng: Random, i: int) -> dict[str, str | int]:
    drawn = {letter: rng.choice(NAMES) for letter in "abcd"}
    titles = {letter.upper(): word.title() for letter, word in drawn.items()}
    return drawn | titles | {"n": rng.randrange(1, 999), "m": rng.randrange(1, 999), "i": i}


def many(count: int, name: str, kind: str, edit: Callable[[str], str | bytes] = str) -> Callable[[], Files]:
    """`count` files of a kind; `name` holds {i}."""

    def files() -> Files:
        return {name.format(i=i): edit(text_of(kind, rng_for(11, name, i), i)) for i in range(count)}

    return files


def one(name: str, text: str) -> Callable[[], Files]:
    return lambda: {name: text}


def joined(*makers: Callable[[], Files]) -> Callable[[], Files]:
    return lambda: {name: text for make in makers for name, text in make().items()}


def long(kind: str, times: int) -> str:
    return "".join(text_of(kind, rng_for(12, kind, i), i) for i in range(times))


def in_other_letters(text: str) -> str:
    """Every word in ideographs: no letter of the source is ASCII where a name stands."""
    return text.translate(
        {ord(letter): 0x4E00 + 37 * number for number, letter in enumerate(ascii_lowercase[:5])}
    )


def with_ends(end: str) -> Callable[[str], bytes]:
    return lambda text: text.replace("\n", end).encode()


def with_mixed_ends(text: str) -> bytes:
    return b"".join(
        line + (b"\r\n" if len(line) % 3 else b"\n") for line in text.encode().splitlines(keepends=False)
    )


def with_a_late_nul(text: str) -> str:
    return text + "# a note on the cursor\n" * 500 + "\0\n"


def tiny(count: int) -> Callable[[], Files]:
    return lambda: {f"k/{i}.ini": f"k{i * 7919 % 100003}\n" for i in range(count)}


def copies() -> Files:
    """Nine files that are three, and one line more in every third."""
    texts = [text_of("python", rng_for(13, "copies", i), i) for i in range(3)]
    return {
        f"src/{place}/m{i}.py": text + "x = 1\n" * (place == "c")
        for i, text in enumerate(texts)
        for place in "abc"
    }


def licensed() -> Files:
    """One long comment at the top of every file: their first windows are equal."""
    head = "# " + "\n# ".join(" ".join(NAMES[k : k + 9]) for k in range(30)) + "\n"
    return {name: head + str(text) for name, text in many(25, "pkg/m{i}.py", "python")().items()}


def oddly_named() -> Files:
    plain = many(15, "{i}", "python")()
    named = {f"2024-01-{int(i) + 10}/a\n{i}\\ \u00e9 .py": text for i, text in plain.items()}
    return named | {
        f"2024-02-{int(i) + 10}": "#!/usr/bin/env python3\n" + str(text) for i, text in plain.items()
    }


TREES: dict[str, tuple[str, Callable[[], Files]]] = {
    "JSON fixtures": ("--max-tokens 128 --include fixtures/", many(150, "fixtures/{i}.json", "json")),
    "templated Go": ("--max-tokens 64", many(120, "models/m{i}.go", "go")),
    "SQL migrations": ("--max-tokens 128", many(150, "db/V{i}.sql", "sql")),
    "Perl modules": ("--max-tokens 128", many(60, "lib/{i}.pm", "perl")),
    "reStructuredText": ("--max-tokens 128", many(60, "docs/{i}.rst", "rst")),
    "Python in small windows": ("--max-tokens 64 --augmentations none", many(60, "src/m{i}.py", "python")),
    "Python in windows of 8": ("--max-tokens 8", many(15, "src/m{i}.py", "python")),
    "Perl in windows of 8": ("--max-tokens 8 --augmentations none", many(30, "lib/{i}.pm", "perl")),
    "windows of 9 tokens": ("--max-tokens 9", many(20, "src/m{i}.go", "go")),
    "windows longer than all files": ("--max-tokens 4096", many(40, "src/m{i}.py", "python")),
    "flat assignments": ("--max-tokens 64", many(60, "cfg/c{i}.py", "flat")),
    "one line again and again": ("--max-tokens 32", many(40, "src/m{i}.py", "same")),
    "one line again and again, as text": ("--max-tokens 16", many(40, "doc/{i}.txt", "same")),
    "one file": ("--max-tokens 128", one("main.py", long("python", 3))),
    "one tiny file": ("--max-tokens 64", one("a.py", "x = 1\n")),
    "one file of one character": ("--max-tokens 64", one("a.txt", "x")),
    "one long file": ("--max-tokens 64", one("src/all.pm", long("perl", 40))),
    "two files": ("--max-tokens 64", many(2, "src/m{i}.py", "python")),
    "three tiny files": ("--max-tokens 64", tiny(3)),
    "hundreds of tiny files": ("--max-tokens 32", tiny(400)),
    "tiny files beside modules": ("--max-tokens 128", joined(tiny(200), many(20, "src/m{i}.py", "python"))),
    "ideographs": ("--max-tokens 64", many(40, "src/m{i}.py", "cjk", in_other_letters)),
    "emoji and marks": ("--max-tokens 64", many(40, "doc/{i}.md", "emoji")),
    "CRLF": ("--max-tokens 128", many(40, "src/m{i}.py", "python", with_ends("\r\n"))),
    "CRLF of headers": ("--max-tokens 128", many(40, "src/m{i}.h", "header", with_ends("\r\n"))),
    "CRLF without a grammar": ("--max-tokens 64", many(40, "lib/{i}.pm", "perl", with_ends("\r\n"))),
    "lone CR": ("--max-tokens 64", many(40, "lib/{i}.pm", "perl", with_ends("\r"))),
    "mixed line ends": ("--max-tokens 128", many(40, "src/m{i}.py", "python", with_mixed_ends)),
    "byte order marks": ("--max-tokens 64", many(40, "src/m{i}.js", "js", "\ufeff{}".format)),
    "no newline at the end": ("--max-tokens 64", many(40, "src/m{i}.go", "go", str.rstrip)),
    "form feeds": ("--max-tokens 64", many(40, "src/m{i}.c", "header", with_ends("\n\f\n"))),
    "NUL late in a file": (
        "--max-tokens 64",
        many(20, "src/m{i}.py", "python", with_a_late_nul),
    ),
    "headers of macros": ("--max-tokens 128", many(60, "include/m{i}.h", "header")),
    "properties": ("--max-tokens 64", many(60, "conf/{i}.ini", "ini")),
    "style sheets": ("--max-tokens 64", many(60, "css/{i}.css", "css")),
    "XML": ("--max-tokens 64", many(60, "xml/{i}.xml", "xml")),
    "YAML": ("--max-tokens 64", many(60, "ci/{i}.yml", "yaml")),
    "shell scripts": ("--max-tokens 64", many(60, "bin/{i}.sh", "shell")),
    "JavaScript": ("--max-tokens 64", many(40, "src/m{i}.js", "js")),
    "Java beans": ("--max-tokens 64", many(60, "src/C{i}.java", "java")),
    "files that do not parse": ("--max-tokens 64", many(40, "src/m{i}.py", "broken")),
    "copies": ("--max-tokens 64", copies),
    "one licence on everything": ("--max-tokens 64", licensed),
    "tests only": ("--max-tokens 64", many(40, "tests/test_m{i}.py", "python")),
    "no overlap": ("--max-tokens 64 --overlap 0", many(40, "src/m{i}.py", "python")),
    "odd overlap": ("--max-tokens 60 --overlap 0.37", many(40, "src/m{i}.go", "go")),
    "nearly all overlap": ("--max-tokens 32 --overlap 0.9", many(9, "src/m{i}.py", "python")),
    "masks only": ("--max-tokens 64 --augmentations token_masking", many(40, "src/m{i}.js", "js")),
    "the shipped recipe": ("--recipe measured --max-tokens 64", many(40, "lib/{i}.pm", "perl")),
    "odd names": ("--max-tokens 64", oddly_named),
}


def make_tree(name: str, root: Path) -> list[str]:
    """Write a tree below `root`; returns the flags to build its dataset with."""
    flags, files = TREES[name]
    for path, text in files().items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return flags.split()


SUFFIXES = {
    "json": ".json",
    "go": ".go",
    "sql": ".sql",
    "perl": ".pm",
    "rst": ".rst",
    "python": ".py",
    "flat": ".py",
} | {
    "header": ".h",
    "ini": ".ini",
    "css": ".css",
    "xml": ".xml",
    "yaml": ".yml",
    "shell": ".sh",
    "js": ".js",
    "java": ".java",
    "cjk": ".py",
    "emoji": ".md",
}


def make_history(kind: str, root: Path) -> None:
    """Forty files in January; in June lines were added, replaced and moved in a third of them, and files are new."""
    rng, suffix = rng_for(18, "history", kind), SUFFIXES[kind]
    root.mkdir(parents=True)

    def text(i: int) -> str:
        return text_of(kind, rng_for(19, kind, i), i)

    for i in range(40):
        (root / f"m{i}{suffix}").write_text(text(i) * (1 + i % 3), "utf-8")
    commit(root, "2024-01-15T12:00:00Z")
    for i in range(0, 40, 3):
        lines = (root / f"m{i}{suffix}").read_text("utf-8").splitlines(keepends=True)
        at, added = rng.randrange(len(lines)), text(100 + i).splitlines(keepends=True)
        lines[at : at + 3 * (i % 2 == 0)] = added
        lines = lines[5:] + lines[:5] if i % 5 == 0 else lines
        (root / f"m{i}{suffix}").write_text("".join(lines), "utf-8")
    for i in range(10):
        (root / f"n{i}{suffix}").write_text(text(50 + i) + text(i), "utf-8")
    commit(root, "2024-06-15T12:00:00Z")
