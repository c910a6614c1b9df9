"""What the product might do instead, by name, for the time of one run: measured before it is taken or dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from unittest import mock

from torch.nn import functional as F

from effectiveness.trainer import attention, objective
from effectiveness.trainer.lora import LoraLinear


@contextlib.contextmanager
def applied(name: str) -> Iterator[None]:
    """The candidate `name` in place of what the product does; "" is what it does."""
    with CANDIDATES[name]() if name else contextlib.nullcontext():
        yield


def as_autograd_keeps() -> contextlib.AbstractContextManager:
    """Adapters of plain layers, blocks that keep what the compiler likes: what the product did at first."""

    def forward(self: LoraLinear, x):
        low_rank = F.linear(self.dropout(x), self.lora_a)
        return self.base(x) + self.scale * F.linear(low_rank, self.lora_b)

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(LoraLinear, "forward", forward))
    stack.enter_context(mock.patch.dict(objective.MAKE_TWICE, clear=True))
    return stack


def keeps_more() -> contextlib.AbstractContextManager:
    """Blocks that keep what the compiler likes to keep."""
    return mock.patch.dict(objective.MAKE_TWICE, clear=True)


def larger_chunks() -> contextlib.AbstractContextManager:
    """Four times as many logits at a time."""
    return mock.patch.dict(objective.CHUNK_ELEMENTS, {"default": 1 << 29})


def shared_keys() -> contextlib.AbstractContextManager:
    """Queries share keys in the kernel of a torch that does not say it can."""
    return mock.patch.object(attention, "_repeat", lambda states, groups: states)


@contextlib.contextmanager
def flash_attention_3() -> Iterator[None]:
    """Kernels for Hopper behind torch's attention; ModuleNotFoundError without `flash_attn_interface`."""
    from torch.nn.attention import activate_flash_attention_impl, restore_flash_attention_impl

    activate_flash_attention_impl("FA3")
    try:
        yield
    finally:
        restore_flash_attention_impl()


CANDIDATES: dict[str, Callable[[], contextlib.AbstractContextManager]] = {
    work.__name__: work
    for work in (as_autograd_keeps, keeps_more, larger_chunks, shared_keys, flash_attention_3)
}
