"""What any model has to beat on held-out files: a uniform guess, and a cache n-gram over the same tokens.

The n-gram is trained on the originals of the training files (each token once, whatever the windows' overlap) and
goes on counting within the held-out file it reads, so that it knows the names of that file. Orders are
interpolated by Witten and Bell's rule: p_n(w|h) = (c(hw) + t(h) p_{n-1}(w|h')) / (c(h) + t(h)) with t(h) distinct
followers of h; the lowest order is uniform over the vocabulary. What stands in the file at hand counts for more than
the same elsewhere: a share of the probability is that of the file's own counts alone (FILE_SHARE).

The training files are never counted whole: only what the held-out places ask for is looked up, one order at a
time, by hashes of contexts in numpy. A corpus of 8 million tokens takes seconds instead of gigabytes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from effectiveness.common.hashing import stretch_hashes

ORDER = 5  # tokens of context, and the one predicted
# 8 to 11 % fewer bits than 0 on val files of three corpora; the best shares were 0.33 to 0.46.
FILE_SHARE = 0.35
CHUNK_TOKENS = 2_000_000  # of the training files, counted at a time


Seen = tuple[int, int, int]  # times a token followed a context, all its followers, its distinct followers


class Counts:
    """Followers of every context of up to ORDER tokens."""

    def __init__(self) -> None:
        self.followers: dict[tuple[int, ...], dict[int, int]] = {}
        self.totals: dict[tuple[int, ...], int] = defaultdict(int)

    def add(self, context: tuple[int, ...], token: int) -> None:
        """Count `token` after `context` and after each of its endings."""
        for start in range(len(context) + 1):
            ending = context[start:]
            followers = self.followers.setdefault(ending, {})
            followers[token] = followers.get(token, 0) + 1
            self.totals[ending] += 1

    def seen(self, context: tuple[int, ...], token: int) -> Seen:
        followers = self.followers.get(context)
        return (followers.get(token, 0), self.totals[context], len(followers)) if followers else (0, 0, 0)


def probability(seen: Sequence[Seen], vocab_size: int) -> float:
    """p of a token from what was `seen` of it - as `Counts.seen` says - after contexts of 0, 1, 2 ... tokens."""
    p = 1 / vocab_size
    for count, total, distinct in seen:
        if total:
            p = (count + distinct * p) / (total + distinct)
    return p


def together(in_train: Sequence[Seen], in_file: Sequence[Seen], vocab_size: int) -> float:
    """p of a token from the counts of the training files and of its file so far, by context length.

    `in_train` may go on to contexts that are longer than the file so far: they are not looked at.
    """
    added = [(a + d, b + e, c + f) for (a, b, c), (d, e, f) in zip(in_train, in_file, strict=False)]
    of_both, of_file = probability(added, vocab_size), probability(in_file, vocab_size)
    return (1 - FILE_SHARE) * of_both + FILE_SHARE * of_file


def ngram_nats(
    train: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    vocab_size: int,
    asked: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Nats of the tokens of each held-out text at the places `asked` (int64, rising; None: all), float64."""
    if asked is None:
        asked = [np.arange(len(tokens)) for tokens in held_out]
    in_train = counts_in(train, _joined(held_out), _places(held_out, asked), vocab_size)
    borders = np.cumsum([0, *map(len, asked)])
    return [
        _nats_of_file(tokens, places, in_train[first:last], vocab_size)
        for tokens, places, first, last in zip(held_out, asked, borders[:-1], borders[1:], strict=True)
    ]


def uniform_nats(num_tokens: int, vocab_size: int) -> np.ndarray:
    """Every token equally likely, float64 [tokens]."""
    return np.full(num_tokens, math.log(vocab_size))


