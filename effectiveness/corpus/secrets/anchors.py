"""Where the anchors of rules stand, and random runs, found in many texts at once.

Every 3 bytes are looked up in a table of the rules' anchors, then a fourth byte where these stand in it; a regular
expression looks at what is left, and at that place only. Random runs are stretches of token characters in which
letters and digits alternate. Both are compiled (_places.c); where nothing was, numpy finds anchors in four times the
time, and a regular expression the runs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

import numpy as np

from effectiveness.corpus.secrets.chance import commonness
from effectiveness.corpus.secrets.rules import ALPHANUMERIC, Rule

try:
    import effectiveness.corpus.secrets._places as _places
except ImportError:  # a dataset is built without a compiler, too
    _places = None

BLOCK_BYTES = 1 << 16  # the arrays of one block stay in the processor's cache
_FACTORS = np.array([0x9E35, 0x6B17, 0x2C6F], np.uint16)
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
        grams = [int(_gram_codes(np.frombuffer(window[:3], np.uint8))[0]) for window in windows]
        self._nexts = np.zeros(1 << 16, np.uint8)  # bits of the fourth byte; of 3 any may follow
        for gram, window in zip(grams, windows, strict=True):
            self._nexts[gram] |= 1 << (window[3] & 7) if len(window) > 3 else 255
        self._begins = self._nexts != 0
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
        places, keys = self.compiled_look_up(view) if _places else self.look_up(view)
        return self._possible(view, places - self._offsets[keys], keys)

    def compiled_look_up(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the 4 bytes of an anchor stand, and its key."""
        places, keys = np.empty(len(view), np.int64), np.empty(len(view), np.int16)
        tables = self._begins, self._nexts, self._fours, self._key_of_code, self._key_of_gram, _FACTORS
        num_found = _places.find_anchors(view, *tables, int(self._factor), _TABLE_BITS, places, keys)
        return places[:num_found], keys[:num_found]

    def look_up(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with numpy."""
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
        return np.concatenate(found_places), np.concatenate(found_keys)

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
_IS_INNER[list(ALPHANUMERIC)] = True
_IS_JOINER = np.zeros(256, np.bool_)
_IS_JOINER[list(b"_-.")] = True


def _follows_escape(view: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Behind `\\n` in a string or `%3D` in an address a token may start, though a letter stands before it."""
    return (view[places - 2] == ord("\\")) | (view[places - 3] == ord("%"))


# --- random runs -----------------------------------------------------------------------------------------------

MIN_RUN_BYTES = 16
_RUN = re.compile(rb"[A-Za-z0-9_+/.~-]{%d,}" % MIN_RUN_BYTES)
_DIGIT = re.compile(rb"[0-9]")
_CHANGE = re.compile(rb"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_MIN_DIGITS, _MIN_CHANGES = 2, 5  # 20 drawn of 36 symbols have 5.6 and 7.6
_BYTES_A_CHANGE = 8  # at most; of 36 symbols it is 2.5
_MAX_COUNTED_BYTES = 256


def random_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of the runs of 16 token characters or more with two digits, in which letters and digits change.

    view: uint8; its length is a multiple of 8, and in the first 8 and the last 16 bytes there is no token.
    """
    return compiled_runs(view) if _places else runs(view)


def compiled_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, lengths = np.empty((2, len(view) // MIN_RUN_BYTES), np.int64)
    num_found = _places.find_runs(view, starts, lengths)
    return starts[:num_found], lengths[:num_found]


def runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by a regular expression."""
    found = (run.span() for run in _RUN.finditer(view.data) if _alternates(run[0][:_MAX_COUNTED_BYTES]))
    starts, ends = np.array([*found], np.int64).reshape(-1, 2).T
    return starts, ends - starts


def _alternates(run: bytes) -> bool:
    """Whether it has digits, and letters, digits and the case change often enough."""
    num_changes = len(_CHANGE.findall(run))
    return (
        num_changes >= max(_MIN_CHANGES, len(run) // _BYTES_A_CHANGE)
        and len(_DIGIT.findall(run)) >= _MIN_DIGITS
    )
