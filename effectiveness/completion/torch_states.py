"""Any causal model of transformers: keys and values of the last prompt, one pair of tensors a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from effectiveness.completion.decoder import MAX_ROWS, READ_TOKENS, num_shared
from effectiveness.trainer.devices import autocast, choose_precision

if TYPE_CHECKING:
    from torch import nn

    from effectiveness.completion.lines import Hypothesis


@dataclass(slots=True)
class TorchStates:
    """What the model has read; see `network.States`."""

    model: nn.Module
    ids: list[int] = field(default_factory=list)
    layers: list[tuple] = field(default_factory=list)  # of the prompt; none where layers forget places
    _cache: Any = None  # of keys and values, as the model makes it; hypotheses are behind the prompt
    _places: dict[Hypothesis, list[int]] = field(
        default_factory=dict
    )  # of each hypothesis' tokens in the cache
    _rows: dict[Hypothesis, int] = field(default_factory=dict)

    @torch.no_grad()
    def over(self, ids: np.ndarray, first: int, vocab_size: int) -> Iterator[np.ndarray]:
        inputs, wanted = self._tensor([ids]), len(ids) - first
        with autocast(inputs.device, choose_precision("auto", inputs.device)):
            done = self.model(input_ids=inputs, use_cache=False, logits_to_keep=wanted)
        logits = done.logits[0, -wanted:]  # of a model that keeps all, too
        for place in range(0, wanted, MAX_ROWS):
            yield _shares(logits[place : place + MAX_ROWS], vocab_size)

    @torch.no_grad()
    def read(
        self, ids: list[int], vocab_size: int, must_stop: Callable[[], bool] = bool
    ) -> np.ndarray | None:
        from transformers.cache_utils import DynamicCache

        shared = num_shared(self.ids, ids) if self.layers else 0
        pairs = [(keys[..., :shared, :], values[..., :shared, :]) for keys, values in self.layers]
        self._cache, self._places, self._rows = DynamicCache(pairs) if shared else None, {}, {(): 0}
        for first in range(shared, len(ids), READ_TOKENS):
            if first > shared and self.layers and must_stop():  # without layers it would begin anew each time
                return None
            inputs = self._tensor([ids[first : first + READ_TOKENS]])
            done = self.model.eval()(
                input_ids=inputs, past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
            self._cache, self.ids = done.past_key_values, ids[: first + READ_TOKENS]
            self.layers = _layers_of(self._cache, len(self.ids))
        self.ids = ids
        return _shares(done.logits[:, -1], vocab_size)

    @torch.no_grad()
    def grow(self, hypotheses: Sequence[Hypothesis], vocab_size: int) -> np.ndarray:
        if self.layers:
            logits = self._side_by_side(hypotheses)
        else:  # each hypothesis has a copy of its own
            self._cache.reorder_cache(torch.tensor([self._rows[ids[:-1]] for ids in hypotheses]))
            inputs = self._tensor([[ids[-1]] for ids in hypotheses])
            done = self.model(input_ids=inputs, past_key_values=self._cache, use_cache=True)
            self._cache, logits = done.past_key_values, done.logits[:, -1]
        self._rows = {ids: row for row, ids in enumerate(hypotheses)}
        return _shares(logits, vocab_size)

    def _side_by_side(self, hypotheses: Sequence[Hypothesis]):
        """All hypotheses in one sequence: each token sees the prompt, its own hypothesis so far, and itself.

        Copies of the cache, one a hypothesis, took three quarters of the time.
        """
        known, place = len(self.ids), self._cache.get_seq_length()
        dtype = next(self.model.parameters()).dtype
        shape = (1, 1, len(hypotheses), place + len(hypotheses))
        mask = torch.full(shape, torch.finfo(dtype).min, dtype=dtype)
        mask[..., :known] = 0
        places = {}
        for row, ids in enumerate(hypotheses):
            places[ids] = [*self._places.get(ids[:-1], []), place + row]
            mask[0, 0, row, places[ids]] = 0
        self._places = places
        inputs = self._tensor([[ids[-1] for ids in hypotheses]])
        positions = torch.full_like(inputs, known + len(hypotheses[0]) - 1)
        done = self.model(
            input_ids=inputs,
            attention_mask=mask.to(inputs.device),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = done.past_key_values
        return done.logits[0]

    def _tensor(self, rows):
        device = next(self.model.parameters()).device
        return torch.as_tensor(np.array(rows, dtype=np.int64), device=device)


def _layers_of(cache, length: int) -> list[tuple]:
    """Its tensors, where every layer holds every place; nothing of others, which are read anew each time."""
    layers = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    is_whole = all(
        keys is not None and keys.shape[-2] == length and not layer.is_sliding
        for layer, (keys, _) in zip(cache.layers, layers, strict=True)
    )
    return layers if is_whole else []


def _shares(logits, vocab_size: int) -> np.ndarray:
    return torch.softmax(logits[..., :vocab_size].float(), -1).cpu().numpy()
