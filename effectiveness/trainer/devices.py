"""The device a run asked for, and what it can do. The only module here that looks at the machine."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch

from effectiveness.common.boundary import MEMORY_ERRORS, is_out_of_memory
from effectiveness.common.records import UserError

PEAK_FLOPS = {  # dense, with float32 sums, from the data sheets: bf16 or fp16, in operations a second
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}

GIB = 1 << 30
_limits: dict[str, int | None] = {}  # bytes of a kind of device that may be used
_peaks: dict[str, int] = {}  # bytes, of a kind of device that keeps none itself


def choose_device(asked: str) -> torch.device:
    """ "auto", "cuda", "mps" or "cpu" as a device; under torchrun each process takes its own GPU.

    Raises UserError when the device that was asked for is not there.
    """
    present = available_devices()
    if asked == "auto":
        asked = present[0]
    if asked not in present:
        why = f"this torch ({torch.__version__}) finds {' and '.join(present)} only"
        raise UserError(f"--device {asked}: not available, {why}; use --device {present[0]}")
    if asked == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(asked)


def available_devices() -> list[str]:
    """Device types that work here, the fastest first; "cpu" is always the last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """The dtype of autocast: float32 means none. "auto" is bf16 where the hardware has it.

    Raises UserError for a precision the device cannot run.
    """
    if asked == "auto":
        asked = _best_precision(device)
    if asked == "bf16" and not has_bfloat16(device):
        raise UserError("optimization.mixed_precision: bf16 on Metal needs macOS 14; use fp16, fp32 or auto")
    if asked == "fp16" and device.type == "cpu":
        raise UserError("optimization.mixed_precision: fp16 needs a GPU; use bf16, fp32 or auto on a CPU")
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[asked]


def _best_precision(device: torch.device) -> str:
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu":
        return "bf16" if multiplies_bfloat16() else "fp32"
    return "fp32"  # Metal gains little


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it (AVX512-BF16, AMX): where they are emulated products get slower."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def has_bfloat16(device: torch.device) -> bool:
    """Whether there are tensors of it: Metal has them since macOS 14."""
    return device.type != "mps" or torch.backends.mps.is_macos_or_newer(14, 0)


def drawing_alike(device: torch.device) -> dict[str, Any]:
    """Arguments of torch's `checkpoint` with which a pass that is made again draws the same: torch forgets Metal."""
    return {"context_fn": _draw_alike_on_metal} if device.type == "mps" else {}


def _draw_alike_on_metal() -> tuple[AbstractContextManager, AbstractContextManager]:
    return contextlib.nullcontext(), _drawing_from(torch.mps.get_rng_state())


@contextlib.contextmanager
def _drawing_from(state: torch.Tensor) -> Iterator[None]:
    after = torch.mps.get_rng_state()
    torch.mps.set_rng_state(state)
    try:
        yield
    finally:
        torch.mps.set_rng_state(after)


def autocast(device: torch.device, dtype: torch.dtype):
    """A context in which matrix products run in `dtype`; weights stay float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def compute_dtype(tensor: torch.Tensor) -> torch.dtype:
    """In which products of `tensor` are made: that of autocast, or its own."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


def limit_memory(device: torch.device, gib: float | None) -> None:
    """Use no more than `gib` of `device` from now on: a small card out of a large one. None: all of it."""
    _limits[device.type] = None if gib is None else int(gib * GIB)
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        share = 1.0 if gib is None else min(1.0, gib * GIB / whole)
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.set_per_process_memory_fraction(share, index)  # it takes no device without a number


def memory_bytes(device: torch.device) -> int:
    """Memory of the device - of the GPU, or of the machine - that may be used."""
    whole, limit = _whole_memory_bytes(device), _limits.get(device.type)
    return whole if limit is None else min(whole, limit)


def _whole_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        _note_peak_of_metal()
        return _peaks["mps"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _note_peak_of_metal() -> None:
    """Metal keeps no peak. What torch holds there grows to it, for it is given back at `free_cached_memory` only."""
    _peaks["mps"] = max(_peaks.get("mps", 0), torch.mps.driver_allocated_memory())


def peak_flops(device: torch.device) -> float | None:
    """Operations a second in half precision, from the data sheet; None where it is not known."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((flops for part, flops in PEAK_FLOPS.items() if part in name), None)


def describe(device: torch.device) -> str:
    """One line for logs: "cuda (NVIDIA H100 80GB, 79 GiB)"."""
    names: dict[str, Callable[[torch.device], str]] = {
        "cuda": torch.cuda.get_device_name,
        "mps": _name_of_metal,
    }
    name = names.get(device.type, lambda _device: f"{torch.get_num_threads()} threads")(device)
    return f"{device.type} ({name}, {memory_bytes(device) / GIB:.0f} GiB)"


def _name_of_metal(_device: torch.device) -> str:
    """ "Apple M2, shared memory"; torch 2.11 cannot tell the chip."""
    name = torch.backends.mps.get_name() if hasattr(torch.backends.mps, "get_name") else "Apple Metal"
    return f"{name}, shared memory"


def be_deterministic() -> None:
    """Same inputs, same bits, also on a GPU; slower there."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def free_cached_memory() -> None:
    """Give back what the allocators keep for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # does nothing where the GPU was never used
    if torch.backends.mps.is_available():
        _note_peak_of_metal()
        torch.mps.empty_cache()


class Arriving:
    """Values on their way from the device; asking for them waits for what was queued before, and for nothing after."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values, self._arrival = values, None
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._arrival = torch.cuda.Event()
            self._arrival.record()

    def tolist(self) -> list[float]:
        if self._arrival is not None:
            self._arrival.synchronize()
        return self._values.tolist()


# --- work in pieces that fit ----------------------------------------------------------------------------------


Made = TypeVar("Made")


def fitting(
    make: Callable[[int], Made],
    size: int,
    *,
    say: Callable[[int, int], None],
    num_processes: int = 1,
) -> Made:
    """`make(size)`, or after memory ran out `make` of half as many sequences, and so on; `say(smaller, size)` tells.

    `make` is called again: it must leave nothing half done. Raises UserError (exit code 1) where one sequence is
    too much, and where other processes wait for just as many calls.
    """
    while True:
        try:
            return make(size)
        except MEMORY_ERRORS as error:
            if not is_out_of_memory(error):
                raise
            if size == 1 or num_processes > 1:
                raise UserError(_remedies(size, num_processes), exit_code=1) from error
        free_cached_memory()  # after the `except`: its error holds the tensors of the failed pass
        say(size // 2, size)
        size //= 2


def _remedies(size: int, num_processes: int) -> str:
    if num_processes > 1:
        return (
            f"out of memory with {size} sequences at a time on one of {num_processes} processes: set a smaller "
            "optimization.batch_size with more optimization.gradient_accumulation_steps, optimization."
            "gradient_checkpointing: true, or device_backend.distributed: fsdp"
        )
    return (
        "out of memory with one sequence at a time: set optimization.gradient_checkpointing: true, or "
        "build the dataset with a smaller --max-tokens (or a smaller model.preset)"
    )


@contextmanager
def one_line_where_memory_ends(message: Callable[[], str]) -> Iterator[None]:
    """Raises UserError (exit code 1) with `message()` where memory runs out; every other error passes."""
    try:
        yield
    except MEMORY_ERRORS as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(message(), exit_code=1) from error
