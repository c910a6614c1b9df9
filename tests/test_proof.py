"""The proof card says what a training bought, and nothing when it bought nothing, leaked, or was another's."""

import json
import math
import random
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fixtures import SmallFile, command, program, small_files, use_tiny_models, write_dataset

from effectiveness.common.jsonl import JsonLinesWriter, read_metadata, read_rows, write_metadata
from effectiveness.common.records import DATASET_FILES, LATER_FILE, METADATA_FILE
from effectiveness.proof import control, mixtures
from effectiveness.proof.card import difference
from effectiveness.proof.card_text import card_lines
from effectiveness.proof.command import main
from effectiveness.proof.eval_set import scorer
from effectiveness.proof.page import write_page
from effectiveness.trainer import models
from effectiveness.trainer.evaluate import evaluate
from effectiveness.trainer.held_out import HeldOut
from effectiveness.trainer.rows import open_dataset, open_rows
from effectiveness.trainer.run_directory import read_training_facts, write_training_facts
from effectiveness.trainer.vocabulary import Vocabulary
from training.model_trainer_unified import main as train

FILES_PER_SPLIT = {"train": 12, "val": 6, "test": 8}
OLD_TOKENS = 40  # of each file that was committed later
QUICK = ("--device", "cpu", "--max-windows", "40", "--prompts", "6")


def larger_files() -> list[SmallFile]:
    """Files of which most are longer than a span of 50 tokens, each with names of its own."""
    rng = random.Random(7)
    return [
        SmallFile(f.path, f.role, f.split, f"# {f.path} {rng.random()}\n" + program(rng, 6), f.language)
        for f in small_files(per_split=FILES_PER_SPLIT)
    ]


def train_model(sequences: Path, output: Path, *flags: str) -> Path:
    settings = ("objectives.fim_rate=0.5", "optimization.learning_rate=0.01", "training.max_steps=4")
    overrides = [word for setting in settings for word in ("--set", setting)]
    assert train(command(sequences, output, *overrides, *flags)) == 0
    return output


