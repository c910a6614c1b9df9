"""Random runs in many texts at once: stretches of token characters in which letters and digits alternate.

They are found by what is compiled (_places.c); where nothing was, numpy counts the bits of 8 bytes at a time.
"""

from __future__ import annotations

import numpy as np

from effectiveness.corpus.secrets.anchors import BLOCK_BYTES, _places

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
    """
    return compiled_runs(view) if _places else runs(view)


def compiled_runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, lengths = np.empty((2, len(view) // MIN_RUN_BYTES), np.int64)
    num_found = _places.find_runs(view, starts, lengths)
    return starts[:num_found], lengths[:num_found]


def runs(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with numpy.

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
