"""Single acts of damage, and makers of them: `one_field("length", plus_one)` is a function of a `Wreckage`."""

from __future__ import annotations

import json
from collections.abc import Callable

from dataset_texts import plain_tokenizer
from wreckage import TEST, TRAIN, VAL, Wreckage

from effectiveness.common.records import ORIGINAL, SPLITS

MASKING = "token_masking"
TOKENIZER = "tokenizer/tokenizer.json"

# ----------------------------------------------------------- lines


def each_line(edit: Callable[[bytes], bytes]) -> Callable[[Wreckage], None]:
    return lambda w: w.edit_file(TRAIN, lambda raw: b"".join(map(edit, raw.splitlines(keepends=True))))


def one_line(
    edit: Callable[[bytes], bytes], split: str = TRAIN, number: int = 3
) -> Callable[[Wreckage], None]:
    return lambda w: w.edit_line(edit, split, number)


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """An edit that must find what it replaces."""

    def edit(raw: bytes) -> bytes:
        assert old in raw, old
        return raw.replace(old, new, 1)

    return edit


def whole(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Wreckage], None]:
    return lambda w: w.edit_file(name, edit)


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def next_digit(raw: bytes) -> bytes:
    """Another digit somewhere in the tokens: still JSON, still a number."""
    at = raw.index(b"[") + 1
    return raw[:at] + (b"1" if raw[at : at + 1] != b"1" else b"2") + raw[at + 1 :]


# ----------------------------------------------------------- rows


def is_original(metadata: dict) -> bool:
    return metadata["augmentation_type"] == ORIGINAL


def is_masked(metadata: dict) -> bool:
    return metadata["augmentation_type"] == MASKING


def is_text_variant(metadata: dict) -> bool:
    return metadata["augmentation_type"] not in (ORIGINAL, MASKING)


def is_middle(metadata: dict) -> bool:
    return is_original(metadata) and 0 < metadata["chunk_index"] < metadata["total_chunks"] - 1


def is_last_of_many(metadata: dict) -> bool:
    return is_original(metadata) and 0 < metadata["chunk_index"] == metadata["total_chunks"] - 1


def is_short(metadata: dict) -> bool:
    return is_original(metadata) and metadata["total_chunks"] == 1


def is_markdown(metadata: dict) -> bool:
    return is_original(metadata) and metadata["language"] == "Markdown"


def anything(metadata: dict) -> bool:
    return True


def one_row(edit: Callable[[dict], object], want: Callable[[dict], bool] = anything, split: str = TRAIN):
    """Edit one row for which `want(metadata)` holds."""
    return lambda w: edit(w.pick(want, split))


def one_field(name: str, change: Callable[[object], object], want: Callable[[dict], bool] = anything):
    return one_row(lambda row: row["metadata"].update({name: change(row["metadata"][name])}), want)


def every_field(name: str, change: Callable[[dict], object]):
    def wreck(w: Wreckage) -> None:
        for row in w.every_row():
            row["metadata"][name] = change(row["metadata"])

    return wreck


def one_token(
    change: Callable[[int], object],
    want: Callable[[dict], bool] = is_middle,
    key: str = "tokens",
    at: int = 5,
):
    return one_row(lambda row: row[key].__setitem__(at, change(row[key][at])), want)


def one_file(edit: Callable[[dict], object], want: Callable[[dict], bool] = anything):
    """Edit the metadata of all rows of one file alike."""

    def wreck(w: Wreckage) -> None:
        path = w.pick(want)["metadata"]["source_file"]
        for row in w.every_row():
            if row["metadata"]["source_file"] == path:
                edit(row["metadata"])

    return wreck


def renumber(w: Wreckage) -> None:
    """What a writer that lost rows would do: count on without a gap."""
    for number, row in enumerate(sorted(w.every_row(), key=lambda row: row["metadata"]["seq_id"])):
        row["metadata"]["seq_id"] = number