def add_later(directory: Path) -> None:
    """The test files again as files committed later, of which the first 40 tokens were there before."""
    rows = read_rows(directory / DATASET_FILES["test"])
    rows = [row for row in rows if row["metadata"]["augmentation_type"] == "original"]
    with JsonLinesWriter(directory / LATER_FILE) as writer:
        for row in rows:
            about = row["metadata"]
            first = max(0, OLD_TOKENS - about["start_token"])
            scored = [[first, about["length"]]] if first < about["length"] else []
            writer.write_row(np.array(row["tokens"], np.uint16), about | {"scored": scored})
    metadata = read_metadata(directory / METADATA_FILE)
    write_metadata(directory / METADATA_FILE, metadata | {"later_sequences": len(rows)})


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A dataset, a model trained on it for four steps, and unrelated code."""
    patch = pytest.MonkeyPatch()
    use_tiny_models(patch)
    patch.setattr(control, "MIN_BYTES", 6000)
    root = tmp_path_factory.mktemp("proof")
    sequences = write_dataset(root / "data", window=128, files=larger_files())
    add_later(root / "data")
    train_model(sequences, root / "model")
    unrelated = root / "unrelated" / "src"
    unrelated.mkdir(parents=True)
    for i in range(12):
        lines = [f"class Shelf{i}_{j}:\n    height = {i * j}\n    books = [{j}, 'b{i}']\n" for j in range(8)]
        (unrelated / f"shelf_{i}.py").write_text("\n".join(lines))
    yield root
    patch.undo()


def flags(root: Path, *more: str) -> list[str]:
    return ["--dataset", str(root / "data"), "--model", str(root / "model"), *QUICK, *more]


@pytest.fixture(scope="module")
def card(workshop):
    """The card of the model, with its control trained on the unrelated code."""
    unrelated = str(workshop / "unrelated")
    with redirect_stdout(StringIO()) as log:
        assert main(flags(workshop, "--control-repository", unrelated)) == 0
    (workshop / "log").write_text(log.getvalue())
    return json.loads((workshop / "model" / "proof" / "proof.json").read_text())


def refusal(capsys, arguments: list[str], exit_code: int = 2) -> str:
    assert main(arguments) == exit_code
    printed = capsys.readouterr().err.strip()
    assert "\n" not in printed and printed.startswith("error: ")
    return printed


def test_the_card_has_every_arm_on_the_same_tokens(card):
    test = card["sets"]["test"]
    counted, models_alone = (
        ["uniform", "cache n-gram", "n-gram, one window"],
        ["untrained", "control", "trained"],
    )
    mixed = ["control + n-gram", "trained + n-gram"]
    remembered = ["memory", "trained + memory, one share", "control + memory", "trained + memory"]
    assert list(test["bits_per_byte"]) == [*counted, *models_alone, *mixed, *remembered]
    assert test["files"] == FILES_PER_SPLIT["test"]
    uniform = test["tokens"] * math.log2(300) / test["bytes"]
    assert test["bits_per_byte"]["uniform"]["all"] == pytest.approx(uniform, rel=1e-3)
    assert test["bits_per_byte"]["trained"]["all"] < test["bits_per_byte"]["untrained"]["all"]
    assert {"all", "own identifiers", "role core", "language rust"} <= set(test["bits_per_byte"]["trained"])


def test_the_log_says_once_and_last_that_all_is_complete_whatever_was_trained_for_it(card, workshop):
    lines = (workshop / "log").read_text().splitlines()
    assert lines.count("COMPLETE") == 1 and lines[-1] == "COMPLETE"


def test_the_headline_is_trained_minus_control_with_its_interval(card):
    found = card["headline"]["difference"]
    bits = card["sets"]["test"]["bits_per_byte"]
    expected = bits["trained"]["all"] - bits["control"]["all"]
    assert found["bits_per_byte"]["estimate"] == pytest.approx(expected)
    assert found["bits_per_byte"]["low"] <= expected <= found["bits_per_byte"]["high"]
    assert found["smallest_detectable"] > 0
    assert card["headline"]["verdict"] == found["verdict"]


def test_a_model_with_the_ngram_is_compared_with_the_ngram_alone_and_with_its_like(card):
    compared = card["sets"]["test"]["differences"]["all"]
    bits = card["sets"]["test"]["bits_per_byte"]
    for rival in ("cache n-gram", "control + n-gram"):
        found = compared[f"trained + n-gram minus {rival}"]["bits_per_byte"]
        assert found["estimate"] == pytest.approx(bits["trained + n-gram"]["all"] - bits[rival]["all"])
    assert card["mixture"]["fitted_on"]["files"] == FILES_PER_SPLIT["val"]
    assert all(0 <= share < 1 for of_arm in card["mixture"]["shares"].values() for share in of_arm)


def test_a_model_with_the_memory_is_compared_with_each_alone_and_with_one_share(card):
    test = card["sets"]["test"]
    bits = {arm: values["all"] for arm, values in test["bits_per_byte"].items()}
    for rival in ("memory", "cache n-gram", "trained + memory, one share", "control + memory"):
        found = test["differences"]["all"][f"trained + memory minus {rival}"]["bits_per_byte"]
        assert found["estimate"] == pytest.approx(bits["trained + memory"] - bits[rival])
        assert found["low"] <= found["estimate"] <= found["high"]
    assert bits["memory"] < bits["n-gram, one window"]


def test_no_held_out_file_is_in_the_memory_that_is_measured(card, workshop):
    held = json.loads((workshop / "data" / "memory" / "memory.json").read_text())["paths"]
    assert len(held) == FILES_PER_SPLIT["train"] and all(path.startswith("train/") for path in held)


def test_the_ngram_that_sees_one_window_knows_less_than_the_one_that_sees_the_file(card):
    bits = card["sets"]["test"]["bits_per_byte"]
    assert bits["cache n-gram"]["all"] < bits["n-gram, one window"]["all"] < bits["uniform"]["all"]


def test_without_enough_val_text_the_mixtures_are_left_out_and_the_card_says_why(card, workshop, monkeypatch):
    monkeypatch.setattr(mixtures, "MIN_TOKENS", 10**6)
    output = workshop / "unmixed"
    named = ["--control", str(workshop / "model" / "control" / "model"), "--prompts", "0"]
    assert main(flags(workshop, "--output", str(output), *named)) == 0
    found = json.loads((output / "proof.json").read_text())
    arms = found["sets"]["test"]["bits_per_byte"]
    assert "memory" in arms and not {arm for arm in arms if " + " in arm}
    said = "both together: left out, the val files have"
    assert any(said in line for line in card_lines(found)) and said in (output / "proof.html").read_text()


def test_what_was_committed_later_is_a_held_out_set_of_its_own_and_no_claim_rests_on_it(card):
    test, later = card["sets"]["test"], card["sets"]["later"]
    assert test["windows"] == test["windows_in_all"] and later["windows"] == later["windows_in_all"]
    assert later["tokens"] == test["tokens"] - OLD_TOKENS * FILES_PER_SPLIT["test"]
    assert list(later["bits_per_byte"]) == list(test["bits_per_byte"])
    assert card["headline"]["difference"] == test["differences"]["all"]["trained minus control"]
    assert later["differences"]["all"]["trained minus control"] != card["headline"]["difference"]


def test_the_later_files_are_printed_shown_and_searched_for_text_of_train(card, workshop):
    lines, page = list(card_lines(card)), (workshop / "model" / "proof" / "proof.html").read_text()
    assert any(line.startswith("later: bits per byte of") for line in lines)
    assert any(line.startswith("verbatim overlap, later: 0.00 % of") for line in lines)
    assert "<h2>Bits per byte, later files</h2>" in page
    counted = card["overlap"]["counted"]
    assert 0 < counted["later"]["num_spans"] < counted["test"]["num_spans"]


def test_questions_of_both_kinds_are_asked_of_the_models_the_memory_and_both(card):
    assert {"next line", "fill in the middle"} <= set(card["questions"])
    compared = ("trained against control", "trained + memory against memory")
    for of_kind in card["questions"].values():
        assert list(of_kind["arms"]) == [
            *("untrained", "control", "trained", "memory", "control + memory", "trained + memory")
        ]
        for pair in compared:
            assert of_kind[pair]["exact"]["num_pairs"] == of_kind["questions"]
        for shares in of_kind["arms"].values():
            assert shares["exact"] <= shares["exact_to_length"] <= 1


def test_masked_windows_are_compared_with_the_originals_at_the_same_place(card):
    masked = card["robustness"]["token_masking"]
    assert masked["pairs"] == 20  # half of --max-windows
    assert masked["trained"]["ratio"] == pytest.approx(
        masked["trained"]["variants"] / masked["trained"]["originals"]
    )


def test_the_control_has_the_models_shape_steps_and_tokenizer(workshop, card):
    root = workshop / "model" / "control"
    ours, theirs = (json.loads((d / "config.json").read_text()) for d in (workshop / "model", root / "model"))
    assert ours == theirs
    tokenizers = [d / "tokenizer" / "tokenizer.json" for d in (workshop / "data", root / "data")]
    assert tokenizers[0].read_bytes() == tokenizers[1].read_bytes()
    [state] = (root / "model" / "checkpoints").glob("step-*")
    assert json.loads((state / "checkpoint.json").read_text())["state"]["step"] == 4


def test_a_second_card_trains_no_second_control(workshop, card, monkeypatch):
    monkeypatch.setattr(control, "train", lambda *_: pytest.fail("trained again"))
    again = workshop / "again"
    unrelated = str(workshop / "unrelated")
    assert main(flags(workshop, "--control-repository", unrelated, "--output", str(again))) == 0
    assert json.loads((again / "proof.json").read_text()) == card


def test_a_model_against_itself_shows_no_gain(workshop, card, capsys):
    output = workshop / "itself"
    assert main(flags(workshop, "--control", str(workshop / "model"), "--output", str(output))) == 0
    printed = capsys.readouterr().out
    assert "trained minus control: no gain shown" in printed
    assert json.loads((output / "proof.json").read_text())["headline"]["verdict"] == "no gain shown"


def test_several_seeds_are_all_in_the_interval(workshop, card):
    second = train_model(workshop / "data" / "training_data_train.jsonl", workshop / "second", "--seed", "7")
    output = workshop / "seeds"
    named = ["--control", str(workshop / "model" / "control" / "model"), "--prompts", "0"]
    assert main(flags(workshop, "--model", str(second), "--output", str(output), *named)) == 0
    two = json.loads((output / "proof.json").read_text())
    assert two["headline"]["difference"]["seeds"] == [2, 1]
    assert [m["seed"] for m in two["models"]] == [42, 7]
    assert {arm: len(shares) for arm, shares in two["mixture"]["shares"].items()} == {
        "control + n-gram": 1,
        "trained + n-gram": 2,
        "trained + memory, one share": 2,
    }
    both = two["sets"]["test"]["differences"]["all"]["trained + memory minus memory"]
    assert both["seeds"] == [2, 1]


def test_the_same_run_twice_and_runs_of_other_settings_are_no_seeds(workshop, card, capsys):
    twice = flags(workshop, "--model", str(workshop / "model"))
    assert "seeds are 42, 42: the same run twice" in refusal(capsys, twice)
    train_model(
        workshop / "data" / "training_data_train.jsonl", workshop / "other-rate", "--seed", "8",
        *("--set", "optimization.learning_rate=0.02"),
    )  # fmt: skip
    capsys.readouterr()
    printed = refusal(capsys, flags(workshop, "--model", str(workshop / "other-rate")))
    assert "trained with another optimization.learning_rate" in printed


def test_the_card_says_whether_its_interval_covers_other_runs(workshop, card, tmp_path):
    def said(seeds: list[int]) -> str:
        found = card | {
            "headline": {"verdict": "", "difference": card["headline"]["difference"] | {"seeds": seeds}}
        }
        write_page(tmp_path / "p.html", found)
        [line] = [line for line in card_lines(found) if "95 % interval by" in line]
        assert line.split(";")[0].strip() in (tmp_path / "p.html").read_text()
        return line

    assert "by file, one run of each" in said([1, 1]) and "by file and seed" in said([2, 1])


def test_a_train_file_copied_into_test_is_shouted_in_the_first_line(workshop, card, capsys):
    files = larger_files()
    source = next(file for file in files if file.split == "train" and len(file.text) > 400)
    planted = SmallFile("test/planted.py", "util", "test", source.text, "python")
    root = workshop / "leaky"
    train_model(write_dataset(root / "data", window=128, files=[*files, planted]), root / "model")
    capsys.readouterr()
    named = ["--control", str(root / "model"), "--prompts", "0"]
    assert main(flags(root, *named)) == 1
    printed = capsys.readouterr().out.splitlines()
    shouted = next(line for line in printed if line and not line.startswith(("measuring", "memory")))
    assert shouted.startswith("LEAK: 1 of 9") and "test/planted.py" in shouted
    assert "trained minus control: leak: no claim" in printed
    assert "LEAK: 1 of 9" in (root / "model" / "proof" / "proof.html").read_text()


def test_a_model_of_another_dataset_is_refused(workshop, card, capsys):
    other = write_dataset(workshop / "other", window=128, files=larger_files()[:-1]).parent
    arguments = ["--dataset", str(other), "--model", str(workshop / "model"), *QUICK]
    printed = refusal(capsys, arguments)
    assert "was trained on another dataset" in printed and "training_data_test.jsonl" in printed


def test_a_model_with_another_tokenizer_is_refused(workshop, card, capsys):
    renamed = [SmallFile(f.path, f.role, f.split, f.text.upper(), f.language) for f in larger_files()]
    other = write_dataset(workshop / "upper", window=128, files=renamed).parent
    arguments = ["--dataset", str(other), "--model", str(workshop / "model"), *QUICK]
    assert "another tokenizer" in refusal(capsys, arguments)


def test_a_training_that_changed_no_weight_is_refused(workshop, card, capsys):
    idle = workshop / "idle"
    shutil.copytree(workshop / "model", idle, ignore=shutil.ignore_patterns("control", "proof"))
    trained = read_training_facts(idle)
    models.fresh_like(idle, 42).save_pretrained(idle)
    for name in ("config.json", "generation_config.json"):  # only the weights are others
        shutil.copy(workshop / "model" / name, idle)
    write_training_facts(idle, trained)
    arguments = ["--dataset", str(workshop / "data"), "--model", str(idle), *QUICK]
    assert "bought nothing" in refusal(capsys, arguments, exit_code=1)


def test_weights_of_another_training_than_the_facts_beside_them_are_refused(workshop, card, capsys):
    mixed = workshop / "mixed"
    shutil.copytree(workshop / "model", mixed, ignore=shutil.ignore_patterns("control", "proof"))
    models.fresh_like(mixed, 42).save_pretrained(mixed)
    arguments = ["--dataset", str(workshop / "data"), "--model", str(mixed), *QUICK]
    assert "the weights are not those that training_facts.json describes" in refusal(capsys, arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dataset", "{root}/data", "--model", "{root}/nowhere"], "holds no finished model"),
        (["--dataset", "{root}/nowhere", "--model", "{root}/model"], "is missing"),
        (["--dataset", "{root}/data", "--model", "{root}/model", "--prompts", "-1"], "--prompts must be"),
        (
            [
                "--dataset",
                "{root}/data",
                "--model",
                "{root}/model",
                "--control",
                "a",
                "--control-repository",
                "b",
            ],
            "keep one",
        ),
        (
            ["--dataset", "{root}/data", "--model", "{root}/model", "--control-repository", "{root}/nowhere"],
            "no such directory",
        ),
        (
            ["--dataset", "{root}/data", "--model", "{root}/model", "--control", "{root}/nowhere"],
            "--control",
        ),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_one_line(workshop, card, capsys, arguments, said):
    assert said in refusal(capsys, [word.format(root=workshop) for word in arguments])


def test_an_output_that_cannot_be_made_is_found_out_before_anything_is_measured(workshop, card, capsys):
    (workshop / "taken").write_text("a file")
    arguments = flags(workshop, "--output", str(workshop / "taken"))
    assert "taken is not a directory; choose a new or empty directory" in refusal(capsys, arguments)


def test_an_output_of_somebody_else_is_refused_before_anything_is_measured(workshop, card, capsys):
    (workshop / "theirs").mkdir()
    (workshop / "theirs" / "proof.json").write_text("a proof of theirs")
    arguments = flags(workshop, "--output", str(workshop / "theirs"))
    assert "theirs holds files we did not write (proof.json)" in refusal(capsys, arguments)


def test_the_untrained_arm_has_the_weights_the_training_began_with(workshop, card):
    before = json.loads((workshop / "model" / "training_metrics.jsonl").read_text().splitlines()[0])
    assert before["event"] == "evaluation" and before["step"] == 0
    dataset = open_dataset(workshop / "data")
    vocabulary = Vocabulary(dataset.tokenizer)
    windows = HeldOut(
        open_rows(dataset, "val"), vocabulary.control, vocabulary.num_bytes, batch_size=4, variants=False
    )
    fresh = models.fresh_like(workshop / "model", 42)
    scored = evaluate(windows, scorer(fresh, torch.device("cpu"), torch.float32))
    assert scored.headline.bits_per_byte == pytest.approx(before["bits_per_byte"])


def test_too_few_files_show_nothing_whatever_the_difference():
    found = difference(np.ones((1, 3)), np.full((1, 3), 900.0), np.full(3, 10))
    assert found["verdict"] == "no gain shown" and found["smallest_detectable"] is None
    assert difference(np.full((1, 9), 9.0), np.ones((1, 9)), np.full(9, 9))["verdict"].startswith("worse")


def test_a_model_that_is_worse_is_called_so_also_where_it_may_be_chance():
    found = difference(np.full((1, 3), 2.38), np.ones((1, 3)), np.full(3, 10))
    assert found["verdict"].startswith("no gain shown, but ") and "(138.0 %) worse" in found["verdict"]


def test_the_printed_card_begins_with_its_claim_and_fits_a_screen(card):
    lines = list(card_lines(card | {"sets": {"test": card["sets"]["test"]}}))
    assert lines[1].startswith("PROOF CARD") and lines[2].startswith("trained minus control: ")
    assert len(lines) < 60 and max(map(len, lines)) < 200


def test_the_page_shows_a_dash_where_there_are_too_few_files_for_an_interval(card, tmp_path):
    few = difference(np.ones((1, 3)), np.full((1, 3), 900.0), np.full(3, 10))
    test = card["sets"]["test"] | {"differences": {"all": {"trained minus control": few}}}
    write_page(tmp_path / "p.html", card | {"sets": {"test": test}})
    page = (tmp_path / "p.html").read_text()
    assert '<td class="n">-</td>' in page and "- to -" not in page
    assert page.index(">all</th>") < page.index(">own identifiers</th>") < page.index(">role core")


def test_the_page_refers_to_nothing_outside_and_escapes_what_it_shows(card, tmp_path):
    hostile = card | {"leak": "LEAK: <script>alert(1)</script>"}
    write_page(tmp_path / "p.html", hostile)
    page = (tmp_path / "p.html").read_text()
    assert "<script" not in page and "&lt;script" in page
    assert "http" not in page.replace("http-equiv", "") and "src=" not in page and "<svg" in page
    for kind in card["questions"]:
        assert kind.capitalize() in page
