"""No text, however hostile, crashes an augmentation or keeps it busy: it is refused, and the refusal is counted."""

from __future__ import annotations

import time

import pytest

from effectiveness.corpus.augment import AUGMENTATIONS, NO_FACTS, Refusal, Variant, vary
from effectiveness.corpus.augment.renaming import ROLES
from effectiveness.languages import LANGUAGES
from effectiveness.languages.syntax import gave_up, has_grammar, parse, table_of
from tests.augment_cases import CASES

GRAMMARS = [name for name in LANGUAGES if has_grammar(name)]
LONGEST_S = 10.0  # of one file, for parsing and all kinds together
HOSTILE = {
    "brackets": b"(" * 100_000 + b")" * 100_000,
    "braces": b"{" * 100_000,
    "punctuation": b"+-*/<>=!&|^~" * 25_000,
    "operators": b"ab <>&| cd\n" * 12_000,
    "quotes": b'"' * 100_000,
    "conditions": b"if (a) {} else " * 20_000,
    # A scanner that wrote down the levels that are open wrote past its buffer at the 254th.
    "indentation": b"".join(b" " * level + b"a:\n" for level in range(400)) + b"((((",
}


def results(source: bytes, language: str) -> list[Variant | Refusal]:
    """Of all kinds, within the time one file may take."""
    started_s = time.process_time()
    table = table_of(parse(language, source))
    results = vary(source, language, table, path="x", seed=1, kinds=list(AUGMENTATIONS), facts=NO_FACTS)
    found = list(results)
    assert time.process_time() - started_s < LONGEST_S
    return found


@pytest.mark.parametrize("language", GRAMMARS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_time_for_a_reason(name: str, language: str) -> None:
    found = results(HOSTILE[name], language)
    assert [result.kind for result in found] == list(AUGMENTATIONS)
    assert all(isinstance(result, Refusal) and result.reason for result in found)


@pytest.mark.parametrize("language", GRAMMARS)
@pytest.mark.parametrize("other", ["Python", "C", "TSX", "Bash"])
def test_a_file_with_the_wrong_extension_is_answered(language: str, other: str) -> None:
    for path in sorted((CASES / other).glob("*/*.before.*")):
        assert len(results(path.read_bytes(), language)) == len(AUGMENTATIONS)


@pytest.mark.parametrize("language", GRAMMARS)
def test_files_that_break_off_are_answered(language: str) -> None:
    for path in sorted((CASES / language).glob("*/*.before.*")):
        source = path.read_bytes()
        for end in range(0, len(source), 97):
            assert len(results(source[:end], language)) == len(AUGMENTATIONS)


@pytest.mark.parametrize(
    "language", [name for name in GRAMMARS if name in ROLES and name not in ("C", "C++")]
)
def test_nothing_is_renamed_in_a_function_with_a_syntax_error(language: str) -> None:
    [path] = (CASES / language / "variable_renaming").glob("[tT]raps.before.*")
    source = path.read_bytes()
    brace = source.rindex(b"return")
    broken = source[:brace] + b")) @@ ((" + source[brace:]
    [renamed] = [result for result in results(broken, language) if result.kind == "variable_renaming"]
    last = source[source[:brace].rindex(b"moves") : brace].split()[0]
    assert isinstance(renamed, Refusal) or last in renamed.text


def test_a_script_of_nothing_but_operators_is_not_parsed() -> None:
    """80 s went by before the Bash grammar gave up on 300 KB of them."""
    source = HOSTILE["punctuation"]
    table = table_of(parse("Bash", source))
    assert gave_up(source, table)
    assert {result.reason for result in results(source, "Bash")} == {"too many tokens to parse"}


def test_a_script_with_banners_is_parsed() -> None:
    source = (b"#" * 78 + b"\n") * 10 + b"f() {\n    echo $1 # said\n}\n" * 4_000
    assert not gave_up(source, table_of(parse("Bash", source)))
