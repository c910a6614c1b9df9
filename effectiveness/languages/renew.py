"""Renew `linguist/table.json` and `linguist/LICENSE` from a clone of linguist.

git clone https://github.com/github-linguist/linguist
python3 -m effectiveness.languages.renew linguist
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from effectiveness.languages.record import TABLE

SOURCE = "https://github.com/github-linguist/linguist"
_LISTS = {
    "aliases": "aliases",
    "extensions": "suffixes",
    "filenames": "filenames",
    "interpreters": "interpreters",
}
_FOLDED = ("aliases", "suffixes")  # are compared in lower case


def entry_of(language: dict) -> dict:
    """What we keep of one language of `languages.yml`.

    >>> entry_of({"type": "programming", "extensions": [".R", ".rd"], "color": "#fff"})
    {'kind': 'programming', 'suffixes': ['.r', '.rd']}
    """
    entry = {"kind": language["type"], **({"wrapped": True} if language.get("wrap") else {})}
    for theirs, ours in _LISTS.items():
        words = [str(word) for word in language.get(theirs, ())]
        if words:
            entry[ours] = list(dict.fromkeys(map(str.lower, words))) if ours in _FOLDED else words
    return entry


def table_of(clone: Path) -> dict:
    """The table of the commit that is checked out there."""
    lists = clone / "lib" / "linguist"
    languages = yaml.safe_load((lists / "languages.yml").read_text("utf-8"))
    return {
        "source": f"{SOURCE} {(lists / 'VERSION').read_text('utf-8').strip()}, MIT, see LICENSE",
        "popular": yaml.safe_load((lists / "popular.yml").read_text("utf-8")),
        "languages": {name: entry_of(language) for name, language in sorted(languages.items())},
    }


def written(table: dict) -> str:
    """JSON with a line for each language, so that a renewal can be read as a difference."""
    languages = ",\n".join(
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in table["languages"].items()
    )
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(table[key])}" for key in ("source", "popular"))
    return f'{{{head},\n"languages": {{\n{languages}\n}}}}\n'


def main(clone: Path) -> None:
    TABLE.write_text(written(table_of(clone)), "utf-8")
    TABLE.with_name("LICENSE").write_text((clone / "LICENSE").read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
