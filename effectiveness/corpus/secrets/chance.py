"""Whether a text was drawn or written: what separates `k3Jx9QpL` from `parseHTML5` and `checksum`.

Names and words change between letters and digits once or twice; a random string of base 36 does so every 2.5
characters. Where only letters stand their neighbours tell: `qx` and `jh` are rare in words and names.
"""

from __future__ import annotations

import itertools
import re

# Row and column are the letters a to z; a digit d is the base-2 logarithm, plus 5, of how many times more often the
# pair stands in the words of real source (90,240 different ones of Python's standard library, the sources of 300
# Rust and Go packages and Linux headers, weighted by the root of their count) than if letters were drawn.
_PAIRS = """
    46773461614867060878544452 63445310530621530453500040 74547437506643841657532130 64458431710533530554533330
    74786653412768465988464741 63455630700534630554501030 42217134500435530553410000 61137100601232610435402020
    65776660202779861677151405 20003000200000310010200000 40126120500312210142212000 72358431703723740355532061
    74337221602452660254500020 73777673605435641378543030 45763551514668560866656310 72447334603632660756532040
    00000000000101000000500000 73559451704455740667543150 53648346704444662478633152 73548427802543750776633361
    55545440500657350667100200 61317201500232320132000000 51124114500214520441001000 44535411400121150125000220
    11203000300334250254001001 20005000300000200000000001
""".split()  # noqa: SIM905
_COMMON = {(a, b): int(_PAIRS[a][b]) for a in range(26) for b in range(26)}
_MAX_MEAN_DRAWN = 4.6  # of 12 drawn letters 93 % are below, of 12 letters of words 2 %
_MAX_MEAN_RARE = 5.5
_MIN_MEAN_WRITTEN = 5.0
_MAX_COMPARED_BYTES = 48
_MIN_PAIRS = 7
_WORDS = re.compile(rb"[^_./:=\s-]+")
_RUNS = re.compile(rb"[A-Z]+[a-z\x80-\xff]*|[a-z\x80-\xff]+|[0-9]+|[^A-Za-z0-9\x80-\xff_./:=\s-]+")
_LETTERS = re.compile(rb"[A-Za-z]{2,}")
_LONG_WORDS = re.compile(rb"[A-Za-z][a-z]{3,}")
_LONGER_WORDS = re.compile(rb"[A-Z]?[a-z]{6,}")
_MIN_SHARE_OF_WORDS = 0.6  # of `Winter1999!` it is 0.55
_HEX = re.compile(rb"[0-9a-f]+|[0-9A-F]+")
_CLASSES = tuple(map(re.compile, (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9_./-]")))
MAX_LOOKED_AT_BYTES = 128
_MAX_MODELLED_BYTES = 64
_LOWER, _UPPER, _DIGIT, _OTHER = range(4)
_KIND_OF = bytes(
    _LOWER if 97 <= byte <= 122 else _UPPER if 65 <= byte <= 90 else _DIGIT if 48 <= byte <= 57 else _OTHER
    for byte in range(256)
)
_COMMON_MEAN, _MIN_BITS = 5, 5.0
_BITS_CHANGE, _BITS_GOES_ON, _BITS_SAME = 2.2, -0.2, -4.0
_BITS_OF_CASE = {(_LOWER, _UPPER): 1.5, (_UPPER, _LOWER): 0.4, (_LOWER, _LOWER): -0.4, (_UPPER, _UPPER): -0.4}


def commonness(a: int, b: int) -> int:
    """Of two lower-case letters, as bytes, that follow each other in words: 0 to 8, 5 for as often as by chance."""
    return _COMMON[a - 97, b - 97]


def num_changes(value: bytes) -> int:
    """How often letters, digits, symbols and the case change inside the words of `value`."""
    return len(_RUNS.findall(value)) - len(_WORDS.findall(value))


def alternates(value: bytes) -> bool:
    """Whether letters, digits and symbols alternate as chance would have it."""
    value = value[:MAX_LOOKED_AT_BYTES]
    return num_changes(value) >= max(2, len(value) // 8)


def _commonness(words: list[bytes]) -> tuple[int, float]:
    """How many pairs of neighbouring letters the words have, and how common these are in the mean."""
    num_pairs = total = 0
    for word in words:
        folded = word.lower()
        num_pairs += len(folded) - 1
        total += sum(_COMMON[a - 97, b - 97] for a, b in itertools.pairwise(folded))
    return num_pairs, total / max(1, num_pairs)


def is_unlike_words(value: bytes) -> bool:
    """Whether the letters of `value` follow each other as no word's do."""
    num_pairs, commonness = _commonness(_LETTERS.findall(value[:_MAX_COMPARED_BYTES]))
    return num_pairs >= _MIN_PAIRS and commonness <= _MAX_MEAN_DRAWN


def is_rarely_a_word(value: bytes) -> bool:
    """Whether the letters can hardly be words: of 16 drawn ones 99 % are, of words 1 %."""
    return _commonness(_LETTERS.findall(value))[1] <= _MAX_MEAN_RARE


def is_written(value: bytes) -> bool:
    """Whether most of `value` is words, as in `V1LocalObjectReference` and `AnotherStrongPass!`."""
    value = value[:_MAX_COMPARED_BYTES]
    words = _LONG_WORDS.findall(value)
    return (
        sum(map(len, words)) > _MIN_SHARE_OF_WORDS * len(value) and _commonness(words)[1] > _MIN_MEAN_WRITTEN
    )


def holds_word(value: bytes) -> bool:
    """Whether six letters in a row or more may be a word: of six drawn ones one in four may."""
    return any(_commonness([word])[1] > _MAX_MEAN_DRAWN for word in _LONGER_WORDS.findall(value))


def drawn_bits(value: bytes) -> float:
    """How many bits speak for chance and against code: a model of neighbouring characters, asked of the first 64.

    Letters that no word holds side by side, a change from letters to digits and one from lower to upper case speak for
    chance, what goes on as it was against. Of 16 bytes that were drawn from 36 or more symbols 97 % have 8 bits, of the
    names, numbers and paths of real source as long 3 %; what else has are encoded data.
    """
    bits = 0.0
    looked_at = value[:_MAX_MODELLED_BYTES]
    kinds = looked_at.translate(_KIND_OF)
    for a, b, x, y in zip(looked_at, looked_at[1:], kinds, kinds[1:], strict=False):
        if x == _OTHER or y == _OTHER:
            continue
        if x == _DIGIT or y == _DIGIT:
            bits += _BITS_GOES_ON if x == y else _BITS_CHANGE
        else:
            bits += _COMMON_MEAN - _COMMON[(a | 32) - 97, (b | 32) - 97]
            bits += _BITS_OF_CASE[x, y] if a != b else _BITS_SAME
    return bits


def is_by_chance(value: bytes) -> bool:
    """Whether the characters follow each other as drawn ones do, half a bit for each."""
    return drawn_bits(value) >= max(_MIN_BITS, min(len(value), _MAX_MODELLED_BYTES) / 2)


def is_drawn(value: bytes) -> bool:
    return (alternates(value) and not is_written(value)) or is_unlike_words(value)


def is_hex(value: bytes) -> bool:
    return _HEX.fullmatch(value) is not None


def num_classes(value: bytes) -> int:
    """How many of lower case, upper case, digits and symbols stand in `value`."""
    return sum(one.search(value) is not None for one in _CLASSES)
