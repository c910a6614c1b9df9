"""Markup with one way in: every string is escaped unless it is already `Html`.

File names and code come from strangers. All markup of our pages is made by `tag`, so there is one place to
get escaping right, and the page's own policy forbids scripts and requests should that ever fail.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_STYLE = Path(__file__).with_name("style.css")

# Control characters would vanish or, for the bidirectional ones, reorder what a reader sees ("Trojan Source",
# CVE-2021-42574). They are spelled out; newline and tab stay.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0xFEFF} - {
    9,
    10,
}
_BIDI = {*range(0x202A, 0x202F), *range(0x2060, 0x2070)}
_SURROGATES = set(range(0xD800, 0xE000))
_VISIBLE = {code: f"\\u{code:04x}" for code in _CONTROLS | _BIDI | _SURROGATES}


class Html(str):
    """Markup that is already escaped."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""`text` with control, bidirectional and unpaired surrogate characters spelled as `\uNNNN`."""
    return text.translate(_VISIBLE)


def escape(value: object) -> Html:
    return value if isinstance(value, Html) else Html(html.escape(visible(str(value))))


def join(children: Iterable[object]) -> Html:
    return Html("".join(escape(child) for child in children))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. `class_` is the class; `_` in other attribute names becomes `-`; None is left out.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    spelled = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{spelled}>{join(children)}</{name}>")


def table(
    headers: Sequence[object], rows: Iterable[Sequence[object]], *, numeric: Sequence[int] = (), css: str = ""
) -> Html:
    """A table that scrolls inside itself on a narrow screen; the columns in `numeric` are right-aligned."""
    head = tag(
        "tr", *(_cell("th", column, text, numeric, scope="col") for column, text in enumerate(headers))
    )
    body = [
        tag("tr", *(_cell("td", column, text, numeric) for column, text in enumerate(row))) for row in rows
    ]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body)),
        class_=f"scroll {css}".strip(),
        tabindex=0,
    )


def _cell(name: str, column: int, text: object, numeric: Sequence[int], **attributes: object) -> Html:
    return tag(name, text, class_="n" if column in numeric else None, **attributes)


def section(title: str, why: str, *body: object, wide: bool = False) -> Html:
    """Title and reason to look in the margin, the evidence beside them; all stacked when `wide`."""
    margin = tag("header", tag("h2", title), tag("p", why))
    return tag("section", margin, tag("div", *body, class_="evidence"), class_="wide" if wide else None)


def finding(*parts: object) -> Html:
    """The sentence a person takes away from what stands below it."""
    return tag("p", *parts, class_="finding")


def note(*parts: object) -> Html:
    return tag("p", *parts, class_="note")


def facts(named: Iterable[tuple[object, object, object]]) -> Html:
    """Figures in a row: (name, value, what it means)."""
    cells = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", words))) for name, value, words in named
    ]
    return tag("dl", *cells, class_="facts")


def figure(caption: object, *drawing: object) -> Html:
    return tag("figure", tag("figcaption", caption), *drawing)


def document(title: str, *body: object) -> str:
    """A complete page without scripts, requests or inline styles; its policy allows the one style by hash."""
    style = _STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{tag("title", title)}<style>{style}</style></head>\n'
        f"<body><main>{join(body)}</main></body></html>\n"
    )


def num(value: float) -> str:
    """1234567 -> '1,234,567'."""
    return f"{int(value):,}"


def percent(part: float, whole: float) -> str:
    """A share in words that never rounds something to nothing, nor almost everything to everything.

    >>> percent(1, 8), percent(0, 8), percent(1, 90000), percent(89999, 90000), percent(0, 0)
    ('12.5 %', '0 %', '< 0.1 %', '> 99.9 %', 'none')
    """
    if not whole:
        return "none"
    value = 100 * part / whole
    if value in (0, 100):
        return f"{value:.0f} %"
    if value < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if value > 99.9 else f"{value:.1f} %"


def short(text: str, limit: int = 120) -> str:
    """The ends of a long name: a page must stay small whatever the tree holds."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} … {text[-half:]}"


# --- code in colours, whatever its language --------------------------------------------------------------

KEYWORDS = (
    "abstract async await break case catch class const continue def default defer del do elif else end enum except "
    "export extends extern final finally fn for from func function go if impl implements import in interface is "
    "lambda let local loop match mod module mut namespace new nil None null not or and package pass private protected "
    "pub public raise return self static struct super switch template this throw throws trait true True false False "
    "try type typedef union unsafe use using val var virtual void where while with yield"
)
_PART = re.compile(
    r"(?P<comment>(?:#(?!\[)|//|--\s)[^\n]*|/\*[^*\n]*\*/)"
    r"""|(?P<text>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)"""
    rf"|(?P<word>\b(?:{'|'.join(KEYWORDS.split())})\b)"
    r"|(?P<number>\b\d[\w.]*)"
)


def coloured(code: str) -> Html:
    """Code as markup in colours, by one expression that is linear in the text: a page shows a few lines out of the
    middle of a file, which no parser reads.

    >>> coloured('return "<"')
    '<span class="word">return</span> <span class="text">&quot;&lt;&quot;</span>'
    """
    parts: list[object] = []
    last = 0
    for found in _PART.finditer(code):
        parts += [code[last : found.start()], tag("span", found[0], class_=found.lastgroup)]
        last = found.end()
    return join([*parts, code[last:]])
