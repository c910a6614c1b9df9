"""Ways to wreck the later set of a dataset: the tokens it scores, the file, and what the metadata say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import wreck_edits as do
from wreckage import VAL, Way, Wreckage

from effectiveness.common.records import LATER, LATER_FILE


def one_row(edit: Callable[[dict], object], want: Callable[[dict], bool] = do.anything):
    """An edit of one later row for which `want(metadata)` holds."""
    return lambda w: edit(w.pick(want, LATER))


def one_field(name: str, edit: Callable, want: Callable[[dict], bool] = do.anything):
    return one_row(lambda row: row["metadata"].update({name: edit(row["metadata"][name])}), want)


def score_everything(w: Wreckage) -> None:
    for row in w.rows[LATER]:
        row["metadata"]["scored"] = [[0, row["metadata"]["length"]]]


def copy_from_train(w: Wreckage) -> None:
    """A train row becomes the last later row, all of it scored."""
    row = w.pick(do.is_middle)
    about = row["metadata"] | {"seq_id": w.rows[LATER][-1]["metadata"]["seq_id"] + 1, "scored": [[0, 9]]}
    w.rows[LATER].append(row | {"metadata": about})


def repeat_a_row(w: Wreckage) -> None:
    last = w.rows[LATER][-1]
    w.rows[LATER].append(last | {"metadata": last["metadata"] | {"seq_id": last["metadata"]["seq_id"] + 1}})


def renumber_from_zero(w: Wreckage) -> None:
    for number, row in enumerate(w.rows[LATER]):
        row["metadata"]["seq_id"] = number


def drop_the_file_and_its_digest(w: Wreckage) -> None:
    del w.rows[LATER]
    del w.metadata["files"][LATER_FILE]
    w.path(LATER).unlink()


def of_a_grown_file(w: Wreckage) -> list[dict]:
    """The rows of a file that holds old text, too: its first new token is not its first token."""
    by_path: dict[str, list[dict]] = {}
    for row in w.rows[LATER]:
        by_path.setdefault(row["metadata"]["source_file"], []).append(row)
    grown = [rows for rows in by_path.values() if rows[0]["metadata"]["start_token"] > 0]
    return max(grown, key=len)


def of_a_new_file(w: Wreckage) -> list[dict]:
    """The rows of a file whose windows are all there."""
    by_path: dict[str, list[dict]] = {}
    for row in w.rows[LATER]:
        by_path.setdefault(row["metadata"]["source_file"], []).append(row)
    return max(
        (rows for rows in by_path.values() if len(rows) == rows[0]["metadata"]["total_chunks"]), key=len
    )


def move_the_ranges(rows: list[dict], first: int, last: int) -> None:
    """Every range of a file begins and ends so many tokens later, in all windows that see it alike."""
    for m in (row["metadata"] for row in rows):
        moved = [[max(0, a + first), min(m["length"], b + last)] for a, b in m["scored"]]
        m["scored"] = [part for part in moved if part[0] < part[1]]


def move_every_range(w: Wreckage) -> None:
    for row in w.rows[LATER]:
        move_the_ranges([row], 3, 3)
    w.rows[LATER] = [row for row in w.rows[LATER] if row["metadata"]["scored"]]


def change_in_all_windows(rows: list[dict], at: int, ids: list[int]) -> None:
    """Tokens of a file, from number `at` on, become `ids` in every window that holds them."""
    for row in rows:
        for place, token in enumerate(ids, at - row["metadata"]["start_token"]):
            if 0 <= place < row["metadata"]["length"]:
                row["tokens"][place] = token


def spell_a_word_otherwise(w: Wreckage) -> None:
    """Two tokens become two others that spell the same text: no decoder would see it."""
    vocabulary = json.loads(w.path(do.TOKENIZER).read_bytes())["model"]["vocab"]
    text = {token_id: token for token, token_id in vocabulary.items()}
    for row in of_a_new_file(w):
        ids = row["tokens"][: row["metadata"]["length"]]
        for at, (one, two) in enumerate(pairwise(ids)):
            both = text[one] + text[two]
            for cut in set(range(1, len(both))) - {len(text[one])}:
                if both[:cut] in vocabulary and both[cut:] in vocabulary:
                    others = [vocabulary[both[:cut]], vocabulary[both[cut:]]]
                    change_in_all_windows(of_a_new_file(w), row["metadata"]["start_token"] + at, others)
                    return
    raise LookupError("no two tokens can be spelled otherwise")


def copy_from_val_in_between(w: Wreckage) -> None:
    """Held-out text that lies between two of its rows becomes a later file of its own."""
    rows = sorted(
        (row for row in w.rows[VAL] if row["metadata"]["augmentation_type"] == "original"),
        key=lambda row: (row["metadata"]["source_file"], row["metadata"]["start_token"]),
    )
    pairs = [
        (a, b) for a, b in pairwise(rows) if a["metadata"]["source_file"] == b["metadata"]["source_file"]
    ]
    one, two = pairs[0]
    end = 128 - (
        two["metadata"]["start_token"] - one["metadata"]["start_token"]
    )  # of the first, in the second
    last = w.rows[LATER][-1]["metadata"]
    about = one["metadata"] | {"seq_id": last["seq_id"] + 1, "scored": [[0, 128]]}
    about |= {
        "source_file": "zz/new.txt",
        "directory": "zz",
        "file_extension": ".txt",
        "language": "Markdown",
    }
    about |= {"is_core": False, "is_test": False, "priority": "medium", "weight": 1.0}
    about |= {"chunk_index": 1, "total_chunks": 2, "start_token": 3}
    w.rows[LATER].append(
        one | {"tokens": [*one["tokens"][3:], *two["tokens"][end : end + 3]], "metadata": about}
    )


def score_it_in_two_files(w: Wreckage) -> None:
    """The text of a new file also comes as that of another one, a word later."""
    rows = of_a_new_file(w)
    ids = [token for row in rows[:1] for token in row["tokens"]] + rows[1]["tokens"][-32:]
    last, about = w.rows[LATER][-1]["metadata"], rows[1]["metadata"]
    name = about["source_file"].rpartition(".")[0] + "z" + about["file_extension"]
    about = about | {"seq_id": last["seq_id"] + 1, "source_file": name, "scored": [[0, 128]]}
    about |= {"chunk_index": 1, "total_chunks": 2, "start_token": 3}
    w.rows[LATER].append(rows[0] | {"tokens": ids[3:131], "metadata": about})


def drop_later_rows(w: Wreckage, want: Callable[[list[dict]], list[dict]]) -> None:
    dropped = {row["metadata"]["seq_id"] for row in want(of_a_new_file(w))}
    w.rows[LATER] = [row for row in w.rows[LATER] if row["metadata"]["seq_id"] not in dropped]
    renumber(w)


def renumber(w: Wreckage) -> None:
    for number, row in enumerate(w.rows[LATER], len(w.every_row())):
        row["metadata"]["seq_id"] = number


def exchange_complexity(rows: list[dict]) -> None:
    one, two = min(rows, key=_complexity)["metadata"], max(rows, key=_complexity)["metadata"]
    one["complexity"], two["complexity"] = two["complexity"], one["complexity"]


def _complexity(row: dict) -> float:
    return row["metadata"]["complexity"]


def reverse_the_rows(w: Wreckage) -> None:
    w.rows[LATER].reverse()
    renumber(w)


def known_spans_of_more(w: Wreckage) -> None:
    leaks = w.metadata["leak_report"][LATER]
    leaks["known_spans"] = leaks["spans"] + 1


TABLE: dict[str, dict[str, dict[str, Callable[[Wreckage], object]]]] = {
    "bytes": {
        "metadata_is_complete": {
            "one bit of the later set flipped": do.whole(LATER, lambda raw: do.flipped(raw, len(raw) // 2)),
        },
        "strict_json": {
            "later set missing": lambda w: w.path(LATER).unlink(),
            "later set cut in a line": do.whole(LATER, lambda raw: raw[: len(raw) // 2]),
        },
    },
    "rows": {
        "strict_json": {
            "later rows without ranges": lambda w: [row["metadata"].pop("scored") for row in w.rows[LATER]],
            "later set left out, digest and all": drop_the_file_and_its_digest,
        },
        "overlapping_windows": {
            "a range beyond the row": one_field("scored", lambda ranges: [[0, 129]]),
            "a range that falls": one_field("scored", lambda ranges: [[9, 3]]),
            "ranges that overlap": one_field("scored", lambda ranges: [[0, 9], [5, 12]]),
            "ranges that touch": one_field("scored", lambda ranges: [[0, 9], [9, 12]]),
            "no range": one_field("scored", lambda ranges: []),
            "a range of floats": one_field("scored", lambda ranges: [[0.0, 9.0]]),
            "other tokens new in one window": one_field("scored", lambda ranges: [[0, 3]], do.is_middle),
            "ranges of all windows three tokens late": move_every_range,
            "two later tokens spelled otherwise": spell_a_word_otherwise,
            "a later window left out": lambda w: drop_later_rows(w, lambda rows: rows[1:2]),
            "later rows in another order": reverse_the_rows,
            "total_chunks of a later row one more": one_field("total_chunks", do.plus_one, do.is_middle),
            "one later token changed": one_row(
                lambda row: row["tokens"].__setitem__(64, row["tokens"][64] ^ 1), do.is_middle
            ),
        },
        "metadata_is_complete": {
            "known spans of the later set unsaid": lambda w: w.metadata["leak_report"].pop(LATER),
        },
        "complexity_follows": {
            "complexity of a later file one more": lambda w: [
                row["metadata"].update(complexity=row["metadata"]["complexity"] + 1.0)
                for row in of_a_new_file(w)
            ],
            "two later windows exchange their complexity": lambda w: exchange_complexity(of_a_new_file(w)),
        },
        "complexity_belongs": {
            "a negative complexity of a later row": one_field("complexity", lambda value: -value),
        },
        "types_are": {
            "a variant among the later rows": one_field("augmentation_type", lambda kind: "comment_toggle"),
        },
        "stands_twice": {
            "a train row among the later ones": copy_from_train,
            "a later row twice": repeat_a_row,
            "later rows numbered from zero": renumber_from_zero,
        },
        "weights_follow": {
            "a later row of another weight": one_field("weight", lambda weight: weight + 1),
        },
        "splits_are": {
            "context scored as if it were new": score_everything,
            "sixty tokens before what is new scored": lambda w: move_the_ranges(of_a_grown_file(w), -60, 0),
            "held-out text scored, between two of its windows": copy_from_val_in_between,
            "text of a later file scored in another one": score_it_in_two_files,
        },
    },
    "metadata": {
        "metadata_is_complete": {
            "later_sequences one more": do.recorded("later_sequences", do.plus_one),
            "later_scored_tokens one more": do.recorded("later_scored_tokens", do.plus_one),
            "later set not listed": lambda w: w.metadata["files"].pop(LATER_FILE),
            "no word of when": lambda w: w.metadata.pop("until"),
            "until no date": do.recorded("until", lambda until: "last summer"),
            "until another day than was asked for": do.recorded(
                "until", lambda until: until.replace("03", "04")
            ),
            "a commit after until": do.recorded("commit_date", lambda date: "2025" + date[4:]),
            "head_commit the dataset's own": lambda w: w.metadata.update(
                head_commit=w.metadata["repository_commit"]
            ),
            "head_commit cut short": do.recorded("head_commit", lambda name: name[:12]),
            "no later commit": do.recorded("later_commits", lambda count: 0),
            "more known spans than spans": known_spans_of_more,
        },
    },
}
LATER_WAYS = tuple(
    Way(name, level, noticed_by, wreck)
    for level, tests in TABLE.items()
    for noticed_by, ways in tests.items()
    for name, wreck in ways.items()
)
