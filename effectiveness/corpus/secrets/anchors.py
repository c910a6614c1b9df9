"""Where secrets may stand, found in many texts at once with numpy: the anchors of rules, and random runs.

Every 3 bytes are looked up in a table of the rules' anchors, then a fourth byte where these stand in it; a regular
expression looks at what is left, and at that place only. A random run is a stretch of token characters in which
letters and digits alternate; for these the bits of 8 bytes are counted at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from effectiveness.corpus.secrets.rules import Rule

BLOCK_BYTES = 1 << 16  # the arrays of one block stay in the processor's cache
_FACTORS = (np.uint16(0x9E35), np.uint16(0x6B17), np.uint16(0x2C6F), np.uint16(0x51B3))
_ANY_BYTE = np.arange(256, dtype=np.uint8)


def _gram_codes(view: np.ndarray) -> np.ndarray:
    """uint16[len(view) - 2]: a code for every 3 bytes, the same for both cases of a letter."""
    folded = (view | 0x20).astype(np.uint16)
    return folded[:-2] * _FACTORS[0] + folded[1:-1] * _FACTORS[1] + folded[2:] * _FACTORS[2]


def _wider_codes(codes: np.ndarray, fourth: np.ndarray) -> np.ndarray:
    """The codes of 4 bytes: of 3 that have `codes`, and of another one."""
    return codes + (fourth | 0x20).astype(np.uint16) * _FACTORS[3]


def _folded_key(anchor: bytes) -> int:
    """The first 4 bytes of an anchor, or its 3, as a number."""
    return int.from_bytes(bytes(byte | 0x20 for byte in anchor[:4]), "little")


class AnchorTable:
    """Rules by their anchors' first 4 bytes (3 where the anchor is no longer)."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules_by_key: dict[int, tuple[Rule, ...]] = {}
        for rule in rules:
            for key in sorted({_folded_key(anchor) for anchor in rule.anchors}):
                self.rules_by_key[key] = (*self.rules_by_key.get(key, ()), rule)
        self._begins, self._is_anchor = np.zeros((2, 1 << 16), np.bool_)
        for anchor in {anchor for rule in rules for anchor in rule.anchors}:
            code = _gram_codes(np.frombuffer(anchor[:3], np.uint8))
            fourth = np.frombuffer(anchor[3:4], np.uint8) if anchor[3:] else _ANY_BYTE
            self._begins[code] = self._is_anchor[_wider_codes(code, fourth)] = True
        self._keys = np.array(sorted(self.rules_by_key), np.uint32)
        found = [self.rules_by_key[key] for key in self._keys.tolist()]
        self._starts_token = np.array([all(rule.starts_token for rule in rules) for rules in found])
        self._goes_on = np.array([all(rule.goes_on for rule in rules) for rules in found])

    def places(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where anchors stand, and their keys; the last 3 bytes are left out."""
        hits = [np.zeros(0, np.int64)]
        for offset in range(0, len(view) - 3, BLOCK_BYTES):
            block = view[offset : offset + BLOCK_BYTES + 3]
            codes = _gram_codes(block)[:-1]
            begins = self._begins.take(codes, mode="clip")  # clips nothing, but takes a third of the time
            places = np.flatnonzero(begins)
            hits.append(places[self._is_anchor[_wider_codes(codes[places], block[places + 3])]] + offset)
        places = np.concatenate(hits)
        wide = np.zeros(len(places), np.uint32)
        for number in range(4):
            wide |= (view[places + number] | 0x20).astype(np.uint32) << np.uint32(8 * number)
        found = [self._exact(view, places, keys) for keys in (wide, wide & np.uint32(0xFFFFFF))]
        places, keys = (np.concatenate([one[number] for one in found]) for number in range(2))
        order = np.argsort(places, kind="stable")
        return places[order], keys[order]

    def _exact(self, view: np.ndarray, places: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the places those where an anchor of the key does stand, and may."""
        numbers = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        is_anchor = self._keys[numbers] == keys
        places, numbers = places[is_anchor], numbers[is_anchor]
        is_inside = _IS_INNER[view[places - 1]]
        is_possible = np.where(self._goes_on[numbers], is_inside | _IS_JOINER[view[places - 1]], True)
        is_possible &= ~self._starts_token[numbers] | ~is_inside | _follows_escape(view, places)
        return places[is_possible], self._keys[numbers[is_possible]]


_IS_INNER = np.zeros(256, np.bool_)
_IS_INNER[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = True
_IS_JOINER = np.zeros(256, np.bool_)
_IS_JOINER[list(b"_-.")] = True


def _follows_escape(view: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Behind `\\n` in a string or `%3D` in an address a token may start, though a letter stands before it."""
    return (view[places - 2] == ord("\\")) | (view[places - 3] == ord("%"))


# ---------------------------------------------------------------- random runs

_LOWER, _UPPER, _DIGIT, _JOINER = 1, 2, 4, 8
TOKEN_BYTES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-+/.~"


def _class_of(byte: int) -> int:
    character = bytes((byte,))
    if byte not in TOKEN_BYTES:
        return 0
    return (
        _LOWER
        if character.islower()
        else _UPPER
        if character.isupper()
        else _DIGIT
        if character.isdigit()
        else _JOINER
    )


_CLASSES = bytes(map(_class_of, range(256)))
_LEADING_ONES = np.array([8 - (~byte & 255).bit_length() for byte in range(256)], np.uint8)
_TRAILING_ONES = np.array(
    [((~byte & 255) & -(~byte & 255)).bit_length() - 1 if byte < 255 else 8 for byte in range(256)], np.uint8
)
_MIN_DIGITS, _MIN_CHANGES = 2, 5  # 20 drawn of 36 symbols have 5.6 and 7.6
_BYTES_A_CHANGE = 8  # at most; of 36 symbols it is 2.5
MIN_RUN_BYTES = 16


def random_runs(texts: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of runs of 16 token characters or more that may be random, `is_random_run` says which are.

    Such a run holds 8 aligned bytes without a gap, so that the rest of the texts is looked at once, 8 bytes at a time.
    What is counted is never less than what stands in the run: where it lies in the texts must not matter.
    """
    classes = np.frombuffer(bytes(8) + texts.translate(_CLASSES) + bytes(32 - len(texts) % 8), np.uint8)
    is_token = np.packbits(classes)  # what is not 0 becomes a bit
    has_digit = np.packbits(classes & np.uint8(_DIGIT)) != 0
    full = np.flatnonzero(is_token == 255)
    if not len(full):
        return full, full
    first = np.flatnonzero(np.diff(full, prepend=-2) != 1)  # of the 8 bytes without a gap in a run
    last = np.append(first[1:], len(full)) - 1
    begin, end = full[first], full[last]  # in units of 8 bytes
    starts = begin * 8 - _TRAILING_ONES[is_token[begin - 1]] - 8
    lengths = end * 8 + 8 + _LEADING_ONES[is_token[end + 1]] - 8 - starts
    may_be = np.logical_or.reduceat(has_digit[full], first) | has_digit[begin - 1] | has_digit[end + 1]
    chosen = np.flatnonzero(may_be & (lengths >= MIN_RUN_BYTES))
    starts, lengths = starts[chosen], lengths[chosen]
    if not len(chosen):
        return starts, lengths
    sizes = end[chosen] - begin[chosen] + 3  # with the bytes before and after
    bounds = np.cumsum(sizes) - sizes
    octets = np.arange(sizes.sum()) + np.repeat(begin[chosen] - 1 - bounds, sizes)
    changes = np.add.reduceat(_num_changes(classes.view("<u8"), octets), bounds, dtype=np.int64)
    is_enough = changes >= np.maximum(_MIN_CHANGES, lengths // _BYTES_A_CHANGE)
    return starts[is_enough], lengths[is_enough]


_LOW_BITS = np.uint64(0x0101010101010101)


def _num_changes(octets: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How many of the 8 bytes at each place are followed by another class of letter or digit."""
    here = octets[places]
    differ = here ^ ((here >> np.uint64(8)) | (octets[places + 1] << np.uint64(56)))
    lower, upper, digit = (differ >> np.uint64(bit) & _LOW_BITS for bit in range(3))
    return np.bitwise_count(
        lower & upper | upper & digit | lower & digit
    )  # two of three: both are letters or digits


_KINDS, _PARTS = re.compile(rb"[a-z]+|[A-Z]+|[0-9]+"), re.compile(rb"[A-Za-z0-9]+")
_MAX_COUNTED_BYTES = 256


def is_random_run(run: bytes) -> bool:
    """Whether the run holds two digits, and letters and digits that alternate."""
    run = run[:_MAX_COUNTED_BYTES]
    if len(run) - len(run.translate(None, b"0123456789")) < _MIN_DIGITS:
        return False
    return len(_KINDS.findall(run)) - len(_PARTS.findall(run)) >= max(
        _MIN_CHANGES, len(run) // _BYTES_A_CHANGE
    )
