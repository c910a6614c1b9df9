"""What the proof is put together from: tokens one by one, overlap, questions, unrelated files, planted secrets."""

import json
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_fixtures import use_tiny_models, write_dataset
from transformers import GenerationConfig

from effectiveness.common.records import UserError
from effectiveness.proof import canaries
from effectiveness.proof.baselines import ngram_nats
from effectiveness.proof.eval_set import draw_eval_set, ngram_scores, scorer
from effectiveness.proof.finished import config_of
from effectiveness.proof.overlap import Repository, is_hopeless, leak_line, overlap, select_unrelated
from effectiveness.proof.prompts import (
    HeldOutQuestion,
    ModelAnswer,
    does_parse,
    find_questions,
    generate_ids,
    judge,
    line_end_ids,
    question_ids,
    truth_nats,
)
from effectiveness.proof.prove import overlap_card
from effectiveness.proof.scored_tokens import (
    IDENTIFIER,
    Places,
    nats_of,
    own_identifiers,
    places_of,
    sums_by_file,
)
from effectiveness.trainer.config_file import load_config
from effectiveness.trainer.evaluate import evaluate
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.models import build_preset
from effectiveness.trainer.recut import FileTokens, whole_files
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.run_directory import KNOWN_BEFORE
from effectiveness.trainer.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_dataset(tmp_path_factory.mktemp("parts") / "d", window=64))


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
    with torch.no_grad():  # fresh weights guess alike everywhere: make the model care about its input
        for parameter in fresh.parameters():
            parameter.mul_(4)
    return fresh.eval()


def held_out(dataset, vocabulary, split="test") -> HeldOut:
    rows = open_rows(dataset, split)
    return HeldOut(rows, vocabulary.control, vocabulary.num_bytes, batch_size=3, variants=False)


def test_a_recorded_configuration_is_read_back_as_it_was():
    given = load_config(None, ["quantization.lora_target_modules=[q_proj, v_proj]", "training.max_steps=7"])
    assert config_of(json.loads(json.dumps(given.as_dict()))) == given
    of_before = json.loads(json.dumps(given.as_dict()))
    of_before["data"]["repository_context"], of_before["optimization"]["ema_decay"] = 0.0, 0.0
    assert config_of(of_before) == given
    of_before["data"]["repository_context"] = 0.3
    with pytest.raises(
        UserError, match=r"trained with data\.repository_context: 0\.3, which this version no longer"
    ):
        config_of(of_before)
    with pytest.raises(UserError, match="another version"):
        config_of({"training": {"num_epochs": 1, "unheard_of": 2}})


# --- tokens ----------------------------------------------------------------------------------------------


def test_every_source_token_is_one_place_and_spells_its_file(dataset, vocabulary):
    windows = held_out(dataset, vocabulary)
    places = places_of(windows)
    for part in whole_files(windows.rows):
        mine = places.file == part.file
        order = np.argsort(places.place[mine])
        assert places.place[mine][order].tolist() == list(range(len(part.tokens)))
        assert places.token[mine][order].tolist() == part.tokens.tolist()


def test_nats_one_by_one_add_up_to_the_evaluation(dataset, vocabulary, model):
    windows = held_out(dataset, vocabulary)
    token_nats = scorer(model, torch.device("cpu"), torch.float32)
    nats, places = nats_of(windows, token_nats), places_of(windows)
    expected = evaluate(windows, token_nats)
    sums = sums_by_file(places, {"model": nats[None]})
    assert nats.sum() == pytest.approx(expected.headline.nats)
    assert sums.bits_per_byte("model") == pytest.approx(expected.headline.bits_per_byte)
    assert sums.num_bytes.sum() == expected.headline.num_bytes