def copy_val_from_train(w: Wreckage) -> None:
    w.rows[VAL] = [json.loads(json.dumps(row)) for row in w.rows[TRAIN][: len(w.rows[VAL])]]
    for number, row in enumerate(w.rows[VAL] + w.rows[TRAIN] + w.rows[TEST]):
        row["metadata"]["seq_id"] = number


def shuffle_train(w: Wreckage) -> None:
    w.rng.shuffle(w.rows[TRAIN])


def swap_two_rows(w: Wreckage) -> None:
    rows = w.rows[TRAIN]
    rows[3], rows[-3] = rows[-3], rows[3]


def shuffle_the_scores(w: Wreckage) -> None:
    scores = [row["metadata"]["complexity"] for row in w.rows[TRAIN]]
    w.rng.shuffle(scores)
    for row, score in zip(w.rows[TRAIN], scores, strict=True):
        row["metadata"]["complexity"] = score
    w.reorder()


def score_by_length(w: Wreckage) -> None:
    for row in w.every_row():
        row["metadata"]["complexity"] = float(row["metadata"]["length"])
    w.reorder()


def shift_one_score(w: Wreckage, want: Callable[[dict], bool] = is_original) -> None:
    w.pick(want)["metadata"]["complexity"] += 0.01
    w.reorder()


def exchange_two_scores(w: Wreckage) -> None:
    """Of the simplest and the hardest window of a file."""
    path = w.pick(is_middle)["metadata"]["source_file"]
    of_file = [m for row in w.rows[TRAIN] if (m := row["metadata"])["source_file"] == path and is_original(m)]
    low, high = of_file[0], of_file[-1]
    low["complexity"], high["complexity"] = high["complexity"], low["complexity"]
    w.reorder()


def swap_equal_rows(w: Wreckage) -> None:
    """Two neighbours of one score change places."""
    rows = w.rows[TRAIN]
    score = [row["metadata"]["complexity"] for row in rows]
    at = next(i for i in range(1, len(rows)) if score[i] == score[i - 1])
    rows[at - 1], rows[at] = rows[at], rows[at - 1]


def exchange_seq_ids(w: Wreckage) -> None:
    """Of two neighbours of other scores: the order of the lines stays as it must be."""
    rows = w.rows[TRAIN]
    a, b = rows[3]["metadata"], rows[-3]["metadata"]
    a["seq_id"], b["seq_id"] = b["seq_id"], a["seq_id"]
    w.reorder()


def noise(w: Wreckage) -> None:
    for row in w.rows[TRAIN]:
        row["tokens"] = [w.rng.randrange(w.metadata["vocab_size"] - 20) for _ in row["tokens"]]


def noise_in_a_short_file(w: Wreckage) -> None:
    row = w.pick(is_short)
    w.rng.shuffle(row["tokens"][: row["metadata"]["length"]])
    row["tokens"][0], row["tokens"][1] = row["tokens"][1] + 1, row["tokens"][0]


def drop_rows(w: Wreckage, share: float) -> None:
    w.rows[TRAIN] = [row for row in w.rows[TRAIN] if w.rng.random() >= share]
    renumber(w)


def drop_row(w: Wreckage, want: Callable[[dict], bool]) -> None:
    w.rows[TRAIN].remove(w.pick(want))
    renumber(w)


def drop_as_duplicate(w: Wreckage, want: Callable[[dict], bool]) -> None:
    """A row goes, and the metadata say that another one equals it."""
    kind = w.pick(want)["metadata"]["augmentation_type"]
    drop_row(w, want)
    dropped = w.metadata["duplicate_rows_dropped"]
    dropped[kind] = dropped.get(kind, 0) + 1


def drop_originals_of_a_file(w: Wreckage) -> None:
    path = w.pick(is_middle)["metadata"]["source_file"]
    for split in SPLITS:
        w.rows[split] = [
            row
            for row in w.rows[split]
            if not (is_original(row["metadata"]) and row["metadata"]["source_file"] == path)
        ]
    renumber(w)


