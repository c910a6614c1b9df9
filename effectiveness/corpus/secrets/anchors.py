"""Where secrets may stand, found in many texts at once with numpy: the anchors of rules, and random runs.

Every 3 bytes are looked up in a table of the rules' anchors, then a fourth byte where these stand in it; a regular
expression looks at what is left, and at that place only. A random run is a stretch of token characters in which
letters and digits alternate; for these the bits of 8 bytes are counted at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from effectiveness.corpus.secrets.chance import commonness
from effectiveness.corpus.secrets.rules import Rule

BLOCK_BYTES = 1 << 16  # the arrays of one block stay in the processor's cache
_FACTORS = (np.uint16(0x9E35), np.uint16(0x6B17), np.uint16(0x2C6F))
_FIRST_FACTOR, _TABLE_BITS = 0x9E3779B1, 20
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")


def _gram_codes(view: np.ndarray) -> np.ndarray:
    """uint16[len(view) - 2]: a code for every 3 bytes, the same for both cases of a letter."""
    folded = (view | 0x20).astype(np.uint16)
    return folded[:-2] * _FACTORS[0] + folded[1:-1] * _FACTORS[1] + folded[2:] * _FACTORS[2]


def _folded(view: np.ndarray, places: np.ndarray, dtype: str) -> np.ndarray:
    """The 4 or 8 bytes from each place on as a number, as `_number` makes it."""
    width = np.dtype(dtype).itemsize
    numbers = np.ndarray((len(view) - width + 1,), dtype, view.data, strides=(1,))
    return numbers[places] | numbers.dtype.type(_FOLD & ((1 << 8 * width) - 1))


def _number(anchor: bytes) -> int:
    """Up to 8 bytes as a number, the same for both cases of a letter."""
    return int.from_bytes(bytes(byte | 0x20 for byte in anchor[:_MAX_ANCHOR_BYTES]), "little")


def _wide_codes(four: np.ndarray, factor: np.uint32) -> np.ndarray:
    """Where in a table of 2**20 rows 4 bytes stand."""
    return (four * factor) >> np.uint32(32 - _TABLE_BITS)


def _factor_for(fours: np.ndarray) -> np.uint32:
    """The first with which no two of the anchors share a row."""
    for factor in range(_FIRST_FACTOR, 1 << 32, 1 << 16):
        if len(np.unique(_wide_codes(fours, np.uint32(factor)))) == len(fours):
            return np.uint32(factor)
    raise AssertionError("too many anchors for a table of 2**20 rows")


class AnchorTable:
    """Rules by the 4 bytes of their anchors that are looked for, 3 of the shortest; up to 8 are compared."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        offsets = _offsets({anchor for rule in rules for anchor in rule.anchors})
        by_window: dict[bytes, list[Rule]] = {}
        offset_of = {_fold(anchor[at : at + 4]): at for anchor, at in offsets.items()}
        for rule in rules:
            for window in sorted({_fold(anchor[offsets[anchor] :][:4]) for anchor in rule.anchors}):
                by_window.setdefault(window, []).append(rule)
        windows = sorted(by_window)
        short = {window: key for key, window in enumerate(windows) if len(window) == 3}
        self.rules_by_key = {  # where an anchor of 4 bytes stands its first 3 do, too
            key: (
                *by_window[window],
                *(by_window[window[:3]] if window[:3] in short and len(window) > 3 else ()),
            )
            for key, window in enumerate(windows)
        }
        self._fours = np.array([_number(window) for window in windows], np.uint32)
        self._offsets = np.array([offset_of[window] for window in windows])
        self._begins = np.zeros(1 << 16, np.bool_)
        self._begins[[_gram_codes(np.frombuffer(window[:3], np.uint8))[0] for window in windows]] = True
        self._factor = _factor_for(self._fours)
        self._key_of_code = np.full(1 << _TABLE_BITS, -1, np.int16)
        self._key_of_code[_wide_codes(self._fours, self._factor)] = np.arange(len(windows))
        self._key_of_gram = np.full(1 << 16, -1, np.int16)
        for window, key in short.items():
            self._key_of_gram[_gram_codes(np.frombuffer(window, np.uint8))[0]] = key
        found = self.rules_by_key.values()
        self._starts_token = np.array([all(rule.starts_token for rule in rules) for rules in found])
        self._goes_on = np.array([all(rule.goes_on for rule in rules) for rules in found])
        self._longer = _longer_anchors(offsets)
        is_short = {_fold(anchor) for anchor in offsets if len(anchor) == 4}
        self._is_longer = np.array([window not in is_short and window[:3] not in short for window in windows])

    def places(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where anchors stand, and their keys; the last 8 bytes are left out."""
        found_places, found_keys = [np.zeros(0, np.int64)], [np.zeros(0, np.int16)]
        for offset in range(0, len(view) - _MAX_ANCHOR_BYTES, BLOCK_BYTES):
            block = view[offset : offset + BLOCK_BYTES + 3]
            grams = _gram_codes(block)[:-1]
            begins = self._begins.take(grams, mode="clip")  # clips nothing, but takes a third
            places = np.flatnonzero(begins)
            four = _folded(block, places, "<u4")
            keys = self._key_of_code[_wide_codes(four, self._factor)]
            is_anchor = self._fours[keys] == four  # -1 is the last key: its 4 bytes are others
            short_keys = self._key_of_gram[grams[places]]
            short = np.flatnonzero((short_keys >= 0) & ~is_anchor)
            keys[short] = short_keys[short]
            is_anchor[short] = self._fours[keys[short]] == four[short] & np.uint32(0xFFFFFF)
            found_places.append(places[is_anchor] + offset)
            found_keys.append(keys[is_anchor])
        places, keys = np.concatenate(found_places), np.concatenate(found_keys)
        return self._possible(view, places - self._offsets[keys], keys)

    def _possible(
        self, view: np.ndarray, places: np.ndarray, keys: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of the places those where a whole anchor stands, and may stand; in rising order."""
        is_possible = ~self._is_longer[keys]
        longer = np.flatnonzero(~is_possible)
        longer = longer[places[longer] + _MAX_ANCHOR_BYTES <= len(view)]
        is_possible[longer] = self._is_whole(_folded(view, places[longer], "<u8"))
        places, keys = places[is_possible], keys[is_possible]
        before = view[places - 1]
        is_inside = _IS_INNER[before]
        is_possible = ~self._goes_on[keys] | is_inside | _IS_JOINER[before]
        is_possible &= ~self._starts_token[keys] | ~is_inside | _follows_escape(view, places)
        places, keys = places[is_possible], keys[is_possible]
        order = np.argsort(places, kind="stable")
        return places[order], keys[order]

    def _is_whole(self, first: np.ndarray) -> np.ndarray:
        """Whether the first 5 to 8 bytes are those of a longer anchor."""
        is_whole = np.zeros(len(first), np.bool_)
        for length, anchors in self._longer.items():
            looked_at = first & np.uint64((1 << 8 * length) - 1)
            at = np.minimum(np.searchsorted(anchors, looked_at), len(anchors) - 1)
            is_whole |= anchors[at] == looked_at
        return is_whole


def _fold(anchor: bytes) -> bytes:
    return bytes(byte | 0x20 for byte in anchor)


_MAX_ANCHOR_BYTES = 8
_COMMON_OF_OTHERS = {ord(" "): 7, ord("_"): 5}  # of letters it is 0 to 8
_COMMON_OF_SIGNS = 3
_COMMON_GRAMS = frozenset(
    b"ion,ess,ect,ode,tat,ing,ng ,on ,lin,add,ock,ure,ase,net,cat,th , th, co, = ,par,tio,ent,str,int,the,for,ret,"
    b"sta,ter,end,ate,pro,con,com,ver,all,per,res,def,val, on,al ,e k,nne,ass".split(b",")
)
_FOLD = 0x2020202020202020


def _offsets(anchors: set[bytes]) -> dict[bytes, int]:
    """Where in each anchor the 4 bytes lie that are looked for: the rarest ones, and the same for the same 4 bytes."""
    offsets: dict[bytes, int] = {}
    offset_of: dict[bytes, int] = {}
    for anchor in sorted(anchors, key=lambda anchor: (len(anchor), anchor)):
        windows = [
            _fold(anchor[at : at + 4]) for at in range(max(1, min(len(anchor), _MAX_ANCHOR_BYTES) - 3))
        ]
        free = [
            at
            for at, window in enumerate(windows)
            if offset_of.get(window, at) == at and (at == 0 or offset_of.get(window[:3]) is None)
        ]
        assert free, f"an anchor without 4 bytes of its own: {anchor!r}"
        offsets[anchor] = min(free, key=lambda at: _frequency(windows[at]))
        offset_of[windows[offsets[anchor]]] = offsets[anchor]
    return offsets


def _frequency(window: bytes) -> int:
    """About how often the bytes stand in a text, as a logarithm; the first 3, looked for first, count twice."""
    pairs = [
        commonness(a, b) if a in _LETTERS and b in _LETTERS else _COMMON_OF_OTHERS.get(b, _COMMON_OF_SIGNS)
        for a, b in itertools.pairwise(window)
    ]
    return sum(pairs) + sum(pairs[:2]) + 20 * (window[:3] in _COMMON_GRAMS)


def _longer_anchors(anchors: Iterable[bytes]) -> dict[int, np.ndarray]:
    """By their length the anchors of more than 4 bytes, each as a number of its first 8 bytes."""
    by_length: dict[int, set[int]] = {}
    for anchor in anchors:
        if len(anchor) > 4:
            by_length.setdefault(min(len(anchor), _MAX_ANCHOR_BYTES), set()).add(_number(anchor))
    return {length: np.array(sorted(found), np.uint64) for length, found in by_length.items()}


_IS_INNER = np.zeros(256, np.bool_)
_IS_INNER[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = True
_IS_JOINER = np.zeros(256, np.bool_)
_IS_JOINER[list(b"_-.")] = True


def _follows_escape(view: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Behind `\\n` in a string or `%3D` in an address a token may start, though a letter stands before it."""
    return (view[places - 2] == ord("\\")) | (view[places - 3] == ord("%"))


# ---------------------------------------------------------------- random runs

# The characters of a token are letters, digits and `_-+/.~`.
_LEADING_ONES = np.array([8 - (~byte & 255).bit_length() for byte in range(256)], np.uint8)
_TRAILING_ONES = np.array(
    [((~byte & 255) & -(~byte & 255)).bit_length() - 1 if byte < 255 else 8 for byte in range(256)], np.uint8
)
_MIN_DIGITS, _MIN_CHANGES = 2, 5  # 20 drawn of 36 symbols have 5.6 and 7.6
_BYTES_A_CHANGE = 8  # at most; of 36 symbols it is 2.5
_MAX_COUNTED_BYTES = 256
MIN_RUN_BYTES = 16


def _is_between(view: np.ndarray, first: bytes, last: bytes) -> np.ndarray:
    return (view - np.uint8(first[0])) <= np.uint8(last[0] - first[0])  # below `first` it wraps around


def _bits(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8[len(view) / 8] twice: a bit for every character of a token, and for every digit.

    Comparisons of a block in the cache take a third of the time of a table that is looked up.
    """
    is_token, is_digit = np.empty((2, len(view) // 8), np.uint8)
    for offset in range(0, len(view), BLOCK_BYTES):
        block = view[offset : offset + BLOCK_BYTES]
        found = _is_between(block | np.uint8(0x20), b"a", b"z")
        found |= _is_between(block, b"-", b"9")
        for joiner in b"_+~":
            found |= block == joiner
        bits = slice(offset // 8, (offset + len(block)) // 8)
        is_token[bits] = np.packbits(found)
        is_digit[bits] = np.packbits(_is_between(block, b"0", b"9"))
    return is_token, is_digit


def random_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of the runs of 16 token characters or more with two digits, in which letters and digits change.

    view: uint8; its length is a multiple of 8, and in the first 8 and the last 16 bytes there is no token.
    Such a run holds 8 aligned bytes without a gap, so that the rest of the texts is looked at once, 8 bytes at a time.
    """
    is_token, is_digit = _bits(view)
    is_full = is_token == 255
    begin = np.flatnonzero(is_full[1:] > is_full[:-1]) + 1  # the first and the last full 8 bytes of every run
    end = np.flatnonzero(is_full[:-1] > is_full[1:])
    is_near_digit = is_digit[1:-1] | is_digit[:-2] | is_digit[2:]
    near_digit = np.flatnonzero((is_near_digit != 0) & is_full[1:-1]) + 1
    has_digit = np.zeros(len(begin), np.bool_)
    has_digit[np.searchsorted(begin, near_digit, side="right") - 1] = True
    begin, end = begin[has_digit], end[has_digit]
    starts = begin * 8 - _TRAILING_ONES[is_token[begin - 1]]
    lengths = end * 8 + 8 + _LEADING_ONES[is_token[end + 1]] - starts
    is_long = lengths >= MIN_RUN_BYTES
    starts, lengths = starts[is_long], lengths[is_long]
    for is_enough, looked_at in ((_has_digits, is_digit), (_alternates, view)):
        chosen = is_enough(looked_at, starts, np.minimum(lengths, _MAX_COUNTED_BYTES))
        starts, lengths = starts[chosen], lengths[chosen]
    return starts, lengths


_KINDS = np.zeros(256, np.uint8)  # one bit each for lower case, upper case and digits
for _kind, _first, _last in ((1, b"a", b"z"), (2, b"A", b"Z"), (4, b"0", b"9")):
    _KINDS[_first[0] : _last[0] + 1] = _kind
_FROM = np.array([255 >> place for place in range(8)], np.uint8)  # the bits from a place on
_AT = np.array([128 >> place for place in range(8)], np.uint8)
_BEFORE = np.array([255 & ~(255 >> place) for place in range(9)], np.uint8)


def _octets(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The octets in which the runs lie, by their numbers, and where those of each run begin and end in this list."""
    first, last = starts >> 3, (starts + lengths - 1) >> 3
    ends = np.cumsum(last - first + 1)
    begins = ends - (last - first + 1)
    return np.arange(begins.size and ends[-1]) + np.repeat(first - begins, last - first + 1), begins, ends - 1


def _num_set(
    bits: np.ndarray, starts: np.ndarray, stops: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """int64[runs]: how many bits are set from `starts` on and before `stops`."""
    bits[begins] &= _FROM[starts & 7]
    bits[ends] &= _BEFORE[stops - (stops - 1 >> 3 << 3)]
    return np.add.reduceat(np.bitwise_count(bits), begins, dtype=np.int64) if begins.size else begins


def _has_digits(is_digit: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """bool[runs]: whether there are two digits."""
    octets, begins, ends = _octets(starts, lengths)
    return _num_set(is_digit[octets], starts, starts + lengths, begins, ends) >= _MIN_DIGITS


def _alternates(view: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """bool[runs]: whether letters, digits and the case change often enough."""
    octets, begins, ends = _octets(starts, lengths)
    kinds = _KINDS.take(view.view("<u8")[octets].view(np.uint8)).reshape(-1, 8)
    following = np.concatenate([kinds[:, 1:], _KINDS.take(view[octets * 8 + 8])[:, None]], axis=1)
    is_change = np.packbits(np.bitwise_count(kinds | following) == 2, axis=1)[
        :, 0
    ]  # 2: both are letters or digits
    is_change[ends] &= ~_AT[starts + lengths - 1 & 7]  # the last byte changes into what is no part of the run
    num_changes = _num_set(is_change, starts, starts + lengths, begins, ends)
    return num_changes >= np.maximum(_MIN_CHANGES, lengths // _BYTES_A_CHANGE)
