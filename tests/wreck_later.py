"""Ways to wreck the later set of a dataset: the tokens it scores, the file, and what the metadata say of it."""

from __future__ import annotations

from collections.abc import Callable

import wreck_edits as do
from wreckage import Way, Wreckage

from corpus.records import LATER, LATER_FILE


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
    w.rows[LATER].append({"tokens": row["tokens"], "metadata": about})


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
            "one later token changed": one_row(
                lambda row: row["tokens"].__setitem__(64, row["tokens"][64] ^ 1), do.is_middle
            ),
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
        },
    },
    "metadata": {
        "metadata_is_complete": {
            "later_sequences one more": do.recorded("later_sequences", do.plus_one),
            "later_scored_tokens one more": do.recorded("later_scored_tokens", do.plus_one),
            "later set not listed": lambda w: w.metadata["files"].pop(LATER_FILE),
            "no word of when": lambda w: w.metadata.pop("until"),
        },
    },
}
LATER_WAYS = tuple(
    Way(name, level, noticed_by, wreck)
    for level, tests in TABLE.items()
    for noticed_by, ways in tests.items()
    for name, wreck in ways.items()
)