def cut_the_tails(w: Wreckage) -> None:
    for split in SPLITS:
        w.rows[split] = [row for row in w.rows[split] if not is_last_of_many(row["metadata"])]
    renumber(w)


def duplicate_a_row(w: Wreckage) -> None:
    w.rows[TRAIN].append(json.loads(json.dumps(w.rows[TRAIN][-1])))
    w.rows[TRAIN][-1]["metadata"]["seq_id"] = len(w.every_row()) - 1


def move(w: Wreckage, want: Callable[[dict], bool], target: str) -> None:
    row = w.pick(want)
    w.rows[TRAIN].remove(row)
    w.rows[target].append(row)


def move_a_grouped_file(w: Wreckage) -> None:
    in_train = {row["metadata"]["source_file"] for row in w.rows[TRAIN]}
    path = next(group[0] for group in w.metadata["file_groups"] if group[0] in in_train)
    moved = [row for row in w.rows[TRAIN] if row["metadata"]["source_file"] == path]
    w.rows[TRAIN] = [row for row in w.rows[TRAIN] if row["metadata"]["source_file"] != path]
    w.rows[TEST] += moved


def split_by_row(w: Wreckage) -> None:
    """The founding mistake: windows are dealt out one by one."""
    rows = w.every_row()
    w.rng.shuffle(rows)
    first, second = len(rows) * 85 // 100, len(rows) * 95 // 100
    w.rows = {TRAIN: rows[:first], VAL: rows[first:second], TEST: rows[second:]}
    w.reorder()


def swap_val_and_train(w: Wreckage) -> None:
    w.rows[TRAIN], w.rows[VAL] = w.rows[VAL], w.rows[TRAIN]


def empty_val(w: Wreckage) -> None:
    w.rows[TRAIN] += w.rows[VAL]
    w.rows[VAL] = []
    w.reorder()


def unmask(row: dict) -> None:
    row["tokens"] = list(row["labels"])


def unmask_one(row: dict) -> None:
    pairs = enumerate(zip(row["tokens"], row["labels"], strict=True))
    at = next(at for at, (token, label) in pairs if token != label)
    row["tokens"][at] = row["labels"][at]


def mask_one_more(w: Wreckage) -> None:
    row, mask = w.pick(is_masked), w.metadata["mask_token_id"]
    row["tokens"][next(at for at, token in enumerate(row["tokens"]) if token != mask)] = mask


def mask_everything(row: dict, mask_id: int) -> None:
    length = row["metadata"]["length"]
    row["tokens"][:length] = [mask_id] * length


def variant_is_a_copy(w: Wreckage) -> None:
    """The founding mistake: an augmentation that changed nothing."""
    row = w.pick(is_text_variant)
    twin = w.pick(lambda m: is_original(m) and m["source_file"] == row["metadata"]["source_file"])
    row["tokens"] = list(twin["tokens"])


def exchange_kinds(w: Wreckage, a: str, b: str) -> None:
    for row in w.every_row():
        kind = row["metadata"]["augmentation_type"]
        row["metadata"]["augmentation_type"] = {a: b, b: a}.get(kind, kind)


def exchange_texts(w: Wreckage) -> None:
    """Two short files keep their names and get each other's text."""
    paths = sorted({row["metadata"]["source_file"] for row in w.rows[TRAIN] if is_short(row["metadata"])})
    a, b = (w.pick(lambda m, path=path: is_short(m) and m["source_file"] == path) for path in paths[:2])
    a["tokens"], b["tokens"] = b["tokens"], a["tokens"]
    for name in ("length", "complexity"):
        a["metadata"][name], b["metadata"][name] = b["metadata"][name], a["metadata"][name]
    w.reorder()


