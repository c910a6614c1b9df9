"""Odd repositories that nobody wrecked: much alike, without structure, tiny, huge in one file, in other scripts.

`TREES` is name -> (flags of the dataset command, what to write below a directory). The same name, the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from small_repository import NAMES

from effectiveness.common.seeding import rng_for

Files = dict[str, str | bytes]


def _words(rng: Random, count: int) -> list[str]:
    return [rng.choice(NAMES) for _ in range(count)]


def _many(count: int, name: str, text: Callable[[Random, int], str | bytes]) -> Callable[[], Files]:
    """`count` files, each of a text that its number draws; `name` holds {i}, and {w} for a word."""

    def files() -> Files:
        made = {}
        for i in range(count):
            rng = rng_for(11, name, i)
            made[name.format(i=i, w=rng.choice(NAMES))] = text(rng, i)
        return made

    return files


def _json(rng: Random, i: int) -> str:
    rows = [
        {"id": rng.randrange(9**9), "name": _words(rng, 1)[0], "score": rng.random()}
        for _ in range(rng.randrange(2, 9))
    ]
    return json.dumps(rows, indent=1)


def _go(rng: Random, i: int) -> str:
    name = "".join(word.title() for word in _words(rng, 2)) + str(i)
    fields = "".join(
        f'\t{a.title()}{k} {rng.choice(["string", "int64", "bool"])} `json:"{a}_{k}"`\n'
        for k, a in enumerate(_words(rng, 6))
    )
    return f"package models\n\n// {name} is a model.\ntype {name} struct {{\n{fields}}}\n\nfunc New{name}() *{name} {{\n\treturn &{name}{{}}\n}}\n"


def _sql(rng: Random, i: int) -> str:
    return "".join(
        f"ALTER TABLE {a}s ADD COLUMN {b}_{c} VARCHAR({rng.randrange(999)}) NOT NULL;\n"
        for a, b, c in (_words(rng, 3) for _ in range(rng.randrange(1, 6)))
    )


def _perl(rng: Random, i: int) -> str:
    subs = "".join(
        f'=head2 {a}\n\nReturns the {b} of {c}.\n\n=cut\n\nsub {a}_{k} {{\n    my ($self, ${b}) = @_;\n    return $self->{{{c}}} unless ${b} =~ /^{d}/;\n    die "no {d}" if ${b} > {rng.randrange(99)};\n}}\n\n'
        for k, (a, b, c, d) in enumerate(_words(rng, 4) for _ in range(rng.randrange(2, 9)))
    )
    return f"package {NAMES[i % len(NAMES)].title()}::M{i};\nuse strict;\nuse warnings;\n\n{subs}1;\n"


def _rst(rng: Random, i: int) -> str:
    title = " ".join(_words(rng, 3)).title()
    return f"{title}\n{'=' * len(title)}\n\n" + "\n\n".join(
        f".. function:: {a}({b})\n\n   Returns the {c} if {d} for {a}.\n" + " ".join(_words(rng, 40))
        for a, b, c, d in (_words(rng, 4) for _ in range(4))
    )


def _python(rng: Random, i: int) -> str:
    return "".join(
        f"def {a}_{k}({b}, {c}={rng.randrange(999)}):\n    total = {rng.randrange(99)}\n    for item in {b}:\n        if item > {c} * {rng.randrange(9)}:\n            total += item // {rng.randrange(1, 50)}  # {d}\n    return total\n\n\n"
        for k, (a, b, c, d) in enumerate(_words(rng, 4) for _ in range(rng.randrange(2, 7)))
    )


def _flat(rng: Random, i: int) -> str:
    return "".join(f"{word}_{k} = {rng.randrange(9)}\n" for k, word in enumerate(_words(rng, 30)))


def _same_line(rng: Random, i: int) -> str:
    return f"total_{i % 3} += 1\n" * rng.randrange(40, 200)


def _cjk(rng: Random, i: int) -> str:
    def word() -> str:
        return "".join(chr(rng.randrange(0x4E00, 0x9FA0)) for _ in range(rng.randrange(2, 5)))

    return "".join(
        f"# {word()}{word()}を{word()}\n{word()} = '{word()}'\nprint({word()!r}, {k})\n"
        for k in range(rng.randrange(3, 12))
    )


def _emoji(rng: Random, i: int) -> str:
    return "".join(
        f"- {chr(rng.randrange(0x1F300, 0x1F5FF))}\u200d\u2640\ufe0f e\u0301 {a} \u05d0\u05d1\u202b {b}\n"
        for a, b in (_words(rng, 2) for _ in range(12))
    )


def _crlf(of: Callable[[Random, int], str], end: str) -> Callable[[Random, int], bytes]:
    return lambda rng, i: of(rng, i).replace("\n", end).encode()


def _mixed(rng: Random, i: int) -> bytes:
    lines = _python(rng, i).split("\n")
    return "".join(line + rng.choice(["\n", "\r\n"]) for line in lines).encode()


def _c(rng: Random, i: int) -> str:
    return (
        f"#ifndef H{i}_H\n#define H{i}_H\n"
        + "".join(
            f"#define {a.upper()}_{k} 0x{rng.randrange(1 << 16):04x} /* {b} */\n"
            for k, (a, b) in enumerate(_words(rng, 2) for _ in range(25))
        )
        + "#endif\n"
    )


def _tsv(rng: Random, i: int) -> str:
    return "".join(
        f"{a}.{b}={c} {d} {rng.randrange(99)}\n" for a, b, c, d in (_words(rng, 4) for _ in range(20))
    )


def _css(rng: Random, i: int) -> str:
    return "".join(
        f".{a}-{b} {{ margin: {rng.randrange(9)}px; color: #{rng.randrange(1 << 24):06x}; }}\n"
        for a, b in (_words(rng, 2) for _ in range(20))
    )


def _xml(rng: Random, i: int) -> str:
    return (
        "<r>\n"
        + "".join(
            f'  <{a} {b}="{rng.randrange(99)}"><c>{c}</c></{a}>\n'
            for a, b, c in (_words(rng, 3) for _ in range(20))
        )
        + "</r>\n"
    )


def _yaml(rng: Random, i: int) -> str:
    return "".join(
        f"{a}_{k}:\n  {b}:\n    - {c}: {rng.randrange(99)}\n      if: {d}\n"
        for k, (a, b, c, d) in enumerate(_words(rng, 4) for _ in range(9))
    )


def _bash(rng: Random, i: int) -> str:
    return "#!/bin/sh\n" + "".join(
        f'{a}_{k}() {{\n  if [ "$1" = {b} ]; then\n    echo "{c}" | sed s/{d}/x/ || exit {k}\n  fi\n}}\n'
        for k, (a, b, c, d) in enumerate(_words(rng, 4) for _ in range(5))
    )


def _js(rng: Random, i: int) -> str:
    return "".join(
        f"export const {a}{k} = async ({{ {b}, {c} }}) => {{ \n  try {{\n    return await {b}({c});\n  }} catch (e) {{\n    throw new Error(`{d} ${{e}}`);\n  }}\n}};\n"
        for k, (a, b, c, d) in enumerate(_words(rng, 4) for _ in range(9))
    )


def _java(rng: Random, i: int) -> str:
    return (
        f"package p.q;\nimport java.util.*;\npublic class C{i} {{\n"
        + "".join(
            f"  private int {a}{k};\n  public int get{a.title()}{k}() {{ return {a}{k} + {rng.randrange(9)}; }}\n"
            for k, a in enumerate(_words(rng, 8))
        )
        + "}\n"
    )


def _broken(rng: Random, i: int) -> str:
    return _python(rng, i).replace(":", "", 1).replace(")", "", 2) + "def (((\n"


def _one(name: str, text: str | bytes) -> Callable[[], Files]:
    return lambda: {name: text}


def _joined(*makers: Callable[[], Files]) -> Callable[[], Files]:
    return lambda: {name: text for make in makers for name, text in make().items()}


def _long(of: Callable[[Random, int], str], times: int) -> str:
    return "".join(of(rng_for(12, "long", i), i) for i in range(times))


def _copies() -> Files:
    """Nine files that are three, and one line more in every third."""
    texts = [_python(rng_for(13, "copies", i), i) for i in range(3)]
    return {
        f"src/{place}/m{i}.py": text + f"x = {i}\n" * (place == "c")
        for i, text in enumerate(texts)
        for place in "abc"
    }


def _boilerplate() -> Files:
    head = "# " + "\n# ".join(" ".join(_words(rng_for(14, "licence", k), 9)) for k in range(30)) + "\n"
    return {f"pkg/m{i}.py": head + _python(rng_for(15, "body", i), i) for i in range(25)}


WINDOW, NONE = "--max-tokens", ("--augmentations", "none")
TREES: dict[str, tuple[tuple[str, ...], Callable[[], Files]]] = {
    "JSON fixtures": ((WINDOW, "128"), _many(150, "fixtures/{w}_{i}.json", _json)),
    "templated Go": ((WINDOW, "64"), _many(120, "models/{w}{i}.go", _go)),
    "SQL migrations": ((WINDOW, "128"), _many(150, "db/V{i}__{w}.sql", _sql)),
    "Perl modules": ((WINDOW, "256"), _many(60, "lib/{w}{i}.pm", _perl)),
    "reStructuredText": ((WINDOW, "128"), _many(60, "docs/{w}{i}.rst", _rst)),
    "Python in small windows": ((WINDOW, "64", *NONE), _many(60, "src/{w}{i}.py", _python)),
    "Python in windows of 8": ((WINDOW, "8"), _many(30, "src/{w}{i}.py", _python)),
    "Perl in windows of 8": ((WINDOW, "8", *NONE), _many(30, "lib/{w}{i}.pm", _perl)),
    "windows of 9 tokens": ((WINDOW, "9"), _many(20, "src/{w}{i}.go", _go)),
    "a window of all there is": ((WINDOW, "4096"), _many(40, "src/{w}{i}.py", _python)),
    "flat assignments": ((WINDOW, "64"), _many(60, "cfg/{w}{i}.py", _flat)),
    "one line again and again": ((WINDOW, "32"), _many(40, "src/{w}{i}.py", _same_line)),
    "one line again and again, as text": ((WINDOW, "16"), _many(40, "doc/{w}{i}.txt", _same_line)),
    "one file": ((WINDOW, "128"), _one("main.py", _long(_python, 3))),
    "one tiny file": ((WINDOW, "64"), _one("a.py", "x = 1\n")),
    "one file of one character": ((WINDOW, "64"), _one("a.txt", "x")),
    "one long file": ((WINDOW, "64"), _one("src/all.pm", _long(_perl, 60))),
    "two files": ((WINDOW, "64"), _many(2, "src/{w}{i}.py", _python)),
    "three tiny files": ((WINDOW, "64"), _many(3, "t{i}.txt", lambda rng, i: "ab" * (i + 1))),
    "hundreds of tiny files": (
        (WINDOW, "32"),
        _many(400, "k/{i}.ini", lambda rng, i: f"k{i * 7919 % 100003}\n"),
    ),
    "tiny files beside modules": (
        (WINDOW, "128"),
        _joined(_many(200, "k/{i}.ini", lambda rng, i: f"k{i}=v\n"), _many(20, "src/{w}{i}.py", _python)),
    ),
    "Chinese and Japanese": ((WINDOW, "64"), _many(40, "src/{w}{i}.py", _cjk)),
    "emoji and marks": ((WINDOW, "64"), _many(40, "doc/{w}{i}.md", _emoji)),
    "CRLF": ((WINDOW, "128"), _many(40, "src/{w}{i}.py", _crlf(_python, "\r\n"))),
    "CRLF of C": ((WINDOW, "128"), _many(40, "src/{w}{i}.h", _crlf(_c, "\r\n"))),
    "lone CR": ((WINDOW, "64"), _many(40, "src/{w}{i}.pm", _crlf(_perl, "\r"))),
    "mixed line ends": ((WINDOW, "128"), _many(40, "src/{w}{i}.py", _mixed)),
    "byte order marks": ((WINDOW, "64"), _many(40, "src/{w}{i}.js", lambda rng, i: "\ufeff" + _js(rng, i))),
    "no newline at the end": ((WINDOW, "64"), _many(40, "src/{w}{i}.go", lambda rng, i: _go(rng, i)[:-1])),
    "form feeds": (
        (WINDOW, "64"),
        _many(40, "src/{w}{i}.c", lambda rng, i: _c(rng, i).replace("\n", "\n\f\n", 3)),
    ),
    "headers of macros": ((WINDOW, "128"), _many(60, "include/{w}{i}.h", _c)),
    "properties": ((WINDOW, "64"), _many(60, "conf/{w}{i}.ini", _tsv)),
    "style sheets": ((WINDOW, "64"), _many(60, "css/{w}{i}.css", _css)),
    "XML": ((WINDOW, "64"), _many(60, "xml/{w}{i}.xml", _xml)),
    "YAML": ((WINDOW, "64"), _many(60, "ci/{w}{i}.yml", _yaml)),
    "shell scripts": ((WINDOW, "64"), _many(60, "bin/{w}{i}.sh", _bash)),
    "one-line modules": ((WINDOW, "64"), _many(40, "src/{w}{i}.js", _js)),
    "Java beans": ((WINDOW, "64"), _many(60, "src/C{i}.java", _java)),
    "files that do not parse": ((WINDOW, "64"), _many(40, "src/{w}{i}.py", _broken)),
    "copies": ((WINDOW, "64"), _copies),
    "one licence on everything": ((WINDOW, "64"), _boilerplate),
    "tests only": ((WINDOW, "64"), _many(40, "tests/test_{w}{i}.py", _python)),
    "no overlap": ((WINDOW, "64", "--overlap", "0"), _many(40, "src/{w}{i}.py", _python)),
    "odd overlap": ((WINDOW, "60", "--overlap", "0.37"), _many(40, "src/{w}{i}.go", _go)),
    "nearly all overlap": ((WINDOW, "32", "--overlap", "0.9"), _many(9, "src/{w}{i}.py", _python)),
    "masks only": ((WINDOW, "64", "--augmentations", "token_masking"), _many(40, "src/{w}{i}.js", _js)),
    "odd names": (
        (WINDOW, "64"),
        lambda: (
            {f"2024-01-{i:02}/a\n{i}\\ \u00e9 .py": _python(rng_for(16, "odd", i), i) for i in range(10, 25)}
            | {
                f"2024-02-{i:02}": "#!/usr/bin/env python3\n" + _python(rng_for(17, "odd", i), i)
                for i in range(10, 15)
            }
        ),
    ),
}


def make_tree(name: str, root: Path) -> tuple[str, ...]:
    """Write a tree below `root`; returns the flags to build its dataset with."""
    flags, files = TREES[name]
    for path, text in files().items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return flags
