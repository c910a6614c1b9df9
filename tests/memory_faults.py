"""Memory that runs out at one operation of torch, or at all from there on, wherever in the product that is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCT = str(Path(__file__).resolve().parent.parent / "effectiveness")
# As each device and library tells it.
ERRORS = {
    "CUDA": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 520.00 MiB.\nGPU 0 has a capacity of 23 GiB"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "Metal": RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, max allowed: 9.07 GB)."),
    "one tensor on Metal": RuntimeError("Invalid buffer size: 24.00 GiB"),
    "CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:118] data. DefaultCPUAllocator: can't allocate memory"),
    "Python": MemoryError(),
}  # fmt: skip


@dataclass(kw_only=True)
class _EveryOperation(TorchDispatchMode):
    """Counts torch's operations that ask for memory, and looks at each before it is done."""

    num_operations: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def look(self) -> None:
        raise NotImplementedError

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _asks_for_memory(func, args):
            self.num_operations += 1
            self.look()
        return func(*args, **(kwargs or {}))


@dataclass(kw_only=True)
class Counted(_EveryOperation):
    """Where in the product operations ask for memory: "module.function" -> their numbers, from 1."""

    places: dict[str, list[int]] = field(default_factory=dict)

    def look(self) -> None:
        self.places.setdefault(_place(), []).append(self.num_operations)


@dataclass(kw_only=True)
class MemoryEnds(_EveryOperation):
    """Raises `error` at operation `at`, counted from 1, and `always`: at every one after it, too."""

    at: int
    error: BaseException
    always: bool = False
    place: str = ""  # where it was raised first

    def look(self) -> None:
        if self.num_operations == self.at or (self.always and self.num_operations > self.at):
            self.place = self.place or _place()
            raise type(self.error)(*self.error.args)


NEEDS_NONE = {"aten::set_", "aten::lift_fresh", "aten::_local_scalar_dense"}


def _asks_for_memory(func, args: tuple) -> bool:
    name = func._schema.name
    is_nothing = name == "aten::empty" and 0 in args[0]
    return not (func.is_view or is_nothing or name in NEEDS_NONE)


def _place() -> str:
    """The innermost function of the product on the stack; comprehensions are part of it."""
    frame = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.startswith(PRODUCT):
        frame = frame.f_back
    if frame is None:
        return "none"
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname.partition('.<locals>')[0]}"
