"""Workers end when their parent is killed, instead of waiting for work for ever."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def die_with_parent() -> None:
    """To be called first in a worker process, forked or spawned.

    A forked worker holds the writing end of its own work queue, so after a kill -9 of the parent it never
    sees the queue end. It would keep its memory, and the files it has open, until the machine restarts.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("die_with_parent() was called outside a worker process")
    threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # sys.exit would end this thread only
