"""What goes on while the server answers: saved files are read again, weights and confidence are fitted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from effectiveness.common.endings import CannotPrint, tell_on_stderr
from effectiveness.common.records import UserError
from effectiveness.completion.scoring import Setup, fit_joined, fit_rules, halves
from effectiveness.memory.build import FIT_TOKENS, fit
from effectiveness.serve.knowledge import SEED, Knowledge

POLL_S, QUICK_POLL_S = 1.0, 0.02  # between two looks at the files; quick while somebody asks
SHARE_OF_TIME, QUICK_SHARE = (
    0.05,
    0.25,
)  # of a core at most, for looking: a large tree is looked at less often


@dataclass(slots=True)
class Background:
    """Fits weights and confidence at the lowest priority, and looks for saved files."""

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
        self.knowledge.woken.set()

    def _watch(self) -> None:
        pause_s, told = QUICK_POLL_S, ""
        while True:
            self.knowledge.woken.wait(pause_s)
            self.knowledge.woken.clear()
            if self.stopped.is_set():
                return
            begun, num_saved = time.thread_time(), 0
            try:
                num_saved, told = self.knowledge.refresh(), ""
            except (OSError, UserError) as error:  # the repository is gone, or cannot be listed at the moment
                if str(error) != told:
                    told = str(error)
                    self._tell(f"repository  not read again: {told}; served as it was, and looked for")
                self.stopped.wait(10 * POLL_S)
            # Reading what was saved is no looking: who saves one file goes on with the next.
            pause_s = self._pause_s(0.0 if num_saved else time.thread_time() - begun)

    def _pause_s(self, looked_s: float) -> float:
        """Until the next look, after one that took `looked_s` of this thread's processor time."""
        is_asked = self.knowledge.is_asked_lately
        shortest_s, share = (QUICK_POLL_S, QUICK_SHARE) if is_asked else (POLL_S, SHARE_OF_TIME)
        return max(shortest_s, min(10 * POLL_S, looked_s / share))

    def _tell(self, line: str) -> None:
        """An editor may have closed what it started the server with, and asks on: this thread has to live."""
        try:
            self.say(line)
        except CannotPrint as error:
            tell_on_stderr(f"note: {error}; the server goes on")

    def _fit_quietly(self) -> None:
        _step_back()
        self.fit()

    def fit(self) -> None:
        """Weights and confidence as `effectiveness memory` fits them: the first answers could not wait for it."""
        knowledge = self.knowledge
        if knowledge.is_fitted or knowledge.completer.memory is None:
            return
        memory = knowledge.completer.memory
        setup = self._setup()
        meeting, judging = halves(knowledge.val)
        if setup.network is not None:
            setup = replace(setup, joined=fit_joined(setup.memory, setup.network, meeting))
        arm = setup.arms[-1]
        judgement = fit_rules(setup, judging)[arm]
        with knowledge.lock:
            memory.learned = (setup.joined or setup.memory).learned
            knowledge.completer.judgement = judgement
            knowledge.completer.readers.forget()
            knowledge.is_fitted = True
        self._tell(f"fitted  weights and confidence, on {judgement.num_questions} lines")

    def _setup(self) -> Setup:
        """Memory and model apart from those that answer meanwhile: without live files, with another kept prompt."""
        completer = self.knowledge.completer
        assert completer.memory is not None
        apart = completer.memory.with_learned(self.knowledge.weights)
        if apart.learned is None:
            apart.learned = fit(apart, seed=SEED, tokens=FIT_TOKENS)
        network = completer.network and completer.network.apart()
        return Setup(coder=completer.coder, memory=apart, network=network)


def _step_back() -> None:
    """This thread alone is to wait for all others."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
