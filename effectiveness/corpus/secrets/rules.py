"""What a rule is, and the rules of tokens that are known by their shape, made of the table vendors.txt.

A row is `(vendor, prefixes, body, source)`. The body is a list of parts: `a36` is 36 characters of the alphabet `a`
of `ALPHABETS`, `a36-64` from 36 to 64, `a36+` at least 36 and as many as there are, `=x` the literal `x`.
The prefix stays in the text and the body is redacted. Where the prefix is too short or too common to be looked for
(`s.`, `pat`) the token is found as a run of random characters first.

Sources, read for the figures (prefixes, alphabets, lengths): G, the rules of gitleaks (config/gitleaks.toml at
b58d3f1); T, the detectors of trufflehog (3ab759f); H, GitHub's list of supported secret scanning patterns; V, the
vendor's manual.
tests/test_secret_kinds.py draws a token and a near-miss of every row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# A token starts after something that is not a letter or digit, after `\n` in a string, or after `%3D` in a URL.
START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
END = rb"(?![A-Za-z0-9])"

# Documentation's own: AKIAIOSFODNN7EXAMPLE, and what `redact` itself leaves behind.
_PLACEHOLDER = re.compile(rb"(?i)example|x{5}|\*{3}|redacted|1234567890|abcdefghij")
MIN_DISTINCT = 6  # letters and digits: the rarest rule draws 16 of 32 symbols
ALPHANUMERIC = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DISTINCT = frozenset(ALPHANUMERIC + b"!#$%^&@?")


def is_of_documentation(value: bytes) -> bool:
    return _PLACEHOLDER.search(value) is not None


def is_placeholder(value: bytes) -> bool:
    return is_of_documentation(value) or len(set(value[:256]) & _DISTINCT) < MIN_DISTINCT


def is_varied(value: bytes) -> bool:
    """Whether it can be a random string and not a placeholder."""
    return not is_placeholder(value)


@dataclass(slots=True)
class Scan:
    """A text that is looked through, and where the last stretch of characters that was followed to its end lies."""

    text: bytes
    named_until: int = 0  # where the last value of a telling name ends
    further: list[tuple[int, int]] = field(default_factory=list)  # what a finder found beside what it returns
    table: tuple[int, int] = (0, 0)  # where the rows of the last table lie: none of them is a header
    section: tuple[int, int] = (0, 0)  # and the entries of the last telling title
    _num_byte_lists: int | None = None
    _stretches: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def num_byte_lists(self, pattern: re.Pattern[bytes]) -> int:
        """How many lists of bytes stand in the text: more than one are a table, not a key."""
        if self._num_byte_lists is None:
            self._num_byte_lists = len(pattern.findall(self.text))
        return self._num_byte_lists

    def end_of(self, stretch: re.Pattern[bytes], start: int) -> int:
        """Where the characters of `stretch` end that go on at `start`; linear in the text over all calls."""
        known_start, known_end = self._stretches.get(stretch.pattern, (0, 0))
        if not known_start <= start < known_end:
            match = stretch.match(self.text, start)
            known_end = match.end() if match else start
            self._stretches[stretch.pattern] = (start, known_end)
        return known_end


Span = tuple[int, int]
Find = Callable[[Scan, int], Span | None]
Accepts = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """`find` is asked at every place where one of the anchors (3 to 8 bytes, any case) stands.

    needs: must stand within the next 400 bytes for `find` to be asked at all.
    """

    name: str
    anchors: frozenset[bytes]
    find: Find
    starts_token: bool = False  # whether no letter or digit stands before the anchor
    goes_on: bool = False  # whether a letter, a digit or one of `_-.` does
    needs: bytes = b""


_BEFORE_BYTES = 160


def find_by(pattern: re.Pattern[bytes], accepts: Accepts = is_varied, *, is_before: bool = False) -> Find:
    """The group "secret" of a match that begins at the place, or ends there."""

    def find(scan: Scan, place: int) -> Span | None:
        match = pattern.match(scan.text, place)
        return match.span("secret") if match and accepts(match["secret"]) else None

    def find_before(scan: Scan, place: int) -> Span | None:
        match = pattern.search(scan.text, max(0, place - _BEFORE_BYTES), place)
        return match.span("secret") if match and accepts(match["secret"]) else None

    return find_before if is_before else find


# ---------------------------------------------------------------- tokens of a vendor

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


ANCHORED, RUNS = map(_tokens, Path(__file__).with_name("vendors.txt").read_text("utf-8").split("\n# Runs:"))


def body_pattern(body: str) -> str:
    """The expression of a body: possessive, but where the literal that follows is of the alphabet, too."""
    found, segments = [], parts(body)
    for number, (alphabet, least, most) in enumerate(segments):
        if alphabet.startswith("="):
            found.append(re.escape(alphabet[1:]))
            continue
        repeated = f"[{ALPHABETS[alphabet]}]{{{least},{max(least, MAX_REPEAT) if most is None else most}}}"
        following = segments[number + 1][0][1:2] if number + 1 < len(segments) else ""
        found.append(repeated if re.match(f"[{ALPHABETS[alphabet]}]", following) else repeated + "+")
    return "".join(found)


def _find_token(token: Token) -> Find:
    heads = "|".join(re.escape(prefix) for prefix in sorted(token.prefixes, key=len, reverse=True))
    ending = b"" if token.is_open else END
    pattern = re.compile(START + f"(?:{heads})(?P<secret>{body_pattern(token.body)})".encode() + ending)
    if not token.is_open:
        return find_by(pattern)
    stretch = re.compile(f"[{ALPHABETS[parts(token.body)[-1][0]]}]*+".encode())

    def find(scan: Scan, place: int) -> Span | None:
        match = pattern.match(scan.text, place)
        if not match or is_placeholder(match["secret"]):
            return None
        return match.start("secret"), scan.end_of(stretch, match.end())

    return find


def _token_rule(token: Token) -> Rule:
    anchors = frozenset(prefix.encode()[:8] for prefix in token.prefixes)
    return Rule(token.vendor, anchors, _find_token(token), starts_token=True)


TOKENS = tuple(map(_token_rule, ANCHORED))


def _run_pattern() -> re.Pattern[bytes]:
    shapes = []
    for number, token in enumerate(RUNS):
        heads = "|".join(re.escape(prefix) for prefix in token.prefixes)
        shapes.append(f"(?:{heads})(?P<shape{number}>{body_pattern(token.body)})(?![A-Za-z0-9_-])")
    return re.compile("|".join(shapes).encode())


RUN_SHAPE = _run_pattern()  # the number of the group that matched is one more than that of the row in `RUNS`
