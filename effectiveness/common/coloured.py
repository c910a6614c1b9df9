"""Code in colours, whatever its language: texts, comments, numbers and the words that most languages reserve.

A page shows a few lines out of the middle of a file, which no parser reads. One expression, linear in the text.
"""

from __future__ import annotations

import re

from effectiveness.common.html import Html, join, tag

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
    """The code as markup.

    >>> coloured('return "<"')
    '<span class="word">return</span> <span class="text">&quot;&lt;&quot;</span>'
    """
    parts: list[object] = []
    last = 0
    for found in _PART.finditer(code):
        parts += [code[last : found.start()], tag("span", found[0], class_=found.lastgroup)]
        last = found.end()
    return join([*parts, code[last:]])
