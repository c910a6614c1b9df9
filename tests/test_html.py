"""Pages are made in one place, so what strangers wrote is spelled the same way on all of them."""

from __future__ import annotations

import ast
import re
from html import unescape
from pathlib import Path

import pytest

from effectiveness.common import html
from effectiveness.common.html import coloured
from effectiveness.proof.page import bars
from effectiveness.trainer.complete import Completion, Gap
from effectiveness.trainer.report import _completion, picture

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "\u202e<script>alert(1)</script>\x07"
SPELLED = r"\u202e&lt;script&gt;alert(1)&lt;/script&gt;\u0007"


def markup() -> dict[str, str]:
    """What each kind of drawing and text makes of a hostile string."""
    gap = Gap(source_file=HOSTILE, prefix=HOSTILE, suffix=HOSTILE, truth="x")
    return {
        "table": html.table((HOSTILE,), [(HOSTILE,)]),
        "document": html.document(HOSTILE, HOSTILE),
        "curves": picture({HOSTILE: [(1.0, 2.0), (2.0, 1.0)]}, "nats"),
        "bars": bars({HOSTILE: 1.0}, HOSTILE),
        "completion": _completion(HOSTILE, Completion(gap=gap, text=HOSTILE)),
    }


@pytest.mark.parametrize("kind", markup())
def test_a_character_that_reorders_text_is_spelled_out_wherever_it_stands(kind):
    text = markup()[kind]
    assert SPELLED in text and "\u202e" not in text and "<script" not in text


def test_no_other_module_escapes_markup_or_brings_a_style_of_its_own():
    for path in (ROOT / "effectiveness").rglob("*.py"):
        text = path.read_text("utf-8")
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert path.name == "html.py" or ("html" not in imported and "<style" not in text), path


@pytest.mark.parametrize(
    "code",
    [
        'return "<b>" # a',
        "x = 'it",
        "/* a",
        "#[derive(Debug)]\nfn f(a: u8) -> u8 { 0x1F }",
        "a\u202eb // \u202e",
        "`" * 9,
    ],
)
def test_code_in_colours_keeps_every_character(code):
    markup = coloured(code)
    assert unescape(re.sub(r"</?span[^>]*>", "", markup)) == html.visible(code)
    assert "<b>" not in markup


def test_colours_tell_words_texts_comments_and_numbers_apart():
    found = re.findall(r'<span class="(\w+)">(.*?)</span>', coloured('if x == 12:\n    y = "if"  # if\n'))
    assert found == [("word", "if"), ("number", "12"), ("text", "&quot;if&quot;"), ("comment", "# if")]
