"""Every rule of text, for secrets and for what is left out, on its own words again and again: linear time and memory.

The words are the rules' own: the anchors that the secret rules are asked at, and every piece of text that the modules
of the other rules name. They are repeated, nested, and interleaved with those of other rules, at 1, 2 and 4 times
the size; `make torture` takes every rule in every shape, the slice that always runs one shape of each.
"""

from __future__ import annotations

import ast
import math
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from effectiveness.corpus import secrets
from effectiveness.corpus.scan.quality import drop_reason, notes_on
from effectiveness.corpus.secrets import redact_all
from effectiveness.languages import LANGUAGES
from tests.linear_shape_makers import nested, numbered, repeated

ROOT = Path(__file__).resolve().parent.parent
KIB = 1024
LEAST_S = 0.01  # of processor time: a ratio of less says nothing
MAX_RATIO = 2.3  # for a doubling
MAX_BYTES_PER_BYTE = 150
RULES = {rule for rules in secrets._TABLE.rules_by_key.values() for rule in rules}
ANCHORS = {
    name: sorted({a.decode("latin-1") for rule in RULES if rule.name == name for a in rule.anchors})
    for name in sorted({rule.name for rule in RULES})
}
EVERYTHING = sorted({anchor for found in ANCHORS.values() for anchor in found})

Make = Callable[[int], bytes]  # number of bytes -> a text of about so many


def shapes_of(word: str, others: list[str], rng: random.Random) -> dict[str, Make]:
    """Texts of one rule's word: what stands before a value, in one, around one, and never ends."""
    value = "".join(rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=24))
    pair = "".join(f"{word} = {other}: " for other in others)
    return {
        "alone": repeated(word),
        "with blanks": repeated(f"{word} ", per_line=20),
        "on lines": repeated(f"{word}\n"),
        "assigned": numbered(f'{word} = "{value}@"\n'),
        "assigned on one line": repeated(f"{word}={value};"),
        "assigned, open": repeated(f'{word}: "'),
        "arguments": repeated(f"--{word} {value} "),
        "headers": repeated(f"-H '{word}: {value}' \\\n"),
        "elements": nested(f"<{word}>", f"</{word}>", value),
        "brackets": nested(f'{{"{word}":[', "]}", f'"{value}"'),
        "calls": nested(f"{word}(", ")", value),
        "quotes": nested(f"{word}='", '"', value),
        "cells": repeated(f"{word},", head=f"{word};{word}\n", per_line=8),
        "address": repeated(f"x://{word}:{value}@{word}.org/?{word}={value}&"),
        "interleaved": repeated(pair),
        "interleaved on lines": repeated(pair.replace(" ", "\n")),
        "long value": repeated(value, head=f'{word} = "', tail='"\n'),
        "long value, escaped": repeated(value + "\\n", head=f'{word} = "', tail='"\n'),
    }


def shape_names() -> list[str]:
    return list(shapes_of("x", [], random.Random(0)))


def of_rule(name: str, shape: str) -> Make:
    """The shape with one of the rule's anchors."""
    rng = random.Random(f"{name} {shape}")
    return shapes_of(rng.choice(ANCHORS[name]), rng.sample(EVERYTHING, 3), rng)[shape]


def seconds_of(work: Callable[[bytes], object], text: bytes) -> float:
    best = math.inf
    for _ in range(2):
        started_s = time.process_time()
        work(text)
        best = min(best, time.process_time() - started_s)
    return best


def ratio_of(work: Callable[[bytes], object], make: Make, sizes: tuple[int, ...]) -> float:
    """Of processor time for a doubling, the largest between the first and a later size; 1.0 where it is too little."""
    first, *later = [(size, seconds_of(work, make(size))) for size in sizes]
    found = [
        (s / max(first[1], LEAST_S / 2)) ** (1 / math.log2(n / first[0])) for n, s in later if s > LEAST_S
    ]
    return max(found, default=1.0)


