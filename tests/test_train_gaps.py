"""Gaps to be filled: whole texts, cut where cursors stand, in both orders, and never longer than was planned."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import command, open_trainer

from effectiveness.trainer.batches import Batches
from effectiveness.trainer.complete import prompt_ids
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.defaults import with_fim_rate
from effectiveness.trainer.documents import ReadingOptions
from effectiveness.trainer.epochs import Pacing
from effectiveness.trainer.gaps import CUTS, fill_in_the_middle
from effectiveness.trainer.model_files import CAN_FILL, HOW_IT_FILLS, fills_suffix_first
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main

pytestmark = pytest.mark.usefixtures("tiny")

TEXT = "def caf\u00e9(total, count):\r\n    total = total + count\n\n    return total  # \U0001f600\n\nfinal_count = 1"


@pytest.fixture(scope="module")
def vocabulary(sequences):
    return Vocabulary(sequences.parent / "tokenizer")


def parts_of(inputs, targets, control) -> tuple[list[int], list[int], list[int] | None, bool]:
    """(prefix, suffix, middle, whether the suffix came first); middle is None there: it has no seam."""
    sequence = [*inputs.tolist(), int(targets[-1])]
    assert targets[:-1].tolist() == inputs[1:].tolist()
    assert sequence[0] == control.fim_prefix and sequence[-1] == control.end
    at_suffix, at_middle = sequence.index(control.fim_suffix), sequence.index(control.fim_middle)
    assert at_suffix < at_middle
    behind = sequence[at_middle + 1 : -1]
    if at_suffix == 1 and behind:
        return behind, sequence[2:at_middle], None, True
    return sequence[1:at_suffix], sequence[at_suffix + 1 : at_middle], behind, False


def drawn(vocabulary, tokens, *, window=10_000, count=300):
    for attempt in range(count):
        yield fill_in_the_middle(tokens, vocabulary.control, window, random.Random(attempt), vocabulary)


@pytest.mark.parametrize("spelled", [True, False])
def test_prefix_middle_and_suffix_are_the_text_wherever_it_was_cut_and_in_both_orders(vocabulary, spelled):
    tokens, orders = np.array(vocabulary.encode(TEXT)), Counter()
    for attempt in range(400):
        rng = random.Random(attempt)
        spelling = vocabulary if spelled else None
        inputs, targets = fill_in_the_middle(tokens, vocabulary.control, 10_000, rng, spelling)
        assert len(inputs) == len(targets) == len(tokens) + 3
        prefix, suffix, middle, is_suffix_first = parts_of(inputs, targets, vocabulary.control)
        orders[is_suffix_first] += 1
        text = vocabulary.decode([*prefix, *(middle or ()), *suffix]).strip("\ufffd")
        assert text in TEXT and len(text) >= len(TEXT) - 12, (
            text
        )  # what cutting adds is dropped farthest from the gap
    assert 140 < orders[True] < 260


def test_cuts_lie_inside_of_tokens_too_and_at_the_ends_of_lines(vocabulary):
    tokens = np.array(vocabulary.encode(TEXT))
    boundaries = {len(vocabulary.decode(tokens[:i])) for i in range(len(tokens) + 1)}
    inside = at_line_end = at_line_start = count = 0
    for inputs, targets in drawn(vocabulary, tokens):
        _, suffix, middle, is_suffix_first = parts_of(inputs, targets, vocabulary.control)
        if is_suffix_first or not suffix or not middle:
            continue
        after = vocabulary.decode(suffix)
        start = len(TEXT) - len(vocabulary.decode([*middle, *suffix]))
        count += 1
        inside += len(TEXT) - len(after) not in boundaries
        at_line_end += after.startswith(("\n", "\r\n"))
        at_line_start += start == 0 or TEXT[start - 1] == "\n"
    assert inside > 0.15 * count
    assert 0.3 * count < at_line_end < 0.8 * count
    assert at_line_start > 0.1 * count


def test_a_full_window_still_fits_and_the_plan_has_counted_every_token(sequences, vocabulary):
    rows = open_rows(open_dataset(sequences), "train")
    pacing = Pacing(curriculum="none", fraction=0.0, num_epochs=1)
    batches = Batches(
        rows,
        vocabulary.control,
        pacing,
        seed=1,
        packs_per_step=4,
        reading=ReadingOptions(fim_rate=1.0, spelling=vocabulary),
    )
    for epoch in range(5):
        plan = batches.epoch(epoch)
        assert plan.fills.any()
        for visit in range(len(plan.rows)):
            ((_, inputs, targets, _),) = batches._documents(plan, epoch, visit, rows.window)
            assert len(inputs) == len(targets) == plan.num_pairs[visit] <= rows.window


def test_a_token_is_cut_only_into_texts_that_together_are_it(vocabulary):
    for index in range(len(vocabulary.num_bytes)):
        text = vocabulary.decode([index])
        for place in range(1, len(text.encode())):
            halves = vocabulary.halves(index, place)
            if halves is not None:
                left, right = map(vocabulary.decode, halves)
                assert left + right == text and len(left.encode()) == place
    assert vocabulary.halves(vocabulary.encode("\u00e9")[0], 1) is None


# --- the default, and what is recorded -----------------------------------------------------------------------


def test_from_scratch_half_of_the_rows_are_gaps_and_the_founding_recipe_has_none(
    sequences, tmp_path, vocabulary
):
    run, trainer = open_trainer(sequences, tmp_path / "m")
    assert run.config.objectives.fim_rate == trainer.batches.reading.fim_rate == 0.5
    founding = load_config(None, ["recipe=founding"])
    assert with_fim_rate(founding, vocabulary).objectives.fim_rate == 0.0
    control = dataclasses.replace(vocabulary.control, fim_middle=None)
    without = type("", (), {"control": control})
    assert with_fim_rate(load_config(None, []), without).objectives.fim_rate == 0.0


@pytest.fixture
def trained(sequences, tmp_path):
    assert main(command(sequences, tmp_path / "m", "--set", "training.max_steps=1")) == 0
    return tmp_path / "m"


def suffix_exit_code(directory: Path) -> int:
    return main(
        ["--complete", "def ", "--suffix", "return", "--checkpoint", str(directory), "--device", "cpu"]
    )


def changed(file: Path, change) -> None:
    described = json.loads(file.read_text("utf-8"))
    change(described)
    file.unlink()
    file.write_text(json.dumps(described), "utf-8")


def elsewhere(directory: Path, to: Path, *, without=()) -> Path:
    """A copy, as somebody might have it: its files are no longer noted as ours."""
    to.mkdir()
    for file in directory.iterdir():
        if file.is_file() and not file.name.startswith(".") and file.name not in without:
            (to / file.name).write_bytes(file.read_bytes())
    return to


def test_whether_and_how_a_model_was_trained_for_gaps_stands_in_its_configuration(trained):
    described = json.loads((trained / "config.json").read_text("utf-8"))
    assert described[CAN_FILL] is True
    assert described[HOW_IT_FILLS] == {
        "rate": 0.5,
        "orders": ["prefix-suffix-middle", "suffix-prefix-middle"],
        "cuts": CUTS,
    }


def test_a_model_that_was_trained_with_the_suffix_first_is_asked_so_and_one_that_does_not_say_is_not(
    trained, vocabulary
):
    described = json.loads((trained / "config.json").read_text("utf-8"))
    assert fills_suffix_first(described)
    assert not fills_suffix_first({}) and not fills_suffix_first({HOW_IT_FILLS: {"rate": 0.5}})
    control, (before, after) = vocabulary.control, map(vocabulary.encode, ("def ", "return"))
    asked = prompt_ids(vocabulary, "def ", "return", 100, suffix_first=True)
    assert asked == [control.fim_prefix, control.fim_suffix, *after, control.fim_middle, *before]


def test_a_base_whose_tokenizer_has_no_gaps_is_tuned_without_them(trained, sequences, tmp_path, capsys):
    base = elsewhere(trained, tmp_path / "base", without=("training_facts.json",))
    changed(base / "config.json", lambda c: c.pop(CAN_FILL))
    flags = ("--set", f"model.pretrained_model={base}", "--set", "training.max_steps=1")
    assert open_trainer(sequences, tmp_path / "a", flags[1])[0].config.objectives.fim_rate == 0.5

    def forget(parsed):
        parsed["added_tokens"] = [t for t in parsed["added_tokens"] if "fim" not in t["content"]]

    changed(base / "tokenizer.json", forget)
    assert main(command(sequences, tmp_path / "b", *flags)) == 0
    assert json.loads((tmp_path / "b" / "config.json").read_text("utf-8"))[CAN_FILL] is False
    capsys.readouterr()
    assert suffix_exit_code(tmp_path / "b") == 2
    assert "never learnt to fill in the middle" in capsys.readouterr().err


@pytest.mark.parametrize("rate", [0.5, 0.0])
def test_an_export_that_does_not_say_is_believed_by_what_its_training_recorded(trained, tmp_path, rate):
    older = elsewhere(trained, tmp_path / "older", without=("training_facts.json",))
    changed(older / "config.json", lambda c: c.pop(CAN_FILL))
    facts = {"facts": {"config": {"objectives": {"fim_rate": rate}}}}
    (older / "training_facts.json").write_text(json.dumps(facts), "utf-8")
    assert suffix_exit_code(older) == (0 if rate else 2)


def test_an_export_of_which_nothing_is_known_is_refused_a_suffix_and_a_foreign_model_with_the_tokens_is_not(
    trained, tmp_path
):
    unknown = elsewhere(trained, tmp_path / "unknown", without=("training_facts.json",))
    changed(unknown / "config.json", lambda c: c.pop(CAN_FILL))
    assert suffix_exit_code(unknown) == 0  # a foreign one: the tokens are its own
    changed(unknown / "tokenizer_config.json", lambda c: c.update(split_special_tokens=True))
    assert suffix_exit_code(unknown) == 2  # one of ours, of before it was recorded


def test_a_table_of_line_ends_knows_the_bytes_before_a_line_break(vocabulary):
    for index in vocabulary.encode(TEXT):
        text = vocabulary.decode([index])
        found = int(vocabulary.line_ends[index])
        assert (found >= 0) == ("\n" in text)
        assert found < 0 or text.encode()[found:].startswith((b"\n", b"\r\n"))
