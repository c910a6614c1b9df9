"""Other files of the repository before a text: which ones, in which form, and that a model can learn to look."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from training_fixtures import SmallFile, command, open_trainer, quiet_hooks, use_tiny_models, write_dataset

from effectiveness.common.records import UserError
from effectiveness.common.repository_context import PlaceInFile
from effectiveness.common.tokenizer_file import own_context_spelling
from effectiveness.completion.network import NEW_TOKENS, NOWHERE, About, open_model
from effectiveness.trainer import setup
from effectiveness.trainer.batches import Batches
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.documents import ContextRows, ReadingOptions
from effectiveness.trainer.epochs import Pacing
from effectiveness.trainer.recut import whole_files
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main

WINDOW = 96
PLAIN = (
    *("data.repository_context=0.5", "data.variants=false", "data.overlap=false"),
    *("data.weighting=none", "data.curriculum=none"),
)
SYLLABLES = ("ba", "co", "du", "fe", "gi", "ha", "jo", "ku", "le", "mi", "na")
COLOURS = ("red", "blue", "green", "pink", "grey", "black", "white", "brown")


def planted(seed: int = 3) -> list[SmallFile]:
    """Pairs of files: what the second one says stands in the first, which it names in its import."""
    rng = random.Random(seed)
    names = [a + b for a in SYLLABLES for b in SYLLABLES if a != b]
    rng.shuffle(names)
    files = []
    for number, name in enumerate(names):
        split = "test" if number % 6 == 0 else "val" if number == 1 else "train"
        colour = rng.choice(COLOURS)
        made = f"{name} is {colour} {colour} {colour}\n"
        used = f"import {name}\n" + f"show {colour} {colour}\n" * 2
        files.append(SmallFile(path=f"src/{name}.py", role="core", split="train", text=made))
        files.append(SmallFile(path=f"bin/{name}.py", role="core", split=split, text=used))
    return files


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return write_dataset(
        tmp_path_factory.mktemp("data") / "d", window=WINDOW, files=planted(), masked=False, vocab_size=400
    )


@pytest.fixture(scope="module")
def opened(sequences):
    """(rows of the training split, vocabulary, the context of its files)."""
    dataset = open_dataset(sequences)
    rows, vocabulary = open_rows(dataset, "train"), Vocabulary(dataset.tokenizer)
    return rows, vocabulary, ContextRows.of(rows, vocabulary, "here").context


# --- which excerpts ------------------------------------------------------------------------------------------


def test_an_import_finds_the_file_it_names_and_a_file_is_never_told_about_itself(opened):
    _, vocabulary, context = opened
    for name in ("baco", "gile", "nafe"):
        text = np.array(vocabulary.encode(f"import {name}\n"))
        place = PlaceInFile(path=f"bin/{name}.py", before=text, after=text[:0])
        written = vocabulary.decode(context.before(place, WINDOW // 2))
        assert written.startswith("<|repo_name|>here\n<|file_sep|>")
        assert written.endswith(f"<|file_sep|>bin/{name}.py\n") and written.count(f"bin/{name}.py") == 1
        assert f"<|file_sep|>src/{name}.py\n{name} is " in written


@pytest.mark.parametrize("room", [0, 1, 7, 30, 48])
def test_what_is_quoted_never_takes_more_room_than_there_is(opened, room):
    _, vocabulary, context = opened
    text = np.array(vocabulary.encode("import baco\n"))
    given = (("notes.md", tuple(text.tolist())),)
    assert (
        len(context.before(PlaceInFile(path="bin/baco.py", before=text, after=text, extra=given), room))
        <= room
    )


# --- in training ---------------------------------------------------------------------------------------------


def batches_of(opened) -> Batches:
    rows, vocabulary, _ = opened
    return Batches(
        rows,
        vocabulary.control,
        Pacing(curriculum="none", fraction=0.0, num_epochs=2),
        seed=1,
        packs_per_step=4,
        weighting="none",
        reading=ReadingOptions(fim_rate=0.5, spelling=vocabulary),
        context=ContextRows.of(rows, vocabulary, "here"),
        context_rate=0.5,
        fresh_cuts=True,
    )


@pytest.fixture(scope="module")
def batches(opened):
    return batches_of(opened)


def test_a_run_that_goes_on_reads_behind_the_same_excerpts(opened, batches):
    for step in (0, 1, 2):
        batches.micro_batches(0, step, size=4)
    walked, fresh = (made.micro_batches(1, 2, size=4) for made in (batches, batches_of(opened)))
    for a, b in zip(walked, fresh, strict=True):
        assert torch.equal(a.input_ids, b.input_ids) and torch.equal(a.weights, b.weights)


@pytest.mark.parametrize("window", [WINDOW, WINDOW // 2])
def test_a_visit_behind_other_files_asks_for_its_own_tokens_alone_and_for_as_many_as_was_planned(
    opened, batches, window
):
    _, vocabulary, _ = opened
    held_out = {f.path for f in planted() if f.split != "train"}
    plan = batches.epoch(0)
    assert 0 < plan.quotes.mean() < 1 and plan.fills[plan.quotes].any() and not plan.fills[plan.quotes].all()
    for visit in np.flatnonzero(plan.quotes)[:60].tolist():
        documents = batches._documents(plan, 0, visit, window)
        assert sum(int((weights > 0).sum()) for *_, weights in documents) == plan.num_pairs[visit]
        for _, inputs, targets, weights in documents:
            assert inputs[1:].tolist() == targets[:-1].tolist() and len(inputs) <= window
            text = vocabulary.decode(inputs)
            assert text.startswith("<|repo_name|>here\n") and not any(path in text for path in held_out)
            asked = targets[weights > 0].tolist()
            assert plan.fills[visit] or asked == targets.tolist()[len(targets) - len(asked) :]
            assert not {vocabulary.control.context.file, vocabulary.control.context.repository} & set(asked)


def test_a_pack_holds_its_documents_with_what_they_quote(batches):
    for step in range(batches.epoch(1).num_steps):
        for batch in batches.micro_batches(1, step, size=4):
            assert batch.input_ids.shape[1] <= WINDOW


# --- a model that looks --------------------------------------------------------------------------------------


def nats_of_colours(model, rows, vocabulary, context_at) -> float:
    """Mean over the held-out files of the first colour's, behind `context_at(path, ids before it)`."""
    colours = {index for word in COLOURS for index in vocabulary.encode(f" {word}")[:1]}
    nats = []
    for row in range(len(rows)):
        ids = rows.tokens_of(row).astype(np.int64)
        at = next((i for i, index in enumerate(ids.tolist()) if index in colours), None)
        if at is not None:
            before = context_at(rows.files[rows.table["file"][row]], ids[:at])
            logits = model(input_ids=torch.from_numpy(np.concatenate((before, ids[:at])))[None]).logits[0, -1]
            nats.append(-torch.log_softmax(logits, -1)[int(ids[at])].item())
    assert len(nats) >= 10
    return float(np.mean(nats))


