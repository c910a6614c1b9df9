"""The campaign over trees of real code: a slice of it always, all of it in `make torture`."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from effectiveness.corpus.augment import AUGMENTATIONS, verify
from effectiveness.corpus.augment.edits import Edit
from effectiveness.languages.syntax import parse, table_of
from tests import augment_campaign
from tests.augment_campaign import TREES, Campaign
from tests.augment_cases import CASES
from tests.augment_mistakes import mistaken, mutants
from tests.augment_trees import JUDGES, judge_of, tree_of, units

# language -> (part of its tree, files). Names and macros are collected from all of a tree, so small ones.
SLICE = {
    "Python": ("email", 20),
    "Go": ("golang.org/x/net/html", 10),
    "Rust": ("itoa-*", 10),
    "JavaScript": ("@babel/traverse", 15),
    "C": ("linux/netfilter*", 8),
    "Bash": (".", 3),
    "Lua": ("vim/lsp", 4),
    "Ruby": ("3.*/csv", 5),
    "TOML": ("tokio-1*", 5),
}


def tree_or_skip(language: str, part: str = ".") -> Path:
    if judge_of(language).MISSING:
        pytest.skip(judge_of(language).MISSING)
    root = Path(TREES[language])
    found = sorted(root.parent.glob(f"{root.name}/{part}"))
    if not found:
        pytest.skip(f"{TREES[language]}/{part} is not there")
    return found[0]


def total(campaign: Campaign, column: str) -> int:
    return sum(row[column] for row in campaign.counts.values())


@pytest.mark.parametrize("language", SLICE)
def test_a_slice_of_real_code_keeps_its_meaning(language: str) -> None:
    part, num_files = SLICE[language]
    campaign = Campaign()
    campaign.run(tree_of(tree_or_skip(language, part), language, seed=7), num_files, num_mutants=2, every=3)
    assert campaign.wrong == []
    assert total(campaign, "equal") > 0


@pytest.mark.torture
@pytest.mark.parametrize("language", TREES)
def test_whole_trees_keep_their_meaning(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """20,000 mutants and more, over all languages."""
    root = tree_or_skip(language)
    arguments = ["--tree", f"{language}={root}", "--files", "600", "--mutants", "8"]
    exit_code = augment_campaign.main(arguments)
    with capsys.disabled():
        print(f"\n{capsys.readouterr().out}")
    assert exit_code == 0


def write(root: Path, number: int) -> Path:
    for i in range(number):
        text = f"def f{i}(rows):\n    total = {i}  # start\n    count = 0\n    return total - count, rows\n"
        (root / f"m{i}.py").write_text(text)
    return root


def test_a_wrong_augmentation_is_called_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the always-on check, a proposer that breaks code is found out by the judge."""

    def breaks(source: bytes, *_: object) -> list[Edit]:
        at = source.rindex(b"total")
        return [Edit(at, at + 5, b"count")]

    kind = "variable_renaming"
    monkeypatch.setitem(AUGMENTATIONS, kind, replace(AUGMENTATIONS[kind], propose=breaks))
    monkeypatch.setattr(verify.Baseline, "objection", lambda *_: "")
    assert augment_campaign.main(["--tree", f"Python={write(tmp_path, 3)}"]) == 1


def test_every_planted_mistake_in_a_small_tree_is_caught(tmp_path: Path) -> None:
    campaign = Campaign()
    campaign.run(tree_of(write(tmp_path, 12), "Python", seed=1), 0, num_mutants=0, every=1)
    assert campaign.wrong == campaign.missed == []
    assert total(campaign, "planted") == total(campaign, "caught") == 36


@pytest.mark.parametrize("language", [name for name, judge in JUDGES.items() if judge == "lexed"] + ["TOML"])
def test_a_judge_without_a_compiler_catches_every_planted_mistake(language: str) -> None:
    campaign = Campaign()
    for seed in range(4):
        campaign.run(tree_of(CASES / language, language, seed), 0, num_mutants=0, every=1)
    assert campaign.wrong == campaign.missed == []
    assert total(campaign, "planted") == total(campaign, "caught") > 10


def test_files_are_drawn_the_same_way_again_and_all_when_no_number_is_given(tmp_path: Path) -> None:
    def drawn(number: int, seed: int) -> list[str]:
        tree = tree_of(tmp_path, "Python", seed)
        return [text.path.name for texts in units(tree, number) for text in texts]

    write(tmp_path, 20)
    assert drawn(5, seed=1) == drawn(5, seed=1) != drawn(5, seed=2)
    assert len(drawn(5, seed=1)) == 5
    assert len(drawn(0, seed=1)) == 20


def test_a_language_whose_tree_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert augment_campaign.main(["--tree", "Python=/no/such/tree"]) == 0
    assert "Python: not judged: /no/such/tree is not there" in capsys.readouterr().out


def test_a_mistake_differs_from_the_right_variant_and_from_the_source() -> None:
    source = b"def f(a):\n    b = 'x y'\n    return a, b\n"
    table = table_of(parse("Python", source))
    for seed in range(50):
        wrong = mistaken("format_variation", source, table, [Edit(13, 14, b"  ")], random.Random(seed))
        assert wrong not in (source, source[:13] + b"  " + source[14:])


def test_mutants_lack_or_double_one_token_or_break_off() -> None:
    source = b"a b c"
    found = set(mutants(source, 200, random.Random(1)))
    assert {b" b c", b"aa b c", b"a b ", b"a b", b""} <= found
    assert mutants(b"", 5, random.Random(1)) == []


def test_mutants_of_text_beyond_ascii_are_text() -> None:
    """Half a character went to a judge that reads text."""
    source = 's := "\u00fcber \u4e2d\u6587" // caf\u00e9\n'.encode()
    for mutant in mutants(source, 200, random.Random(1)):
        mutant.decode()
