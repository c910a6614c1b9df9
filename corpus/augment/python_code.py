"""Python proves its variants itself: two texts that compile to the same code mean the same.

Line numbers are not compared. Local slots are compared by what they are, not by what they are called.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterator


def compiled(text: bytes) -> types.CodeType | None:
    """The code object of a module, or None when this interpreter refuses the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text.decode(), "<variant>", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def same(before: types.CodeType, after: types.CodeType) -> bool:
    """Whether two code objects are equal but for line numbers."""
    return all(_same_one(a, b, names_too=True) for a, b in _pairs(before, after))


def same_but_for_names(before: types.CodeType, after: types.CodeType) -> bool:
    """Whether two code objects are equal but for line numbers and a renaming of local slots."""
    return all(_same_one(a, b, names_too=False) for a, b in _pairs(before, after))


def _pairs(before: types.CodeType, after: types.CodeType) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """Both nests of code objects side by side."""
    waiting = [(before, after)]
    while waiting:
        a, b = waiting.pop()
        yield a, b
        waiting.extend(
            (x, y)
            for x, y in zip(a.co_consts, b.co_consts, strict=False)
            if isinstance(x, types.CodeType) and isinstance(y, types.CodeType)
        )


def _same_one(a: types.CodeType, b: types.CodeType, *, names_too: bool) -> bool:
    return (
        _facts(a) == _facts(b)
        and _constants(a) == _constants(b)
        and (_slots(a) == _slots(b) if names_too else _numbered(a, b))
    )


def _facts(code: types.CodeType) -> tuple[object, ...]:
    return (
        code.co_code,
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
    """Constants by their spelling (1, 1.0 and True are equal as values), nested code by its name."""
    return [x.co_name if isinstance(x, types.CodeType) else repr(x) for x in code.co_consts]


def _slots(code: types.CodeType) -> tuple[tuple[str, ...], ...]:
    return code.co_varnames, code.co_cellvars, code.co_freevars


def _numbered(a: types.CodeType, b: types.CodeType) -> bool:
    """Whether the slots of `a` and `b` differ by a bijection of names that leaves arguments alone."""
    num_arguments = a.co_argcount + a.co_kwonlyargcount
    if a.co_varnames[:num_arguments] != b.co_varnames[:num_arguments]:
        return False
    forth: dict[str, str] = {}
    back: dict[str, str] = {}
    for old, new in zip(_slots(a), _slots(b), strict=True):
        if len(old) != len(new):
            return False
        for x, y in zip(old, new, strict=True):
            if forth.setdefault(x, y) != y or back.setdefault(y, x) != x:
                return False
    return True
