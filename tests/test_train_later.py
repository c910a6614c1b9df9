"""The later set in the trainer: rows that are partly new, and a loss over what is new alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fixtures import command, write_dataset

from effectiveness.common.jsonl import JsonLinesWriter, read_metadata, read_rows, write_metadata
from effectiveness.common.records import DATASET_FILES, LATER_FILE, METADATA_FILE, UserError
from effectiveness.trainer.evaluate import evaluate
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

WINDOW = 32
# Three windows of one file: (start, scored). In the file, tokens 3, 4, 30, 31, 33 and 34 are new; 30, 31 and 33
# stand in two windows each; a window that begins after token 0 has no target for its first token.
WINDOWS = ((0, [[3, 5], [30, 32]]), (8, [[22, 24], [25, 27]]), (33, [[0, 2]]))
NEW = (3, 4, 30, 31, 33, 34)


def add_later(sequences: Path, windows=WINDOWS) -> list[int]:
    """Give a dataset a later file of one source file; returns the file's 65 tokens."""
    directory = sequences.parent
    row = next(read_rows(directory / DATASET_FILES["val"]))
    ids = [(7 * number) % 250 + 1 for number in range(33 + WINDOW)]
    with JsonLinesWriter(directory / LATER_FILE) as writer:
        for chunk, (start, scored) in enumerate(windows):
            place = {"chunk_index": chunk, "total_chunks": 9, "start_token": start, "length": WINDOW}
            about = {
                "source_file": "later.py",
                "seq_id": 900 + chunk,
                "augmentation_type": "original",
                "scored": scored,
            }
            tokens = np.array(ids[start : start + WINDOW], np.uint16)
            writer.write_row(tokens, row["metadata"] | place | about)
    metadata = read_metadata(directory / METADATA_FILE)
    metadata["files"][LATER_FILE] = {"sha256": writer.digest.sha256, "bytes": writer.digest.num_bytes}
    write_metadata(directory / METADATA_FILE, metadata | {"later_sequences": len(windows)})
    return ids


def held_out(sequences: Path, **options) -> HeldOut:
    dataset = open_dataset(sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    rows = open_rows(dataset, "later", write_cache=False)
    return HeldOut(rows, vocabulary.control, vocabulary.num_bytes, batch_size=2, **options)


def test_the_new_tokens_are_scored_once_each_and_no_other(tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    ids = add_later(sequences)
    evaluation = evaluate(held_out(sequences), lambda batch: batch.labels.double())
    assert evaluation.headline.num_tokens == len(NEW)
    assert evaluation.headline.nats == sum(ids[at] for at in NEW)


def test_a_window_whose_new_tokens_are_all_scored_before_is_not_run(tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    add_later(sequences)
    assert held_out(sequences).order.tolist() == [0, 1]


def test_without_ranges_all_tokens_count(tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    dataset = open_dataset(sequences)
    rows = open_rows(dataset, "val", write_cache=False)
    assert len(rows.scored) == 0
    assert all(rows.scored_of(index).all() for index in range(len(rows)))


def test_a_cached_later_set_scores_the_same(tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    add_later(sequences)
    dataset = open_dataset(sequences)
    parsed, cached = open_rows(dataset, "later"), open_rows(dataset, "later")
    assert isinstance(cached.scored, np.memmap)
    assert parsed.scored.tolist() == cached.scored.tolist()
    assert np.flatnonzero(cached.scored_of(1)).tolist() == [22, 23, 25, 26]


@pytest.mark.parametrize(
    ("scored", "message"),
    [
        ([[0, 33]], "rising ranges up to 32"),
        ([[5, 5]], "rising ranges"),
        ([[5, 9], [9, 12]], "rising ranges"),
        ([[5, 9], [3, 4]], "rising ranges"),
        ([[-1, 4]], "rising ranges"),
        ([[1, 2, 3]], "pairs of integers"),
        ([[True, 2]], "pairs of integers"),
        ({"a": 1}, "must be a list"),
    ],
)
def test_ranges_that_make_no_sense_are_refused_with_file_and_line(scored, message, tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    add_later(sequences, ((0, [[0, 2]]), (8, scored)))
    with pytest.raises(UserError, match=rf"later\.jsonl:2: metadata\.scored .*{message}"):
        open_rows(open_dataset(sequences), "later", write_cache=False)


def test_a_later_file_that_is_missing_is_named(tmp_path):
    sequences = write_dataset(tmp_path / "d", masked=False)
    add_later(sequences)
    (sequences.parent / LATER_FILE).unlink()
    with pytest.raises(UserError, match=r"training_data_later\.jsonl is missing"):
        open_dataset(sequences)


def test_eval_only_prints_a_later_loss_where_there_is_a_later_set(tmp_path, capsys):
    sequences = write_dataset(tmp_path / "d", masked=False)
    assert main(command(sequences, tmp_path / "m", "--set", "training.max_steps=2")) == 0
    arguments = command(sequences, tmp_path / "m", "--eval_only")
    capsys.readouterr()
    assert main(arguments) == 0
    assert "Later Loss" not in capsys.readouterr().out
    add_later(sequences)
    assert main(arguments) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Later Loss: ")]
    assert f" {len(NEW)} tokens" in line
    assert float(line.split()[2]) == pytest.approx(_loss_by_hand(sequences, tmp_path / "m"), abs=5e-4)


def _loss_by_hand(sequences: Path, model_directory: Path) -> float:
    """From the exported model and the JSONL: each new token given all of the first window that holds it before it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_directory).eval()
    begin = AutoTokenizer.from_pretrained(model_directory).eos_token_id
    with open(sequences.parent / LATER_FILE, "rb") as lines:
        first, second = (json.loads(next(lines))["tokens"] for _ in range(2))
    inputs = {
        3: [begin, *first[:3]],
        4: [begin, *first[:4]],
        30: [begin, *first[:30]],
        31: [begin, *first[:31]],
    }
    inputs |= {33: second[:25], 34: second[:26]}
    ids = first + second[-8:]
    nats = []
    for at, context in inputs.items():
        with torch.no_grad():
            logits = model(torch.tensor([context])).logits[0, -1]
        nats.append(-logits.float().log_softmax(-1)[ids[at]].item())
    return sum(nats) / len(nats)
