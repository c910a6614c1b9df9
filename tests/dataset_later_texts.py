"""The later set read as text: whole files and parts of files, put together again from the windows that were written.

Of a file that is new every window is there; of one that changed only those that hold new tokens. So a text may begin
and end anywhere: its first and last words may belong to tokens that were cut, everything between is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import orjson
from dataset_checks import is_among, tokenizer_fits
from dataset_facts import LATER_SPLIT, Facts, first_few, named
from dataset_later import SPAN, Later, later_of
from dataset_rows import MASKED, SPAN_TOKENS, RowReader, digest_of
from dataset_texts import BUDGET_TOKENS, Judge, Stream, UnreadableTokenizer, plain_tokenizer

from effectiveness.common.boundary import open_binary
from effectiveness.common.records import DATASET_FILES, LATER_FILE, SPLITS


@dataclass(frozen=True)
class Piece:
    """Tokens [first, first + len(ids)) of a file: windows of it that overlap."""

    path: str
    language: str
    rows: np.ndarray  # in the order of their windows
    first: int
    ids: np.ndarray
    scored: np.ndarray  # bool[len(ids)]

    @property
    def begins_file(self) -> bool:
        return self.first == 0

    @property
    def ends_file(self) -> bool:
        return bool(self.rows["chunk"][-1] == self.rows["total"][-1] - 1)

    @property
    def name(self) -> str:
        return f"{LATER_FILE}: {self.path}, tokens {self.first} to {self.first + len(self.ids)}"


class LaterTexts:
    """The sampled files of a later set. `problems` are windows that contradict each other."""

    def __init__(self, facts: Facts, later: Later):
        self._facts, self._later = facts, later
        self._reader = RowReader(facts.layout, LATER_SPLIT)
        self.problems: list[str] = []
        self.pieces: list[Piece] = []
        with open_binary(facts.directory / LATER_FILE) as stream:
            for pieces in self._of_sampled_files(stream):
                self.pieces += pieces

    def _of_sampled_files(self, stream) -> Iterator[list[Piece]]:
        rows, left = self._later.rows, BUDGET_TOKENS
        names = [hashlib.sha256(values[0].encode()).digest() for values in self._later.files]
        for file in sorted(range(len(names)), key=names.__getitem__):
            if left <= 0:
                return
            pieces = list(self._join(np.flatnonzero(rows["file"] == file), stream))
            left -= sum(len(piece.ids) for piece in pieces)
            yield pieces

    def _join(self, places: np.ndarray, stream) -> Iterator[Piece]:
        """The rows at `places`, all of one file, cut where a window does not overlap the one before it."""
        starts = self._later.rows["start"][places]
        places = places[np.argsort(starts, kind="stable")]
        rows = self._later.rows[places]
        apart = np.flatnonzero(rows["start"][1:] > (rows["start"] + rows["length"])[:-1]) + 1
        for part in np.split(np.arange(len(places)), apart):
            yield self._piece(rows[part], places[part], stream)

    def _piece(self, rows: np.ndarray, places: np.ndarray, stream) -> Piece:
        first = int(rows["start"][0])
        ids = np.full(int((rows["start"] + rows["length"]).max()) - first, -1)
        scored = np.zeros(len(ids), bool)
        path, _, _, language, *_ = self._later.files[rows["file"][0]]
        for row, place in zip(rows, places.tolist(), strict=True):
            here = slice(int(row["start"]) - first, int(row["start"]) - first + int(row["length"]))
            tokens = np.array(_tokens(stream, row)[: int(row["length"])])
            if ((ids[here] >= 0) & (ids[here] != tokens)).any():
                self.problems.append(f"{LATER_FILE}:{row['line']}: other tokens than the windows before it")
            ids[here] = tokens
            scored[here] |= self._later.mask(place)
        return Piece(path, language, rows, first, ids, scored)

    @cached_property
    def _tokenizer(self):
        return plain_tokenizer(self._facts.directory)

    @cached_property
    def _bytes_of(self) -> list[bytes] | None:
        """The bytes of each id; None where the tokenizer is not a byte-level one."""
        config = orjson.loads(self._tokenizer.to_str())
        if (config.get("decoder") or {}).get("type") != "ByteLevel" or config.get("normalizer"):
            return None
        vocabulary = self._tokenizer.get_vocab()
        found = [b""] * (1 + max(vocabulary.values()))
        byte = {character: value for value, character in enumerate(_byte_level_alphabet())}
        for token, token_id in vocabulary.items():
            found[token_id] = bytes(byte[character] for character in token)
        return found

    def misencoded(self) -> list[str]:
        """Pieces whose ids are not those the tokenizer gives for their text."""
        return [told for piece in self.pieces for told in self._misencoded(piece)]

    def _misencoded(self, piece: Piece) -> list[str]:
        if self._bytes_of is None:
            return self._misencoded_whole(piece)
        parts = [self._bytes_of[token] for token in piece.ids.tolist()]
        text, edges = b"".join(parts), np.cumsum([0, *map(len, parts)])
        if not piece.begins_file and not piece.ends_file and len(text.split()) < 8:
            return []  # hardly a word that is not at an edge
        a, low = (0, 0) if piece.begins_file else _after_a_word(text)
        b, high = (len(text), len(text)) if piece.ends_file else _before_a_word(text)
        try:
            encoding = self._tokenizer.encode(text[a:b].decode(), add_special_tokens=False)
        except UnicodeDecodeError as error:
            return [f"{piece.name}: no UTF-8 text ({error.reason})"]
        lengths = [len(self._bytes_of[token]) for token in encoding.ids]
        expected = _between(a + np.cumsum([0, *lengths]), np.array(encoding.ids), low, high)
        if np.array_equal(expected, _between(edges, piece.ids, low, high)):
            return []
        return [f"{piece.name}: not what the tokenizer makes of the text there"]

    def _misencoded_whole(self, piece: Piece) -> list[str]:
        if not (piece.begins_file and piece.ends_file):
            return []
        text = self._tokenizer.decode(piece.ids.tolist(), skip_special_tokens=False)
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [f"{piece.name}: not what the tokenizer makes of the text"] * (ids != piece.ids.tolist())

    def misjudged(self) -> list[str]:
        """Windows of whole files whose complexity is not what the curriculum gives for their text."""
        judge, told = Judge(self._facts.directory, self._facts.layout.window), []
        for piece in self.pieces:
            if piece.begins_file and piece.ends_file:
                stream = Stream(piece.path, piece.language, 0, piece.rows, piece.ids.tolist())
                told += judge.misjudged(stream, self._tokenizer.decode(stream.ids, skip_special_tokens=False))
        return told

    def unlike_lines(self) -> list[str]:
        """What is new are lines, less the text that is known: ranges begin and end where a line or a known span does.

        Nothing can be said where spans are sampled, and of an edge so near to a window that was left out that a known
        span would reach into it. A span may also be known by a line of another later file that no row holds, so one
        edge in ten may be another; one of 622 was, in 17 histories.
        """
        if self._bytes_of is None or self._facts.layout.sample_bits:
            return []
        edges = [(piece, edge) for piece in self.pieces for edge in _inner_edges(piece.scored)]
        odd = [at for at in edges if not self._is_line_end(*at) and self._is_beside_new(*at)]
        if len(odd) <= max(1, len(edges) // 10):
            return []
        return [
            f"{piece.name}: what is new begins or ends within a line, at token {piece.first + edge}"
            for piece, edge in odd
        ]

    def _is_line_end(self, piece: Piece, edge: int) -> bool:
        return b"\n" in self._bytes_of[int(piece.ids[edge - 1])]

    def _is_beside_new(self, piece: Piece, edge: int) -> bool:
        """Whether the 50 tokens beside what is new at an edge are there, and are not known."""
        first = edge - SPAN_TOKENS if piece.scored[edge] else edge
        if first < 0:
            return piece.begins_file
        if first + SPAN_TOKENS > len(piece.ids):
            return piece.ends_file
        return not self._is_known(piece, piece.ids[first : first + SPAN_TOKENS])

    def _is_known(self, piece: Piece, ids: np.ndarray) -> bool:
        """Whether the tokens stand in a row of the dataset, or in another later file."""
        hashes = self._reader.span_hashes(ids)
        if any(
            is_among(hashes, known).any() for known in (*self._facts.spans.values(), self._held_out_variants)
        ):
            return True
        spans = self._later_spans
        at = slice(*np.searchsorted(spans["hash"], hashes[:1].repeat(2) + np.arange(2, dtype=np.uint64)))
        return bool((spans["file"][at] != piece.rows["file"][0]).any())

    @cached_property
    def _held_out_variants(self) -> np.ndarray:
        """uint64, in order: spans that `Facts.spans` leaves out, since they count for no leak."""
        rows = self._facts.rows
        rows = rows[(rows["split"] != 0) & (rows["variant"] != 0) & (rows["variant"] != MASKED)]
        found = [np.zeros(0, np.uint64)]
        for split in np.unique(rows["split"]).tolist():
            found += self._spans_of(DATASET_FILES[SPLITS[split]], rows[rows["split"] == split])
        return np.unique(np.concatenate(found))

    @cached_property
    def _later_spans(self) -> np.ndarray:
        """SPAN, in order: of all tokens of the later rows, new or not."""
        rows = self._later.rows
        found = list(self._spans_of(LATER_FILE, rows))
        spans = np.empty(sum(map(len, found)), SPAN)
        spans["hash"] = np.concatenate(found)
        spans["file"] = rows["file"].repeat(list(map(len, found)))
        return np.unique(spans)

    def _spans_of(self, name: str, rows: np.ndarray) -> Iterator[np.ndarray]:
        with open_binary(self._facts.directory / name) as stream:
            for row in rows:
                ids = np.array(_tokens(stream, row)[: int(row["length"])], np.int32)
                yield self._reader.span_hashes(ids)

    def left_out(self) -> list[str]:
        """Windows with new tokens that are not there, though no row equals them."""
        rows = np.concatenate((self._facts.rows["digest"], self._later.rows["digest"]))
        known = set(map(tuple, rows.tolist()))
        return [
            f"{piece.name}: the window at token {start} holds new tokens and is not there"
            for piece in self.pieces
            for start in self._starts_left_out(piece)
            if digest_of(self._window(piece.ids, piece, start).astype(np.int32)) not in known
        ]

    def _starts_left_out(self, piece: Piece) -> Iterator[int]:
        stride, window = self._facts.layout.stride, self._facts.layout.window
        first, last = -(-piece.first // stride) * stride, piece.first + len(piece.ids) - window
        for start in sorted(set(range(first, last + 1, stride)) - set(piece.rows["start"].tolist())):
            if self._window(piece.scored, piece, start).any():
                yield start

    def _window(self, values: np.ndarray, piece: Piece, start: int) -> np.ndarray:
        return values[start - piece.first :][: self._facts.layout.window]


def _tokens(stream, row: np.void) -> list[int]:
    stream.seek(int(row["offset"]))
    return orjson.loads(stream.readline())["tokens"]


def _byte_level_alphabet() -> list[str]:
    """byte -> the character that stands for it in a byte-level vocabulary, as GPT-2 laid it down."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _after_a_word(text: bytes) -> tuple[int, int]:
    """(where a text that begins anywhere can be encoded from, where its tokens are surely those of the file)."""
    second, third = (len(text.split(None, words)[-1]) for words in (1, 2))
    return len(text) - second, len(text) - third


