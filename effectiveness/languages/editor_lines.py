"""The lines by which a text tells Emacs and Vim its language: `-*- mode: tcl -*-`, `vim: set ft=tcl`."""

from __future__ import annotations

import re

_HEAD_BYTES = 512
_EMACS_LINES, _VIM_LINES = 2, 5  # where the editors look
_EMACS = re.compile(
    rb"-\*-[ \t]*(?:[^\n]{0,100}?\bmode:[ \t]*)?([\w+#-]+?)[ \t]*(?:;[^\n]{0,200}?)?-\*-", re.IGNORECASE
)
_VIM = re.compile(rb"(?:^|[ \t])(?:vi|vim|ex):[^\n]{0,200}?\b(?:ft|filetype|syn|syntax)=([\w+#-]+)")


def word_for_editors(text: bytes) -> str:
    """The word that the text uses for its language; "" where it says nothing.

    >>> word_for_editors(b"# -*- tcl -*-\\n"), word_for_editors(b"x = 1\\n# vim: set ft=python :\\n")
    ('tcl', 'python')
    """
    head = text[:_HEAD_BYTES].split(b"\n")
    if found := _EMACS.search(b"\n".join(head[:_EMACS_LINES])):
        return found[1].decode("ascii", "replace")
    tail = text[-_HEAD_BYTES:].rstrip().split(b"\n")
    lines = (*head[:_VIM_LINES], *tail[-_VIM_LINES:])
    return next((found[1].decode("ascii", "replace") for line in lines if (found := _VIM.search(line))), "")
