"""What makes texts of any size: for the tables of shapes."""

from __future__ import annotations

import random
from collections.abc import Callable

Shape = Callable[[int], bytes]  # number of bytes -> a text of about so many

LINE_BYTES = 80


def repeated(unit: str, head: str = "", tail: str = "", per_line: int = 1) -> Shape:
    """`unit` again and again, `per_line` times on a line where it holds no line end itself."""
    piece = (unit * per_line).encode() + b"\n" * (per_line > 1)

    def make(num_bytes: int) -> bytes:
        body = piece * max(1, (num_bytes - len(head) - len(tail)) // len(piece))
        return head.encode() + body + tail.encode()

    return make


def numbered(unit: str, head: str = "", tail: str = "") -> Shape:
    """`unit` with a number that goes up for each `@`."""

    def make(num_bytes: int) -> bytes:
        parts, size, number = [head], len(head) + len(tail), 0
        while size < num_bytes:
            parts.append(unit.replace("@", str(number)))
            size += len(parts[-1])
            number += 1
        return "".join([*parts, tail]).encode()

    return make


def nested(opening: str, closing: str, core: str = "", head: str = "", tail: str = "") -> Shape:
    """`opening` as often as `closing`, one inside the other."""

    def make(num_bytes: int) -> bytes:
        times = max(1, (num_bytes - len(head) - len(tail)) // (len(opening) + len(closing)))
        return (head + opening * times + core + closing * times + tail).encode()

    return make


def drawn(tokens: list[str], line_tokens: int = 12) -> Shape:
    """Tokens at random, with a line end after every dozen."""

    def make(num_bytes: int) -> bytes:
        rng = random.Random(repr(tokens))
        parts, size = [], 0
        while size < num_bytes:
            line = " ".join(rng.choices(tokens, k=line_tokens)) + "\n"
            parts.append(line)
            size += len(line)
        return "".join(parts).encode()

    return make


# Of every language with curly brackets.
CURLY: dict[str, Shape] = {
    "if (x) { lines": repeated("if (x) {\n"),
    "if (x) { nested": nested("if (x) {\n", "}\n"),
    "else if chain": repeated("else if (x) { y(); }\n", head="if (x) { y(); }\n"),
    "comments": repeated("// a comment\n"),
    "comments behind": repeated("x(); // y\n"),
    "block comments": repeated("/* a */ x();\n"),
    "block comments in a row": repeated("/**/", per_line=20),
    "unclosed comment": repeated("* a */* b\n", head="/*"),
    "calls": repeated("f(a, b);\n"),
    "nested calls": nested("f(", ")", "x"),
    "nested calls lines": nested("f(\n", ")\n", "x"),
    "sum": repeated("1+", tail="1;\n", per_line=40),
    "chain": repeated(".a()\n", head="x"),
    "unclosed string lines": repeated('x = "abc\n'),
    "ternaries": repeated("a ? b :\n", tail="c;"),
    "shifts": repeated("a << b >>\n"),
    "generic open": repeated("A<B,\n"),
    "nested generics": nested("A<", ">", "B"),
    "equal names 2": repeated("x = x + x;\n"),
    "braces lines": nested("{\n", "}\n"),
    "switch": repeated("case 1: x(); break;\n", head="switch (x) {\n", tail="}\n"),
    "labels": numbered("l@: x();\n"),
    "casts": nested("(int)", "", "x"),
    "lambdas": nested("(x) => {", "}"),
    "asterisks": repeated("* ", per_line=40),
    "ampersands": repeated("&&a", per_line=26),
}
