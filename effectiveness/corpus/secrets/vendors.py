"""The shapes of vendors' tokens: the table vendors.txt, one row a shape; adding a token is adding a row.

A row is `(vendor, prefixes, body, source)`. The body is a list of parts: `a36` is 36 characters of the alphabet `a`
of `ALPHABETS`, `a36-64` from 36 to 64, `a36+` at least 36 and as many as there are, `=x` the literal `x`.
The prefix stays in the text and the body is redacted. Where the
prefix is too short or too common to be looked for (`s.`, `pat`) the token is found as a run of random characters first.

Sources, read for the figures (prefixes, alphabets, lengths): G, the rules of gitleaks (config/gitleaks.toml at
b58d3f1); T, the detectors of trufflehog (3ab759f); H, GitHub's list of supported secret scanning patterns; V, the
vendor's manual.
tests/test_secret_vendors.py draws a token and a near-miss of every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ALPHABETS = {
    "a": "A-Za-z0-9",
    "c": "A-Za-z",
    "n": "a-z0-9",
    "u": "A-Z0-9",
    "d": "0-9",
    "h": "a-f0-9",
    "H": "A-Fa-f0-9",
    "w": r"A-Za-z0-9_\-",
    "e": r"A-Za-z0-9_\-=",
    "g": r"A-Za-z0-9_\-=.",
    "b": "A-Za-z0-9+/",
    "B": r"A-Za-z0-9+/=_\-",
    "t": r"A-Za-z0-9_~.\-",
    "2": "A-Z2-7",
    "z": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
MAX_REPEAT = 1024  # of an open end; what is longer is followed to its end outside of the expression


@dataclass(frozen=True, slots=True)
class Token:
    vendor: str
    prefixes: tuple[str, ...]
    body: str
    source: str

    @property
    def is_open(self) -> bool:
        """Whether the last part has no upper length."""
        return self.body.endswith("+")


def parts(body: str) -> list[tuple[str, int, int | None]]:
    """(alphabet, least, most) of every part; a literal is ("=text", 0, 0); `most` is None for an open end."""
    found: list[tuple[str, int, int | None]] = []
    for part in body.split():
        if part.startswith("="):
            found.append((part, 0, 0))
            continue
        least, _, most = part[1:].rstrip("+").partition("-")
        found.append((part[0], int(least), None if part.endswith("+") else int(most or least)))
    return found


def _tokens(rows: str) -> tuple[Token, ...]:
    """The rows of a table in text: columns are separated by `|` (`¦` stands for one), prefixes by spaces."""
    found = []
    for row in (line for line in rows.splitlines() if "|" in line):
        vendor, prefixes, body, source = (column.strip() for column in row.split("|"))
        found.append(Token(vendor, tuple(prefixes.split()) or ("",), body.replace("¦", "|"), source))
    return tuple(found)


ANCHORED, RUNS = map(_tokens, Path(__file__).with_suffix(".txt").read_text("utf-8").split("\n# Runs:"))
