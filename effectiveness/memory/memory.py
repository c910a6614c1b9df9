"""The memory of a repository: static index, fitted weights, live files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.memory import _native
from effectiveness.memory.index import Index
from effectiveness.memory.live import LiveFiles, Sign, run_of
from effectiveness.memory.reader import Reader
from effectiveness.memory.store import load, save
from effectiveness.memory.text import checked_ids


@dataclass(slots=True, eq=False)
class Memory:
    """What a repository says after any text. Make one with `build_memory`, or `Memory.open` one that was saved."""

    index: Index
    paths: tuple[str, ...]
    file_starts: np.ndarray  # int64 [F + 1]: files in the text, each behind its separator
    learned: bytes | np.ndarray | None  # weights and maps, None until they are fitted
    tokenizer_sha256: str
    native: _native.Index = field(init=False, repr=False)
    live: LiveFiles = field(init=False, repr=False)
    _file_of: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.native = self.index.native()
        self.live = LiveFiles(self.index.spelling, self.index.tree.symbols)
        self._file_of = {path: number for number, path in enumerate(self.paths)}

    @classmethod
    def open(cls, directory: Path) -> Memory:
        """A saved memory, mapped and checked against its digests. Raises UserError where it is missing or damaged."""
        return cls(**load(directory))

    def save(self, directory: Path) -> None:
        """Write it in one step: a reader of `directory` sees the old memory or this one. Live files are not saved."""
        assert self.learned is not None, "build_memory has fitted it"
        save(directory, self.index, self.paths, self.file_starts, self.learned, self.tokenizer_sha256)

    def with_learned(self, learned: bytes | np.ndarray | None) -> Memory:
        """The same static index, read with other weights: those of `Reader.learned`."""
        return replace(self, learned=learned)

    @property
    def vocab_size(self) -> int:
        return self.index.spelling.vocab_size

    @property
    def num_tokens(self) -> int:
        """Tokens of the static part."""
        return len(self.index.places)

    def file_ids(self, path: str) -> np.ndarray:
        """Ids uint32 [T] of a file of the static part, as it was when that was made."""
        if path not in self._file_of:
            raise UserError(f"{path} is not in this memory; it holds {len(self.paths)} files")
        number = self._file_of[path]
        start, end = self.file_starts[number] + 1, self.file_starts[number + 1]
        return self.index.text[start:end].astype(np.uint32)

    @property
    def known_paths(self) -> tuple[str, ...]:
        """Files as they are now: those of the static part that nothing was said about since, and live ones."""
        kept = [path for path in self.paths if path not in self._changed]
        return (*kept, *self.live.texts)

    def ids_now(self, path: str) -> np.ndarray:
        """Ids uint32 [T] of a file of `known_paths`."""
        return self.live.texts[path] if path in self._changed else self.file_ids(path)

    def update(self, path: str, ids: Sequence[int] | np.ndarray | None) -> None:
        """The file `path` now holds `ids`; None: it is gone. Readers opened from now on see that."""
        checked = None if ids is None else checked_ids(ids, self.vocab_size, path)
        self.live.update(path, checked)
        self._changed.add(path)

    def update_all(self, texts: Mapping[str, Sequence[int] | np.ndarray]) -> None:
        """Like `update` of each, in the time of one reading of them all."""
        checked = {path: checked_ids(ids, self.vocab_size, path) for path, ids in texts.items()}
        self.live.update_all(checked)
        self._changed |= checked.keys()

    _changed: set[str] = field(init=False, default_factory=set, repr=False)

    def reader(self, path: str = "") -> Reader:
        """A reader at the beginning of the file `path`, whose earlier self it forgets."""
        return Reader(self, _native.Reader(self.native, self.learned, *self.sources(path)))

    def sources(self, path: str) -> tuple[np.ndarray, list[tuple]]:
        """What the native reader leaves out of the static part, and the runs it adds and takes."""
        out = sorted({self._file_of[name] for name in {path, *self._changed} if name in self._file_of})
        bounds = [(self.file_starts[number] + 1, self.file_starts[number + 1]) for number in out]
        gaps = np.array(bounds, np.int64).reshape(-1)
        taken = [self.index.text[start:end].astype(np.uint32) for start, end in bounds]
        runs = []
        for sign, texts in ((Sign.TAKE_STATIC, taken), (Sign.TAKE, self.live.stale(path))):
            if texts:
                runs.append((sign, run_of(texts, self.index.spelling, self.index.tree.symbols)))
        runs += [(Sign.ADD, run) for run in self.live.added(path)]
        return gaps, [(int(sign), run.keys, run.offsets) for sign, run in runs]
