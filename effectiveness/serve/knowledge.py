"""Who answers in the server: memory and model of a repository or dataset, under one lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from effectiveness.common.console import count
from effectiveness.common.endings import scratch_directory
from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.common.workers import map_large_blocks
from effectiveness.completion.at_cursor import Answer, Completer, Cursor
from effectiveness.completion.network import Network
from effectiveness.completion.questions import HeldOutFile
from effectiveness.completion.scoring import fit_joined, halves
from effectiveness.completion.spelling import TextCoder
from effectiveness.completion.store import DatasetMemory
from effectiveness.corpus.tokenization import Encoder
from effectiveness.corpus.tokenization.source import local_vocab_size, train_bpe
from effectiveness.memory import Memory, build_memory
from effectiveness.serve.repository import LineIndex, LiveRepository, SavedFile

SEED = 1
FIRST_FIT_TOKENS = 6_000  # weights to begin with; the others are fitted while the server answers
FIRST_MEETING_TOKENS = 2_000
ASKED_LATELY_S = 60.0
SAMPLED_FILES, TOKENS_OF_A_SAMPLED_FILE = 120, 3_000


@dataclass(slots=True, kw_only=True)
class Knowledge:
    """A completer, what is behind it, and the lock that both are used under."""

    completer: Completer
    repository: LiveRepository | None = None
    encoder: Encoder | None = None
    val: Sequence[HeldOutFile] = ()  # that nothing learned from: weights and confidence are fitted on them
    weights: bytes | np.ndarray | None = None  # of the memory alone, None where they are still to be fitted
    paths: Collection[str] = ()  # of files that the memory knows; those of a repository change with it
    lines: LineIndex = field(default_factory=LineIndex)
    lock: threading.Lock = field(default_factory=threading.Lock)
    saved: deque[tuple[SavedFile, np.ndarray | None]] = field(default_factory=deque)  # and not taken over yet
    num_saved: int = 0
    asked_at: float = field(default_factory=time.monotonic)  # the last time
    woken: threading.Event = field(
        default_factory=threading.Event
    )  # who looks for saved files is to look now
    is_fitted: bool = False

    @property
    def what(self) -> str:
        """Who answers, in words."""
        memory = f"memory of {count(len(self.paths), 'file')}" if self.completer.memory else ""
        return " and ".join(filter(None, (memory, "model" if self.completer.network else "")))

    @property
    def is_asked_lately(self) -> bool:
        return time.monotonic() - self.asked_at < ASKED_LATELY_S

    def answer(self, cursor: Cursor) -> Answer:
        """The answer by the time it is wanted; an empty one where others are served until then."""
        if not self.is_asked_lately:
            self.woken.set()
        self.asked_at = time.monotonic()
        if not self.lock.acquire(
            timeout=max(0.0, min(cursor.until - time.monotonic(), threading.TIMEOUT_MAX))
        ):
            return Answer(is_whole=False)
        try:
            if cursor.is_gone():
                return Answer(is_whole=False)
            self._take_over()
            return self.completer.answer(replace(cursor, path=self._path(cursor)))
        finally:
            self.lock.release()

    def _path(self, cursor: Cursor) -> str:
        """The file that the cursor is in: by its name where that is one we know, else by its lines."""
        known = self.paths
        parts = cursor.path.replace("\\", "/").split("/")
        by_name = next((p for i in range(len(parts)) if (p := "/".join(parts[i:])) in known), "")
        return by_name or self.lines.path_of(cursor.prefix, cursor.suffix or "", known)

    def refresh(self) -> int:
        """Take over what was saved since the last time; returns how many files that is."""
        if self.repository is None or self.encoder is None or self.completer.memory is None:
            return 0
        changes = self.repository.changes()
        for change in changes:
            ids = None if change.text is None else self.encoder.encode(change.text)
            self.saved.append((change, ids))
        if self.saved and self.lock.acquire(blocking=False):
            try:
                self._take_over()
            finally:
                self.lock.release()
        return len(changes)

    def _take_over(self) -> None:
        """What was saved, under the lock: by who answers next where the one that reads would wait for its turn."""
        memory = self.completer.memory
        while self.saved and memory is not None:
            change, ids = self.saved.popleft()
            memory.update(change.path, ids)
            self.completer.readers.forget(change.path)
            self.lines.add(change.path, change.text or b"")
            self.num_saved += 1


def open_knowledge(
    repository: LiveRepository | None,
    kept: DatasetMemory | None,
    network_of: Callable[[], Network | None],
    quiet_below: float,
    coder: TextCoder | None = None,
) -> Knowledge:
    """The memory of a repository, a dataset, or a dataset as its repository is now, joined to a model if there is one.

    `coder`: the model's. `network_of` is asked for the model when the memory stands.
    """
    map_large_blocks()  # readers come and go by the thread, whose blocks would stay
    if repository is None and kept is None:
        return Knowledge(completer=_model_alone(network_of(), coder, quiet_below), is_fitted=True)
    coder, encoder, memory = _memory_of(repository, kept, coder)
    val = kept.held_out["val"] if kept else _sample(memory)
    weights = memory.learned if kept else None
    network = network_of()
    if network is not None:
        memory.learned = fit_joined(memory, network, halves(val)[0], FIRST_MEETING_TOKENS).learned
    known = repository.texts if repository else _texts_of(memory, coder)
    return Knowledge(
        completer=Completer(coder=coder, memory=memory, network=network, quiet_below=quiet_below),
        repository=repository,
        encoder=encoder,
        val=val,
        weights=weights,
        paths=known.keys(),
        lines=LineIndex.of(known),
    )


def _model_alone(network: Network | None, coder: TextCoder | None, quiet_below: float) -> Completer:
    if network is None or coder is None:
        raise UserError("nothing to serve: name a MODEL, --repository PATH or --dataset DIR")
    return Completer(coder=coder, network=network, quiet_below=quiet_below)


def _memory_of(
    repository: LiveRepository | None, kept: DatasetMemory | None, coder: TextCoder | None
) -> tuple[TextCoder, Encoder, Memory]:
    if kept is not None:
        encoder = Encoder(kept.coder.file)
        if repository is not None:
            _take_over(kept.memory, repository, encoder)
        return kept.coder, encoder, kept.memory
    assert repository is not None
    with scratch_directory("serve-") as scratch:
        coder = coder or _train_coder(repository.texts, scratch)
        encoder = Encoder(coder.file)
        return coder, encoder, memory_of_texts(repository.texts, encoder, coder)


def _take_over(memory: Memory, repository: LiveRepository, encoder: Encoder) -> None:
    """The repository has gone on since its dataset was built."""
    now = {path: encoder.encode(text) for path, text in repository.texts.items()}
    then = {path: memory.ids_now(path) for path in memory.known_paths}
    memory.update_all(
        {path: ids for path, ids in now.items() if path not in then or not np.array_equal(ids, then[path])}
    )
    for path in then.keys() - now.keys():
        memory.update(path, None)


def _train_coder(texts: dict[str, bytes], directory: Path) -> TextCoder:
    size = local_vocab_size(sum(map(len, texts.values())))
    train_bpe((text.decode() for text in texts.values()), size, directory / "tokenizer.json")
    return TextCoder(directory)


def memory_of_texts(texts: dict[str, bytes], encoder: Encoder, coder: TextCoder) -> Memory:
    """The memory of these files with its first weights."""
    ids = [encoder.encode(text) for text in texts.values()]
    starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    joined = np.concatenate([np.empty(0, np.uint32), *ids]).astype(np.uint32)
    return build_memory(
        joined, starts, list(texts), coder.token_bytes, seed=SEED, fit_tokens=FIRST_FIT_TOKENS,
        tokenizer_sha256=coder.sha256 if coder.file.exists() else "",
    )  # fmt: skip


def _sample(memory: Memory) -> list[HeldOutFile]:
    """Beginnings of files of the memory: where no val file is, weights and confidence are fitted on these.

    Each is read as if it were not in the memory; what a model learnt of them cannot be taken from it.
    """
    paths = list(memory.paths)
    rng_for(SEED, "meeting").shuffle(paths)
    return [
        HeldOutFile(path=path, ids=memory.file_ids(path)[:TOKENS_OF_A_SAMPLED_FILE])
        for path in paths[:SAMPLED_FILES]
    ]


def _texts_of(memory: Memory, coder: TextCoder) -> dict[str, bytes]:
    return {path: coder.spell(memory.ids_now(path).tolist()) for path in memory.known_paths}