def assert_linear(work: Callable[[bytes], object], make: Make, sizes: tuple[int, ...], what: object) -> None:
    """A busy machine may be wrong twice: it is asked again, of more."""
    for scale in (1, 2, 4):
        ratio = ratio_of(work, make, tuple(scale * size for size in sizes))
        if ratio < MAX_RATIO:
            return
    raise AssertionError(f"{what}: x{ratio:.2f} for a doubling")


def redact(text: bytes) -> object:
    return redact_all([text])


SLICE = [
    (name, random.Random(name).choice(shape_names())) for name in random.Random(2).sample(sorted(ANCHORS), 30)
]
ALL = [(name, shape) for name in ANCHORS for shape in shape_names()]


def test_a_secret_rule_takes_time_like_the_length_of_what_repeats_its_words():
    for name, shape in SLICE:
        assert_linear(redact, of_rule(name, shape), (8 * KIB, 32 * KIB), (name, shape))


@pytest.mark.torture
@pytest.mark.parametrize("shape", shape_names())
def test_every_secret_rule_takes_time_like_the_length_in_every_shape(shape):
    for name in ANCHORS:
        assert_linear(redact, of_rule(name, shape), (16 * KIB, 32 * KIB, 64 * KIB), (name, shape))


# --- what is left out ------------------------------------------------------------------------------------

RULE_MODULES = ("quality", "built", "unwanted", "decoding", "notebooks")
READ_AS = ("Python", "JavaScript", "C", "Go", "Markdown", "Text", "JSON", "YAML", "HTML")


def words_of(module: str) -> list[str]:
    """The pieces of text that a module of rules names; of an expression its longest plain part."""
    tree = ast.parse((ROOT / "effectiveness" / "corpus" / "scan" / f"{module}.py").read_text("utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, bytes)]
    plain = (max(re.split(r"[\\()\[\]{}|?*+^$]", text.decode("latin-1")), key=len) for text in texts)
    return sorted({word for word in plain if len(word) >= 2})


WORDS = {module: words_of(module) for module in RULE_MODULES}
NAMED = sorted({word for found in WORDS.values() for word in found})


def judged_as(language: str) -> Callable[[bytes], object]:
    def judge(text: bytes) -> object:
        return drop_reason(text, LANGUAGES[language]), notes_on(text)

    return judge


def drawn(seed: int) -> tuple[str, str, str, Make]:
    rng = random.Random(seed)
    word, language, shape = rng.choice(NAMED), rng.choice(READ_AS), rng.choice(shape_names())
    return (
        word,
        language,
        shape,
        shapes_of(rng.choice(("", "// ", "# ", "/* ")) + word, rng.sample(NAMED, 3), rng)[shape],
    )


@pytest.mark.parametrize(
    ("seeds", "sizes"),
    [
        (range(60), (16 * KIB, 64 * KIB)),
        pytest.param(range(60, 3000), (64 * KIB, 128 * KIB, 256 * KIB), marks=pytest.mark.torture),
    ],
    ids=["slice", "all"],
)
def test_a_rule_of_what_is_left_out_takes_time_like_the_length(seeds, sizes):
    assert len(NAMED) > 40
    for seed in seeds:
        word, language, shape, make = drawn(seed)
        assert_linear(judged_as(language), make, sizes, (seed, word, language, shape))


# --- memory, and what stands in two splits -----------------------------------------------------------------


def peak_of(work: Callable[[bytes], object], text: bytes) -> float:
    """Bytes of memory at the most, for each byte of the text."""
    tracemalloc.start()
    try:
        work(text)
        return tracemalloc.get_traced_memory()[1] / len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("count", "size"),
    [(4, 64 * KIB), pytest.param(60, 4096 * KIB, marks=pytest.mark.torture)],
    ids=["slice", "4 MB"],
)
def test_no_rule_takes_more_than_so_many_bytes_of_memory_for_a_byte(count, size):
    for name, shape in random.Random(1).sample(ALL, count):
        used = peak_of(redact, of_rule(name, shape)(size))
        assert used < MAX_BYTES_PER_BYTE, (name, shape, used)
    for seed in range(count):
        word, language, shape, make = drawn(seed)
        used = peak_of(judged_as(language), make(size))
        assert used < MAX_BYTES_PER_BYTE, (word, language, shape, used)
