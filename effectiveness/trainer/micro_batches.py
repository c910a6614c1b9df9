"""The tensors of a few packed sequences, and the thread that makes them while the device works on others."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from effectiveness.trainer.attention import has_kernel
from effectiveness.trainer.documents import Document

ROUND_TO = 32  # sequences are cut to the longest pack of a micro-batch, rounded up
LEAST_BOUNDS = 256  # of documents in a micro-batch of fixed shape


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """Tensors of a few packs, all [B, T]. Padding has weight 0 and is a document of its own."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor
    weights: torch.Tensor  # float32
    rows: tuple[int, ...]  # whose documents these are, for error messages
    # int32 [documents + 1]: first token of each in the flattened batch, and its end
    bounds: torch.Tensor | None = None
    longest: int = 0  # tokens of the longest document, or more where shapes are fixed

    def pinned(self) -> MicroBatch:
        """In memory that a GPU reads by itself."""
        return self._each(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device) -> MicroBatch:
        """On `device`, without waiting where memory is pinned. Bounds go along where a kernel reads them."""
        if device.type == "cpu":
            return self
        batch = self.pinned() if device.type == "cuda" and not self.input_ids.is_pinned() else self
        moved = batch._each(lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))
        return moved if has_kernel(device) else replace(moved, bounds=self.bounds)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> MicroBatch:
        names = ("input_ids", "labels", "position_ids", "weights", "bounds")
        changed: dict[str, Any] = {
            name: change(tensor) for name in names if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **changed)


def collate(packs: list[list[Document]], *, window: int, pad: int, num_lines: int = 0) -> MicroBatch:
    """Lay documents out in [packs, T] tensors; no packs give one line of padding.

    T is the longest pack rounded up to ROUND_TO. With `num_lines` the shape is [num_lines, window] whatever the packs.
    """
    longest = max((sum(len(inputs) for _, inputs, _, _ in pack) for pack in packs), default=1)
    rounded = min(-(-longest // ROUND_TO) * ROUND_TO, window)
    shape = (num_lines, window) if num_lines else (max(len(packs), 1), max(rounded, longest))
    ids, labels = np.full(shape, pad, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    positions = np.broadcast_to(np.arange(shape[1]), shape).copy()
    weights = np.zeros(shape, dtype=np.float32)
    for line, documents in enumerate(packs):
        at = 0
        for _, inputs, targets, weight in documents:
            place = line, slice(at, at + len(inputs))
            ids[place], labels[place], weights[place] = inputs, targets, weight
            positions[place] = np.arange(len(inputs))
            at += len(inputs)
        positions[line, at:] = np.arange(shape[1] - at)  # padding is a document of its own
    bounds, longest = _bounds(positions, num_lines * window)
    return MicroBatch(
        input_ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(positions),
        weights=torch.from_numpy(weights),
        rows=tuple(row for documents in packs for row, *_ in documents),
        bounds=torch.from_numpy(bounds),
        longest=longest,
    )


def _bounds(positions_BT: np.ndarray, num_fixed: int) -> tuple[np.ndarray, int]:
    """(starts of documents and the end of the last one, int32; the longest one's tokens).

    Where shapes are fixed, empty documents fill the bounds up to a power of two, and the longest one may have a window.
    """
    starts = np.flatnonzero(positions_BT == 0)
    lengths = np.diff(starts, append=positions_BT.size)
    size = len(starts) + 1
    if num_fixed:
        size = max(LEAST_BOUNDS, 1 << len(starts).bit_length())
    bounds = np.full(size, positions_BT.size, dtype=np.int32)
    bounds[: len(starts)] = starts
    return bounds, positions_BT.shape[1] if num_fixed else int(lengths.max())


class Ahead:
    """Hands out what `make(*key)` gives, made before it is asked for where the key was foreseen."""

    def __init__(self, make: Callable[..., list[MicroBatch]], *, pin: bool) -> None:
        """`make` is a pure function of its key; `pin` puts the tensors where a GPU reads them by itself."""
        self._make, self._pin = make, pin
        self._thread: ThreadPoolExecutor | None = None
        self._foreseen: dict[Hashable, Future] = {}

    def take(self, key: tuple) -> list[MicroBatch]:
        """The micro-batches of `key`; an error of the thread is raised here."""
        foreseen = self._foreseen.pop(key, None)
        return self._made(key) if foreseen is None else foreseen.result()

    def foresee(self, keys: list[tuple]) -> None:
        """Begin to make the micro-batches of `keys`, in this order; what else was foreseen is dropped."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        for key in self._foreseen.keys() - set(keys):
            self._foreseen.pop(key).cancel()
        for key in keys:
            if key not in self._foreseen:
                self._foreseen[key] = self._thread.submit(self._made, key)

    def _made(self, key: tuple) -> list[MicroBatch]:
        batches = self._make(*key)
        return [batch.pinned() for batch in batches] if self._pin else batches

    def close(self) -> None:
        """Wait for what is being made, and drop it. More may be asked for later."""
        thread, self._thread, self._foreseen = self._thread, None, {}
        if thread is not None:
            thread.shutdown(cancel_futures=True)
