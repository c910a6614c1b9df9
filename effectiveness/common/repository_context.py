"""What other files of a repository say about a place in one of them, written before it as code models know it.

    <|repo_name|>NAME
    <|file_sep|>PATH          an excerpt of another file, the most alike one last
    TEXT<|file_sep|>PATH      the file at hand
    TEXT ...

(Qwen2.5-Coder 2409.12186; StarCoder2 2402.19173 in its own spelling.) Excerpts are found by BM25 (Robertson et al.
1994) over the words that tokens are parts of: an excerpt's words are those of its text and of its path, so that an
import finds the file it names; the words asked for are those around the place and of the file's head and path.
Training, completion and the server ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

EXCERPT_TOKENS = 128
NEAR_TOKENS, HEAD_TOKENS = 256, 128  # of the file at hand: next to the place on each side, and its imports
MAX_SHARE = 0.2  # of all excerpts; a word of more of them says nothing
K1, B = 1.2, 0.75  # BM25: how soon a word said again counts no more, and how much longer excerpts lose
MIN_LETTERS = 2
MOST_FOUND = 64  # excerpts: more fit in no window
CONTEXT_SHARE = 0.5  # of a window, at most, for other files
LEAST_EXCERPT = 16  # tokens: fewer say nothing


Ids = np.ndarray | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTokens:
    """How a vocabulary spells it."""

    repository: int  # before the name
    file: int  # before each path

    @property
    def ids(self) -> tuple[int, int]:
        return self.repository, self.file


def word_table(token_texts: Sequence[bytes]) -> np.ndarray:
    """The word each token stands for, its letters and digits in lower case, int32 [vocabulary]; -1 for none."""
    words: dict[bytes, int] = {}
    table = np.full(len(token_texts), -1, dtype=np.int32)
    for index, text in enumerate(token_texts):
        word = bytes(c for c in text.lower() if chr(c).isalnum() or c >= 0x80)
        if len(word) >= MIN_LETTERS:
            table[index] = words.setdefault(word, len(words))
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpts:
    """Excerpts of files, found by their words."""

    words: np.ndarray  # int32 [vocabulary], of word_table
    paths: tuple[str, ...]
    path_ids: tuple[np.ndarray, ...]  # the paths as tokens
    texts: tuple[np.ndarray, ...]  # int64, of each file
    file: np.ndarray  # int32 [excerpts], ascending
    start: np.ndarray  # int64 [excerpts] in its file
    starts_of_word: np.ndarray  # int64 [words + 1], into the two below
    excerpt_of: np.ndarray  # int32 [pairs of word and excerpt]
    worth: np.ndarray  # float32 [pairs]: what the word adds to the excerpt's score

    @classmethod
    def of(
        cls,
        files: Iterable[tuple[str, np.ndarray]],
        words: np.ndarray,
        encode: Callable[[str], Sequence[int]],
    ) -> Excerpts:
        """Of (path, ids) of files."""
        named = list(files)
        paths = tuple(path for path, _ in named)
        path_ids = tuple(np.array(encode(path), dtype=np.int64) for path in paths)
        counts = [-(-len(ids) // EXCERPT_TOKENS) for _, ids in named]
        file = np.repeat(np.arange(len(named), dtype=np.int32), counts)
        start = np.concatenate(
            [np.arange(count) * EXCERPT_TOKENS for count in counts] or [np.empty(0, np.int64)]
        )
        num_words = int(words.max(initial=-1)) + 1
        keys = []
        for number, (f, at) in enumerate(zip(file.tolist(), start.tolist(), strict=True)):
            said = words[np.concatenate((named[f][1][at : at + EXCERPT_TOKENS], path_ids[f]))]
            keys.append(said[said >= 0].astype(np.int64) * len(file) + number)
        pairs, times = np.unique(np.concatenate(keys or [np.empty(0, np.int64)]), return_counts=True)
        word, excerpt = np.divmod(pairs, max(len(file), 1))
        starts_of_word = np.searchsorted(word, np.arange(num_words + 1))
        lengths = np.bincount(excerpt, times, len(file))
        return cls(
            words=words,
            paths=paths,
            path_ids=path_ids,
            texts=tuple(np.asarray(ids, dtype=np.int64) for _, ids in named),
            file=file,
            start=start,
            starts_of_word=starts_of_word,
            excerpt_of=excerpt.astype(np.int32),
            worth=_worth(word, excerpt, times, lengths, starts_of_word),
        )

    def nearest(self, asked: np.ndarray, without: str) -> list[int]:
        """Excerpts that share words with the tokens `asked`, the most alike first, none of the file `without`."""
        scores = np.zeros(len(self.file), dtype=np.float32)
        said = self.words[asked]
        for word in np.unique(said[said >= 0]).tolist():
            part = slice(self.starts_of_word[word], self.starts_of_word[word + 1])
            scores[self.excerpt_of[part]] += self.worth[part]
        if without in self.paths:
            scores[self.file == self.paths.index(without)] = 0
        least = np.partition(scores, -MOST_FOUND)[-MOST_FOUND] if len(scores) > MOST_FOUND else 0
        found = np.flatnonzero((scores > 0) & (scores >= least))
        return found[np.argsort(-scores[found], kind="stable")].tolist()

    def text(self, excerpt: int) -> np.ndarray:
        start = int(self.start[excerpt])
        return self.texts[int(self.file[excerpt])][start : start + EXCERPT_TOKENS]


def _worth(word, excerpt, times, lengths, starts_of_word) -> np.ndarray:
    """BM25 of each pair."""
    count = max(len(lengths), 1)
    found = np.diff(starts_of_word)
    rarity = np.log1p((count - found + 0.5) / (found + 0.5)) * (found <= max(1.0, MAX_SHARE * count))
    length = lengths[excerpt] / max(float(lengths.mean()), 1.0) if len(lengths) else lengths[excerpt]
    return (rarity[word] * times * (K1 + 1) / (times + K1 * (1 - B + B * length))).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceInFile:
    """A place in a file, and what is known around it."""

    path: str
    before: np.ndarray  # ids of the file up to the place
    after: np.ndarray  # ids behind it, none where a text is only gone on with
    # (path, ids) of what is quoted first, the best one last
    extra: tuple[tuple[str, Ids], ...] = ()

    @property
    def words_asked(self) -> np.ndarray:
        """Tokens next to the place, and of the file's head, where its imports stand."""
        head = self.before[: min(HEAD_TOKENS, max(0, len(self.before) - NEAR_TOKENS))]
        return np.concatenate((head, self.before[-NEAR_TOKENS:], self.after[:NEAR_TOKENS]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryContext:
    """Writes what stands before a text."""

    tokens: ContextTokens
    name: str  # of the repository
    excerpts: Excerpts
    encode: Callable[[str], Sequence[int]]

    def with_files(self, files: Mapping[str, np.ndarray | None]) -> RepositoryContext:
        """The same with these files' ids, too, in place of what they were; None: it is gone."""
        known = zip(self.excerpts.paths, self.excerpts.texts, strict=True)
        kept = [(path, ids) for path, ids in {**dict(known), **files}.items() if ids is not None]
        return replace(self, excerpts=Excerpts.of(kept, self.excerpts.words, self.encode))

    def before(self, place: PlaceInFile, room: int) -> np.ndarray:
        """At most `room` ids, int64, behind which the text at the place goes on: excerpts, the best one last, and the
        file's own path."""
        own = self.encode(f"{place.path}\n")
        head = [self.tokens.repository, *self.encode(f"{self.name}\n")]
        quoted = self._quoted(place, own, room - len(head) - len(own) - 1)
        written = np.concatenate((head, *quoted[::-1], [self.tokens.file], own)).astype(np.int64)
        return written[max(0, len(written) - room) :]

    def _quoted(self, place: PlaceInFile, own: Sequence[int], room: int) -> list[np.ndarray]:
        """What there is room for, the best first, each behind its path; the last one may be cut off."""
        found: list[np.ndarray] = []
        line_break = self.encode("\n")
        for path, text in self._sources(place, own):
            part = np.concatenate(([self.tokens.file], path, line_break, text))
            if len(part) > room and room < LEAST_EXCERPT + len(path):
                break
            found.append(part[:room])
            room -= len(found[-1])
        return found

    def _sources(self, place: PlaceInFile, own: Sequence[int]) -> Iterator[tuple[Ids, Ids]]:
        """(path, text) as ids, the best first."""
        for path, text in reversed(place.extra):
            yield self.encode(path), text[:EXCERPT_TOKENS]
        asked = np.concatenate((place.words_asked, np.array(own, dtype=np.int64)))
        for excerpt in self.excerpts.nearest(asked, place.path):
            yield self.excerpts.path_ids[int(self.excerpts.file[excerpt])], self.excerpts.text(excerpt)
