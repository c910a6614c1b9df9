"""The next steps' micro-batches, made in a thread while the device works on this step's."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

from effectiveness.trainer.batches import MicroBatch


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
