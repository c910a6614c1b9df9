"""Rows to batches: visits, packing, masked labels, fill-in-the-middle, and rows that are refused."""

import dataclasses
import itertools
import json
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fixtures import small_files, write_dataset

from effectiveness.common.invocation import typed
from effectiveness.common.jsonl import read_metadata, write_metadata
from effectiveness.common.records import METADATA_FILE, ROLES, VARIANTS, UserError
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.documents import Draw, ReadingOptions, document
from effectiveness.trainer.epochs import FreshCuts, Pacing, pack
from effectiveness.trainer.recut import only, side_by_side
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary

NO_PACING = Pacing(curriculum="none", fraction=0.0, num_epochs=3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_dataset(tmp_path_factory.mktemp("data") / "d"))


@pytest.fixture(scope="module")
def control(dataset):
    return Vocabulary(dataset.tokenizer).control


def make(dataset, control, pacing=NO_PACING, *, seed=1, packs_per_step=4, **options) -> Batches:
    rows = open_rows(dataset, "train")
    return Batches(rows, control, pacing, seed=seed, packs_per_step=packs_per_step, **options)


def step_tensors(batches: Batches, epoch: int, step: int, **options) -> list[torch.Tensor]:
    micro_batches = batches.micro_batches(epoch, step, size=2, **options)
    return [t for b in micro_batches for t in (b.input_ids, b.labels, b.position_ids, b.weights)]


# --- visits ----------------------------------------------------------------------------------------------


def test_visits_per_row_are_its_weight_over_ten_epochs(dataset, control):
    batches = make(dataset, control)
    counts = sum(np.bincount(batches.visits(epoch), minlength=len(batches.rows)) for epoch in range(10))
    expected = {"core": 30, "util": 10, "test": 3}
    roles = [ROLES[role] for role in batches.rows.table["role"]]
    assert counts.tolist() == [expected[role] for role in roles]
    assert {"core", "util", "test"} == set(roles)


def test_every_epoch_visits_a_core_row_three_times_and_three_tenths_of_the_test_rows(dataset, control):
    batches = make(dataset, control)
    role = batches.rows.table["role"]
    for epoch in range(10):
        counts = np.bincount(batches.visits(epoch), minlength=len(role))
        assert set(counts[role == ROLES.index("core")]) == {3}
        num_test = (role == ROLES.index("test")).sum()
        assert abs(counts[role == ROLES.index("test")].sum() - 0.3 * num_test) <= 1


def test_three_visits_of_a_row_lie_one_in_each_third_of_the_epoch(dataset, control):
    batches = make(dataset, control)
    visits = batches.visits(0)
    row = int(np.flatnonzero(batches.rows.table["role"] == ROLES.index("core"))[0])
    places = np.flatnonzero(visits == row) / len(visits)
    assert len(places) == 3
    assert all(abs(place - (third + 0.5) / 3) < 0.25 for third, place in enumerate(places))


def test_weighting_by_loss_visits_each_row_once_and_weights_its_tokens(dataset, control):
    batches = make(dataset, control, weighting="loss")
    assert sorted(batches.visits(0)) == list(range(len(batches.rows)))
    weights = {w for t in batches.micro_batches(0, 0, size=64) for w in t.weights.unique().tolist()}
    assert {round(w, 6) for w in weights} <= {0.0, 0.3, 1.0, 3.0} and len(weights) > 1


def test_the_order_changes_every_epoch(dataset, control):
    batches = make(dataset, control, weighting="none")
    assert batches.visits(0).tolist() != batches.visits(1).tolist()


# --- curriculum ------------------------------------------------------------------------------------------


def test_stages_open_the_corpus_third_by_third_and_then_visit_every_row(dataset, control):
    batches = make(
        dataset, control, Pacing(curriculum="stages", fraction=0.0, num_epochs=3), weighting="none"
    )
    ranks = np.argsort(np.argsort(batches.rows.table["complexity"], kind="stable"))
    for epoch, share in enumerate((1 / 3, 2 / 3, 1)):
        assert sorted(batches.visits(epoch)) == np.flatnonzero(ranks < share * len(ranks)).tolist()


