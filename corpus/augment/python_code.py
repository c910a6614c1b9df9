"""Python proves its variants itself: two texts that compile to the same code mean the same.

Line numbers are not compared.
"""

from __future__ import annotations

import dis
import types
import warnings
from collections.abc import Iterator, Mapping
from itertools import groupby

# Instructions that come in runs whose order is that of the names, so that renaming may permute a run.
_UNORDERED = frozenset({"MAKE_CELL", "LOAD_CLOSURE"})


def compiled(text: bytes) -> types.CodeType | None:
    """The code object of a module, or None when this interpreter refuses the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text.decode(), "<variant>", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def same(before: types.CodeType, after: types.CodeType, old_names: Mapping[str, str]) -> bool:
    """Whether two modules have equal code, once local slots of `after` are called by their old names.

    `old_names` maps each new name to the one it replaced; empty when nothing was renamed.
    """
    return all(_same_one(a, b, old_names) for a, b in _pairs(before, after))


def _pairs(before: types.CodeType, after: types.CodeType) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """Both nests of code objects side by side; `_same_one` holds them to the same number of constants."""
    waiting = [(before, after)]
    while waiting:
        a, b = waiting.pop()
        yield a, b
        for x, y in zip(a.co_consts, b.co_consts, strict=False):
            if isinstance(x, types.CodeType) and isinstance(y, types.CodeType):
                waiting.append((x, y))


def _same_one(a: types.CodeType, b: types.CodeType, old_names: Mapping[str, str]) -> bool:
    if _frame(a, {}) != _frame(b, old_names) or _constants(a) != _constants(b):
        return False
    if a.co_code == b.co_code and _cells(a, {}) == _cells(b, old_names):
        return True
    return _instructions(a, {}) == _instructions(b, old_names)


def _frame(code: types.CodeType, old_names: Mapping[str, str]) -> tuple[object, ...]:
    return (
        [old_names.get(name, name) for name in code.co_varnames],
        {old_names.get(name, name) for name in code.co_cellvars},
        {old_names.get(name, name) for name in code.co_freevars},
        code.co_names,
        code.co_qualname,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_stacksize,
        code.co_exceptiontable,
    )


def _constants(code: types.CodeType) -> list[str]:
    return [_spelling(constant) for constant in code.co_consts]


def _spelling(constant: object) -> str:
    """Not the value: 1, 1.0 and True are equal. A set has no order, nested code is compared by itself."""
    if isinstance(constant, frozenset):
        return str(sorted(map(repr, constant)))
    return constant.co_name if isinstance(constant, types.CodeType) else repr(constant)


def _cells(code: types.CodeType, old_names: Mapping[str, str]) -> list[str]:
    return [old_names.get(name, name) for name in code.co_cellvars + code.co_freevars]


def _instructions(code: types.CodeType, old_names: Mapping[str, str]) -> list[tuple[str, object]]:
    """Instructions with old names for slots. Cells are numbered in the order of their names, so a renaming
    may change their numbers, and the order in which they are made and handed to closures."""
    found: list[tuple[str, object]] = []
    for run, instructions in groupby(dis.get_instructions(code), lambda it: it.opname in _UNORDERED):
        steps = [(it.opname, _argument(it, old_names)) for it in instructions]
        found += sorted(steps, key=str) if run else steps
    return found


def _argument(instruction: dis.Instruction, old_names: Mapping[str, str]) -> object:
    if instruction.opcode in dis.haslocal or instruction.opcode in dis.hasfree:
        return old_names.get(instruction.argval, instruction.argval)
    return instruction.arg
