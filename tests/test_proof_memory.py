"""The memory's part of the proof: its figures are those of reading the same files, and nothing held out is in it."""

import dataclasses

import numpy as np
import pytest
import torch
from training_fixtures import small_files, use_tiny_models, write_dataset

from effectiveness.completion.network import Network
from effectiveness.completion.scoring import fit_joined
from effectiveness.proof.eval_set import draw_eval_set
from effectiveness.proof.mixtures import (
    meet,
    memory_scores,
    nats_of_places,
    remember,
    val_files,
    why_no_mixture,
)
from effectiveness.proof.prompts import room_for_questions
from effectiveness.proof.scored_tokens import Places
from effectiveness.trainer.models import build_preset
from effectiveness.trainer.recut import whole_files
from effectiveness.trainer.rows import open_dataset
from effectiveness.trainer.vocabulary import Vocabulary

SETTINGS = {"max_windows": None, "seed": 0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    files = small_files(per_split={"train": 9, "val": 12, "test": 6})
    return open_dataset(write_dataset(tmp_path_factory.mktemp("remembered") / "d", window=64, files=files))


@pytest.fixture(scope="module")
def vocabulary(dataset):
    return Vocabulary(dataset.tokenizer)


@pytest.fixture(scope="module")
def model(dataset, vocabulary):
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    fresh = build_preset(
        "tiny", vocab_size=dataset.vocab_size, max_positions=128, control=vocabulary.control, seed=3
    )
    patch.undo()
    return fresh.eval()


@pytest.fixture(scope="module")
def eval_set(dataset, vocabulary, model):
    found = draw_eval_set(dataset, vocabulary, model, num_prompts=6, can_fill=True, **SETTINGS)
    assert why_no_mixture(found) == ""
    return found


@pytest.fixture(scope="module")
def remembered(dataset):
    return remember(dataset, lambda _: None)


def test_where_every_token_is_scored_the_memorys_nats_are_those_of_reading_the_file(eval_set, remembered):
    [test] = eval_set.sets
    nats = memory_scores(eval_set, remembered, with_questions=False).nats["test"]
    for part in test.files:
        mine = np.flatnonzero(test.places.file == part.file)
        mine = mine[np.argsort(test.places.place[mine])]
        assert nats[mine].tolist() == pytest.approx(remembered.memory.reader().feed(part.tokens).tolist())


def test_a_window_of_a_sample_is_scored_after_all_of_its_file_was_counted(eval_set, remembered):
    [test] = eval_set.sets
    row = next(r for r in np.unique(test.places.row) if test.rows.table[r]["start_token"] > 0)
    mine = np.flatnonzero(test.places.row == row)
    mine = mine[np.argsort(test.places.place[mine])]
    places = Places(**{f.name: getattr(test.places, f.name)[mine] for f in dataclasses.fields(Places)})
    part = next(p for p in test.files if p.file == places.file[0])
    reader, (first, last) = remembered.memory.reader(), places.place[[0, -1]].tolist()
    assert first > 0
    reader.skim(part.tokens[:first])
    expected = reader.feed(part.tokens[first : last + 1])
    nats = nats_of_places(remembered, test.windows, places, test.files)
    assert nats.tolist() == pytest.approx(expected.tolist())


def test_rows_of_the_model_stand_at_the_tokens_they_predict(eval_set, remembered, model, vocabulary):
    """A model that knows every next token: whoever is handed its rows one place off gains nothing."""

    class Prophet(Network):
        def rows(self, inputs, first=0):
            for place in range(first, len(inputs)):
                row = np.full((1, self.vocab_size), 0.01 / (self.vocab_size - 1), np.float32)
                row[0, self.following[tuple(inputs[max(0, place - 12) : place + 1])]] = 0.99
                yield row

        def over_file(self, ids):
            text = [self.begin, *ids.tolist()]
            yield 0, np.concatenate(list(self.rows(text[:-1])))

    following = {}
    for held_out in eval_set.scored_sets:
        for part in whole_files(held_out.rows):
            text = [vocabulary.control.begin, *part.tokens.tolist()]
            for place in range(len(text) - 1):
                for start in range(max(0, place - 12), place + 1):
                    following[tuple(text[start : place + 1])] = text[place + 1]
    network = Prophet(
        model=model, vocab_size=remembered.memory.vocab_size, begin=vocabulary.control.begin, window=128
    )
    Prophet.following = following
    memory = fit_joined(remembered.memory, network, val_files(eval_set), 10_000)
    told = dataclasses.replace(remembered, memory=memory, network=network)
    alone, both = (memory_scores(eval_set, r, with_questions=False).nats["test"] for r in (remembered, told))
    assert both.sum() < 0.5 * alone.sum()


def test_what_a_model_and_the_memory_say_about_a_question_is_what_their_joined_distribution_says(
    eval_set, remembered, model, vocabulary
):
    met = meet(remembered, model, vocabulary.control.begin, eval_set)
    scores = memory_scores(eval_set, met)
    assert set(scores.answers) == {"next line", "fill in the middle"}
    question, nats = eval_set.questions["next line"][0], scores.truth["next line"][0][0]
    reader, expected = met.memory.reader(), 0.0
    before = vocabulary.encode(question.before)
    reader.skim(before)
    with torch.no_grad():
        text = [vocabulary.control.begin, *before][-room_for_questions(model) :]
        for token in vocabulary.encode(question.truth):
            logits = model(torch.tensor([text])).logits[0, -1, : remembered.memory.vocab_size]
            row = torch.softmax(logits.float(), -1).numpy()
            expected -= float(np.log(reader.probabilities(row)[token]))
            reader.feed([token], row[None])
            text.append(token)
    assert nats == pytest.approx(expected, rel=1e-3)


def test_the_text_behind_a_gap_helps_to_fill_it(eval_set, remembered):
    questions = eval_set.questions["fill in the middle"]
    told = [dataclasses.replace(q, after=f"{q.after}\n{q.before[-80:]}{q.truth}\n") for q in questions]
    blind = [dataclasses.replace(q, after="") for q in questions]
    seen, unseen = (
        memory_scores(
            dataclasses.replace(eval_set, questions={"fill in the middle": asked}), remembered
        ).truth["fill in the middle"]
        for asked in (told, blind)
    )
    assert seen[1].tolist() == unseen[1].tolist()
    assert seen[0].sum() < unseen[0].sum()