def test_stages_of_a_single_epoch_visit_every_row_and_the_complex_ones_late(dataset, control):
    batches = make(
        dataset, control, Pacing(curriculum="stages", fraction=0.0, num_epochs=1), weighting="none"
    )
    visits = batches.visits(0)
    ranks = np.argsort(np.argsort(batches.rows.table["complexity"], kind="stable"))[visits]
    assert sorted(visits) == list(range(len(ranks)))
    assert ranks[: len(ranks) // 6].max() < len(ranks) / 3


def test_warmup_fraction_delays_complex_rows_and_loses_no_visit(dataset, control):
    pacing = Pacing(curriculum="warmup_fraction", fraction=0.5, num_epochs=2)
    paced, plain = (make(dataset, control, p, weighting="none") for p in (pacing, NO_PACING))
    assert sorted(paced.visits(0)) == sorted(plain.visits(0))
    complexity = paced.rows.table["complexity"]
    early = slice(0, len(complexity) // 4)
    assert complexity[paced.visits(0)[early]].mean() < complexity[plain.visits(0)[early]].mean()


# --- a batch is a pure function of (seed, epoch, step, rank) ------------------------------------------------


def test_a_batch_does_not_depend_on_the_batches_made_before_it(dataset, control):
    control = dataclasses.replace(control, mask=2)
    reading = ReadingOptions(fim_rate=0.5, mask_rate=0.5, window_growth=0.8)
    walked, fresh = make(dataset, control, reading=reading), make(dataset, control, reading=reading)
    for epoch, step in itertools.product((0, 1), range(3)):
        step_tensors(walked, epoch, step)
    for a, b in zip(step_tensors(walked, 1, 2), step_tensors(fresh, 1, 2), strict=True):
        assert torch.equal(a, b)


# --- fresh cuts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_rows(dataset):
    return side_by_side(only(open_rows(dataset, "train"), ()))


def texts_of(rows) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index in np.lexsort((rows.table["start_token"], rows.table["file"])).tolist():
        row = rows.table[index]
        text = found.setdefault(rows.files[row["file"]], [])
        assert int(row["start_token"]) == len(text), "a token is missing, or there twice"
        text += rows.tokens_of(index).tolist()
        assert len(rows.tokens_of(index)) == row["length"] <= rows.window
    return found


def test_fresh_cuts_hold_every_token_once_in_every_epoch_and_end_where_the_text_does(plain_rows):
    cuts, whole = FreshCuts(plain_rows, seed=1), texts_of(plain_rows)
    seen = set()
    for epoch in range(4):
        cut = cuts.of(epoch)
        assert texts_of(cut) == whole
        ends = cut.table["start_token"].astype(int) + cut.table["length"]
        is_end = [
            end == len(whole[cut.files[file]]) for end, file in zip(ends, cut.table["file"], strict=True)
        ]
        assert cut.table["is_last"].tolist() == is_end
        seen.add(tuple(cut.table["start_token"].tolist()))
    assert len(seen) == 4, "the same cuts in two epochs"
    assert np.array_equal(cuts.of(2).table, FreshCuts(plain_rows, seed=1).of(2).table)


def test_a_text_of_one_window_is_not_cut(plain_rows):
    short = {f for f, text in texts_of(plain_rows).items() if len(text) <= plain_rows.window}
    cut = FreshCuts(plain_rows, seed=1).of(0)
    counts = {f: sum(cut.files[row["file"]] == f for row in cut.table) for f in short}
    assert short and set(counts.values()) == {1}


def test_what_follows_a_missing_window_is_a_text_of_its_own(plain_rows):
    middle = int(
        np.flatnonzero((plain_rows.table["start_token"] > 0) & (plain_rows.table["is_last"] == 0))[0]
    )
    rows = dataclasses.replace(plain_rows, table=np.delete(plain_rows.table, middle))
    cut = FreshCuts(rows, seed=1).of(0)
    assert cut.table["length"].sum() == rows.table["length"].sum()
    gone = plain_rows.table[middle]
    for row in cut.table[cut.table["file"] == gone["file"]]:
        start, end = int(row["start_token"]), int(row["start_token"] + row["length"])
        assert end <= gone["start_token"] or start >= gone["start_token"] + gone["length"]


def test_batches_with_fresh_cuts_ask_for_every_token_once_and_name_the_row_it_stands_in(plain_rows, control):
    batches = Batches(plain_rows, control, NO_PACING, seed=1, packs_per_step=4, fresh_cuts=True)
    plan = batches.epoch(1)
    targets, rows = [], set()
    for step in range(plan.num_steps):
        for batch in batches.micro_batches(1, step, size=2):
            targets += batch.labels[batch.weights > 0].tolist()
            rows |= set(batch.rows)
    ids, _ = np.unique(plain_rows.tokens, return_counts=True)
    assert len(targets) == plan.num_pairs.sum() and set(targets) <= {*ids.tolist(), control.end}
    assert max(rows) < len(plain_rows)


# --- masked inputs, and windows that grow -------------------------------------------------------------------


def read(rows, row, control, *, epoch=0, fills=False, window=None, **how):
    draw = Draw(seed=1, epoch=epoch, visit=row)
    return ReadingOptions(**how).pieces(rows, row, control, draw, fills=fills, window=window or rows.window)


def test_masks_are_drawn_anew_every_epoch_and_the_next_token_is_asked_for_all_the_same(dataset, control):
    rows = open_rows(dataset, "train")
    control = dataclasses.replace(control, mask=2)
    shares = []
    for row in np.flatnonzero(rows.table["label_offset"] < 0)[:40].tolist():
        as_it_stands, targets = document(rows, row, control)
        (first, same), (second, _) = (
            pair for epoch in (0, 1) for pair in read(rows, row, control, epoch=epoch, mask_rate=1.0)
        )
        assert np.array_equal(same, targets) and first[0] == as_it_stands[0]
        assert np.array_equal(first[first != control.mask], as_it_stands[first != control.mask])
        shares += [float((inputs == control.mask).mean()) for inputs in (first, second)]
        assert len(first) < 8 or not np.array_equal(first, second)
    assert 0.1 < np.mean(shares) < 0.4 and max(shares) < 0.8


def test_rows_that_were_masked_when_they_were_built_are_not_masked_again(dataset, control):
    rows = open_rows(dataset, "train")
    control = dataclasses.replace(control, mask=2)
    row = int(np.flatnonzero(rows.table["label_offset"] >= 0)[0])
    ((inputs, _),) = read(rows, row, control, mask_rate=1.0)
    assert np.array_equal(inputs, document(rows, row, control)[0])


@pytest.mark.parametrize("fills", [False, True])
def test_pieces_of_a_growing_window_hold_as_many_pairs_as_the_row_and_none_is_longer(dataset, control, fills):
    rows = open_rows(dataset, "train")
    for row in range(20):
        ((whole, _),) = read(rows, row, control, fills=fills)
        pieces = read(rows, row, control, fills=fills, window=rows.window // 4)
        assert sum(len(inputs) for inputs, _ in pieces) == len(whole)
        assert all(len(inputs) == len(targets) <= rows.window // 4 for inputs, targets in pieces)
        if fills:
            assert all(control.fim_prefix in inputs for inputs, _ in pieces)
        else:
            assert np.array_equal(np.concatenate([inputs for inputs, _ in pieces]), whole)


def test_a_window_grows_from_a_quarter_through_a_half_to_its_whole_length():
    reading = ReadingOptions(window_growth=0.5)
    assert [reading.window_at(share, 64) for share in (0, 0.24, 0.25, 0.49, 0.5, 0.99)] == [
        16,
        16,
        32,
        32,
        64,
        64,
    ]
    assert ReadingOptions().window_at(0, 64) == 64


def test_a_run_that_goes_on_within_an_epoch_does_not_see_its_first_packs_again(dataset, control):
    """Also where the whole epoch was planned before it was known where the run goes on."""
    batches = make(dataset, control, packs_per_step=1)
    whole = batches.epoch(0)
    batches.begin_at(0, 3)
    assert batches.epoch(0).num_steps == whole.num_steps - 3
    assert batches.epoch(0).packs_of_step(0) == whole.packs_of_step(3)
    batches.begin_at(1, 2)
    assert batches.epoch(0).num_steps == whole.num_steps


def test_another_seed_gives_another_order(dataset, control):
    first, second = make(dataset, control, seed=1), make(dataset, control, seed=2)
    assert first.visits(0).tolist() != second.visits(0).tolist()


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_a_step_without_gap_or_repetition(dataset, control, world):
    batches = make(dataset, control, packs_per_step=5)
    plan = batches.epoch(0)
    for step in (0, plan.num_steps - 1):
        shares = [batches.micro_batches(0, step, size=2, rank=rank, world=world) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        rows = sorted(row for share in shares for batch in share for row in batch.rows)
        assert rows == sorted(plan.rows[plan.visits_of(plan.packs_of_step(step))].tolist())
        weight = sum(float(batch.weights.sum()) for share in shares for batch in share)
        assert weight == pytest.approx(batches.step_weight(plan, step))


# --- packing ---------------------------------------------------------------------------------------------


def test_packing_keeps_every_document_once_and_never_overfills():
    sizes = np.array([random.Random(3).randint(1, 32) for _ in range(500)])
    order, starts = pack(sizes, 32)
    assert sorted(order) == list(range(500))
    filled = [sizes[order[a:b]].sum() for a, b in itertools.pairwise(starts)]
    assert max(filled) <= 32
    assert sum(filled) / (32 * len(filled)) > 0.9


def test_without_packing_each_document_is_alone():
    order, starts = pack(np.array([3, 1, 2]), 0)
    assert order.tolist() == [0, 1, 2] and starts.tolist() == [0, 1, 2, 3]


def test_padding_is_never_a_label(dataset, control):
    batches = make(dataset, control)
    plan = batches.epoch(0)
    for step in range(plan.num_steps):
        for batch in batches.micro_batches(0, step, size=2):
            assert (batch.labels[batch.weights > 0] != control.pad).all()
            assert (batch.weights[batch.input_ids == control.pad] == 0).all()
    visited = sum(
        float(b.weights.sum()) for s in range(plan.num_steps) for b in batches.micro_batches(0, s, size=8)
    )
    assert visited == plan.num_pairs.sum()


def test_positions_restart_at_every_document(dataset, control):
    batches = make(dataset, control)
    batch = batches.micro_batches(0, 0, size=4)[0]
    restarts = int((batch.position_ids == 0).sum())
    padded_lines = int((batch.weights[:, -1] == 0).sum())
    assert restarts == len(batch.rows) + padded_lines


def test_every_source_token_is_a_target_and_files_begin_and_end(dataset, control):
    rows = open_rows(dataset, "train")
    for index in np.flatnonzero(rows.table["variant"] == 0).tolist():
        inputs, targets = document(rows, index, control)
        row, tokens = rows.table[index], rows.tokens_of(index).tolist()
        starts, ends = row["start_token"] == 0, row["is_last"]
        assert inputs.tolist() == ([control.begin] if starts else []) + (tokens if ends else tokens[:-1])
        assert targets.tolist() == (tokens if starts else tokens[1:]) + ([control.end] if ends else [])


def test_masked_rows_are_asked_for_the_original_next_token(dataset, control):
    rows = open_rows(dataset, "train")
    mask = dataset.metadata["mask_token_id"]
    masked = np.flatnonzero(rows.table["variant"] == VARIANTS.index("token_masking")).tolist()
    assert masked
    for index in masked:
        inputs, targets = document(rows, index, control)
        assert mask in inputs and mask not in targets


# --- the cache and rows that are refused -------------------------------------------------------------------


def test_a_cached_load_equals_a_fresh_parse_and_an_edit_is_noticed(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    fresh = open_rows(dataset, "train", write_cache=False)
    open_rows(dataset, "train")
    cached = open_rows(dataset, "train")
    assert isinstance(cached.tokens, np.memmap)
    assert np.array_equal(fresh.tokens, cached.tokens) and np.array_equal(fresh.table, cached.table)
    assert fresh.files == cached.files and fresh.sha256 == cached.sha256
    dataset.train.write_bytes(dataset.train.read_bytes() + b"\n")
    with pytest.raises(UserError, match=r"is not the file that dataset_metadata.json describes"):
        open_rows(dataset, "train")


def test_a_torn_cache_is_parsed_again(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    before = open_rows(dataset, "train")
    for name in ("tokens.npy", "rows.json"):
        (file,) = (tmp_path / "d" / ".cache").glob(f"training_data_train-*/{name}")
        file.write_bytes(file.read_bytes()[:40])
        again = open_rows(dataset, "train")
        assert np.array_equal(before.tokens, again.tokens)


def shuffle(file: Path) -> None:
    np.save(file, np.random.default_rng(0).permutation(np.load(file)))


def flip_a_bit(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-3] ^= 1
    file.write_bytes(raw)


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


CACHE_DAMAGE = {
    "shuffled": shuffle,
    "a bit": flip_a_bit,
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:100]),
    "another type": lambda file: np.save(file, np.load(file).astype(np.float64)),
    "another shape": lambda file: np.save(file, np.load(file)[:, None]),
    "a pipe": make_pipe,
    "a directory": lambda file: (file.unlink(), file.mkdir()),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", CACHE_DAMAGE)
@pytest.mark.parametrize("name", ["tokens.npy", "scored.npy", "table.npy"])
def test_a_damaged_cache_is_noticed_and_made_again(tmp_path, damage, name):
    if damage in ("shuffled", "another type", "a bit") and name != "tokens.npy":
        pytest.skip("for one array of plain numbers")
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    before = open_rows(dataset, "train")
    table = before.table.copy()
    (file,) = (tmp_path / "d" / ".cache").glob(f"training_data_train-*/{name}")
    whole = np.array(before.tokens)
    CACHE_DAMAGE[damage](file)
    again = open_rows(dataset, "train")
    assert np.array_equal(whole, again.tokens) and np.array_equal(table, again.table)
    assert isinstance(open_rows(dataset, "train").tokens, np.memmap)  # made again, not only passed over


def test_an_edited_description_of_a_cache_is_not_believed(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    before = open_rows(dataset, "train")
    (file,) = (tmp_path / "d" / ".cache").glob("training_data_train-*/rows.json")
    file.write_text(file.read_text().replace("core_0", "core_9"))
    assert open_rows(dataset, "train").files == before.files


def test_directories_of_others_beside_the_cache_stay(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    theirs = tmp_path / "d" / ".cache" / "training_data_train-notes"
    theirs.mkdir(parents=True)
    open_rows(dataset, "train")
    assert theirs.is_dir()


def edit_row(row: dict, **metadata) -> dict:
    return row | {"metadata": row["metadata"] | metadata}


@pytest.mark.parametrize(
    ("wreck", "message"),
    [
        (
            lambda r: r | {"tokens": [9999, *r["tokens"][1:]]},
            "tokens hold the id 9999, outside the vocabulary of 300",
        ),
        (
            lambda r: r | {"tokens": [-1, *r["tokens"][1:]]},
            "tokens hold the id -1, outside the vocabulary of 300",
        ),
        (lambda r: r | {"tokens": r["tokens"][:-1]}, "31 tokens, expected 32"),
        (
            lambda r: r | {"tokens": [True, *r["tokens"][1:]]},
            '"tokens" and "labels" must be lists of integers',
        ),
        (
            lambda r: r | {"tokens": [1.0, *r["tokens"][1:]]},
            '"tokens" and "labels" must be lists of integers',
        ),
        (lambda r: edit_row(r, length=0), "metadata.length must be from 1 to 32, got 0"),
        (lambda r: edit_row(r, length="5"), "metadata.length must be int, got '5'"),
        (lambda r: edit_row(r, length=True), "metadata.length must be int, got True"),
        (lambda r: edit_row(r, weight=-1.0), "metadata.weight must be above 0 and at most 1000, got -1.0"),
        (lambda r: edit_row(r, augmentation_type="magic"), "unknown metadata.augmentation_type 'magic'"),
        (
            lambda r: edit_row(r, chunk_index=99),
            "metadata.start_token, chunk_index and total_chunks do not fit",
        ),
        (lambda r: {"tokens": r["tokens"]}, 'expected an object with "tokens", "metadata"'),
        (lambda r: r | {"labels": [9999] * 32}, "labels hold the id 9999, outside the vocabulary of 300"),
        (lambda r: edit_row(r, seq_id=1 << 63), "metadata.seq_id must be from 0 to 2**62"),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["as written", "spaced"])
def test_a_bad_row_is_named_by_file_and_line(tmp_path, wreck, message, separators):
    dataset = open_dataset(write_dataset(tmp_path / "d", files=small_files()[:9], masked=False))
    lines = dataset.train.read_bytes().splitlines(keepends=True)
    lines[4] = json.dumps(wreck(json.loads(lines[4])), separators=separators).encode() + b"\n"
    dataset.train.write_bytes(b"".join(lines))
    dataset.metadata.pop("files")
    with pytest.raises(UserError) as caught:
        open_rows(dataset, "train")
    assert f"{dataset.train}:5: {message}" in str(caught.value)


def test_rows_in_another_spelling_of_json_are_the_same_rows(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d"))
    written = open_rows(dataset, "train", write_cache=False)
    rows = [json.loads(line) for line in dataset.train.read_bytes().splitlines()]
    dataset.train.write_text("".join(json.dumps(row, indent=None) + "\n" for row in rows))
    dataset.metadata.pop("files")
    spelt = open_rows(dataset, "train", write_cache=False)
    assert len(written.labels) and written.files == spelt.files and written.languages == spelt.languages
    for name in ("tokens", "labels", "table"):
        assert np.array_equal(getattr(written, name), getattr(spelt, name))


def test_text_after_the_padding_begins_is_refused(tmp_path):
    dataset = open_dataset(write_dataset(tmp_path / "d", files=small_files()[:9], masked=False))
    rows = [json.loads(line) for line in dataset.train.read_bytes().splitlines()]
    short = next(i for i, row in enumerate(rows) if row["metadata"]["length"] < 32)
    rows[short]["tokens"][-1] = 7
    dataset.train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset.metadata.pop("files")
    with pytest.raises(UserError, match=f":{short + 1}: only padding"):
        open_rows(dataset, "train")


def test_an_incomplete_dataset_says_what_is_missing(tmp_path):
    sequences = write_dataset(tmp_path / "d")
    with pytest.raises(UserError, match=re.escape(typed("dataset"))):
        open_dataset(tmp_path / "nowhere" / "training_data_train.jsonl")
    (tmp_path / "d" / "training_data_val.jsonl").unlink()
    with pytest.raises(UserError, match=r"training_data_val.jsonl is missing: not a complete dataset"):
        open_dataset(sequences)


def test_metadata_without_a_window_is_refused(tmp_path):
    sequences = write_dataset(tmp_path / "d")
    metadata = read_metadata(tmp_path / "d" / METADATA_FILE)
    write_metadata(tmp_path / "d" / METADATA_FILE, metadata | {"max_tokens_per_sequence": "32"})
    with pytest.raises(UserError, match="max_tokens_per_sequence must be a whole number"):
        open_dataset(sequences)


# --- windows side by side --------------------------------------------------------------------------------


def test_side_by_side_every_token_of_each_text_is_in_one_row(dataset):
    rows = open_rows(dataset, "train")
    chosen = side_by_side(rows)
    assert len(chosen) < len(rows)
    assert token_counts(chosen) == dict.fromkeys(token_counts(rows), 1)
    assert max(token_counts(rows).values()) > 1, "the windows overlap"


def test_side_by_side_rows_keep_their_tokens_labels_and_order(dataset):
    rows = open_rows(dataset, "train")
    of_row = {int(row["seq_id"]): index for index, row in enumerate(rows.table)}
    chosen = side_by_side(rows)
    for index, row in enumerate(chosen.table):
        source = of_row[int(row["seq_id"])]
        head = int(row["start_token"] - rows.table[source]["start_token"])
        assert np.array_equal(chosen.tokens_of(index), rows.tokens_of(source)[head:])
        assert np.array_equal(chosen.originals_of(index), rows.originals_of(source)[head:])
    ids = chosen.table["seq_id"].tolist()
    assert [of_row[i] for i in ids] == sorted(of_row[i] for i in ids)
    masked = chosen.table["label_offset"] >= 0
    assert masked.any() and not masked.all()


def token_counts(rows) -> dict[tuple[int, int, int], int]:
    """(file, variant, place in the text) -> rows that hold it."""
    counts: dict[tuple[int, int, int], int] = {}
    for row in rows.table:
        for place in range(row["start_token"], row["start_token"] + row["length"]):
            key = int(row["file"]), int(row["variant"]), int(place)
            counts[key] = counts.get(key, 0) + 1
    return counts
