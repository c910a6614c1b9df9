"""Ways to wreck a good dataset, to prove that its checks can fail.

python3 tests/wreck.py DATASET_DIR           # prints, way by way, which of the 16 tests noticed it
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # run as a file: the repository's root is not on the path
    sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from dataset_facts import read_facts
from test_dataset_effectiveness import TESTS, what_is_wrong
from wreck_edits import (
    TOKENIZER,
    change_a_hidden_label,
    copy_val_from_train,
    cut_the_tails,
    drop_originals_of_a_file,
    drop_row,
    drop_rows,
    duplicate_a_row,
    each_line,
    empty_val,
    every_field,
    every_role_by_substring,
    exchange_kinds,
    exchange_texts,
    exchange_two_ids,
    flipped,
    halve_the_overlap,
    hide_the_leak,
    is_last_of_many,
    is_masked,
    is_middle,
    is_original,
    is_short,
    is_text_variant,
    mask_everything,
    more_duplicates,
    move,
    move_a_grouped_file,
    negate_the_scores,
    noise,
    noise_in_a_short_file,
    number_the_rows,
    one_field,
    one_file,
    one_line,
    one_row,
    one_token,
    pad_a_long_file,
    pad_inside,
    plus_one,
    put_control_token,
    recorded,
    renumber,
    replaced,
    score_by_length,
    shift_one_score,
    shuffle_the_scores,
    shuffle_train,
    split_by_row,
    swap_role,
    swap_two_rows,
    swap_val_and_train,
    tokenizer_edit,
    unmask,
    variant_is_a_copy,
    whole,
)
from wreckage import TEST, TRAIN, VAL, Way, Wreckage

from corpus.records import METADATA_FILE, ORIGINAL, SPLITS

# level -> part of the name of a test that must notice -> what is wrong -> how it is done
TABLE: dict[str, dict[str, dict[str, Callable[[Wreckage], object]]]] = {
    "bytes": {
        "metadata_is_complete": {
            "one bit of train flipped": whole(TRAIN, lambda raw: flipped(raw, len(raw) // 2)),
            "one bit of val flipped": whole(VAL, lambda raw: flipped(raw, 20)),
            "one bit of the metadata flipped": whole(METADATA_FILE, lambda raw: flipped(raw, len(raw) // 3)),
            "a space added to the metadata": whole(METADATA_FILE, lambda raw: raw + b" "),
            "one bit of the tokenizer flipped": whole(TOKENIZER, lambda raw: flipped(raw, len(raw) // 2)),
            "train cut at the end of a line": whole(TRAIN, lambda raw: raw[: raw.rindex(b"\n", 0, -1) + 1]),
            "metadata missing": lambda w: w.path(METADATA_FILE).unlink(),
            "tokenizer missing": lambda w: w.path(TOKENIZER).unlink(),
            "metadata not JSON": whole(METADATA_FILE, lambda raw: raw[:-5]),
            "metadata a list": whole(METADATA_FILE, lambda raw: b"[" + raw + b"]"),
            "val and test files swapped": lambda w: w.swap_files(VAL, TEST),
        },
        "strict_json": {
            "train cut in the middle of a line": whole(TRAIN, lambda raw: raw[: len(raw) // 2]),
            "a file of zeros": whole(VAL, lambda raw: bytes(len(raw))),
            "val file missing": lambda w: w.path(VAL).unlink(),
        },
    },
    "lines": {
        "strict_json": {
            "last newline missing": whole(TEST, lambda raw: raw[:-1]),
            "CRLF line ends": each_line(lambda line: line[:-1] + b"\r\n"),
            "byte order mark": whole(TRAIN, lambda raw: b"\xef\xbb\xbf" + raw),
            "an empty line": one_line(lambda line: line + b"\n"),
            "two objects in one line": one_line(lambda line: line[:-1] + line),
            "half a line": one_line(lambda line: line[: len(line) // 2] + b"\n"),
            "a line that is a number": one_line(lambda line: b"17\n" + line),
            "a line that is a list": one_line(lambda line: b"[" + line[:-1] + b"]\n"),
            "invalid UTF-8": one_line(replaced(b'"source_file":"', b'"source_file":"\xff')),
            "lone surrogate": one_line(replaced(b'"source_file":"', b'"source_file":"\\ud800')),
            "NaN complexity": one_line(replaced(b'"complexity":', b'"complexity":NaN,"x":')),
            "infinite complexity": one_line(replaced(b'"complexity":', b'"complexity":1e999,"x":')),
            "tokens twice in one object": one_line(lambda line: b'{"tokens":[],' + line[1:]),
            "a key twice in the metadata": one_line(replaced(b'"length":', b'"length":1,"length":')),
            "a trailing comma": one_line(lambda line: line[:-2] + b",}\n"),
            "a number with a leading zero": one_line(replaced(b'"tokens":[', b'"tokens":[0')),
            "a comment line": one_line(lambda line: b"// rows\n" + line),
            "zeros after the last line": whole(TRAIN, lambda raw: raw + bytes(64)),
        },
        "little_memory": {
            "a megabyte of blanks in a line": one_line(
                replaced(b'"metadata":', b" " * (1 << 20) + b'"metadata":')
            ),
        },
    },
    "rows": {
        "overlapping_windows": {
            "one row too short": one_row(lambda row: row["tokens"].pop()),
            "one row too long": one_row(lambda row: row["tokens"].append(5)),
            "a row of no tokens": one_row(lambda row: row["tokens"].clear()),
            "a token beyond the vocabulary": lambda w: w.pick(is_middle)["tokens"].__setitem__(
                5, w.metadata["vocab_size"]
            ),
            "a negative token": one_token(lambda token: -1),
            "a token of 2^63": one_token(lambda token: 1 << 63),
            "a float token": one_token(float),
            "a boolean token": one_token(lambda token: True),
            "a token as text": one_token(str),
            "a null token": one_token(lambda token: None),
            "tokens as text": one_row(lambda row: row.update(tokens=" ".join(map(str, row["tokens"])))),
            "one token of a window changed": one_token(lambda token: token ^ 1),
            "the first token of a file changed": one_token(
                lambda token: token ^ 1,
                lambda m: is_original(m) and m["chunk_index"] == 0 and m["total_chunks"] > 2,
                at=0,
            ),
            "the last token of a file changed": one_token(lambda token: token ^ 1, is_last_of_many, at=-1),
            "one token of a variant changed": one_token(lambda token: token ^ 1, is_text_variant),
            "noise in a short file": noise_in_a_short_file,
            "noise everywhere": noise,
            "tokens of a row reversed": one_row(lambda row: row["tokens"].reverse(), is_middle),
            "all ids one higher": lambda w: [
                row.update(tokens=[t + 1 if t < 500 else t for t in row["tokens"]])
                for row in w.every_row()
                if is_original(row["metadata"])
            ],
            "a control token in the text": put_control_token,
            "total_chunks one more": one_field("total_chunks", plus_one, is_middle),
            "chunk_index beyond total_chunks": one_field("chunk_index", lambda i: i + 1000, is_middle),
            "start_token shifted": one_field("start_token", plus_one, is_middle),
            "start_token of the last window shifted": one_field(
                "start_token", lambda start: start - 1, is_last_of_many
            ),
            "chunk and start of the neighbour": one_row(
                lambda row: row["metadata"].update(
                    chunk_index=row["metadata"]["chunk_index"] - 1,
                    start_token=row["metadata"]["start_token"] - 32,
                ),
                is_middle,
            ),
            "a window of a file left out": lambda w: drop_row(w, is_middle),
            "a variant's window left out": lambda w: drop_row(w, is_text_variant),
            "file tails cut off": cut_the_tails,
            "every second window left out": halve_the_overlap,
            "a tenth of train left out": lambda w: drop_rows(w, 0.1),
            "labels one too short": one_row(lambda row: row["labels"].pop(), is_masked),
            "labels -100 where nothing is masked": one_row(
                lambda row: row.update(labels=[-100] * len(row["labels"])), is_masked
            ),
        },
        "variants_differ": {
            "two files exchange their texts": exchange_texts,
            "every variant called original": lambda w: [
                row["metadata"].update(augmentation_type=ORIGINAL)
                for row in w.every_row()
                if is_text_variant(row["metadata"])
            ],
            "an original called renamed": lambda w: [
                row["metadata"].update(augmentation_type="variable_renaming")
                for row in w.rows[VAL]
                if is_short(row["metadata"])
            ],
            "renaming and layout exchanged": lambda w: exchange_kinds(
                w, "variable_renaming", "format_variation"
            ),
            "comments and renaming exchanged": lambda w: exchange_kinds(
                w, "variable_renaming", "comment_toggle"
            ),
            "comments and layout exchanged": lambda w: exchange_kinds(
                w, "comment_toggle", "format_variation"
            ),
            "originals of a file left out": drop_originals_of_a_file,
        },
        "padding_is_only": {
            "padding inside the text": pad_inside,
            "a long file padded": pad_a_long_file,
            "length one more": one_field("length", plus_one, is_short),
            "length one less": one_field("length", lambda n: n - 1, is_short),
            "length zero": one_field("length", lambda n: 0, is_short),
            "padding with zeros": one_row(lambda row: row["tokens"].__setitem__(-1, 0), is_short),
        },
        "strict_json": {
            "a key missing": one_row(lambda row: row["metadata"].pop("language")),
            "an unknown key": one_row(lambda row: row["metadata"].update(extra=1)),
            "a key renamed everywhere": lambda w: [
                row["metadata"].update(lang=row["metadata"].pop("language")) for row in w.every_row()
            ],
            "metadata missing in a row": one_row(lambda row: row.pop("metadata"), split=TEST),
            "tokens renamed to input_ids": one_row(lambda row: row.update(input_ids=row.pop("tokens"))),
            "complexity as text": one_field("complexity", str),
            "complexity null": one_field("complexity", lambda value: None),
            "weight an integer": one_field("weight", int),
            "is_core a number": one_field("is_core", int),
            "directory of another file": one_file(lambda m: m.update(directory="elsewhere")),
            "file_extension without its dot": every_field(
                "file_extension", lambda m: m["file_extension"].lstrip(".")
            ),
            "another language in one row": one_field("language", lambda name: "COBOL"),
            "one row of another role than its file": one_row(
                lambda row: swap_role(row["metadata"]), lambda m: m["is_core"] and m["total_chunks"] > 1
            ),
        },
        "types_are": {
            "an unknown augmentation type": one_field(
                "augmentation_type", lambda kind: "synonyms", is_text_variant
            ),
            "no row of one declared type": lambda w: (
                w.keep(lambda m: m["augmentation_type"] != "comment_toggle") or renumber(w)
            ),
        },
        "stands_twice": {
            "a variant that is a copy of its original": variant_is_a_copy,
            "val copied from train": copy_val_from_train,
            "a row twice": duplicate_a_row,
            "a seq_id twice": one_field("seq_id", plus_one),
            "seq_ids with a gap": lambda w: w.rows[TEST][-1]["metadata"].update(seq_id=10**9),
        },
        "masked_rows": {
            "labels in an original row": one_row(
                lambda row: row.update(labels=list(row["tokens"])), is_original
            ),
            "labels missing in a masked row": one_row(lambda row: row.pop("labels"), is_masked),
            "labels that are the masked tokens": one_row(
                lambda row: row.update(labels=list(row["tokens"])), is_masked
            ),
            "a masked row without a mask": one_row(unmask, is_masked),
            "a masked row that is all masks": lambda w: mask_everything(
                w.pick(is_masked), w.metadata["mask_token_id"]
            ),
            "labels shifted by one": one_row(
                lambda row: row.update(labels=row["labels"][1:] + row["labels"][:1]),
                lambda m: is_masked(m) and m["total_chunks"] > 1,
            ),
            "a label changed under the mask": lambda w: change_a_hidden_label(w),
            "a mask in an original row": lambda w: w.pick(is_middle)["tokens"].__setitem__(
                5, w.metadata["mask_token_id"]
            ),
        },
        "weights_follow": {
            "weights dropped to one": every_field("weight", lambda m: 1.0),
            "weights of core and test swapped": every_field(
                "weight", lambda m: {3.0: 0.3, 0.3: 3.0}.get(m["weight"], 1.0)
            ),
            "weight rounded to whole numbers": every_field(
                "weight", lambda m: float(max(1, int(m["weight"])))
            ),
            "priority that does not fit the weight": every_field("priority", lambda m: "high"),
            "both core and test": one_file(lambda m: m.update(is_core=True, is_test=True)),
        },
        "roles_follow": {
            "a core file called a test, weight and all": one_file(swap_role, lambda m: m["is_core"]),
            "every file called core, weight and all": lambda w: [
                row["metadata"].update(is_core=True, is_test=False, priority="high", weight=3.0)
                for row in w.every_row()
            ],
            "role by substring": every_role_by_substring,
        },
        "never_gets_simpler": {
            "train shuffled": shuffle_train,
            "train reversed": lambda w: w.rows[TRAIN].reverse(),
            "two rows swapped": swap_two_rows,
        },
        "complexity_belongs": {
            "complexity constant": every_field("complexity", lambda m: 1.0),
            "complexity the line number": number_the_rows,
            "complexity the length": score_by_length,
            "one score shifted, then sorted": shift_one_score,
            "negative complexity": lambda w: w.rows[TRAIN][0]["metadata"].update(complexity=-1.0),
            "complexity negated, train reversed": negate_the_scores,
        },
        "complexity_follows": {
            "scores shuffled, then sorted": shuffle_the_scores,
        },
        "splits_are": {
            "a window moved to test": lambda w: move(w, is_middle, TEST),
            "a variant moved to val": lambda w: move(w, is_text_variant, VAL),
            "a file of a group moved to test": move_a_grouped_file,
            "split by row": split_by_row,
            "train and val exchanged": swap_val_and_train,
            "val empty": empty_val,
            "no row at all": lambda w: w.rows.update({split: [] for split in SPLITS}),
        },
    },
    "metadata": {
        "metadata_is_complete": {
            "total_sequences one more": recorded("total_sequences", plus_one),
            "val_sequences one more": recorded("val_sequences", plus_one),
            "base_sequences one more": recorded("base_sequences", plus_one),
            "total_tokens one more": recorded("total_tokens", plus_one),
            "vocab_size one more": recorded("vocab_size", plus_one),
            "pad and mask exchanged": lambda w: w.metadata.update(
                pad_token_id=w.metadata["mask_token_id"], mask_token_id=w.metadata["pad_token_id"]
            ),
            "window length zero": recorded("max_tokens_per_sequence", lambda n: 0),
            "vocab_size as text": recorded("vocab_size", str),
            "fewer files scanned than rows come from": recorded("source_files_scanned", lambda n: 1),
            "another weighting strategy": recorded("weighting_strategy", lambda s: s | {"low_priority": 1.0}),
            "a key of the metadata missing": lambda w: w.metadata.pop("learning_strategy"),
            "no digest of train": lambda w: w.metadata["files"].pop("training_data_train.jsonl"),
            "rows per language one more": recorded(
                "rows_per_language", lambda rows: rows | {next(iter(rows)): 1}
            ),
        },
        "overlapping_windows": {
            "another window length": recorded("max_tokens_per_sequence", lambda n: 2 * n),
            "another overlap": recorded("overlap_tokens", lambda n: n // 2),
            "duplicates dropped than more": more_duplicates,
        },
        "types_are": {
            "a declared type more": recorded("augmentation_techniques", lambda kinds: [*kinds, "synonyms"]),
            "a declared type less": recorded("augmentation_techniques", lambda kinds: kinds[1:]),
        },
        "padding_is_only": {
            "padding share halved": recorded("padding_share", lambda share: share / 2),
        },
        "seen_3_to_1": {
            "rows per role exchanged": recorded(
                "rows_per_role", lambda rows: rows | {"core": rows["test"], "test": rows["core"]}
            ),
        },
        "splits_are": {
            "leak report that hides shared spans": hide_the_leak,
        },
    },
    "tokenizer": {
        "overlapping_windows": {
            "two ids of the vocabulary exchanged": tokenizer_edit(exchange_two_ids),
            "a merge of the tokenizer removed": tokenizer_edit(
                lambda config: config["model"]["merges"].pop(0)
            ),
            "another pre-tokenizer": tokenizer_edit(
                lambda config: config["pre_tokenizer"]["pretokenizers"].pop(0)
            ),
        },
        "metadata_is_complete": {
            "no mask token in the tokenizer": tokenizer_edit(
                lambda config: config.update(
                    added_tokens=[t for t in config["added_tokens"] if "mask" not in t["content"]]
                )
            ),
            "tokenizer file not JSON": whole(TOKENIZER, lambda raw: raw[1:]),
            "tokenizer of another kind": tokenizer_edit(
                lambda config: config.update(model={"type": "WordLevel", "vocab": {}, "unk_token": "x"})
            ),
        },
    },
}
WAYS = tuple(
    Way(name, level, noticed_by, wreck)
    for level, tests in TABLE.items()
    for noticed_by, ways in tests.items()
    for name, wreck in ways.items()
)


def score(good: Path, directory: Path) -> dict[str, list[str]]:
    """Way -> names of the tests that noticed it. `directory` is emptied before every way."""
    noticed = {}
    for way in WAYS:
        shutil.rmtree(directory, ignore_errors=True)
        way.apply(good, directory)
        noticed[way.name] = failing_tests(directory)
    return noticed


def failing_tests(directory: Path) -> list[str]:
    facts = read_facts(directory)
    return [test.__name__ for test in TESTS if what_is_wrong(test, facts)]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        noticed = score(Path(arguments[0]), Path(scratch) / "wrecked")
    for way in WAYS:
        found = ", ".join(name.removeprefix("test_") for name in noticed[way.name])
        print(f"{way.level:9} {way.name}: {found or 'NOT NOTICED'}")
    missed = sum(not found for found in noticed.values())
    print(f"{len(noticed) - missed} of {len(noticed)} ways are noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