@torch.no_grad()
def test_a_model_learns_to_look_what_the_other_file_says(sequences, opened, tmp_path, monkeypatch):
    _, vocabulary, context = opened
    use_tiny_models(monkeypatch)
    length = ("training.max_steps=160", "optimization.learning_rate=0.01", "optimization.warmup_steps=5")
    more = ("training.num_epochs=1000", "objectives.fim_rate=0", "optimization.batch_size=16")
    _, trainer = open_trainer(sequences, tmp_path / "m", *PLAIN, *length, *more)
    with torch.enable_grad():
        trainer.train(quiet_hooks())
    rows = open_rows(open_dataset(sequences), "test")

    def looked_up(path, ids):
        return context.before(PlaceInFile(path=path, before=ids, after=ids[:0]), WINDOW // 2)

    def told_of_another(path, ids):
        return looked_up("bin/baco.py", np.array(vocabulary.encode("import baco\n")))

    def alone(path, ids):
        return np.array([vocabulary.control.begin])

    nats = [
        nats_of_colours(trainer.model.eval(), rows, vocabulary, asked)
        for asked in (looked_up, told_of_another, alone)
    ]
    assert nats[0] < 1.2 and min(nats[1:]) > 2.0, nats


# --- at completion -------------------------------------------------------------------------------------------


@pytest.fixture
def network(sequences, opened, tmp_path, monkeypatch):
    use_tiny_models(monkeypatch)
    flags = [word for setting in PLAIN for word in ("--set", setting)]
    assert main(command(sequences, tmp_path / "m", *flags, "--set", "training.max_steps=1")) == 0
    return dataclasses.replace(open_model(tmp_path / "m")[1], window=WINDOW + NEW_TOKENS)  # nothing is run


def test_a_prompt_is_what_a_model_was_trained_on_and_one_that_was_not_is_asked_as_ever(opened, network):
    rows, vocabulary, context = opened
    files = {rows.files[p.file]: p.tokens for p in whole_files(rows)}
    text, behind = vocabulary.encode("import baco\nshow"), vocabulary.encode("\nshow blue\n")
    about = About(path="bin/baco.py")
    knowing, control = network.knowing(files), vocabulary.control
    assert knowing.context.name == context.name or context.name == "here"

    def before(after):
        known = np.array(text, dtype=np.int64)[:0]  # less than a step of the prompt's
        place = PlaceInFile(path=about.path, before=known, after=np.array(after, dtype=np.int64))
        return knowing.context.before(place, WINDOW // 2).tolist()

    assert knowing.after(text, about)._prompt == [*before(()), *text]
    gap = control.around(text, behind, suffix_first=True)  # the middle then goes on from the prefix
    assert knowing.between(text, behind, about)._prompt == [*before(behind), *gap]
    assert "<|file_sep|>src/" in vocabulary.decode(before(behind))
    for other, place in ((knowing, NOWHERE), (dataclasses.replace(network, context=None), about)):
        assert other.after(text, place)._prompt == [control.begin, *text]


def test_what_was_saved_is_what_a_prompt_quotes_and_what_is_gone_is_not(opened, network):
    _, vocabulary, _ = opened
    ids = np.array(vocabulary.encode("baco is grey grey grey\n"))
    about, behind = About(path="bin/baco.py"), vocabulary.encode("import baco\n")
    knowing = network.knowing({"src/baco.py": ids})
    asked = vocabulary.decode(knowing.between((), behind, about)._prompt)
    assert "<|file_sep|>src/baco.py\nbaco is grey grey grey\n" in asked
    gone = knowing.knowing({"src/baco.py": None}).between((), behind, about)._prompt
    assert "src/baco.py" not in vocabulary.decode(gone)
    given = About(path="bin/baco.py", extra=(("notes.md", tuple(ids.tolist())),))
    assert "<|file_sep|>notes.md\nbaco is grey" in vocabulary.decode(
        network.between((), behind, given)._prompt
    )


def test_how_it_was_trained_stands_in_the_configuration_and_on_the_card(network, tmp_path):
    described = json.loads((tmp_path / "m" / "config.json").read_text("utf-8"))
    assert described["repository_context"] == {"rate": 0.5, "repository": "toy", "share_of_window": 0.5}
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert "`<|repo_name|>toy`" in card and "`<|file_sep|>PATH`" in card


@pytest.mark.parametrize("setting", ["data.fresh_cuts=false", "data.weighting=visits", "data.overlap=true"])
def test_where_rows_are_not_cut_anew_it_is_refused_in_one_line(sequences, tmp_path, capsys, setting):
    flags = [word for each in (*PLAIN, setting) for word in ("--set", each)]
    assert main(command(sequences, tmp_path / "m", *flags)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: data.repository_context is for originals") and "data.fresh_cuts" in line


def test_a_tokenizer_that_cannot_say_it_is_refused_in_one_line(sequences, tmp_path):
    flags = [*PLAIN, "device_backend.device=cpu", f"output.directory={tmp_path / 'm'}"]
    run = setup.open_run(load_config(None, flags), argparse.Namespace(sequences=sequences, checkpoint=None))
    rows = setup.open_training_rows(run)
    run = setup.with_defaults(run, rows)
    run.vocabulary.control = dataclasses.replace(run.vocabulary.control, context=None)
    with pytest.raises(UserError, match=r"<\|repo_name\|> and <\|file_sep\|> in the tokenizer"):
        setup.make_batches(run, rows)


@pytest.mark.parametrize(
    "spelled",
    [("<|repo_name|>", "<|file_sep|>"), ("<repo_name>", "<file_sep>"), ("<reponame>", "<filename>")],
)
def test_a_tokenizer_keeps_its_own_spelling(spelled):
    assert own_context_spelling({*spelled, "<file_sep>x"}) == spelled
    assert own_context_spelling({spelled[0]}) is None
