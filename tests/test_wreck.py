"""The checks of a dataset can fail: every way to wreck a good one is noticed, by the test it concerns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dataset_facts import read_facts
from test_dataset_effectiveness import TESTS, what_is_wrong
from wreck import WAYS, Way
from wreck_later import LATER_WAYS

SCRIPT = Path(__file__).with_name("test_dataset_effectiveness.py")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_wreck_is_noticed_by_the_test_it_concerns(way: Way, small_dataset, tmp_path):
    [test] = [test for test in TESTS if way.noticed_by in test.__name__]
    assert what_is_wrong(test, read_facts(way.apply(small_dataset, tmp_path)))


@pytest.mark.parametrize("way", LATER_WAYS, ids=lambda way: way.name)
def test_every_wreck_of_the_later_set_is_noticed(way: Way, dated_dataset, tmp_path):
    [test] = [test for test in TESTS if way.noticed_by in test.__name__]
    assert what_is_wrong(test, read_facts(way.apply(dated_dataset, tmp_path)))


def test_an_untouched_copy_with_a_later_set_passes(dated_dataset, tmp_path):
    facts = read_facts(Way("nothing", "rows", "", lambda wreckage: None).apply(dated_dataset, tmp_path))
    assert [what_is_wrong(test, facts) for test in TESTS] == [""] * 16


def test_an_untouched_copy_passes(small_dataset, tmp_path):
    """Sealing alone changes nothing: what is noticed above is the damage."""
    facts = read_facts(Way("nothing", "rows", "", lambda wreckage: None).apply(small_dataset, tmp_path))
    assert [what_is_wrong(test, facts) for test in TESTS] == [""] * 16


def test_every_one_of_the_16_tests_notices_some_way():
    wanted = {way.noticed_by for way in WAYS}
    assert [test.__name__ for test in TESTS if not any(part in test.__name__ for part in wanted)] == []


def test_ways_are_many_and_have_names_of_their_own():
    assert len({way.name for way in WAYS + LATER_WAYS}) == len(WAYS + LATER_WAYS) >= 40


# As a script


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, env=environment, timeout=60
    )


def test_script_prints_what_it_verified(small_dataset):
    done = run_script(str(small_dataset), PYTHONIOENCODING="utf-8")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert lines[0] == "✅ All tests passed!"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  ✓ Dataset split",
        "  ✓ Sequences",
        "  ✓ Context window",
        "  ✓ Augmentation",
        "  ✓ Curriculum learning",
        "  ✓ File sizes",
    ]
    assert lines[3] == "  ✓ Context window: 128 tokens"


def test_script_survives_a_locale_without_check_marks(small_dataset):
    done = run_script(str(small_dataset), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"OK All tests passed!")


@pytest.mark.parametrize(("way", "exit_code"), [("", 0), ("one row too short", 1)])
def test_script_answers_by_its_exit_code_where_nothing_can_be_printed(
    way, exit_code, small_dataset, tmp_path
):
    ways = {each.name: each for each in WAYS}
    directory = ways[way].apply(small_dataset, tmp_path) if way else small_dataset
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, SCRIPT, str(directory)], stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == exit_code
    assert done.stderr.startswith(b"note: standard output cannot be written to")


def test_script_names_file_and_line_of_what_is_wrong(small_dataset, tmp_path):
    way = next(way for way in WAYS if way.name == "one row too short")
    done = run_script(str(way.apply(small_dataset, tmp_path)), PYTHONIOENCODING="utf-8")
    assert done.returncode == 1
    assert "training_data_train.jsonl:" in done.stdout.decode()
    assert "tokens must hold 128 ids, got 127" in done.stdout.decode()


@pytest.mark.parametrize("argument", ["nowhere", "."])
def test_script_says_in_one_line_that_there_is_no_dataset(argument, tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, argument], capture_output=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, b"", 1)