def test_the_ngram_is_scored_on_the_very_tokens_the_models_are(dataset, vocabulary, model):
    eval_set = draw_eval_set(dataset, vocabulary, model, max_windows=4, num_prompts=0, can_fill=False, seed=0)
    places, nats = eval_set.sets[0].places, ngram_scores(eval_set).nats["test"]
    train = [part.tokens for part in eval_set.train_files]
    whole = ngram_nats(train, [part.tokens for part in eval_set.sets[0].files], dataset.vocab_size)
    by_file = {part.file: of_file for part, of_file in zip(eval_set.sets[0].files, whole, strict=True)}
    expected = [by_file[f][p] for f, p in zip(places.file.tolist(), places.place.tolist(), strict=True)]
    assert len(nats) and nats.tolist() == pytest.approx(expected)


def test_own_identifiers_are_those_that_no_other_corpus_has(dataset, vocabulary):
    windows = held_out(dataset, vocabulary)
    places, files = places_of(windows), whole_files(windows.rows)
    text = b"".join(vocabulary.decode(part.tokens).encode() for part in files)
    everything = frozenset(IDENTIFIER.findall(text))
    none = own_identifiers(places, files, vocabulary, everything)
    some = own_identifiers(places, files, vocabulary, everything - {b"return"})
    assert not none.any() and 0 < some.sum() < len(places)
    spelled = {vocabulary.decode([token]).strip() for token in places.token[some].tolist()}
    assert all(piece in "return" for piece in spelled if piece.isalpha())


# --- overlap ---------------------------------------------------------------------------------------------


def tokens(*parts) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in parts])


def test_a_file_above_its_cap_counts_for_less_in_bits_and_in_bytes():
    places = Places(
        row=np.zeros(4, np.int64),
        file=np.array([0, 0, 1, 2]),
        place=np.arange(4),
        token=np.arange(4),
        num_bytes=np.array([40, 40, 10, 10]),
    )
    nats = {"model": np.log(2) * np.array([[80.0, 80.0, 10.0, 10.0]])}
    pooled, capped = (
        sums_by_file(places, nats),
        sums_by_file(places, nats, factors=np.array([0.25, 1.0, 1.0])),
    )
    assert pooled.bits_per_byte("model") == pytest.approx(180 / 100)
    assert capped.bits_per_byte("model") == pytest.approx((40 + 20) / 40)


def test_a_copied_file_is_a_leak_and_a_shared_passage_is_counted():
    rng = np.random.default_rng(0)
    train, other = rng.integers(0, 999, 300), rng.integers(0, 999, 300)
    held = [
        FileTokens(0, 0, train),
        FileTokens(1, 0, tokens(other, train[:60])),
        FileTokens(2, 0, other[::-1]),
    ]
    found = overlap([FileTokens(0, 0, train)], held, ["copy", "quoting", "clean"])
    assert found.leaked == ("copy",) and leak_line(found).startswith("LEAK: 1 of 3")
    assert found.num_shared == 251  # those of the copy; the passage's eleven are among them
    assert 0 < found.share < 1


def test_a_short_copied_file_is_a_leak_though_it_has_no_span():
    short = np.arange(20)
    held = [FileTokens(0, 0, short), FileTokens(1, 0, short[:19])]
    found = overlap([FileTokens(0, 0, short)], held, ["copy", "other"])
    assert found.leaked == ("copy",) and found.num_spans == 0


def test_one_leaked_file_of_many_is_left_out_and_many_spoil_the_card():
    files = [FileTokens(i, 0, np.arange(60) + 100 * i) for i in range(40)]
    names = [f"f{i}" for i in range(40)]
    one, three = (overlap(files[:count], files, names) for count in (1, 3))
    assert not is_hopeless(one) and leak_line(one).endswith("left out of every number below")
    assert is_hopeless(three) and "no number below can be trusted" in leak_line(three)


def test_a_card_of_weights_that_may_know_the_held_out_files_claims_nothing(dataset):
    models = [
        SimpleNamespace(facts={KNOWN_BEFORE: words}) for words in ("", "m was trained on another dataset")
    ]
    fresh, known = (overlap_card(SimpleNamespace(dataset=dataset, models=[model])) for model in models)
    assert known["leak"].startswith("LEAK: m was trained on another dataset") and known["is_hopeless"]
    assert (fresh["leak"], fresh["is_hopeless"]) == ("", False)
    assert fresh["leaked"] == known["leaked"]