def _before_a_word(text: bytes) -> tuple[int, int]:
    """(where a text that ends anywhere can be encoded up to, up to where its tokens are surely those of the file)."""
    return len(text.rsplit(None, 1)[0]), len(text.rsplit(None, 2)[0])


def _between(edges: np.ndarray, ids: np.ndarray, low: int, high: int) -> list[tuple[int, int]]:
    """(where it begins, id) of each token that lies within [low, high)."""
    inside = (edges[:-1] >= low) & (edges[1:] <= high)
    return list(zip(edges[:-1][inside].tolist(), ids[inside].tolist(), strict=True))


def _inner_edges(scored: np.ndarray) -> list[int]:
    """Where ranges begin and end, without the ends of the array."""
    return (np.flatnonzero(scored[1:] != scored[:-1]) + 1).tolist()


# ----------------------------------------------------------- checks


def _texts_of(facts: Facts) -> LaterTexts | None:
    """None where there are no sound rows; what is unsound is told elsewhere."""
    later = later_of(facts)
    if not len(later.rows):
        return None
    if later.texts is None:
        if unfit := tokenizer_fits(facts):
            raise UnreadableTokenizer(unfit[0])
        later.texts = LaterTexts(facts, later)
    return later.texts


def later_ids_are_the_tokenizers(facts: Facts) -> list[str]:
    texts = _texts_of(facts)
    if texts is None:
        return []
    return first_few(texts.problems) + first_few(texts.misencoded()) + first_few(texts.left_out())


def later_ranges_are_lines(facts: Facts) -> list[str]:
    texts = _texts_of(facts)
    return first_few(texts.unlike_lines()) if texts else []


def later_complexity_is_finite(facts: Facts) -> list[str]:
    later = later_of(facts)
    if not len(later.rows):
        return []
    odd = later.rows[~(np.isfinite(later.rows["complexity"]) & (later.rows["complexity"] >= 0))]
    return named(
        later.as_facts(facts),
        odd,
        lambda row: f"complexity must be a finite number >= 0, got {row['complexity']}",
    )


def later_complexity_is_that_of_the_text(facts: Facts) -> list[str]:
    texts = _texts_of(facts)
    return first_few(texts.misjudged()) if texts else []
