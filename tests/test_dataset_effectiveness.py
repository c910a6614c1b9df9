"""Checks a finished dataset: every line of it, against nothing but its own rows, tokenizer and file names.

    python3 tests/test_dataset_effectiveness.py [DATASET_DIR]       # default: training_data_effectiveness

prints what was verified, or every kind of mistake with file and line, and exits with 1. Under pytest the same
16 tests run on a small dataset that the command builds first.
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate(os.path.dirname(os.path.realpath(__file__)))  # the modules beside this file are ours, too

from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # they spin, and nothing here multiplies matrices

import dataset_checks as checks
import dataset_curriculum as curriculum
import dataset_dated as dated
import dataset_later as later
import dataset_later_texts as later_texts
import dataset_splits as splits
import dataset_windows as windows
from dataset_facts import Facts, read_facts

from effectiveness.common.boundary import reason
from effectiveness.common.console import Console, count
from effectiveness.common.endings import CannotPrint, claim_standard_streams, ending_of, fail, tell_on_stderr
from effectiveness.common.jsonl import of_another_version
from effectiveness.common.records import DATASET_FILES, METADATA_FILE

DEFAULT_DIRECTORY = "training_data_effectiveness"


def expect(facts: Facts, *found: Callable[[Facts], list[str]], topics: tuple[str, ...] = ()) -> None:
    """Fails with every line that the checks return and with what went wrong under `topics` while reading."""
    wrong = facts.problems.lines(topics)
    if facts.rows is None:
        wrong.append(f"the rows cannot be checked without a sound {METADATA_FILE}")
    elif not len(facts.rows):
        wrong.append("there is no sound row")
    else:
        for check in found:
            wrong += check(facts)
    if wrong:
        raise AssertionError("\n".join(wrong))  # not `assert`: python -O must not pass everything


# Format


def test_every_line_is_one_strict_json_object_with_the_documented_keys(facts):
    expect(
        facts,
        checks.files_are_described_once,
        later.later_files_are_described,
        later.later_problems("json"),
        topics=("json",),
    )


def test_rows_are_overlapping_windows_of_ids_that_the_tokenizer_gives(facts):
    expect(
        facts,
        windows.windows_cover_their_files,
        windows.overlaps_agree,
        windows.ids_are_the_tokenizers,
        later.later_windows_agree,
        later_texts.later_ids_are_the_tokenizers,
        later_texts.later_ranges_are_lines,
        later.later_problems("tokens", "windows"),
        topics=("tokens", "windows"),
    )


def test_metadata_is_complete_and_says_what_the_files_say(facts):
    expect(
        facts,
        checks.files_have_their_digests,
        checks.pages_tell_of_this_dataset,
        checks.tokenizer_fits,
        checks.metadata_counts_are_right,
        later.later_is_counted,
        dated.later_is_dated,
        topics=("metadata",),
    )


# Augmentation


def test_augmentation_types_are_those_declared(facts):
    expect(facts, windows.kinds_are_declared, later.later_problems("types", "masks"), topics=("types",))


def test_masked_rows_hide_parts_of_an_original_row_and_label_them(facts):
    expect(facts, windows.masked_rows_hide_original_rows, windows.masks_are_those_drawn, topics=("masks",))


def test_variants_differ_only_as_their_type_says_and_share_the_split(facts):
    expect(facts, windows.variants_lie_beside_their_originals, windows.variants_are_what_they_say)


# Weighting


def test_weights_follow_priority_and_role(facts):
    expect(facts, checks.weights_follow_priority, later.later_weights_follow)


def test_roles_follow_the_paths(facts):
    expect(facts, checks.roles_follow_paths, later.later_roles_follow)


def test_core_util_and_test_are_seen_3_to_1_to_03(facts):
    expect(facts, checks.exposure_is_3_1_03)


# Curriculum


def test_train_file_never_gets_simpler(facts):
    expect(facts, curriculum.rows_are_ordered, curriculum.seq_ids_are_canonical)


def test_complexity_belongs_to_the_window(facts):
    expect(facts, curriculum.complexity_is_a_property_of_the_window, later_texts.later_complexity_is_finite)


def test_complexity_follows_what_the_tokens_show(facts):
    """It is worked out again from the text that they spell."""
    expect(facts, windows.complexity_is_that_of_the_text, later_texts.later_complexity_is_that_of_the_text)


# Integrity


def test_splits_are_85_10_5_and_share_no_file_and_no_group(facts):
    expect(
        facts,
        checks.splits_share_no_group,
        splits.file_splits_hold,
        checks.split_is_85_10_5,
        checks.leak_report_is_true,
        later.later_scores_nothing_known,
    )


def test_no_row_and_no_seq_id_stands_twice(facts):
    expect(facts, checks.nothing_stands_twice, later.later_stands_nowhere_else)


# Performance


def test_streaming_every_line_takes_little_memory(facts):
    expect(facts, checks.memory_stays_small, later.later_problems("memory"), topics=("memory",))


def test_padding_is_only_at_the_end_of_short_files(facts):
    expect(facts, checks.padding_is_as_recorded, later.later_problems("padding"), topics=("padding",))


# As a script

TESTS = [test for name, test in list(globals().items()) if name.startswith("test_")]


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr if arguments != ["--help"] else sys.stdout)
        return 0 if arguments == ["--help"] else 2
    directory = Path(arguments[0] if arguments else DEFAULT_DIRECTORY)
    if not directory.is_dir():
        print(
            f"{directory}: no such directory; build a dataset first, or name the one to check",
            file=sys.stderr,
        )
        return 2
    if not any((directory / name).exists() for name in (METADATA_FILE, *DATASET_FILES.values())):
        print(f"{directory}: holds no dataset ({METADATA_FILE} is missing)", file=sys.stderr)
        return 2
    try:
        facts = read_facts(directory)
    except Exception as error:  # noqa: BLE001 - others wrote what is read; told below
        return fail(f"{directory}: cannot be read as a dataset: {reason(error)}", 1)
    if version := of_another_version(facts.metadata):
        print(f"{directory}: {version}; only the version that built it can check it", file=sys.stderr)
        return 2
    failed = [(test.__name__, wrong) for test in TESTS if (wrong := what_is_wrong(test, facts))]
    try:
        _tell(facts, failed)
    except CannotPrint as error:  # the exit code is an answer, too
        tell_on_stderr(f"note: {error}")
    return 1 if failed else 0


def _tell(facts: Facts, failed: list[tuple[str, str]]) -> None:
    say = Console().say
    if not failed:
        for line in summary(facts):
            say(line)
    for name, wrong in failed:
        say(f"❌ {name[5:].replace('_', ' ')}")
        for line in wrong.splitlines():
            say(f"  ✗ {line}")
    if failed:
        say(f"❌ {len(failed)} of {len(TESTS)} tests failed: {facts.directory}")


def what_is_wrong(test: Callable[[Facts], None], facts: Facts) -> str:
    try:
        test(facts)
    except AssertionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever odd metadata make of a check, it did not pass
        return f"cannot be checked, {METADATA_FILE} is not of the shape it must have: {reason(error)}"
    return ""


def summary(facts: Facts) -> list[str]:
    shares = "/".join(f"{share:.0f}" for share in checks.split_shares(facts).values())
    num_kinds = len(set(facts.rows["variant"].tolist()) - {0})
    megabytes = sum(facts.num_bytes.values()) / 1e6
    return [
        "✅ All tests passed!",
        f"  ✓ Dataset split: {shares}",
        f"  ✓ Sequences: {len(facts.rows):,} unique",
        f"  ✓ Context window: {facts.layout.window} tokens",
        f"  ✓ Augmentation: {count(num_kinds, 'type')}",
        f"  ✓ Curriculum learning: Verified{_sampled(facts)}",
        f"  ✓ File sizes: {megabytes:.{0 if megabytes >= 10 else 1}f} MB",
    ]


def _sampled(facts: Facts) -> str:
    """Of a dataset too large to be read as text in full: how much was."""
    share = windows.texts_of(facts).share
    return f" (scores and masks of {100 * share:.0f} % of the rows worked out again)" if share < 1 else ""


if __name__ == "__main__":
    claim_standard_streams()
    sys.exit(ending_of(lambda publication: main(sys.argv[1:])))
