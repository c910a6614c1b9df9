"""Python proves its variants itself: two texts that compile to the same code mean the same.

Line numbers are not compared. A large text is compiled in pieces, each some statements of the module, as the compiler
takes a hundred times the memory of what it reads. Pieces that compile, each by itself and beginning with a line, are
the statements of the whole: what went on behind a cut would not compile before it or after it.
"""

from __future__ import annotations
import __future__  # its table of features

import dis
import types
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from operator import attrgetter

import numpy as np

from effectiveness.common import budget
from effectiveness.corpus.augment.edits import Edit
from effectiveness.languages.syntax import SyntaxTable

_LINE_END = ord("\n")

_FRAME = attrgetter(
    "co_names",
    "co_qualname",
    "co_flags",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_stacksize",
    "co_exceptiontable",
)
_SLOTS = attrgetter("co_varnames", "co_cellvars", "co_freevars")
_PLAIN = frozenset({str, bytes, int, bool, type(None)})
# Instructions that come in runs whose order is that of the names, so that renaming may permute a run.
_UNORDERED = frozenset({"MAKE_CELL", "LOAD_CLOSURE"})


_FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def cuts_of(source: bytes, table: SyntaxTable) -> tuple[list[int], int]:
    """Where to cut a module into pieces, ascending offsets; and the number of nodes of the largest piece."""
    start, behind = table.start, table.subtree_end
    cuts, first, largest, node = [], 1, 0, 1
    while node < len(table):
        begins_line = start[node] > 0 and source[start[node] - 1] == _LINE_END
        if node - first >= budget.PIECE_NODES and begins_line and table.kind[node] != "comment":
            cuts.append(start[node])
            largest, first = max(largest, node - first), node
        node = behind[node]
    return cuts, max(largest, len(table) - first)


def is_too_large(source: bytes, table: SyntaxTable) -> bool:
    """Whether compiling the largest piece would take too much memory."""
    return budget.is_too_large_to_compile(cuts_of(source, table)[1], len(source))


def moved(cuts: Sequence[int], edits: Iterable[Edit]) -> list[int]:
    """The cuts once `edits` are made; what is put in at a cut comes before it. An edit across a cut takes it along, to
    where no line begins or the pieces are not equal."""
    edits = sorted(edits)
    ends = [edit.end for edit in edits]
    growth = [0, *accumulate(len(new) - (end - start) for start, end, new in edits)]
    return [cut + growth[bisect_right(ends, cut)] for cut in cuts]


def compiled(text: bytes, cuts: Sequence[int] = ()) -> list[types.CodeType] | None:
    """The code objects of a module's pieces, or None when this interpreter refuses one of them."""
    found: list[types.CodeType] = []
    flags = 0
    for begin, end in pairwise((0, *cuts, len(text))):
        if begin > end or (begin and text[begin - 1 : begin] != b"\n"):
            return None
        code = _compiled(text[begin:end], flags)
        if code is None:
            return None
        flags = flags or code.co_flags & _FUTURE  # the first piece says it for all
        found.append(code)
    return found


def _compiled(text: bytes, flags: int) -> types.CodeType | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text.decode(), "<variant>", "exec", flags, dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def same(
    before: Iterable[types.CodeType], after: Iterable[types.CodeType], old_names: Mapping[str, str]
) -> bool:
    """Whether two modules, piece by piece, have equal code, once local slots of `after` are called by their old names.

    `old_names` maps each new name to the one it replaced; empty when nothing was renamed.
    """
    return all(_same_one(a, b, old_names) for a, b in _pairs(before, after))


def _pairs(
    before: Iterable[types.CodeType], after: Iterable[types.CodeType]
) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """Both nests of code objects side by side; `_same_one` holds them to constants of the same types."""
    waiting = list(zip(before, after, strict=True))
    while waiting:
        a, b = waiting.pop()
        yield a, b
        waiting.extend(zip(_nested(a), _nested(b), strict=True))


def _nested(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if type(constant) is types.CodeType]


