"""Take comments away: the original is the form with comments, the variant the form without them.

Nothing is invented, and what somebody else than a human reads is kept. A comment that has its
lines for itself goes with them; one behind code goes with the white space before it; one between tokens leaves
white space behind, and a line end where it held one (Go and JavaScript end statements there).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

from effectiveness.corpus.augment.edits import Edit
from effectiveness.corpus.augment.gaps import PREPROCESSED, WITH_DIRECTIVES, Opaque, frozen_nodes, refusal
from effectiveness.corpus.augment.marks import BLOCK, marks_of
from effectiveness.languages import LANGUAGES
from effectiveness.languages.record import COMMENT_KINDS
from effectiveness.languages.syntax import SyntaxTable

_ABOVE = COMMENT_KINDS | {"php_tag", "shebang_directive"}  # what may stand above the code
_BLANK = b" \t"
_BLANK_LINE = re.compile(rb"[ \t]*\r?\n")
_DIRECTIVE = re.compile(rb"[ \t]*#")
_NEWLINE = ord("\n")
_LONGEST_LINE = 4096  # bytes; no directive begins farther back on a line
# `#!` works on the first line only, a coding cookie on the first two: one farther down must not get there.
_SHEBANG_BELOW = re.compile(rb"\n[ \t]*#!")
_COOKIE = re.compile(rb"^[ \t\f]*#[^\n]*coding[:=]", re.MULTILINE)
_CGO_IMPORT = re.compile(rb'^import\s+"C"', re.MULTILINE)


def propose(source: bytes, language: str, table: SyntaxTable, rng: random.Random) -> list[Edit] | str:
    """Edits that take every strippable comment out of `source`, or the reason for none. `rng` is not drawn."""
    if reason := refusal(source, language, table):
        return reason
    comments = [
        node for node in table.nodes_of(COMMENT_KINDS) if table.kind[table.parent[node]] not in COMMENT_KINDS
    ]
    if not comments:
        return "no comments"
    if comments[-1] == len(table) - 1 == len(comments):
        return "nothing but comments"
    if _reads_itself(source, language):
        return "reads its own text"
    spans = _strippable(source, language, table, comments)
    return _removals(source, language, spans) or "no comments that may go"


def _reads_itself(source: bytes, language: str) -> bool:
    """Whether a line looks at the text of its own file: help is often printed that way."""
    pattern = LANGUAGES[language].reads_itself
    return bool(pattern and re.search(pattern, source, re.MULTILINE))


def _strippable(
    source: bytes, language: str, table: SyntaxTable, comments: list[int]
) -> list[tuple[int, int]]:
    """Byte ranges of the comments that may go, in order."""
    kind, parent, start, end = table.kind, table.parent, table.start, table.end
    known = LANGUAGES[language]
    if known.is_read_by_lines or known.comments_stand_apart:
        marks = marks_of(language)
        marked = marks.read(table)
        frozen = frozen_nodes(table, language, marks, marked)
        comments = [index for index in comments if not frozen[index]]
        if known.comments_stand_apart:
            block = marks.bytes_with(BLOCK)
            comments = [index for index in comments if marked[parent[index]] in block]
    if table.has_error:
        opaque = Opaque(source)
        comments = [i for i in comments if abs(opaque.end_of(start[i]) - end[i]) <= 1]  # a carriage return
    header = _header_end(source, language, table)
    kept, spans = kept_in(language).search, []
    for run in _runs(source, table, comments):
        first, last = start[run[0]], end[run[-1]]
        if first < header or keeps_run(source[first:last]):
            continue
        spans += [
            (start[index], end[index])
            for index in run
            if not kept(source[start[index] : end[index]])
            and kind[parent[index]] != "jsx_expression"  # `{}` would remain
            and kind[index] != "html_comment"  # an operator in a module
        ]
    return spans


def _header_end(source: bytes, language: str, table: SyntaxTable) -> int:
    """Comments before this offset stay: those above the code when one is a licence or would begin to work on a
    higher line, and what cgo compiles."""
    first = 1
    while first < len(table) and table.kind[first] in _ABOVE:
        first = table.subtree_end[first]
    above = table.start[first] if first < len(table) else 0
    top = source[:above]
    keeps = LANGUAGES[language].kept_headers
    header = above if keeps_run(top) or _sleeps(top) or (keeps and re.search(keeps.encode(), top)) else 0
    if language == "Go" and (match := _CGO_IMPORT.search(source)):
        header = max(header, match.start())
    return header


def _sleeps(top: bytes) -> bool:
    """Whether a `#!` or coding cookie among the first comments stands too low to work."""
    cookies = [match.start() for match in _COOKIE.finditer(top)]
    return bool(_SHEBANG_BELOW.search(top)) or (bool(cookies) and top.count(b"\n", 0, cookies[-1]) > 1)


def _runs(source: bytes, table: SyntaxTable, comments: list[int]) -> Iterator[list[int]]:
    """Comments grouped: those of one run have nothing but one line end and blanks between them. A comment behind
    code is a run by itself."""
    start, end = table.start, table.end
    run: list[int] = []
    for index in comments:
        if run and not _follow(source, start[run[-1]], end[run[-1]], start[index]):
            yield run
            run = []
        run.append(index)
    if run:
        yield run


def _follow(source: bytes, start: int, end: int, next_start: int) -> bool:
    between = source[end:next_start]
    if between.strip(b" \t\r\n") or between.count(b"\n") > 1:
        return False
    left = _blanks_before(source, start, 0)
    return left == 0 or source[left - 1] == _NEWLINE


def _removals(source: bytes, language: str, spans: list[tuple[int, int]]) -> list[Edit]:
    """One edit for each comment or, where they have their lines for themselves, for each run of them."""
    edits: list[Edit] = []
    whole_lines_end = done = 0
    for start, end in spans:
        left, right = _blanks_before(source, start, done), _blanks_behind(source, end)
        first_on_line = left == 0 or source[left - 1] == _NEWLINE
        last_on_line = right == len(source) or source[right] in b"\r\n"
        if language in WITH_DIRECTIVES and _on_directive(source, left, right):
            continue
        if first_on_line and last_on_line:
            if source[max(0, left - 3) : left].rstrip(b"\r\n")[-1:] == b"\\":
                continue  # the line above goes on here: without the comment it would go on further
            right = _next_line(source, right)
            if edits and whole_lines_end == left:
                left = edits.pop().start
            right = whole_lines_end = _blank_lines_end(source, left, right)
            edits.append(Edit(left, right, b""))
        elif last_on_line:
            edits.append(Edit(left, right, b""))
        elif LANGUAGES[language].comments_stand_apart and not first_on_line:
            continue
        else:
            edits.append(_between(source, language, (left, start, end, right), first_on_line))
        done = edits[-1].end
    return edits


def _between(source: bytes, language: str, around: tuple[int, int, int, int], first_on_line: bool) -> Edit:
    """Take a comment from in front of code on its last line; what it parted stays parted.

    `around`: where the blanks before it begin, it begins, it ends, the blanks behind it end.
    """
    left, start, end, right = around
    if first_on_line:
        return Edit(start, right, b"")
    if b"\n" in source[start:end]:
        return Edit(left, right, b"\n")
    if source[right] in b",;)]" and language not in PREPROCESSED:
        return Edit(left, right, b"")
    if left < start:
        return Edit(start, right, b"")
    return Edit(start, end, b"" if right > end else b" ")


def _blanks_before(source: bytes, start: int, done: int) -> int:
    while start > done and source[start - 1] in _BLANK:
        start -= 1
    return start


def _blanks_behind(source: bytes, end: int) -> int:
    while end < len(source) and source[end] in _BLANK:
        end += 1
    return end


def _next_line(source: bytes, end: int) -> int:
    if source.startswith(b"\r\n", end):
        return end + 2
    return end + source.startswith(b"\n", end)


def _blank_lines_end(source: bytes, left: int, right: int) -> int:
    """`right`, or past the blank lines there, when what remains above is blank as well or opens a block."""
    above = source[max(0, left - 4) : left].rstrip(b"\r")
    if above.endswith((b"\n\n", b"\n\r\n", b"{\n", b":\n", b"{\r\n", b":\r\n")) or left == 0:
        while blank := _BLANK_LINE.match(source, right):
            right = blank.end()
    return right


def _on_directive(source: bytes, left: int, right: int) -> bool:
    """Whether `#` begins the line of a comment, or follows it."""
    if source[right : right + 1] == b"#":
        return True
    line = source.rfind(b"\n", max(0, left - _LONGEST_LINE), left) + 1
    return bool(_DIRECTIVE.match(source, line)) or source[max(0, line - 3) : line].rstrip()[-1:] == b"\\"


# --- comments that are never stripped: a tool, a compiler or a lawyer reads them ------------------------------
#
# Generous: a comment that is kept in vain costs a little yield, one that is stripped wrongly changes what a tool does.
# Patterns are linear: no nested repeats.

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
    """Whether `text`, of one comment or of a run of them on lines that follow each other, is such that all stay."""
    text = text.lower()
    return bool(_KEPT_RUN.search(text) or _KEPT_RUN_LINE.search(text))
