"""Where the campaigns of faults put one, and of which kind."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

from warm_trainer import Point

from effectiveness.common.seeding import rng_for

WRITING = ("write", "fsync", "close", "rename", "exchange", "remove", "create")
ALL = (*WRITING, "open")
KILLED, SHORT, ARRIVES, BY_BYTES = -1, -2, -100, 2  # as in faults_shim.c


def every_kind(seed: int) -> Iterator[tuple[str, Point, int]]:
    """(name, the point without its place, how many places): the campaign."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    yield "kill", Point(calls=ALL, kind=KILLED), 60
    for number in signals:
        yield f"signal {number}", Point(calls=ALL, kind=ARRIVES - number), 20
    yield "short write", Point(calls=("write",), kind=SHORT), 15
    yield "EIO", Point(calls=ALL, kind=errno.EIO), 40
    yield "ENOSPC", Point(calls=WRITING, kind=errno.ENOSPC), 30
    yield "disk stays full", Point(calls=("write", "create"), kind=errno.ENOSPC, sticky=1), 40
    yield "a disk of so many bytes", Point(calls=("write",), kind=errno.ENOSPC, sticky=BY_BYTES), 40
    yield "EACCES", Point(calls=("create", "open"), kind=errno.EACCES), 20
    yield "EMFILE", Point(calls=("create", "open"), kind=errno.EMFILE, sticky=1), 15
    yield "nobody reads", Point(calls=("stdout",), kind=errno.EPIPE, sticky=1), 20
    yield "log is full", Point(calls=("stdout",), kind=errno.ENOSPC, sticky=1), 20


def places(count: int, num_places: int, seed: int) -> list[int]:
    """Of 1..count: a third evenly, a third the last ones, where the model is exported, the rest anywhere."""
    if count > 100_000:  # bytes
        return [count * part // (num_places + 1) for part in range(1, num_places + 1)]
    third, rng = max(1, num_places // 3), rng_for(seed, "places")
    evenly = range(1, count + 1, max(1, count // third))
    chosen = {*evenly[:third], *range(max(1, count - third + 1), count + 1)}
    left = [place for place in range(1, count + 1) if place not in chosen]
    return sorted(chosen | set(rng.sample(left, min(len(left), num_places - len(chosen)))))


def at(point: Point, place: int) -> Point:
    return Point(calls=point.calls, at=place, kind=point.kind, sticky=point.sticky)