def _nats_of_file(tokens: np.ndarray, asked: np.ndarray, in_train: np.ndarray, vocab_size: int) -> np.ndarray:
    """`in_train`: int64 [asked, ORDER + 1, 3]. The file's own counts are those of the tokens before each place."""
    cache, nats, next_asked = Counts(), np.empty(len(asked)), 0
    words = tokens.tolist()
    wanted, trained = asked.tolist(), in_train.tolist()
    for place, token in enumerate(words):
        if next_asked == len(wanted):
            break
        context = tuple(words[max(0, place - ORDER) : place])
        if place == wanted[next_asked]:
            of_file = [cache.seen(context[len(context) - n :], token) for n in range(len(context) + 1)]
            nats[next_asked] = -math.log(together(trained[next_asked], of_file, vocab_size))
            next_asked += 1
        cache.add(context, token)
    return nats


# --- counting in the training files what held-out places ask for ------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """Files end to end, and how far each token stands from the start of its file."""

    tokens: np.ndarray  # uint64
    depth: np.ndarray  # int64


def _joined(files: Sequence[np.ndarray]) -> _Text:
    tokens = np.concatenate([np.empty(0, np.uint64), *(np.asarray(f, np.uint64) for f in files)])
    depth = np.concatenate([np.empty(0, np.int64), *(np.arange(len(f)) for f in files)])
    return _Text(tokens, depth)


def _places(files: Sequence[np.ndarray], asked: Sequence[np.ndarray]) -> np.ndarray:
    starts = np.cumsum([0, *map(len, files)])[:-1]
    return np.concatenate(
        [np.empty(0, np.int64), *(a + start for a, start in zip(asked, starts, strict=True))]
    )


def counts_in(train: Sequence[np.ndarray], held_out: _Text, asked: np.ndarray, vocab_size: int) -> np.ndarray:
    """What `Counts` of `train` would answer at each asked place, int64 [asked, ORDER + 1, 3]; 0 without a context."""
    has_context = [held_out.depth[asked] >= length for length in range(ORDER + 1)]
    contexts = [np.unique(_contexts(held_out, asked[mine], n)) for n, mine in enumerate(has_context)]
    followers = _followers(train, contexts, vocab_size)
    found = np.zeros((len(asked), ORDER + 1, 3), dtype=np.int64)
    for length, mine in enumerate(has_context):
        (pairs, counts), known, places = followers[length], contexts[length], asked[mine]
        context = np.searchsorted(known, _contexts(held_out, places, length))
        wanted = context * vocab_size + held_out.tokens[places].astype(np.int64)
        totals = np.bincount(pairs // vocab_size, counts, len(known)).astype(np.int64)
        distinct = np.bincount(pairs // vocab_size, minlength=len(known))
        found[mine, length] = np.stack(
            (_look_up(pairs, counts, wanted), totals[context], distinct[context]), axis=1
        )
    return found


def _followers(
    train: Sequence[np.ndarray], contexts: Sequence[np.ndarray], vocab_size: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """By context length: distinct pairs, context index x vocab_size + token, and how often `train` holds each."""
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in contexts]
    for chunk in _chunks(train):
        text = _joined(chunk)
        for length, known in enumerate(contexts):
            pairs = _pairs_after(text, known, length, vocab_size)
            parts[length].append(np.unique(pairs, return_counts=True))
    return [_merged(of_length) for of_length in parts]


def _chunks(train: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Whole files, about CHUNK_TOKENS at a time."""
    chunk, size = [], 0
    for tokens in train:
        chunk.append(tokens)
        size += len(tokens)
        if size >= CHUNK_TOKENS:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _pairs_after(text: _Text, known: np.ndarray, length: int, vocab_size: int) -> np.ndarray:
    if not len(known) or not len(text.tokens):
        return np.empty(0, dtype=np.int64)
    places = np.flatnonzero(text.depth >= length)
    hashes = _contexts(text, places, length)
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    is_known = known[at] == hashes
    return at[is_known] * vocab_size + text.tokens[places[is_known]].astype(np.int64)


def _merged(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    pairs, index = np.unique(np.concatenate([pairs for pairs, _ in parts]), return_inverse=True)
    counts = np.bincount(index, np.concatenate([counts for _, counts in parts]), len(pairs))
    return pairs, counts.astype(np.int64)


def _contexts(text: _Text, places: np.ndarray, length: int) -> np.ndarray:
    return stretch_hashes(text.tokens, places - length, places)


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values of `wanted` among the sorted `keys`, 0 where it is not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)
