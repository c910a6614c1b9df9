"""Case files of renaming: `tests/cases/<language>/variable_renaming/<name>.before.<suffix>` and `.after.`.

In a `before` file, names that must change begin with `moves`, names that must not with `stay`. A case without
an `after` file expects a refusal. `python -m tests.augment_renaming_cases` writes the `after` files anew: read
the diff before you commit it.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate()

from pathlib import Path

from effectiveness.corpus.augment import Refusal, RepositoryFacts, Variant, vary
from effectiveness.corpus.augment.renaming import macro_names
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import has_grammar, parse, table_of

CASES = Path(__file__).parent / "cases"
KIND = "variable_renaming"
_NAMES = """
amount anchor answer banner basket beacon border bottle branch bridge bucket button candle canyon
carpet castle cellar circle corner cradle desert dinner dragon engine fabric famous figure finger
flower forest garden gentle harbor hollow island jacket jungle kernel kitten ladder lagoon letter
magnet marble meadow mirror mosaic nectar needle number orange orchid oxygen oyster packet palace
pebble pencil pepper pillow planet pocket puzzle quartz rabbit ribbon rocket saddle salmon shadow
signal silver spiral spring summer sunset tablet temple thread tunnel turtle valley velvet violet
walnut window winter wonder yellow zipper
"""
NAMES = tuple(_NAMES.split())
FACTS = RepositoryFacts(dict.fromkeys(LANGUAGES, NAMES))


def befores() -> list[Path]:
    return sorted(CASES.glob(f"*/{KIND}/*.before.*"))


def after_of(before: Path) -> Path:
    return before.with_name(before.name.replace(".before.", ".after."))


def language_of_case(before: Path) -> str:
    return before.parent.parent.name


def rename(source: bytes, language: str, *, seed: int = 42, path: str = "case") -> Variant | Refusal:
    """The proven variant of a text with the names of `NAMES`, or the refusal."""
    assert has_grammar(language)
    facts = FACTS
    if language in ("C", "C++"):
        facts = RepositoryFacts(FACTS.local_names, frozenset(macro_names(source)))
    table = table_of(parse(language, source))
    return next(vary(source, language, table, path=path, seed=seed, kinds=(KIND,), facts=facts))


def main() -> int:
    for before in befores():
        result = rename(before.read_bytes(), language_of_case(before))
        if isinstance(result, Refusal):
            after_of(before).unlink(missing_ok=True)
            print(f"{before.relative_to(CASES)}: {result.reason}")
        else:
            after_of(before).write_bytes(result.text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