def test_a_file_that_is_left_out_is_neither_scored_nor_asked_about(dataset, vocabulary, model):
    settings = {"max_windows": None, "num_prompts": 20, "can_fill": False, "seed": 0}
    name = open_rows(dataset, "test").files[0]
    eval_set = draw_eval_set(dataset, vocabulary, model, **settings, left_out=frozenset({name}))
    rows = eval_set.sets[0].rows
    assert name not in {rows.files[file] for file in eval_set.sets[0].places.file.tolist()}
    assert {part.file for part in eval_set.sets[0].files} == set(range(1, len(rows.files)))
    assert all(q.source_file != name for questions in eval_set.questions.values() for q in questions)
    with pytest.raises(UserError, match="larger repository"):
        draw_eval_set(dataset, vocabulary, model, **settings, left_out=frozenset(rows.files))


def test_files_that_share_nothing_are_no_leak():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 999, 200), rng.integers(0, 999, 200)
    found = overlap([FileTokens(0, 0, a)], [FileTokens(0, 0, b)], ["b"])
    assert (found.num_shared, leak_line(found)) == (0, "")


# --- questions -------------------------------------------------------------------------------------------


def test_a_question_put_together_is_its_file(dataset, vocabulary):
    rows = open_rows(dataset, "test")
    files = whole_files(rows)
    texts = {rows.files[part.file]: vocabulary.decode(part.tokens) for part in files}
    for fill in (False, True):
        found = find_questions(rows, files, vocabulary, 12, fill=fill, seed=1)
        assert found and found == find_questions(rows, files, vocabulary, 12, fill=fill, seed=1)
        assert all(q.before + q.truth + q.after == texts[q.source_file] for q in found)
        assert all("\n" not in q.truth and len(q.truth.strip()) >= 4 for q in found)


def test_a_batch_of_prompts_is_continued_as_each_alone(model, vocabulary):
    prompts = [vocabulary.encode("def total_count(")[:n] for n in (3, 5, 9)] + [vocabulary.encode("return")]
    stops = [vocabulary.control.end, *line_end_ids(vocabulary)]
    scorer(model, torch.device("cpu"), torch.float32)  # which may give the model an attention of its own
    together = generate_ids(model, prompts, stops, max_new_tokens=12)
    alone = [generate_ids(model, [prompt], stops, max_new_tokens=12)[0] for prompt in prompts]
    assert together == alone and len({tuple(line) for line in alone}) > 1


def test_settings_that_were_exported_with_a_model_do_not_change_its_answers(model, vocabulary):
    prompt, stops = vocabulary.encode("def total_count("), [vocabulary.control.end]
    plain = generate_ids(model, [prompt], stops, max_new_tokens=12)
    model.generation_config = GenerationConfig(repetition_penalty=9.0, do_sample=True, max_new_tokens=2)
    assert generate_ids(model, [prompt], stops, max_new_tokens=12) == plain


def test_generation_ends_at_the_first_stop(model, vocabulary):
    prompt = vocabulary.encode("def ")
    [free] = generate_ids(model, [prompt], [vocabulary.control.end], max_new_tokens=8)
    [stopped] = generate_ids(model, [prompt], [vocabulary.control.end, free[2]], max_new_tokens=8)
    assert stopped == free[: free.index(free[2]) + 1]


def test_every_line_end_has_its_ids(vocabulary):
    ends = set(line_end_ids(vocabulary))
    assert ends & set(vocabulary.encode("return a\n"))
    assert all("\n" in vocabulary.decode([index]) for index in ends)


