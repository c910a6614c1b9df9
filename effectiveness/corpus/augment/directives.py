"""Comments that are never stripped: a tool, a compiler or a lawyer reads them.

`kept_in(language)` is found inside the text of one comment; `keeps_run` finds one comment of a run (comments on
lines that follow each other) and keeps the whole run. Both are generous: a comment that is kept in vain costs
a little yield, one that is stripped wrongly changes what a tool does. Patterns are linear: no nested repeats.
"""

from __future__ import annotations

import re
from functools import cache

from effectiveness.languages import LANGUAGES

_ALTERNATIVE = re.compile(r"(?:\\.|\[[^]]*\]|\((?:\\.|[^()\\]|\([^()]*\))*\)|[^|])+")
_BEGINNING = re.compile(r"(?:\\.|\[[^]]*\]|[^(])(?![?*+{])|")


def _any_of(*rules: str) -> re.Pattern[bytes]:
    """A pattern that is found where one of the alternatives in `rules` is.

    Those that begin alike are tried together, since a search tries all that it has at every byte: half the time.

    >>> _any_of("nolint|^#!|nosec").pattern
    b'n(?:olint|osec)|^(?:#!)'
    """
    begun: dict[str, list[str]] = {}
    for alternative in _ALTERNATIVE.findall("|".join(rules)):
        beginning = _BEGINNING.match(alternative)[0]  # type: ignore[index]  # it matches the empty text, too
        begun.setdefault(beginning, []).append(alternative.removeprefix(beginning))
    return re.compile("|".join(f"{how}(?:{'|'.join(rests)})" for how, rests in begun.items()).encode())


_EVERYWHERE = (
    r"\bvim?:|\bex:|-\*-|Local Variables:",  # editor settings
    r"\[\[\[|\]\]\]",  # cog
    r"@generated|\$(?:Id|Revision|Date|Author|Header)\b",
    r"\b(?:BEGIN|END)\b",  # markers of generators and of documentation tools
    r"\b(?i:codespell|nosemgrep|gitleaks|copybara:|language=)",
    r"#(?:end)?region\b",
)


@cache
def kept_in(language: str) -> re.Pattern[bytes]:
    """Found inside the text of one comment that stays."""
    return _any_of(*_EVERYWHERE, *LANGUAGES[language].kept_comments)


# Licences, generated-code marks, Go's expected outputs and deprecations, inline metadata: all lines or none.
# Searched in lower case, which takes half the time of ignoring the case; those that begin a line by themselves, as
# without them a search looks only where a byte begins one of the others.
_KEPT_RUN = re.compile(
    rb"co(?:pyright|de generated)|\xc2\xa9|\(c\) ?[12]\d\d\d|licen[cs]e|spdx|a(?:ll rights reserved|uto-?generated)"
    rb"|warranty|d(?:o not (?:edit|modify)|eprecated:)|init info"
)
_KEPT_RUN_LINE = re.compile(rb"^(?:[ \t]*//[ \t]*(?:unordered )?output:|# ///)", re.MULTILINE)


def keeps_run(text: bytes) -> bool:
    """Whether `text`, of one or several comments, is such that all of them stay."""
    text = text.lower()
    return bool(_KEPT_RUN.search(text) or _KEPT_RUN_LINE.search(text))
