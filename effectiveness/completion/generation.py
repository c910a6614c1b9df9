"""The memory in transformers' `generate`: a logits processor whose scores are log-probabilities of both together."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from transformers import LogitsProcessor

from effectiveness.memory import Reader

if TYPE_CHECKING:
    import torch

TINY = 1e-38  # about the least float32 that is not 0


class MemoryLogits(LogitsProcessor):
    """`model.generate(..., logits_processor=[MemoryLogits(reader)])`.

    `reader`: `Memory.reader()`, which may have read what stands before the prompt or observed what stands behind it;
    it stays as it is. `share`: the model's in a fixed mixture; None: the model is one of the memory's opinions, for
    which a memory with weights fitted by `fit_joined` is meant. `control`: ids of the prompt that are no text (begin,
    gap and padding tokens), which the memory does not read. Every row of a batch, beams too, is read by itself.
    """

    def __init__(self, reader: Reader, share: float | None = None, control: Collection[int] = ()) -> None:
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"share must be in [0, 1], got {share}")
        self.reader, self.share, self.control = reader, share, frozenset(control)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """[B, T] and [B, V or more] to log-probabilities [B, V or more]; ids beyond the memory's get none."""
        import torch

        vocab_size = self.reader.vocab_size
        of_model = torch.softmax(scores[:, :vocab_size].float(), -1).cpu().numpy()
        rows = [self._row(ids, row) for ids, row in zip(input_ids.tolist(), of_model, strict=True)]
        joined = torch.full_like(scores, -torch.inf)
        joined[:, :vocab_size] = torch.from_numpy(np.log(np.maximum(np.stack(rows), TINY))).to(scores)
        return joined

    def _row(self, ids: list[int], of_model: np.ndarray) -> np.ndarray:
        """Float32 [V], sums to 1."""
        text = [token for token in ids if token not in self.control]
        with self.reader.trial(frozen=True):
            self.reader.skim(text)
            if self.share is None:
                joined = self.reader.probabilities(of_model)
            else:
                joined = self.share * of_model + (1 - self.share) * self.reader.probabilities()
        return joined / joined.sum()