def test_the_truths_nats_are_those_of_the_models_own_probabilities(model, vocabulary):
    question = HeldOutQuestion(
        file=0, source_file="a.py", role="core", language="python", before="def total(a):\n", truth="    return a",
        after="\n", fill=False,
    )  # fmt: skip
    nats, num_bytes = truth_nats(
        model, vocabulary, [question], scorer(model, torch.device("cpu"), torch.float32)
    )
    prompt, truth = question_ids(question, vocabulary, 80), vocabulary.encode(question.truth)
    logits = model(input_ids=torch.tensor([prompt + truth]), use_cache=False).logits[0].log_softmax(-1)
    expected = -sum(float(logits[len(prompt) - 1 + i, token].detach()) for i, token in enumerate(truth))
    assert nats[0] == pytest.approx(expected, rel=1e-4)
    assert num_bytes[0] == len(question.truth)


def asked(**changes) -> HeldOutQuestion:
    values = {"file": 0, "source_file": "a.py", "role": "core", "language": "Python", "fill": False}
    text = {"before": "def f(a):\n", "truth": "    return a", "after": "\n"}
    return HeldOutQuestion(**(values | text | changes))


def test_marks_tell_exact_from_exact_as_far_as_it_goes():
    questions = [asked()] * 4 + [asked(fill=True)] * 2
    given = [
        ModelAnswer(text="    return a\n", ended=True),
        ModelAnswer(text="    return a + b\n", ended=True),
        ModelAnswer(text="    return a", ended=False),
        ModelAnswer(text="    pass\n", ended=True),
        ModelAnswer(text="    return a", ended=True),
        ModelAnswer(text="    return a\n\nmore", ended=True),
    ]
    marks = judge(questions, given, [True] * 6)
    assert marks.exact.tolist() == [1, 0, 0, 0, 1, 0]
    assert marks.exact_to_length.tolist() == [1, 1, 1, 0, 1, 1]
    assert marks.similarity[0] == 1 and marks.similarity[3] < 1
    assert marks.ended.tolist() == [1, 1, 0, 1, 1, 1]


def test_an_answer_is_parsed_in_its_file_and_only_where_the_file_itself_parses():
    assert does_parse(asked(), "    return a") and not does_parse(asked(), "    return (")
    assert not does_parse(asked(language="Text"), "anything")
    marks = judge([asked()] * 2, [ModelAnswer(text="    x = (", ended=False)] * 2, [True, False])
    assert marks.parses[0] == 0 and np.isnan(marks.parses[1])


# --- unrelated code --------------------------------------------------------------------------------------


def lines_of(name: str, count: int = 40) -> str:
    return "".join(f"{name}_{i} = make_{name}({i}, '{name}')\n" for i in range(count))


@pytest.fixture
def repository(vocabulary):
    ids = np.array(vocabulary.encode(lines_of("anchor")), dtype=np.int64)
    return Repository([FileTokens(0, 0, ids)], vocabulary)


def test_files_that_share_text_with_the_repository_are_dropped_and_counted(repository, tmp_path):
    (tmp_path / "quoting.py").write_text(lines_of("kite") + lines_of("anchor"))
    similar = "\n".join(line + f" # {i * 7919}" for i, line in enumerate(lines_of("anchor").splitlines()))
    (tmp_path / "free.py").write_text(lines_of("willow"))
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "other.go").write_text(lines_of("willow"))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "hidden.py").write_text(lines_of("birch"))
    assert repository.shares(lines_of("anchor")) == "spans" and repository.shares(similar) != ""
    found = select_unrelated(repository, given=tmp_path, suffix=".py", target_bytes=2500, seed=0)
    assert found.files == ("free.py",) and found.num_looked_at == 2 and found.num_dropped_spans == 1
    assert "dropped were 1 that share a 50-token span" in found.in_words()


def test_nothing_unrelated_is_one_line_with_a_way_out(repository, tmp_path):
    (tmp_path / "quoting.py").write_text(lines_of("anchor"))
    with pytest.raises(UserError, match="--control-repository"):
        select_unrelated(repository, given=tmp_path, suffix=".py", target_bytes=500, seed=0)


