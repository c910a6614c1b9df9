"""Held-out scoring: each source token once, with the longest context its windows give, and honest sums."""

import math
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from training_fixtures import SmallFile, command, losses, program, use_tiny_models, write_dataset

from effectiveness.common.jsonl import digest, read_metadata, read_rows, write_metadata
from effectiveness.common.records import DATASET_FILES, METADATA_FILE
from effectiveness.trainer.complete import Completion, Gap, completion_scores, edit_similarity, find_gaps
from effectiveness.trainer.evaluate import evaluate
from effectiveness.trainer.held_out import HeldOut, first_scored_targets
from effectiveness.trainer.metrics import METRICS, EventFile, Period
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.run_directory import KNOWN_BEFORE, read_training_facts
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(scope="module")
def trained(sequences, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    output = tmp_path_factory.mktemp("trained") / "m"
    assert main(command(sequences, output, "--epochs", "2", "--set", "optimization.learning_rate=0.01")) == 0
    patch.undo()
    return output


def held_out_of(sequences, split="val", **options) -> HeldOut:
    dataset = open_dataset(sequences)
    vocabulary = Vocabulary(dataset.tokenizer)
    rows = open_rows(dataset, split, write_cache=False)
    return HeldOut(rows, vocabulary.control, vocabulary.num_bytes, batch_size=3, **options)


def file_tokens(sequences, split: str) -> dict[str, list[int]]:
    """Whole files, put together from the originals' windows in the JSONL."""
    files: dict[str, dict[int, int]] = {}
    for row in read_rows(sequences.parent / DATASET_FILES[split]):
        m = row["metadata"]
        if m["augmentation_type"] == "original":
            places = files.setdefault(m["source_file"], {})
            places.update({m["start_token"] + i: row["tokens"][i] for i in range(m["length"])})
    return {name: [places[i] for i in range(len(places))] for name, places in files.items()}


def test_each_source_token_is_scored_once(sequences):
    for split in ("train", "val", "test"):
        held_out = held_out_of(sequences, split, variants=False)
        evaluation = evaluate(held_out, lambda batch: torch.ones(batch.labels.shape))
        files = file_tokens(sequences, split)
        assert evaluation.headline.num_tokens == sum(map(len, files.values()))
        assert evaluation.headline.nats == evaluation.headline.num_tokens


def test_a_token_is_scored_where_its_windows_give_the_longest_context(sequences):
    held_out = held_out_of(sequences, "train", variants=False)
    rows, first = held_out.rows, first_scored_targets(held_out.rows)
    windows: dict[int, list[tuple[int, int]]] = {}
    for index in np.flatnonzero(rows.table["variant"] == 0).tolist():
        row = rows.table[index]
        windows.setdefault(int(row["file"]), []).append((int(row["start_token"]), int(row["length"])))
    assert any(len(spans) > 1 for spans in windows.values())
    for index in np.flatnonzero(rows.table["variant"] == 0).tolist():
        row, begin = rows.table[index], int(rows.table[index]["start_token"] == 0)
        start = int(row["start_token"])
        scored = range(start + 1 - begin + int(first[index]), start + int(row["length"]))
        for token in scored:
            earliest = min(s for s, n in windows[int(row["file"])] if s <= token < s + n)
            assert start == earliest


def test_the_bytes_of_the_scored_tokens_are_the_bytes_of_the_text(tmp_path):
    texts = {"train": program_text(1), "val": "a = 'é€ ✓'\n" + program_text(2), "test": program_text(3)}
    files = [SmallFile(f"{split}.py", "util", split, text) for split, text in texts.items()]
    sequences = write_dataset(tmp_path / "d", files=files, masked=False)
    evaluation = evaluate(held_out_of(sequences), lambda batch: torch.zeros(batch.labels.shape))
    assert evaluation.headline.num_bytes == len(texts["val"].encode())


def program_text(seed: int) -> str:
    import random

    return program(random.Random(seed), 3)


def test_roles_and_languages_add_up_to_the_headline_and_variants_stand_apart(sequences):
    evaluation = evaluate(held_out_of(sequences), lambda batch: batch.labels.float())
    headline = evaluation.headline
    for scores in (evaluation.by_role, evaluation.by_language):
        assert sum(s.num_tokens for s in scores.values()) == headline.num_tokens
        assert sum(s.nats for s in scores.values()) == pytest.approx(headline.nats)
    assert set(evaluation.by_variant) == {"token_masking"}
    without = evaluate(held_out_of(sequences, variants=False), lambda batch: batch.labels.float())
    assert without.headline == headline and not without.by_variant


def test_the_same_windows_are_scored_whatever_the_number_of_processes(sequences):
    held_out = held_out_of(sequences)
    whole = evaluate(held_out, lambda batch: batch.labels.float())
    shares = []
    for rank in range(2):
        evaluate(
            held_out,
            lambda batch: batch.labels.float(),
            rank=rank,
            world_size=2,
            sum_over_processes=lambda values: shares.append(values.clone()) or values,
        )
    both = evaluate(
        held_out,
        lambda b: b.labels.float(),
        rank=0,
        world_size=2,
        sum_over_processes=lambda v: shares[0] + shares[1],
    )
    assert both == whole


def test_max_windows_scores_the_same_evenly_spread_windows_every_time(sequences):
    few, again = (held_out_of(sequences, "train", max_windows=10) for _ in range(2))
    assert few.order.tolist() == again.order.tolist()
    variants = few.rows.table["variant"][few.order]
    assert (variants == 0).sum() == (variants != 0).sum() == 10
    assert few.order.max() > len(few.rows) // 2


def test_the_printed_loss_is_an_independent_computation_from_the_exported_model(sequences, trained, capsys):
    """From nothing but the exported directory and the JSONL: files shorter than two windows, token by token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(trained).eval()
    end = AutoTokenizer.from_pretrained(trained).eos_token_id
    nats, count, window = 0.0, 0, 32
    for tokens in file_tokens(sequences, "val").values():
        starts = [*range(0, max(len(tokens) - window, 0), window // 4), max(len(tokens) - window, 0)]
        for place, token in enumerate(tokens):
            start = next(s for s in starts if s <= place < s + window)
            context = ([end] if start == 0 else []) + tokens[start:place]
            with torch.no_grad():
                logits = model(torch.tensor([context])).logits[0, -1]
            nats += F.cross_entropy(logits, torch.tensor(token)).item()
            count += 1
    assert main(command(sequences, trained, "--eval_only")) == 0
    printed = float(capsys.readouterr().out.split("Val Loss: ")[1].split()[0])
    assert printed == pytest.approx(nats / count, abs=6e-5)


def test_eval_only_changes_no_byte_anywhere(sequences, trained):
    def snapshot() -> dict:
        roots = (trained, sequences.parent)
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = snapshot()
    for flag in ("--eval_only", "--eval-only"):
        assert main(command(sequences, trained, flag)) == 0
    assert snapshot() == before


def test_a_checkpoint_starts_at_its_loss_and_stays_as_it_was(sequences, trained, tmp_path, capsys):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    assert main(command(sequences, trained, "--eval_only")) == 0
    loss = float(capsys.readouterr().out.split("Val Loss: ")[1].split()[0])
    flags = ("--checkpoint", str(trained), "--epochs", "1")
    assert main(command(sequences, tmp_path / "second", *flags)) == 0
    start = float(capsys.readouterr().out.split("before training  Val Loss: ")[1].split()[0])
    assert start == pytest.approx(loss, abs=1e-4)
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before
    assert losses(tmp_path / "second")


def test_weights_of_another_dataset_may_know_what_is_held_out_and_every_figure_says_so(
    sequences, trained, tmp_path, capsys
):
    moved = tmp_path / "moved"  # the repository went on: other training rows, the same tokenizer
    shutil.copytree(sequences.parent, moved)
    rows = (moved / sequences.name).read_bytes().splitlines(keepends=True)[:-1]
    (moved / sequences.name).write_bytes(b"".join(rows))
    metadata = read_metadata(moved / METADATA_FILE)
    digested = digest(moved / sequences.name)
    metadata["files"][sequences.name] = {"sha256": digested.sha256, "bytes": digested.num_bytes}
    write_metadata(moved / METADATA_FILE, metadata)
    warning = f"measure {trained} was trained on another dataset"
    second, third = tmp_path / "second", tmp_path / "third"

    def said(output, *flags, of=moved / sequences.name) -> str:
        assert main(command(of, output, *flags)) == 0
        return capsys.readouterr().out

    assert warning in said(trained, "--eval_only") and warning not in said(
        trained, "--eval_only", of=sequences
    )
    report = ("--set", "output.report=true")
    assert warning in said(second, "--checkpoint", str(trained), "--epochs", "1", *report)
    for page in ("training_report.html", "README.md"):
        assert "was trained on another dataset" in (second / page).read_text(), page
    assert "No file here was trained on" not in (second / "training_report.html").read_text()
    resumed = said(
        second, "--resume", "--epochs", "2"
    )  # by the optimizer and the rate that its start asks for
    assert warning in resumed and "optimization." not in resumed
    assert warning in said(
        third, "--checkpoint", str(second), "--epochs", "1"
    )  # and from whoever goes on from it
    assert read_training_facts(third).facts[KNOWN_BEFORE]


# --- metrics -----------------------------------------------------------------------------------------------


def test_every_metric_is_the_hand_computed_value():
    sums = {"nats": 6.0, "weight": 3.0, "num_steps": 2, "num_tokens": 30, "flops": 8e9}
    period = Period(**sums, elapsed_s=4.0, data_wait_s=1.0)
    values = {name: metric(period) for name, metric in METRICS.items()}
    assert values == {
        "train_loss_nats": 2.0,
        "perplexity": pytest.approx(math.exp(2.0)),
        "tokens_per_s": 7.5,
        "step_s": 2.0,
        "flops_per_s": 2e9,
        "data_wait_share": 0.25,
    }


def test_an_event_file_has_valid_checksums_and_the_scalars(tmp_path):
    """The CRC-32C of "123456789" is 0xE3069283 (RFC 3720); tensorboard 2.21 reads these files."""
    import struct

    from effectiveness.trainer import metrics

    masked = struct.unpack("<I", metrics._masked_checksum(b"123456789"))[0]
    rotated = (masked - metrics.MASK_DELTA) & 0xFFFFFFFF
    assert (rotated << 15 | rotated >> 17) & 0xFFFFFFFF == 0xE3069283
    file = EventFile(tmp_path)
    file.add({"event": "step", "step": 300, "epoch": 1, "train_loss_nats": 1.5, "note": "text"})
    file.close()
    raw = (tmp_path / metrics.FILE_NAME).read_bytes()
    assert b"brain.Event:2" in raw and b"step/train_loss_nats\x15" + struct.pack("<f", 1.5) in raw
    (length,) = struct.unpack("<Q", raw[:8])
    assert struct.unpack("<Q", raw[length + 16 : length + 24])[0] == len(raw) - length - 32


# --- completions -------------------------------------------------------------------------------------------


def test_edit_similarity_is_the_hand_computed_value():
    assert edit_similarity("", "") == edit_similarity("abc", "abc") == 1.0
    assert edit_similarity("abc", "") == 0.0
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_completions_are_scored_cut_and_as_generated():
    gap = Gap(source_file="a.py", prefix="x", truth="    return 1", suffix=None)
    completions = [Completion(gap=gap, text="    return 1\nnoise"), Completion(gap=gap, text="pass")]
    scores = completion_scores(completions)
    assert scores["num_gaps"] == 2 and scores["exact_match_share"] == 0.5
    assert scores["exact_match_share_not_truncated"] == 0.0
    assert 0 < scores["edit_similarity_not_truncated"] < scores["edit_similarity"] < 1
    assert completion_scores([]) == {}


@pytest.mark.parametrize("fill", [False, True])
def test_gaps_cut_held_out_text_into_prefix_truth_and_suffix(tmp_path, fill):
    files = [
        SmallFile(f"{s}{i}.py", "util", s, program_text(i))
        for s in ("train", "val", "test")
        for i in range(3)
    ]
    dataset = open_dataset(write_dataset(tmp_path / "d", window=128, files=files, masked=False))
    rows, vocabulary = open_rows(dataset, "test"), Vocabulary(dataset.tokenizer)
    gaps = find_gaps(rows, vocabulary, 3, fill=fill, seed=1)
    assert len(gaps) == 3 and gaps == find_gaps(rows, vocabulary, 3, fill=fill, seed=1)
    texts = {f.path: f.text for f in files}
    for gap in gaps:
        assert gap.truth.strip() and "\n" not in gap.truth
        assert gap.prefix + gap.truth + (gap.suffix if fill else "") in texts[gap.source_file]
        assert (gap.suffix is not None) == fill
