"""What holds a GPU's memory in a training step: by its parts, and at its peak by size."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import torch

from benchmarks.gpu_bench import Bench
from effectiveness.trainer import devices

MIB = 1 << 20
MOST_EVENTS = 200_000


def rows(bench: Bench, label: str, trainer) -> Iterator[dict]:
    """Rows of a Bench's notes; none without a GPU."""
    if bench.device.type != "cuda":
        return
    bench.free()
    yield {"what": f"{label}: memory by part", **_by_part(bench, trainer)}
    torch.cuda.memory._record_memory_history(max_entries=MOST_EVENTS, context=None, stacks="python")
    before = _held_now()
    yield {"what": f"{label}: held between steps", "long": _lines(collections.Counter(before.values()))}
    try:
        _one_pass(bench, trainer, lambda name: None)
        events = torch.cuda.memory._snapshot()["device_traces"][trainer.engine.device.index or 0]
    finally:
        torch.cuda.memory._record_memory_history(enabled=None)
    peak, sizes = at_peak(before, events)
    yield {"what": f"{label}: held at the peak", "GiB": peak / devices.GIB, "long": _lines(sizes)}


def _by_part(bench: Bench, trainer) -> dict[str, float]:
    """GiB: held before, the most in the forward pass, held after it, the most in the backward pass."""
    seen = {"before_GiB": torch.cuda.memory_allocated() / devices.GIB}

    def mark(name: str) -> None:
        bench.wait()
        seen[f"{name}_most_GiB"] = torch.cuda.max_memory_allocated() / devices.GIB
        seen[f"{name}_after_GiB"] = torch.cuda.memory_allocated() / devices.GIB
        torch.cuda.reset_peak_memory_stats()

    _one_pass(bench, trainer, mark)
    return seen


def _one_pass(bench: Bench, trainer, mark) -> None:
    """Forward and backward over one micro-batch, weights stay; `mark` is told when each part is done."""
    size = trainer.state.micro_batch_size
    batch = trainer._make_batches(trainer.state.epoch, 0, size)[0].to(bench.device)
    hidden = trainer.objective._hidden

    def marked(batch):
        found = hidden(batch)
        mark("backbone")
        return found

    trainer.objective._hidden = marked
    try:
        with devices.autocast(bench.device, trainer.precision):
            nats = trainer.objective(batch)
    finally:
        trainer.objective._hidden = hidden
    mark("loss")
    nats.backward()
    mark("backward")
    trainer._forget_gradients()


def _held_now() -> dict[int, int]:
    """Bytes by address of all blocks in use."""
    held = {}
    for segment in torch.cuda.memory_snapshot():
        address = segment["address"]
        for block in segment["blocks"]:
            if block["state"] == "active_allocated":
                held[block.get("address", address)] = block.get("requested_size", block["size"])
            address += block["size"]
    return held


def at_peak(held: dict[int, int], events: list[dict]) -> tuple[int, collections.Counter]:
    """(most bytes held while `events` happened, how many blocks of each size were held then)."""
    total, most, last = sum(held.values()), sum(held.values()), 0
    alive = dict(held)
    for number, event in enumerate(events, 1):
        total += _happens(alive, event)
        if total > most:
            most, last = total, number
    alive = dict(held)
    for event in events[:last]:
        _happens(alive, event)
    return most, collections.Counter(alive.values())


def _happens(alive: dict[int, int], event: dict) -> int:
    """Bytes that `event` adds to the blocks that are `alive`."""
    if event["action"] == "alloc":
        alive[event["addr"]] = event["size"]
        return event["size"]
    if event["action"] == "free_completed":
        return -alive.pop(event["addr"], 0)
    return 0


def _lines(sizes: collections.Counter) -> list[str]:
    longest = sorted(sizes.items(), key=lambda entry: -entry[0] * entry[1])[:14]
    return [
        f"{count} x {size / MIB:.2f} MiB = {count * size / devices.GIB:.2f} GiB" for size, count in longest
    ]
