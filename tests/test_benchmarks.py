"""What the benchmarks stand on: honest inputs, honest clocks, verdicts that can be MISSED."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import augmentation, corpora, dataset, measure
from benchmarks.outcome import Bar, Outcome
from effectiveness.corpus import duplicates

SOURCES = Path(np.__file__).parent / "lib"  # a few dozen Python files that every checkout has


@pytest.fixture(scope="module")
def doubled(tmp_path_factory) -> tuple[Path, Path]:
    """(a corpus, two distinct copies of it)."""
    directory = tmp_path_factory.mktemp("corpora")
    (directory / "one").mkdir()
    (directory / "two").mkdir()
    corpora.compose([SOURCES], directory / "one", 300_000)
    corpora.multiply(directory / "one", directory / "two", 2)
    return directory / "one", directory / "two"


def test_a_composed_corpus_is_a_git_repository_of_the_size_that_was_asked_for(tmp_path):
    contents = corpora.compose([SOURCES], tmp_path, 100_000)
    assert 100_000 <= contents.num_bytes <= 100_000 + corpora.MAX_FILE_BYTES
    listed = subprocess.run(["git", "ls-files"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == contents.num_files > 1


def test_copies_have_the_same_sizes_and_no_near_duplicate_in_each_other(doubled):
    one, two = doubled
    names = sorted(path.relative_to(one) for path in one.rglob("*.py"))
    texts = [(two / copy / name).read_bytes() for copy in ("copy0", "copy1") for name in names]
    assert [len(text) for text in texts[: len(names)]] == [len(text) for text in texts[len(names) :]]
    assert texts[: len(names)] == [(one / name).read_bytes() for name in names]
    sketches = [duplicates.signature(text)[: duplicates.NUM_BANDS + 1] for text in texts]
    groups = duplicates.group(sketches, lambda i: texts[i])
    long = [i for i in range(len(names)) if len(texts[i]) > 1_000]
    assert len(long) > 5
    assert not [names[i] for i in long if groups[i] == groups[i + len(names)]]


def test_copies_keep_keywords_so_that_parsers_still_accept_them(doubled):
    _, two = doubled
    for path in (two / "copy1").rglob("*.py"):
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def test_memory_of_children_counts_and_output_is_read():
    hold = "import time; block = bytearray(150_000_000); time.sleep(0.3)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    run = measure.run([sys.executable, "-c", f"{parent}; print('inner_s 0.25'); print('rows 7')"])
    assert run.peak_rss_mb > 145
    assert (run.inner_s, run.rows) == (0.25, 7)
    assert run.wall_s >= 0.3


def test_a_process_that_fails_is_an_error_that_shows_what_it_said():
    with pytest.raises(measure.MeasurementError, match=re.compile("ended with 5.*no such luck", re.DOTALL)):
        measure.run([sys.executable, "-c", "print('no such luck'); raise SystemExit(5)"])


def test_a_promise_can_be_missed_in_both_directions_and_unmeasured():
    assert Bar("x", 0.31, 0.3).verdict == "MISSED"
    assert Bar("x", 0.29, 0.3).verdict == "met"
    assert Bar("x", 4.9, 5, at_least=True).verdict == "MISSED"
    assert Bar("x", 5.1, 5, at_least=True).verdict == "met"
    assert Bar("x", None, 5).verdict == "not measured"


def test_the_recorded_command_does_not_say_where_things_lie():
    flags = dataset.arguments().parse_args(["--work", "/secret/place", "--baseline-python", "/secret/python"])
    assert "secret" not in dataset.command_line(flags)


def test_a_missing_extra_is_told_with_the_command_that_installs_it():
    missing = dataset.missing_extras("/bin/false")
    assert "pip install datasets==" in missing["datasets.map"]
    assert "datatrove" in missing["datatrove"]


def test_growth_is_judged_from_4_to_16_copies():
    def run(wall_s: float) -> measure.Run:
        return measure.Run(wall_s=wall_s, cpu_s=0, peak_rss_mb=0, peak_pss_mb=0)

    found = Outcome(1, growth={1: run(1), 4: run(4), 16: run(12)})
    assert found.grown("wall_s") == 3
    assert Outcome(1, growth={1: run(1), 4: run(4)}).grown("wall_s") is None


def test_what_augmentation_costs_is_told_in_parses_median_and_range(capsys, monkeypatch):
    times = iter(
        [2.0, 20.0, 12.0, 2.0, 24.0, 14.0, 2.0, 22.0, 12.0]
    )  # parse, all kinds, proofs alone; three rounds

    def clock(work, *cases):
        work(*cases[0])
        return next(times)

    monkeypatch.setattr(augmentation, "cpu_s", clock)
    assert augmentation.main(["--tree", f"Python={SOURCES}", "--files", "4"]) == 0
    cells = capsys.readouterr().out.splitlines()[2].strip("| ").split(" | ")
    assert cells[:2] == ["Python", "4"]
    assert cells[-2:] == ["11.0 (10.0 to 12.0)", "6.0 (6.0 to 7.0)"]


def test_a_tree_without_the_language_is_told(capsys):
    assert augmentation.main(["--tree", f"Rust={SOURCES}"]) == 2
    assert "no files of this language" in capsys.readouterr().err
