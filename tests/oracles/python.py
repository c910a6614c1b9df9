"""Python's own compiler as judge: equal code but for names and lines ("rename"), equal `ast.dump` ("layout").

Knows nothing of how the variant was made: the renaming is found by laying the instructions side by side.
"""

from __future__ import annotations

import ast
import dis
import types
import warnings
from itertools import groupby

MISSING = ""  # the tool is the interpreter that runs the tests


def equal(before: bytes, after: bytes, path: str = "", mode: str = "rename") -> bool | None:
    """Whether both texts mean the same; None when `before` does not compile."""
    judge = _same_code if mode == "rename" else _same_tree
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(before.decode(), path or "<before>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            return None
        try:
            return judge(before.decode(), after.decode())
        except (SyntaxError, ValueError):
            return False


def _same_tree(before: str, after: str) -> bool:
    """Equal abstract syntax, and equal code with line numbers out of the way."""
    return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after)) and _same_code(before, after, names=True)


def _same_code(before: str, after: str, *, names: bool = False) -> bool:
    waiting = [(_code(before), _code(after), {})]
    while waiting:
        a, b, outer = waiting.pop()
        if _signature(a) != _signature(b) or len(a.co_consts) != len(b.co_consts):
            return False
        forth = _slots_side_by_side(a, b, outer)
        if forth is None or (names and any(old != new for old, new in forth.items())):
            return False
        for x, y in zip(a.co_consts, b.co_consts, strict=True):
            if isinstance(x, types.CodeType) and isinstance(y, types.CodeType):
                waiting.append((x, y, forth))
            elif _exact(x) != _exact(y):
                return False
    return True


def _code(text: str) -> types.CodeType:
    return compile(text, "<oracle>", "exec", dont_inherit=True)


def _signature(code: types.CodeType) -> tuple[object, ...]:
    arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return (
        code.co_qualname,
        code.co_flags,
        code.co_names,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_varnames[:arguments],  # a caller may name them
        len(code.co_varnames),
        len(code.co_cellvars),
        len(code.co_freevars),
        code.co_exceptiontable,
    )


def _exact(constant: object) -> object:
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))
    return type(constant), repr(constant)


def _slots_side_by_side(a: types.CodeType, b: types.CodeType, outer: dict[str, str]) -> dict[str, str] | None:
    """The renaming of slots that turns `a` into `b`, or None when there is none."""
    forth = dict(zip(a.co_varnames, b.co_varnames, strict=True))
    forth |= {name: outer[name] for name in a.co_freevars if name in outer}
    steps_a, steps_b = list(dis.get_instructions(a)), list(dis.get_instructions(b))
    if [step.opname for step in steps_a] != [step.opname for step in steps_b]:
        return None
    for x, y in zip(steps_a, steps_b, strict=True):
        if x.opcode in dis.hasfree and x.opname not in ("MAKE_CELL", "LOAD_CLOSURE"):
            if forth.setdefault(x.argval, y.argval) != y.argval:
                return None
        elif x.opcode not in dis.hasfree and x.arg != y.arg:
            return None
    slots, new_slots = {*a.co_cellvars, *a.co_freevars}, {*b.co_cellvars, *b.co_freevars}
    _pair_the_rest(forth, slots, new_slots)
    if {forth.get(name) for name in slots} != new_slots or not _injective(forth):
        return None
    return forth if _runs(steps_a, forth) == _runs(steps_b, {}) else None


def _pair_the_rest(forth: dict[str, str], slots: set[str], new_slots: set[str]) -> None:
    """Cells that only closures use: those of the same name, then by order; the closures show whether it fits."""
    slots, new_slots = slots - forth.keys(), new_slots - set(forth.values())
    forth |= {name: name for name in slots & new_slots}
    forth |= dict(zip(sorted(slots - new_slots), sorted(new_slots - slots), strict=False))


def _runs(steps: list[dis.Instruction], renamed: dict[str, str]) -> list[list[str]]:
    """What each run of cell-making instructions makes; the order within a run is that of the names."""
    runs = groupby(steps, lambda step: step.opname in ("MAKE_CELL", "LOAD_CLOSURE"))
    return [sorted(renamed.get(step.argval, step.argval) for step in run) for made, run in runs if made]


def _injective(mapping: dict[str, str]) -> bool:
    return len(set(mapping.values())) == len(mapping)
