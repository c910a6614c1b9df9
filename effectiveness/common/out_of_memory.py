"""Memory that ran out, by whatever tells of it: Python, the system, torch on a CPU or a GPU, a library on the GPU."""

from __future__ import annotations

import errno

from effectiveness.common.records import UserError

WAY_OUT = "free some, or take a smaller model, batch or window"
# What is raised for it: torch's own error is a RuntimeError, and the libraries behind it have none of their own.
ERRORS = (MemoryError, OSError, RuntimeError)
TOLD_BY = (
    "out of memory",  # CUDA, ROCm, NCCL, Metal
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER
    "invalid buffer size",  # Metal: one tensor of more than it gives
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # mmap
    "not enough memory",  # torch on a CPU of Windows
    "bad_alloc",  # the C++ library
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether `error` says that memory ran out; one that was told in a line of its own already does not."""
    if error is None or isinstance(error, UserError):
        return False
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    said = str(error).lower()
    return any(words in said for words in TOLD_BY)
