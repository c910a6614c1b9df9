"""A causal model as a source of next-token distributions: over a file from its beginning, or after one prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from effectiveness.common.records import UserError
from effectiveness.completion.spelling import TextCoder

if TYPE_CHECKING:
    from torch import nn

    from effectiveness.completion.lines import Hypothesis

NEW_TOKENS = 64  # of the window, kept free for what is written
CUT_STEP = 128  # a prompt that slides by a token each time would share no beginning with the one before
MAX_ROWS = 256  # distributions made at a time: 256 x 151,936 float32 are 156 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A model whose first `vocab_size` outputs are the ids of a memory."""

    model: nn.Module
    vocab_size: int
    begin: int  # control token before a file's first token
    window: int  # tokens it may see
    # Control tokens before prefix, suffix and middle, if it learnt to fill.
    fim: tuple[int, int, int] | None = None
    kept: KeptPrompt = field(default_factory=lambda: KeptPrompt())  # what the next prompt may begin with

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
        """Float32 [t, V], at most MAX_ROWS at a time: what follows `inputs[: first + 1]` and each token after it."""
        import torch

        with torch.no_grad():
            logits = self.model(input_ids=self._tensor([inputs]), use_cache=False).logits[0]
        for place in range(first, len(inputs), MAX_ROWS):
            yield self._shares(logits[place : place + MAX_ROWS])

    def after(self, ids: Sequence[int]) -> Continuation:
        """What follows the end of a text, of which it sees what the window has room for."""
        return Continuation(self, [self.begin, *ids])

    def between(self, before: Sequence[int], after: Sequence[int]) -> Continuation:
        """What stands between two texts, for a model that learnt to fill; it sees what the window has room for."""
        fim_prefix, fim_suffix, fim_middle = self.fim or (0, 0, 0)
        room = max(2, self.window - NEW_TOKENS - 3)
        behind = list(after)[: room // 3]
        ahead = list(before)[-(room - len(behind)) :]
        return Continuation(self, [fim_prefix, *ahead, fim_suffix, *behind, fim_middle])

    def _tensor(self, rows):
        import torch

        return torch.as_tensor(np.array(rows, dtype=np.int64), device=next(self.model.parameters()).device)

    def _shares(self, logits) -> np.ndarray:
        import torch

        return torch.softmax(logits[..., : self.vocab_size].float(), -1).cpu().numpy()


@dataclass(slots=True)
class KeptPrompt:
    """Keys and values of the last prompt, one pair of tensors a layer: a keystroke changes only its end."""

    ids: list[int] = field(default_factory=list)
    layers: list[tuple] = field(default_factory=list)

    def beginning_of(self, ids: list[int]) -> int:
        """How many of the ids are known; the last one is always read again, for what follows it is asked for."""
        shared = 0
        for ours, theirs in zip(self.ids, ids[:-1], strict=False):
            if ours != theirs:
                break
            shared += 1
        return shared


class Continuation:
    """Distributions after a prompt and hypotheses that grow by a token at a time, on one key-value cache."""

    def __init__(self, network: Network, ids: Sequence[int], room: int = NEW_TOKENS) -> None:
        self._network = network
        self._prompt = nearest(list(ids), network.window - room)
        self._cache: Any = None  # of keys and values, as the model makes it
        self._rows: dict[Hypothesis, int] = {}
        self._places: dict[Hypothesis, list[int]] = {}  # of each hypothesis' tokens in the cache
        self._shares = np.empty((0, network.vocab_size), np.float32)

    def probabilities(self, hypotheses: Sequence[Hypothesis]) -> np.ndarray:
        """float32 [hypotheses, V]; they are those of the last call, or each is one of those with a token more."""
        wanted = list(hypotheses)
        if not all(ids in self._rows for ids in wanted):
            self._advance(wanted)
        return self._shares[[self._rows[ids] for ids in wanted]]

    def _advance(self, wanted: list[Hypothesis]) -> None:
        import torch

        model = self._network.model.eval()
        with torch.no_grad():
            if self._cache is None:
                done = self._read_prompt(model)
                logits = done.logits[:, -1]
            elif self._network.kept.layers:
                done = self._grow(model, wanted)
                logits = done.logits[0]
            else:  # layers that forget places: each hypothesis has a copy of its own
                self._cache.reorder_cache(torch.tensor([self._rows[ids[:-1]] for ids in wanted]))
                inputs = self._network._tensor([[ids[-1]] for ids in wanted])
                done = model(input_ids=inputs, past_key_values=self._cache, use_cache=True)
                logits = done.logits[:, -1]
        self._cache = done.past_key_values
        self._shares = self._network._shares(logits)
        self._rows = {ids: row for row, ids in enumerate(wanted if len(wanted[0]) else [()])}

    def _grow(self, model, wanted: list[Hypothesis]):
        """All hypotheses in one sequence: each token sees the prompt, its own hypothesis so far, and itself.

        Copies of the cache, one a hypothesis, took three quarters of the time.
        """
        import torch

        known, place = len(self._prompt), self._cache.get_seq_length()
        dtype = next(model.parameters()).dtype
        mask = torch.full((1, 1, len(wanted), place + len(wanted)), torch.finfo(dtype).min, dtype=dtype)
        mask[..., :known] = 0
        places = {}
        for row, ids in enumerate(wanted):
            places[ids] = [*self._places.get(ids[:-1], []), place + row]
            mask[0, 0, row, places[ids]] = 0
        self._places = places
        inputs = self._network._tensor([[ids[-1] for ids in wanted]])
        positions = torch.full_like(inputs, known + len(wanted[0]) - 1)
        return model(
            input_ids=inputs,
            attention_mask=mask.to(inputs.device),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )

    def _read_prompt(self, model):
        """The part of the prompt that is not kept; what is read is kept for the next one."""
        from transformers.cache_utils import DynamicCache

        kept = self._network.kept
        shared = kept.beginning_of(self._prompt) if kept.layers else 0
        pairs = [(keys[..., :shared, :], values[..., :shared, :]) for keys, values in kept.layers]
        cache = DynamicCache(pairs) if shared else None
        inputs = self._network._tensor([self._prompt[shared:]])
        done = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        kept.ids, kept.layers = self._prompt, _layers_of(done.past_key_values, len(self._prompt))
        return done


def _layers_of(cache, length: int) -> list[tuple]:
    """Its tensors, where every layer holds every place; nothing of others, which are read anew each time."""
    layers = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    is_whole = all(
        keys is not None and keys.shape[-2] == length and not layer.is_sliding
        for layer, (keys, _) in zip(cache.layers, layers, strict=True)
    )
    return layers if is_whole else []


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
    _refuse_unless_finished(directory)  # before its tokenizer is looked for
    return TextCoder(directory)


def _refuse_unless_finished(directory: Path) -> None:
    if not (directory / "config.json").is_file():
        raise UserError(f"{directory} holds no finished model; give the --output of a training")


def load_network(directory: Path, coder: TextCoder) -> Network:
    """The finished model of a training. Raises UserError where it is none, or has another tokenizer."""
    from effectiveness.trainer.complete import num_positions
    from effectiveness.trainer.gap_record import can_fill
    from effectiveness.trainer.models import load_pretrained
    from effectiveness.trainer.vocabulary import Vocabulary

    _refuse_unless_finished(directory)
    vocabulary = Vocabulary(directory)
    if vocabulary.sha256 != coder.sha256:
        raise UserError(
            f"{directory} has another tokenizer than the dataset (sha256 {vocabulary.sha256[:12]}, "
            f"{coder.sha256[:12]}); name a model that was trained on this dataset"
        )
    vocab_size = len(coder.token_bytes)
    model = load_pretrained(str(directory), window=1, vocab_size=vocab_size).eval()
    control = vocabulary.control
    return Network(
        model=model,
        vocab_size=vocab_size,
        begin=control.begin,
        window=num_positions(model),
        fim=control.fim if can_fill(model, vocabulary, directory) else None,
    )
