"""Case files of the textual augmentations: `tests/cases/<language>/<kind>/<name>.<what>.<suffix>`.

`what` is `before`, and `after` (or for layout `compact` and `verbose`) for the text that is expected. A case
without an expectation expects a refusal. `python -m tests.augment_cases` writes the expectations anew:
read the diff before you commit it.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from effectiveness.corpus.augment import AUGMENTATIONS, comments, layout
from effectiveness.corpus.augment.edits import Edit, apply
from effectiveness.corpus.augment.layout_view import COMPACT, VERBOSE, Style
from effectiveness.corpus.augment.verify import Baseline
from effectiveness.languages.syntax import SyntaxTable, parse, table_of, without_carriage_returns

CASES = Path(__file__).parent / "cases"

# Every means at once, so that a case shows them all.
BOLD = {
    "compact": Style(name=COMPACT, unit=b"  ", commas=True, operators=True, lists=True),
    "verbose": Style(
        name=VERBOSE,
        unit=b"        ",
        everywhere=True,
        commas=True,
        operators=True,
        lists=True,
        fewest_commas=2,
    ),
}
Proposer = Callable[[bytes, str, SyntaxTable], list[Edit] | str]
PROPOSERS: dict[tuple[str, str], Proposer] = {
    ("comment_toggle", "after"): lambda source, language, table: comments.propose(
        source, language, table, random.Random(0)
    ),
    **{
        ("format_variation", name): lambda source, language, table, style=style: layout.propose(
            source, language, table, random.Random(0), style
        )
        for name, style in BOLD.items()
    },
}


@dataclass(frozen=True)
class Case:
    """One `before` file and one expectation for it."""

    language: str
    kind: str
    what: str
    before: Path

    @property
    def after(self) -> Path:
        return self.before.with_name(self.before.name.replace(".before.", f".{self.what}."))

    @property
    def name(self) -> str:
        return f"{self.language}/{self.before.name.partition('.')[0]}.{self.what}"


def cases(kind: str) -> list[Case]:
    """All cases of one kind, in the order of their paths."""
    return [
        Case(before.parent.parent.name, kind, what, before)
        for before in sorted(CASES.glob(f"*/{kind}/*.before.*"))
        for case_kind, what in PROPOSERS
        if case_kind == kind
    ]


def variant(kind: str, what: str, source: bytes, language: str) -> bytes | str:
    """The variant as the always-on check lets it pass, or the reason for none."""
    table = without_carriage_returns(source, table_of(parse(language, source)))
    edits = PROPOSERS[kind, what](source, language, table)
    if isinstance(edits, str):
        return edits
    text = apply(source, edits)
    allowed, tree = AUGMENTATIONS[kind].allowed, parse(language, text)
    objection = Baseline(source, language, table).objection(allowed, edits, text, tree)
    return objection or text


def _results() -> Iterator[tuple[Case, bytes | str]]:
    for kind in ("comment_toggle", "format_variation"):
        for case in cases(kind):
            yield case, variant(kind, case.what, case.before.read_bytes(), case.language)


def main() -> int:
    for case, result in _results():
        case.after.unlink(missing_ok=True)
        if isinstance(result, bytes):
            case.after.write_bytes(result)
        else:
            print(f"{case.name}: no variant: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
