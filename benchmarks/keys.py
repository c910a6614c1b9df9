"""What an editor sends while somebody types: seeded places of files, key after key, in the form of llama.vim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.served import Served
from effectiveness.common.seeding import rng_for

SEED = 3
BEFORE_TOKENS, BEHIND_TOKENS = 1_600, 400  # about 2,000 tokens of context
MIN_LINE_CHARACTERS = 12
FIELDS = ("content", "timings/prompt_n", "timings/predicted_n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of a file that is typed, with what stands before and behind it."""

    path: str
    before: str  # to the end of the line before
    line: str
    behind: str  # from the end of the line on


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A key and its answer."""

    is_first: bool  # of its place: all of the text before it is new
    wall_s: float
    cpu_s: float
    num_written: int  # tokens
    text: str


def draw_places(texts: Mapping[str, str], encode: Callable[[str], Sequence[int]], count: int) -> list[Place]:
    """Lines with 2,000 tokens around them, of as many files as there are; the same ones each time."""
    places: list[Place] = []
    for turn in range(count):
        for path in sorted(texts):
            if len(places) < count and (place := _place_in(path, texts[path], encode, turn)):
                places.append(place)
    return places


def _place_in(path: str, text: str, encode: Callable[[str], Sequence[int]], turn: int) -> Place | None:
    lines = text.splitlines(keepends=True)
    ends = np.cumsum([len(encode(line)) for line in lines])
    fitting = [
        number
        for number, line in enumerate(lines)
        if len(line.strip()) >= MIN_LINE_CHARACTERS and number
        and ends[number - 1] >= BEFORE_TOKENS and ends[-1] - ends[number] >= BEHIND_TOKENS
    ]  # fmt: skip
    if not fitting:
        return None
    number = rng_for(SEED, "key", path, str(turn)).choice(fitting)
    first = int(np.searchsorted(ends, ends[number - 1] - BEFORE_TOKENS))
    last = int(np.searchsorted(ends, ends[number] + BEHIND_TOKENS))
    line = lines[number].rstrip("\r\n")
    return Place(
        path=path,
        before="".join(lines[first:number]),
        line=line,
        behind=lines[number][len(line) :] + "".join(lines[number + 1 : last]),
    )


def bodies(place: Place, num_keys: int, allowed_ms: int, max_tokens: int = 48) -> Iterator[dict]:
    """The requests of the line's first keys behind its indentation, each with a character more."""
    indent = len(place.line) - len(place.line.lstrip())
    for end in range(indent, min(indent + num_keys, len(place.line))):
        yield {
            "id_slot": 0, "input_prefix": place.before, "prompt": place.line[:end], "input_suffix": place.behind,
            "input_extra": [], "n_predict": max_tokens, "stop": ["\n"], "n_indent": indent, "top_k": 40, "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True,
            "t_max_prompt_ms": allowed_ms, "t_max_predict_ms": allowed_ms, "response_fields": FIELDS,
        }  # fmt: skip


def type_line(servers: Sequence[Served], place: Place, *limits: int) -> list[list[Stroke]]:
    """Each key is asked of every server, another one first each time; `limits` as of `bodies`."""
    strokes: list[list[Stroke]] = [[] for _ in servers]
    for number, body in enumerate(bodies(place, *limits)):
        for turn in range(len(servers)):
            which = (number + turn) % len(servers)
            strokes[which].append(_stroke(servers[which], body, is_first=number == 0))
    return strokes


def _stroke(server: Served, body: dict, is_first: bool) -> Stroke:
    cpu_s, wall_s = server.cpu_s(), time.perf_counter()
    answer = server.ask("/infill", body)
    return Stroke(
        is_first=is_first,
        wall_s=time.perf_counter() - wall_s,
        cpu_s=server.cpu_s() - cpu_s,
        num_written=answer["timings/predicted_n"],
        text=answer["content"],
    )
