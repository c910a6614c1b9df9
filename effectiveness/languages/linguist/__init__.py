"""GitHub linguist's table of languages, as data: which names, endings and interpreters belong to which language.

`table.json` is made by `renew.py` from https://github.com/github-linguist/linguist, under the MIT licence in `LICENSE`
beside it. Nothing of it runs; what linguist reads off the text of a file is decided by our own rules in
`effectiveness/languages/shared_suffixes.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("table.json")


class Entry(NamedTuple):
    """One language of the table."""

    kind: str  # "programming", "markup", "prose" or "data"
    is_wrapped: bool  # its lines are as long as paragraphs
    aliases: tuple[str, ...]  # lower case
    suffixes: tuple[str, ...]  # lower case, the one it is best known by first
    filenames: tuple[str, ...]
    interpreters: tuple[str, ...]


class Table(NamedTuple):
    """What `renew.py` took over."""

    source: str  # repository and version
    popular: tuple[str, ...]  # languages that win where several claim a name
    languages: dict[str, Entry]


def read_table() -> Table:
    """The table as it lies in the package."""
    table = json.loads(TABLE.read_text("utf-8"))
    languages = {
        name: Entry(
            entry["kind"],
            entry.get("wrapped", False),
            *(tuple(entry.get(key, ())) for key in Entry._fields[2:]),
        )
        for name, entry in table["languages"].items()
    }
    return Table(table["source"], tuple(table["popular"]), languages)