def _same_one(a: types.CodeType, b: types.CodeType, old_names: Mapping[str, str]) -> bool:
    if _FRAME(a) != _FRAME(b) or not _same_constants(a.co_consts, b.co_consts):
        return False
    slots: tuple[tuple[str, ...], ...] = _SLOTS(a)
    new_slots: tuple[tuple[str, ...], ...] = _SLOTS(b)
    if old_names and slots != new_slots:
        num_arguments = a.co_argcount + a.co_kwonlyargcount
        if slots[0][:num_arguments] != new_slots[0][:num_arguments]:
            return False  # a caller may name them
        new_slots = tuple(tuple(old_names.get(name, name) for name in names) for names in new_slots)
    if slots == new_slots and a.co_code == b.co_code:
        return True
    # Cells are numbered in the order of their names, so those of `b` may have changed places.
    same_slots = slots[0] == new_slots[0] and list(map(set, slots[1:])) == list(map(set, new_slots[1:]))
    return same_slots and _instructions(a, {}) == _instructions(b, old_names)


def _same_constants(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    """Equal and of equal types: 1, 1.0 and True are equal as values. Nested code is compared by itself."""
    if len(before) != len(after):
        return False
    for x, y in zip(before, after, strict=True):
        if x is y:  # most are: names and small numbers exist once
            continue
        kind = type(x)
        if kind is not type(y):
            return False
        if kind in _PLAIN:
            if x != y:
                return False
        elif kind is not types.CodeType and _spelling(x) != _spelling(y):
            return False
    return True


def _spelling(constant: object) -> str:
    """Tells 0.0 from -0.0 and (1,) from (True,); a set has no order."""
    return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _instructions(code: types.CodeType, old_names: Mapping[str, str]) -> list[tuple[str, object]]:
    """Instructions with old names for slots, and in one order where that of the names decided."""
    found: list[tuple[str, object]] = []
    for run, instructions in groupby(dis.get_instructions(code), lambda it: it.opname in _UNORDERED):
        steps = [(it.opname, _argument(it, old_names)) for it in instructions]
        found += sorted(steps, key=str) if run else steps
    return found


def _argument(instruction: dis.Instruction, old_names: Mapping[str, str]) -> object:
    if instruction.opcode in dis.haslocal or instruction.opcode in dis.hasfree:
        return old_names.get(instruction.argval, instruction.argval)
    return instruction.arg


# --- parts that the compiler cannot tell apart by their hash, and so compares each with each -----------------

_KEYWORDS = frozenset({"keyword_argument", "keyword_pattern"})  # two levels below their call or pattern
_DEFINITIONS = frozenset({"function_definition", "class_definition"})
_NAMELESS = frozenset(
    {"lambda", "list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_NUMBERS = frozenset({"integer"})
MIN_DIGITS = 16  # shorter ones are their own hash


def are_too_many_alike(source: bytes, table: SyntaxTable) -> bool:
    """Whether comparing them would take too long: the keywords of one call, functions of one name (where they lie is
    not in their hash), lambdas, comprehensions, numbers of one hash.
    """
    alike = table.named_nodes_of(_KEYWORDS | _DEFINITIONS | _NAMELESS)
    numbers = table.named_nodes_of(_NUMBERS)
    widths = np.frombuffer(table.end, np.int32)[numbers] - np.frombuffer(table.start, np.int32)[numbers]
    parts = np.append(alike, numbers[widths >= MIN_DIGITS]).tolist()
    if not budget.is_too_alike([len(parts)], len(source)):  # not even if all were
        return False
    groups = Counter(_group(source, table, node) for node in parts)
    return budget.is_too_alike(groups.values(), len(source))


def _group(source: bytes, table: SyntaxTable, node: int) -> Hashable:
    kind = table.kind[node]
    if kind in _KEYWORDS:
        return table.parent[table.parent[node]]
    if kind in _DEFINITIONS:
        return _name(source, table, node)
    return _hash(source[table.start[node] : table.end[node]]) if kind in _NUMBERS else kind


def _name(source: bytes, table: SyntaxTable, node: int) -> bytes:
    child = node + 1
    while child < table.subtree_end[node] and table.field[child] != "name":
        child = table.subtree_end[child]
    return source[table.start[child] : table.end[child]] if child < table.subtree_end[node] else b""


def _hash(number: bytes) -> str:
    try:
        return f"hash {hash(int(number, 0))}"
    except ValueError:  # too many digits, or none
        return "no number"
