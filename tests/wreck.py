"""Ways to wreck a good dataset, to prove that its checks can fail.

python3 tests/wreck.py DATASET_DIR           # prints, way by way, which of the 16 tests noticed it
"""

import os
import sys

if __name__ in ("__main__", "__mp_main__"):  # nothing may be imported before: isolation.py says why
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from effectiveness.isolation import isolate

    isolate(os.path.dirname(os.path.realpath(__file__)))  # the modules beside this file are ours, too

import tempfile
from collections.abc import Callable
from pathlib import Path

import wreck_edits as do
from dataset_facts import read_facts
from test_dataset_effectiveness import TESTS, what_is_wrong
from wreck_later import LATER_WAYS
from wreckage import FILES, TEST, TRAIN, VAL, Way, Wreckage

from effectiveness.common.records import LATER_FILE, METADATA_FILE, ORIGINAL, SPLITS

# level -> part of the name of a test that must notice -> what is wrong -> how it is done
TABLE: dict[str, dict[str, dict[str, Callable[[Wreckage], object]]]] = {
    "bytes": {
        "metadata_is_complete": {
            "one bit of train flipped": do.whole(TRAIN, lambda raw: do.flipped(raw, len(raw) // 2)),
            "one bit of val flipped": do.whole(VAL, lambda raw: do.flipped(raw, 20)),
            "one bit of the metadata flipped": do.whole(
                METADATA_FILE, lambda raw: do.flipped(raw, len(raw) // 3)
            ),
            "a space added to the metadata": do.whole(METADATA_FILE, lambda raw: raw + b" "),
            "one bit of the tokenizer flipped": do.whole(
                do.TOKENIZER, lambda raw: do.flipped(raw, len(raw) // 2)
            ),
            "train cut at the end of a line": do.whole(
                TRAIN, lambda raw: raw[: raw.rindex(b"\n", 0, -1) + 1]
            ),
            "metadata missing": lambda w: w.path(METADATA_FILE).unlink(),
            "tokenizer missing": lambda w: w.path(do.TOKENIZER).unlink(),
            "metadata not JSON": do.whole(METADATA_FILE, lambda raw: raw[:-5]),
            "metadata a list": do.whole(METADATA_FILE, lambda raw: b"[" + raw + b"]"),
            "a word of the report altered": do.whole("report.html", do.replaced(b"train", b"brain")),
            "a number of the card altered": do.whole("README.md", do.replaced(b"rows of", b"0 rows of")),
            "report missing": lambda w: w.path("report.html").unlink(),
            "card missing": lambda w: w.path("README.md").unlink(),
            "report and card swapped": lambda w: w.swap_files("report.html", "README.md"),
            "val and test files swapped": lambda w: w.swap_files(VAL, TEST),
        },
        "strict_json": {
            "train cut in the middle of a line": do.whole(TRAIN, lambda raw: raw[: len(raw) // 2]),
            "a file of zeros": do.whole(VAL, lambda raw: bytes(len(raw))),
            "val file missing": lambda w: w.path(VAL).unlink(),
        },
    },
    "lines": {
        "strict_json": {
            "last newline missing": do.whole(TEST, lambda raw: raw[:-1]),
            "CRLF line ends": do.each_line(lambda line: line[:-1] + b"\r\n"),
            "byte order mark": do.whole(TRAIN, lambda raw: b"\xef\xbb\xbf" + raw),
            "an empty line": do.one_line(lambda line: line + b"\n"),
            "two objects in one line": do.one_line(lambda line: line[:-1] + line),
            "half a line": do.one_line(lambda line: line[: len(line) // 2] + b"\n"),
            "a line that is a number": do.one_line(lambda line: b"17\n" + line),
            "a line that is a list": do.one_line(lambda line: b"[" + line[:-1] + b"]\n"),
            "invalid UTF-8": do.one_line(do.replaced(b'"source_file":"', b'"source_file":"\xff')),
            "lone surrogate": do.one_line(do.replaced(b'"source_file":"', b'"source_file":"\\ud800')),
            "NaN complexity": do.one_line(do.replaced(b'"complexity":', b'"complexity":NaN,"x":')),
            "infinite complexity": do.one_line(do.replaced(b'"complexity":', b'"complexity":1e999,"x":')),
            "tokens twice in one object": do.one_line(lambda line: b'{"tokens":[],' + line[1:]),
            "a key twice in the metadata": do.one_line(do.replaced(b'"length":', b'"length":1,"length":')),
            "a trailing comma": do.one_line(lambda line: line[:-2] + b",}\n"),
            "a number with a leading zero": do.one_line(do.replaced(b'"tokens":[', b'"tokens":[0')),
            "a comment line": do.one_line(lambda line: b"// rows\n" + line),
            "zeros after the last line": do.whole(TRAIN, lambda raw: raw + bytes(64)),
        },
        "little_memory": {
            "a megabyte of blanks in a line": do.one_line(
                do.replaced(b'"metadata":', b" " * (1 << 20) + b'"metadata":')
            ),
        },
    },
    "rows": {
        "overlapping_windows": {
            "one row too short": do.one_row(lambda row: row["tokens"].pop()),
            "one row too long": do.one_row(lambda row: row["tokens"].append(5)),
            "a row of no tokens": do.one_row(lambda row: row["tokens"].clear()),
            "a token beyond the vocabulary": lambda w: w.pick(do.is_middle)["tokens"].__setitem__(
                5, w.metadata["vocab_size"]
            ),
            "a negative token": do.one_token(lambda token: -1),
            "a token of 2^63": do.one_token(lambda token: 1 << 63),
            "a float token": do.one_token(float),
            "a boolean token": do.one_token(lambda token: True),
            "a token as text": do.one_token(str),
            "a list among the tokens": do.one_token(lambda token: [token]),
            "every token in a list of its own": do.one_row(
                lambda row: row.update(tokens=[[token] for token in row["tokens"]])
            ),
            "a null token": do.one_token(lambda token: None),
            "tokens as text": do.one_row(lambda row: row.update(tokens=" ".join(map(str, row["tokens"])))),
            "one token of a window changed": do.one_token(lambda token: token ^ 1),
            "one token of a variant changed": do.one_token(
                lambda token: token ^ 1, lambda m: do.is_text_variant(m) and m["total_chunks"] > 4, at=64
            ),
            "the first token of a file changed": do.one_token(
                lambda token: token ^ 1,
                lambda m: do.is_original(m) and m["chunk_index"] == 0 and m["total_chunks"] > 2,
                at=0,
            ),
            "noise everywhere": do.noise,
            "tokens of a row reversed": do.one_row(lambda row: row["tokens"].reverse(), do.is_middle),
            "all ids one higher": lambda w: [
                row.update(tokens=[t + 1 if t < 500 else t for t in row["tokens"]])
                for row in w.every_row()
                if do.is_original(row["metadata"])
            ],
            "a control token in the text": do.put_control_token,
            "an original called renamed": lambda w: [
                row["metadata"].update(augmentation_type="variable_renaming")
                for row in w.rows[VAL]
                if do.is_short(row["metadata"])
            ],
            "originals of a file left out": do.drop_originals_of_a_file,
            "total_chunks one more": do.one_field("total_chunks", do.plus_one, do.is_middle),
            "chunk_index beyond total_chunks": do.one_field("chunk_index", lambda i: i + 1000, do.is_middle),
            "start_token shifted": do.one_field("start_token", do.plus_one, do.is_middle),
            "start_token of the last window shifted": do.one_field(
                "start_token", lambda start: start - 1, do.is_last_of_many
            ),
            "chunk and start of the neighbour": do.one_row(
                lambda row: row["metadata"].update(
                    chunk_index=row["metadata"]["chunk_index"] - 1,
                    start_token=row["metadata"]["start_token"] - 32,
                ),
                do.is_middle,
            ),
            "a window of a file left out": lambda w: do.drop_row(w, do.is_middle),
            "a window left out, counted as a duplicate": lambda w: do.drop_as_duplicate(w, do.is_middle),
            "a variant's window left out": lambda w: do.drop_row(w, do.is_text_variant),
            "file tails cut off": do.cut_the_tails,
            "every second window left out": do.halve_the_overlap,
            "a tenth of train left out": lambda w: do.drop_rows(w, 0.1),
            "labels one too short": do.one_row(lambda row: row["labels"].pop(), do.is_masked),
            "labels -100 where nothing is masked": do.one_row(
                lambda row: row.update(labels=[-100] * len(row["labels"])), do.is_masked
            ),
            "every variant called original": lambda w: [
                row["metadata"].update(augmentation_type=ORIGINAL)
                for row in w.every_row()
                if do.is_text_variant(row["metadata"])
            ],
            "no row of one declared type": lambda w: (
                w.keep(lambda m: m["augmentation_type"] != "comment_toggle") or do.renumber(w)
            ),
        },
        "masked_rows": {
            "the last token of a file changed": do.one_token(
                lambda token: token ^ 1, do.is_last_of_many, at=-1
            ),
            "noise in a short file": do.noise_in_a_short_file,
            "labels in an original row": do.one_row(
                lambda row: row.update(labels=list(row["tokens"])), do.is_original
            ),
            "labels of an original row its tokens": do.one_row(
                lambda row: row.update(labels=list(row["tokens"])), do.is_middle
            ),
            "labels missing in original rows": lambda w: [
                row.pop("labels") for row in w.every_row() if do.is_original(row["metadata"])
            ],
            "no labels an empty list": do.one_row(lambda row: row.update(labels=[]), do.is_original),
            "no labels null": do.one_row(lambda row: row.update(labels=None), do.is_original),
            "no labels a float": do.one_row(lambda row: row.update(labels=[-100.0]), do.is_original),
            "labels missing in a masked row": do.one_row(lambda row: row.pop("labels"), do.is_masked),
            "labels that are the masked tokens": do.one_row(
                lambda row: row.update(labels=list(row["tokens"])), do.is_masked
            ),
            "a masked row without a mask": do.one_row(do.unmask, do.is_masked),
            "a masked row that is all masks": lambda w: do.mask_everything(
                w.pick(do.is_masked), w.metadata["mask_token_id"]
            ),
            "labels shifted by one": do.one_row(
                lambda row: row.update(labels=row["labels"][1:] + row["labels"][:1]),
                lambda m: do.is_masked(m) and m["total_chunks"] > 1,
            ),
            "a label changed under the mask": lambda w: do.change_a_hidden_label(w),
            "one token less masked": do.one_row(do.unmask_one, do.is_masked),
            "one token more masked": lambda w: do.mask_one_more(w),
            "masks of another seed": lambda w: w.metadata.update(seed=w.metadata["seed"] + 1),
            "a masked row left out, counted as a duplicate": lambda w: do.drop_as_duplicate(w, do.is_masked),
            "a mask in an original row": lambda w: w.pick(do.is_middle)["tokens"].__setitem__(
                5, w.metadata["mask_token_id"]
            ),
        },
        "variants_differ": {
            "two files exchange their texts": do.exchange_texts,
            "lines of a variant end as on Windows": lambda w: do.retell(
                w, lambda text: text.replace("\n", "\r\n")
            ),
            "one line of a variant ends in two carriage returns": lambda w: do.retell(
                w, lambda text: text.replace("\n", "\r\r\n", 1)
            ),
            "one byte of a variant another": lambda w: do.retell(w, lambda text: text[:-3] + ";" + text[-2:]),
            "renaming and layout exchanged": lambda w: do.exchange_kinds(
                w, "variable_renaming", "format_variation"
            ),
            "comments and renaming exchanged": lambda w: do.exchange_kinds(
                w, "variable_renaming", "comment_toggle"
            ),
            "comments and layout exchanged": lambda w: do.exchange_kinds(
                w, "comment_toggle", "format_variation"
            ),
        },
        "padding_is_only": {
            "padding inside the text": do.pad_inside,
            "a long file padded": do.pad_a_long_file,
            "length one more": do.one_field("length", do.plus_one, do.is_short),
            "length one less": do.one_field("length", lambda n: n - 1, do.is_short),
            "length zero": do.one_field("length", lambda n: 0, do.is_short),
            "padding with zeros": do.one_row(lambda row: row["tokens"].__setitem__(-1, 0), do.is_short),
        },
        "strict_json": {
            "a key missing": do.one_row(lambda row: row["metadata"].pop("language")),
            "an unknown key": do.one_row(lambda row: row["metadata"].update(extra=1)),
            "a key renamed everywhere": lambda w: [
                row["metadata"].update(lang=row["metadata"].pop("language")) for row in w.every_row()
            ],
            "metadata missing in a row": do.one_row(lambda row: row.pop("metadata"), split=TEST),
            "tokens renamed to input_ids": do.one_row(lambda row: row.update(input_ids=row.pop("tokens"))),
            "complexity as text": do.one_field("complexity", str),
            "complexity null": do.one_field("complexity", lambda value: None),
            "weight an integer": do.one_field("weight", int),
            "is_core a number": do.one_field("is_core", int),
            "directory of another file": do.one_file(lambda m: m.update(directory="elsewhere")),
            "file_extension without its dot": do.every_field(
                "file_extension", lambda m: m["file_extension"].lstrip(".")
            ),
            "another language in one row": do.one_field("language", lambda name: "COBOL"),
            "one row of another role than its file": do.one_row(
                lambda row: do.swap_role(row["metadata"]), lambda m: m["is_core"] and m["total_chunks"] > 1
            ),
        },
        "types_are": {
            "an unknown augmentation type": do.one_field(
                "augmentation_type", lambda kind: "synonyms", do.is_text_variant
            ),
        },
        "stands_twice": {
            "a variant that is a copy of its original": do.variant_is_a_copy,
            "val copied from train": do.copy_val_from_train,
            "a row twice": do.duplicate_a_row,
            "a seq_id twice": do.one_field("seq_id", do.plus_one),
            "seq_ids with a gap": lambda w: w.rows[TEST][-1]["metadata"].update(seq_id=10**9),
        },
        "seen_3_to_1": {
            "weights dropped to one": do.every_field("weight", lambda m: 1.0),
            "weights of core and test swapped": do.every_field(
                "weight", lambda m: {3.0: 0.3, 0.3: 3.0}.get(m["weight"], 1.0)
            ),
        },
        "weights_follow": {
            "weight rounded to whole numbers": do.every_field(
                "weight", lambda m: float(max(1, int(m["weight"])))
            ),
            "priority that does not fit the weight": do.every_field("priority", lambda m: "high"),
            "both core and test": do.one_file(lambda m: m.update(is_core=True, is_test=True)),
        },
        "roles_follow": {
            "a core file called a test, weight and all": do.one_file(do.swap_role, lambda m: m["is_core"]),
            "every file called core, weight and all": lambda w: [
                row["metadata"].update(is_core=True, is_test=False, priority="high", weight=3.0)
                for row in w.every_row()
            ],
            "role by substring": do.every_role_by_substring,
        },
        "never_gets_simpler": {
            "train shuffled": do.shuffle_train,
            "train reversed": lambda w: w.rows[TRAIN].reverse(),
            "two rows swapped": do.swap_two_rows,
            "two rows of one score swapped": do.swap_equal_rows,
            "test reversed": lambda w: w.rows[TEST].reverse(),
            "two seq_ids exchanged": do.exchange_seq_ids,
        },
        "complexity_follows": {
            "complexity constant": do.every_field("complexity", lambda m: 1.0),
            "complexity the line number": do.number_the_rows,
            "complexity the length": do.score_by_length,
            "one score shifted, then sorted": do.shift_one_score,
            "complexity negated, train reversed": do.negate_the_scores,
            "scores shuffled, then sorted": do.shuffle_the_scores,
            "one score of prose shifted, then sorted": lambda w: do.shift_one_score(w, do.is_markdown),
            "scores of two windows of a file exchanged, then sorted": do.exchange_two_scores,
        },
        "complexity_belongs": {
            "negative complexity": lambda w: w.rows[TRAIN][0]["metadata"].update(complexity=-1.0),
            "complexity of a masked row another": lambda w: (
                do.one_field("complexity", do.plus_one, do.is_masked)(w) or w.reorder()
            ),
        },
        "splits_are": {
            "a window moved to test": lambda w: do.move(w, do.is_middle, TEST),
            "a variant moved to val": lambda w: do.move(w, do.is_text_variant, VAL),
            "a file of a group moved to test": do.move_a_grouped_file,
            "split by row": do.split_by_row,
            "train and val exchanged": do.swap_val_and_train,
            "val empty": do.empty_val,
            "no row at all": lambda w: w.rows.update({split: [] for split in SPLITS}),
        },
    },
    "metadata": {
        "metadata_is_complete": {
            "total_sequences one more": do.recorded("total_sequences", do.plus_one),
            "val_sequences one more": do.recorded("val_sequences", do.plus_one),
            "base_sequences one more": do.recorded("base_sequences", do.plus_one),
            "total_tokens one more": do.recorded("total_tokens", do.plus_one),
            "vocab_size one more": do.recorded("vocab_size", do.plus_one),
            "pad and mask exchanged": lambda w: w.metadata.update(
                pad_token_id=w.metadata["mask_token_id"], mask_token_id=w.metadata["pad_token_id"]
            ),
            "window length zero": do.recorded("max_tokens_per_sequence", lambda n: 0),
            "vocab_size as text": do.recorded("vocab_size", str),
            "fewer files scanned than rows come from": do.recorded("source_files_scanned", lambda n: 1),
            "another weighting strategy": do.recorded(
                "weighting_strategy", lambda s: s | {"low_priority": 1.0}
            ),
            "leak report null": lambda w: w.metadata.update(leak_report=None),
            "digests in a list": do.recorded("files", lambda files: list(files.values())),
            "a group of one path that is no list": lambda w: w.metadata["file_groups"].append("a.py"),
            "NaN in the metadata": do.recorded("padding_share", lambda share: float("nan")),
            "augmentation table without rows": lambda w: [
                cell.pop("rows") for cells in w.metadata["augmentation"].values() for cell in cells.values()
            ],
            "another format": do.recorded("format_version", lambda version: version - 1),
            "no format": lambda w: w.metadata.pop("format_version"),
            "a key of the metadata missing": lambda w: w.metadata.pop("learning_strategy"),
            "no digest of train": lambda w: w.metadata["files"].pop("training_data_train.jsonl"),
            "rows per language one more": do.recorded(
                "rows_per_language", lambda rows: rows | {next(iter(rows)): 1}
            ),
            "rows per role exchanged": do.recorded(
                "rows_per_role", lambda rows: rows | {"core": rows["test"], "test": rows["core"]}
            ),
        },
        "overlapping_windows": {
            "another window length": do.recorded("max_tokens_per_sequence", lambda n: 2 * n),
            "another overlap": do.recorded("overlap_tokens", lambda n: n // 2),
            "duplicates dropped than more": do.more_duplicates,
        },
        "types_are": {
            "a declared type more": do.recorded(
                "augmentation_techniques", lambda kinds: [*kinds, "synonyms"]
            ),
            "a declared type less": do.recorded("augmentation_techniques", lambda kinds: kinds[1:]),
        },
        "padding_is_only": {
            "padding share halved": do.recorded("padding_share", lambda share: share / 2),
        },
        "splits_are": {
            "leak report of other spans": do.exaggerate_the_leak,
        },
    },
    "pages": {
        "metadata_is_complete": {
            "card of another dataset, digest and all": do.whole(
                "README.md", do.replaced(b"rows of", b"0 rows of")
            ),
            "report of another dataset, digest and all": lambda w: w.edit_file(
                "report.html",
                lambda raw: raw.replace(w.metadata["files"][FILES[TRAIN]]["sha256"].encode(), b"0" * 64),
            ),
            "card not listed": lambda w: w.metadata["pages"].pop("README.md"),
        },
    },
    "tokenizer": {
        "overlapping_windows": {
            "tokenizer of another kind": do.tokenizer_edit(
                lambda config: config.update(model={"type": "WordLevel", "vocab": {}, "unk_token": "x"})
            ),
            "two ids of the vocabulary exchanged": do.tokenizer_edit(do.exchange_two_ids),
            "a merge of the tokenizer removed": do.tokenizer_edit(
                lambda config: config["model"]["merges"].pop(0)
            ),
            "another pre-tokenizer": do.tokenizer_edit(
                lambda config: config["pre_tokenizer"]["pretokenizers"].pop(0)
            ),
        },
        "metadata_is_complete": {
            "no mask token in the tokenizer": do.tokenizer_edit(
                lambda config: config.update(
                    added_tokens=[t for t in config["added_tokens"] if "mask" not in t["content"]]
                )
            ),
            "tokenizer file not JSON": do.whole(do.TOKENIZER, lambda raw: raw[1:]),
        },
    },
}
WAYS = tuple(
    Way(name, level, noticed_by, wreck)
    for level, tests in TABLE.items()
    for noticed_by, ways in tests.items()
    for name, wreck in ways.items()
)


def score(good: Path, ways: tuple[Way, ...], scratch: Path) -> dict[str, list[str]]:
    """Way -> names of the tests that noticed it."""
    noticed = {}
    for way in ways:
        facts = read_facts(way.apply(good, scratch))
        noticed[way.name] = [test.__name__ for test in TESTS if what_is_wrong(test, facts)]
    return noticed


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    good = Path(arguments[0])
    ways = WAYS + LATER_WAYS * (good / LATER_FILE).is_file()
    with tempfile.TemporaryDirectory() as scratch:
        noticed = score(good, ways, Path(scratch))
    for way in ways:
        found = ", ".join(name.removeprefix("test_") for name in noticed[way.name])
        print(f"{way.level:9} {way.name}: {found or 'NOT NOTICED'}")
    missed = sum(not found for found in noticed.values())
    print(f"{len(noticed) - missed} of {len(noticed)} ways are noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
