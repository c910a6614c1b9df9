"""Who answers in the server: memory and model of a repository, under one lock, kept up to date behind it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.common.seeding import rng_for
from effectiveness.common.workers import map_large_blocks
from effectiveness.completion.at_cursor import Answer, Completer, Cursor
from effectiveness.completion.confidence import Judgement, fit
from effectiveness.completion.lines import likely_lines
from effectiveness.completion.network import KeptPrompt, Network
from effectiveness.completion.predictors import JoinedPredictor, MemoryPredictor
from effectiveness.completion.questions import HeldOutFile, draw_questions
from effectiveness.completion.scoring import fit_joined
from effectiveness.completion.spelling import TextCoder
from effectiveness.corpus.tokenization import Encoder, local_vocab_size, train_bpe
from effectiveness.memory import Memory, build_memory
from effectiveness.memory.build import FIT_TOKENS
from effectiveness.memory.build import fit as fit_memory
from effectiveness.serve.repository import LineIndex, LiveRepository

SEED = 1
FIRST_FIT_TOKENS = 8_000  # weights to begin with; the others are fitted while the server answers
FIRST_MEETING_TOKENS = 2_000
MEETING_TOKENS = 60_000
JUDGED_QUESTIONS = 120
MAX_QUESTION_TOKENS = 3_000
POLL_S = 1.0


@dataclass(slots=True, kw_only=True)
class Knowledge:
    """A completer, the repository behind it, and the lock that both are used under."""

    completer: Completer
    repository: LiveRepository | None = None
    encoder: Encoder | None = None
    lines: LineIndex = field(default_factory=LineIndex)
    lock: threading.Lock = field(default_factory=threading.Lock)
    num_saved: int = 0
    is_fitted: bool = False

    @property
    def what(self) -> str:
        """Who answers, in words."""
        memory, network = self.completer.memory, self.completer.network
        files = f"memory of {len(self.repository.texts):,} files" if self.repository else ""
        return " and ".join(filter(None, (files if memory else "", "model" if network else "")))

    def answer(self, cursor: Cursor) -> Answer:
        """The answer by the time it is wanted; an empty one where others are served until then."""
        if not self.lock.acquire(
            timeout=max(0.0, min(cursor.until - time.monotonic(), threading.TIMEOUT_MAX))
        ):
            return Answer(is_whole=False)
        try:
            return self.completer.answer(replace(cursor, path=self._path(cursor)))
        finally:
            self.lock.release()

    def _path(self, cursor: Cursor) -> str:
        """The file of the repository that the cursor is in: by its name where that is one, else by its lines."""
        if self.repository is None:
            return ""
        known = self.repository.texts
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
            with self.lock:
                self.completer.memory.update(change.path, ids)
                self.completer.readers.forget(change.path)
                self.lines.add(change.path, change.text or b"")
        self.num_saved += len(changes)
        return len(changes)


def open_knowledge(
    repository: LiveRepository | None,
    network_of: Callable[[], tuple[TextCoder, Network] | None],
    quiet_below: float,
) -> Knowledge:
    """A repository's memory with first weights, joined to the model if there is one."""
    map_large_blocks()  # readers come and go by the thread, whose blocks would stay
    found = network_of()
    if repository is None:
        if found is None:
            raise UserError("nothing to serve: name a MODEL, or --repository PATH, or both")
        return Knowledge(
            completer=Completer(coder=found[0], network=found[1], quiet_below=quiet_below), is_fitted=True
        )
    with tempfile.TemporaryDirectory(prefix="serve-") as scratch:
        coder = found[0] if found else _train_coder(repository.texts, Path(scratch))
        encoder = Encoder(coder.file)
    memory = memory_of_texts(repository.texts, encoder, coder)
    network = found[1] if found else None
    if network is not None:
        memory = fit_joined(memory, network, _sample_files(memory), FIRST_MEETING_TOKENS)
    completer = Completer(coder=coder, memory=memory, network=network, quiet_below=quiet_below)
    return Knowledge(
        completer=completer, repository=repository, encoder=encoder, lines=LineIndex.of(repository.texts)
    )


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


def _sample_files(memory: Memory) -> list[HeldOutFile]:
    paths = list(memory.paths)
    rng_for(SEED, "meeting").shuffle(paths)
    return [HeldOutFile(path=path, ids=memory.file_ids(path)) for path in paths]


# --- while it answers -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Background:
    """Fits weights and confidence at the lowest priority, and looks for saved files every second."""

    knowledge: Knowledge
    say: Callable[[str], None]
    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for work in (self._watch, self._fit_quietly):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self) -> None:
        self.stopped.set()

    def _watch(self) -> None:
        while not self.stopped.wait(POLL_S):
            try:
                self.knowledge.refresh()
            except (OSError, UserError) as error:  # the repository is gone, or cannot be listed at the moment
                self.say(f"repository  not read again: {error}")
                self.stopped.wait(10 * POLL_S)

    def _fit_quietly(self) -> None:
        _step_back()
        self.fit()

    def fit(self) -> None:
        """Weights and confidence from more of the repository than the first answers could wait for."""
        knowledge = self.knowledge
        if knowledge.is_fitted or knowledge.completer.memory is None:
            return
        memory, network = knowledge.completer.memory, knowledge.completer.network
        apart = memory.with_learned(memory.learned)  # without live files, which others change meanwhile
        if network is None:
            learned: bytes | np.ndarray | None = fit_memory(apart, seed=SEED, tokens=FIT_TOKENS)
        else:
            network = replace(network, kept=KeptPrompt())
            learned = fit_joined(apart, network, _sample_files(apart), MEETING_TOKENS).learned
        apart = memory.with_learned(learned)
        judgement = judge(knowledge.completer.coder, apart, network, self.stopped)
        with knowledge.lock:
            memory.learned = learned
            knowledge.completer.judgement = judgement
            knowledge.completer.readers.forget()
            knowledge.is_fitted = True
        self.say(f"fitted  weights and confidence, on {judgement.num_questions} lines of the repository")


def judge(coder: TextCoder, memory: Memory, network: Network | None, stopped: threading.Event) -> Judgement:
    """How sure to be of which probability: next lines of files, each asked as if it were not in the memory."""
    files = _sample_files(memory)[:JUDGED_QUESTIONS]
    candidates, truths = [], []
    for question in draw_questions(files, coder, JUDGED_QUESTIONS, SEED):
        if stopped.is_set():
            break
        before = [*question.file.ids[: question.place].tolist(), *question.rest]
        reader = memory.reader(question.file.path)
        reader.feed(np.array(before[-MAX_QUESTION_TOKENS:], np.uint32))
        predictor = (
            MemoryPredictor(reader) if network is None else JoinedPredictor(reader, network.after(before))
        )
        candidates.append(likely_lines(predictor, coder.token_bytes, stop=coder.control))
        truths.append(question.truth)
    return fit(candidates, truths)


def _step_back() -> None:
    """This thread alone is to wait for all others."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
