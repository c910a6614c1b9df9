"""The ways to set a file: compact or verbose, and by which means."""

from __future__ import annotations

import random
from dataclasses import dataclass

COMPACT, VERBOSE = "compact", "verbose"
STYLES = (COMPACT, VERBOSE)

_NARROWER = {8: (b"  ", b"    "), 4: (b"  ",), 3: (b"  ",)}  # columns of a level now -> what it may become
_WIDER = {2: (b"    ", b"    ", b"\t"), 3: (b"    ",), 4: (b"        ", b"\t")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one file is set; False and None leave a means unused. Blank lines always change."""

    name: str  # one of STYLES
    unit: bytes | None = None  # a level of indentation
    everywhere: bool = False  # verbose: a blank line between all statements, not only around bigger ones
    commas: bool = False  # white space behind commas: none, or one space
    operators: bool = False  # white space around operators: none, or one space
    lists: bool = False  # compact: lists that fit on a line are joined; verbose: long ones are split
    hanging: bool = True  # split: the first element stands on a line of its own, too
    fewest_commas: int = 1  # a list is split if it has so many
    fewest_bytes: int = 24  # and is so long


def draw(name: str, unit_width: int, *, boldness: float, rng: random.Random) -> Style:
    """A style that fits a file whose levels are `unit_width` columns (0: it has none, or they must stay).

    Each means is used with probability `boldness`.
    """
    units = (_NARROWER if name == COMPACT else _WIDER).get(unit_width, ())
    spaced = rng.random() < boldness
    which = rng.choice(("commas", "operators", "both"))
    return Style(
        name=name,
        unit=rng.choice(units) if units and rng.random() < boldness else None,
        everywhere=rng.random() < boldness,
        commas=spaced and which != "operators",
        operators=spaced and which != "commas",
        lists=rng.random() < boldness,
        hanging=rng.random() < 0.7,
        fewest_commas=rng.choice((1, 2, 2, 3)),
        fewest_bytes=rng.choice((24, 40, 60)),
    )