def retell(w: Wreckage, edit: Callable[[str], str]) -> None:
    """The text of the shortest variant without comments becomes another, in the ids that the tokenizer gives for it."""
    tokenizer = plain_tokenizer(w.directory)
    told = [row for row in w.rows[TRAIN] if row["metadata"]["augmentation_type"] == "comment_toggle"]
    row = min(told, key=lambda row: (row["metadata"]["length"], row["metadata"]["seq_id"]))
    text = tokenizer.decode(row["tokens"][: row["metadata"]["length"]], skip_special_tokens=False)
    ids = tokenizer.encode(edit(text), add_special_tokens=False).ids
    assert len(ids) <= w.window
    row["tokens"] = ids + [w.metadata["pad_token_id"]] * (w.window - len(ids))
    row["metadata"]["length"] = len(ids)


def change_a_hidden_label(w: Wreckage) -> None:
    row = w.pick(lambda m: is_masked(m) and m["total_chunks"] > 1)
    at = row["tokens"].index(w.metadata["mask_token_id"])
    row["labels"][at] ^= 1


def every_role_by_substring(w: Wreckage) -> None:
    """The founding mistake: `latest.rs` is a test because it holds "test"."""
    for metadata in (row["metadata"] for row in w.every_row()):
        if "st" in metadata["source_file"].rpartition("/")[2]:
            swap_role(metadata)


def number_the_rows(w: Wreckage) -> None:
    for number, row in enumerate(w.rows[TRAIN]):
        row["metadata"]["complexity"] = float(number)


def negate_the_scores(w: Wreckage) -> None:
    for row in w.every_row():
        row["metadata"]["complexity"] = 100.0 - row["metadata"]["complexity"]
    w.reorder()


def pad_inside(w: Wreckage) -> None:
    row = w.pick(is_middle)
    row["tokens"][9] = w.metadata["pad_token_id"]


def pad_a_long_file(w: Wreckage) -> None:
    row = w.pick(is_middle)
    row["tokens"][-4:] = [w.metadata["pad_token_id"]] * 4
    row["metadata"]["length"] -= 4


def put_control_token(w: Wreckage) -> None:
    config = json.loads(w.path(TOKENIZER).read_bytes())
    known = {w.metadata["pad_token_id"], w.metadata["mask_token_id"]}
    w.pick(is_short)["tokens"][1] = next(t["id"] for t in config["added_tokens"] if t["id"] not in known)


def halve_the_overlap(w: Wreckage) -> None:
    """Every second window is left out, and nobody says so."""
    for split in SPLITS:
        w.rows[split] = [
            row
            for row in w.rows[split]
            if row["metadata"]["chunk_index"] % 2 == 0 or is_last_of_many(row["metadata"])
        ]
    renumber(w)


# ----------------------------------------------------------- metadata and tokenizer


def recorded(name: str, change: Callable[[object], object]) -> Callable[[Wreckage], None]:
    return lambda w: w.metadata.update({name: change(w.metadata[name])})


def plus_one(value: int) -> int:
    return value + 1


def tokenizer_edit(edit: Callable[[dict], object]) -> Callable[[Wreckage], None]:
    def wreck(w: Wreckage) -> None:
        config = json.loads(w.path(TOKENIZER).read_bytes())
        edit(config)
        w.path(TOKENIZER).write_text(json.dumps(config))

    return wreck


def exchange_two_ids(config: dict) -> None:
    """Two words of the vocabulary that are often used change places."""
    vocabulary = config["model"]["vocab"]
    vocabulary["e"], vocabulary["t"] = vocabulary["t"], vocabulary["e"]


def more_duplicates(w: Wreckage) -> None:
    dropped = w.metadata["duplicate_rows_dropped"]
    dropped[ORIGINAL] = dropped.get(ORIGINAL, 0) + 1


def exaggerate_the_leak(w: Wreckage) -> None:
    for seen in w.metadata["leak_report"]["held_out"].values():
        seen["shared"] = seen["spans"]


def swap_role(metadata: dict) -> None:
    metadata.update(is_core=False, is_test=True, priority="low", weight=0.3)
