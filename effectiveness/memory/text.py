"""Token ids of files as one text: each file behind a separator, which is the id that equals the vocabulary's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.memory import _native

MAX_TOKENS = 2**32 - 2**20  # places are 32-bit numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """The bytes of every token: token t is `joined[offsets[t]:offsets[t + 1]]`."""

    joined: np.ndarray  # uint8 [bytes]
    offsets: np.ndarray  # uint32 [V + 1]

    @classmethod
    def of(cls, token_bytes: Sequence[bytes]) -> Spelling:
        lengths = np.fromiter(map(len, token_bytes), np.int64, len(token_bytes))
        joined = np.frombuffer(b"".join(token_bytes) or b"\0", np.uint8)
        return cls(joined=joined, offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.uint32))

    @property
    def vocab_size(self) -> int:
        return len(self.offsets) - 1


def checked_ids(ids: np.ndarray | Sequence[int], vocab_size: int, where: str) -> np.ndarray:
    """`ids` as uint32 [T]. Raises UserError for one outside the vocabulary."""
    given = np.asarray(ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "ui"):
        raise UserError(
            f"{where}: token ids are one row of integers, not {given.dtype} of {given.ndim} dimensions"
        )
    bad = np.flatnonzero((given < 0) | (given >= vocab_size)) if given.size else np.empty(0, np.intp)
    if len(bad):
        raise UserError(
            f"{where}: token id {given[bad[0]]} at place {bad[0]} is outside the vocabulary of {vocab_size}; "
            "use the tokenizer that the memory was made with"
        )
    return np.ascontiguousarray(given, np.uint32)


def join_files(ids: np.ndarray, file_starts: np.ndarray, vocab_size: int) -> np.ndarray:
    """The text [N + F] of files `ids[file_starts[f]:file_starts[f + 1]]`, as uint16 where the separator fits."""
    num_files = len(file_starts) - 1
    text = np.full(len(ids) + num_files, vocab_size, np.uint16 if vocab_size < 2**16 else np.uint32)
    lengths = np.diff(file_starts)
    keep = np.ones(len(text), bool)
    keep[file_starts[:-1] + np.arange(num_files)] = False
    if np.any(lengths < 0) or keep.sum() != len(ids):
        raise UserError("file_starts must rise from 0 to the number of ids")
    text[keep] = ids
    return text


def hash_places(
    text: np.ndarray, spelling: Spelling, contexts: Sequence[int], bucket_bits: int, symbols: np.ndarray
) -> np.ndarray:
    """Keys uint64 [contexts, places] of all places of a text, in its order."""
    num_places = int(np.count_nonzero(text != spelling.vocab_size))
    keys = np.empty((len(contexts), num_places), np.uint64)
    _native.hash_places(
        text,
        text.itemsize,
        spelling.joined,
        spelling.offsets,
        bytes(contexts),
        bucket_bits,
        symbols,
        keys.reshape(-1),
    )
    return keys
