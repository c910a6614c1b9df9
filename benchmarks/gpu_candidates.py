"""What the product might do instead, by name, for the time of one run: measured before it is taken or dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

CANDIDATES: dict[str, Callable[[], contextlib.AbstractContextManager]] = {}


@contextlib.contextmanager
def applied(name: str) -> Iterator[None]:
    """The candidate `name` in place of what the product does; "" is what it does."""
    with CANDIDATES[name]() if name else contextlib.nullcontext():
        yield
