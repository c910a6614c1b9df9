"""Every variant keeps the line ends of its source, line by line, whatever a grammar takes them for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from augment_cases import CASES

from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Variant, vary
from effectiveness.corpus.augment.edits import Edit, apply, keep_line_ends
from effectiveness.languages import language_of
from effectiveness.languages.syntax import parse, table_of

BEFORE = [path for kind in AUGMENTATIONS for path in sorted(CASES.glob(f"*/{kind}/*.before.*"))]
LANGUAGES = sorted({path.parent.parent.name for path in BEFORE})


def mixed(text: bytes) -> bytes:
    """Every other line end, and each lone one of a run, as on Windows."""
    lines = text.split(b"\n")
    ends = [(b"\n", b"\r\n")[number % 3 != 1] for number in range(len(lines) - 1)] + [b""]
    return b"".join(line + end for line, end in zip(lines, ends, strict=True))


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "mixed": mixed,
    "CRLF behind a BOM": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    "CRLF but for the end": lambda text: text.replace(b"\n", b"\r\n").rstrip(b"\r\n"),
    "CRLF and form feeds": lambda text: text.replace(b"\n\n", b"\n\f\n").replace(b"\n", b"\r\n"),
    "CRLF and a NUL at the end": lambda text: text.replace(b"\n", b"\r\n") + b"\0",
}


def variants(source: bytes, path) -> list[Variant]:
    language = language_of(path.name.replace(".before", "")).name
    table = table_of(parse(language, source))
    found = vary(source, language, table, path=path.name, seed=1, kinds=AUGMENTATIONS, facts=NO_FACTS)
    return [variant for variant in found if isinstance(variant, Variant)]


def ends_of_lines(text: bytes) -> dict[bytes, bytes]:
    """What a line holds but white space -> how it ends, for those that stand there once."""
    lines = text.split(b"\n")[:-1]
    counts = Counter(b"".join(line.split()) for line in lines)
    ends = {b"".join(line.split()): b"\r" if line.endswith(b"\r") else b"" for line in lines}
    return {line: end for line, end in ends.items() if line and counts[line] == 1}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_variant_keeps_the_line_ends_of_its_source(language, form):
    num_plain = num_found = 0
    for path in BEFORE:
        if path.parent.parent.name != language or b"\r" in path.read_bytes():
            continue
        source = FORMS[form](path.read_bytes())
        num_plain += len(variants(source.replace(b"\r\n", b"\n"), path))
        for variant in variants(source, path):
            num_found += 1
            ends = ends_of_lines(source)
            other = {
                line: end
                for line, end in ends_of_lines(variant.text).items()
                if ends.get(line, end) != end and not source.endswith(line)
            }
            assert not other, (path.name, variant.kind, other)
            assert b"\r\r" not in variant.text
            if form != "mixed":
                assert variant.text.count(b"\r\n") == variant.text.count(b"\n") == variant.text.count(b"\r")
    assert num_found >= (min(0.85 * num_plain, num_plain - 1) if form == "mixed" else num_plain - 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_end_comes_where_lines_end_in_carriage_returns_alone(language):
    """As on the first Macintosh; to most compilers all of it is one line."""
    for path in BEFORE:
        if path.parent.parent.name == language and b"\r" not in path.read_bytes():
            source = path.read_bytes().replace(b"\n", b"\r")
            for variant in variants(source, path):
                assert b"\n" not in variant.text and variant.text.count(b"\r") <= source.count(b"\r")


def test_edits_of_random_places_part_no_line_end():
    rng = random.Random(3)
    for _ in range(3000):
        source = b"".join(
            rng.choice((b"a", b" ", b"\n", b"\r\n", b"#b")) for _ in range(rng.randrange(1, 14))
        )
        cuts = sorted(rng.randrange(len(source) + 1) for _ in range(4))
        edits = [
            Edit(a, b, rng.choice((b"", b" ", b"\n", b"\r\n", b"\n  ", b"\r")))
            for a, b in (cuts[:2], cuts[2:])
        ]
        edits = edits if cuts[1] < cuts[2] or edits[0].end < edits[1].start else edits[:1]
        kept = apply(source, keep_line_ends(source, edits))
        lone = kept.count(b"\r") - kept.count(b"\r\n")
        assert lone <= sum(edit.replacement == b"\r" for edit in edits)
