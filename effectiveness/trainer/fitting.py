"""Work in pieces that fit: what goes through a model in pieces goes through in smaller ones when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from effectiveness.common.out_of_memory import ERRORS, is_out_of_memory
from effectiveness.common.records import UserError
from effectiveness.trainer.devices import free_cached_memory

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
        except ERRORS as error:
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
    except ERRORS as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(message(), exit_code=1) from error