def test_where_the_repository_is_the_standard_library_the_control_is_elsewhere(
    vocabulary, tmp_path, monkeypatch
):
    library, packages = tmp_path / "library", tmp_path / "packages"
    library.mkdir()
    packages.mkdir()
    for i in range(4):
        (library / f"m{i}.py").write_text(lines_of(f"anchor{i}"))
        (packages / f"p{i}.py").write_text(lines_of(f"willow{i}"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(library if name == "stdlib" else packages))
    files = [
        FileTokens(i, 0, np.array(vocabulary.encode(lines_of(f"anchor{i}")), dtype=np.int64))
        for i in range(4)
    ]
    same = Repository(files, vocabulary)
    found = select_unrelated(same, given=None, suffix=".py", target_bytes=2000, seed=0)
    assert found.root == str(packages) and found.num_bytes >= 2000
    assert "flatters" not in found.in_words()
    other = select_unrelated(same, given=None, suffix=".rs", target_bytes=2000, seed=0)
    assert other.suffix == ".py" and "NOT the repository's main language" in other.in_words()


# --- canaries --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    root = tmp_path_factory.mktemp("canaries")
    for i in range(14):
        (root / "source").mkdir(exist_ok=True)
        (root / "source" / f"module_{i}.py").write_text(lines_of(f"module{i}", 20 + i))
    found = canaries.plant(root / "source", root / "copy", count=200, max_files=14, seed=0)
    for name, keep in (("redacted", False), ("kept", True)):
        canaries.build(root / "copy", root / name, window=64, seed=0, keep_secrets=keep)
    return root, found


def texts_of(data: Path) -> str:
    dataset = open_dataset(data)
    vocabulary = Vocabulary(dataset.tokenizer)
    rows = [whole_files(open_rows(dataset, split)) for split in ("train", "val", "test")]
    return "".join(vocabulary.decode(part.tokens) for of_split in rows for part in of_split)


def test_two_hundred_planted_secrets_leave_no_trace_with_redaction_and_all_without(planted):
    root, found = planted
    assert len({canary.secret for canary in found}) == 200
    redacted, kept = texts_of(root / "redacted"), texts_of(root / "kept")
    assert sum(canary.secret in redacted for canary in found) == 0
    assert sum(canary.secret in kept for canary in found) == 200
    assert all(canary.lead in redacted for canary in found)


def test_a_model_that_gives_secrets_away_is_counted_and_one_that_does_not_is_not(planted, model, monkeypatch):
    root, found = planted
    texts = {c.file: (root / "copy" / c.file).read_text() for c in found}
    monkeypatch.setattr(canaries, "last_weights", lambda *_: model)
    vocabulary = Vocabulary(root / "kept" / "tokenizer")
    secrets = {canaries._before(c, texts): c.secret for c in found}

    def talkative(_model, prompts, _stops, *, max_new_tokens, **settings):
        shown = (vocabulary.decode(prompt) for prompt in prompts)
        knows = [next((s for before, s in secrets.items() if before.endswith(p[-30:])), "") for p in shown]
        return [vocabulary.encode(secret if settings or i % 2 else "no") for i, secret in enumerate(knows)]

    monkeypatch.setattr("effectiveness.proof.prompts.generate_ids", talkative)
    told = canaries.ask(root / "kept", root, found, texts, "cpu")
    assert told["asked"] > 100 and told["sampled"] == told["asked"] == told["extracted"]
    assert told["greedy"] == told["asked"] // 2
    monkeypatch.setattr(
        "effectiveness.proof.prompts.generate_ids", lambda _m, prompts, _s, **_: [[1]] * len(prompts)
    )
    assert canaries.ask(root / "kept", root, found, texts, "cpu")["extracted"] == 0


def test_the_canaries_command_refuses_a_place_without_source_files(tmp_path, capsys):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "notes.txt").write_text("nothing")
    arguments = ["--repository", str(tmp_path / "r"), "--output", str(tmp_path / "o")]
    assert canaries.main(arguments) == 2 and "no source files" in capsys.readouterr().err
    assert canaries.main(["--repository", str(tmp_path / "x"), "--output", str(tmp_path / "o")]) == 2
