"""A causal model as a source of next-token distributions: over a file from its beginning, or after one prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.completion.decoder import Decoder, NumpyStates, open_decoder
from effectiveness.completion.spelling import TextCoder
from effectiveness.trainer.model_files import refuse_unless_finished

if TYPE_CHECKING:
    from torch import nn

    from effectiveness.completion.lines import Hypothesis

NEW_TOKENS = 64  # of the window, kept free for what is written
CUT_STEP = 128  # a prompt that slides by a token each time would share no beginning with the one before


class States(Protocol):
    """What a model has read, kept from one prompt to the next: a keystroke changes only its end."""

    ids: list[int]  # the last prompt

    def over(self, ids: np.ndarray, first: int, vocab_size: int) -> Iterator[np.ndarray]:
        """Float32 [t, V], some at a time: what follows `ids[: first + 1]` and each token after it; nothing is kept."""

    def read(
        self, ids: list[int], vocab_size: int, must_stop: Callable[[], bool] = bool
    ) -> np.ndarray | None:
        """Float32 [1, V] after a prompt, of which only what differs from the last one is read.

        None where it had to stop before the end: what was read is kept for the next time.
        """

    def grow(self, hypotheses: Sequence[Hypothesis], vocab_size: int) -> np.ndarray:
        """Float32 [hypotheses, V]; each is one of the last call with a token more, behind the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A model whose first `vocab_size` outputs are the ids of a memory."""

    model: nn.Module | Decoder
    vocab_size: int
    begin: int  # control token before a file's first token
    window: int  # tokens it may see
    # Control tokens before prefix, suffix and middle, if it learnt to fill.
    fim: tuple[int, int, int] | None = None
    fills_suffix_first: bool = False  # the gap's suffix may stand first
    states: States = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", _states_of(self.model))

    def apart(self) -> Network:
        """The same model, which shares nothing that is kept: for another thread."""
        return replace(self)

    def over_file(self, ids: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(place, float32 [t, V]) of each next token from the file's first on, with window / 2 and more before it."""
        text = np.concatenate(([self.begin], np.asarray(ids, np.int64)))
        step = max(1, self.window // 2)
        for first in range(0, len(ids), step if len(ids) > self.window else self.window):
            last = min(len(ids), first + (step if len(ids) > self.window else self.window))
            start = max(0, last - self.window)
            place = first
            for rows in self.rows(text[start:last], first - start):
                yield place, rows
                place += len(rows)

    def rows(self, inputs: Sequence[int] | np.ndarray, first: int = 0) -> Iterator[np.ndarray]:
        """Float32 [t, V], some at a time: what follows `inputs[: first + 1]` and each token after it."""
        return self.states.over(np.asarray(inputs, np.int64), first, self.vocab_size)

    def after(self, ids: Sequence[int]) -> Continuation:
        """What follows the end of a text, of which it sees what the window has room for."""
        return Continuation(self, [self.begin, *ids])

    def between(self, before: Sequence[int], after: Sequence[int]) -> Continuation:
        """What stands between two texts, for a model that learnt to fill; it sees what the window has room for."""
        fim_prefix, fim_suffix, fim_middle = self.fim or (0, 0, 0)
        room = max(2, self.window - NEW_TOKENS - 3)
        behind = list(after)[: room // 3]
        ahead = nearest(list(before), room - len(behind))
        if self.fills_suffix_first:
            return Continuation(self, [fim_prefix, fim_suffix, *behind, fim_middle, *ahead])
        return Continuation(self, [fim_prefix, *ahead, fim_suffix, *behind, fim_middle])


def _states_of(model: nn.Module | Decoder) -> States:
    if isinstance(model, Decoder):
        return NumpyStates(model)
    from effectiveness.completion.torch_states import TorchStates

    return TorchStates(model)


class Continuation:
    """Distributions after a prompt and hypotheses that grow by a token at a time. The last one of a network answers."""

    def __init__(self, network: Network, ids: Sequence[int], room: int = NEW_TOKENS) -> None:
        self._network = network
        self._prompt = nearest(list(ids), network.window - room)
        self._rows: dict[Hypothesis, int] = {}
        self._shares = np.empty((0, network.vocab_size), np.float32)

    def read_in_time(self, must_stop: Callable[[], bool]) -> bool:
        """Reads the prompt, as far as there is time: whether that was all of it."""
        shares = self._network.states.read(self._prompt, self._network.vocab_size, must_stop)
        if shares is None:
            return False
        self._shares, self._rows = shares, {(): 0}
        return True

    def probabilities(self, hypotheses: Sequence[Hypothesis]) -> np.ndarray:
        """float32 [hypotheses, V]; they are those of the last call, or each is one of those with a token more."""
        wanted = list(hypotheses)
        if not all(ids in self._rows for ids in wanted):
            self._advance(wanted)
        return self._shares[[self._rows[ids] for ids in wanted]]

    def _advance(self, wanted: list[Hypothesis]) -> None:
        if not self._rows:
            self.read_in_time(bool)
        if wanted != [()]:
            states = self._network.states
            assert states.ids is self._prompt, "another prompt was read in between"
            self._shares = states.grow(wanted, self._network.vocab_size)
            self._rows = {ids: row for row, ids in enumerate(wanted)}


def nearest(ids: list[int], room: int) -> list[int]:
    """The end of a text that is longer than the room, cut where it was cut a keystroke ago, too."""
    room = max(1, room)
    if len(ids) <= room:
        return ids
    step = max(1, min(CUT_STEP, room // 2))
    return ids[-(-(len(ids) - room) // step) * step :]


def open_model(directory: Path) -> tuple[TextCoder, Network]:
    """The finished model of a training and its tokenizer. Raises UserError where it is none."""
    coder = open_coder(directory)
    return coder, load_network(directory, coder)


def open_coder(directory: Path) -> TextCoder:
    """The tokenizer of a finished model. Raises UserError where there is no such model."""
    refuse_unless_finished(directory)  # before its tokenizer is looked for
    return TextCoder(directory)


def load_network(directory: Path, coder: TextCoder) -> Network:
    """The finished model of a training. Raises UserError where it is none, or has another tokenizer."""
    from effectiveness.trainer.model_files import (
        fills_suffix_first,
        model_on_disk_can_fill,
        read_config,
    )
    from effectiveness.trainer.vocabulary import Vocabulary

    refuse_unless_finished(directory)
    vocabulary = Vocabulary(directory)
    if vocabulary.sha256 != coder.sha256:
        raise UserError(
            f"{directory} has another tokenizer than the dataset (sha256 {vocabulary.sha256[:12]}, "
            f"{coder.sha256[:12]}); name a model that was trained on this dataset"
        )
    vocab_size, control = len(coder.token_bytes), vocabulary.control
    model, window = _load(directory, vocab_size)
    config = read_config(str(directory), directory)
    can_fill = model_on_disk_can_fill(config, vocabulary, directory)
    return Network(
        model=model,
        vocab_size=vocab_size,
        begin=control.begin,
        window=window,
        fim=control.fim if can_fill else None,
        fills_suffix_first=fills_suffix_first(config),
    )


def _load(directory: Path, vocab_size: int) -> tuple[nn.Module | Decoder, int]:
    """The model and its window: in numpy where that can be, else by torch, which also says what is wrong with it."""
    decoder = open_decoder(directory)
    if decoder is not None and decoder.shape.vocab_size >= vocab_size:
        return decoder, decoder.shape.context_tokens
    from effectiveness.trainer.complete import num_positions
    from effectiveness.trainer.models import load_pretrained

    model = load_pretrained(str(directory), window=1, vocab_size=vocab_size).eval()
    return model, num_positions(model)
